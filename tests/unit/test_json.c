/*
 * The reader of requests, and the writer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/json.h"
#include "proto/utf8.h"

static struct json_request rq;
static const char *what;
static char buf[1 << 18];

static enum err
read_n(const char *text, size_t n)
{
	assert_true(n <= sizeof(buf));
	memcpy(buf, text, n);
	return json_read(&rq, buf, n, false, &what);
}

static enum err
read_text(const char *text)
{
	return read_n(text, strlen(text));
}

static void
assert_str(struct str v, const char *expected)
{
	assert_int_equal(v.n, strlen(expected));
	assert_memory_equal(v.p, expected, v.n);
}

/* The value of `text' in a request that is right otherwise. */
static enum err
read_value(const char *value, size_t n)
{
	static const char before[] = "{\"op\":\"send\",\"id\":7,\"to\":\"bob\","
				     "\"stream\":1,\"number\":2,\"text\":";
	char text[512];

	assert_true(sizeof(before) + n < sizeof(text));
	memcpy(text, before, sizeof(before) - 1);
	memcpy(text + sizeof(before) - 1, value, n);
	text[sizeof(before) - 1 + n] = '}';
	return read_n(text, sizeof(before) + n);
}

#define VALUE(literal) read_value(literal, sizeof(literal) - 1)

static void
a_send_is_read(void **state)
{
	(void)state;
	assert_int_equal(read_text("{\"op\":\"send\",\"id\":12,\"to\":"
				   "\"bob@example.org\",\"stream\":3,"
				   "\"number\":9007199254740991,\"text\":"
				   "\"hello\",\"mentions\":[\"carol\",\"\"]}"),
	    OK);
	assert_int_equal(rq.op, OP_SEND);
	assert_int_equal(rq.id, 12);
	assert_int_equal(rq.args.present,
	    K(to) | K(stream) | K(number) | K(text) | K(mentions));
	assert_str(rq.args.to, "bob@example.org");
	assert_int_equal(rq.args.stream, 3);
	assert_int_equal(rq.args.number, OP_ID_MAX);
	assert_str(rq.args.text, "hello");
	assert_int_equal(rq.args.mentions.n, 2);
	assert_str(rq.args.mentions.v[0], "carol");
	assert_str(rq.args.mentions.v[1], "");
}

static void
absent_members_are_empty(void **state)
{
	(void)state;
	memset(&rq, 0xff, sizeof(rq));
	assert_int_equal(read_text("{\"op\":\"ping\",\"id\":1}"), OK);
	assert_int_equal(rq.args.present, 0);
	assert_null(rq.args.text.p);
	assert_int_equal(rq.args.text.n, 0);
	assert_int_equal(rq.args.seq, 0);
	assert_false(rq.args.on);
	assert_int_equal(rq.args.mentions.n, 0);
}

static void
space_is_allowed_where_the_grammar_has_it(void **state)
{
	(void)state;
	assert_int_equal(read_text(" \t\r\n{ \"op\" : \"send\" ,\n\"id\"\t:1 ,"
				   "\"to\":\"b\",\"stream\":1,\"number\":1,"
				   "\"text\":\"\",\"mentions\" : [ \"a\" , "
				   "\"b\" ] } \n"),
	    OK);
	assert_int_equal(rq.args.mentions.n, 2);
	assert_int_equal(read_text("{\"op\":\"ping\",\"id\":1}\v"),
	    ERR_MALFORMED);
}

static void
escapes_are_undone(void **state)
{
	(void)state;
	assert_int_equal(VALUE("\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\""), OK);
	assert_str(rq.args.text, "a\"\\/\b\f\n\r\tz");
	assert_int_equal(VALUE("\"\\u0041\\u00e9\\u20AC\\uD83D\\uDE00.\""), OK);
	assert_str(rq.args.text, "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80.");
	/* Members may be written in escapes, too. */
	assert_int_equal(read_text("{\"\\u006fp\":\"pin\\u0067\",\"id\":1}"),
	    OK);
	assert_int_equal(rq.op, OP_PING);
}

