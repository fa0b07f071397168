/*
 * HTTP on buffers: what is read, and what is decided.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "node/gateway/http.h"

#define UPGRADE                                                                \
	"Host: chat.example:7440\r\nConnection: keep-alive, Upgrade\r\n"       \
	"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"                  \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                      \
	"Sec-WebSocket-Protocol: x, kith.v1\r\n"

static struct http h;
static char *some[] = { (char[]){ "https://app.example" },
	(char[]){ "https://other.example" } };
static char *any[] = { (char[]){ "*" } };
static const struct http_policy own = { .metrics = false },
				listed = { .origins = some, .norigins = 2 },
				all = { .origins = any, .norigins = 1 },
				monitoring = { .metrics = true };

/* Reads a request in pieces of `step' bytes. */
static enum http_result
read_in(const char *text, size_t step)
{
	size_t n = strlen(text), at = 0, part, used;
	enum http_result r = HTTP_MORE;

	http_init(&h);
	while (at < n && r == HTTP_MORE) {
		part = n - at < step ? n - at : step;
		r = http_feed(&h, text + at, part, &used);
		if (r == HTTP_MORE)
			assert_int_equal(used, part);
		at += used;
	}
	if (r == HTTP_DONE)
		assert_int_equal(at, n);
	return r;
}

static unsigned
status_of(const char *text, const struct http_policy *policy)
{
	enum http_result r = read_in(text, strlen(text));
	unsigned status;

	if (r == HTTP_BAD)
		return h.status;
	assert_int_equal(r, HTTP_DONE);
	(void)http_route(&h, policy, &status);
	return status;
}

static void
an_upgrade_is_read_in_pieces_of_any_size(void **state)
{
	static const char text[] = "GET /v1/ws HTTP/1.1\r\n" UPGRADE "\r\n";
	unsigned status;

	(void)state;
	for (size_t step = 1; step < sizeof(text); step++) {
		assert_int_equal(read_in(text, step), HTTP_DONE);
		assert_int_equal(http_route(&h, &own, &status),
		    HTTP_T_WEBSOCKET);
		assert_int_equal(status, 101);
	}
}

