/*
 * worker: a thread with a loop, its listeners and its connections.
 *
 * A turn of the loop reads what has come, hands all requests to main in one
 * list, and writes what each connection has to say in one call.
 *
 * Threads    all is the worker's own, but the two channels, `backlog' and the
 *            counters, which others read.
 */
#ifndef NODE_GATEWAY_WORKER_H
#define NODE_GATEWAY_WORKER_H

#include <stdatomic.h>
#include <uv.h>

#include "base/channel.h"
#include "base/logger.h"
#include "node/gateway/gateway.h"
#include "node/gateway/http.h"
#include "node/gateway/output.h"
#include "node/gateway/request.h"
#include "node/gateway/shared.h"
#include "node/gateway/wheel.h"
#include "node/gateway/ws.h"

#define WORKER_INPUT    16384 /* bytes read at once */
#define WORKER_TICK_MS  100
#define WORKER_RETRY_MS 10
#define WORKER_LAG_MS   100   /* turns that are longer shed connections */
#define WORKER_SPARE    64    /* readers kept for the next connection */
#define WORKER_BACKLOG  65536 /* frames, then the feed should wait */
#define WORKER_CHUNK    256   /* requests handed over at once */
#define WORKER_STAMPS   1024
#define HIST_BUCKETS    24

struct conn;

/* An accepted connection on its way to the worker that takes it. */
struct incoming {
	struct channel_item link;
	int fd;
	unsigned listener;
	struct in6_addr ip;
};

struct accepting {
	struct worker *worker;
	uv_poll_t poll;
	int fd;
	unsigned listener;
};

struct slot {
	struct conn *conn; /* NULL: free */
	uint32_t gen, next;
};

#define SLOT_NONE UINT32_MAX

/* Counters with one writer. */
#define WORKER_COUNTERS(X)                                                     \
	X(accepted)                                                            \
	X(refused_address)                                                     \
	X(bytes_in)                                                            \
	X(bytes_out)                                                           \
	X(frames_out)                                                          \
	X(suspended)                                                           \
	X(overflowed)                                                          \
	X(pings_lost)                                                          \
	X(timeouts)                                                            \
	X(malformed)                                                           \
	X(rate_limited)                                                        \
	X(sessions)                                                            \
	X(refused)                                                             \
	X(acks_merged)                                                         \
	X(pushed_us_sum)                                                       \
	X(pushed_count)

struct worker_counters {
#define X(name) _Atomic uint64_t name;
	WORKER_COUNTERS(X)
#undef X
	_Atomic uint64_t errors[ERR_COUNT];
	_Atomic uint64_t pushed_us_hist[HIST_BUCKETS];
};

static inline void
counter_add(_Atomic uint64_t *c, uint64_t n)
{
	atomic_store_explicit(c,
	    atomic_load_explicit(c, memory_order_relaxed) + n,
	    memory_order_relaxed);
}

struct worker {
	struct gateway *gateway;
	unsigned index;
	uv_thread_t thread;
	uv_loop_t loop;
	uv_async_t async;
	uv_prepare_t prepare;
	uv_check_t check;
	uv_timer_t tick, retry;
	bool retrying, stopping, ended, accept_paused;
	struct accepting accepting[LISTEN_MAX + 1];
	unsigned naccepting;
	struct channel *deliveries, *incoming;
	_Atomic uint64_t backlog; /* frames delivered and not taken up */

	struct settings *settings;
	uint32_t settings_version;

	struct slot *slots;
	uint32_t nslots, free_slot, nconns;
	struct wheel deadlines;     /* of connections */
	struct wheel rates;         /* those that may be read again */
	struct wheel_entry blocked; /* those that wait for main */
	struct conn *dirty;         /* those that have something to write */

	struct channel_list requests; /* for main */
	uint32_t turn;                /* counts what was handed over */
	bool urgent; /* more than acknowledgements wait for main */
	bool full;   /* main took no more */

	struct request_pool *pool;
	struct output_pool outputs;
	struct ws *spare_ws[WORKER_SPARE];
	unsigned nspare_ws;
	struct http *spare_http[WORKER_SPARE];
	unsigned nspare_http;
	struct bytes scratch; /* answers of the gateway's own */

	struct mono now;                /* when the input at hand was read */
	uint64_t turn_ns, idle_ns;      /* at the end of the last turn */
	uint64_t stamps[WORKER_STAMPS]; /* of frames written in this turn */
	unsigned nstamps;
	struct log_limit log_limit;
	struct worker_counters counters;
	char input[WORKER_INPUT], plain[WORKER_INPUT];
};

/* NULL when out of memory. */
struct worker *worker_new(struct gateway *g, unsigned index) MUST_USE;

/* Takes fd, a listening socket; before worker_start. */
void worker_listen(struct worker *w, int fd, unsigned listener);

enum err worker_start(struct worker *w) MUST_USE;
void worker_join(struct worker *w);
void worker_free(struct worker *w); /* NULL is allowed */

/* ---- for the worker's own files ------------------------------------------ */

/* An entry for main at the end of the turn's list; takes it. */
void worker_request(struct worker *w, struct request *r);

/* Whether main takes nothing now. */
static inline bool
worker_blocked(const struct worker *w)
{
	return w->full ||
	       atomic_load_explicit(&w->gateway->pressed, memory_order_relaxed);
}

/* Runs the timer that looks after paused connections. */
void worker_retry(struct worker *w);

/* A frame is written in this turn whose request came then. */
void worker_stamp(struct worker *w, struct mono accepted);

/* A reader out of the spare ones; NULL when out of memory. */
struct ws *worker_ws(struct worker *w) MUST_USE;
void worker_ws_back(struct worker *w, struct ws *ws);
struct http *worker_http(struct worker *w) MUST_USE;
void worker_http_back(struct worker *w, struct http *h);

/* A slot for c; false when out of memory. */
bool worker_slot(struct worker *w, struct conn *c) MUST_USE;
void worker_slot_back(struct worker *w, struct conn *c);

/* The accepting side, accept.c. */
void accept_start(struct worker *w);
void accept_pause(struct worker *w, bool pause);
void accept_stop(struct worker *w);
void accept_take(struct worker *w, struct incoming *in); /* takes in */

#endif
