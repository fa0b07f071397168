#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/unplaced.h"

static struct unplaced u;

/* Message `text' of stream 1, or another. */
static struct unplaced_mark
mark(uint8_t stream, uint64_t number, char text)
{
	struct unplaced_mark m = { .number = number };

	m.stream[0] = stream;
	m.content[0] = (uint8_t)text;
	return m;
}

static enum unplaced_verdict
direct(uint64_t number, char text, uint64_t after)
{
	struct unplaced_mark m = mark(1, number, text);

	return unplaced_recv(&u, &m, after);
}

static bool
placed(uint64_t number, char text)
{
	struct unplaced_mark m = mark(1, number, text);

	return unplaced_placed(&u, &m);
}

static void
what_was_shown_is_not_shown_again(void **state)
{
	(void)state;
	unplaced_init(&u, 100);
	assert_int_equal(direct(6, 'a', 5), UNPLACED_SHOW);
	assert_int_equal(direct(7, 'b', 5), UNPLACED_SHOW);
	assert_int_equal(direct(6, 'a', 5), UNPLACED_HAD);
	assert_true(placed(6, 'a'));
	assert_true(placed(7, 'b'));
	assert_false(placed(8, 'c'));
	assert_int_equal(u.n, 0);
	unplaced_fini(&u);
}

/* a is refused when it is repeated: b and c move up, d is new. */
static void
after_a_refusal_the_others_are_still_known(void **state)
{
	(void)state;
	unplaced_init(&u, 100);
	assert_int_equal(direct(6, 'a', 5), UNPLACED_SHOW);
	assert_int_equal(direct(7, 'b', 5), UNPLACED_SHOW);
	assert_int_equal(direct(8, 'c', 5), UNPLACED_SHOW);
	assert_int_equal(direct(6, 'b', 5), UNPLACED_HAD);
	assert_true(placed(6, 'b'));
	assert_true(placed(7, 'c'));
	assert_false(placed(8, 'd'));
	unplaced_fini(&u);
}

static void
order_is_kept_by_who_comes_in_the_middle(void **state)
{
	(void)state;
	unplaced_init(&u, 100);
	assert_int_equal(direct(7, 'b', 5), UNPLACED_EARLY);
	assert_int_equal(direct(6, 'a', 5), UNPLACED_SHOW);
	assert_int_equal(direct(8, 'c', 5), UNPLACED_EARLY);
	assert_int_equal(direct(6, 'a', 5), UNPLACED_HAD);
	assert_int_equal(direct(7, 'b', 5), UNPLACED_SHOW);
	assert_int_equal(direct(8, 'c', 5), UNPLACED_SHOW);
	unplaced_fini(&u);
}

/* a was refused and b missed: c's number follows on that of old. */
static void
run_does_not_outlive_an_interruption(void **state)
{
	(void)state;
	unplaced_init(&u, 100);
	assert_int_equal(direct(6, 'a', 5), UNPLACED_SHOW);
	unplaced_interrupted(&u);
	assert_int_equal(direct(7, 'c', 5), UNPLACED_EARLY);
	assert_int_equal(direct(6, 'b', 5), UNPLACED_SHOW);
	assert_int_equal(direct(7, 'c', 5), UNPLACED_SHOW);
	/* Or something of the next round itself was missed. */
	assert_int_equal(direct(7, 'x', 5), UNPLACED_EARLY);
	assert_int_equal(direct(8, 'y', 5), UNPLACED_EARLY);
	unplaced_fini(&u);
}

static void
same_words_count_as_often_as_they_were_said(void **state)
{
	(void)state;
	unplaced_init(&u, 100);
	assert_int_equal(direct(6, 'k', 5), UNPLACED_SHOW);
	assert_int_equal(direct(7, 'k', 5), UNPLACED_SHOW);
	assert_int_equal(direct(6, 'k', 5), UNPLACED_HAD);
	assert_int_equal(direct(7, 'k', 5), UNPLACED_HAD);
	assert_int_equal(direct(8, 'k', 5), UNPLACED_SHOW);
	assert_true(placed(6, 'k'));
	assert_true(placed(7, 'k'));
	assert_true(placed(8, 'k'));
	assert_false(placed(9, 'k'));
	unplaced_fini(&u);
}

static void
streams_do_not_disturb_each_other(void **state)
{
	struct unplaced_mark other = mark(2, 1, 'a');

	(void)state;
	unplaced_init(&u, 100);
	assert_int_equal(direct(1, 'a', 0), UNPLACED_SHOW);
	assert_int_equal(unplaced_recv(&u, &other, 0), UNPLACED_SHOW);
	assert_int_equal(direct(2, 'b', 0), UNPLACED_SHOW);
	other = mark(2, 2, 'b');
	assert_int_equal(unplaced_recv(&u, &other, 0), UNPLACED_SHOW);
	assert_true(placed(2, 'b'));
	assert_int_equal(u.n, 2);
	assert_true(unplaced_placed(&u, &other));
	assert_int_equal(u.n, 0);
	unplaced_fini(&u);
}

static void
above_the_limit_nothing_is_taken(void **state)
{
	(void)state;
	unplaced_init(&u, 2);
	assert_int_equal(direct(1, 'a', 0), UNPLACED_SHOW);
	assert_int_equal(direct(2, 'b', 0), UNPLACED_SHOW);
	assert_int_equal(direct(3, 'c', 0), UNPLACED_EARLY);
	assert_int_equal(direct(4, 'd', 0), UNPLACED_EARLY);
	assert_true(placed(1, 'a'));
	unplaced_fini(&u);
}

static void
marks_are_kept_over_a_restart(void **state)
{
	struct unplaced_mark saved[2];

	(void)state;
	unplaced_init(&u, 2);
	assert_int_equal(direct(1, 'a', 0), UNPLACED_SHOW);
	assert_int_equal(direct(2, 'b', 0), UNPLACED_SHOW);
	saved[0] = u.v[0];
	saved[1] = u.v[1];
	unplaced_fini(&u);
	assert_true(unplaced_load(&u, saved, 2));
	unplaced_interrupted(&u);
	assert_true(placed(1, 'a'));
	assert_true(placed(2, 'b'));
	assert_false(unplaced_load(&u, saved, 3));
	unplaced_fini(&u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_shown_is_not_shown_again),
		cmocka_unit_test(after_a_refusal_the_others_are_still_known),
		cmocka_unit_test(order_is_kept_by_who_comes_in_the_middle),
		cmocka_unit_test(run_does_not_outlive_an_interruption),
		cmocka_unit_test(same_words_count_as_often_as_they_were_said),
		cmocka_unit_test(streams_do_not_disturb_each_other),
		cmocka_unit_test(above_the_limit_nothing_is_taken),
		cmocka_unit_test(marks_are_kept_over_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
