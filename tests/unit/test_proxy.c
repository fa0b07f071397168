/*
 * The PROXY protocol, version 2.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "node/gateway/proxy.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4                                                                     \
	SIGNATURE "\x21\x11\x00\x0c"                                           \
		  "\xc0\x00\x02\x01\xc6\x33\x64\x02\x30\x39\x1d\x10"
#define V6_ADDRESSES                                                           \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"                           \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x30\x39\x1d\x10"

static struct proxy out;
static size_t used;

/* From memory of exactly that size, so that a sanitizer sees more. */
static enum proxy_result
parse(const char *p, size_t n)
{
	char *exact = malloc(n > 0 ? n : 1);
	enum proxy_result r;

	assert_non_null(exact);
	memcpy(exact, p, n);
	r = proxy_parse(exact, n, &out, &used);
	free(exact);
	return r;
}

#define PARSE(literal) parse(literal, sizeof(literal) - 1)

static void
an_ipv4_address_is_mapped(void **state)
{
	(void)state;
	assert_int_equal(PARSE(V4 "GET"), PROXY_DONE);
	assert_int_equal(used, 28);
	assert_false(out.local);
	assert_memory_equal(out.from.s6_addr,
	    "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01", 16);
}

static void
an_ipv6_address_is_taken(void **state)
{
	(void)state;
	assert_int_equal(PARSE(SIGNATURE "\x21\x21\x00\x24" V6_ADDRESSES),
	    PROXY_DONE);
	assert_int_equal(used, 52);
	assert_memory_equal(out.from.s6_addr,
	    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
}

static void
the_proxy_s_own_check_has_no_address(void **state)
{
	(void)state;
	assert_int_equal(PARSE(SIGNATURE "\x20\x00\x00\x00"), PROXY_DONE);
	assert_true(out.local);
	assert_int_equal(used, 16);
	/* Whatever the block says, it is skipped. */
	assert_int_equal(PARSE(SIGNATURE "\x20\x11\x00\x03xyz"), PROXY_DONE);
	assert_true(out.local);
	assert_int_equal(used, 19);
}

static void
every_prefix_wants_more(void **state)
{
	static const char whole[] = V4;

	(void)state;
	for (size_t n = 0; n < sizeof(whole) - 1; n++)
		assert_int_equal(parse(whole, n), PROXY_MORE);
}

static void
extras_are_skipped_when_they_fit(void **state)
{
	(void)state;
	assert_int_equal(PARSE(SIGNATURE "\x21\x11\x00\x12"
					 "\xc0\x00\x02\x01\xc6\x33\x64\x02"
					 "\x30\x39\x1d\x10"
					 "\x04\x00\x03"
					 "abc"),
	    PROXY_DONE);
	assert_int_equal(used, 34);
	assert_int_equal(PARSE(SIGNATURE "\x21\x11\x00\x12"
					 "\xc0\x00\x02\x01\xc6\x33\x64\x02"
					 "\x30\x39\x1d\x10"
					 "\x04\x00\x04"
					 "abc"),
	    PROXY_BAD);
	assert_int_equal(PARSE(SIGNATURE "\x21\x11\x00\x0e"
					 "\xc0\x00\x02\x01\xc6\x33\x64\x02"
					 "\x30\x39\x1d\x10"
					 "\x04\x00"),
	    PROXY_BAD);
}

static void
everything_else_is_refused(void **state)
{
	(void)state;
	assert_int_equal(PARSE("G"), PROXY_BAD);
	assert_int_equal(PARSE("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n"),
	    PROXY_BAD);
	/* Versions, commands, families, transports that are not ours. */
	assert_int_equal(PARSE(SIGNATURE "\x11\x11\x00\x0c"), PROXY_BAD);
	assert_int_equal(PARSE(SIGNATURE "\x22\x11\x00\x0c"), PROXY_BAD);
	assert_int_equal(PARSE(SIGNATURE "\x21\x00\x00\x00"), PROXY_BAD);
	assert_int_equal(PARSE(SIGNATURE "\x21\x12\x00\x0c"), PROXY_BAD);
	assert_int_equal(PARSE(SIGNATURE "\x21\x31\x00\xd8"), PROXY_BAD);
	/* Too short for its family, too long for anybody. */
	assert_int_equal(PARSE(SIGNATURE "\x21\x11\x00\x0b"), PROXY_BAD);
	assert_int_equal(PARSE(SIGNATURE "\x21\x21\x00\x23"), PROXY_BAD);
	assert_int_equal(PARSE(SIGNATURE "\x21\x11\xff\xff"), PROXY_BAD);
	assert_int_equal(PARSE(SIGNATURE "\x20\x11\x02\x19"), PROXY_BAD);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ipv4_address_is_mapped),
		cmocka_unit_test(an_ipv6_address_is_taken),
		cmocka_unit_test(the_proxy_s_own_check_has_no_address),
		cmocka_unit_test(every_prefix_wants_more),
		cmocka_unit_test(extras_are_skipped_when_they_fit),
		cmocka_unit_test(everything_else_is_refused),
	};

	return cmocka_run_group_tests_name("proxy", tests, NULL, NULL);
}
