/*
 * Limits, in a time that the test makes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>

#include "crypto/shorthash.h"
#include "node/gateway/limit.h"

static struct mono
at(uint64_t ms)
{
	return (struct mono){ (1000000 + ms) * 1000000 };
}

static struct in6_addr
ip(const char *text)
{
	struct in6_addr a;

	assert_int_equal(inet_pton(AF_INET6, text, &a), 1);
	return a;
}

static enum err
open_at(struct limit *l, const char *text, uint32_t max, uint64_t ms,
    struct limit_address **out)
{
	struct in6_addr a = ip(text);

	return limit_open(l, &a, max, at(ms), out);
}

static void
a_burst_is_free_and_then_it_goes_by_the_rate(void **state)
{
	struct limit_rate rate = limit_rate(10, 1000, 5);
	uint64_t tat = 0;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(limit_spend_ns(&tat, &rate, at(0)), 0);
	/* The fifth empties the bucket: the sixth comes 100 ms later. */
	assert_int_equal(limit_spend_ns(&tat, &rate, at(0)), 100000000);
	assert_int_equal(limit_spend_ns(&tat, &rate, at(100)), 100000000);
	/* A debt (more came before it was stopped) is paid back. */
	assert_int_equal(limit_spend_ns(&tat, &rate, at(100)), 200000000);
	assert_int_equal(limit_spend_ns(&tat, &rate, at(1000)), 0);
}

static void
silence_saves_no_more_than_the_burst(void **state)
{
	struct limit_rate rate = limit_rate(10, 1000, 5);
	uint64_t tat = 0;
	int n = 0;

	(void)state;
	(void)limit_spend_ns(&tat, &rate, at(0));
	while (limit_spend_ns(&tat, &rate, at(3600000)) == 0)
		n++;
	assert_int_equal(n, 4);
}

static void
no_rate_is_no_limit(void **state)
{
	struct limit_rate rate = limit_rate(0, 1000, 0);
	uint64_t tat = 0;

	(void)state;
	for (int i = 0; i < 100000; i++)
		assert_int_equal(limit_spend_ns(&tat, &rate, at(0)), 0);
}

static void
connections_of_an_address_are_counted(void **state)
{
	struct limit *l = limit_new(100);
	struct limit_address *a, *b, *c;

	(void)state;
	assert_int_equal(open_at(l, "::ffff:192.0.2.1", 2, 0, &a), OK);
	assert_int_equal(open_at(l, "::ffff:192.0.2.1", 2, 0, &b), OK);
	assert_ptr_equal(a, b);
	assert_int_equal(open_at(l, "::ffff:192.0.2.1", 2, 0, &b),
	    ERR_TOO_MANY);
	assert_int_equal(open_at(l, "::ffff:192.0.2.2", 2, 0, &c), OK);
	limit_close(l, a, at(0));
	assert_int_equal(open_at(l, "::ffff:192.0.2.1", 2, 0, &a), OK);
	limit_close(l, a, at(0));
	limit_close(l, b, at(0));
	limit_close(l, c, at(0));
	assert_int_equal(limit_count(l), 0);
	assert_int_equal(open_at(l, "::ffff:192.0.2.1", 0, 0, &a),
	    ERR_TOO_MANY);
	limit_free(l);
}

static void
an_ipv6_customer_is_a_64(void **state)
{
	struct limit *l = limit_new(100);
	struct limit_address *a, *b, *c;

	(void)state;
	assert_int_equal(open_at(l, "2001:db8:0:1::1", 1, 0, &a), OK);
	assert_int_equal(open_at(l, "2001:db8:0:1:ffff::9", 1, 0, &b),
	    ERR_TOO_MANY);
	assert_int_equal(open_at(l, "2001:db8:0:2::1", 1, 0, &c), OK);
	limit_close(l, a, at(0));
	limit_close(l, c, at(0));
	limit_free(l);
}

