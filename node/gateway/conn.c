#include "node/gateway/conn.h"

#include <assert.h>
#include <stdlib.h>

#include "base/logger.h"
#include "proto/json.h"

static uint64_t
now_ms(const struct conn *c)
{
	return uv_now(c->tcp.loop);
}

/* ---- begin and end ------------------------------------------------------- */

static void
on_start_failed(uv_handle_t *h)
{
	free((void *)h);
}

static bool
tls_start(struct worker *w, struct conn *c)
{
	if (!w->gateway->listeners[c->listener].tls ||
	    w->gateway->listeners[c->listener].proxy)
		return true;
	c->tls = tls_new(w->settings->tls, &w->outputs);
	return c->tls != NULL;
}

bool
conn_start(struct worker *w, int fd, unsigned listener,
    const struct in6_addr *ip, struct limit_address *address)
{
	struct conn *c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return false;
	c->listener = (uint8_t)listener;
	c->ip = *ip;
	c->state =
	    w->gateway->listeners[listener].proxy ? CONN_PROXY : CONN_HTTP;
	if (!tls_start(w, c) || !worker_slot(w, c)) {
		tls_free(c->tls);
		free(c);
		return false;
	}
	uv_tcp_init(&w->loop, &c->tcp);
	if (uv_tcp_open(&c->tcp, fd) != 0) {
		tls_free(c->tls);
		worker_slot_back(w, c);
		uv_close((uv_handle_t *)&c->tcp, on_start_failed);
		return false;
	}
	uv_tcp_nodelay(&c->tcp, 1);
	c->address = address;
	c->due = UINT64_MAX;
	c->since = c->alive = now_ms(c);
	conn_deadline(c, c->since + w->settings->request_timeout_ms);
	counter_add(&w->counters.accepted, 1);
	conn_read(c);
	return true;
}

/* Its socket is gone and main knows: nothing refers to it any more. */
static void
conn_free_done(struct conn *c)
{
	struct worker *w = conn_worker(c);

	if (!c->handle_closed || c->untold != 0)
		return;
	wheel_remove(&w->deadlines, &c->timer);
	worker_slot_back(w, c);
	free(c);
}

static void
on_closed(uv_handle_t *h)
{
	struct conn *c = (void *)h;

	c->handle_closed = true;
	conn_free_done(c);
}

static void
waiting_remove(struct conn *c)
{
	struct worker *w = conn_worker(c);

	if ((c->pauses & PAUSE_RATE) != 0)
		wheel_remove(&w->rates, &c->waiting);
	else
		wheel_list_remove(&c->waiting);
}

/* What only reading needs. */
static void
readers_back(struct conn *c)
{
	struct worker *w = conn_worker(c);

	worker_ws_back(w, c->ws);
	c->ws = NULL;
	worker_http_back(w, c->http);
	c->http = NULL;
	free(c->held);
	c->held = NULL;
}

void
conn_close(struct conn *c)
{
	struct worker *w = conn_worker(c);

	if (c->state == CONN_DEAD)
		return;
	waiting_remove(c);
	wheel_remove(&w->deadlines, &c->timer);
	c->due = UINT64_MAX;
	c->state = CONN_DEAD;
	c->pauses = 0;
	readers_back(c);
	tls_free(c->tls);
	c->tls = NULL;
	output_free(&w->outputs, c->out);
	c->out = NULL;
	free(c->missed);
	c->missed = NULL;
	c->untold = 0;
	if (c->authenticated)
		counter_add(&w->counters.sessions, UINT64_MAX);
	if (c->address != NULL)
		limit_close(w->gateway->limit, c->address, mono_now());
	balance_leave(w->gateway->balance, w->index);
	atomic_fetch_sub(&w->gateway->connections, 1);
	uv_close((uv_handle_t *)&c->tcp, on_closed);
	if (c->known)
		conn_tell(c, UNTOLD_CLOSED);
}

void
conn_finish(struct conn *c)
{
	if (!conn_live(c))
		return;
	c->state = CONN_CLOSING;
	c->since = now_ms(c);
	conn_deadline(c, c->since + CONN_LINGER_MS);
	readers_back(c);
	if (c->pauses != 0) {
		waiting_remove(c);
		c->pauses = 0;
		conn_read(c);
	}
	conn_dirty(c);
}

void
conn_bye(struct conn *c, enum err err, enum ws_code code)
{
	struct bytes *b = &conn_worker(c)->scratch;
	char payload[WS_CONTROL_MAX];

	if (c->state != CONN_OPEN) {
		conn_close(c);
		return;
	}
	bytes_reset(b);
	json_object(b);
	json_cstr(b, "push", "bye");
	json_cstr(b, "code", err_code(err));
	json_cstr(b, "text", err_text(err));
	json_object_end(b);
	conn_text(c, (struct str){ b->p, b->n });
	conn_control(c, WS_OP_CLOSE, payload,
	    ws_close_payload(payload, code, err_code(err)));
	conn_finish(c);
}

/* ---- what main is told --------------------------------------------------- */

