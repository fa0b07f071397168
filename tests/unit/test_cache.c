/*
 * The cache: with storage it sees everything, and it stays within its budget.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "node/cache/cache.h"
#include "tests/unit/entry_make.h"

#define PER_LOG 8

static struct cache *cache;
static uint64_t next_index;

static int
setup(void **state)
{
	(void)state;
	shorthash_start();
	cache = cache_new(1 << 20, PER_LOG);
	next_index = 1;
	return cache == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	cache_free(cache);
	return 0;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* The next entry, at seq of log, in its conversation conv. */
static struct event_id
put(uint32_t log, uint32_t conv, uint64_t seq, size_t text)
{
	struct place place = { conv, 1, seq, 0 };
	struct entry *e = entry_make(next_index++, &place, 1, text);
	struct event_id id = e->event->id;

	assert_int_equal(cache_put(cache, log, e, 0), OK);
	entry_unref(e);
	return id;
}

static struct cache_stats
stats(void)
{
	struct cache_stats s;

	cache_stats(cache, &s);
	return s;
}

static void
nothing_is_known_of_an_unknown_log(void **state)
{
	struct cache_item it[4];
	bool complete;

	(void)state;
	assert_int_equal(cache_first(cache, 7), 0);
	assert_int_equal(cache_after(cache, 7, 0, 0, it, 4), -1);
	assert_int_equal(cache_before(cache, 7, 0, 9, it, 4, &complete), 0);
	assert_false(complete);
	cache_forget(cache, 7);
	cache_forget_upto(cache, 7, 5);
}

static void
a_window_answers_after_any_position_in_it(void **state)
{
	struct cache_item it[8];

	(void)state;
	for (uint64_t seq = 10; seq < 15; seq++)
		put(1, 1, seq, 10);
	assert_int_equal(cache_first(cache, 1), 10);
	assert_int_equal(cache_after(cache, 1, 0, 8, it, 8), -1);
	assert_int_equal(cache_after(cache, 1, 0, 9, it, 8), 5);
	assert_int_equal(it[0].place->seq, 10);
	assert_int_equal(it[4].place->seq, 14);
	assert_int_equal(cache_after(cache, 1, 0, 11, it, 2), 2);
	assert_int_equal(it[0].place->seq, 12);
	assert_int_equal(cache_after(cache, 1, 0, 14, it, 8), 0);
	assert_int_equal(cache_after(cache, 1, 0, 99, it, 8), 0);
	assert_int_equal(cache_after(cache, 1, 0, UINT64_MAX, it, 8), 0);
}

static void
a_conversation_is_picked_out_of_its_log(void **state)
{
	struct cache_item it[8];
	bool complete;

	(void)state;
	for (uint64_t seq = 1; seq <= 6; seq++)
		put(1, seq % 2 == 0 ? 20 : 21, seq, 10);
	assert_int_equal(cache_after(cache, 1, 20, 2, it, 8), 2);
	assert_int_equal(it[0].place->seq, 4);
	assert_int_equal(cache_before(cache, 1, 21, 5, it, 1, &complete), 1);
	assert_int_equal(it[0].place->seq, 3);
	assert_true(complete);
	assert_int_equal(cache_before(cache, 1, 21, 5, it, 8, &complete), 2);
	assert_int_equal(it[0].place->seq, 1);
	assert_int_equal(it[1].place->seq, 3);
	assert_true(complete); /* the window starts at 1 */
}

static void
a_page_before_says_when_storage_has_more(void **state)
{
	struct cache_item it[8];
	bool complete;

	(void)state;
	for (uint64_t seq = 5; seq <= 9; seq++)
		put(1, 1, seq, 10);
	assert_int_equal(
	    cache_before(cache, 1, 1, UINT64_MAX, it, 3, &complete), 3);
	assert_true(complete);
	assert_int_equal(it[0].place->seq, 7);
	assert_int_equal(cache_before(cache, 1, 1, 7, it, 8, &complete), 2);
	assert_false(complete);
	assert_int_equal(it[1].place->seq, 6);
	assert_int_equal(cache_before(cache, 1, 1, 5, it, 8, &complete), 0);
	assert_false(complete);
}

