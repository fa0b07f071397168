/*
 * input: what comes in, stage by stage.
 *
 * Each stage is given bytes and says how many it has used.  It stops early
 * when the connection is paused; the rest is held until it goes on.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "node/gateway/conn.h"
#include "node/gateway/proxy.h"

static uint64_t
now_ms(const struct conn *c)
{
	return uv_now(c->tcp.loop);
}

/* Counts one operation; pauses when that was the last for now. */
static void
charge(struct conn *c)
{
	struct worker *w = conn_worker(c);
	uint64_t own, shared;

	own = limit_spend_ns(&c->tat, &w->settings->operations, w->now);
	shared = limit_operation_ns(c->address,
	    &w->settings->operations_address, w->now);
	if (own < shared)
		own = shared;
	if (own == 0 || !conn_live(c) ||
	    (c->pauses & (PAUSE_RATE | PAUSE_MAIN)) != 0)
		return;
	counter_add(&w->counters.rate_limited, 1);
	conn_pause(c, PAUSE_RATE);
	wheel_set(&w->rates, &c->waiting, now_ms(c) + own / 1000000);
	worker_retry(w);
}

/* Reasons to stop reading that are not the connection's own. */
static void
press(struct conn *c)
{
	struct worker *w = conn_worker(c);
	size_t most = 2 * (size_t)w->settings->max_output;

	if (worker_blocked(w) && c->pauses == 0) {
		conn_pause(c, PAUSE_MAIN);
		wheel_list_add(&w->blocked, &c->waiting);
		worker_retry(w);
	}
	if (c->asked >= CONN_ASKED_MAX)
		conn_pause(c, PAUSE_ANSWER);
	if (conn_queued(c) <= most)
		return;
	conn_flush(c);
	if (conn_live(c) && conn_queued(c) > most)
		conn_pause(c, PAUSE_OUTPUT);
}

/* ---- HTTP ---------------------------------------------------------------- */

static void
answer(struct conn *c, unsigned status, struct str body, bool head, bool keep)
{
	struct worker *w = conn_worker(c);

	bytes_reset(&w->scratch);
	http_answer(&w->scratch, status, NULL, body, head, keep);
	conn_send(c, w->scratch.p, w->scratch.n);
	if (!keep)
		conn_finish(c);
}

static void
upgrade(struct conn *c, const struct http *h)
{
	struct worker *w = conn_worker(c);

	bytes_reset(&w->scratch);
	http_switch(h, &w->scratch);
	conn_send(c, w->scratch.p, w->scratch.n);
	if (!conn_live(c))
		return;
	c->state = CONN_OPEN;
	c->since = now_ms(c);
	conn_deadline(c, c->since + w->settings->login_timeout_ms);
	conn_deadline(c, c->alive + w->settings->ping_ms);
}

static void
readyz(struct conn *c, bool head, bool keep)
{
	struct gateway *g = conn_worker(c)->gateway;
	char why[sizeof(g->why) + 1];
	bool ready;
	size_t n;

	pthread_mutex_lock(&g->lock);
	ready = g->ready;
	memcpy(why, g->why, sizeof(g->why));
	pthread_mutex_unlock(&g->lock);
	n = strlen(why);
	why[n] = '\n';
	if (ready)
		answer(c, 200, STR("ready\n"), head, keep);
	else
		answer(c, 503, (struct str){ why, n + 1 }, head, keep);
}

static void
metrics(struct conn *c, bool head, bool keep)
{
	struct request *r = conn_event(c, GATEWAY_METRICS, 0);

	if (r == NULL) {
		answer(c, 500, STR_NONE, head, false);
		return;
	}
	c->head = head;
	c->keep_alive = keep;
	c->state = CONN_ANSWER;
	c->since = now_ms(c);
	conn_deadline(c,
	    c->since + conn_worker(c)->settings->request_timeout_ms);
	conn_pause(c, PAUSE_ANSWER);
	worker_request(conn_worker(c), r);
}

static void
act(struct conn *c, const struct http *h)
{
	struct worker *w = conn_worker(c);
	struct http_policy policy = {
		.metrics = w->gateway->listeners[c->listener].metrics,
		.origins = w->settings->origins,
		.norigins = w->settings->norigins
	};
	bool keep = http_keep_alive(h), head = http_head(h);
	unsigned status;

	c->since = 0;
	c->served = true;
	conn_deadline(c, c->alive + w->settings->idle_ms);
	switch (http_route(h, &policy, &status)) {
	case HTTP_T_NONE:
		answer(c, status, STR_NONE, head,
		    keep && (status == 404 || status == 405));
		break;
	case HTTP_T_WEBSOCKET:
		upgrade(c, h);
		break;
	case HTTP_T_HEALTHZ:
		answer(c, 200, STR_NONE, head, keep);
		break;
	case HTTP_T_READYZ:
		readyz(c, head, keep);
		break;
	case HTTP_T_METRICS:
		metrics(c, head, keep);
		break;
	}
	if (conn_live(c))
		charge(c);
	if (conn_live(c))
		press(c);
}

