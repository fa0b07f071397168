/*
 * WebSocket framing on buffers; tests/system/websocket.py has the cases of
 * conformance, here is what only the inside shows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "node/gateway/gateway.h"
#include "node/gateway/ws.h"

#define MAX 1000

static char wire[1 << 17];
static size_t nwire;

/* A masked frame at the end of the wire; announced: its length, if another. */
static void
put(unsigned first, const char *p, size_t n, uint64_t announced)
{
	static const char mask[] = "\x37\xfa\x21\x3d";

	wire[nwire++] = (char)first;
	if (announced <= 125) {
		wire[nwire++] = (char)(0x80 | announced);
	} else {
		int bytes = announced <= 65535 ? 2 : 8;

		wire[nwire++] = (char)(0x80 | (bytes == 2 ? 126 : 127));
		for (int i = bytes - 1; i >= 0; i--)
			wire[nwire++] = (char)(announced >> (8 * i));
	}
	memcpy(wire + nwire, mask, 4);
	nwire += 4;
	for (size_t i = 0; i < n; i++)
		wire[nwire++] = (char)(p[i] ^ mask[i % 4]);
}

static void
put_str(unsigned first, const char *s)
{
	put(first, s, strlen(s), strlen(s));
}

static struct ws *
fresh(void)
{
	struct ws *ws = ws_new();

	assert_non_null(ws);
	nwire = 0;
	return ws;
}

static void
assert_text(struct ws *ws, const char *expected)
{
	struct ws_event ev;

	assert_int_equal(ws_next(ws, MAX, &ev), WS_TEXT);
	assert_int_equal(ev.n, strlen(expected));
	assert_memory_equal(ev.p, expected, ev.n);
}

static void
assert_bad(struct ws *ws, enum ws_code code)
{
	struct ws_event ev;

	assert_int_equal(ws_next(ws, MAX, &ev), WS_BAD);
	assert_int_equal(ev.code, code);
	assert_non_null(ev.why);
	assert_false(ws_idle(ws));
}

static void
assert_more(struct ws *ws)
{
	struct ws_event ev;

	assert_int_equal(ws_next(ws, MAX, &ev), WS_MORE);
	assert_int_equal(ws_rest(ws), 0);
}

static void
it_is_idle_exactly_between_messages(void **state)
{
	struct ws *ws = fresh();
	struct ws_event ev;

	(void)state;
	put_str(0x01, "ab");
	put_str(0x89, "ping");
	put_str(0x80, "cd");
	for (size_t i = 0; i < nwire; i++) {
		assert_int_equal(ws_idle(ws), i == 0);
		ws_feed(ws, wire + i, 1);
		if (i == 8 + 10 - 1) {
			assert_int_equal(ws_next(ws, MAX, &ev), WS_PING);
			assert_int_equal(ev.n, 4);
			assert_memory_equal(ev.p, "ping", 4);
			/* Within a message no ping shows progress. */
			assert_int_equal(ws_progress(ws), 0);
		} else if (i == nwire - 1) {
			assert_text(ws, "abcd");
			assert_int_equal(ws_progress(ws), 1);
		}
		assert_more(ws);
	}
	assert_true(ws_idle(ws));
	ws_free(ws);
}

/* Whatever is read together, the same comes out. */
static void
every_cut_gives_the_same(void **state)
{
	struct ws_event ev;
	struct ws *ws;
	char big[300];
	size_t total;

	(void)state;
	memset(big, 'b', sizeof(big));
	ws = fresh();
	put_str(0x81, "one");
	put(0x81, big, sizeof(big), sizeof(big));
	put_str(0x81, "");
	put_str(0x8a, "");
	total = nwire;
	for (size_t cut = 0; cut <= total; cut++) {
		unsigned texts = 0, pongs = 0;

		for (int part = 0; part < 2; part++) {
			enum ws_type type;

			ws_feed(ws, part == 0 ? wire : wire + cut,
			    part == 0 ? cut : total - cut);
			while ((type = ws_next(ws, MAX, &ev)) != WS_MORE) {
				texts += type == WS_TEXT;
				pongs += type == WS_PONG;
				assert_int_not_equal(type, WS_BAD);
			}
			assert_int_equal(ws_rest(ws), 0);
		}
		assert_int_equal(texts, 3);
		assert_int_equal(pongs, 1);
		assert_true(ws_idle(ws));
	}
	ws_free(ws);
}

