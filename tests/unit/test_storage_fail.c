/*
 * storage on a machine that fails: processes killed, power lost, disks full
 * or broken, memory short, locks held by somebody else.  What was reported as
 * applied is there, and it goes on by itself.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "tests/unit/storage_fault.h"
#include "tests/unit/storage_world.h"

#define BATCH 20

static void
small_limits(struct world *w)
{
	w->limits.group_entries = 30;
	w->limits.merge_pointers = 200;
	w->limits.step_rows = 50;
	w->limits.expire_pointers = 30;
	w->limits.wal_pages = 60;
	w->limits.retry_ms = 5;
}

/* How many rounds: the ordinary number, or that of STORAGE_ROUNDS. */
static unsigned
rounds(unsigned ordinary)
{
	const char *s = getenv("STORAGE_ROUNDS");

	return s != NULL ? (unsigned)strtoul(s, NULL, 10) : ordinary;
}

/* ---- kill -9
 * ------------------------------------------------------------------ */

/* The child: applies without an end and tells what was reported applied. */
static void
apply_for_ever(struct world *w, int fd)
{
	uint64_t n;

	world_open(w);
	for (n = storage_applied(w->s);; n += BATCH) {
		world_send(w, world_batch(w, n + 1, n + BATCH));
		if (n / BATCH % 3 == 0)
			continue; /* several under way */
		world_wait(w, OK);
		n += BATCH;
		if (write(fd, &n, sizeof(n)) != (ssize_t)sizeof(n))
			_exit(1);
		n -= BATCH;
	}
}

static void
killed_at_any_instant_nothing_reported_is_lost(void **state)
{
	struct world w;
	struct prng r;
	struct timespec pause = { 0, 0 };
	uint64_t told = 0, n;
	unsigned round, status;
	int fd[2], st;
	pid_t child;

	(void)state;
	fault_reset();
	world_init(&w, world_dir("kill"), 21);
	small_limits(&w);
	prng_seed(&r, 21);
	for (round = 0; round < rounds(15); round++) {
		assert_int_equal(pipe(fd), 0);
		if ((child = fork()) == 0)
			apply_for_ever(&w, fd[1]);
		assert_true(child > 0);
		(void)close(fd[1]);
		pause.tv_nsec = (long)prng_below(&r, 60000000);
		(void)nanosleep(&pause, NULL);
		(void)kill(child, SIGKILL);
		assert_int_equal(waitpid(child, &st, 0), child);
		status = (unsigned)st;
		assert_true(WIFSIGNALED(status));
		while (read(fd[0], &n, sizeof(n)) == (ssize_t)sizeof(n))
			told = n;
		(void)close(fd[0]);
		assert_int_equal(world_try_open(&w), OK);
		n = storage_applied(w.s);
		world_close(&w);
		assert_true(n >= told);
		assert_int_equal(n % BATCH, 0);
		world_grow(&w, n);
		world_check_records(&w, n);
		world_verify(&w, OK);
		world_open(&w);
		world_check(&w, n);
		/* The journal begins before what was applied. */
		if (n > BATCH) {
			world_send(&w, world_batch(&w, n - BATCH + 1, n));
			world_wait(&w, OK);
		}
		world_close(&w);
	}
	world_fini(&w);
}

/* ---- loss of power
 * -------------------------------------------------------------- */

static uint64_t applied_then;

static void
note_applied(void *arg)
{
	struct world *w = arg;

	applied_then = storage_applied(w->s);
}

static void
lose_power(uint64_t seed, unsigned at, bool removals)
{
	struct world w;
	struct prng r;
	char dir[300];
	const char *was;
	uint64_t n, found;

	world_init(&w, world_dir("power"), seed);
	(void)snprintf(dir, sizeof(dir), "%s-lost", w.dir);
	world_clean(dir);
	small_limits(&w);
	fault_reset();
	prng_seed(&r, seed);
	fault.dir = dir;
	fault.seed = seed;
	fault.lost = note_applied;
	fault.arg = &w;
	world_open(&w);
	atomic_store(&fault.power_in, (int)at);
	for (n = BATCH; atomic_load(&fault.power_in) > 0; n += BATCH) {
		world_send(&w, world_batch(&w, n - BATCH + 1, n));
		if (prng_below(&r, 3) == 0)
			world_wait(&w, OK);
		if (!removals || prng_below(&r, 2) == 0)
			continue;
		world_erase(&w, 1 + prng_below(&r, n));
		world_expire(&w, (uint32_t)prng_below(&r, WORLD_CONVS),
		    prng_below(&r, n / 10 + 1));
	}
	world_wait(&w, OK);
	world_close(&w);
	fault_reset();
	was = w.dir;
	w.dir = dir;
	assert_int_equal(world_try_open(&w), OK);
	found = storage_applied(w.s);
	world_close(&w);
	assert_true(found >= applied_then);
	world_verify(&w, OK);
	if (!removals) {
		world_check_records(&w, found);
		world_open(&w);
		world_check(&w, found);
		world_close(&w);
	}
	world_clean(dir);
	w.dir = was;
	world_fini(&w);
}

