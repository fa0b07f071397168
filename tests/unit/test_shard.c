#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "crypto/init.h"
#include "proto/shard.h"

static const struct epoch first = { 1, { { 7 } } };
static struct shards s;

static struct id
log_in(uint8_t shard, uint8_t which)
{
	struct id id = { { shard, which } };

	return id;
}

/* An entry of event n for these logs, as given by sh. */
static struct entry *
give(struct shards *sh, const struct id *logs, uint32_t nlogs, uint64_t n)
{
	struct event_header h = { .kind = EVENT_MESSAGE, .time_ms = n };
	struct event_body b = { .nmentions = 0 };
	uint8_t salt[EVENT_SALT_LEN] = { 0 };
	struct shard_place places[ENTRY_SHARDS];
	struct entry_draft d = { .index = n, .shards = places };
	struct entry *e;

	assert_int_equal(event_new(&d.event, &h, &b, salt), OK);
	assert_int_equal(
	    shards_give(sh, logs, nlogs, &d.event->id, places, &d.nshards), OK);
	assert_int_equal(entry_new(&e, &d), OK);
	event_unref(d.event);
	return e;
}

static void
entry_stands_once_in_each_shard_of_its_logs(void **state)
{
	struct id logs[4] = { log_in(9, 1), log_in(200, 1), log_in(9, 2),
		log_in(0, 1) };
	uint32_t shards[ENTRY_SHARDS];

	(void)state;
	assert_int_equal(shards_of(logs, 4, shards), 3);
	assert_int_equal(shards[0], 9);
	assert_int_equal(shards[1], 200);
	assert_int_equal(shards[2], 0);
	assert_int_equal(shards_of(logs, 0, shards), 0);
}

static void
chain_of_a_shard_runs_over_its_entries(void **state)
{
	static struct shards copy;
	struct id logs[2] = { log_in(1, 1), log_in(2, 1) };
	struct entry *e;

	(void)state;
	shards_init(&s, &first);
	shards_init(&copy, &first);
	for (uint64_t n = 1; n <= 10; n++) {
		e = give(&s, logs, n % 3 == 0 ? 1 : 2, n);
		assert_int_equal(shards_take(&s, e), OK);
		assert_int_equal(shards_take(&copy, e), OK);
		entry_unref(e);
	}
	assert_int_equal(s.head[1].durable.seq, 10);
	assert_int_equal(s.head[2].durable.seq, 7);
	assert_memory_equal(&s, &copy, sizeof(s));
}

static void
another_history_is_noticed(void **state)
{
	static struct shards copy;
	struct id log = log_in(1, 1);
	struct entry *a, *b, *c;

	(void)state;
	shards_init(&s, &first);
	shards_init(&copy, &first);
	a = give(&s, &log, 1, 1);
	b = give(&copy, &log, 1, 2);
	c = give(&copy, &log, 1, 3);
	assert_int_equal(shards_take(&s, a), OK);
	assert_int_equal(shards_take(&s, c), ERR_CORRUPT);
	assert_int_equal(shards_take(&copy, c), ERR_GAP);
	entry_unref(a);
	entry_unref(b);
	entry_unref(c);
}

static void
failed_commit_is_taken_back(void **state)
{
	struct id log = log_in(1, 1);
	struct entry *a, *b;

	(void)state;
	shards_init(&s, &first);
	a = give(&s, &log, 1, 1);
	shards_rollback(&s, a);
	b = give(&s, &log, 1, 2);
	assert_true(b->shards[0].seq == 1);
	assert_int_equal(shards_take(&s, b), OK);
	entry_unref(a);
	entry_unref(b);
}

static void
records_put_the_heads_back(void **state)
{
	static struct shards copy;
	struct id log = log_in(255, 1);
	struct point head;
	struct entry *e;

	(void)state;
	shards_init(&s, &first);
	shards_init(&copy, &first);
	for (uint64_t n = 1; n <= 3; n++) {
		e = give(&s, &log, 1, n);
		assert_int_equal(shards_take(&s, e), OK);
		entry_unref(e);
	}
	head = head_point(&s.head[255]);
	assert_int_equal(shards_load(&copy, 255, &head), OK);
	assert_int_equal(shards_load(&copy, 256, &head), ERR_CORRUPT);
	e = give(&s, &log, 1, 4);
	assert_int_equal(shards_take(&copy, e), OK);
	entry_unref(e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entry_stands_once_in_each_shard_of_its_logs),
		cmocka_unit_test(chain_of_a_shard_runs_over_its_entries),
		cmocka_unit_test(another_history_is_noticed),
		cmocka_unit_test(failed_commit_is_taken_back),
		cmocka_unit_test(records_put_the_heads_back),
	};

	if (crypto_start() != OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
