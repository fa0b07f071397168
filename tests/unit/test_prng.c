/* The seeded generator: the simulator's seeds rely on every bit of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/prng.h"

/* The authors' xoshiro256starstar.c, from the state 1, 2, 3, 4. */
static void
numbers_are_those_of_xoshiro(void **state)
{
	static const uint64_t want[] = { 11520, 0, 1509978240,
		1215971899390074240u, 1216172134540287360u, 607988272756665600u,
		16172922978634559625u, 8476171486693032832u,
		10595114339597558777u, 2904607092377533576u };
	struct prng r = { { 1, 2, 3, 4 } };

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_true(prng_u64(&r) == want[i]);
}

/* The authors' splitmix64.c, from 1234567. */
static void
the_seed_is_spread_by_splitmix(void **state)
{
	static const uint64_t want[] = { 6457827717110365317u,
		3203168211198807973u, 9817491932198370423u,
		4593380528125082431u };
	struct prng r;

	(void)state;
	prng_seed(&r, 1234567);
	assert_memory_equal(r.s, want, sizeof(want));
}

/* A state of zeros would give zeros for ever. */
static void
seed_zero_is_a_seed_like_others(void **state)
{
	struct prng r;
	uint64_t all = 0;

	(void)state;
	prng_seed(&r, 0);
	for (int i = 0; i < 64; i++)
		all |= prng_u64(&r);
	assert_true(all > UINT32_MAX);
}

static void
a_seed_replays(void **state)
{
	struct prng a, b;

	(void)state;
	prng_seed(&a, 42);
	prng_seed(&b, 42);
	for (uint64_t n = 1; n < 1000; n++)
		assert_true(prng_below(&a, n) == prng_below(&b, n));
	assert_memory_equal(&a, &b, sizeof(a));
}

static void
below_stays_below(void **state)
{
	static const uint64_t n[] = { 1, 2, 3, 7, 256, 1000, UINT32_MAX,
		(1ull << 63) + 1, UINT64_MAX };
	struct prng r;

	(void)state;
	prng_seed(&r, 1);
	for (size_t i = 0; i < sizeof(n) / sizeof(n[0]); i++)
		for (int k = 0; k < 1000; k++)
			assert_true(prng_below(&r, n[i]) < n[i]);
}

/*
 * Three quarters of 2^64: without rejection the lower third would come twice
 * as often.  6,000 draws; 2,000 wanted in each, deviation 36.
 */
static void
below_is_even(void **state)
{
	const uint64_t third = 1ull << 62;
	unsigned count[3] = { 0 };
	struct prng r;

	(void)state;
	prng_seed(&r, 1);
	for (int i = 0; i < 6000; i++)
		count[prng_below(&r, 3 * third) / third]++;
	for (int i = 0; i < 3; i++)
		assert_in_range(count[i], 1800, 2200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_those_of_xoshiro),
		cmocka_unit_test(the_seed_is_spread_by_splitmix),
		cmocka_unit_test(seed_zero_is_a_seed_like_others),
		cmocka_unit_test(a_seed_replays),
		cmocka_unit_test(below_stays_below),
		cmocka_unit_test(below_is_even),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
