/*
 * WebSocket frames: however the bytes are cut, the same comes out; and what
 * comes out keeps the limits.  The first byte seeds the cuts.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "node/gateway/ws.h"
#include "proto/utf8.h"

#define MAX        600
#define HASH_START 0xcbf29ce484222325u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static uint64_t
hash(uint64_t h, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 0x100000001b3u;
	return h;
}

static void
check(enum ws_type type, const struct ws_event *ev)
{
	switch (type) {
	case WS_TEXT:
		assert(ev->n <= MAX && utf8_valid(ev->p, ev->n));
		break;
	case WS_PING:
	case WS_PONG:
		assert(ev->n <= WS_CONTROL_MAX);
		break;
	case WS_CLOSE:
		assert(utf8_valid(ev->p, ev->n));
		assert(ev->code >= 1000 && ev->code < 5000);
		break;
	case WS_BAD:
		assert(ev->why != NULL);
		break;
	case WS_MORE:
		break;
	}
}

/* A hash over all events. */
static uint64_t
run(const uint8_t *data, size_t n, struct prng *r)
{
	struct ws *ws = ws_new();
	enum ws_type type = WS_MORE;
	uint64_t h = HASH_START;
	struct ws_event ev;
	size_t at = 0, part;

	assert(ws != NULL);
	while (at < n && type != WS_BAD && type != WS_CLOSE) {
		part = r != NULL ? 1 + (size_t)prng_below(r, 20) : n;
		if (part > n - at)
			part = n - at;
		ws_feed(ws, (const char *)data + at, part);
		at += part;
		do {
			ev = (struct ws_event){ .p = "" };
			type = ws_next(ws, MAX, &ev);
			check(type, &ev);
			if (type == WS_MORE)
				break;
			h = hash(h, &type, sizeof(type));
			if (type == WS_BAD || type == WS_CLOSE)
				h = hash(h, &ev.code, sizeof(ev.code));
			if (type != WS_BAD)
				h = hash(h, ev.p, ev.n);
		} while (type != WS_BAD && type != WS_CLOSE);
		part = ws_rest(ws);
		assert(part == 0 || type != WS_MORE);
	}
	ws_free(ws);
	return h;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct prng r;

	if (n == 0)
		return 0;
	prng_seed(&r, data[0]);
	assert(run(data + 1, n - 1, NULL) == run(data + 1, n - 1, &r));
	return 0;
}
