#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "proto/follower.h"

#define HOLD  8
#define RANGE 4

static char items[256]; /* item of position n: &items[n] */
static struct follower f;

static struct mono
at(uint64_t ms)
{
	return (struct mono){ ms * 1000000 };
}

static void
begin(uint64_t position)
{
	follower_init(&f, 1, position, HOLD, RANGE);
	follower_connected(&f);
}

static enum follower_verdict
arrives(uint32_t epoch, uint64_t seq)
{
	return follower_recv(&f, epoch, seq, &items[seq], at(0));
}

static void
assert_ready(uint64_t seq)
{
	assert_ptr_equal(follower_ready(&f), &items[seq]);
	assert_int_equal(f.at, seq);
}

static void
assert_asks(uint64_t ms, uint64_t from, uint64_t to)
{
	struct follower_ask ask;

	assert_true(follower_next(&f, at(ms), &ask));
	assert_int_equal(ask.epoch, 0);
	assert_int_equal(ask.from, from);
	assert_int_equal(ask.to, to);
}

static void
assert_silent(uint64_t ms)
{
	struct follower_ask ask;

	assert_false(follower_next(&f, at(ms), &ask));
}

static void
end(void)
{
	follower_reset(&f, 1, 0);
	while (follower_dropped(&f) != NULL)
		;
	follower_fini(&f);
}

static void
in_order_everything_is_taken(void **state)
{
	(void)state;
	begin(0);
	for (uint64_t n = 1; n <= 20; n++)
		assert_int_equal(arrives(1, n), FOLLOWER_TAKE);
	assert_null(follower_ready(&f));
	assert_silent(0);
	assert_true(follower_deadline(&f).ns == MONO_NEVER.ns);
	end();
}

static void
duplicates_are_dropped(void **state)
{
	(void)state;
	begin(5);
	assert_int_equal(arrives(1, 5), FOLLOWER_DROP);
	assert_int_equal(arrives(1, 6), FOLLOWER_TAKE);
	assert_int_equal(arrives(1, 6), FOLLOWER_DROP);
	assert_int_equal(arrives(1, 8), FOLLOWER_HOLD);
	assert_int_equal(arrives(1, 8), FOLLOWER_DROP);
	end();
}

static void
what_comes_early_is_held_and_the_gap_asked_for(void **state)
{
	(void)state;
	begin(0);
	assert_int_equal(arrives(1, 3), FOLLOWER_HOLD);
	assert_int_equal(arrives(1, 4), FOLLOWER_HOLD);
	assert_int_equal(arrives(1, 6), FOLLOWER_HOLD);
	assert_true(follower_deadline(&f).ns == 0);
	assert_asks(0, 1, 2);
	assert_silent(0);
	assert_int_equal(arrives(1, 1), FOLLOWER_TAKE);
	assert_null(follower_ready(&f));
	assert_int_equal(arrives(1, 2), FOLLOWER_TAKE);
	assert_ready(3);
	assert_ready(4);
	assert_null(follower_ready(&f));
	assert_asks(0, 5, 5);
	assert_int_equal(arrives(1, 5), FOLLOWER_TAKE);
	assert_ready(6);
	assert_silent(0);
	end();
}

static void
head_shows_a_gap_at_the_end(void **state)
{
	(void)state;
	begin(3);
	follower_head(&f, 1, 2);
	assert_silent(0);
	follower_head(&f, 1, 5);
	assert_asks(0, 4, 5);
	end();
}

static void
long_gaps_are_asked_for_in_pieces(void **state)
{
	(void)state;
	begin(0);
	follower_head(&f, 1, 10);
	assert_asks(0, 1, RANGE);
	for (uint64_t n = 1; n <= RANGE; n++)
		assert_int_equal(arrives(1, n), FOLLOWER_TAKE);
	assert_asks(0, RANGE + 1, 2 * RANGE);
	end();
}

static void
silence_is_asked_again_with_growing_pauses(void **state)
{
	uint64_t ms = 0, pause = FOLLOWER_RETRY_MS_MIN;

	(void)state;
	begin(0);
	follower_head(&f, 1, 3);
	assert_asks(0, 1, 3);
	for (unsigned i = 0; i < 10; i++) {
		assert_silent(ms + pause - 1);
		assert_true(follower_deadline(&f).ns == at(ms + pause).ns);
		ms += pause;
		assert_asks(ms, 1, 3);
		pause *= 2;
		if (pause > FOLLOWER_RETRY_MS_MAX)
			pause = FOLLOWER_RETRY_MS_MAX;
	}
	/* Something comes: the pauses are short again. */
	assert_int_equal(follower_recv(&f, 1, 1, &items[1], at(ms)),
	    FOLLOWER_TAKE);
	assert_silent(ms + FOLLOWER_RETRY_MS_MIN - 1);
	assert_asks(ms + FOLLOWER_RETRY_MS_MIN, 2, 3);
	end();
}

