/*
 * Channels between threads.  Nothing here sleeps to be in time: where a
 * thread must wait for another one, it waits for what that one does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/channel.h"
#include "base/mono.h"

#define PUSHERS  4
#define EACH     20000
#define FOR_EVER 60000ul /* a test that waits so long has failed */

struct item {
	struct channel_item link; /* first, see channel.h */
	unsigned from, number;
};

static bool no_memory;

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *
__wrap_calloc(size_t n, size_t size)
{
	return no_memory ? NULL : __real_calloc(n, size);
}

/* What a wake-up saw, called from the pusher. */
static struct channel *woken;
static atomic_uint wakes;
static size_t seen;

static void
wake(void *arg)
{
	assert_ptr_equal(arg, &wakes);
	/* With the lock held this would never return. */
	seen = channel_count(woken);
	atomic_fetch_add(&wakes, 1);
}

static struct channel *
make(size_t capacity)
{
	struct channel *ch = channel_new(capacity, NULL, NULL);

	assert_non_null(ch);
	return ch;
}

static struct channel *
make_with_wake(size_t capacity)
{
	atomic_store(&wakes, 0);
	woken = channel_new(capacity, wake, &wakes);
	assert_non_null(woken);
	return woken;
}

static unsigned
count(const struct channel_item *it)
{
	unsigned n = 0;

	for (; it != NULL; it = it->next)
		n++;
	return n;
}

static void
items_come_out_in_order(void **state)
{
	struct channel *ch = make(10);
	struct item it[10];
	const struct channel_item *p;

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(channel_push(ch, &it[i].link), OK);
	assert_int_equal(channel_count(ch), 10);
	p = channel_drain(ch);
	for (unsigned i = 0; i < 10; i++, p = p->next)
		assert_ptr_equal(p, &it[i]);
	assert_null(p);
	assert_null(channel_drain(ch));
	assert_int_equal(channel_count(ch), 0);
	channel_free(ch);
	channel_free(NULL);
}

static void
a_full_channel_takes_nothing(void **state)
{
	struct channel *ch = make(2);
	struct item it[3];

	(void)state;
	assert_int_equal(channel_push(ch, &it[0].link), OK);
	assert_int_equal(channel_push(ch, &it[1].link), OK);
	assert_int_equal(channel_push(ch, &it[2].link), ERR_FULL);
	assert_int_equal(count(channel_drain(ch)), 2);
	assert_int_equal(channel_push(ch, &it[2].link), OK);
	assert_int_equal(count(channel_drain(ch)), 1);
	channel_free(ch);
}

static void
a_list_goes_in_whole_or_not_at_all(void **state)
{
	struct channel *ch = make(4);
	struct channel_list list = { 0 };
	struct item it[5];

	(void)state;
	assert_int_equal(channel_push_list(ch, &list), OK);
	for (unsigned i = 0; i < 3; i++)
		channel_list_add(&list, &it[i].link);
	assert_int_equal(channel_push_list(ch, &list), OK);
	assert_null(list.head);
	assert_int_equal(list.count, 0);
	for (unsigned i = 3; i < 5; i++)
		channel_list_add(&list, &it[i].link);
	assert_int_equal(channel_push_list(ch, &list), ERR_FULL);
	assert_int_equal(list.count, 2);
	assert_ptr_equal(list.head, &it[3]);
	assert_ptr_equal(list.tail, &it[4]);
	assert_int_equal(count(channel_drain(ch)), 3);
	assert_int_equal(channel_push_list(ch, &list), OK);
	assert_int_equal(count(channel_drain(ch)), 2);
	channel_free(ch);
}

