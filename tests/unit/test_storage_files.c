/*
 * storage and its file: databases that are damaged, foreign, newer or older;
 * backups and what is wrong with them.
 *
 * With STORAGE_FIXTURE=file in the environment it does nothing but write the
 * history that fixture() makes, as SQL, in the present schema: to be kept as
 * storage_v<schema>.sql when the schema is about to change.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/logger.h"
#include "base/mono.h"
#include "node/storage/schema.h"
#include "tests/unit/storage_world.h"

#define FIXTURE_EVENTS 70

static void
small_limits(struct world *w)
{
	w->limits.group_entries = 50;
	w->limits.merge_pointers = 200;
	w->limits.step_rows = 50;
	w->limits.expire_pointers = 30;
	w->limits.wal_pages = 100;
}

static const char *
path_in(const struct world *w, const char *name)
{
	static char path[600];

	(void)snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	return path;
}

static char *
slurp(const char *path, size_t *n)
{
	FILE *f = fopen(path, "r");
	char *p;

	assert_non_null(f);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	*n = (size_t)ftell(f);
	rewind(f);
	p = malloc(*n + 1);
	assert_non_null(p);
	assert_int_equal(fread(p, 1, *n, f), *n);
	p[*n] = '\0';
	(void)fclose(f);
	return p;
}

static void
spill(const char *path, const char *p, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void
run_sql(const char *path, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* ---- files that are not ours
 * ---------------------------------------------------- */

static void
what_is_no_history_of_ours_is_refused_and_left_alone(void **state)
{
	static const char text[] = "this is a letter, and not a database";
	struct world w;
	char *p;
	size_t n;

	(void)state;
	world_init(&w, world_dir("foreign"), 31);
	spill(path_in(&w, "history.db"), text, sizeof(text));
	assert_int_equal(world_try_open(&w), ERR_CORRUPT);
	world_verify(&w, ERR_CORRUPT);
	p = slurp(path_in(&w, "history.db"), &n);
	assert_int_equal(n, sizeof(text));
	assert_memory_equal(p, text, n);
	free(p);
	assert_int_equal(unlink(path_in(&w, "history.db")), 0);
	run_sql(path_in(&w, "history.db"), "CREATE TABLE recipe (cake TEXT)");
	assert_int_equal(world_try_open(&w), ERR_CORRUPT);
	world_verify(&w, ERR_CORRUPT);
	/* Nothing at all is a new one. */
	spill(path_in(&w, "history.db"), "", 0);
	(void)unlink(path_in(&w, "history.db-wal"));
	(void)unlink(path_in(&w, "history.db-shm"));
	world_open(&w);
	world_apply(&w, 20, 10);
	world_check(&w, 20);
	world_close(&w);
	world_verify(&w, OK);
	world_fini(&w);
}

static void
a_later_schema_is_refused(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, world_dir("later"), 32);
	world_open(&w);
	world_apply(&w, 20, 10);
	world_close(&w);
	run_sql(path_in(&w, "history.db"), "PRAGMA user_version = 900");
	assert_int_equal(world_try_open(&w), ERR_UNSUPPORTED);
	world_verify(&w, ERR_UNSUPPORTED);
	run_sql(path_in(&w, "history.db"), "PRAGMA user_version = 1");
	world_open(&w);
	world_check(&w, 20);
	world_fini(&w);
}

static void
a_missing_directory_is_an_error(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, world_dir("missing"), 33);
	world_clean(w.dir);
	assert_int_not_equal(world_try_open(&w), OK);
	assert_null(w.s);
	world_fini(&w);
}

/* ---- damage
 * ----------------------------------------------------------------------- */

static enum err
ignore(void *arg, uint32_t kind, struct str key, struct str value)
{
	(void)arg;
	(void)kind;
	(void)key;
	(void)value;
	return OK;
}

