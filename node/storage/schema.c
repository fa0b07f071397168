/*
 * schema: see schema.h.
 */
#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/logger.h"
#include "base/mono.h"
#include "node/storage/copy.h"
#include "node/storage/schema.h"

#define BOX "storage"

/*
 * page      the events, in the order of their index: image.h, page.h
 * place     their positions by conversation: pointer.h
 * event_id  the first 8 bytes of their ids
 *           (place and event_id: of events up to meta.merged only, tail.h)
 * record    objects of the registry, a sum of each
 * staged    changes of records not yet in `record', one row a transaction
 * expire    positions that are to go, of events up to idx
 * meta      applied, merged: indexes
 */
static const char schema_1[] =
    "CREATE TABLE page (n INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE place (conv INTEGER NOT NULL, seq INTEGER NOT NULL,"
    " data BLOB NOT NULL, PRIMARY KEY (conv, seq)) WITHOUT ROWID;"
    "CREATE TABLE event_id (key INTEGER NOT NULL, idx INTEGER NOT NULL,"
    " PRIMARY KEY (key, idx)) WITHOUT ROWID;"
    "CREATE TABLE record (kind INTEGER NOT NULL, key BLOB NOT NULL,"
    " value BLOB NOT NULL, sum INTEGER NOT NULL,"
    " PRIMARY KEY (kind, key)) WITHOUT ROWID;"
    "CREATE TABLE staged (n INTEGER PRIMARY KEY,"
    " data BLOB NOT NULL);"
    "CREATE TABLE expire (conv INTEGER NOT NULL, idx INTEGER NOT NULL,"
    " seq INTEGER NOT NULL, PRIMARY KEY (conv, idx)) WITHOUT ROWID;"
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL,"
    " sum INTEGER NOT NULL) WITHOUT ROWID;";

const struct migration schema_migrations[] = {
	{ schema_1, NULL },
};
const unsigned schema_version =
    sizeof(schema_migrations) / sizeof(schema_migrations[0]);

static enum err
migrate_once(struct db *db, const struct migration *m, unsigned version)
{
	char sql[80];
	enum err err;

	if ((err = db_exec(db, "BEGIN IMMEDIATE")) != OK)
		return err;
	if (m->sql != NULL)
		err = db_exec(db, m->sql);
	if (err == OK && m->run != NULL)
		err = m->run(db);
	(void)snprintf(sql, sizeof(sql),
	    "PRAGMA user_version = %u; PRAGMA application_id = %d; COMMIT",
	    version, SCHEMA_APPLICATION);
	if (err == OK)
		err = db_exec(db, sql);
	if (err != OK) {
		log_alert(BOX, "migration failed to=%u err=%s text=%s", version,
		    err_code(err), db_text(db));
		db_rollback(db);
	}
	return err;
}

/* Copies of former migrations that were kept long enough.  They also hold
 * what was erased since. */
static void
remove_old_copies(const char *path)
{
	char dir[PATH_MAX], base[PATH_MAX], name[2 * PATH_MAX];
	struct dirent *e;
	struct stat st;
	DIR *d;
	int n;

	(void)snprintf(dir, sizeof(dir), "%s", path);
	n = snprintf(base, sizeof(base), "%s.before-", path);
	if (n < 0 || (size_t)n >= sizeof(base) ||
	    (d = opendir(dirname(dir))) == NULL)
		return;
	while ((e = readdir(d)) != NULL) {
		(void)snprintf(name, sizeof(name), "%s/%s", dir, e->d_name);
		if (strncmp(name, base, (size_t)n) == 0 &&
		    stat(name, &st) == 0 &&
		    (uint64_t)st.st_mtime + SCHEMA_KEEP_DAYS * 86400 <
			wall_ms() / 1000) {
			log_info(BOX, "old copy removed path=%s", name);
			(void)unlink(name);
		}
	}
	(void)closedir(d);
}

static enum err
snapshot(struct db *db, const char *path, unsigned to)
{
	char copy[PATH_MAX];
	enum err err;
	int n;

	n = snprintf(copy, sizeof(copy), "%s.before-%u", path, to);
	if (n < 0 || (size_t)n >= sizeof(copy))
		return ERR_INVALID;
	/* One that is there is from a migration that failed: still good, but
	 * the database may have gone on since. */
	(void)unlink(copy);
	if ((err = copy_whole(db, copy)) == OK)
		log_notice(BOX, "copied before migration path=%s", copy);
	else
		log_alert(BOX, "no copy, so no migration path=%s err=%s", copy,
		    err_code(err));
	return err;
}

/* Whether the file is a database, and ours.  *version 0: empty. */
static enum err
identify(struct db *db, unsigned *version)
{
	int64_t tables, application, v;
	enum err err;

	if ((err = db_number(db, "SELECT count(*) FROM sqlite_schema",
		 &tables)) != OK ||
	    (err = db_number(db, "PRAGMA application_id", &application)) !=
		OK ||
	    (err = db_number(db, "PRAGMA user_version", &v)) != OK)
		return err;
	*version = (unsigned)v;
	if (tables == 0 && v == 0)
		return OK;
	if (application != SCHEMA_APPLICATION || v <= 0 || v > UINT16_MAX)
		return ERR_CORRUPT;
	return OK;
}

static enum err
quick_check(struct db *db)
{
	int64_t pages;
	sqlite3_stmt *st;
	enum err err;

	if ((err = db_number(db, "PRAGMA page_count", &pages)) != OK ||
	    pages > SCHEMA_CHECK_BYTES / 4096)
		return err;
	err = db_err(sqlite3_prepare_v2(db->sql, "PRAGMA quick_check(1)", -1,
	    &st, NULL));
	if (err != OK)
		return err;
	if ((err = db_err(sqlite3_step(st))) == OK &&
	    strcmp((const char *)sqlite3_column_text(st, 0), "ok") != 0) {
		log_alert(BOX, "check found text=%s",
		    (const char *)sqlite3_column_text(st, 0));
		err = ERR_CORRUPT;
	}
	(void)sqlite3_finalize(st);
	return err;
}

enum err
schema_open(struct db *db, const char *path, const struct migration *migrations,
    unsigned n)
{
	unsigned version = 0;
	enum err err;

	if ((err = identify(db, &version)) != OK)
		return err;
	if (version > n) {
		log_alert(BOX,
		    "made by a later version path=%s schema=%u"
		    " known=%u: install that version again, or restore a"
		    " backup made by this one",
		    path, version, n);
		return ERR_UNSUPPORTED;
	}
	if (version > 0 && (err = quick_check(db)) != OK)
		return err;
	remove_old_copies(path);
	if (version > 0 && version < n && (err = snapshot(db, path, n)) != OK)
		return err;
	for (; version < n; version++) {
		err = migrate_once(db, &migrations[version], version + 1);
		if (err != OK)
			return err;
		if (version > 0)
			log_notice(BOX, "migrated schema=%u", version + 1);
	}
	return OK;
}
