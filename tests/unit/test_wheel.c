/*
 * Deadlines on a wheel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/prng.h"
#include "node/gateway/wheel.h"

static void
nothing_is_early_and_nothing_two_ticks_late(void **state)
{
	struct wheel_entry e[300] = { 0 }, *got;
	uint64_t due[300], start = 12345678;
	struct wheel w;
	struct prng r;
	unsigned seen = 0;

	(void)state;
	prng_seed(&r, 2);
	wheel_init(&w, 100, start);
	for (int i = 0; i < 300; i++) {
		due[i] = start + prng_below(&r, 40000);
		wheel_set(&w, &e[i], due[i]);
	}
	assert_int_equal(w.count, 300);
	for (uint64_t now = start; now < start + 41000; now += 50) {
		wheel_advance(&w, now);
		while ((got = wheel_take(&w)) != NULL) {
			size_t i = (size_t)(got - e);

			assert_true(due[i] <= now && now < due[i] + 200);
			seen++;
		}
	}
	assert_int_equal(seen, 300);
	assert_int_equal(w.count, 0);
}

/* Beyond the ring it comes too early, and whoever takes it puts it back. */
static void
what_is_far_off_comes_round(void **state)
{
	struct wheel_entry e = { 0 };
	uint64_t due = 1000000, now = 1000;
	struct wheel w;
	unsigned rounds = 0;

	(void)state;
	wheel_init(&w, 100, now);
	wheel_set(&w, &e, due);
	for (;; now += 100) {
		wheel_advance(&w, now);
		if (wheel_take(&w) == NULL)
			continue;
		if (now >= due)
			break;
		rounds++;
		wheel_set(&w, &e, due);
	}
	assert_true(now < due + 200);
	assert_int_equal(rounds, 1000000 / (100 * WHEEL_SLOTS));
}

static void
a_long_sleep_loses_nothing(void **state)
{
	struct wheel_entry e[2] = { 0 };
	struct wheel w;

	(void)state;
	wheel_init(&w, 10, 0);
	wheel_set(&w, &e[0], 100);
	wheel_set(&w, &e[1], 4000);
	wheel_advance(&w, 10000000);
	assert_non_null(wheel_take(&w));
	assert_non_null(wheel_take(&w));
	assert_null(wheel_take(&w));
	/* And it goes on from there. */
	wheel_set(&w, &e[0], 10000100);
	wheel_advance(&w, 10000050);
	assert_null(wheel_take(&w));
	wheel_advance(&w, 10000120);
	assert_non_null(wheel_take(&w));
}

static void
expired_ones_may_be_moved_and_removed(void **state)
{
	struct wheel_entry e[3] = { 0 };
	struct wheel w;

	(void)state;
	wheel_init(&w, 10, 0);
	for (int i = 0; i < 3; i++)
		wheel_set(&w, &e[i], 10);
	wheel_advance(&w, 1000);
	assert_ptr_equal(wheel_take(&w), &e[0]);
	wheel_remove(&w, &e[1]);
	wheel_set(&w, &e[2], 2000);
	assert_null(wheel_take(&w));
	assert_int_equal(w.count, 1);
	wheel_advance(&w, 2020);
	assert_ptr_equal(wheel_take(&w), &e[2]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_early_and_nothing_two_ticks_late),
		cmocka_unit_test(what_is_far_off_comes_round),
		cmocka_unit_test(a_long_sleep_loses_nothing),
		cmocka_unit_test(expired_ones_may_be_moved_and_removed),
	};

	return cmocka_run_group_tests_name("wheel", tests, NULL, NULL);
}