static size_t
http_stage(struct conn *c, const char *p, size_t n)
{
	struct worker *w = conn_worker(c);
	struct http *h = c->http;
	enum http_result r;
	size_t used;

	if (h == NULL) {
		if ((h = worker_http(w)) == NULL) {
			conn_close(c);
			return n;
		}
		if (c->served) {
			c->since = now_ms(c);
			conn_deadline(c,
			    c->since + w->settings->request_timeout_ms);
		}
	}
	c->http = NULL;
	r = http_feed(h, p, n, &used);
	switch (r) {
	case HTTP_MORE:
		c->http = h;
		return n;
	case HTTP_BAD:
		counter_add(&w->counters.malformed, 1);
		answer(c, h->status, STR_NONE, false, false);
		used = n;
		break;
	case HTTP_DONE:
		act(c, h);
		break;
	}
	worker_http_back(w, h);
	return used;
}

/* ---- WebSocket ----------------------------------------------------------- */

static void
closing(struct conn *c, enum ws_code code, const char *why)
{
	char payload[WS_CONTROL_MAX];
	size_t n = 0;

	if (code != WS_NO_STATUS)
		n = ws_close_payload(payload, code, why);
	conn_control(c, WS_OP_CLOSE, payload, n);
	conn_finish(c);
}

static void
event(struct conn *c, enum ws_type type, const struct ws_event *ev)
{
	switch (type) {
	case WS_MORE:
	case WS_PONG:
		return;
	case WS_TEXT:
		conn_request(c, ev->p, ev->n);
		break;
	case WS_PING:
		conn_control(c, WS_OP_PONG, ev->p, ev->n);
		break;
	case WS_CLOSE:
		closing(c, ev->code, "");
		return;
	case WS_BAD:
		counter_add(&conn_worker(c)->counters.malformed, 1);
		closing(c, ev->code, ev->why);
		return;
	}
	if (conn_live(c))
		charge(c);
}

/* An unfinished frame or message must go on within the time for a request. */
static void
unfinished(struct conn *c)
{
	struct worker *w = conn_worker(c);

	if (!c->authenticated ||
	    (c->since != 0 && ws_progress(c->ws) == c->progress))
		return;
	c->since = now_ms(c);
	c->progress = ws_progress(c->ws);
	conn_deadline(c, c->since + w->settings->request_timeout_ms);
}

static size_t
ws_stage(struct conn *c, const char *p, size_t n)
{
	struct worker *w = conn_worker(c);
	struct ws *ws = c->ws;
	struct ws_event ev;
	enum ws_type type;
	size_t max, rest;

	if (ws == NULL && n == 0)
		return 0;
	if (ws == NULL && (ws = worker_ws(w)) == NULL) {
		conn_close(c);
		return n;
	}
	c->ws = NULL;
	ws_feed(ws, p, n);
	do {
		max = w->settings->max_message;
		if (!c->authenticated && max > CONN_LOGIN_MESSAGE)
			max = CONN_LOGIN_MESSAGE;
		type = ws_next(ws, max, &ev);
		event(c, type, &ev);
		if (conn_live(c))
			press(c);
	} while (type != WS_MORE && conn_live(c) && c->pauses == 0);
	rest = ws_rest(ws);
	if (!conn_live(c) || ws_idle(ws)) {
		worker_ws_back(w, ws);
		if (c->authenticated)
			c->since = 0;
	} else {
		c->ws = ws;
		unfinished(c);
	}
	return conn_live(c) ? n - rest : n;
}

/* ---- the stages in order ------------------------------------------------- */

static size_t
plain(struct conn *c, const char *p, size_t n)
{
	size_t used = 0;

	while (c->pauses == 0) {
		if (c->state == CONN_OPEN)
			return used + ws_stage(c, p + used, n - used);
		if (c->state != CONN_HTTP)
			return n;
		if (used == n)
			return n;
		used += http_stage(c, p + used, n - used);
	}
	return used;
}

static struct held *
held_new(const char *p, size_t n)
{
	struct held *h = malloc(sizeof(*h) + n);

	if (h != NULL) {
		h->n = n;
		memcpy(h->p, p, n);
	}
	return h;
}

/* Looks at n bytes of plain text; keeps what must wait. */
static void
plain_or_hold(struct conn *c, const char *p, size_t n)
{
	size_t used = plain(c, p, n);

	if (!conn_live(c) || used == n)
		return;
	if ((c->tls->plain = held_new(p + used, n - used)) == NULL)
		conn_close(c);
}

