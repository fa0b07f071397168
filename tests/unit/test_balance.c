/*
 * Balance, in a time that the test makes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/prng.h"
#include "node/balance/balance.h"

static struct mono
at(uint64_t ms)
{
	return (struct mono){ (1000000 + ms) * 1000000 };
}

/* All have just ended an easy turn. */
static void
turn_all(struct balance *b, unsigned n, uint64_t ms)
{
	for (unsigned i = 0; i < n; i++)
		balance_turn(b, i, at(ms), 1000);
}

static uint64_t
connections(const struct balance *b, unsigned worker)
{
	struct balance_stats s;

	balance_stats(b, worker, &s);
	return s.connections;
}

static void
assert_even(const struct balance *b, unsigned workers, uint64_t total)
{
	for (unsigned i = 0; i < workers; i++) {
		uint64_t n = connections(b, i) * workers;

		assert_true(n * 10 >= total * 8 && n * 10 <= total * 12);
	}
}

/* However badly the kernel spreads them. */
static void
a_thousand_are_within_a_fifth_of_even(void **state)
{
	struct prng r;

	(void)state;
	prng_seed(&r, 1);
	for (unsigned workers = 2; workers <= 16; workers++)
		for (int way = 0; way < 3; way++) {
			struct balance *b = balance_new(workers, 100, 100);

			turn_all(b, workers, 0);
			for (int i = 0; i < 1000; i++) {
				unsigned self =
				    way == 0 ? 0
				    : way == 1
					? (unsigned)prng_below(&r, workers)
					: (unsigned)prng_below(&r, 2);

				assert_true(balance_place(b, self, at(1)) >= 0);
			}
			assert_even(b, workers, 1000);
			balance_free(b);
		}
}

/* One worker's clients leave; those that come fill the hole. */
static void
who_has_lost_many_gets_the_next(void **state)
{
	struct balance *b = balance_new(4, 100, 100);

	(void)state;
	turn_all(b, 4, 0);
	for (int i = 0; i < 400; i++)
		(void)balance_place(b, (unsigned)i % 4, at(0));
	for (int i = 0; i < 100; i++)
		balance_leave(b, 2);
	for (int i = 0; i < 100; i++)
		(void)balance_place(b, (unsigned)i % 4, at(0));
	assert_even(b, 4, 400);
	balance_free(b);
}

static void
a_connection_stays_where_it_came_when_that_is_even(void **state)
{
	struct balance *b = balance_new(3, 100, 100);
	struct balance_stats s;

	(void)state;
	turn_all(b, 3, 0);
	for (int i = 0; i < 300; i++)
		assert_int_equal(balance_place(b, (unsigned)i % 3, at(0)),
		    i % 3);
	balance_stats(b, 0, &s);
	assert_int_equal(s.handed_over, 0);
	balance_free(b);
}

static void
an_overloaded_worker_gives_to_another(void **state)
{
	struct balance *b = balance_new(2, 100, 100);

	(void)state;
	turn_all(b, 2, 0);
	balance_turn(b, 0, at(0), 150 * 1000000ull);
	for (int i = 0; i < 10; i++)
		assert_int_equal(balance_place(b, 0, at(0)), 1);
	balance_free(b);
}

static void
when_all_are_overloaded_it_is_shed(void **state)
{
	struct balance *b = balance_new(2, 100, 100);
	struct balance_stats s;

	(void)state;
	balance_turn(b, 0, at(0), 150 * 1000000ull);
	balance_turn(b, 1, at(0), 101 * 1000000ull);
	assert_int_equal(balance_place(b, 0, at(0)), BALANCE_NOWHERE);
	balance_stats(b, 0, &s);
	assert_int_equal(s.shed, 1);
	assert_int_equal(s.connections, 0);
	/* After some easy turns it is forgotten. */
	for (int i = 0; i < 10; i++)
		balance_turn(b, 0, at(0), 1000000);
	assert_int_equal(balance_place(b, 0, at(0)), 0);
	balance_free(b);
}

static void
one_alone_sheds_too(void **state)
{
	struct balance *b = balance_new(1, 100, 100);

	(void)state;
	balance_turn(b, 0, at(0), 1000);
	assert_int_equal(balance_place(b, 0, at(0)), 0);
	balance_turn(b, 0, at(0), 500 * 1000000ull);
	assert_int_equal(balance_place(b, 0, at(0)), BALANCE_NOWHERE);
	balance_free(b);
}

/* Its own word is the last turn's; silence tells of the present one. */
static void
a_stuck_worker_gets_nothing(void **state)
{
	struct balance *b = balance_new(2, 100, 100);

	(void)state;
	turn_all(b, 2, 0);
	balance_turn(b, 0, at(1000), 1000);
	for (int i = 0; i < 100; i++)
		assert_int_equal(balance_place(b, 0, at(1000)), 0);
	balance_turn(b, 1, at(1000), 1000);
	assert_int_equal(balance_place(b, 0, at(1000)), 1);
	balance_free(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thousand_are_within_a_fifth_of_even),
		cmocka_unit_test(who_has_lost_many_gets_the_next),
		cmocka_unit_test(
		    a_connection_stays_where_it_came_when_that_is_even),
		cmocka_unit_test(an_overloaded_worker_gives_to_another),
		cmocka_unit_test(when_all_are_overloaded_it_is_shed),
		cmocka_unit_test(one_alone_sheds_too),
		cmocka_unit_test(a_stuck_worker_gets_nothing),
	};

	return cmocka_run_group_tests_name("balance", tests, NULL, NULL);
}
