/*
 * control: the operators' Unix socket, one JSON object a line, guarded by
 * its file mode.  Requests go to the message service like everybody's.
 *
 * Threads    main's.
 * Limits     CONTROL_CLIENTS connections, CONTROL_LINE bytes a request,
 *            CONTROL_UNANSWERED requests under way for each; then it is not
 *            read from until answers have gone out.
 */
#ifndef NODE_CONTROL_H
#define NODE_CONTROL_H

#include <uv.h>

#include "base/err.h"
#include "node/message/message.h"

#define CONTROL_CLIENTS    32
#define CONTROL_LINE       65536
#define CONTROL_UNANSWERED 1000

struct control;

/* Binds the socket (mode 0600; a stale one of a dead daemon is replaced). */
enum err control_open(struct control **out, uv_loop_t *loop,
    const char *path) MUST_USE;
void control_start(struct control *c, struct message *m);

/* An answer of the message service, see struct message_host. */
void control_answer(struct control *c, const struct conn_ref *conn,
    struct str text);

void control_close(struct control *c); /* the loop runs on to finish it */
void control_free(struct control *c);

#endif
