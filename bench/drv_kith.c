/* drv_kith.c - kith.v1: JSON in WebSocket text frames, login by device token.
 *
 * A direct message is `send` to u<id>, a room is #load. The sender counts a
 * message as acknowledged when the answer says that it is durable. A receiver
 * acknowledges what it was pushed cumulatively, once for each log and read.
 *
 * kith remembers the last 64 numbers of a send stream, so that no more sends
 * than that are left unanswered: further ones wait here, as in a client. */
#define _GNU_SOURCE
#include "loadgen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { UPGRADE, RESUME, UP, CREATE, JOIN };      /* what c->step waits for */
enum { ID_LOGIN = 1, ID_ROOM = 2, ID_SEND = 16 };    /* ids of requests */
enum { WINDOW = 64, FRAME_HEAD = 14, FRAME_MAX = 6144 };

/* RFC 6455, 1.3: the key of the example and the answer to it. */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define KEY_ANSWER "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

/* What a connection needs beyond struct conn. c->serial counts its sends. */
struct extra {
	uint32_t unanswered;
	uint64_t mailbox, room;    /* seq pushed and not acknowledged, or 0 */
	char *held;                /* frames that wait for the window */
	size_t held_off, held_len, held_cap;
};
static struct extra *extras;
static unsigned nextras;

static struct extra *extra(struct conn *c)
{
	if (c->id >= nextras) {
		unsigned n = c->id * 2 + 64;
		extras = realloc(extras, n * sizeof *extras);
		if (!extras)
			abort();
		memset(extras + nextras, 0, (n - nextras) * sizeof *extras);
		nextras = n;
	}
	return &extras[c->id];
}

/* Fresh in each run: a number used before would be answered as a repeat. */
static uint64_t stream(void)
{
	static uint64_t s;
	struct timespec t;
	if (!s) {
		clock_gettime(CLOCK_REALTIME, &t);
		s = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
	}
	return s;
}

/* ---- frames to the server ------------------------------------------------ */

static char *put(char *p, const void *s, size_t n)
{
	memcpy(p, s, n);
	return p + n;
}

static char *put_u64(char *p, uint64_t v)
{
	char d[20];
	size_t n = 0;
	do
		d[sizeof d - ++n] = (char)('0' + v % 10);
	while (v /= 10);
	return put(p, d + sizeof d - n, n);
}

/* The text at buf + FRAME_HEAD gets its header right before it. The mask bit
 * is set, as it must be, with the key 0, so that masking costs the generator
 * nothing; a client that faces the world draws its keys at random. */
static char *frame(char *buf, int opcode, size_t len, size_t *total)
{
	size_t head = len < 126 ? 6 : len < 65536 ? 8 : 14;
	char *p = buf + FRAME_HEAD - head;
	memset(p, 0, head);
	p[0] = (char)(0x80 | opcode);
	if (head == 6) {
		p[1] = (char)(0x80 | len);
	} else {
		p[1] = (char)(0x80 | (head == 8 ? 126 : 127));
		for (size_t i = 0; i < head - 6; i++)
			p[2 + i] = (char)(len >> 8 * (head - 7 - i));
	}
	*total = head + len;
	return p;
}

static void request(struct conn *c, int opcode, char *buf, const char *end)
{
	size_t total;
	char *p = frame(buf, opcode, (size_t)(end - buf) - FRAME_HEAD, &total);
	lg_out(c, p, total);
}

static void room_request(struct conn *c, const char *op, const char *more)
{
	char buf[FRAME_HEAD + 200];
	int n = snprintf(buf + FRAME_HEAD, sizeof buf - FRAME_HEAD,
			 "{\"op\":\"%s\",\"id\":%d,\"room\":\"#load@%s\"%s}", op,
			 ID_ROOM, lg_domain, more);
	request(c, 1, buf, buf + FRAME_HEAD + n);
}

static void resume(struct conn *c)
{
	char buf[FRAME_HEAD + 300];
	int n = snprintf(buf + FRAME_HEAD, sizeof buf - FRAME_HEAD,
			 "{\"op\":\"resume\",\"id\":%d,\"token\":\"%s\",\"live\":%s}",
			 ID_LOGIN, lg_token(c->id), c->receiver ? "true" : "false");
	request(c, 1, buf, buf + FRAME_HEAD + n);
}

static void acknowledge(struct conn *c, const char *log, uint64_t *seq)
{
	char buf[FRAME_HEAD + 200], *p = buf + FRAME_HEAD;
	if (!*seq)
		return;
	p = put(p, "{\"op\":\"ack\",\"log\":\"", 19);
	p = put(p, log, strlen(log));
	p = put(p, "@", 1);
	p = put(p, lg_domain, strlen(lg_domain));
	p = put(p, "\",\"seq\":", 8);
	p = put_u64(p, *seq);
	p = put(p, "}", 1);
	request(c, 1, buf, p);
	*seq = 0;
}