static void
without_a_connection_nothing_is_asked(void **state)
{
	(void)state;
	begin(0);
	follower_head(&f, 1, 3);
	assert_asks(0, 1, 3);
	follower_lost(&f);
	assert_silent(100000);
	assert_true(follower_deadline(&f).ns == MONO_NEVER.ns);
	follower_connected(&f);
	assert_asks(100000, 1, 3);
	end();
}

static void
only_so_much_is_held(void **state)
{
	(void)state;
	begin(0);
	for (uint64_t n = 2; n < 2 + HOLD; n++)
		assert_int_equal(arrives(1, n), FOLLOWER_HOLD);
	assert_int_equal(arrives(1, 50), FOLLOWER_NO_ROOM);
	assert_asks(0, 1, 1);
	assert_int_equal(arrives(1, 1), FOLLOWER_TAKE);
	for (uint64_t n = 2; n < 2 + HOLD; n++)
		assert_ready(n);
	/* That there is more has not been forgotten. */
	assert_asks(0, 2 + HOLD, 1 + HOLD + RANGE);
	end();
}

static void
restart_goes_on_where_it_was(void **state)
{
	(void)state;
	begin(0);
	for (uint64_t n = 1; n <= 7; n++)
		assert_int_equal(arrives(1, n), FOLLOWER_TAKE);
	end();
	begin(7);
	assert_int_equal(arrives(1, 7), FOLLOWER_DROP);
	assert_int_equal(arrives(1, 8), FOLLOWER_TAKE);
	end();
}

static void
trimmed_positions_are_skipped(void **state)
{
	(void)state;
	begin(0);
	assert_int_equal(arrives(1, 4), FOLLOWER_HOLD);
	assert_int_equal(arrives(1, 6), FOLLOWER_HOLD);
	follower_skip(&f, 1, 5);
	assert_ptr_equal(follower_dropped(&f), &items[4]);
	assert_null(follower_dropped(&f));
	assert_ready(6);
	follower_skip(&f, 1, 3);
	assert_int_equal(f.at, 6);
	end();
}

/* ---- epochs -------------------------------------------------------------- */

static void
assert_asks_epoch(uint32_t epoch)
{
	struct follower_ask ask;

	assert_true(follower_next(&f, at(0), &ask));
	assert_int_equal(ask.epoch, epoch);
}

static void
new_epoch_waits_for_its_fork_point(void **state)
{
	(void)state;
	begin(5);
	assert_int_equal(arrives(2, 6), FOLLOWER_HOLD);
	assert_null(follower_ready(&f));
	assert_asks_epoch(2);
	assert_silent(0);
	assert_int_equal(follower_open(&f, 2, 5), 0);
	assert_ready(6);
	assert_int_equal(f.epoch, 2);
	assert_int_equal(arrives(1, 7), FOLLOWER_DROP);
	assert_int_equal(arrives(2, 7), FOLLOWER_TAKE);
	end();
}

static void
positions_behind_the_fork_are_void(void **state)
{
	(void)state;
	begin(9);
	assert_int_equal(arrives(1, 11), FOLLOWER_HOLD);
	follower_head(&f, 2, 8);
	assert_asks_epoch(2);
	assert_int_equal(follower_open(&f, 2, 6), 3);
	assert_int_equal(f.at, 6);
	assert_ptr_equal(follower_dropped(&f), &items[11]);
	assert_asks(0, 7, 8);
	assert_int_equal(arrives(2, 7), FOLLOWER_TAKE);
	end();
}

static void
old_epoch_goes_on_up_to_the_fork(void **state)
{
	(void)state;
	begin(3);
	follower_head(&f, 2, 9);
	assert_int_equal(follower_open(&f, 2, 6), 0);
	assert_int_equal(f.epoch, 1);
	assert_asks(0, 4, 6);
	assert_int_equal(arrives(1, 7), FOLLOWER_DROP);
	assert_int_equal(arrives(2, 8), FOLLOWER_HOLD);
	for (uint64_t n = 4; n <= 6; n++)
		assert_int_equal(arrives(1, n), FOLLOWER_TAKE);
	assert_int_equal(f.epoch, 2);
	assert_asks(0, 7, 7);
	assert_int_equal(arrives(2, 7), FOLLOWER_TAKE);
	assert_ready(8);
	assert_asks(0, 9, 9);
	end();
}