/* Everything may be refused, and nothing may crash. */
static void
use_damaged(struct world *w)
{
	struct channel_item *it, *next;
	struct storage_batch *b;
	struct storage_read *r;
	uint64_t applied;
	uint32_t conv;

	if (world_try_open(w) != OK)
		return;
	if (storage_load(w->s, ignore, NULL) == OK) {
		assert_int_equal(storage_start(w->s, w->done, w->reads), OK);
		for (conv = 1; conv <= WORLD_CONVS; conv++) {
			r = world_read(w, STORAGE_BEFORE, &conv, 1, UINT64_MAX,
			    1000);
			storage_read_free(r);
		}
		applied = storage_applied(w->s);
		world_send(w, world_batch(w, applied + 1, applied + 20));
		b = storage_batch_new();
		assert_non_null(b);
		assert_int_equal(storage_batch_erase(b, &w->events[9].id), OK);
		assert_int_equal(storage_batch_expire(b, 5, 9), OK);
		world_send(w, b);
		storage_stop(w->s);
		for (it = channel_drain(w->done); it != NULL; it = next) {
			next = it->next;
			storage_batch_free((void *)it);
		}
	}
	world_close(w);
}

/* A history in which each table has something, in one file. */
static void
make_history(struct world *w)
{
	small_limits(w);
	world_open(w);
	world_apply(w, 300, 30);
	world_erase(w, 17);
	world_expire(w, 3, 6);
	world_wait(w, OK);
	world_until(w, world_settled);
	world_close(w);
	w->limits.merge_pointers = 1u << 30;
	world_open(w);
	world_apply(w, 330, 30);
	world_close(w);
	world_verify(w, OK);
}

/*
 * One byte changed: either it is refused by storage_verify, or it was a byte
 * that means nothing, and everything is there.
 */
static void
a_changed_byte_is_found_or_means_nothing(void **state)
{
	struct world w;
	struct prng r;
	struct bytes report;
	char *p, path[600];
	size_t n, at;
	unsigned i, found = 0;
	char was;

	(void)state;
	world_init(&w, world_dir("byte"), 34);
	make_history(&w);
	(void)snprintf(path, sizeof(path), "%s", path_in(&w, "history.db"));
	p = slurp(path, &n);
	prng_seed(&r, 34);
	bytes_init(&report, 1 << 20);
	for (i = 0; i < 400; i++) {
		/* Every page's beginning, where its structure is, and others */
		at = i % 2 == 0
			 ? prng_below(&r, n)
			 : prng_below(&r, n / 4096) * 4096 + prng_below(&r, 40);
		was = p[at];
		p[at] = (char)(p[at] ^ 1 << prng_below(&r, 8));
		spill(path, p, n);
		bytes_reset(&report);
		if (storage_verify(path, &report) == OK) {
			/* Not a sum too few, but a byte without a meaning. */
			world_check_records(&w, 330);
			world_open(&w);
			world_check(&w, 330);
			world_close(&w);
		} else {
			found++;
			assert_true(report.n > 0);
			use_damaged(&w);
		}
		p[at] = was;
		(void)unlink(path_in(&w, "history.db-wal"));
		(void)unlink(path_in(&w, "history.db-shm"));
	}
	assert_true(found > 200);
	bytes_fini(&report);
	free(p);
	world_fini(&w);
}

static void
a_short_or_holed_file_is_refused(void **state)
{
	struct world w;
	struct prng r;
	char *p, *hole, path[600];
	size_t n, at;
	unsigned i;

	(void)state;
	world_init(&w, world_dir("short"), 35);
	make_history(&w);
	(void)snprintf(path, sizeof(path), "%s", path_in(&w, "history.db"));
	p = slurp(path, &n);
	prng_seed(&r, 35);
	for (i = 0; i < 40; i++) {
		at = 1 + prng_below(&r, n - 1);
		spill(path, p, i % 2 == 0 ? at : at / 4096 * 4096);
		if (at >= 4096 || i % 2 == 0) {
			world_verify(&w, ERR_CORRUPT);
			use_damaged(&w);
		}
		(void)unlink(path_in(&w, "history.db-wal"));
		(void)unlink(path_in(&w, "history.db-shm"));
	}
	for (i = 0; i < 40; i++) { /* a page of zeros, or of another place */
		hole = malloc(n);
		assert_non_null(hole);
		memcpy(hole, p, n);
		at = prng_below(&r, n / 4096) * 4096;
		if (i % 2 == 0)
			memset(hole + at, 0, 4096);
		else
			memcpy(hole + at, p + prng_below(&r, n / 4096) * 4096,
			    4096);
		if (memcmp(hole, p, n) != 0) {
			spill(path, hole, n);
			use_damaged(&w);
		}
		free(hole);
		(void)unlink(path_in(&w, "history.db-wal"));
		(void)unlink(path_in(&w, "history.db-shm"));
	}
	free(p);
	world_fini(&w);
}