/* The read batch is used up: the device has everything that was in it. */
static void batch_end(struct conn *c)
{
	struct extra *x = extra(c);
	char name[16];
	if (x->mailbox) {
		*put_u64(put(name, "u", 1), c->id) = 0;
		acknowledge(c, name, &x->mailbox);
	}
	acknowledge(c, "#load", &x->room);
}

/* ---- sends and the window ------------------------------------------------ */

static void hold(struct extra *x, const char *p, size_t n)
{
	uint32_t len = (uint32_t)n;
	if (x->held_len + sizeof len + n > x->held_cap) {
		x->held_cap = (x->held_len + sizeof len + n) * 2;
		x->held = realloc(x->held, x->held_cap);
		if (!x->held)
			abort();
	}
	memcpy(x->held + x->held_len, &len, sizeof len);
	memcpy(x->held + x->held_len + sizeof len, p, n);
	x->held_len += sizeof len + n;
}

static void answered(struct conn *c)
{
	struct extra *x = extra(c);
	uint32_t len;
	x->unanswered--;
	if (x->held_off == x->held_len)
		return;
	memcpy(&len, x->held + x->held_off, sizeof len);
	lg_out(c, x->held + x->held_off + sizeof len, len);
	x->unanswered++;
	x->held_off += sizeof len + len;
	if (x->held_off == x->held_len)
		x->held_off = x->held_len = 0;
}

/* One stream for each connection: in a run it sends to one conversation. */
static void send_to(struct conn *c, const char *to, size_t tn,
		    const char *body, size_t len)
{
	char buf[FRAME_HEAD + FRAME_MAX], *p = buf + FRAME_HEAD;
	struct extra *x = extra(c);
	uint32_t number = ++c->serial;
	size_t total;
	p = put(p, "{\"op\":\"send\",\"id\":", 18);
	p = put_u64(p, (uint64_t)ID_SEND + number);
	p = put(p, ",\"to\":\"", 7);
	p = put(p, to, tn);
	p = put(p, "@", 1);
	p = put(p, lg_domain, strlen(lg_domain));
	p = put(p, "\",\"stream\":", 11);
	p = put_u64(p, stream());
	p = put(p, ",\"number\":", 10);
	p = put_u64(p, number);
	p = put(p, ",\"text\":\"", 9);
	p = put(p, body, len);
	p = put(p, "\"}", 2);
	p = frame(buf, 1, (size_t)(p - buf) - FRAME_HEAD, &total);
	if (x->unanswered < WINDOW) {
		x->unanswered++;
		lg_out(c, p, total);
	} else {
		hold(x, p, total);
	}
}

static void send_dm(struct conn *c, unsigned to, const char *body, size_t len)
{
	char name[16];
	char *end = put_u64(put(name, "u", 1), to);
	send_to(c, name, (size_t)(end - name), body, len);
}

static void send_room(struct conn *c, const char *body, size_t len)
{
	send_to(c, "#load", 5, body, len);
}

/* ---- frames from the server ---------------------------------------------- */

/* What follows "key": in the flat object p[0..n), looked for from *at on and,
 * since the order of members is the server's affair, else from the start. A
 * quote inside a string is escaped, so "key": is found nowhere else. */
static const char *member(const char *p, size_t n, const char **at,
			  const char *key, size_t kn)
{
	const char *v = memmem(*at, n - (size_t)(*at - p), key, kn);
	if (!v)
		v = memmem(p, n, key, kn);
	return v ? (*at = v + kn) : NULL;
}
#define MEMBER(p, n, at, key) \
	member(p, n, at, "\"" key "\":", sizeof "\"" key "\":" - 1)

static uint64_t number(const char *p, const char *end)
{
	uint64_t v = 0;
	for (; p < end && *p >= '0' && *p <= '9'; p++)
		v = v * 10 + (uint64_t)(*p - '0');
	return v;
}

static void on_event(struct conn *c, const char *p, size_t n)
{
	const char *end = p + n, *at = p;
	const char *log = MEMBER(p, n, &at, "log");
	const char *pos = MEMBER(p, n, &at, "pos");
	const char *kind = MEMBER(p, n, &at, "kind");
	const char *seq = pos ? memchr(pos, ',', (size_t)(end - pos)) : NULL;
	if (!log || !seq || !kind || end - kind < 9) {
		lg_error(c, "strange event", p, n);
		return;
	}
	struct extra *x = extra(c);
	*(log[1] == '#' ? &x->room : &x->mailbox) = number(seq + 1, end);
	if (memcmp(kind, "\"message\"", 9))
		return;
	const char *text = MEMBER(p, n, &at, "text");
	const char *quote = text ? memchr(text + 1, '"', (size_t)(end - text - 1)) : NULL;
	if (quote)
		lg_message(c, text + 1, (size_t)(quote - text - 1));
	else
		lg_error(c, "message without text", p, n);
}