static size_t
secure(struct conn *c, const char *p, size_t n)
{
	struct worker *w = conn_worker(c);
	enum tls_result r = TLS_DATA;
	struct held *h = c->tls->plain;
	size_t got, rest;

	tls_feed(c->tls, p, n);
	c->tls->plain = NULL;
	if (h != NULL)
		plain_or_hold(c, h->p, h->n);
	else
		plain_or_hold(c, "", 0);
	free(h);
	while (conn_live(c) && c->pauses == 0) {
		r = tls_read(c->tls, w->plain, sizeof(w->plain), &got);
		if (r != TLS_DATA)
			break;
		plain_or_hold(c, w->plain, got);
	}
	if (c->state == CONN_DEAD)
		return n;
	rest = tls_rest(c->tls);
	if (output_left(c->tls->wire) > 0)
		conn_dirty(c);
	if (r == TLS_END || r == TLS_BAD) {
		c->peer_ended = r == TLS_END;
		conn_finish(c);
		return n;
	}
	return n - rest;
}

static void
proxy_done(struct conn *c, const struct proxy *proxy)
{
	struct worker *w = conn_worker(c);

	if (!proxy->local)
		c->ip = proxy->from;
	if (limit_open(w->gateway->limit, &c->ip,
		w->settings->max_connections_address, mono_now(),
		&c->address) != OK) {
		c->address = NULL;
		counter_add(&w->counters.refused_address, 1);
		conn_close(c);
		return;
	}
	if (w->gateway->listeners[c->listener].tls &&
	    (c->tls = tls_new(w->settings->tls, &w->outputs)) == NULL) {
		conn_close(c);
		return;
	}
	c->state = CONN_HTTP;
}

static size_t
proxy_stage(struct conn *c, const char *p, size_t n)
{
	struct proxy proxy;
	size_t used = 0;

	switch (proxy_parse(p, n, &proxy, &used)) {
	case PROXY_MORE:
		return 0;
	case PROXY_DONE:
		proxy_done(c, &proxy);
		return used;
	case PROXY_BAD:
		counter_add(&conn_worker(c)->counters.malformed, 1);
		conn_close(c);
		break;
	}
	return n;
}

/* Looks at n bytes from the wire; holds what must wait. */
static void
take(struct conn *c, const char *p, size_t n)
{
	size_t used = 0;

	if (c->state == CONN_PROXY)
		used = proxy_stage(c, p, n);
	if (conn_live(c) && c->state != CONN_PROXY) {
		if (c->tls != NULL)
			used += secure(c, p + used, n - used);
		else
			used += plain(c, p + used, n - used);
	}
	if (!conn_live(c) || used == n)
		return;
	if ((c->held = held_new(p + used, n - used)) == NULL)
		conn_close(c);
}

/* Only the beginning of a PROXY header waits without a pause. */
static void
take_joined(struct conn *c, const char *p, size_t n)
{
	struct held *h = c->held, *more;

	if ((more = realloc(h, sizeof(*h) + h->n + n)) == NULL) {
		conn_close(c);
		return;
	}
	c->held = NULL;
	memcpy(more->p + more->n, p, n);
	more->n += n;
	take(c, more->p, more->n);
	free(more);
}

/* ---- the socket ---------------------------------------------------------- */

static void
on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct worker *w = h->loop->data;

	(void)suggested;
	*buf = uv_buf_init(w->input, sizeof(w->input));
}

/* What waits to be written is still written: it may be half-closed only. */
static void
on_end(struct conn *c, ssize_t n)
{
	if (n != UV_EOF || conn_queued(c) == 0) {
		conn_close(c);
		return;
	}
	c->peer_ended = true;
	conn_finish(c);
	uv_read_stop((uv_stream_t *)&c->tcp);
}

static void
on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct conn *c = (void *)s;
	struct worker *w = conn_worker(c);

	if (n == 0)
		return;
	if (n < 0) {
		on_end(c, n);
		return;
	}
	counter_add(&w->counters.bytes_in, (uint64_t)n);
	c->alive = now_ms(c);
	c->pinged = false;
	if (!conn_live(c))
		return; /* waits for its end: nothing it says matters */
	w->now = mono_now();
	if (c->held != NULL)
		take_joined(c, buf->base, (size_t)n);
	else
		take(c, buf->base, (size_t)n);
}

void
conn_read(struct conn *c)
{
	if (uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0)
		conn_close(c);
}

void
conn_resume(struct conn *c)
{
	struct held *h = c->held;

	c->held = NULL;
	conn_worker(c)->now = mono_now();
	if (c->authenticated && c->since != 0)
		c->since = now_ms(c);
	take(c, h != NULL ? h->p : "", h != NULL ? h->n : 0);
	free(h);
	if (conn_live(c) && c->pauses == 0)
		conn_read(c);
}