static void
bad_strings_are_malformed(void **state)
{
	static const char *const values[] = { "\"", "\"a", "\"\\\"", "\"\\x\"",
		"\"\\u12\"", "\"\\u12g4\"", "\"\\u0000\"", "\"\\ud800\"",
		"\"\\ud800x\"", "\"\\ud800\\u0041\"", "\"\\udc00\"",
		"\"\\ud800\\ud800\"", "\"\n\"", "\"\x1f\"", "\"\\", "\"\\u",
		"'a'", "\"\\U0041\"" };

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		assert_int_equal(read_value(values[i], strlen(values[i])),
		    ERR_MALFORMED);
	assert_int_equal(VALUE("\"a\0b\""), ERR_MALFORMED);
	assert_int_equal(VALUE("\"\\\0\""), ERR_MALFORMED);
}

/* A special byte at each place of the words of eight that plain() reads. */
static void
the_end_of_a_string_is_found_at_every_offset(void **state)
{
	char value[64], expected[64];

	(void)state;
	for (size_t n = 0; n < 40; n++) {
		memset(value, 'x', sizeof(value));
		value[0] = value[n + 1] = '"';
		assert_int_equal(read_value(value, n + 2), OK);
		memset(expected, 'x', n);
		expected[n] = '\0';
		assert_str(rq.args.text, expected);
		if (n == 0)
			continue;
		value[n] = '\x1f';
		assert_int_equal(read_value(value, n + 2), ERR_MALFORMED);
		value[n] = '\x7f';
		assert_int_equal(read_value(value, n + 2), OK);
		value[n] = '\x80';
		assert_int_equal(read_value(value, n + 2), ERR_MALFORMED);
	}
}

/* RFC 3629, section 4: each row's first and last, and what is beside them. */
static void
only_utf8_is_taken(void **state)
{
	static const char *const good[] = { "\x01", "\x7f", "\xc2\x80",
		"\xdf\xbf", "\xe0\xa0\x80", "\xe0\xbf\xbf", "\xe1\x80\x80",
		"\xec\xbf\xbf", "\xed\x80\x80", "\xed\x9f\xbf", "\xee\x80\x80",
		"\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf0\xbf\xbf\xbf",
		"\xf1\x80\x80\x80", "\xf3\xbf\xbf\xbf", "\xf4\x80\x80\x80",
		"\xf4\x8f\xbf\xbf" };
	static const char *const bad[] = { "\x80", "\xbf", "\xc0\x80",
		"\xc1\xbf", "\xc2", "\xc2\x7f", "\xc2\xc0", "\xdf\x20",
		"\xe0\x9f\xbf", "\xe0\xa0", "\xe1\x80", "\xe1\x80\x7f",
		"\xe1\x7f\x80", "\xed\xa0\x80", "\xed\xbf\xbf",
		"\xf0\x8f\xbf\xbf", "\xf0\x90\x80", "\xf1\x80\x80\xc0",
		"\xf1\x80\x7f\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
		"\xff", "\xfe" };
	char value[32];
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(utf8_valid(good[i], strlen(good[i])));
		if (good[i][0] == '\x01')
			continue;
		n = (size_t)snprintf(value, sizeof(value), "\"a%sb\"", good[i]);
		assert_int_equal(read_value(value, n), OK);
		value[n - 1] = '\0';
		assert_str(rq.args.text, value + 1);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(utf8_valid(bad[i], strlen(bad[i])));
		n = (size_t)snprintf(value, sizeof(value), "\"%s\"", bad[i]);
		assert_int_equal(read_value(value, n), ERR_MALFORMED);
	}
	assert_true(utf8_valid("0123456789abcdef\xc3\xa9 0123456789", 29));
	assert_false(utf8_valid("0123456789abcdef\xc3 0123456789", 28));
}

static void
numbers_are_integers_in_range(void **state)
{
	static const struct {
		const char *text;
		enum err err;
	} cases[] = { { "1", OK }, { "9007199254740991", OK },
		{ "0", ERR_INVALID }, { "9007199254740992", ERR_INVALID },
		{ "99999999999999999999999", ERR_INVALID },
		{ "-1", ERR_INVALID }, { "1.0", ERR_INVALID },
		{ "1e0", ERR_INVALID }, { "1E+2", ERR_INVALID },
		{ "1.5e-3", ERR_INVALID }, { "01", ERR_MALFORMED },
		{ "+1", ERR_INVALID }, { "1.", ERR_MALFORMED },
		{ ".1", ERR_INVALID }, { "1e", ERR_MALFORMED },
		{ "-", ERR_MALFORMED }, { "0x1", ERR_MALFORMED },
		{ "\"1\"", ERR_INVALID }, { "true", ERR_INVALID },
		{ "null", ERR_INVALID } };
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "{\"op\":\"ping\",\"id\":%s}",
		    cases[i].text);
		/* What no value starts with is no JSON. */
		assert_int_equal(read_text(text),
		    cases[i].text[0] == '+' || cases[i].text[0] == '.'
			? ERR_MALFORMED
			: cases[i].err);
	}
	assert_int_equal(read_text("{\"op\":\"history\",\"id\":1,\"to\":\"b\","
				   "\"after\":-0}"),
	    OK);
	assert_true(args_has(&rq.args, K(after)));
}