/* ---- older schemas
 * ------------------------------------------------------------------ */

/* The history of the fixtures; some of it merged, some erased and expired. */
static void
fixture(struct world *w, bool make)
{
	size_t i;

	small_limits(w);
	w->limits.merge_pointers = 60;
	if (make)
		world_open(w);
	else
		world_grow(w, FIXTURE_EVENTS);
	if (make) {
		world_apply(w, 50, 10);
		world_erase(w, 12);
		world_expire(w, 3, 2);
		world_wait(w, OK);
		world_until(w, world_settled);
		world_close(w);
		w->limits.merge_pointers = 1u << 30;
		world_open(w);
		world_apply(w, FIXTURE_EVENTS, 10);
		world_close(w);
		return;
	}
	w->events[12 - 1].erased = true;
	for (i = 0; i < 2 && w->convs[3].p[i].idx <= 50; i++)
		w->convs[3].p[i].gone = true;
}

static int
print_row(void *arg, int n, char **values, char **names)
{
	(void)n;
	(void)names;
	(void)fprintf(arg, "%s;\n", values[0]);
	return 0;
}

static int
print_table(void *arg, int n, char **values, char **names)
{
	void **args = arg;
	char sql[1024], *q = sql;
	sqlite3_stmt *st;
	const char *sep = "";

	(void)n;
	(void)names;
	(void)snprintf(sql, sizeof(sql),
	    "SELECT name FROM pragma_table_info"
	    "('%s')",
	    values[0]);
	assert_int_equal(sqlite3_prepare_v2(args[0], sql, -1, &st, NULL),
	    SQLITE_OK);
	q += sprintf(q, "SELECT 'INSERT INTO %s VALUES ('", values[0]);
	for (; sqlite3_step(st) == SQLITE_ROW; sep = " || ', '")
		q += sprintf(q, "%s || quote(%s)", sep,
		    (const char *)sqlite3_column_text(st, 0));
	(void)sprintf(q, " || ')' FROM %s", values[0]);
	(void)sqlite3_finalize(st);
	assert_int_equal(sqlite3_exec(args[0], sql, print_row, args[1], NULL),
	    SQLITE_OK);
	return 0;
}

static void
write_fixture(const char *path)
{
	struct world w;
	sqlite3 *db;
	FILE *f = fopen(path, "w");
	void *args[2];

	assert_non_null(f);
	world_init(&w, world_dir("fixture"), 41);
	fixture(&w, true);
	assert_int_equal(sqlite3_open(path_in(&w, "history.db"), &db),
	    SQLITE_OK);
	args[0] = db;
	args[1] = f;
	(void)fprintf(f,
	    "PRAGMA page_size = 4096;\n"
	    "PRAGMA application_id = %d;\nPRAGMA user_version = %u;\n",
	    SCHEMA_APPLICATION, schema_version);
	assert_int_equal(sqlite3_exec(db,
			     "SELECT sql FROM sqlite_schema"
			     " WHERE sql IS NOT NULL",
			     print_row, f, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
			     "SELECT name FROM sqlite_schema"
			     " WHERE type = 'table'",
			     print_table, args, NULL),
	    SQLITE_OK);
	(void)sqlite3_close(db);
	assert_int_equal(fclose(f), 0);
	world_fini(&w);
}