static void
power_lost_at_any_instant_nothing_reported_is_lost(void **state)
{
	struct prng r;
	unsigned round;

	(void)state;
	prng_seed(&r, 22);
	for (round = 0; round < rounds(40); round++)
		lose_power(1000 + round, 30 + (unsigned)prng_below(&r, 2500),
		    round % 2 == 0);
}

/* ---- disks
 * ----------------------------------------------------------------------- */

static bool
is_failing(const struct storage_stats *st)
{
	return st->failing;
}

static void
check_failing(struct world *w, enum err why)
{
	struct storage_stats st;

	world_until(w, is_failing);
	storage_stats(w->s, &st);
	assert_int_equal(st.why, why);
	assert_true(st.failures > 0);
}

static void
full_disk_holds_batches_back_until_there_is_room(void **state)
{
	struct world w;
	struct storage_stats st;
	struct storage_read *r;
	uint32_t conv = 4;
	uint64_t i;

	(void)state;
	fault_reset();
	world_init(&w, world_dir("full"), 23);
	small_limits(&w);
	world_open(&w);
	world_apply(&w, 400, BATCH);
	atomic_store(&fault.full, true);
	for (i = 0; i < 20; i++)
		world_send(&w,
		    world_batch(&w, 401 + i * BATCH, 400 + (i + 1) * BATCH));
	check_failing(&w, ERR_NOSPACE);
	assert_false(world_wait_ms(&w, OK, 100)); /* many tries */
	assert_true(storage_pending(w.s) > 0);
	/* Reading goes on meanwhile. */
	r = world_read(&w, STORAGE_BEFORE, &conv, 1, UINT64_MAX, 10);
	assert_int_equal(r->err, OK);
	assert_int_equal(r->nentries, 10);
	storage_read_free(r);
	atomic_store(&fault.full, false);
	world_wait(&w, OK);
	world_check(&w, 800);
	storage_stats(w.s, &st);
	assert_false(st.failing);
	world_close(&w);
	world_check_records(&w, 800);
	world_verify(&w, OK);
	world_fini(&w);
}

static void
broken_disk_is_tried_again_until_it_works(void **state)
{
	struct world w;

	(void)state;
	fault_reset();
	world_init(&w, world_dir("broken"), 24);
	small_limits(&w);
	world_open(&w);
	world_apply(&w, 200, BATCH);
	atomic_store(&fault.writes_fail, true);
	world_send(&w, world_batch(&w, 201, 220));
	check_failing(&w, ERR_IO);
	atomic_store(&fault.writes_fail, false);
	world_wait(&w, OK);
	atomic_store(&fault.syncs_fail, true);
	world_send(&w, world_batch(&w, 221, 240));
	check_failing(&w, ERR_IO);
	assert_int_equal(storage_pending(w.s), 1); /* no false success */
	atomic_store(&fault.syncs_fail, false);
	world_wait(&w, OK);
	world_check(&w, 240);
	world_close(&w);
	world_verify(&w, OK);
	world_fini(&w);
}

/*
 * One failure at each place in turn: of writes, syncs, reads, allocations.
 * Every batch comes back applied, and what is there is right.
 */
static void
sweep(const char *name, atomic_int *in, atomic_uint *count, unsigned most)
{
	struct world w;
	unsigned at, total = 1, step = 1;

	for (at = 0; at <= total; at += step) {
		fault_reset();
		world_init(&w, world_dir(name), 25);
		small_limits(&w);
		w.text_max = 6000;
		world_open(&w);
		world_apply(&w, 60, BATCH);
		atomic_store(count, 0);
		atomic_store(in, (int)at);
		world_apply(&w, 200, BATCH);
		world_erase(&w, 50);
		world_expire(&w, 3, 5);
		world_apply(&w, 260, BATCH);
		world_until(&w, world_settled);
		if (at == 0) { /* nothing failed: how much can */
			total = atomic_load(count);
			assert_true(total > 0);
			step = total / most + 1;
		}
		atomic_store(in, 0);
		world_check(&w, 260);
		world_close(&w);
		world_check_records(&w, 260);
		world_verify(&w, OK);
		world_fini(&w);
	}
}

static void
any_write_may_fail(void **state)
{
	(void)state;
	sweep("write", &fault.write_in, &fault.writes, rounds(40));
}

static void
any_sync_may_fail(void **state)
{
	(void)state;
	sweep("sync", &fault.sync_in, &fault.syncs, rounds(40));
}

static void
any_read_may_fail(void **state)
{
	(void)state;
	sweep("read", &fault.read_in, &fault.reads, rounds(40));
}

static void
any_allocation_may_fail(void **state)
{
	(void)state;
	sweep("malloc", &fault.malloc_in, &fault.mallocs, rounds(40));
}