static void
passwords_are_refused_and_cost_nothing_then(void **state)
{
	struct limit_rate rate = limit_rate(3, 60000, 3);
	struct limit *l = limit_new(100);
	struct limit_address *a;

	(void)state;
	assert_int_equal(open_at(l, "::ffff:192.0.2.1", 9, 0, &a), OK);
	for (int i = 0; i < 3; i++)
		assert_true(limit_password(a, &rate, at(0)));
	for (int i = 0; i < 100; i++)
		assert_false(limit_password(a, &rate, at(0)));
	assert_true(limit_password(a, &rate, at(20000)));
	assert_false(limit_password(a, &rate, at(20000)));
	limit_close(l, a, at(20000));
	limit_free(l);
}

static void
hanging_up_forgives_nothing(void **state)
{
	struct limit_rate rate = limit_rate(1, 60000, 1);
	struct limit *l = limit_new(100);
	struct limit_address *a;

	(void)state;
	assert_int_equal(open_at(l, "::ffff:192.0.2.1", 9, 0, &a), OK);
	assert_true(limit_password(a, &rate, at(0)));
	limit_close(l, a, at(0));
	assert_int_equal(limit_count(l), 1);
	assert_int_equal(open_at(l, "::ffff:192.0.2.1", 9, 1000, &a), OK);
	assert_false(limit_password(a, &rate, at(1000)));
	limit_close(l, a, at(1000));
	/* A minute later there is nothing to remember. */
	assert_int_equal(open_at(l, "::ffff:192.0.2.1", 9, 61000, &a), OK);
	assert_true(limit_password(a, &rate, at(61000)));
	limit_close(l, a, at(200000));
	assert_int_equal(limit_count(l), 0);
	limit_free(l);
}

static void
the_table_is_bounded(void **state)
{
	struct limit_rate rate = limit_rate(1, 60000, 1);
	struct limit *l = limit_new(160);
	struct limit_address *a, *open[4096];
	char text[64];
	unsigned n = 0;
	enum err rc;

	(void)state;
	/* Remembered ones give way to new ones ... */
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "::ffff:10.0.%u.%u", i / 256,
		    i % 256);
		assert_int_equal(open_at(l, text, 9, 0, &a), OK);
		assert_true(limit_password(a, &rate, at(0)));
		limit_close(l, a, at(0));
		assert_true(limit_count(l) <= 176);
	}
	/* ... but who is connected stays, and then there is no room. */
	for (unsigned i = 0; i < 4096; i++) {
		snprintf(text, sizeof(text), "::ffff:11.0.%u.%u", i / 256,
		    i % 256);
		rc = open_at(l, text, 9, 0, &a);
		if (rc == OK)
			open[n++] = a;
		else
			assert_int_equal(rc, ERR_FULL);
	}
	assert_int_equal(n, 176);
	for (unsigned i = 0; i < n; i++)
		limit_close(l, open[i], at(0));
	limit_free(l);
}

static void
all_connections_of_an_address_share_its_operations(void **state)
{
	struct limit_rate rate = limit_rate(1000, 1000, 10);
	struct limit *l = limit_new(10);
	struct limit_address *a, *b;
	int n = 1;

	(void)state;
	assert_int_equal(open_at(l, "::1", 9, 0, &a), OK);
	assert_int_equal(open_at(l, "::1", 9, 0, &b), OK);
	while (limit_operation_ns(n % 2 == 0 ? a : b, &rate, at(0)) == 0)
		n++;
	assert_int_equal(n, 10);
	limit_close(l, a, at(0));
	limit_close(l, b, at(0));
	limit_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_is_free_and_then_it_goes_by_the_rate),
		cmocka_unit_test(silence_saves_no_more_than_the_burst),
		cmocka_unit_test(no_rate_is_no_limit),
		cmocka_unit_test(connections_of_an_address_are_counted),
		cmocka_unit_test(an_ipv6_customer_is_a_64),
		cmocka_unit_test(passwords_are_refused_and_cost_nothing_then),
		cmocka_unit_test(hanging_up_forgives_nothing),
		cmocka_unit_test(the_table_is_bounded),
		cmocka_unit_test(
		    all_connections_of_an_address_share_its_operations),
	};

	shorthash_start();
	return cmocka_run_group_tests_name("limit", tests, NULL, NULL);
}