static void
what_is_no_object_is_malformed(void **state)
{
	static const char *const texts[] = { "", " ", "1", "\"a\"", "[]",
		"null", "{", "}", "{]", "{,}", "{\"op\"}", "{\"op\":}",
		"{\"op\":\"ping\",}", "{\"op\":\"ping\" \"id\":1}",
		"{\"op\":\"ping\",\"id\":1}}", "{\"op\":\"ping\",\"id\":1",
		"{op:\"ping\",\"id\":1}", "{\"op\":\"ping\",\"id\":1} x",
		"{\"op\":\"ping\",\"id\":1,\"on\":truth}",
		"{\"op\":\"ping\",\"id\":1,\"on\":t",
		"{\"op\":\"send\",\"mentions\":[",
		"{\"op\":\"send\",\"mentions\":[\"a\"",
		"{\"op\":\"send\",\"mentions\":[\"a\",]}",
		"{\"op\":\"send\",\"mentions\":[,]}",
		"\xef\xbb\xbf{\"op\":\"ping\",\"id\":1}" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(read_text(texts[i]), ERR_MALFORMED);
	assert_int_equal(read_n("{\"op\":\"ping\",\"id\":1}\0", 22),
	    ERR_MALFORMED);
}

/* The sender learns which of its requests was wrong, and what about it. */
static void
the_id_is_found_although_something_is_wrong(void **state)
{
	static const struct {
		const char *text;
		enum err err;
		const char *what;
	} cases[] = {
		{ "{\"op\":\"nope\",\"id\":5}", ERR_UNKNOWN_OP,
		    "there is no such operation" },
		{ "{\"op\":\"status\",\"id\":5}", ERR_UNKNOWN_OP,
		    "there is no such operation" },
		{ "{\"who\":1,\"op\":\"nope\",\"id\":5}", ERR_UNKNOWN_OP,
		    "there is no such operation" },
		{ "{\"op\":\"ping\",\"who\":{\"a\":[1,{},[],null,true]},"
		  "\"id\":5}",
		    ERR_INVALID, "there is an unknown member" },
		{ "{\"op\":\"ping\",\"op\":\"ping\",\"id\":5}", ERR_INVALID,
		    "a member appears twice" },
		{ "{\"op\":\"ping\",\"id\":5,\"id\":6}", ERR_INVALID,
		    "a member appears twice" },
		{ "{\"op\":\"join\",\"room\":\"a\",\"room\":\"a\",\"id\":5}",
		    ERR_INVALID, "a member appears twice" },
		{ "{\"op\":\"join\",\"id\":5}", ERR_INVALID,
		    "room is missing" },
		{ "{\"op\":\"ping\",\"room\":\"a\",\"id\":5}", ERR_INVALID,
		    "room does not belong to this operation" },
		{ "{\"op\":\"join\",\"room\":1,\"id\":5}", ERR_INVALID,
		    "room is of the wrong type or out of range" },
		{ "{\"op\":\"join\",\"room\":null,\"id\":5}", ERR_INVALID,
		    "room is of the wrong type or out of range" },
		{ "{\"op\":\"typing\",\"to\":\"a\",\"on\":1,\"id\":5}",
		    ERR_INVALID, "on is of the wrong type or out of range" },
		{ "{\"op\":\"send\",\"mentions\":\"a\",\"id\":5}", ERR_INVALID,
		    "mentions is of the wrong type or out of range" },
		{ "{\"op\":\"send\",\"mentions\":[\"a\",1],\"id\":5}",
		    ERR_INVALID,
		    "mentions is of the wrong type or out of range" },
		{ "{\"op\":\"revoke\",\"device\":\"1\",\"id\":5}", ERR_INVALID,
		    "device is of the wrong type or out of range" },
		{ "{\"op\":[\"ping\"],\"id\":5}", ERR_INVALID,
		    "op is not a string" },
		{ "{\"id\":5}", ERR_INVALID, "op is missing" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(read_text(cases[i].text), cases[i].err);
		assert_int_equal(rq.id, 5);
		assert_string_equal(what, cases[i].what);
	}
}

static void
an_id_is_needed_where_there_is_an_answer(void **state)
{
	(void)state;
	assert_int_equal(read_text("{\"op\":\"ping\"}"), ERR_INVALID);
	assert_int_equal(read_text("{\"op\":\"ack\",\"log\":\"a\",\"seq\":1}"),
	    OK);
	assert_int_equal(rq.id, 0);
}

static void
limits_hold_after_unescaping(void **state)
{
	char text[1024];
	int n;

	(void)state;
	for (int len = 320; len <= 321; len++) {
		n = snprintf(text, sizeof(text),
		    "{\"op\":\"join\",\"id\":5,\"room\":\"%0*d\"}", len, 0);
		assert_int_equal(read_n(text, (size_t)n),
		    len == 320 ? OK : ERR_TOO_LARGE);
		assert_int_equal(rq.id, 5);
	}
	n = snprintf(text, sizeof(text),
	    "{\"op\":\"join\",\"id\":5,\"room\":\"\\u0041%0319d\"}", 0);
	assert_int_equal(read_n(text, (size_t)n), OK);
	assert_int_equal(rq.args.room.n, 320);
}

static void
at_most_so_many_mentions(void **state)
{
	static const char one[] = ",\"bob\"";
	char text[1024];
	size_t n;

	(void)state;
	for (size_t k = OP_STRS_MAX; k <= OP_STRS_MAX + 1; k++) {
		n = (size_t)snprintf(text, sizeof(text),
		    "{\"op\":\"send\",\"id\":5,\"to\":\"b\",\"stream\":1,"
		    "\"number\":1,\"text\":\"\",\"mentions\":[\"bob\"");
		for (size_t i = 1; i < k; i++, n += sizeof(one) - 1)
			memcpy(text + n, one, sizeof(one) - 1);
		memcpy(text + n, "]}", 2);
		assert_int_equal(read_n(text, n + 2),
		    k == OP_STRS_MAX ? OK : ERR_TOO_LARGE);
		assert_int_equal(rq.args.mentions.n, OP_STRS_MAX);
	}
}

static void
what_is_skipped_has_a_depth_limit(void **state)
{
	size_t n = 0, depth = 100000;

	(void)state;
	for (const char *p = "{\"a\":"; *p != '\0'; p++)
		buf[n++] = *p;
	memset(buf + n, '[', depth);
	n += depth;
	assert_int_equal(json_read(&rq, buf, n, false, &what), ERR_MALFORMED);
	assert_int_equal(read_text("{\"op\":\"ping\",\"id\":1,\"a\":[[[[[[[["
				   "[]]]]]]]]]}"),
	    ERR_INVALID);
}

static void
operators_operations_are_apart(void **state)
{
	static const char ping[] = "{\"op\":\"ping\",\"id\":1}",
			  status[] = "{\"op\":\"status\",\"id\":1}";

	(void)state;
	memcpy(buf, status, sizeof(status));
	assert_int_equal(json_read(&rq, buf, sizeof(status) - 1, true, &what),
	    OK);
	assert_int_equal(rq.op, OP_CTL_STATUS);
	memcpy(buf, ping, sizeof(ping));
	assert_int_equal(json_read(&rq, buf, sizeof(ping) - 1, true, &what),
	    ERR_UNKNOWN_OP);
}

/* Cut short anywhere, it is an error and nothing is read past the end. */
static void
no_prefix_is_a_request(void **state)
{
	static const char text[] =
	    "{\"op\":\"send\",\"id\":12,\"to\":\"b\\u00e9\xc3\xa9\",\"stream\":"
	    "3,\"number\":4,\"text\":\"\\ud83d\\ude00\",\"mentions\":[\"c\"]}";
	char *exact;

	(void)state;
	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		exact = malloc(n + 1);
		assert_non_null(exact);
		memcpy(exact + 1, text, n);
		assert_int_equal(json_read(&rq, exact + 1, n, false, &what),
		    ERR_MALFORMED);
		free(exact);
	}
	assert_int_equal(read_text(text), OK);
}

/* ---- the writer ---------------------------------------------------------- */

static void
assert_written(struct bytes *b, const char *expected)
{
	assert_false(b->failed);
	assert_str((struct str){ b->p, b->n }, expected);
	bytes_fini(b);
}

static void
commas_come_by_themselves(void **state)
{
	struct bytes b;

	(void)state;
	bytes_init(&b, 4096);
	json_object(&b);
	json_u64(&b, "id", 18446744073709551615u);
	json_object_in(&b, "ok");
	json_array(&b, "pos");
	json_item_u64(&b, 0);
	json_item_u64(&b, 7);
	json_array_end(&b);
	json_bool(&b, "more", false);
	json_array(&b, "none");
	json_array_end(&b);
	json_array(&b, "list");
	for (int i = 0; i < 2; i++) {
		json_item_object(&b);
		json_cstr(&b, "name", "{[");
		json_object_end(&b);
	}
	json_array_end(&b);
	json_array(&b, "words");
	json_item_str(&b, STR("a,"));
	json_item_str(&b, STR_NONE);
	json_array_end(&b);
	json_object_end(&b);
	json_i64(&b, "low", INT64_MIN);
	json_i64(&b, "high", INT64_MAX);
	json_object_end(&b);
	assert_written(&b,
	    "{\"id\":18446744073709551615,\"ok\":{\"pos\":[0,7],\"more\":false,"
	    "\"none\":[],\"list\":[{\"name\":\"{[\"},{\"name\":\"{[\"}],"
	    "\"words\":[\"a,\",\"\"]},\"low\":-9223372036854775808,"
	    "\"high\":9223372036854775807}");
}

static void
text_is_escaped_where_it_must_be(void **state)
{
	struct bytes b;

	(void)state;
	bytes_init(&b, 4096);
	json_object(&b);
	json_str(&b, "text",
	    STR("a\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa9\xe2\x82\xac"
		"\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaaz\0!"));
	json_object_end(&b);
	assert_written(&b,
	    "{\"text\":\"a\\\"\\\\/\\u0008\\u000c\\n\\r\\t\\u0001\\u001f"
	    "\\u007f\xc3\xa9\xe2\x82\xac\xe2\x80\xa7\\u2028\\u2029"
	    "\xe2\x80\xaaz\\u0000!\"}");
}

static void
what_is_written_is_read_as_the_same(void **state)
{
	struct bytes b;
	char in[256];

	(void)state;
	for (int i = 1; i < 128; i++)
		in[i - 1] = (char)i;
	bytes_init(&b, 4096);
	json_object(&b);
	json_cstr(&b, "op", "send");
	json_u64(&b, "id", 1);
	json_cstr(&b, "to", "b");
	json_u64(&b, "stream", 1);
	json_u64(&b, "number", 1);
	json_str(&b, "text", (struct str){ in, 127 });
	json_object_end(&b);
	assert_int_equal(read_n(b.p, b.n), OK);
	assert_int_equal(rq.args.text.n, 127);
	assert_memory_equal(rq.args.text.p, in, 127);
	bytes_fini(&b);
}

static void
a_full_buffer_is_said_once_at_the_end(void **state)
{
	struct bytes b;

	(void)state;
	bytes_init(&b, 16);
	json_object(&b);
	for (int i = 0; i < 10; i++)
		json_cstr(&b, "key", "value\n");
	json_object_end(&b);
	assert_true(b.failed);
	assert_true(b.n <= 16);
	bytes_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_send_is_read),
		cmocka_unit_test(absent_members_are_empty),
		cmocka_unit_test(space_is_allowed_where_the_grammar_has_it),
		cmocka_unit_test(escapes_are_undone),
		cmocka_unit_test(bad_strings_are_malformed),
		cmocka_unit_test(the_end_of_a_string_is_found_at_every_offset),
		cmocka_unit_test(only_utf8_is_taken),
		cmocka_unit_test(numbers_are_integers_in_range),
		cmocka_unit_test(what_is_no_object_is_malformed),
		cmocka_unit_test(the_id_is_found_although_something_is_wrong),
		cmocka_unit_test(an_id_is_needed_where_there_is_an_answer),
		cmocka_unit_test(limits_hold_after_unescaping),
		cmocka_unit_test(at_most_so_many_mentions),
		cmocka_unit_test(what_is_skipped_has_a_depth_limit),
		cmocka_unit_test(operators_operations_are_apart),
		cmocka_unit_test(no_prefix_is_a_request),
		cmocka_unit_test(commas_come_by_themselves),
		cmocka_unit_test(text_is_escaped_where_it_must_be),
		cmocka_unit_test(what_is_written_is_read_as_the_same),
		cmocka_unit_test(a_full_buffer_is_said_once_at_the_end),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
