/*
 * outbox: the send stream of a conversation, on disk: its stream, the last
 * number that was stored, and what was sent and not answered yet.
 *
 * One file for each account and conversation, held under flock while it is
 * used: so several programs with one token send one after the other and never
 * take a number twice.  What is to be sent is written (and synced) before it
 * is sent, and stays until it is answered: repeating it is harmless.
 */
#ifndef CLI_OUTBOX_H
#define CLI_OUTBOX_H

#include <jansson.h>

#include "cli/app.h"

struct outbox {
	int fd;
	char path[4096];
	json_t *state; /* {"stream","number","pending":[request,...]} */
};

/* Waits for its turn.  An exit code. */
int outbox_open(struct outbox *o, const struct app *a, const char *to);
void outbox_close(struct outbox *o);

/* Puts a request (takes it: op, to, ...) at the end; an exit code. */
int outbox_add(struct outbox *o, json_t *request);

/*
 * Sends everything pending, in order, until it is stored or timeout_ms have
 * passed since the first attempt; *ok gets the last answer.  EXIT_KEPT: the
 * rest stays, *direct says how many devices have seen it.  A refusal takes
 * the refused one out.
 */
int outbox_flush(struct outbox *o, struct app *a, int timeout_ms, json_t **ok,
    json_int_t *direct);

size_t outbox_pending(const struct outbox *o);

#endif
