/*
 * gateway: HTTP and WebSocket for clients, on worker threads.
 *
 * Each worker is a libuv loop; a connection stays with its worker.  Workers
 * parse, limit and hand requests to main through one channel; main hands
 * frames back in deliveries.  All frames of a connection in a loop turn leave
 * in one write.
 *
 * Feed     Frames with a log and a position are the live feed.  When a
 *          connection's output passes its limit, further feed frames for it
 *          are dropped and remembered (the first position of each log), and
 *          GATEWAY_SUSPENDED tells main to stop.  Main says so by
 *          DELIVER_SUSPENDED: now all that was under way has come.  When the
 *          output has drained as well, GATEWAY_DRAINED tells main where to go
 *          on.  Without that answer a frame sent before main knew could come
 *          after the drain, and the client would miss what lies before it.
 *          Answers are never dropped: a connection that has many requests
 *          without an answer (64), or whose output passes twice the limit, is
 *          not read from until that has changed.  So its memory is bounded by
 *          the size of that many answers.  When its output passes
 *          OUTPUT_LIMITS times the limit and nothing was asked (notices that
 *          nobody reads), it is closed.
 * Threads  gateway_* is called by main, except gateway_stats (any).
 *          request_free and frame_* by any.
 */
#ifndef NODE_GATEWAY_GATEWAY_H
#define NODE_GATEWAY_GATEWAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/channel.h"
#include "base/err.h"
#include "base/mono.h"
#include "proto/json.h"

/* A connection, as main knows it; a stale one is recognized and ignored. */
struct conn_ref {
	uint32_t worker;
	uint32_t slot;
	uint32_t gen;
};

enum gateway_event {
	GATEWAY_REQUEST,   /* an operation */
	GATEWAY_SUSPENDED, /* the output limit was passed: stop the feed */
	GATEWAY_DRAINED,   /* the feed may go on, see missed */
	GATEWAY_CLOSED,    /* the connection is gone: the last event of it */
	GATEWAY_METRICS,   /* GET /metrics; answer with a frame of plain text */
};

/* First position of a log that was not delivered. */
struct gateway_missed {
	uint32_t log;
	uint64_t seq;
};

/*
 * From a worker to main.  Main frees it with request_free, which wipes the
 * text of those that carry a secret.  Strings of args point into its own
 * memory.
 */
struct request_pool;
struct request {
	struct channel_item link;
	enum gateway_event event;
	struct conn_ref conn;
	struct mono accepted; /* when its last byte was read */
	/* Of the peer, as text; empty once it has authenticated. */
	char address[46];
	struct gateway_missed *missed; /* DRAINED: in its own memory */
	size_t nmissed;
	char *text; /* n bytes in its own memory: for json_read */
	size_t n;
	struct request_pool *pool; /* the gateway's own */
	struct json_request rq;
};

/* For another source of requests: a copy of text, all else 0 (but rq, which
 * json_read fills).  NULL when out of memory. */
struct request *request_new(const char *text, size_t n) MUST_USE;
void request_free(struct request *r); /* NULL is allowed */

/*
 * Bytes to send, serialized once however many get them.  The WebSocket
 * header is put before them by frame_new.  log 0: not part of the feed.
 */
struct frame {
	atomic_uint refs;
	uint32_t log; /* node-local number of the log, 0: an answer or notice */
	uint64_t seq;
	struct mono accepted; /* of the request behind it, for the histogram of
				 accepted to pushed; 0: none */
	uint32_t off, len;    /* of the WebSocket frame in data; its text is at
				 data + FRAME_HEADER */
	char data[];
};

#define FRAME_HEADER 10

/* A text frame with one reference.  NULL when out of memory. */
struct frame *frame_new(struct str text) MUST_USE;
void frame_ref_many(struct frame *f, unsigned n);
void frame_unref(struct frame *f);

#define DELIVER_AUTHENTICATED 1u /* lift the login deadline */
#define DELIVER_CLOSE         2u /* close after what is written before */
#define DELIVER_SUSPENDED     4u /* no frame of the feed until DRAINED */

#define OUTPUT_LIMITS 8

/* One frame for one connection; the reference travels with it. */
struct deliver {
	uint32_t slot, gen;
	struct frame *frame; /* may be NULL with flags */
	uint32_t flags;
};

