/*
 * ws: the server's side of WebSocket framing, RFC 6455, without a socket.
 *
 * A struct ws takes bytes and is pulled for what they say: whole messages and
 * control frames, or the close code that the peer's mistake deserves.  The
 * frames are read by libwslay, whose context holds a buffer of 4 KiB; so a
 * connection has a struct ws only while a frame or a message is incomplete
 * (ws_idle), and a worker lends one to whoever is reading.
 *
 * Ownership  what ws_feed is given is borrowed until ws_rest; what an event
 *            points to is valid until the next call.
 * Threads    none.
 * Limits     a message: `max' bytes, refused as soon as its header says so.
 */
#ifndef NODE_GATEWAY_WS_H
#define NODE_GATEWAY_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define WS_HEADER_MAX  10  /* of a frame without a mask */
#define WS_CONTROL_MAX 125 /* payload of a control frame, section 5.5 */

enum ws_op {
	WS_OP_CONTINUATION = 0,
	WS_OP_TEXT = 1,
	WS_OP_BINARY = 2,
	WS_OP_CLOSE = 8,
	WS_OP_PING = 9,
	WS_OP_PONG = 10
};

/* Section 7.4.1. */
enum ws_code {
	WS_NORMAL = 1000,
	WS_GOING_AWAY = 1001,
	WS_PROTOCOL = 1002,
	WS_UNSUPPORTED = 1003,
	WS_NO_STATUS = 1005,
	WS_NOT_UTF8 = 1007,
	WS_POLICY = 1008,
	WS_TOO_BIG = 1009,
	WS_INTERNAL = 1011
};

enum ws_type {
	WS_MORE, /* wants more bytes */
	WS_TEXT, /* a whole message, UTF-8 */
	WS_PING, /* answer with the same payload */
	WS_PONG,
	WS_CLOSE, /* the peer closes, with code */
	WS_BAD    /* close with code; why says what was wrong */
};

struct ws_event {
	const char *p;
	size_t n;
	enum ws_code code;
	const char *why; /* static */
};

struct ws;

/* NULL when out of memory. */
struct ws *ws_new(void) MUST_USE;
void ws_free(struct ws *ws); /* NULL is allowed */

/* Only after WS_MORE, or to a fresh one. */
void ws_feed(struct ws *ws, const char *p, size_t n);

/* After WS_CLOSE and WS_BAD it must not be called again. */
enum ws_type ws_next(struct ws *ws, size_t max, struct ws_event *ev);

/* Gives back what was fed and not read: so many bytes at its end.  Ends the
 * borrowing, and the validity of events. */
size_t ws_rest(struct ws *ws);

/* Between messages, with nothing in it: another connection can have it. */
bool ws_idle(const struct ws *ws);

/* Counts messages, and control frames outside of one: whoever sends it does
 * not stand still. */
uint64_t ws_progress(const struct ws *ws);

/* ---- writing ------------------------------------------------------------- */

/* The header of a whole frame, unmasked; returns its length. */
size_t ws_header(char out[static WS_HEADER_MAX], enum ws_op op, size_t n);

/* The payload of a close frame: why is cut to fit; returns its length. */
size_t ws_close_payload(char out[static WS_CONTROL_MAX], enum ws_code code,
    const char *why);

#endif