/* From every version there was. */
static void
histories_of_older_versions_are_read(void **state)
{
	struct world w;
	char path[600], *sql;
	unsigned version;
	size_t n;

	(void)state;
	for (version = 1; version <= schema_version; version++) {
		world_init(&w, world_dir("older"), 41);
		fixture(&w, false);
		(void)snprintf(path, sizeof(path),
		    SRCDIR "/tests/unit/storage_v%u.sql", version);
		sql = slurp(path, &n);
		run_sql(path_in(&w, "history.db"), sql);
		free(sql);
		world_check_records(&w, FIXTURE_EVENTS);
		world_open(&w);
		world_check(&w, FIXTURE_EVENTS);
		world_apply(&w, 100, 10);
		world_check(&w, 100);
		world_close(&w);
		world_verify(&w, OK);
		world_fini(&w);
	}
}

static enum err
fail_migration(struct db *db)
{
	assert_int_equal(db_exec(db, "INSERT INTO more VALUES (2)"), OK);
	return ERR_IO;
}

static int64_t
number(const char *path, const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *st;
	int64_t v;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	v = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	(void)sqlite3_close(db);
	return v;
}

static enum err
migrate(const char *path, const struct migration *m, unsigned n)
{
	struct db db;
	enum err err;

	assert_int_equal(db_open(&db, path, DB_WRITER), OK);
	err = schema_open(&db, path, m, n);
	db_close(&db);
	return err;
}

/* Each in a transaction, after a copy; one that fails leaves what was. */
static void
migrations_are_atomic_and_begin_with_a_copy(void **state)
{
	struct migration m[3] = { schema_migrations[0],
		{ "CREATE TABLE more (x); INSERT INTO more VALUES (1)", NULL },
		{ "INSERT INTO more VALUES (3)", fail_migration } };
	struct utimbuf old = { 0, 0 };
	struct world w;
	char path[600];

	(void)state;
	world_init(&w, world_dir("migrate"), 36);
	world_open(&w);
	world_apply(&w, 40, 10);
	world_close(&w);
	(void)snprintf(path, sizeof(path), "%s", path_in(&w, "history.db"));
	assert_int_equal(migrate(path, m, 3), ERR_IO);
	assert_int_equal(number(path, "PRAGMA user_version"), 2);
	assert_int_equal(number(path, "SELECT sum(x) FROM more"), 1);
	/* The copy is of before all of it, whole, and private. */
	assert_int_equal(
	    number(path_in(&w, "history.db.before-3"), "PRAGMA user_version"),
	    1);
	m[2].run = NULL;
	assert_int_equal(migrate(path, m, 3), OK);
	assert_int_equal(number(path, "PRAGMA user_version"), 3);
	assert_int_equal(number(path, "SELECT sum(x) FROM more"), 4);
	assert_int_equal(
	    number(path_in(&w, "history.db.before-3"), "PRAGMA user_version"),
	    2);
	/* Kept for a while, and not for ever. */
	assert_int_equal(migrate(path, m, 3), OK);
	assert_int_equal(access(path_in(&w, "history.db.before-3"), F_OK), 0);
	old.modtime = time(NULL) - 86400L * (SCHEMA_KEEP_DAYS + 1);
	assert_int_equal(utime(path_in(&w, "history.db.before-3"), &old), 0);
	assert_int_equal(migrate(path, m, 3), OK);
	assert_int_not_equal(access(path_in(&w, "history.db.before-3"), F_OK),
	    0);
	world_fini(&w);
}

/* ---- backup
 * -------------------------------------------------------------------------- */

struct outcome {
	atomic_bool done;
	atomic_int err;
};

static void
finished(void *arg, enum err err)
{
	struct outcome *o = arg;

	atomic_store(&o->err, (int)err);
	atomic_store(&o->done, true);
}

static void
wait_outcome(struct outcome *o, enum err want)
{
	const struct timespec pause = { 0, 2000000 };
	struct mono until = mono_add_ms(mono_now(), 120000);

	while (!atomic_load(&o->done)) {
		assert_true(mono_before(mono_now(), until));
		(void)nanosleep(&pause, NULL);
	}
	assert_int_equal(atomic_load(&o->err), want);
	atomic_store(&o->done, false);
}