static void
what_was_not_read_is_given_back(void **state)
{
	struct ws *ws = fresh();
	size_t rest;

	(void)state;
	/* More than libwslay reads ahead. */
	for (int i = 0; i < 1000; i++)
		put_str(0x81, "0123456789");
	ws_feed(ws, wire, nwire);
	assert_text(ws, "0123456789");
	rest = ws_rest(ws);
	assert_true(rest > 0 && rest < nwire);
	assert_false(ws_idle(ws));
	for (int i = 1; i < 100; i++)
		assert_text(ws, "0123456789");
	ws_feed(ws, wire + nwire - rest, rest);
	for (int i = 100; i < 1000; i++)
		assert_text(ws, "0123456789");
	assert_more(ws);
	assert_true(ws_idle(ws));
	ws_free(ws);
}

static void
a_header_is_judged_before_its_payload_comes(void **state)
{
	static const struct {
		unsigned first;
		uint64_t announced;
		enum ws_code code;
	} cases[] = { { 0x81, MAX + 1, WS_TOO_BIG },
		{ 0x81, 1ull << 30, WS_TOO_BIG },
		{ 0x81, INT64_MAX, WS_TOO_BIG }, { 0x82, 5, WS_UNSUPPORTED },
		{ 0x83, 5, WS_PROTOCOL }, { 0x8b, 5, WS_PROTOCOL },
		{ 0x80, 5, WS_PROTOCOL }, { 0xc1, 5, WS_PROTOCOL },
		{ 0x09, 5, WS_PROTOCOL }, { 0x89, 126, WS_PROTOCOL } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ws *ws = fresh();

		put(cases[i].first, NULL, 0, cases[i].announced);
		ws_feed(ws, wire, nwire);
		assert_bad(ws, cases[i].code);
		ws_free(ws);
	}
}

static void
an_unmasked_header_is_refused_when_it_is_complete(void **state)
{
	struct ws *ws = fresh();

	(void)state;
	ws_feed(ws, "\x81", 1);
	assert_more(ws);
	ws_feed(ws, "\x05", 1);
	assert_bad(ws, WS_PROTOCOL);
	ws_free(ws);
}

static void
fragments_count_together(void **state)
{
	struct ws *ws = fresh();
	char part[600];

	(void)state;
	memset(part, 'x', sizeof(part));
	put(0x01, part, 600, 600);
	put(0x00, part, 400, 400);
	ws_feed(ws, wire, nwire);
	assert_more(ws);
	nwire = 0;
	put(0x00, NULL, 0, 1);
	ws_feed(ws, wire, nwire);
	assert_bad(ws, WS_TOO_BIG);
	ws_free(ws);
}

static void
a_large_message_leaves_no_large_buffer(void **state)
{
	struct ws *ws = fresh();
	struct ws_event ev;
	char *big = malloc(100000);

	(void)state;
	assert_non_null(big);
	memset(big, 'x', 100000);
	put(0x81, big, 100000, 100000);
	ws_feed(ws, wire, nwire);
	assert_int_equal(ws_next(ws, 100000, &ev), WS_TEXT);
	assert_int_equal(ev.n, 100000);
	assert_memory_equal(ev.p, big, 100000);
	assert_int_equal(ws_next(ws, 100000, &ev), WS_MORE);
	assert_int_equal(ws_rest(ws), 0);
	assert_true(ws_idle(ws));
	free(big);
	ws_free(ws);
}

