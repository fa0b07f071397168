/*
 * conn: a client's connection, from its first byte to its last.
 *
 *   PROXY -> HTTP -> OPEN -> CLOSING -> DEAD
 *              ^v
 *            ANSWER
 *
 * PROXY waits for the header of the PROXY protocol (on listeners that have
 * it), HTTP for a request, ANSWER for main's answer to GET /metrics, OPEN is
 * a WebSocket, CLOSING waits until the last bytes are written and the peer
 * has closed, too, DEAD until main knows.  TLS lies below all but PROXY.
 *
 * A connection is small: what reading takes (struct http, struct ws) is lent
 * by the worker while something is incomplete, output has buffers while it
 * waits.  It is `paused' for one of four reasons, and then not read; what had
 * been read and not looked at is `held', WORKER_INPUT bytes at most.
 *
 * Files      conn.c life and deadlines; input.c what comes in; ask.c requests
 *            to main, or what is wrong with them; send.c what goes out.
 * Threads    its worker's.
 */
#ifndef NODE_GATEWAY_CONN_H
#define NODE_GATEWAY_CONN_H

#include <uv.h>

#include "node/gateway/tls.h"
#include "node/gateway/worker.h"

#define CONN_LINGER_MS     2000
#define CONN_MALFORMED_MAX 8
#define CONN_MISSED_MAX    8192 /* logs */
#define CONN_ASKED_MAX     64   /* requests without an answer, then no more */
/* Before it has authenticated nobody may make the node hold more. */
#define CONN_LOGIN_MESSAGE 8192

enum conn_state {
	CONN_PROXY,
	CONN_HTTP,
	CONN_ANSWER,
	CONN_OPEN,
	CONN_CLOSING,
	CONN_DEAD
};

enum conn_feed {
	FEED_ON,
	FEED_SUSPENDED, /* main does not know yet */
	FEED_STOPPED    /* main sends nothing of the feed */
};

#define PAUSE_RATE   1u /* too many operations */
#define PAUSE_MAIN   2u /* main takes no requests */
#define PAUSE_OUTPUT 4u /* too much waits to be written */
#define PAUSE_ANSWER 8u /* main has enough to answer */

/* Events that main has yet to be told of. */
#define UNTOLD_SUSPENDED 1u
#define UNTOLD_DRAINED   2u
#define UNTOLD_CLOSED    4u

struct held {
	size_t n;
	char p[];
};

struct conn {
	uv_tcp_t tcp; /* first: a handle is its connection */
	uint32_t slot, gen;
	uint8_t state, feed, pauses, untold;
	uint8_t malformed, listener;
	uint16_t asked; /* requests that main has yet to answer */
	bool authenticated : 1;
	bool known : 1; /* main has had a request */
	bool dirty : 1; /* in the worker's list */
	bool pinged : 1;
	bool ended : 1; /* our side is closed: FIN sent */
	bool tls_ended : 1;
	bool peer_ended : 1;
	bool handle_closed : 1;
	bool served : 1;               /* an HTTP request has been answered */
	bool keep_alive : 1, head : 1; /* of the request in ANSWER */
	struct wheel_entry timer;      /* in deadlines */
	struct wheel_entry waiting;    /* in rates or blocked */
	struct conn *dirty_next;
	uint64_t due;   /* of timer */
	uint64_t since; /* ms: when what has a deadline began; 0: nothing has */
	uint64_t alive; /* ms: the last sign of life */
	uint64_t progress; /* ws_progress when `since' was set */
	uint64_t tat;      /* of its operations, limit.h */
	size_t queue;      /* libuv's, when the timer last looked */
	struct in6_addr ip;
	struct limit_address *address; /* NULL while it is not known */
	struct tls *tls;
	struct http *http;
	struct ws *ws;
	struct held *held;
	struct output *out, *writing;
	struct gateway_missed *missed;
	uint32_t nmissed, capmissed;
	struct request *ack; /* the last one, valid in ack_turn */
	uint32_t ack_turn;
};

/* The connection whose `member' the entry is. */
#define CONN_OF(entry, member)                                                 \
	((struct conn *)(void *)((char *)(entry)-offsetof(struct conn, member)))

static inline struct worker *
conn_worker(const struct conn *c)
{
	return c->tcp.loop->data;
}

/* ---- conn.c -------------------------------------------------------------- */

/* Takes fd and the address' entry (NULL on a PROXY listener), counted by
 * balance; false: nothing was taken. */
bool conn_start(struct worker *w, int fd, unsigned listener,
    const struct in6_addr *ip, struct limit_address *address) MUST_USE;

/* At once.  Idempotent. */
void conn_close(struct conn *c);

/* When what is written has gone out and the peer has seen it. */
void conn_finish(struct conn *c);

/* Says bye with the error's code and text, then closes. */
void conn_bye(struct conn *c, enum err err, enum ws_code code);

/* Wakes it at `due' ms at the latest. */
void conn_deadline(struct conn *c, uint64_t due);
void conn_timer(struct conn *c); /* the deadline may be over */

void conn_pause(struct conn *c, unsigned why);
void conn_unpause(struct conn *c, unsigned why);

/* Tells main of an event, UNTOLD_*, now or when there is memory. */
void conn_tell(struct conn *c, unsigned event);

static inline bool
conn_live(const struct conn *c)
{
	return c->state < CONN_CLOSING;
}

/* ---- input.c ------------------------------------------------------------- */

void conn_read(struct conn *c);   /* starts */
void conn_resume(struct conn *c); /* what is held first */

/* ---- ask.c --------------------------------------------------------------- */

/* A whole message: to main, or answered here. */
void conn_request(struct conn *c, const char *p, size_t n);
struct request *conn_event(struct conn *c, enum gateway_event event, size_t n);

/* ---- send.c -------------------------------------------------------------- */

void conn_send(struct conn *c, const char *p, size_t n);
void conn_control(struct conn *c, enum ws_op op, const char *p, size_t n);
void conn_text(struct conn *c, struct str text);  /* a WebSocket message */
void conn_frame(struct conn *c, struct frame *f); /* takes the reference */
void conn_stopped(struct conn *c); /* main says so: DELIVER_SUSPENDED */
void conn_flush(struct conn *c);
void conn_dirty(struct conn *c); /* will be flushed in this turn */
size_t conn_queued(const struct conn *c);

#endif
