/*
 * notify: sessions and their feeds: what happens, to all devices concerned.
 *
 * A session is an authenticated connection of a device.  It subscribes to
 * logs; for each it keeps the next position to be pushed.  Live and catch-up
 * are one mechanism: a published frame goes to those whose next position it
 * is; who is behind is fed by ranges from the source until it has caught up.
 * A slow reader (gateway.h) is suspended and goes on where it stopped, so
 * nothing waits in memory for it.
 *
 * Ownership  sessions are notify's, valid until notify_closed.
 * Threads    none: main's.
 * Limits     NOTIFY_FETCH frames a range; SESSION_LOGS_MAX logs a session.
 */
#ifndef NODE_NOTIFY_NOTIFY_H
#define NODE_NOTIFY_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "node/gateway/gateway.h"

#define NOTIFY_FETCH     64
#define SESSION_LOGS_MAX 4096

struct notify;
struct sub;

struct session {
	struct conn_ref conn;
	void *account; /* message's; NULL before authentication */
	void *device;
	bool live;             /* the feed has been started */
	bool suspended;        /* the gateway dropped something */
	bool states, presence; /* wants these pushes */
	bool pumping;
	char address[46];
	struct mono since;
	uint64_t pushed;
	struct sub *subs;
	uint32_t nsubs;
	struct session *pump_next;
	struct session *peer_next, *peer_prev; /* others of the account */
	struct watch *watches; /* message's, see ephemeral.c there */
	struct mono typing_since;
	uint32_t typing; /* notices since then */
	uint64_t limit;  /* most events of one log to catch up with */
};

/* One position of a log, ready to send. */
struct notify_item {
	uint64_t seq;
	struct frame *frame; /* the reference travels */
};

/* What notify asks of the message service. */
struct notify_source {
	void *arg;
	/*
	 * Positions of log after `after', up to NOTIFY_FETCH; the answer comes
	 * through notify_fed, before this returns or later.
	 */
	void (
	    *fetch)(void *arg, struct session *s, uint32_t log, uint64_t after);
};

struct notify *notify_new(struct gateway *g,
    const struct notify_source *src) MUST_USE;
void notify_free(struct notify *n); /* NULL is allowed */

/* The session of a connection: made when there is none; NULL: no memory. */
struct session *notify_session(struct notify *n, const struct request *rq);
/* NULL when it is gone or another one has its slot. */
struct session *notify_find(struct notify *n, const struct conn_ref *conn);

/* Each session; stops when fn returns false. */
void notify_each(struct notify *n, bool (*fn)(void *arg, struct session *s),
    void *arg);

/* Takes the frame (NULL: only flags). */
void notify_send(struct notify *n, const struct conn_ref *conn,
    struct frame *frame, uint32_t flags);

/* A text to one connection; ignored when there is no memory (the gateway
 * closes connections that get no answer). */
void notify_text(struct notify *n, const struct conn_ref *conn, struct str text,
    uint32_t flags);

/*
 * From position `next' on; head is the log's last position.  ERR_TOO_MANY,
 * ERR_NOMEM.  A log subscribed already is left as it is.
 */
enum err notify_subscribe(struct notify *n, struct session *s, uint32_t log,
    uint64_t next, uint64_t head) MUST_USE;
void notify_unsubscribe(struct notify *n, struct session *s, uint32_t log);

/* How many sessions follow the log. */
uint32_t notify_followers(struct notify *n, uint32_t log);

/* Takes the frame, which is at frame->log and frame->seq, the new head. */
void notify_publish(struct notify *n, struct frame *frame);

/*
 * Takes the items, ascending; head: the log's last position now.  A hole
 * before the first one is told to the client as a gap by a frame that gap
 * makes.  err: the source failed; it is tried again later.
 */
void notify_fed(struct notify *n, const struct conn_ref *conn, uint32_t log,
    const struct notify_item *items, size_t nitems, uint64_t head,
    struct frame *gap, enum err err);

/* Events of the gateway. */
void notify_suspended(struct notify *n, const struct request *rq);
void notify_drained(struct notify *n, const struct request *rq);
void notify_closed(struct notify *n, struct session *s);

/* At the end of each loop turn: feeds who is behind, hands deliveries over.
 * True: there is more to feed, call again soon. */
bool notify_flush(struct notify *n);

struct notify_stats {
	uint64_t sessions, live, suspended, subs, published, deliveries,
	    fetched;
};
void notify_stats(struct notify *n, struct notify_stats *out);

#endif
