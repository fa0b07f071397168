/*
 * The queue on a real directory: what was acknowledged is there again, what
 * failed is not, limits hold, trimming frees space.  The disk fails by the
 * --wrap'ped calls below.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/prng.h"
#include "crypto/init.h"
#include "node/queue/queue.h"

#define SEGMENT (1 << 20)

/* ---- a disk that fails ----------------------------------------------------
 */

static atomic_int fail_after = -1; /* calls that still work; -1: all */
static atomic_int fail_errno = EIO;

static int
failing(void)
{
	if (fail_after < 0)
		return 0;
	if (fail_after > 0) {
		fail_after--;
		return 0;
	}
	errno = fail_errno;
	return 1;
}

ssize_t __real_pwrite(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t at);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_fsync(int fd);
int __wrap_fsync(int fd);

/* A failing write may have written a part. */
ssize_t
__wrap_pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (failing()) {
		(void)__real_pwrite(fd, p, n / 2, at);
		errno = fail_errno;
		return -1;
	}
	return __real_pwrite(fd, p, n, at);
}

int
__wrap_fdatasync(int fd)
{
	return failing() ? -1 : __real_fdatasync(fd);
}

int
__wrap_fsync(int fd)
{
	return failing() ? -1 : __real_fsync(fd);
}

/* ---- a world --------------------------------------------------------------
 */

struct item {
	struct queue_item q;
	char text[32];
};

struct world {
	char dir[64];
	struct queue_config cfg;
	struct queue *queue;
	struct channel *done;
	uint32_t term;
	uint64_t next;
	/* What came back as durable, by index; and what replay gave. */
	char acked[20000][32], replayed[20000][32];
	uint64_t nacked, failed;
	bool recovered;
};

static struct world w;

static enum err
on_replay(void *arg, uint64_t index, struct str data)
{
	(void)arg;
	assert_true(index < 20000 && data.n < 32);
	memcpy(w.replayed[index], data.p, data.n);
	w.replayed[index][data.n] = '\0';
	return OK;
}

static enum err
open_queue(uint64_t applied)
{
	enum err rc;

	memset(w.replayed, 0, sizeof(w.replayed));
	rc = queue_open(&w.queue, &w.cfg, applied, on_replay, NULL);
	if (rc != OK)
		return rc;
	w.done = channel_new(SIZE_MAX, NULL, NULL);
	assert_non_null(w.done);
	assert_int_equal(queue_start(w.queue, w.done), OK);
	w.term = queue_term(w.queue);
	w.next = queue_next_index(w.queue);
	return OK;
}

static void
take(struct channel_item *it)
{
	struct channel_item *next;

	for (; it != NULL; it = next) {
		struct item *item = (struct item *)it;

		next = it->next;
		if (item->q.type == QUEUE_FAILED ||
		    item->q.type == QUEUE_RECOVERED) {
			w.term = item->q.term;
			w.next = item->q.index;
			w.recovered = item->q.type == QUEUE_RECOVERED;
		} else if (item->q.err == OK) {
			memcpy(w.acked[item->q.index], item->text, 32);
			w.nacked++;
		} else {
			w.failed++;
		}
		free(item);
	}
}

static void
close_queue(void)
{
	queue_stop(w.queue);
	take(channel_drain(w.done));
	queue_free(w.queue);
	channel_free(w.done);
}

static int
setup(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	fail_after = -1;
	fail_errno = EIO;
	snprintf(w.dir, sizeof(w.dir), "/tmp/kith-queue-XXXXXX");
	assert_non_null(mkdtemp(w.dir));
	w.cfg = (struct queue_config){ .dir = w.dir,
		.segment_bytes = SEGMENT,
		.max_bytes = 8 * SEGMENT,
		.max_entries = 10000,
		.max_inflight = 1 << 20,
		.reserve_bytes = 0,
		.batch_bytes = 64 * 1024 };
	return 0;
}

static int
teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", w.dir);
	return system(command);
}

static enum err
submit(const char *what)
{
	struct item *item = calloc(1, sizeof(*item));
	enum err rc;

	assert_non_null(item);
	snprintf(item->text, sizeof(item->text), "%s %llu", what,
	    (unsigned long long)w.next);
	item->q.type = QUEUE_ENTRY;
	item->q.term = w.term;
	item->q.index = w.next;
	item->q.data = str_of(item->text);
	rc = queue_submit(w.queue, &item->q);
	if (rc == OK)
		w.next++;
	else
		free(item);
	return rc;
}

static void
submit_many(const char *what, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(submit(what), OK);
		queue_flush(w.queue);
	}
}

static void
wait_for(uint64_t acked_and_failed)
{
	while (w.nacked + w.failed < acked_and_failed)
		take(channel_wait(w.done, 5000));
}

static void
assert_all_replayed(void)
{
	for (unsigned i = 0; i < 20000; i++)
		if (w.acked[i][0] != '\0')
			assert_string_equal(w.replayed[i], w.acked[i]);
}

