#include "node/gateway/worker.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/gateway/conn.h"

#define INCOMING_MAX 1024
#define SCRATCH_MAX  4096 /* more than any answer of the gateway's own */

/* ---- slots --------------------------------------------------------------- */

static bool
slots_grow(struct worker *w)
{
	uint32_t cap = w->nslots == 0 ? 64 : 2 * w->nslots;
	struct slot *slots = reallocarray(w->slots, cap, sizeof(*slots));

	if (slots == NULL)
		return false;
	for (uint32_t i = w->nslots; i < cap; i++)
		slots[i] =
		    (struct slot){ .next = i + 1 < cap ? i + 1 : SLOT_NONE };
	w->slots = slots;
	w->free_slot = w->nslots;
	w->nslots = cap;
	return true;
}

bool
worker_slot(struct worker *w, struct conn *c)
{
	struct slot *s;

	if (w->free_slot == SLOT_NONE && !slots_grow(w))
		return false;
	c->slot = w->free_slot;
	s = &w->slots[c->slot];
	w->free_slot = s->next;
	s->conn = c;
	c->gen = s->gen;
	w->nconns++;
	return true;
}

void
worker_slot_back(struct worker *w, struct conn *c)
{
	struct slot *s = &w->slots[c->slot];

	assert(s->conn == c);
	s->conn = NULL;
	s->gen++;
	s->next = w->free_slot;
	w->free_slot = c->slot;
	w->nconns--;
}

/* ---- readers ------------------------------------------------------------- */

struct ws *
worker_ws(struct worker *w)
{
	return w->nspare_ws > 0 ? w->spare_ws[--w->nspare_ws] : ws_new();
}

void
worker_ws_back(struct worker *w, struct ws *ws)
{
	if (ws == NULL)
		return;
	if (ws_idle(ws) && w->nspare_ws < WORKER_SPARE)
		w->spare_ws[w->nspare_ws++] = ws;
	else
		ws_free(ws);
}

struct http *
worker_http(struct worker *w)
{
	struct http *h;

	h = w->nspare_http > 0 ? w->spare_http[--w->nspare_http]
			       : malloc(sizeof(*h));
	if (h != NULL)
		http_init(h);
	return h;
}

void
worker_http_back(struct worker *w, struct http *h)
{
	if (h != NULL && w->nspare_http < WORKER_SPARE)
		w->spare_http[w->nspare_http++] = h;
	else
		free(h);
}

/* ---- requests to main ---------------------------------------------------- */

/* At most WORKER_CHUNK of them, from the front. */
static struct channel_list
cut(struct channel_list *from)
{
	struct channel_list list = *from;
	struct channel_item *last = from->head;

	if (from->count <= WORKER_CHUNK) {
		*from = (struct channel_list){ 0 };
		return list;
	}
	for (unsigned i = 1; i < WORKER_CHUNK; i++)
		last = last->next;
	list.tail = last;
	list.count = WORKER_CHUNK;
	from->head = last->next;
	from->count -= WORKER_CHUNK;
	last->next = NULL;
	return list;
}

static void
join_front(struct channel_list *to, struct channel_list *list)
{
	list->tail->next = to->head;
	to->head = list->head;
	if (to->tail == NULL)
		to->tail = list->tail;
	to->count += list->count;
}

static void
requests_free(struct channel_list *list)
{
	struct channel_item *it, *next;

	for (it = list->head; it != NULL; it = next) {
		next = it->next;
		request_free((struct request *)(void *)it);
	}
	*list = (struct channel_list){ 0 };
}

/* What main does not take stays, and no connection is read until it does. */
static void
hand_over(struct worker *w)
{
	struct channel_list list;
	enum err rc = OK;

	while (w->requests.count > 0) {
		list = cut(&w->requests);
		rc = channel_push_list(w->gateway->requests, &list);
		if (rc == ERR_FULL) {
			join_front(&w->requests, &list);
			break;
		}
		w->turn++;
		requests_free(&list); /* closed: nobody is there any more */
	}
	w->full = rc == ERR_FULL;
	w->urgent = w->full;
	if (w->full)
		worker_retry(w);
}

/*
 * At the end of a turn.  Nobody waits for what an acknowledgement does, so
 * main is not woken for them alone: they go with the next request, or after
 * WORKER_RETRY_MS.
 */
