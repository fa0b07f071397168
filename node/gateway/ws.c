/*
 * ws: sections are those of RFC 6455.
 *
 * libwslay reads ahead into its buffer and says nothing between the header of
 * a frame and its first byte of payload.  So the bytes given to it are counted
 * (fed) and the bytes of the frames it has told of (used): the difference is
 * the beginning of a header, of which `last' keeps a copy.  From that an
 * announced length is judged at once, before anything of it has come.
 */
#include "node/gateway/ws.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <wslay/wslay.h>

#include "proto/utf8.h"

#define HEADER_MAX 14   /* with a mask */
#define KEEP       4096 /* bytes of message buffer that an idle one may keep */

struct ws {
	wslay_frame_context_ptr frames;
	const char *in; /* borrowed */
	size_t n;
	uint64_t fed, used, progress;
	char last[HEADER_MAX]; /* the last bytes that were fed */
	bool in_frame;         /* its header has been read */
	bool in_message;       /* fragments have come, the end has not */
	bool over;             /* closed, or what came was wrong */
	uint64_t left;         /* payload of the frame that is to come */
	struct bytes message;
	uint8_t control[WS_CONTROL_MAX];
	size_t ncontrol;
};

/* What a header says. */
struct header {
	bool fin, mask;
	uint8_t rsv, op;
	uint64_t n;
};

static ssize_t
on_recv(uint8_t *buf, size_t len, int flags, void *arg)
{
	struct ws *ws = arg;
	size_t n = ws->n < len ? ws->n : len;

	(void)flags;
	if (n == 0)
		return -1;
	memcpy(buf, ws->in, n);
	if (n >= HEADER_MAX) {
		memcpy(ws->last, ws->in + n - HEADER_MAX, HEADER_MAX);
	} else {
		memmove(ws->last, ws->last + n, HEADER_MAX - n);
		memcpy(ws->last + HEADER_MAX - n, ws->in, n);
	}
	ws->in += n;
	ws->n -= n;
	ws->fed += n;
	return (ssize_t)n;
}

struct ws *
ws_new(void)
{
	static const struct wslay_frame_callbacks callbacks = { .recv_callback =
								    on_recv };
	struct ws *ws;

	if ((ws = calloc(1, sizeof(*ws))) == NULL)
		return NULL;
	if (wslay_frame_context_init(&ws->frames, &callbacks, ws) != 0) {
		free(ws);
		return NULL;
	}
	/* The real limit comes with each call. */
	bytes_init(&ws->message, SIZE_MAX / 2);
	return ws;
}

void
ws_free(struct ws *ws)
{
	if (ws == NULL)
		return;
	wslay_frame_context_free(ws->frames);
	bytes_fini(&ws->message);
	free(ws);
}

void
ws_feed(struct ws *ws, const char *p, size_t n)
{
	assert(ws->n == 0);
	ws->in = p;
	ws->n = n;
}

/* Keeps the memory of a short message only. */
static void
message_drop(struct ws *ws)
{
	if (ws->message.cap > KEEP)
		bytes_fini(&ws->message);
	else
		bytes_reset(&ws->message);
}

size_t
ws_rest(struct ws *ws)
{
	size_t n = ws->n;

	ws->in = NULL;
	ws->n = 0;
	if (!ws->in_frame && !ws->in_message)
		message_drop(ws);
	return n;
}

bool
ws_idle(const struct ws *ws)
{
	return ws->fed == ws->used && !ws->in_frame && !ws->in_message &&
	       !ws->over;
}

uint64_t
ws_progress(const struct ws *ws)
{
	return ws->progress;
}

/* ---- reading ------------------------------------------------------------- */

static bool
control(uint8_t op)
{
	return (op & 8) != 0;
}

static enum ws_type
bad(struct ws_event *ev, enum ws_code code, const char *why)
{
	ev->code = code;
	ev->why = why;
	return WS_BAD;
}

