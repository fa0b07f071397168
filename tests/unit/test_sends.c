#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/prng.h"
#include "proto/sends.h"

/* Position of number n in these tests. */
#define SEQ(n) (1000 + 3 * (uint64_t)(n))

static void
take_up_to(struct sends *s, uint64_t number)
{
	while (s->number < number)
		sends_take(s, s->number + 1, SEQ(s->number + 1));
}

static enum sends_verdict
check(const struct sends *s, uint64_t number)
{
	uint64_t seq = 0;
	enum sends_verdict v = sends_check(s, number, &seq);

	if (v == SENDS_DUPLICATE)
		assert_int_equal(seq, SEQ(number));
	else
		assert_int_equal(seq, 0);
	return v;
}

static void
numbers_begin_at_one(void **state)
{
	struct sends s;

	(void)state;
	sends_init(&s);
	assert_int_equal(sends_number(&s), 0);
	assert_int_equal(check(&s, 1), SENDS_NEXT);
	assert_int_equal(check(&s, 2), SENDS_OUT_OF_ORDER);
	assert_int_equal(check(&s, UINT64_MAX), SENDS_OUT_OF_ORDER);
	assert_int_equal(check(&s, 0), SENDS_TOO_OLD);
	sends_fini(&s);
}

static void
repeat_is_answered_from_the_last_64(void **state)
{
	struct sends s;

	(void)state;
	sends_init(&s);
	for (uint64_t n = 1; n <= 300; n++) {
		take_up_to(&s, n);
		for (uint64_t k = 1; k <= n + 2; k++)
			assert_int_equal(check(&s, k),
			    k == n + 1   ? SENDS_NEXT
			    : k > n      ? SENDS_OUT_OF_ORDER
			    : n - k < 64 ? SENDS_DUPLICATE
					 : SENDS_TOO_OLD);
	}
	sends_fini(&s);
}

static void
small_streams_stay_small(void **state)
{
	struct sends s;

	(void)state;
	assert_true(sizeof(s) <= 24);
	sends_init(&s);
	assert_null(s.ring);
	take_up_to(&s, 4);
	assert_int_equal(s.cap, 4);
	take_up_to(&s, 5);
	assert_int_equal(s.cap, 16);
	take_up_to(&s, 1000);
	assert_int_equal(s.cap, 64);
	sends_fini(&s);
}

static void
taking_again_changes_nothing(void **state)
{
	struct sends s;

	(void)state;
	sends_init(&s);
	take_up_to(&s, 10);
	sends_take(&s, 7, 1);
	sends_take(&s, 10, 1);
	assert_int_equal(sends_number(&s), 10);
	assert_int_equal(check(&s, 7), SENDS_DUPLICATE);
	assert_int_equal(check(&s, 10), SENDS_DUPLICATE);
	sends_fini(&s);
}

static void
after_a_jump_the_numbers_before_are_too_old(void **state)
{
	struct sends s;

	(void)state;
	sends_init(&s);
	take_up_to(&s, 10);
	sends_take(&s, 20, SEQ(20));
	assert_int_equal(check(&s, 20), SENDS_DUPLICATE);
	assert_int_equal(check(&s, 19), SENDS_TOO_OLD);
	assert_int_equal(check(&s, 10), SENDS_TOO_OLD);
	sends_fini(&s);
}

static void
undone_numbers_are_taken_anew(void **state)
{
	struct sends s;

	(void)state;
	sends_init(&s);
	take_up_to(&s, 100);
	sends_undo(&s, 101);
	assert_int_equal(sends_number(&s), 100);
	sends_undo(&s, 85);
	assert_int_equal(check(&s, 85), SENDS_NEXT);
	assert_int_equal(check(&s, 84), SENDS_DUPLICATE);
	assert_int_equal(check(&s, 37), SENDS_DUPLICATE);
	assert_int_equal(check(&s, 36), SENDS_TOO_OLD); /* pushed out */
	take_up_to(&s, 100);
	assert_int_equal(check(&s, 37), SENDS_DUPLICATE);
	sends_undo(&s, 1);
	assert_int_equal(check(&s, 1), SENDS_NEXT);
	assert_int_equal(check(&s, 0), SENDS_TOO_OLD);
	sends_fini(&s);
}