static void
what_is_not_applied_is_never_evicted(void **state)
{
	(void)state;
	cache_free(cache);
	cache = cache_new(4000, PER_LOG);
	for (uint64_t seq = 1; seq <= 100; seq++)
		put(1, 1, seq, 100);
	assert_int_equal(stats().entries, 100);
	assert_int_equal(cache_first(cache, 1), 1);
	cache_applied(cache, 60);
	assert_int_equal(cache_first(cache, 1), 61);
	assert_true(stats().bytes > 4000);
	cache_applied(cache, 100);
	assert_true(stats().bytes <= 4000);
}

static void
a_log_keeps_its_last_entries(void **state)
{
	(void)state;
	for (uint64_t seq = 1; seq <= 20; seq++) {
		put(1, 1, seq, 10);
		cache_applied(cache, next_index - 1);
	}
	put(1, 1, 21, 10);
	assert_int_equal(cache_first(cache, 1), 21 - PER_LOG + 1);
	assert_int_equal(stats().entries, PER_LOG);
}

static void
the_log_used_longest_ago_goes_first(void **state)
{
	struct cache_item it;

	(void)state;
	cache_free(cache);
	cache = cache_new(16000, PER_LOG);
	for (uint32_t log = 1; log <= 3; log++) {
		put(log, log, 1, 1000);
		cache_applied(cache, next_index - 1);
	}
	assert_int_equal(cache_after(cache, 1, 0, 0, &it, 1), 1);
	for (uint32_t log = 4; stats().evicted == 0; log++) {
		put(log, log, 1, 1000);
		cache_applied(cache, next_index - 1);
	}
	assert_int_equal(cache_first(cache, 2), 0);
	assert_int_equal(cache_first(cache, 1), 1);
}

static void
a_position_out_of_line_starts_a_window_anew(void **state)
{
	(void)state;
	put(1, 1, 1, 10);
	put(1, 1, 2, 10);
	put(1, 1, 7, 10);
	assert_int_equal(cache_first(cache, 1), 7);
	assert_int_equal(stats().entries, 1);
}

static void
an_event_is_found_by_its_id_and_replaced(void **state)
{
	struct cache_item it;
	struct event_id id;
	struct event *erased;
	struct entry *copy;
	uint64_t bytes;

	(void)state;
	put(1, 1, 1, 10);
	id = put(1, 1, 2, 500);
	put(1, 1, 3, 10);
	assert_true(cache_find(cache, 1, &id, &it));
	assert_int_equal(it.place->seq, 2);
	bytes = stats().bytes;
	assert_int_equal(event_decode(&erased, it.entry->event->header_bytes,
			     STR_NONE, STR_NONE),
	    OK);
	assert_int_equal(entry_erased(&copy, it.entry, erased), OK);
	event_unref(erased);
	cache_replace(cache, 1, copy);
	cache_replace(cache, 2, copy);
	entry_unref(copy);
	assert_true(cache_find(cache, 1, &id, &it));
	assert_true(it.entry->event->erased);
	assert_true(stats().bytes < bytes);
	id.b[15] ^= 1;
	assert_false(cache_find(cache, 1, &id, &it));
	assert_false(cache_find(cache, 2, &id, &it));
}

static void
retention_drops_what_storage_has(void **state)
{
	(void)state;
	for (uint64_t seq = 1; seq <= 6; seq++)
		put(1, 1, seq, 10);
	cache_applied(cache, 3);
	cache_forget_upto(cache, 1, 5);
	assert_int_equal(cache_first(cache, 1), 4);
	cache_forget_upto(cache, 1, 1);
	assert_int_equal(cache_first(cache, 1), 4);
	cache_applied(cache, 6);
	cache_forget_upto(cache, 1, 100);
	assert_int_equal(cache_first(cache, 1), 0);
}