static bool
tell(struct conn *c, unsigned bit, enum gateway_event event)
{
	size_t n = bit == UNTOLD_DRAINED ? c->nmissed * sizeof(*c->missed) : 0;
	struct request *r;

	if ((c->untold & bit) == 0)
		return true;
	if ((r = conn_event(c, event, n)) == NULL)
		return false;
	if (bit == UNTOLD_DRAINED) {
		r->missed = (void *)r->text;
		r->nmissed = c->nmissed;
		if (n > 0)
			memcpy(r->missed, c->missed, n);
		r->n = 0; /* no text */
		c->nmissed = 0;
	}
	c->untold &= (uint8_t)~bit;
	worker_request(conn_worker(c), r);
	return true;
}

void
conn_tell(struct conn *c, unsigned event)
{
	c->untold |= (uint8_t)event;
	if (!tell(c, UNTOLD_SUSPENDED, GATEWAY_SUSPENDED) ||
	    !tell(c, UNTOLD_DRAINED, GATEWAY_DRAINED) ||
	    !tell(c, UNTOLD_CLOSED, GATEWAY_CLOSED))
		conn_deadline(c, now_ms(c) + WORKER_TICK_MS);
}

/* ---- deadlines ----------------------------------------------------------- */

void
conn_deadline(struct conn *c, uint64_t due)
{
	if (due >= c->due)
		return;
	c->due = due;
	wheel_set(&conn_worker(c)->deadlines, &c->timer, due);
}

/* Before it is a WebSocket: a request must be complete in time. */
static void
request_timer(struct conn *c, uint64_t now)
{
	struct worker *w = conn_worker(c);
	uint64_t due = c->since != 0
			   ? c->since + w->settings->request_timeout_ms
			   : c->alive + w->settings->idle_ms;

	if (now < due) {
		conn_deadline(c, due);
		return;
	}
	if (c->since != 0)
		counter_add(&w->counters.timeouts, 1);
	if (c->state == CONN_HTTP && c->http != NULL) {
		bytes_reset(&w->scratch);
		http_answer(&w->scratch, 408, NULL, STR_NONE, false, false);
		conn_send(c, w->scratch.p, w->scratch.n);
		conn_finish(c);
		return;
	}
	conn_close(c);
}

/* A peer that takes bytes is alive, even when it has nothing to say. */
static void
look_for_life(struct conn *c, uint64_t now)
{
	size_t queue = uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp);

	if (queue < c->queue || (c->pauses & (PAUSE_RATE | PAUSE_MAIN)) != 0)
		c->alive = now;
	c->queue = queue;
}

static void
ping_timer(struct conn *c, uint64_t now)
{
	struct worker *w = conn_worker(c);
	uint64_t ping = w->settings->ping_ms;

	look_for_life(c, now);
	if (now >= c->alive + 2 * ping) {
		counter_add(&w->counters.pings_lost, 1);
		conn_close(c);
		return;
	}
	if (now >= c->alive + ping && !c->pinged) {
		c->pinged = true;
		conn_control(c, WS_OP_PING, NULL, 0);
		if (!conn_live(c))
			return;
	}
	conn_deadline(c, c->alive + (c->pinged ? 2 : 1) * ping);
}

static void
open_timer(struct conn *c, uint64_t now)
{
	struct worker *w = conn_worker(c);
	uint64_t due = UINT64_MAX;

	if (!c->authenticated)
		due = c->since + w->settings->login_timeout_ms;
	else if (c->since != 0 && c->pauses == 0)
		due = c->since + w->settings->request_timeout_ms;
	if (now >= due) {
		counter_add(&w->counters.timeouts, 1);
		conn_bye(c, ERR_TIMEOUT, WS_POLICY);
		return;
	}
	if (due != UINT64_MAX)
		conn_deadline(c, due);
	ping_timer(c, now);
}

void
conn_timer(struct conn *c)
{
	uint64_t now = now_ms(c);

	c->due = UINT64_MAX;
	if (c->untold != 0)
		conn_tell(c, 0);
	switch ((enum conn_state)c->state) {
	case CONN_PROXY:
	case CONN_HTTP:
	case CONN_ANSWER:
		request_timer(c, now);
		break;
	case CONN_OPEN:
		open_timer(c, now);
		break;
	case CONN_CLOSING:
		if (now >= c->since + CONN_LINGER_MS)
			conn_close(c);
		else
			conn_deadline(c, c->since + CONN_LINGER_MS);
		break;
	case CONN_DEAD:
		conn_free_done(c);
		break;
	}
}

/* ---- pauses -------------------------------------------------------------- */

void
conn_pause(struct conn *c, unsigned why)
{
	if (!conn_live(c))
		return;
	if (c->pauses == 0)
		uv_read_stop((uv_stream_t *)&c->tcp);
	c->pauses |= (uint8_t)why;
}

void
conn_unpause(struct conn *c, unsigned why)
{
	if ((c->pauses & why) == 0)
		return;
	if ((why & (PAUSE_RATE | PAUSE_MAIN)) != 0)
		waiting_remove(c);
	c->pauses &= (uint8_t)~why;
	if (c->pauses == 0)
		conn_resume(c);
}