static void
record_and_back_is_the_same(void **state)
{
	uint64_t seqs[SENDS_KEPT], again[SENDS_KEPT];
	struct sends s, t;
	size_t n;

	(void)state;
	sends_init(&t);
	for (uint64_t number = 0; number < 200; number++) {
		sends_init(&s);
		take_up_to(&s, number);
		n = sends_save(&s, seqs);
		assert_int_equal(n, number < 64 ? number : 64);
		if (n > 0)
			assert_int_equal(seqs[0], SEQ(number));
		assert_int_equal(sends_load(&t, number, seqs, n), OK);
		assert_int_equal(sends_save(&t, again), n);
		assert_memory_equal(seqs, again, n * sizeof(seqs[0]));
		take_up_to(&t, number + 5);
		assert_int_equal(check(&t, number + 1), SENDS_DUPLICATE);
		sends_fini(&s);
	}
	sends_fini(&t);
}

static void
damaged_record_is_refused(void **state)
{
	uint64_t seqs[SENDS_KEPT + 1] = { 0 };
	struct sends s;

	(void)state;
	sends_init(&s);
	assert_int_equal(sends_load(&s, 3, seqs, 4), ERR_CORRUPT);
	assert_int_equal(sends_load(&s, 1000, seqs, SENDS_KEPT + 1),
	    ERR_CORRUPT);
	assert_int_equal(sends_load(&s, 1000, seqs, 0), OK);
	assert_int_equal(check(&s, 1000), SENDS_TOO_OLD);
	assert_int_equal(check(&s, 1001), SENDS_NEXT);
	sends_fini(&s);
}

/* Against a plain array. */
static void
any_sequence_does_as_the_model(void **state)
{
	uint64_t seqs[4096];
	uint64_t head = 0, lowest = 1, seq;
	struct sends s;
	struct prng r;

	(void)state;
	prng_seed(&r, 7);
	sends_init(&s);
	for (unsigned i = 0; i < 20000; i++) {
		if (prng_below(&r, 5) > 0 && head < 4095) {
			seqs[++head] = prng_u64(&r);
			sends_take(&s, head, seqs[head]);
			if (head >= 64 && lowest < head - 63)
				lowest = head - 63;
		} else if (head > 0) {
			uint64_t n = prng_below(&r, head < 16 ? head : 16);

			sends_undo(&s, head - n + 1);
			head -= n;
			if (lowest > head + 1)
				lowest = head + 1;
		}
		for (uint64_t k = head > 70 ? head - 70 : 1; k <= head; k++) {
			enum sends_verdict v = sends_check(&s, k, &seq);

			assert_int_equal(v,
			    k >= lowest ? SENDS_DUPLICATE : SENDS_TOO_OLD);
			if (v == SENDS_DUPLICATE)
				assert_true(seq == seqs[k]);
		}
		assert_int_equal(sends_number(&s), head);
	}
	sends_fini(&s);
}

static void
silent_streams_end(void **state)
{
	(void)state;
	assert_false(sends_ended(1000, 1000, SENDS_HORIZON_MS));
	assert_false(
	    sends_ended(1000, 1000 + SENDS_HORIZON_MS, SENDS_HORIZON_MS));
	assert_true(
	    sends_ended(1000, 1001 + SENDS_HORIZON_MS, SENDS_HORIZON_MS));
	/* A clock that went back ends nothing. */
	assert_false(sends_ended(1000, 0, SENDS_HORIZON_MS));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_begin_at_one),
		cmocka_unit_test(repeat_is_answered_from_the_last_64),
		cmocka_unit_test(small_streams_stay_small),
		cmocka_unit_test(taking_again_changes_nothing),
		cmocka_unit_test(after_a_jump_the_numbers_before_are_too_old),
		cmocka_unit_test(undone_numbers_are_taken_anew),
		cmocka_unit_test(record_and_back_is_the_same),
		cmocka_unit_test(damaged_record_is_refused),
		cmocka_unit_test(any_sequence_does_as_the_model),
		cmocka_unit_test(silent_streams_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