/* Sections 5.1 to 5.5: WS_MORE if the frame may come, WS_BAD. */
static enum ws_type
judge(const struct ws *ws, const struct header *h, size_t max,
    struct ws_event *ev)
{
	if (h->rsv != 0)
		return bad(ev, WS_PROTOCOL, "reserved bits are set");
	if (!h->mask)
		return bad(ev, WS_PROTOCOL, "a frame is not masked");
	if (control(h->op)) {
		if (h->op > WS_OP_PONG)
			return bad(ev, WS_PROTOCOL, "an opcode is unknown");
		if (!h->fin || h->n > WS_CONTROL_MAX)
			return bad(ev, WS_PROTOCOL,
			    "a control frame is fragmented or too long");
		return WS_MORE;
	}
	if (h->op > WS_OP_BINARY)
		return bad(ev, WS_PROTOCOL, "an opcode is unknown");
	if (h->op == WS_OP_CONTINUATION && !ws->in_message)
		return bad(ev, WS_PROTOCOL, "there is nothing to continue");
	if (h->op != WS_OP_CONTINUATION && ws->in_message)
		return bad(ev, WS_PROTOCOL, "a message is not finished");
	if (h->op == WS_OP_BINARY)
		return bad(ev, WS_UNSUPPORTED, "only text is understood");
	if (h->n > max || ws->message.n > max - h->n)
		return bad(ev, WS_TOO_BIG, "the message is too large");
	return WS_MORE;
}

/* Section 5.2: judges a header of which nothing else has come. */
static enum ws_type
early(const struct ws *ws, size_t max, struct ws_event *ev)
{
	uint64_t have = ws->fed - ws->used;
	const uint8_t *p;
	struct header h;
	size_t extra;

	if (ws->in_frame || have < 2 || have > HEADER_MAX)
		return WS_MORE;
	p = (const uint8_t *)ws->last + HEADER_MAX - have;
	h = (struct header){ .fin = (p[0] & 0x80) != 0,
		.rsv = p[0] >> 4 & 7,
		.op = p[0] & 15,
		.mask = (p[1] & 0x80) != 0,
		.n = p[1] & 0x7f };
	extra = h.n == 126 ? 2 : h.n == 127 ? 8 : 0;
	if (extra > 0) {
		if (have < 2 + extra)
			return WS_MORE;
		h.n = 0;
		for (size_t i = 0; i < extra; i++)
			h.n = h.n << 8 | p[2 + i];
	}
	return judge(ws, &h, max, ev);
}

/* The first that libwslay tells of a frame. */
static enum ws_type
frame_begin(struct ws *ws, const struct wslay_frame_iocb *f, size_t max,
    struct ws_event *ev)
{
	struct header h = { .fin = f->fin != 0,
		.rsv = f->rsv,
		.op = f->opcode,
		.mask = f->mask != 0,
		.n = f->payload_length };
	enum ws_type type;

	if ((type = judge(ws, &h, max, ev)) != WS_MORE)
		return type;
	ws->used += h.n > 65535 ? 14u : h.n > 125 ? 8u : 6u;
	ws->in_frame = true;
	ws->left = h.n;
	if (control(h.op))
		ws->ncontrol = 0;
	else if (!h.fin)
		ws->in_message = true;
	return WS_MORE;
}

/* Section 7.4: those that an endpoint may send. */
static bool
code_allowed(unsigned code)
{
	return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 &&
		   code != 1006) ||
	       (code >= 3000 && code <= 4999);
}

static enum ws_type
closing(struct ws *ws, struct ws_event *ev)
{
	const char *p = (const char *)ws->control;
	unsigned code;

	ev->p = p;
	ev->n = 0;
	ev->code = WS_NO_STATUS;
	if (ws->ncontrol == 0)
		return WS_CLOSE;
	if (ws->ncontrol == 1)
		return bad(ev, WS_PROTOCOL, "half a close code");
	code = (unsigned)ws->control[0] << 8 | ws->control[1];
	if (!code_allowed(code))
		return bad(ev, WS_PROTOCOL, "a close code is not allowed");
	if (!utf8_valid(p + 2, ws->ncontrol - 2))
		return bad(ev, WS_NOT_UTF8, "a close reason is not UTF-8");
	ev->code = (enum ws_code)code;
	ev->p = p + 2;
	ev->n = ws->ncontrol - 2;
	return WS_CLOSE;
}

