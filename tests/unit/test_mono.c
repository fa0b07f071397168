/* Time with its unit: what happens at both ends of the range. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mono.h"

static struct mono
at_ms(uint64_t ms)
{
	return (struct mono){ ms * 1000000 };
}

static void
adding_too_much_is_never(void **state)
{
	struct mono never = MONO_NEVER, late = { UINT64_MAX - 1 };

	(void)state;
	assert_int_equal(mono_add_ms(at_ms(5), 7).ns, at_ms(12).ns);
	assert_int_equal(mono_add_ms(at_ms(1), UINT64_MAX).ns, never.ns);
	assert_int_equal(mono_add_ms(late, 1).ns, never.ns);
	assert_int_equal(mono_add_ms(late, 0).ns, late.ns);
	assert_int_equal(mono_add_ms(never, 0).ns, never.ns);
	assert_int_equal(mono_add_ms(never, 1).ns, never.ns);
}

static void
never_is_after_everything(void **state)
{
	struct mono never = MONO_NEVER;

	(void)state;
	assert_true(mono_before(at_ms(1), never));
	assert_false(mono_before(never, never));
	assert_false(mono_before(at_ms(1), at_ms(1)));
	assert_int_equal(mono_min(never, at_ms(3)).ns, at_ms(3).ns);
	assert_int_equal(mono_min(at_ms(3), never).ns, at_ms(3).ns);
}

static void
time_between_is_not_negative(void **state)
{
	(void)state;
	assert_int_equal(mono_ms_between(at_ms(4), at_ms(9)), 5);
	assert_int_equal(mono_ms_between(at_ms(9), at_ms(4)), 0);
	assert_int_equal(mono_us_between(at_ms(4), at_ms(9)), 5000);
	assert_int_equal(mono_us_between(at_ms(9), at_ms(4)), 0);
}

/* So that a timer armed with it is never early by rounding up. */
static void
time_between_is_rounded_down(void **state)
{
	struct mono a = { 10 }, b = { 1000009 };

	(void)state;
	assert_int_equal(mono_ms_between(a, b), 0);
	assert_int_equal(mono_us_between(a, b), 999);
}

static void
the_clock_does_not_go_back(void **state)
{
	struct mono last = mono_now();

	(void)state;
	for (int i = 0; i < 10000; i++) {
		struct mono now = mono_now();

		assert_false(mono_before(now, last));
		last = now;
	}
}

/* 2020 to 2200: a wrong unit would be far outside. */
static void
wall_time_is_in_milliseconds(void **state)
{
	(void)state;
	assert_in_range(wall_ms(), 1577836800000, 7258118400000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adding_too_much_is_never),
		cmocka_unit_test(never_is_after_everything),
		cmocka_unit_test(time_between_is_not_negative),
		cmocka_unit_test(time_between_is_rounded_down),
		cmocka_unit_test(the_clock_does_not_go_back),
		cmocka_unit_test(wall_time_is_in_milliseconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