/* A log that once was long and now is short gives its room back. */
static void
memory_of_a_long_window_is_given_back(void **state)
{
	(void)state;
	for (uint64_t seq = 1; seq <= 4096; seq++)
		put(1, 1, seq, 1);
	assert_true(stats().room >= 4096);
	cache_applied(cache, 4096);
	put(1, 1, 4097, 1);
	assert_int_equal(stats().entries, PER_LOG);
	assert_true(stats().room <= 64);
}

static void
look_ups_are_counted(void **state)
{
	(void)state;
	cache_count(cache, true);
	cache_count(cache, false);
	cache_count(cache, false);
	assert_int_equal(stats().hits, 1);
	assert_int_equal(stats().misses, 2);
}

/* ---- against a model ----------------------------------------------------- */

#define LOGS 5
#define SEQS 400

struct model {
	uint64_t index[SEQS + 1]; /* by seq; 0: not yet */
	uint32_t conv[SEQS + 1];
	uint64_t head;
};

/*
 * Whatever the cache returns is what was put, in order, without holes, and
 * what it has dropped storage has.
 */
static void
check_log(const struct model *md, uint32_t log, uint64_t applied,
    struct prng *r)
{
	uint64_t first = cache_first(cache, log), after, seq;
	uint32_t conv = (uint32_t)prng_below(r, 3);
	struct cache_item it[SEQS];
	int n;

	for (seq = 1; seq <= md->head && (first == 0 || seq < first); seq++)
		assert_true(md->index[seq] <= applied);
	if (first == 0)
		return;
	after = first - 1 + prng_below(r, md->head - first + 2);
	n = cache_after(cache, log, conv, after, it, SEQS);
	assert_true(n >= 0);
	seq = after;
	for (int i = 0; i < n; i++) {
		do
			seq++;
		while (conv != 0 && md->conv[seq] != conv);
		assert_int_equal(it[i].place->seq, seq);
		assert_int_equal(it[i].entry->index, md->index[seq]);
	}
	while (seq < md->head)
		assert_true(conv != 0 && md->conv[++seq] != conv);
}

static void
random_work_agrees_with_a_model(void **state)
{
	static struct model md[LOGS + 1];
	uint64_t applied = 0, seed = 20261124;
	struct prng r;

	(void)state;
	memset(md, 0, sizeof(md));
	prng_seed(&r, seed);
	cache_free(cache);
	cache = cache_new(20000, PER_LOG);
	for (int step = 0; step < 3000; step++) {
		uint32_t log = 1 + (uint32_t)prng_below(&r, LOGS);
		struct model *l = &md[log];

		if (prng_below(&r, 10) == 0 && applied + 1 < next_index) {
			applied += 1 + prng_below(&r, next_index - applied - 1);
			cache_applied(cache, applied);
		} else if (l->head < SEQS) {
			l->head++;
			l->conv[l->head] = 1 + (uint32_t)prng_below(&r, 2);
			l->index[l->head] = next_index;
			put(log, l->conv[l->head], l->head,
			    (size_t)prng_below(&r, 300));
		}
		check_log(l, log, applied, &r);
		if (applied + 1 == next_index)
			assert_true(stats().bytes <= 20000);
	}
	cache_forget(cache, 1);
	assert_int_equal(cache_first(cache, 1), 0);
}

/* A name or pattern picks cases. */
int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(nothing_is_known_of_an_unknown_log),
		CASE(a_window_answers_after_any_position_in_it),
		CASE(a_conversation_is_picked_out_of_its_log),
		CASE(a_page_before_says_when_storage_has_more),
		CASE(what_is_not_applied_is_never_evicted),
		CASE(a_log_keeps_its_last_entries),
		CASE(the_log_used_longest_ago_goes_first),
		CASE(a_position_out_of_line_starts_a_window_anew),
		CASE(an_event_is_found_by_its_id_and_replaced),
		CASE(retention_drops_what_storage_has),
		CASE(memory_of_a_long_window_is_given_back),
		CASE(look_ups_are_counted),
		CASE(random_work_agrees_with_a_model),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