/* What main has for one worker at the end of a loop turn. */
struct delivery {
	struct channel_item link;
	size_t n, cap;
	struct deliver *v; /* malloc'ed */
};

struct gateway_listen {
	char *host;    /* numeric address; "::" is IPv6 only */
	uint16_t port; /* 0: any */
	bool tls;
	bool proxy; /* PROXY protocol v2 header required */
};

struct gateway_config {
	unsigned workers;
	const struct gateway_listen *listen;
	size_t nlisten;
	const struct gateway_listen *metrics;  /* or NULL */
	const char *tls_certificate, *tls_key; /* files, PEM; or NULL */
	/* Allowed Origin values, "*" any; none: only the Host's own.  Clients
	 * that send no Origin are no browsers and are let in. */
	const char *const *origins;
	size_t norigins;
	uint32_t max_connections;         /* in all */
	uint32_t max_connections_address; /* for one address (/64 in IPv6) */
	uint32_t max_message;             /* bytes of one request, 128 KiB */
	uint32_t max_output; /* bytes, then the feed is suspended */
	/* Operations for a connection and an address; 0: no limit.  Above it
	 * the connection is not read until it may go on. */
	uint32_t ops_per_second, ops_burst;
	uint32_t ops_address_per_second, ops_address_burst;
	uint32_t passwords_per_minute; /* for an address, else ERR_RATE; 0: no
					  limit */
	uint32_t request_timeout_ms;   /* to finish headers or a frame */
	uint32_t login_timeout_ms;
	uint32_t ping_ms; /* silence after which a ping goes out; twice: gone */
	uint32_t idle_ms; /* plain HTTP keep-alive */
};

struct gateway;

/*
 * Opens the listeners (so that privileges can be dropped) and loads the
 * certificate; workers run from gateway_start.  *what (static or in a buffer
 * of the gateway's) says what failed.
 */
enum err gateway_open(struct gateway **out, const struct gateway_config *cfg,
    char *what, size_t what_len) MUST_USE;

/* requests: bounded channel to main. */
enum err gateway_start(struct gateway *g, struct channel *requests) MUST_USE;

/* The port of listener i (port 0 was asked for); metrics: i == nlisten. */
uint16_t gateway_port(const struct gateway *g, size_t i);

unsigned gateway_workers(const struct gateway *g);

/* Takes d (malloc'ed) whatever happens.  False: the worker is far behind, and
 * frames of the feed should wait; d was taken nevertheless. */
bool gateway_deliver(struct gateway *g, unsigned worker, struct delivery *d);

/* Deliveries not yet taken up by the worker. */
size_t gateway_backlog(struct gateway *g, unsigned worker);

/* While pressed, workers do not read from clients (queue nearly full). */
void gateway_press(struct gateway *g, bool pressed);

/* What /readyz says: ready, or why not (copied). */
void gateway_ready(struct gateway *g, bool ready, const char *why);

/* New limits, origins, certificate; listeners and workers stay.  *what says
 * what could not be changed or loaded. */
enum err gateway_reload(struct gateway *g, const struct gateway_config *cfg,
    char *what, size_t what_len) MUST_USE;

/*
 * Histogram: [i] counts what took less than 2^i us (and not less than the
 * bucket before), the last one all that is longer.
 */
struct gateway_stats {
	unsigned workers;
	/* By worker; shed: new connections refused because of overload. */
	uint64_t connections[64], sessions[64], shed[64], handed_over[64];
	uint64_t lag_us[64]; /* longest recent turn of the loop */
	uint64_t accepted, refused, refused_address, bytes_in, bytes_out;
	uint64_t frames_out, suspended, overflowed, pings_lost, timeouts;
	uint64_t malformed, rate_limited, acks_merged;
	uint64_t pushed_us_hist[24]; /* request accepted to frame written */
	uint64_t pushed_us_sum, pushed_count;
	uint64_t errors[ERR_COUNT]; /* answered by the gateway itself */
};
void gateway_stats(struct gateway *g, struct gateway_stats *out);

/* Stop accepting; say bye with code and text to all; end the threads when
 * their output is written or after timeout_ms. */
void gateway_stop(struct gateway *g, unsigned timeout_ms);
void gateway_free(struct gateway *g);

#endif
