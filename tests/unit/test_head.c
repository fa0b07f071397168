#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "crypto/init.h"
#include "proto/head.h"
#include "proto/snapshot.h"

static const struct epoch first = { 1, { { 7 } } };

static struct event_id
event(uint64_t n)
{
	struct event_id id = { { 0 } };

	memcpy(id.b + 8, &n, sizeof(n));
	return id;
}

static uint64_t
give(struct head *l, uint64_t n)
{
	struct event_id id = event(n);
	uint32_t epoch;
	uint64_t seq;

	assert_int_equal(head_give(l, &id, &epoch, &seq), OK);
	assert_int_equal(epoch, l->epoch.number);
	return seq;
}

static enum err
take(struct head *l, uint32_t epoch, uint64_t seq, uint64_t n)
{
	struct event_id id = event(n);

	return head_take(l, epoch, seq, &id);
}

/* Event n at position n, up to `to'. */
static void
fill(struct head *l, uint64_t to)
{
	while (l->durable.seq < to) {
		uint64_t n = l->durable.seq + 1;

		assert_int_equal(give(l, n), n);
		assert_int_equal(take(l, l->epoch.number, n, n), OK);
	}
}

static void
positions_are_contiguous_from_one(void **state)
{
	struct head l;

	(void)state;
	head_init(&l, &first);
	for (uint64_t n = 1; n <= 5; n++)
		assert_int_equal(give(&l, n), n);
	assert_int_equal(l.durable.seq, 0);
	for (uint64_t n = 1; n <= 5; n++)
		assert_int_equal(take(&l, 1, n, n), OK);
	assert_memory_equal(&l.given, &l.durable, sizeof(l.given));
	assert_int_equal(take(&l, 1, 7, 7), ERR_GAP);
	assert_int_equal(take(&l, 2, 6, 6), ERR_EPOCH);
}

static void
failed_commit_gives_the_positions_to_others(void **state)
{
	struct head l, other;

	(void)state;
	head_init(&l, &first);
	head_init(&other, &first);
	fill(&l, 3);
	fill(&other, 3);
	give(&l, 100);
	give(&l, 101);
	head_rollback(&l);
	assert_memory_equal(&l.given, &other.given, sizeof(l.given));
	assert_int_equal(give(&l, 4), 4);
}

static void
replay_over_what_is_known_changes_nothing(void **state)
{
	struct head l;
	struct mark before;

	(void)state;
	head_init(&l, &first);
	fill(&l, 10);
	before = l.durable;
	for (uint64_t n = 1; n <= 10; n++)
		assert_int_equal(take(&l, 1, n, n), OK);
	assert_memory_equal(&l.durable, &before, sizeof(before));
}

static void
replay_comes_to_the_same_chain(void **state)
{
	struct head l, again;
	struct point head;

	(void)state;
	head_init(&l, &first);
	fill(&l, 20);
	head_init(&again, &first);
	for (uint64_t n = 1; n <= 20; n++)
		assert_int_equal(take(&again, 1, n, n), OK);
	head = head_point(&l);
	assert_int_equal(
	    head_compare(&head, &(struct point){ again.epoch, again.durable }),
	    HEAD_SAME);
	/* From the middle too. */
	head_init(&again, &first);
	fill(&again, 12);
	head = head_point(&again);
	head_start(&again, &head);
	assert_false(head_holds(&again, 12));
	fill(&again, 20);
	assert_true(head_holds(&again, 13));
	assert_memory_equal(&again.durable, &l.durable, sizeof(l.durable));
}

static void
trimmed_positions_are_not_held(void **state)
{
	struct head l;

	(void)state;
	head_init(&l, &first);
	fill(&l, 10);
	head_trim(&l, 4);
	assert_false(head_holds(&l, 3));
	assert_true(head_holds(&l, 4));
	head_trim(&l, 2);
	assert_false(head_holds(&l, 3));
	head_trim(&l, 50);
	assert_false(head_holds(&l, 10));
	fill(&l, 11);
	assert_true(head_holds(&l, 11));
}

