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
 * Limits     NOTIFY_FETCH frames a range; SESSION_LOGS_MAX logs a session;
 *            NOTIFY_FETCHES ranges asked for at once, so that feeds leave the
 *            source room for others; NOTIFY_TURN_BYTES of frames out of
 *            ranges in a turn (and one range more), sessions by turns.
 */
#ifndef NODE_NOTIFY_NOTIFY_H
#define NODE_NOTIFY_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "node/gateway/gateway.h"

#define NOTIFY_FETCH      64
#define NOTIFY_FETCHES    256
#define NOTIFY_TURN_BYTES (4u << 20)
#define NOTIFY_RETRY_MS   1000 /* after the source has failed */
#define SESSION_LOGS_MAX  4096

struct notify;
struct sub;

struct session {
	struct conn_ref conn;
	void *account; /* message's; NULL before authentication */
	void *device;
	bool live;             /* the feed has been started */
	bool suspended;        /* the gateway dropped something */
	bool untold;           /* and does not know yet that we know */
	bool closing;          /* message's: nothing more is done for it */
	bool entering;         /* message's: a login of it is on its way */
	bool states, presence; /* wants these pushes */
	char address[46];
	struct mono since;
	uint64_t pushed;
	struct sub *subs;
	uint32_t nsubs;
	struct sub *behind, *behind_tail; /* to be fetched, in order */
	struct session_link {
		struct session *next, *prev;
		bool on;
	} pump, retry;                         /* notify's lists */
	struct session *peer_next, *peer_prev; /* others of the account */
	struct watch *watches; /* message's, see ephemeral.c there */
	struct mono typing_since;
	uint32_t typing; /* notices since then */
};

/*
 * One position of a log, ready to send.  Where positions before it are gone,
 * gap says so to the client.  A gap alone (frame NULL) reaches up to seq.  The
 * references travel.
 */
struct notify_item {
	uint64_t seq;
	struct frame *gap, *frame;
};

/* What notify asks of the message service. */
struct notify_source {
	void *arg;
	/*
	 * Positions of log after `after', up to NOTIFY_FETCH.  The answer, one
	 * in any case, comes through notify_fed, before this returns or later.
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

/* Takes the frame (NULL: only flags).  False: no memory, it is lost. */
bool notify_send(struct notify *n, const struct conn_ref *conn,
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
void notify_unsubscribe_all(struct notify *n, struct session *s);

/* How many sessions follow the log. */
uint32_t notify_followers(struct notify *n, uint32_t log);

/* Takes the frame, which is at frame->log and frame->seq, the new head. */
void notify_publish(struct notify *n, struct frame *frame);

/* There was no memory for the frame of that position: it is fetched later. */
void notify_missed(struct notify *n, uint32_t log, uint64_t seq);

/*
 * The answer to fetch(log, after).  Takes the items, ascending, the first with
 * a gap unless it is after + 1; head: the log's last position now.  err: the
 * source has failed; it is asked again after NOTIFY_RETRY_MS.
 */
void notify_fed(struct notify *n, const struct conn_ref *conn, uint32_t log,
    uint64_t after, const struct notify_item *items, size_t nitems,
    uint64_t head, enum err err);

/* Events of the gateway. */
void notify_suspended(struct notify *n, const struct request *rq);
void notify_drained(struct notify *n, const struct request *rq);
void notify_closed(struct notify *n, struct session *s);

/* By the clock: what has failed is tried again. */
void notify_tick(struct notify *n, struct mono now);

/* At the end of each loop turn: feeds who is behind, hands deliveries over.
 * True: there is more to feed, call again soon. */
bool notify_flush(struct notify *n);

struct notify_stats {
	uint64_t sessions, suspended, subs, published, deliveries, fetched;
	uint64_t fetching; /* ranges asked for and not yet there */
};
void notify_stats(struct notify *n, struct notify_stats *out);

#endif