/* The example of RFC 6455, section 1.3. */
static void
the_key_is_answered_as_in_the_rfc(void **state)
{
	struct bytes b;

	(void)state;
	assert_int_equal(
	    status_of("GET /v1/ws HTTP/1.1\r\n" UPGRADE "\r\n", &own), 101);
	bytes_init(&b, 4096);
	http_switch(&h, &b);
	bytes_add_char(&b, '\0');
	assert_non_null(strstr(b.p,
	    "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
	assert_non_null(strstr(b.p, "\r\nSec-WebSocket-Protocol: kith.v1\r\n"));
	assert_memory_equal(b.p, "HTTP/1.1 101 ", 13);
	assert_memory_equal(b.p + b.n - 5, "\r\n\r\n", 4);
	bytes_fini(&b);
}

static void
what_follows_a_request_is_left(void **state)
{
	static const char text[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
				   "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n";
	size_t used;
	unsigned status;

	(void)state;
	http_init(&h);
	assert_int_equal(http_feed(&h, text, sizeof(text) - 1, &used),
	    HTTP_DONE);
	assert_int_equal(used, 34);
	assert_int_equal(http_route(&h, &own, &status), HTTP_T_HEALTHZ);
	assert_true(http_keep_alive(&h));
	http_init(&h);
	assert_int_equal(
	    http_feed(&h, text + used, sizeof(text) - 1 - used, &used),
	    HTTP_DONE);
	assert_int_equal(http_route(&h, &own, &status), HTTP_T_READYZ);
}

static void
resources_are_where_they_belong(void **state)
{
	static const struct {
		const char *request;
		const struct http_policy *policy;
		unsigned status;
	} cases[] = {
		{ "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", &own, 200 },
		{ "HEAD /readyz HTTP/1.1\r\nHost: x\r\n\r\n", &own, 200 },
		{ "GET /healthz?x=1 HTTP/1.0\r\n\r\n", &own, 200 },
		{ "GET http://y/healthz HTTP/1.1\r\nHost: x\r\n\r\n", &own,
		    200 },
		{ "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", &own, 404 },
		{ "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", &monitoring,
		    200 },
		{ "GET /v1/ws HTTP/1.1\r\n" UPGRADE "\r\n", &monitoring, 404 },
		{ "GET / HTTP/1.1\r\nHost: x\r\n\r\n", &own, 404 },
		{ "GET /healthz/ HTTP/1.1\r\nHost: x\r\n\r\n", &own, 404 },
		{ "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", &own, 404 },
		{ "PUT /healthz HTTP/1.1\r\nHost: x\r\n\r\n", &own, 405 },
		{ "HEAD /v1/ws HTTP/1.1\r\n" UPGRADE "\r\n", &own, 405 },
		{ "GET /healthz HTTP/1.1\r\n\r\n", &own, 400 },
		{ "GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", &own,
		    400 },
		{ "GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n", &own, 505 },
		{ "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", &own, 404 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(status_of(cases[i].request, cases[i].policy),
		    cases[i].status);
}

static void
origins_are_checked(void **state)
{
	static const struct {
		const char *origin;
		unsigned own, listed, all;
	} cases[] = {
		{ "", 101, 101, 101 },
		{ "Origin: https://chat.example:7440\r\n", 101, 403, 101 },
		{ "Origin: http://CHAT.example:7440\r\n", 101, 403, 101 },
		{ "Origin: https://chat.example\r\n", 403, 403, 101 },
		{ "Origin: https://app.example\r\n", 403, 101, 101 },
		{ "Origin: https://app.example.evil\r\n", 403, 403, 101 },
		{ "Origin: null\r\n", 403, 403, 101 },
		{ "Origin: ://\r\n", 403, 403, 101 },
		{ "Origin:\r\n", 403, 403, 101 },
		{ "Origin: https://app.example\r\nOrigin: x\r\n", 403, 403,
		    403 },
	};
	char text[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text),
		    "GET /v1/ws HTTP/1.1\r\n" UPGRADE "%s\r\n",
		    cases[i].origin);
		assert_int_equal(status_of(text, &own), cases[i].own);
		assert_int_equal(status_of(text, &listed), cases[i].listed);
		assert_int_equal(status_of(text, &all), cases[i].all);
	}
}

static void
values_too_long_are_refused(void **state)
{
	char text[4096];

	(void)state;
	snprintf(text, sizeof(text), "GET /%0*d HTTP/1.1\r\nHost: x\r\n\r\n",
	    HTTP_VALUE, 0);
	assert_int_equal(status_of(text, &own), 414);
	snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %0*d\r\n\r\n",
	    HTTP_VALUE + 1, 0);
	assert_int_equal(status_of(text, &own), 431);
	/* Of a header that does not matter only the sum counts. */
	snprintf(text, sizeof(text),
	    "GET /healthz HTTP/1.1\r\nHost: x\r\nCookie: %0*d\r\n\r\n", 3000,
	    0);
	assert_int_equal(status_of(text, &own), 200);
}

static void
headers_are_counted(void **state)
{
	char text[4096];
	size_t n;

	(void)state;
	for (int most = HTTP_HEADERS; most <= HTTP_HEADERS + 1; most++) {
		n = (size_t)snprintf(text, sizeof(text),
		    "GET /healthz HTTP/1.1\r\nHost: x\r\n");
		for (int i = 1; i < most; i++)
			n += (size_t)snprintf(text + n, sizeof(text) - n,
			    i % 2 == 0 ? "A:\r\n" : "B: c\r\n");
		snprintf(text + n, sizeof(text) - n, "\r\n");
		assert_int_equal(status_of(text, &own),
		    most == HTTP_HEADERS ? 200 : 431);
		assert_int_equal(read_in(text, 1),
		    most == HTTP_HEADERS ? HTTP_DONE : HTTP_BAD);
	}
}

static void
bytes_are_counted_even_without_a_header(void **state)
{
	char crlf[64];
	enum http_result r = HTTP_MORE;
	size_t used, sum = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(crlf); i++)
		crlf[i] = i % 2 == 0 ? '\r' : '\n';
	http_init(&h);
	while (r == HTTP_MORE && sum <= HTTP_BYTES) {
		r = http_feed(&h, crlf, sizeof(crlf), &used);
		sum += used;
	}
	assert_int_equal(r, HTTP_BAD);
	assert_int_equal(h.status, 431);
}

static void
an_answer_has_its_length_and_says_whether_it_closes(void **state)
{
	struct bytes b;

	(void)state;
	bytes_init(&b, 4096);
	http_answer(&b, 200, "text/x", STR("body"), false, true);
	bytes_add_char(&b, '\0');
	assert_memory_equal(b.p, "HTTP/1.1 200 OK\r\n", 17);
	assert_non_null(strstr(b.p, "Content-Length: 4\r\n"));
	assert_non_null(strstr(b.p, "Content-Type: text/x\r\n"));
	assert_non_null(strstr(b.p, "\r\n\r\nbody"));
	assert_null(strstr(b.p, "Connection:"));
	bytes_reset(&b);
	http_answer(&b, 404, NULL, STR_NONE, true, false);
	bytes_add_char(&b, '\0');
	assert_non_null(strstr(b.p, "Connection: close\r\n"));
	assert_string_equal(b.p + b.n - 5, "\r\n\r\n");
	bytes_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_upgrade_is_read_in_pieces_of_any_size),
		cmocka_unit_test(the_key_is_answered_as_in_the_rfc),
		cmocka_unit_test(what_follows_a_request_is_left),
		cmocka_unit_test(resources_are_where_they_belong),
		cmocka_unit_test(origins_are_checked),
		cmocka_unit_test(values_too_long_are_refused),
		cmocka_unit_test(headers_are_counted),
		cmocka_unit_test(bytes_are_counted_even_without_a_header),
		cmocka_unit_test(
		    an_answer_has_its_length_and_says_whether_it_closes),
	};

	return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