/* A list of more than fits even into an empty one. */
static void
a_list_beyond_the_capacity_is_refused(void **state)
{
	struct channel *ch = make(2);
	struct channel_list list = { 0 };
	struct item it[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		channel_list_add(&list, &it[i].link);
	assert_int_equal(channel_push_list(ch, &list), ERR_FULL);
	assert_null(channel_drain(ch));
	channel_free(ch);
}

/* Whoever has been let in must get an answer. */
static void
answers_are_taken_though_full_or_closed(void **state)
{
	struct channel *ch = make(1);
	struct item it[3];

	(void)state;
	assert_int_equal(channel_push(ch, &it[0].link), OK);
	channel_push_reserved(ch, &it[1].link);
	channel_close(ch);
	channel_push_reserved(ch, &it[2].link);
	assert_int_equal(count(channel_drain(ch)), 3);
	channel_free(ch);
}

static void
a_burst_costs_one_wake_up(void **state)
{
	struct channel *ch = make_with_wake(100);
	struct channel_list list = { 0 };
	struct item it[20];

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(channel_push(ch, &it[i].link), OK);
	assert_int_equal(atomic_load(&wakes), 1);
	assert_int_equal(seen, 1);
	assert_int_equal(count(channel_drain(ch)), 10);
	for (unsigned i = 10; i < 20; i++)
		channel_list_add(&list, &it[i].link);
	assert_int_equal(channel_push_list(ch, &list), OK);
	assert_int_equal(atomic_load(&wakes), 2);
	assert_int_equal(seen, 10);
	assert_int_equal(count(channel_drain(ch)), 10);
	channel_free(ch);
}

static void
what_is_refused_wakes_nobody(void **state)
{
	struct channel *ch = make_with_wake(0);
	struct item it;

	(void)state;
	assert_int_equal(channel_push(ch, &it.link), ERR_FULL);
	channel_close(ch);
	assert_int_equal(channel_push(ch, &it.link), ERR_CLOSED);
	assert_int_equal(atomic_load(&wakes), 0);
	channel_push_reserved(ch, &it.link);
	assert_int_equal(atomic_load(&wakes), 1);
	(void)channel_drain(ch);
	channel_free(ch);
}

static void
a_closed_channel_gives_what_it_has(void **state)
{
	struct channel *ch = make(10);
	struct item it[2];

	(void)state;
	assert_int_equal(channel_push(ch, &it[0].link), OK);
	assert_false(channel_closed(ch));
	channel_close(ch);
	assert_true(channel_closed(ch));
	assert_int_equal(channel_push(ch, &it[1].link), ERR_CLOSED);
	assert_int_equal(count(channel_wait(ch, FOR_EVER)), 1);
	assert_null(channel_wait(ch, UINT64_MAX));
	channel_free(ch);
}

static void
waiting_ends_in_time(void **state)
{
	struct channel *ch = make(1);
	struct mono began;

	(void)state;
	assert_null(channel_wait(ch, 0));
	began = mono_now();
	assert_null(channel_wait(ch, 20));
	assert_true(mono_ms_between(began, mono_now()) >= 19);
	channel_free(ch);
}

static void *
push_one(void *arg)
{
	static struct item it;

	assert_int_equal(channel_push(arg, &it.link), OK);
	return NULL;
}

static void *
close_it(void *arg)
{
	channel_close(arg);
	return NULL;
}

static void
a_waiter_is_woken_by_the_first_item(void **state)
{
	struct channel *ch = make(1);
	pthread_t t;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, push_one, ch), 0);
	assert_int_equal(count(channel_wait(ch, UINT64_MAX)), 1);
	assert_int_equal(pthread_join(t, NULL), 0);
	channel_free(ch);
}

static void
a_waiter_is_woken_by_the_end(void **state)
{
	struct channel *ch = make(1);
	pthread_t t;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, close_it, ch), 0);
	assert_null(channel_wait(ch, UINT64_MAX));
	assert_int_equal(pthread_join(t, NULL), 0);
	channel_free(ch);
}

struct pusher {
	pthread_t thread;
	struct channel *ch;
	struct item *items;
	unsigned me;
};

/* Alone and in lists, and again and again when it is full. */
static void *
push_all(void *arg)
{
	struct pusher *p = arg;
	struct channel_list list = { 0 };

	for (unsigned i = 0; i < EACH; i++) {
		struct item *it = &p->items[i];

		it->from = p->me;
		it->number = i;
		if (i % 7 != 0) {
			channel_list_add(&list, &it->link);
			if (i + 1 < EACH && i % 7 < 6)
				continue;
			while (channel_push_list(p->ch, &list) != OK)
				sched_yield();
		} else {
			while (channel_push(p->ch, &it->link) != OK)
				sched_yield();
		}
	}
	return NULL;
}

/* Nothing lost, nothing twice, each sender's own order, never over full. */
static void
many_senders_keep_their_order(void **state)
{
	struct channel *ch = make(64);
	struct pusher p[PUSHERS];
	unsigned next[PUSHERS] = { 0 }, got = 0;

	(void)state;
	for (unsigned i = 0; i < PUSHERS; i++) {
		p[i].ch = ch;
		p[i].me = i;
		p[i].items = calloc(EACH, sizeof(*p[i].items));
		assert_non_null(p[i].items);
		assert_int_equal(
		    pthread_create(&p[i].thread, NULL, push_all, &p[i]), 0);
	}
	while (got < PUSHERS * EACH) {
		struct channel_item *it = channel_wait(ch, FOR_EVER);

		assert_non_null(it);
		assert_true(count(it) <= 64);
		for (; it != NULL; it = it->next, got++) {
			const struct item *i = (const struct item *)it;

			assert_int_equal(i->number, next[i->from]);
			next[i->from]++;
		}
	}
	for (unsigned i = 0; i < PUSHERS; i++) {
		assert_int_equal(pthread_join(p[i].thread, NULL), 0);
		assert_int_equal(next[i], EACH);
		free(p[i].items);
	}
	assert_null(channel_drain(ch));
	channel_free(ch);
}

static void
no_memory_is_no_channel(void **state)
{
	(void)state;
	no_memory = true;
	assert_null(channel_new(1, NULL, NULL));
	no_memory = false;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_come_out_in_order),
		cmocka_unit_test(a_full_channel_takes_nothing),
		cmocka_unit_test(a_list_goes_in_whole_or_not_at_all),
		cmocka_unit_test(a_list_beyond_the_capacity_is_refused),
		cmocka_unit_test(answers_are_taken_though_full_or_closed),
		cmocka_unit_test(a_burst_costs_one_wake_up),
		cmocka_unit_test(what_is_refused_wakes_nobody),
		cmocka_unit_test(a_closed_channel_gives_what_it_has),
		cmocka_unit_test(waiting_ends_in_time),
		cmocka_unit_test(a_waiter_is_woken_by_the_first_item),
		cmocka_unit_test(a_waiter_is_woken_by_the_end),
		cmocka_unit_test(many_senders_keep_their_order),
		cmocka_unit_test(no_memory_is_no_channel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