/* ---- comparing ----------------------------------------------------------- */

static void
heads_are_compared_by_epoch_then_position(void **state)
{
	struct epoch second = { 2, { { 3 } } }, rival = { 2, { { 4 } } };
	struct head a, b;
	struct point ha, hb;

	(void)state;
	head_init(&a, &first);
	head_init(&b, &first);
	fill(&a, 5);
	fill(&b, 3);
	ha = head_point(&a);
	hb = head_point(&b);
	assert_int_equal(head_compare(&ha, &hb), HEAD_AHEAD);
	assert_int_equal(head_compare(&hb, &ha), HEAD_BEHIND);
	fill(&b, 4);
	give(&b, 99);
	assert_int_equal(take(&b, 1, 5, 99), OK);
	hb = head_point(&b);
	assert_int_equal(head_compare(&ha, &hb), HEAD_DIVERGED);
	hb.epoch = second;
	assert_int_equal(head_compare(&ha, &hb), HEAD_SUPERSEDED);
	assert_int_equal(head_compare(&hb, &ha), HEAD_STALE);
	assert_true(epoch_compare(&second, &rival) < 0);
	assert_true(epoch_compare(&rival, &second) > 0);
	assert_int_equal(epoch_compare(&rival, &rival), 0);
}

static void
home_that_lost_positions_gives_none(void **state)
{
	struct epoch second = { 2, { { 7 } } };
	struct event_id id = event(1);
	struct head l, elsewhere;
	struct point theirs;
	uint32_t epoch;
	uint64_t seq, cut;

	(void)state;
	head_init(&l, &first);
	head_init(&elsewhere, &first);
	fill(&l, 5);
	fill(&elsewhere, 8);
	theirs = head_point(&elsewhere);
	assert_int_equal(head_notice(&l, &theirs), HEAD_BEHIND);
	assert_int_equal(head_give(&l, &id, &epoch, &seq), ERR_EPOCH);
	/* It pulls the tail, and opens a new epoch behind it. */
	for (uint64_t n = 6; n <= 8; n++)
		assert_int_equal(take(&l, 1, n, n), OK);
	assert_int_equal(head_open(&l, &second, &l.durable, NULL, &cut), OK);
	assert_int_equal(cut, 0);
	assert_int_equal(give(&l, 9), 9);
	assert_int_equal(head_notice(&l, &theirs), HEAD_STALE);
}

/* ---- epochs -------------------------------------------------------------- */

static void
higher_epoch_supersedes_what_is_behind_its_fork(void **state)
{
	struct epoch second = { 2, { { 3 } } };
	struct head l, winner;
	struct mark fork;
	uint64_t cut;

	(void)state;
	head_init(&l, &first);
	head_init(&winner, &first);
	fill(&winner, 6);
	fork = winner.durable;
	assert_int_equal(head_open(&winner, &second, &fork, NULL, &cut), OK);
	give(&winner, 70);
	assert_int_equal(take(&winner, 2, 7, 70), OK);

	fill(&l, 9);
	give(&l, 10);
	/* What this log was at the fork comes out of its history. */
	assert_int_equal(head_open(&l, &second, &fork, NULL, &cut),
	    ERR_INVALID);
	assert_int_equal(head_open(&l, &second, &fork, &fork, &cut), OK);
	assert_int_equal(cut, 3);
	assert_int_equal(l.given.seq, 6);
	assert_int_equal(take(&l, 1, 7, 7), ERR_EPOCH);
	assert_int_equal(take(&l, 2, 7, 70), OK);
	assert_memory_equal(&l.durable, &winner.durable, sizeof(l.durable));
}