static enum ws_type
control_data(struct ws *ws, const struct wslay_frame_iocb *f,
    struct ws_event *ev)
{
	assert(ws->ncontrol + f->data_length <= sizeof(ws->control));
	if (f->data_length > 0)
		memcpy(ws->control + ws->ncontrol, f->data, f->data_length);
	ws->ncontrol += f->data_length;
	if (ws->left > 0)
		return WS_MORE;
	ws->in_frame = false;
	if (!ws->in_message)
		ws->progress++;
	if (f->opcode == WS_OP_CLOSE)
		return closing(ws, ev);
	ev->p = (const char *)ws->control;
	ev->n = ws->ncontrol;
	return f->opcode == WS_OP_PING ? WS_PING : WS_PONG;
}

static enum ws_type
message(struct ws *ws, const char *p, size_t n, struct ws_event *ev)
{
	ws->in_message = false;
	ws->progress++;
	if (!utf8_valid(p, n))
		return bad(ev, WS_NOT_UTF8, "the message is not UTF-8");
	ev->p = p;
	ev->n = n;
	return WS_TEXT;
}

static enum ws_type
message_data(struct ws *ws, const struct wslay_frame_iocb *f,
    struct ws_event *ev)
{
	bool last = ws->left == 0;

	ws->in_frame = !last;
	/* Most often it is all here and need not be gathered. */
	if (last && f->fin && ws->message.n == 0)
		return message(ws, (const char *)f->data, f->data_length, ev);
	bytes_add(&ws->message, f->data, f->data_length);
	if (ws->message.failed)
		return bad(ev, WS_INTERNAL, "out of memory");
	if (!last || !f->fin)
		return WS_MORE;
	return message(ws, ws->message.p, ws->message.n, ev);
}

static enum ws_type
next(struct ws *ws, size_t max, struct ws_event *ev)
{
	struct wslay_frame_iocb f;
	enum ws_type type;
	ssize_t r;

	if (!ws->in_frame && !ws->in_message)
		message_drop(ws);
	for (;;) {
		r = wslay_frame_recv(ws->frames, &f);
		if (r == WSLAY_ERR_WANT_READ)
			return early(ws, max, ev);
		if (r < 0)
			return bad(ev, WS_PROTOCOL, "a frame header is wrong");
		if (!ws->in_frame &&
		    (type = frame_begin(ws, &f, max, ev)) != WS_MORE)
			return type;
		ws->used += f.data_length;
		ws->left -= f.data_length;
		type = control(f.opcode) ? control_data(ws, &f, ev)
					 : message_data(ws, &f, ev);
		if (type != WS_MORE)
			return type;
	}
}

enum ws_type
ws_next(struct ws *ws, size_t max, struct ws_event *ev)
{
	enum ws_type type;

	assert(!ws->over);
	type = next(ws, max, ev);
	ws->over = type == WS_BAD || type == WS_CLOSE;
	return type;
}

/* ---- writing ------------------------------------------------------------- */

size_t
ws_header(char out[static WS_HEADER_MAX], enum ws_op op, size_t n)
{
	size_t bytes;

	out[0] = (char)(0x80 | op);
	if (n <= 125) {
		out[1] = (char)n;
		return 2;
	}
	bytes = n <= 65535 ? 2 : 8;
	out[1] = bytes == 2 ? 126 : 127;
	for (size_t i = 0; i < bytes; i++)
		out[2 + i] = (char)((uint64_t)n >> (8 * (bytes - 1 - i)));
	return 2 + bytes;
}

size_t
ws_close_payload(char out[static WS_CONTROL_MAX], enum ws_code code,
    const char *why)
{
	size_t n = strlen(why);

	if (n > WS_CONTROL_MAX - 2)
		n = WS_CONTROL_MAX - 2;
	out[0] = (char)(code >> 8);
	out[1] = (char)(code & 0xff);
	memcpy(out + 2, why, n);
	return 2 + n;
}
