/*
 * send: what goes out, and what happens when it does not.
 *
 * Whatever is said in a turn is gathered in one buffer and written by one
 * call at its end.  What the socket does not take waits in that buffer, which
 * libuv then owns until it is written; what comes meanwhile is gathered in
 * another one.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "node/gateway/conn.h"

size_t
conn_queued(const struct conn *c)
{
	size_t n = output_left(c->out);

	if (c->tls != NULL)
		n += output_left(c->tls->wire);
	if (c->writing != NULL)
		n += uv_stream_get_write_queue_size(
		    (const uv_stream_t *)&c->tcp);
	return n;
}

void
conn_dirty(struct conn *c)
{
	struct worker *w = conn_worker(c);

	if (c->dirty || c->state == CONN_DEAD)
		return;
	c->dirty = true;
	c->dirty_next = w->dirty;
	w->dirty = c;
}

void
conn_send(struct conn *c, const char *p, size_t n)
{
	struct worker *w = conn_worker(c);

	if (!conn_live(c))
		return;
	if (!output_add(&w->outputs, &c->out, p, n)) {
		conn_close(c);
		return;
	}
	conn_dirty(c);
}

static void
message(struct conn *c, enum ws_op op, const char *p, size_t n)
{
	char header[WS_HEADER_MAX];

	conn_send(c, header, ws_header(header, op, n));
	if (n > 0)
		conn_send(c, p, n);
	counter_add(&conn_worker(c)->counters.frames_out, 1);
}

void
conn_control(struct conn *c, enum ws_op op, const char *p, size_t n)
{
	assert(n <= WS_CONTROL_MAX);
	message(c, op, p, n);
}

void
conn_text(struct conn *c, struct str text)
{
	message(c, WS_OP_TEXT, text.p, text.n);
}

/* ---- the feed ------------------------------------------------------------ */

/* Remembers the first position of each log that was not delivered. */
static void
missed(struct conn *c, const struct frame *f)
{
	struct gateway_missed *m;
	uint32_t cap;

	for (uint32_t i = c->nmissed; i > 0; i--)
		if (c->missed[i - 1].log == f->log)
			return;
	if (c->nmissed == c->capmissed) {
		cap = c->capmissed == 0 ? 8 : 2 * c->capmissed;
		m = cap <= CONN_MISSED_MAX
			? reallocarray(c->missed, cap, sizeof(*m))
			: NULL;
		if (m == NULL) {
			conn_close(c);
			return;
		}
		c->missed = m;
		c->capmissed = cap;
	}
	c->missed[c->nmissed++] = (struct gateway_missed){ f->log, f->seq };
}

/* Whether more than so much waits; much may have come in this turn, which
 * alone makes no slow reader. */
static bool
waits(struct conn *c, uint64_t most)
{
	if (conn_queued(c) <= most)
		return false;
	conn_flush(c);
	return conn_queued(c) > most;
}

/* Whether no frame of the feed can be taken now. */
static bool
feed_stands(struct conn *c)
{
	struct worker *w = conn_worker(c);

	if (c->feed != FEED_ON)
		return true;
	if (!waits(c, w->settings->max_output))
		return !conn_live(c);
	c->feed = FEED_SUSPENDED;
	counter_add(&w->counters.suspended, 1);
	conn_tell(c, UNTOLD_SUSPENDED);
	return true;
}

/* What could go on when less waits to be written. */
static void
drained(struct conn *c)
{
	size_t queued = conn_queued(c);
	uint32_t max = conn_worker(c)->settings->max_output;

	if (c->feed == FEED_STOPPED && queued <= max / 4) {
		c->feed = FEED_ON;
		conn_tell(c, UNTOLD_DRAINED);
	}
	if ((c->pauses & PAUSE_OUTPUT) != 0 && queued <= max)
		conn_unpause(c, PAUSE_OUTPUT);
}

void
conn_stopped(struct conn *c)
{
	if (!conn_live(c) || c->feed != FEED_SUSPENDED)
		return;
	c->feed = FEED_STOPPED;
	drained(c);
}

/* ---- frames of main's ---------------------------------------------------- */

static void
answer_metrics(struct conn *c, struct str text)
{
	struct worker *w = conn_worker(c);
	struct bytes b;

	bytes_init(&b, text.n + 1024);
	http_answer(&b, 200, "text/plain; version=0.0.4; charset=utf-8", text,
	    c->head, c->keep_alive);
	if (b.failed)
		conn_close(c);
	else
		conn_send(c, b.p, b.n);
	bytes_fini(&b);
	if (!conn_live(c))
		return;
	c->state = CONN_HTTP;
	c->since = 0;
	c->alive = uv_now(&w->loop);
	if (c->keep_alive)
		conn_unpause(c, PAUSE_ANSWER);
	else
		conn_finish(c);
}