static void
hand_over_turn(struct worker *w)
{
	if (w->full || w->requests.count == 0)
		return;
	if (w->urgent)
		hand_over(w);
	else
		worker_retry(w);
}

void
worker_request(struct worker *w, struct request *r)
{
	if (r->event != GATEWAY_REQUEST || r->rq.op != OP_ACK)
		w->urgent = true;
	channel_list_add(&w->requests, &r->link);
	if (w->requests.count >= WORKER_CHUNK && !w->full)
		hand_over(w);
}

/* ---- paused connections -------------------------------------------------- */

static void
blocked_resume(struct worker *w)
{
	struct conn *c;

	while (!wheel_list_empty(&w->blocked) && !worker_blocked(w)) {
		c = CONN_OF(w->blocked.next, waiting);
		conn_unpause(c, PAUSE_MAIN);
	}
}

static void
on_retry(uv_timer_t *t)
{
	struct worker *w = t->data;
	struct wheel_entry *e;

	if (w->requests.count > 0)
		hand_over(w);
	wheel_advance(&w->rates, uv_now(&w->loop));
	while ((e = wheel_take(&w->rates)) != NULL)
		conn_unpause(CONN_OF(e, waiting), PAUSE_RATE);
	blocked_resume(w);
	if (!w->full && w->requests.count == 0 && w->rates.count == 0 &&
	    wheel_list_empty(&w->blocked)) {
		uv_timer_stop(t);
		w->retrying = false;
	}
}

void
worker_retry(struct worker *w)
{
	if (w->retrying || w->ended)
		return;
	w->retrying = true;
	uv_timer_start(&w->retry, on_retry, WORKER_RETRY_MS, WORKER_RETRY_MS);
}

/* ---- the turn ------------------------------------------------------------ */

void
worker_stamp(struct worker *w, struct mono accepted)
{
	if (w->nstamps < WORKER_STAMPS)
		w->stamps[w->nstamps++] = accepted.ns;
}

/* How long it took from the request to the writing of what it caused. */
static void
stamps_count(struct worker *w)
{
	struct mono now;
	uint64_t us, sum = 0;
	unsigned bucket;

	if (w->nstamps == 0)
		return;
	now = mono_now();
	for (unsigned i = 0; i < w->nstamps; i++) {
		us = mono_us_between((struct mono){ w->stamps[i] }, now);
		bucket = us == 0 ? 0 : 64 - (unsigned)__builtin_clzll(us);
		if (bucket >= HIST_BUCKETS)
			bucket = HIST_BUCKETS - 1;
		counter_add(&w->counters.pushed_us_hist[bucket], 1);
		sum += us;
	}
	counter_add(&w->counters.pushed_us_sum, sum);
	counter_add(&w->counters.pushed_count, w->nstamps);
	w->nstamps = 0;
}

static void
turn_end(struct worker *w)
{
	struct conn *c;

	do {
		hand_over_turn(w);
		while ((c = w->dirty) != NULL) {
			w->dirty = c->dirty_next;
			c->dirty = false;
			conn_flush(c);
		}
	} while (w->urgent && !w->full);
	stamps_count(w);
}

static void
on_check(uv_check_t *h)
{
	turn_end(h->data);
}

static void
on_prepare(uv_prepare_t *h)
{
	struct worker *w = h->data;
	uint64_t now, idle;

	turn_end(w); /* what the timers have made */
	now = uv_hrtime();
	idle = uv_metrics_idle_time(&w->loop);
	balance_turn(w->gateway->balance, w->index, (struct mono){ now },
	    now - w->turn_ns - (idle - w->idle_ns));
	w->turn_ns = now;
	w->idle_ns = idle;
}

/* ---- from main ----------------------------------------------------------- */