static void on_room(struct conn *c, const char *p, size_t n, int ok)
{
	int exists = !ok && memmem(p, n, "\"exists\"", 8) != NULL;
	if (c->step == CREATE && exists) {
		c->step = JOIN;    /* made in an earlier run */
		room_request(c, "join", "");
	} else if (ok || exists) {
		c->step = UP;
		lg_joined(c);
	} else {
		lg_error(c, "room", p, n);
	}
}

static void on_answer(struct conn *c, const char *p, size_t n)
{
	const char *at = p;
	const char *idp = MEMBER(p, n, &at, "id");
	uint64_t id = idp ? number(idp, p + n) : 0;
	int ok = MEMBER(p, n, &at, "ok") != NULL;
	if (id == ID_LOGIN && ok) {
		c->step = UP;
		lg_ready(c);
	} else if (id == ID_ROOM) {
		on_room(c, p, n, ok);
	} else if (id > ID_SEND) {
		answered(c);
		if (ok && MEMBER(p, n, &at, "durable"))
			lg_acked(c);
		else
			lg_error(c, "send", p, n);
	} else {
		lg_error(c, "answer", p, n);
	}
}

static void on_text(struct conn *c, const char *p, size_t n)
{
	if (n > 16 && !memcmp(p, "{\"push\":\"event\"", 15))
		on_event(c, p, n);
	else if (n < 9 || memcmp(p, "{\"push\":", 8))
		on_answer(c, p, n);
	else if (n > 13 && !memcmp(p + 8, "\"bye\"", 5))
		lg_error(c, "bye", p, n);
}

static void pong(struct conn *c, const char *p, size_t n)
{
	char buf[FRAME_HEAD + 125];
	request(c, 10, buf, put(buf + FRAME_HEAD, p, n < 125 ? n : 125));
}

static ssize_t on_upgrade(struct conn *c, const char *p, size_t n)
{
	const char *end = memmem(p, n, "\r\n\r\n", 4);
	if (!end)
		return 0;
	n = (size_t)(end - p);
	if (n < 12 || memcmp(p, "HTTP/1.1 101", 12) ||
	    !memmem(p, n, KEY_ANSWER, strlen(KEY_ANSWER)) ||
	    !memmem(p, n, "kith.v1", 7)) {
		lg_error(c, "upgrade", p, n);
		return -1;
	}
	c->step = RESUME;
	resume(c);
	return (ssize_t)n + 4;
}

static ssize_t on_frame(struct conn *c, const char *p, size_t n)
{
	size_t head = 2, len;
	if (n < head)
		return 0;
	len = (unsigned char)p[1];    /* the mask bit makes it too large */
	if (len > 127)
		return -1;
	if (len > 125) {
		size_t bytes = len == 126 ? 2 : 8;
		if (n < head + bytes)
			return 0;
		for (len = 0; bytes; bytes--)
			len = len << 8 | (unsigned char)p[head++];
	}
	if (n - head < len)
		return 0;
	switch ((unsigned char)*p) {
	case 0x81:
		on_text(c, p + head, len);
		break;
	case 0x88:
		lg_error(c, "close", p + head, len);
		break;
	case 0x89:
		pong(c, p + head, len);
		break;
	case 0x8a:
		break;
	default:    /* the server neither splits texts nor sends binary */
		return -1;
	}
	return (ssize_t)(head + len);
}

static ssize_t input(struct conn *c, const char *p, size_t n)
{
	ssize_t used = c->step == UPGRADE ? on_upgrade(c, p, n) : on_frame(c, p, n);
	if (used == 0 || (size_t)used == n)
		batch_end(c);
	return used;
}

/* ---- logging in, the room ------------------------------------------------ */

static void hello(struct conn *c)
{
	lg_printf(c, "GET /v1/ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
		  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		  "Sec-WebSocket-Key: " KEY "\r\n"
		  "Sec-WebSocket-Protocol: kith.v1\r\n\r\n", lg_domain);
}

static void join(struct conn *c)
{
	c->step = c->receiver ? JOIN : CREATE;
	if (c->receiver)
		room_request(c, "join", "");
	else
		room_request(c, "create", ",\"access\":\"public\"");
}

const struct driver kith_driver = {
	.name = "kith", .port = 7440, .acks = 1, .hello = hello, .input = input,
	.send_dm = send_dm, .join = join, .send_room = send_room,
};