/* ---- claims ---------------------------------------------------------------
 */

static void
acknowledged_entries_are_there_again(void **state)
{
	(void)state;
	assert_int_equal(open_queue(0), OK);
	submit_many("a", 1000);
	wait_for(1000);
	close_queue();
	assert_int_equal(w.nacked, 1000);
	assert_int_equal(open_queue(0), OK);
	assert_all_replayed();
	assert_int_equal(w.next, 1001);
	submit_many("b", 10);
	wait_for(1010);
	close_queue();
	assert_int_equal(open_queue(500), OK);
	assert_string_equal(w.replayed[500], "");
	assert_string_equal(w.replayed[501], "a 501");
	assert_string_equal(w.replayed[1010], "b 1010");
	close_queue();
}

/*
 * Fails the Nth call for each N, recovers, goes on; afterwards exactly what
 * was acknowledged is there, and nothing that came back with an error.
 */
static void
failing_calls_lose_and_invent_nothing(void **state)
{
	(void)state;
	for (int n = 0; n < 24; n++) {
		assert_int_equal(setup(NULL), 0);
		assert_int_equal(open_queue(0), OK);
		submit_many("before", 20);
		wait_for(20);
		fail_after = n;
		fail_errno = n % 2 ? ENOSPC : EIO;
		for (unsigned i = 0; i < 20; i++) {
			if (submit("lost") != OK)
				break;
			queue_flush(w.queue);
			if (i % 3 == 0)
				take(channel_wait(w.done, 50));
		}
		wait_for(w.next - 1);
		while (w.failed > 0 && !w.recovered) {
			fail_after = -1;
			take(channel_wait(w.done, 5000));
		}
		fail_after = -1;
		submit_many("after", 20);
		wait_for(w.nacked + w.failed + 20 > w.next ? w.nacked + w.failed
							   : w.next - 1);
		close_queue();
		assert_int_equal(open_queue(0), OK);
		assert_all_replayed();
		for (unsigned i = 1; i < 20000; i++)
			if (w.acked[i][0] == '\0')
				assert_string_equal(w.replayed[i], "");
		close_queue();
		(void)teardown(NULL);
	}
	assert_int_equal(setup(NULL), 0);
}

static void
limits_are_told_before_anything_is_taken(void **state)
{
	unsigned taken = 0;

	(void)state;
	w.cfg.max_entries = 100;
	assert_int_equal(open_queue(0), OK);
	while (submit("x") == OK)
		taken++;
	assert_int_equal(taken, 100);
	assert_int_equal(submit("x"), ERR_QUEUE_FULL);
	assert_true(queue_pressed(w.queue));
	queue_flush(w.queue);
	wait_for(100);
	queue_trim(w.queue, 100);
	assert_int_equal(submit("y"), OK);
	assert_false(queue_pressed(w.queue));
	queue_flush(w.queue);
	wait_for(101);
	close_queue();
}

static void
trimming_frees_the_disk(void **state)
{
	struct queue_stats s;

	(void)state;
	w.cfg.max_entries = 20000;
	assert_int_equal(open_queue(0), OK);
	/* One commit each, so that frames of 512 bytes fill segments. */
	for (unsigned i = 0; i < 5000; i++) {
		assert_int_equal(submit("t"), OK);
		queue_flush(w.queue);
		wait_for(i + 1);
	}
	queue_stats(w.queue, &s);
	assert_true(s.segments >= 3);
	queue_trim(w.queue, 5000);
	for (unsigned i = 0; i < 20; i++) { /* it trims between commits */
		assert_int_equal(submit("t"), OK);
		queue_flush(w.queue);
		wait_for(5001 + i);
	}
	queue_stats(w.queue, &s);
	assert_int_equal(s.segments, 1);
	close_queue();
	assert_int_equal(open_queue(5000), OK);
	assert_string_equal(w.replayed[5001], "t 5001");
	close_queue();
}

static void
a_hole_after_what_storage_has_is_corrupt(void **state)
{
	char command[128];

	(void)state;
	w.cfg.max_entries = 20000;
	assert_int_equal(open_queue(0), OK);
	for (unsigned i = 0; i < 5000; i++) {
		assert_int_equal(submit("t"), OK);
		queue_flush(w.queue);
		wait_for(i + 1);
	}
	close_queue();
	snprintf(command, sizeof(command), "rm %s/%016x.seg", w.dir, 1);
	assert_int_equal(system(command), 0);
	assert_int_equal(open_queue(0), ERR_CORRUPT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    acknowledged_entries_are_there_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    failing_calls_lose_and_invent_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    limits_are_told_before_anything_is_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(trimming_frees_the_disk, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    a_hole_after_what_storage_has_is_corrupt, setup, teardown),
	};

	if (crypto_start() != OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