static void
deliver(struct worker *w, const struct deliver *d)
{
	struct conn *c = d->slot < w->nslots ? w->slots[d->slot].conn : NULL;

	if (c == NULL || c->gen != d->gen || c->state == CONN_DEAD) {
		if (d->frame != NULL)
			frame_unref(d->frame);
		return;
	}
	if ((d->flags & DELIVER_AUTHENTICATED) != 0 && !c->authenticated &&
	    c->state == CONN_OPEN) {
		c->authenticated = true;
		c->since = c->ws != NULL ? uv_now(&w->loop) : 0;
		counter_add(&w->counters.sessions, 1);
	}
	if ((d->flags & DELIVER_SUSPENDED) != 0)
		conn_stopped(c);
	if (d->frame != NULL)
		conn_frame(c, d->frame);
	if ((d->flags & DELIVER_CLOSE) != 0 && c->state == CONN_OPEN) {
		char payload[WS_CONTROL_MAX];

		conn_control(c, WS_OP_CLOSE, payload,
		    ws_close_payload(payload, WS_NORMAL, ""));
		conn_finish(c);
	}
}

static void
deliveries_take(struct worker *w)
{
	struct channel_item *it, *next;
	struct delivery *d;

	for (it = channel_drain(w->deliveries); it != NULL; it = next) {
		next = it->next;
		d = (struct delivery *)(void *)it;
		for (size_t i = 0; i < d->n; i++)
			deliver(w, &d->v[i]);
		atomic_fetch_sub_explicit(&w->backlog, d->n,
		    memory_order_relaxed);
		free(d->v);
		free(d);
	}
}

static void
incoming_take(struct worker *w)
{
	struct channel_item *it, *next;

	for (it = channel_drain(w->incoming); it != NULL; it = next) {
		next = it->next;
		accept_take(w, (struct incoming *)(void *)it);
	}
}

static void
settings_take(struct worker *w)
{
	struct settings *old = w->settings;
	uint32_t version = atomic_load(&w->gateway->settings_version);

	if (version == w->settings_version)
		return;
	w->settings = gateway_settings(w->gateway);
	w->settings_version = version;
	settings_unref(old);
}

/* The loop ends when all its handles are closed. */
static void
loop_end(struct worker *w)
{
	if (w->ended)
		return;
	w->ended = true;
	uv_close((uv_handle_t *)&w->async, NULL);
	uv_close((uv_handle_t *)&w->prepare, NULL);
	uv_close((uv_handle_t *)&w->check, NULL);
	uv_close((uv_handle_t *)&w->tick, NULL);
	uv_close((uv_handle_t *)&w->retry, NULL);
}

static void
stop_begin(struct worker *w)
{
	if (w->stopping || atomic_load(&w->gateway->stop_at) == 0)
		return;
	w->stopping = true;
	accept_stop(w);
	for (uint32_t i = 0; i < w->nslots; i++)
		if (w->slots[i].conn != NULL)
			conn_bye(w->slots[i].conn, ERR_CLOSED, WS_GOING_AWAY);
}

/* Nobody reads main's channel any more: events are given up with it. */
static void
stop_go_on(struct worker *w)
{
	struct conn *c;

	if (!w->stopping)
		return;
	for (uint32_t i = 0; i < w->nslots; i++) {
		if ((c = w->slots[i].conn) == NULL)
			continue;
		if (mono_now().ns >= atomic_load(&w->gateway->stop_at))
			conn_close(c);
		c->untold = 0;
	}
	if (w->nconns == 0)
		loop_end(w);
}

static void
on_async(uv_async_t *h)
{
	struct worker *w = h->data;

	settings_take(w);
	incoming_take(w);
	deliveries_take(w);
	blocked_resume(w);
	stop_begin(w);
}

static void
on_tick(uv_timer_t *t)
{
	struct worker *w = t->data;
	struct wheel_entry *e;

	wheel_advance(&w->deadlines, uv_now(&w->loop));
	while ((e = wheel_take(&w->deadlines)) != NULL)
		conn_timer(CONN_OF(e, timer));
	accept_pause(w, false);
	stop_go_on(w);
}

/* ---- begin and end ------------------------------------------------------- */

static void
wake(void *arg)
{
	struct worker *w = arg;

	uv_async_send(&w->async);
}