/* Two changes were missed; the head tells of the later one first. */
static void
epochs_between_are_found(void **state)
{
	(void)state;
	begin(3);
	follower_head(&f, 3, 9);
	assert_asks_epoch(3);
	assert_int_equal(follower_open(&f, 3, 8), 0);
	assert_asks(0, 4, 7);
	assert_int_equal(arrives(1, 4), FOLLOWER_TAKE);
	assert_int_equal(arrives(2, 5), FOLLOWER_HOLD);
	assert_asks_epoch(2);
	assert_int_equal(follower_open(&f, 2, 4), 0);
	assert_ready(5);
	assert_asks_epoch(3);
	assert_int_equal(follower_open(&f, 3, 8), 0);
	for (uint64_t n = 6; n <= 8; n++)
		assert_int_equal(arrives(2, n), FOLLOWER_TAKE);
	assert_int_equal(arrives(3, 9), FOLLOWER_TAKE);
	end();
}

/* ---- any order ----------------------------------------------------------- */

/*
 * A log in epochs with forks; pushes come in any order, also of what was
 * superseded; asking is answered.  In the end the copy is the log.
 */
struct model {
	uint32_t epoch[201]; /* of position n of the log */
	uint64_t fork[4];    /* of epoch n */
	uint32_t copy[201];
};

static void
model_take(struct model *m, uint32_t epoch)
{
	assert_true(f.at <= 200);
	m->copy[f.at] = epoch;
}

static void
model_push(struct model *m, struct prng *r, uint32_t epoch, uint64_t seq)
{
	uint32_t *item = malloc(sizeof(*item));

	(void)r;
	assert_non_null(item);
	*item = epoch;
	switch (follower_recv(&f, epoch, seq, item, at(0))) {
	case FOLLOWER_TAKE:
		model_take(m, epoch);
		free(item);
		break;
	case FOLLOWER_HOLD:
		break;
	case FOLLOWER_DROP:
	case FOLLOWER_NO_ROOM:
		free(item);
		break;
	}
	while ((item = follower_ready(&f)) != NULL) {
		model_take(m, *item);
		free(item);
	}
	while ((item = follower_dropped(&f)) != NULL)
		free(item);
}

static void
any_order_leads_to_the_log(void **state)
{
	struct follower_ask ask;
	struct model m;
	struct prng r;

	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		uint64_t ms = 0, budget = 3000;

		prng_seed(&r, seed);
		memset(&m, 0, sizeof(m));
		m.fork[2] = 20 + prng_below(&r, 80);
		m.fork[3] = m.fork[2] + prng_below(&r, 60);
		for (uint64_t n = 1; n <= 200; n++)
			m.epoch[n] = n > m.fork[3] ? 3 : n > m.fork[2] ? 2 : 1;
		begin(0);
		while (f.at < 200 || f.epoch < 3) {
			uint64_t seq = 1 + prng_below(&r, 200);
			/* Now and then from one that lost. */
			uint32_t epoch =
			    prng_below(&r, 4) > 0
				? m.epoch[seq]
				: 1 + (uint32_t)prng_below(&r, m.epoch[seq]);

			assert_true(budget-- > 0);
			model_push(&m, &r, epoch, seq);
			if (prng_below(&r, 50) == 0)
				follower_head(&f, 3, 200);
			ms += prng_below(&r, 3000);
			if (!follower_next(&f, at(ms), &ask) ||
			    prng_below(&r, 4) == 0) /* lost */
				continue;
			if (ask.epoch != 0) {
				follower_open(&f, ask.epoch, m.fork[ask.epoch]);
				model_push(&m, &r, 1, 1);
				continue;
			}
			for (seq = ask.from; seq <= ask.to; seq++)
				if (prng_below(&r, 20) > 0)
					model_push(&m, &r, m.epoch[seq], seq);
		}
		assert_memory_equal(m.copy, m.epoch, sizeof(m.copy));
		follower_reset(&f, 1, 0);
		for (void *p; (p = follower_dropped(&f)) != NULL;)
			free(p);
		follower_fini(&f);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order_everything_is_taken),
		cmocka_unit_test(duplicates_are_dropped),
		cmocka_unit_test(
		    what_comes_early_is_held_and_the_gap_asked_for),
		cmocka_unit_test(head_shows_a_gap_at_the_end),
		cmocka_unit_test(long_gaps_are_asked_for_in_pieces),
		cmocka_unit_test(silence_is_asked_again_with_growing_pauses),
		cmocka_unit_test(without_a_connection_nothing_is_asked),
		cmocka_unit_test(only_so_much_is_held),
		cmocka_unit_test(restart_goes_on_where_it_was),
		cmocka_unit_test(trimmed_positions_are_skipped),
		cmocka_unit_test(new_epoch_waits_for_its_fork_point),
		cmocka_unit_test(positions_behind_the_fork_are_void),
		cmocka_unit_test(old_epoch_goes_on_up_to_the_fork),
		cmocka_unit_test(epochs_between_are_found),
		cmocka_unit_test(any_order_leads_to_the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