static void
control_frames_do_not_mix(void **state)
{
	struct ws *ws = fresh();
	struct ws_event ev;

	(void)state;
	put_str(0x89, "a longer one");
	put_str(0x89, "b");
	put(0x88,
	    "\x03\xe8"
	    "ok",
	    4, 4);
	ws_feed(ws, wire, nwire);
	assert_int_equal(ws_next(ws, MAX, &ev), WS_PING);
	assert_int_equal(ev.n, 12);
	assert_int_equal(ws_next(ws, MAX, &ev), WS_PING);
	assert_int_equal(ev.n, 1);
	assert_int_equal(ws_next(ws, MAX, &ev), WS_CLOSE);
	assert_int_equal(ev.code, WS_NORMAL);
	assert_int_equal(ev.n, 2);
	assert_memory_equal(ev.p, "ok", 2);
	/* Nobody else may have it: what follows was never looked at. */
	assert_false(ws_idle(ws));
	ws_free(ws);
}

static void
headers_have_the_shortest_length(void **state)
{
	char h[WS_HEADER_MAX];

	(void)state;
	assert_int_equal(ws_header(h, WS_OP_TEXT, 0), 2);
	assert_memory_equal(h, "\x81\x00", 2);
	assert_int_equal(ws_header(h, WS_OP_PONG, 125), 2);
	assert_memory_equal(h, "\x8a\x7d", 2);
	assert_int_equal(ws_header(h, WS_OP_TEXT, 126), 4);
	assert_memory_equal(h, "\x81\x7e\x00\x7e", 4);
	assert_int_equal(ws_header(h, WS_OP_TEXT, 65535), 4);
	assert_memory_equal(h, "\x81\x7e\xff\xff", 4);
	assert_int_equal(ws_header(h, WS_OP_TEXT, 65536), 10);
	assert_memory_equal(h, "\x81\x7f\0\0\0\0\0\x01\0\0", 10);
}

static void
a_close_payload_is_cut_to_fit(void **state)
{
	char out[WS_CONTROL_MAX], why[300];

	(void)state;
	memset(why, 'y', sizeof(why) - 1);
	why[sizeof(why) - 1] = '\0';
	assert_int_equal(ws_close_payload(out, WS_TOO_BIG, why),
	    WS_CONTROL_MAX);
	assert_memory_equal(out, "\x03\xf1yy", 4);
	assert_int_equal(ws_close_payload(out, WS_NORMAL, ""), 2);
}

static void
a_frame_has_its_text_at_a_fixed_place(void **state)
{
	size_t sizes[] = { 0, 1, 125, 126, 65535, 65536 };
	char *text = calloc(1, 65536);
	struct frame *f;

	(void)state;
	assert_non_null(text);
	memset(text, 't', 65536);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char h[WS_HEADER_MAX];
		size_t n = ws_header(h, WS_OP_TEXT, sizes[i]);

		f = frame_new((struct str){ text, sizes[i] });
		assert_non_null(f);
		assert_int_equal(f->len, n + sizes[i]);
		assert_int_equal(f->off + n, FRAME_HEADER);
		assert_memory_equal(f->data + f->off, h, n);
		assert_memory_equal(f->data + FRAME_HEADER, text, sizes[i]);
		frame_ref_many(f, 2);
		for (int k = 0; k < 3; k++)
			frame_unref(f);
	}
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_idle_exactly_between_messages),
		cmocka_unit_test(every_cut_gives_the_same),
		cmocka_unit_test(what_was_not_read_is_given_back),
		cmocka_unit_test(a_header_is_judged_before_its_payload_comes),
		cmocka_unit_test(
		    an_unmasked_header_is_refused_when_it_is_complete),
		cmocka_unit_test(fragments_count_together),
		cmocka_unit_test(a_large_message_leaves_no_large_buffer),
		cmocka_unit_test(control_frames_do_not_mix),
		cmocka_unit_test(headers_have_the_shortest_length),
		cmocka_unit_test(a_close_payload_is_cut_to_fit),
		cmocka_unit_test(a_frame_has_its_text_at_a_fixed_place),
	};

	return cmocka_run_group_tests_name("websocket", tests, NULL, NULL);
}