static bool
loop_make(struct worker *w)
{
	if (uv_loop_init(&w->loop) != 0)
		return false;
	w->loop.data = w;
	if (uv_async_init(&w->loop, &w->async, on_async) != 0) {
		uv_loop_close(&w->loop);
		return false;
	}
	uv_loop_configure(&w->loop, UV_METRICS_IDLE_TIME);
	uv_prepare_init(&w->loop, &w->prepare);
	uv_check_init(&w->loop, &w->check);
	uv_timer_init(&w->loop, &w->tick);
	uv_timer_init(&w->loop, &w->retry);
	w->async.data = w->prepare.data = w->check.data = w->tick.data =
	    w->retry.data = w;
	wheel_init(&w->deadlines, WORKER_TICK_MS, uv_now(&w->loop));
	wheel_init(&w->rates, WORKER_RETRY_MS, uv_now(&w->loop));
	wheel_list_init(&w->blocked);
	return true;
}

struct worker *
worker_new(struct gateway *g, unsigned index)
{
	struct worker *w;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		return NULL;
	w->gateway = g;
	w->index = index;
	w->free_slot = SLOT_NONE;
	w->settings = gateway_settings(g);
	w->settings_version = atomic_load(&g->settings_version);
	output_pool_init(&w->outputs);
	bytes_init(&w->scratch, SCRATCH_MAX);
	w->pool = request_pool_new();
	w->deliveries = channel_new(SIZE_MAX, wake, w);
	w->incoming = channel_new(INCOMING_MAX, wake, w);
	/* Taken now, so that no answer lacks it later. */
	if (bytes_reserve(&w->scratch, SCRATCH_MAX) == NULL ||
	    w->pool == NULL || w->deliveries == NULL || w->incoming == NULL ||
	    !loop_make(w)) {
		channel_free(w->deliveries);
		channel_free(w->incoming);
		request_pool_close(w->pool);
		bytes_fini(&w->scratch);
		settings_unref(w->settings);
		free(w);
		return NULL;
	}
	return w;
}

void
worker_listen(struct worker *w, int fd, unsigned listener)
{
	assert(w->naccepting <= LISTEN_MAX);
	w->accepting[w->naccepting].fd = fd;
	w->accepting[w->naccepting].listener = listener;
	w->naccepting++;
}

static void
run(void *arg)
{
	struct worker *w = arg;
	sigset_t all;

	/* Signals are main's; SIGPIPE becomes EPIPE. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	uv_update_time(&w->loop);
	w->turn_ns = uv_hrtime();
	accept_start(w);
	uv_prepare_start(&w->prepare, on_prepare);
	uv_check_start(&w->check, on_check);
	uv_timer_start(&w->tick, on_tick, WORKER_TICK_MS, WORKER_TICK_MS);
	uv_run(&w->loop, UV_RUN_DEFAULT);
}

enum err
worker_start(struct worker *w)
{
	return uv_thread_create(&w->thread, run, w) == 0 ? OK : ERR_NOMEM;
}

void
worker_join(struct worker *w)
{
	uv_thread_join(&w->thread);
}

static void
leftovers_free(struct worker *w)
{
	struct channel_item *it, *next;
	struct delivery *d;
	struct incoming *in;

	for (it = channel_drain(w->deliveries); it != NULL; it = next) {
		next = it->next;
		d = (struct delivery *)(void *)it;
		for (size_t i = 0; i < d->n; i++)
			if (d->v[i].frame != NULL)
				frame_unref(d->v[i].frame);
		free(d->v);
		free(d);
	}
	for (it = channel_drain(w->incoming); it != NULL; it = next) {
		next = it->next;
		in = (struct incoming *)(void *)it;
		close(in->fd);
		free(in);
	}
	requests_free(&w->requests);
}

void
worker_free(struct worker *w)
{
	if (w == NULL)
		return;
	if (!w->ended) { /* never run */
		loop_end(w);
		uv_run(&w->loop, UV_RUN_DEFAULT);
	}
	uv_loop_close(&w->loop);
	for (unsigned i = 0; i < w->naccepting; i++)
		if (w->accepting[i].fd >= 0)
			close(w->accepting[i].fd);
	leftovers_free(w);
	while (w->nspare_ws > 0)
		ws_free(w->spare_ws[--w->nspare_ws]);
	while (w->nspare_http > 0)
		free(w->spare_http[--w->nspare_http]);
	output_pool_fini(&w->outputs);
	bytes_fini(&w->scratch);
	free(w->slots);
	channel_free(w->deliveries);
	channel_free(w->incoming);
	request_pool_close(w->pool);
	settings_unref(w->settings);
	free(w);
}