/*
 * Each request is followed by one answer, so as many frames that are none of
 * the feed are taken for answers; what comes besides is a notice.  (They
 * cannot be told apart here; taking a notice for an answer does no harm.)
 */
static void
answer_or_notice(struct conn *c)
{
	struct worker *w = conn_worker(c);
	uint32_t max = w->settings->max_output;

	if (c->asked > 0) {
		(void)waits(c, max);
		if (--c->asked <= CONN_ASKED_MAX / 2 && conn_live(c))
			conn_unpause(c, PAUSE_ANSWER);
	} else if (waits(c, (uint64_t)OUTPUT_LIMITS * max)) {
		counter_add(&w->counters.overflowed, 1);
		conn_close(c);
	}
}

static void
feed_or_answer(struct conn *c, struct frame *f)
{
	struct worker *w = conn_worker(c);

	if (f->log == 0) {
		answer_or_notice(c);
	} else if (feed_stands(c)) {
		if (conn_live(c))
			missed(c, f);
		return;
	}
	conn_send(c, f->data + f->off, f->len);
	counter_add(&w->counters.frames_out, 1);
	if (f->accepted.ns != 0)
		worker_stamp(w, f->accepted);
}

void
conn_frame(struct conn *c, struct frame *f)
{
	if (c->state == CONN_ANSWER) {
		answer_metrics(c, (struct str){ f->data + FRAME_HEADER,
				      f->off + f->len - FRAME_HEADER });
	} else if (c->state == CONN_OPEN) {
		feed_or_answer(c, f);
	}
	frame_unref(f);
}

/* ---- writing ------------------------------------------------------------- */

static void
on_written(uv_write_t *req, int status)
{
	struct conn *c = (void *)req->handle;
	struct worker *w = conn_worker(c);

	output_free(&w->outputs, c->writing);
	c->writing = NULL;
	if (c->state == CONN_DEAD)
		return;
	if (status != 0) {
		conn_close(c);
		return;
	}
	c->alive = uv_now(&w->loop);
	conn_dirty(c);
}

/* Hands *o to the socket, as far as it takes it, and to libuv. */
static void
write_out(struct conn *c, struct output **o)
{
	struct worker *w = conn_worker(c);
	uv_buf_t buf;
	int n;

	if (output_left(*o) == 0)
		return;
	buf = uv_buf_init((*o)->data + (*o)->off, (unsigned)output_left(*o));
	n = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
	if (n < 0 && n != UV_EAGAIN) {
		conn_close(c);
		return;
	}
	if (n > 0)
		(*o)->off += (size_t)n;
	counter_add(&w->counters.bytes_out, buf.len);
	if (output_left(*o) == 0) {
		output_free(&w->outputs, *o);
		*o = NULL;
		return;
	}
	c->writing = *o;
	*o = NULL;
	buf = uv_buf_init(c->writing->data + c->writing->off,
	    (unsigned)output_left(c->writing));
	if (uv_write(&c->writing->req, (uv_stream_t *)&c->tcp, &buf, 1,
		on_written) != 0) {
		output_free(&w->outputs, c->writing);
		c->writing = NULL;
		conn_close(c);
	}
}

static bool
encrypt(struct conn *c)
{
	struct worker *w = conn_worker(c);
	bool ok;

	if (output_left(c->out) == 0)
		return true;
	ok = tls_write(c->tls, c->out->data + c->out->off, output_left(c->out));
	output_free(&w->outputs, c->out);
	c->out = NULL;
	return ok;
}

/* All is written: say so, and when the peer has, too, it is over. */
static void
end(struct conn *c)
{
	uv_os_fd_t fd;

	if (c->tls != NULL && !c->tls_ended) {
		c->tls_ended = true;
		tls_end(c->tls);
		write_out(c, &c->tls->wire);
		if (c->state == CONN_DEAD || c->writing != NULL)
			return;
	}
	if (!c->ended && uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0)
		(void)shutdown(fd, SHUT_WR);
	c->ended = true;
	if (c->peer_ended)
		conn_close(c);
}

void
conn_flush(struct conn *c)
{
	if (c->state == CONN_DEAD || c->writing != NULL)
		return;
	if (c->tls != NULL && !encrypt(c)) {
		conn_close(c);
		return;
	}
	write_out(c, c->tls != NULL ? &c->tls->wire : &c->out);
	if (c->state == CONN_CLOSING && c->writing == NULL)
		end(c);
	else if (conn_live(c))
		drained(c);
}