static void
reading_that_fails_says_so_and_works_again(void **state)
{
	struct world w;
	struct storage_read *r;
	uint32_t conv = 4;
	unsigned at, failed = 0;

	(void)state;
	fault_reset();
	world_init(&w, world_dir("reads"), 26);
	world_open(&w);
	world_apply(&w, 400, 100);
	for (at = 1; at < 60; at++) {
		atomic_store(at % 2 == 0 ? &fault.read_in : &fault.malloc_in,
		    (int)at / 2);
		r = world_read(&w, STORAGE_BEFORE, &conv, 1, UINT64_MAX, 20);
		if (r->err != OK) {
			failed++;
			assert_true(r->err == ERR_IO || r->err == ERR_NOMEM);
			assert_int_equal(r->nentries, 0);
		}
		storage_read_free(r);
		atomic_store(&fault.read_in, 0);
		atomic_store(&fault.malloc_in, 0);
		r = world_read(&w, STORAGE_BEFORE, &conv, 1, UINT64_MAX, 20);
		assert_int_equal(r->err, OK);
		assert_int_equal(r->nentries, 20);
		storage_read_free(r);
	}
	assert_true(failed > 0);
	world_fini(&w);
}

/* ---- others at the database
 * ------------------------------------------------------- */

static sqlite3 *
stranger(const struct world *w, const char *sql)
{
	char path[512];
	sqlite3 *db;

	(void)snprintf(path, sizeof(path), "%s/history.db", w->dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	(void)sqlite3_busy_timeout(db, 60000);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	return db;
}

static void
locked_by_a_stranger_it_waits(void **state)
{
	struct world w;
	sqlite3 *db;

	(void)state;
	fault_reset();
	world_init(&w, world_dir("locked"), 27);
	small_limits(&w);
	world_open(&w);
	world_apply(&w, 100, BATCH);
	db = stranger(&w, "BEGIN IMMEDIATE");
	world_send(&w, world_batch(&w, 101, 120));
	check_failing(&w, ERR_BUSY);
	(void)sqlite3_close(db);
	world_wait(&w, OK);
	world_check(&w, 120);
	world_fini(&w);
}

/* Somebody's snapshot keeps the WAL from being emptied: it stops growing. */
static void
wal_does_not_grow_without_limit_behind_a_stranger(void **state)
{
	struct world w;
	struct storage_stats st;
	sqlite3 *db;
	uint64_t n;

	(void)state;
	fault_reset();
	world_init(&w, world_dir("snapshot"), 28);
	small_limits(&w);
	w.limits.wal_pages = 20;
	world_open(&w);
	world_apply(&w, 100, BATCH);
	db = stranger(&w, "BEGIN; SELECT * FROM meta");
	for (n = 101; n < 3000; n += BATCH)
		world_send(&w, world_batch(&w, n, n + BATCH - 1));
	check_failing(&w, ERR_BUSY);
	storage_stats(w.s, &st);
	assert_true(st.wal_bytes < 2 * 8 * 20 * 4200);
	assert_true(storage_pending(w.s) > 0);
	(void)sqlite3_close(db);
	world_wait(&w, OK);
	world_check(&w, n - 1);
	world_close(&w);
	world_verify(&w, OK);
	world_fini(&w);
}

/* At the end a batch that cannot be applied comes back with the reason. */
static void
stopping_gives_back_what_cannot_be_applied(void **state)
{
	struct world w;
	struct storage_batch *b;
	unsigned i, back = 0;

	(void)state;
	fault_reset();
	world_init(&w, world_dir("stop"), 29);
	small_limits(&w);
	world_open(&w);
	world_apply(&w, 100, BATCH);
	atomic_store(&fault.full, true);
	for (i = 0; i < 10; i++)
		world_send(&w,
		    world_batch(&w, 101 + i * BATCH, 100 + (i + 1) * BATCH));
	check_failing(&w, ERR_NOSPACE);
	storage_stop(w.s);
	assert_int_equal(storage_pending(w.s), 0);
	for (b = (struct storage_batch *)(void *)channel_drain(w.done);
	     b != NULL; back++) {
		struct storage_batch *next =
		    (struct storage_batch *)(void *)b->link.next;

		assert_true(b->err == ERR_NOSPACE || b->err == OK);
		storage_batch_free(b);
		b = next;
	}
	assert_int_equal(back, 10);
	atomic_store(&fault.full, false);
	world_close(&w);
	world_open(&w);
	world_apply(&w, 300, BATCH); /* out of the journal, again */
	world_check(&w, 300);
	world_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    killed_at_any_instant_nothing_reported_is_lost),
		cmocka_unit_test(
		    power_lost_at_any_instant_nothing_reported_is_lost),
		cmocka_unit_test(
		    full_disk_holds_batches_back_until_there_is_room),
		cmocka_unit_test(broken_disk_is_tried_again_until_it_works),
		cmocka_unit_test(any_write_may_fail),
		cmocka_unit_test(any_sync_may_fail),
		cmocka_unit_test(any_read_may_fail),
		cmocka_unit_test(any_allocation_may_fail),
		cmocka_unit_test(reading_that_fails_says_so_and_works_again),
		cmocka_unit_test(locked_by_a_stranger_it_waits),
		cmocka_unit_test(
		    wal_does_not_grow_without_limit_behind_a_stranger),
		cmocka_unit_test(stopping_gives_back_what_cannot_be_applied),
	};

	fault_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