static void
epoch_that_does_not_fit_is_refused(void **state)
{
	struct epoch second = { 2, { { 3 } } }, low = { 1, { { 1 } } };
	struct head l, other;
	struct mark fork;
	uint64_t cut;

	(void)state;
	head_init(&l, &first);
	fill(&l, 5);
	fork = l.durable;
	assert_int_equal(head_open(&l, &low, &fork, NULL, &cut), ERR_EPOCH);
	assert_int_equal(head_open(&l, &first, &fork, NULL, &cut), ERR_EPOCH);
	fork.chain[0] ^= 1;
	assert_int_equal(head_open(&l, &second, &fork, NULL, &cut),
	    ERR_INVALID);
	head_init(&other, &first);
	fill(&other, 8);
	assert_int_equal(head_open(&l, &second, &other.durable, NULL, &cut),
	    ERR_GAP);
	/* Before the snapshot that it began with. */
	head_start(&other, &(struct point){ other.epoch, other.durable });
	assert_int_equal(
	    head_open(&other, &second, &l.durable, &l.durable, &cut),
	    ERR_INVALID);
	assert_int_equal(l.durable.seq, 5);
}

static void
positions_of_an_epoch_differ_from_those_of_another(void **state)
{
	struct epoch second = { 2, { { 3 } } };
	struct head a, b;
	uint64_t cut;

	(void)state;
	head_init(&a, &first);
	head_init(&b, &first);
	assert_int_equal(head_open(&b, &second, &b.durable, NULL, &cut), OK);
	fill(&a, 3);
	fill(&b, 3);
	assert_memory_not_equal(a.durable.chain, b.durable.chain, CHAIN_LEN);
}

/* ---- snapshots ----------------------------------------------------------- */

static void
snapshot_covers_log_position_and_state(void **state)
{
	struct snapshot s = { .at = { first, { 5, { 1 } } } }, t;
	uint8_t a[HASH_LEN], b[HASH_LEN];

	(void)state;
	snapshot_digest(a, &s);
	for (unsigned i = 0; i < 6; i++) {
		t = s;
		if (i == 0)
			t.log.b[0] = 1;
		if (i == 1)
			t.at.epoch.number = 2;
		if (i == 2)
			t.at.epoch.node.b[3] = 1;
		if (i == 3)
			t.at.mark.seq = 6;
		if (i == 4)
			t.at.mark.chain[31] = 1;
		if (i == 5)
			t.state[0] = 1;
		snapshot_digest(b, &t);
		assert_memory_not_equal(a, b, HASH_LEN);
	}
}

static void
state_hash(uint8_t out[static HASH_LEN], const char *const *pairs)
{
	struct snapshot_state s;

	snapshot_state_init(&s);
	for (; *pairs != NULL; pairs += 2)
		snapshot_state_add(&s, 5, str_of(pairs[0]), str_of(pairs[1]));
	snapshot_state_final(&s, out);
}

static void
records_do_not_run_together(void **state)
{
	static const char *const sets[][7] = { { "a", "bc", NULL },
		{ "ab", "c", NULL }, { "a", "b", "c", "", NULL },
		{ "a", "b", "", "c", NULL }, { NULL }, { "", "", NULL } };
	uint8_t hash[6][HASH_LEN];

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		state_hash(hash[i], sets[i]);
		for (unsigned j = 0; j < i; j++)
			assert_memory_not_equal(hash[i], hash[j], HASH_LEN);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(positions_are_contiguous_from_one),
		cmocka_unit_test(failed_commit_gives_the_positions_to_others),
		cmocka_unit_test(replay_over_what_is_known_changes_nothing),
		cmocka_unit_test(replay_comes_to_the_same_chain),
		cmocka_unit_test(trimmed_positions_are_not_held),
		cmocka_unit_test(heads_are_compared_by_epoch_then_position),
		cmocka_unit_test(home_that_lost_positions_gives_none),
		cmocka_unit_test(
		    higher_epoch_supersedes_what_is_behind_its_fork),
		cmocka_unit_test(epoch_that_does_not_fit_is_refused),
		cmocka_unit_test(
		    positions_of_an_epoch_differ_from_those_of_another),
		cmocka_unit_test(snapshot_covers_log_position_and_state),
		cmocka_unit_test(records_do_not_run_together),
	};

	if (crypto_start() != OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