/* While it applies, reads, merges and empties the WAL. */
static void
backup_is_a_consistent_history(void **state)
{
	struct world w;
	struct outcome o = { false, 0 };
	const char *was;
	char dir[300], path[400];
	uint64_t n = 0, copied;
	unsigned i;
	struct stat st;

	(void)state;
	world_init(&w, world_dir("backup"), 37);
	(void)snprintf(dir, sizeof(dir), "%s-copy", w.dir);
	(void)snprintf(path, sizeof(path), "%s/history.db", dir);
	small_limits(&w);
	w.text_max = 20000;
	world_open(&w);
	world_apply(&w, n = 1500, 50);
	for (i = 0; i < 4; i++) {
		world_clean(dir);
		assert_int_equal(mkdir(dir, 0700), 0);
		assert_int_equal(storage_backup(w.s, path, finished, &o), OK);
		do {
			world_apply(&w, n += 10, 10);
		} while (!atomic_load(&o.done));
		wait_outcome(&o, OK);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
		was = w.dir;
		w.dir = dir;
		world_verify(&w, OK);
		w.dir = was;
	}
	world_close(&w);
	/* The restored one goes on. */
	was = w.dir;
	w.dir = dir;
	assert_int_equal(world_try_open(&w), OK);
	copied = storage_applied(w.s);
	world_close(&w);
	assert_true(copied >= 1500 && copied <= n && copied % 10 == 0);
	world_check_records(&w, copied);
	world_open(&w);
	world_check(&w, copied);
	world_apply(&w, n, 10);
	world_check(&w, n);
	world_close(&w);
	world_verify(&w, OK);
	world_clean(dir);
	w.dir = was;
	world_fini(&w);
}

static void
backup_that_cannot_be_made_harms_nothing(void **state)
{
	struct world w;
	struct outcome o = { false, 0 };

	(void)state;
	world_init(&w, world_dir("nobackup"), 38);
	world_open(&w);
	world_apply(&w, 100, 10);
	assert_int_equal(
	    storage_backup(w.s, path_in(&w, "history.db"), finished, &o), OK);
	wait_outcome(&o, ERR_EXISTS);
	assert_int_equal(
	    storage_backup(w.s, path_in(&w, "no/such/place"), finished, &o),
	    OK);
	wait_outcome(&o, ERR_NOTFOUND);
	world_apply(&w, 200, 10);
	assert_int_equal(storage_backup(w.s, path_in(&w, "copy"), finished, &o),
	    OK);
	wait_outcome(&o, OK);
	assert_int_not_equal(access(path_in(&w, "copy.part"), F_OK), 0);
	assert_int_not_equal(access(path_in(&w, "copy-wal"), F_OK), 0);
	/* Stopping ends one that is under way, or it was through. */
	assert_int_equal(
	    storage_backup(w.s, path_in(&w, "copy2"), finished, &o), OK);
	storage_stop(w.s);
	assert_true(atomic_load(&o.done));
	assert_true(
	    atomic_load(&o.err) == OK || atomic_load(&o.err) == ERR_CLOSED);
	world_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    what_is_no_history_of_ours_is_refused_and_left_alone),
		cmocka_unit_test(a_later_schema_is_refused),
		cmocka_unit_test(a_missing_directory_is_an_error),
		cmocka_unit_test(a_changed_byte_is_found_or_means_nothing),
		cmocka_unit_test(a_short_or_holed_file_is_refused),
		cmocka_unit_test(histories_of_older_versions_are_read),
		cmocka_unit_test(migrations_are_atomic_and_begin_with_a_copy),
		cmocka_unit_test(backup_is_a_consistent_history),
		cmocka_unit_test(backup_that_cannot_be_made_harms_nothing),
	};
	const char *path = getenv("STORAGE_FIXTURE");

	if (path != NULL) {
		write_fixture(path);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
