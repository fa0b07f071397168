/*
 * The memory of requests, which crosses threads, and of output.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "node/gateway/output.h"
#include "node/gateway/request.h"

static void
output_keeps_what_was_not_written(void **state)
{
	struct output_pool pool;
	struct output *o = NULL;
	char in[1000], expected[20000];
	size_t n = 0;

	(void)state;
	output_pool_init(&pool);
	for (int i = 0; i < 20; i++) {
		memset(in, 'a' + i, sizeof(in));
		assert_true(output_add(&pool, &o, in, sizeof(in)));
		memcpy(expected + n, in, sizeof(in));
		n += sizeof(in);
		if (i == 7)
			o->off += 2500;
	}
	assert_int_equal(output_left(o), 17500);
	assert_memory_equal(o->data + o->off, expected + 2500, 17500);
	output_free(&pool, o);
	output_free(&pool, NULL);
	assert_int_equal(output_left(NULL), 0);
	output_pool_fini(&pool);
}

static void
output_memory_is_used_again_and_bounded(void **state)
{
	static struct output *all[64];
	static char big[131072];
	struct output_pool pool;
	struct output *o = NULL, *before;

	(void)state;
	output_pool_init(&pool);
	assert_true(output_add(&pool, &o, "x", 1));
	before = o;
	output_free(&pool, o);
	o = NULL;
	assert_true(output_add(&pool, &o, "y", 1));
	assert_ptr_equal(o, before);
	output_free(&pool, o);
	for (int i = 0; i < 64; i++)
		assert_true(output_add(&pool, &all[i], big, sizeof(big)));
	for (int i = 0; i < 64; i++)
		output_free(&pool, all[i]);
	assert_true(pool.kept <= OUTPUT_KEEP);
	output_pool_fini(&pool);
}

static void *
give_back(void *arg)
{
	struct request **r = arg;

	for (int i = 0; i < 1000; i++)
		request_free(r[i]);
	return NULL;
}

static void
requests_come_back_from_another_thread(void **state)
{
	static struct request *r[1000];
	struct request_pool *pool = request_pool_new();
	pthread_t thread;

	(void)state;
	assert_non_null(pool);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 1000; i++) {
			/* Every tenth does not fit into a block. */
			r[i] = request_take(pool, i % 10 == 0 ? 5000 : 300);
			assert_non_null(r[i]);
			memset(r[i]->text, 'x', r[i]->n);
			assert_int_equal(r[i]->address[0], 0);
		}
		assert_int_equal(pthread_create(&thread, NULL, give_back, r),
		    0);
		if (round % 2 == 0)
			pthread_join(thread, NULL);
		else { /* at the same time */
			request_free(request_take(pool, 10));
			pthread_join(thread, NULL);
		}
	}
	/* The last one outlives the pool's owner. */
	r[0] = request_take(pool, 10);
	request_pool_close(pool);
	request_free(r[0]);
	request_free(NULL);
}

static void
a_request_of_another_source_holds_a_copy(void **state)
{
	struct request *r = request_new("hello", 5);

	(void)state;
	assert_non_null(r);
	assert_int_equal(r->n, 5);
	assert_memory_equal(r->text, "hello", 5);
	assert_null(r->missed);
	request_free(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_keeps_what_was_not_written),
		cmocka_unit_test(output_memory_is_used_again_and_bounded),
		cmocka_unit_test(requests_come_back_from_another_thread),
		cmocka_unit_test(a_request_of_another_source_holds_a_copy),
	};

	return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
