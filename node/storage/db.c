/*
 * db: see db.h.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/storage/db.h"
#include "node/storage/image.h"
#include "node/storage/pack.h"

static const char *const statements[] = {
#define X(constant, sql) [DB_##constant] = (sql),
	DB_STATEMENTS(X)
#undef X
};

enum err
db_err(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return OK;
	case SQLITE_NOMEM:
		return ERR_NOMEM;
	case SQLITE_FULL:
		return ERR_NOSPACE;
	case SQLITE_READONLY:
		return ERR_READONLY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* SQL of ours over a schema that is not ours */
		return ERR_CORRUPT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_BUSY;
	case SQLITE_TOOBIG:
		return ERR_TOO_LARGE;
	case SQLITE_NOTFOUND:
		return ERR_NOTFOUND;
	default:
		return ERR_IO;
	}
}

/*
 * The mode is set before there is anything in the file; SQLite gives the
 * WAL beside it the same.
 */
static enum err
db_make(const char *path)
{
	int fd, err;

	if ((fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) == -1) {
		err = errno;
		return err_from_errno(err);
	}
	(void)close(fd);
	return OK;
}

static enum err
db_setup(struct db *db, enum db_mode mode)
{
	char sql[256];

	(void)sqlite3_extended_result_codes(db->sql, 1);
	(void)sqlite3_busy_timeout(db->sql, DB_BUSY_MS);
	(void)sqlite3_db_config(db->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(db->sql, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0,
	    NULL);
	if (mode == DB_INSPECT)
		return OK;
	/*
	 * No memory map: an I/O error in one is a SIGBUS.  Checkpoints are the
	 * writer's.  secure_delete is switched on where bodies are freed.
	 */
	(void)snprintf(sql, sizeof(sql),
	    "PRAGMA page_size = %d; PRAGMA journal_mode = WAL;"
	    " PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"
	    " PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;"
	    " PRAGMA secure_delete = FAST; PRAGMA cache_size = -%d;"
	    " PRAGMA query_only = %d",
	    DB_PAGE,
	    mode == DB_WRITER ? DB_WRITER_CACHE_KIB : DB_READER_CACHE_KIB,
	    mode == DB_READER);
	return db_exec(db, sql);
}

/*
 * A file that nobody writes is opened as immutable, so that nothing appears
 * beside it; but when it has a WAL, that belongs to it.
 */
static enum err
db_open_inspect(struct db *db, const char *path)
{
	char uri[3 * PATH_MAX + 32], *q = uri;
	const char *p;
	struct stat st;
	bool wal;

	if (strlen(path) >= PATH_MAX - 4)
		return ERR_INVALID;
	(void)snprintf(uri, sizeof(uri), "%s-wal", path);
	wal = stat(uri, &st) == 0 && st.st_size > 0;
	q += sprintf(q, "file:");
	for (p = path; *p != '\0'; p++) {
		if (*p == '?' || *p == '#' || *p == '%')
			q += sprintf(q, "%%%02x", (unsigned char)*p);
		else
			*q++ = *p;
	}
	(void)sprintf(q, "%s", wal ? "" : "?immutable=1");
	return db_err(sqlite3_open_v2(uri, &db->sql,
	    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READONLY | SQLITE_OPEN_URI,
	    NULL));
}

enum err
db_open(struct db *db, const char *path, enum db_mode mode)
{
	enum err err;

	memset(db, 0, sizeof(*db));
	if (mode == DB_WRITER && (err = db_make(path)) != OK)
		return err;
	if (mode == DB_INSPECT)
		err = db_open_inspect(db, path);
	else
		err = db_err(sqlite3_open_v2(path, &db->sql,
		    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE, NULL));
	return err == OK ? db_setup(db, mode) : err;
}

enum err
db_prepare(struct db *db)
{
	int i, rc;

	for (i = 0; i < DB_STATEMENT_COUNT; i++) {
		rc = sqlite3_prepare_v3(db->sql, statements[i], -1,
		    SQLITE_PREPARE_PERSISTENT, &db->st[i], NULL);
		if (rc != SQLITE_OK)
			return db_err(rc);
	}
	return OK;
}

void
db_close(struct db *db)
{
	int i;

	for (i = 0; i < DB_STATEMENT_COUNT; i++)
		(void)sqlite3_finalize(db->st[i]);
	(void)sqlite3_close_v2(db->sql);
	memset(db, 0, sizeof(*db));
}

const char *
db_text(const struct db *db)
{
	return db->sql != NULL ? sqlite3_errmsg(db->sql) : "not open";
}

enum err
db_exec(struct db *db, const char *sql)
{
	return db_err(sqlite3_exec(db->sql, sql, NULL, NULL, NULL));
}

enum err
db_number(struct db *db, const char *sql, int64_t *out)
{
	sqlite3_stmt *st;
	int rc;

	rc = sqlite3_prepare_v2(db->sql, sql, -1, &st, NULL);
	if (rc != SQLITE_OK)
		return db_err(rc);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	return rc == SQLITE_DONE ? ERR_NOTFOUND : db_err(rc);
}

enum err
db_row(struct db *db, enum db_statement which)
{
	int rc = sqlite3_step(db->st[which]);

	return rc == SQLITE_DONE ? ERR_NOTFOUND : db_err(rc);
}

enum err
db_run(struct db *db, enum db_statement which)
{
	int rc;

	(void)sqlite3_step(db->st[which]);
	rc = sqlite3_reset(db->st[which]);
	return db_err(rc);
}

void
db_reset(struct db *db, enum db_statement which)
{
	(void)sqlite3_reset(db->st[which]);
}

void
db_rollback(struct db *db)
{
	int i;

	for (i = 0; i < DB_STATEMENT_COUNT; i++)
		(void)sqlite3_reset(db->st[i]);
	if (db->sql != NULL && sqlite3_get_autocommit(db->sql) == 0)
		(void)sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
}

static uint64_t
meta_sum(const char *key, uint64_t value)
{
	return sum_bytes(value, key, strlen(key));
}

enum err
db_meta_get(struct db *db, const char *key, uint64_t *value)
{
	sqlite3_stmt *st = db->st[DB_META_GET];
	enum err err;
	uint64_t sum = 0;

	(void)sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
	if ((err = db_row(db, DB_META_GET)) == OK) {
		*value = (uint64_t)sqlite3_column_int64(st, 0);
		sum = (uint64_t)sqlite3_column_int64(st, 1);
		if (sum != meta_sum(key, *value))
			err = ERR_CORRUPT;
	}
	db_reset(db, DB_META_GET);
	return err;
}

enum err
db_meta_put(struct db *db, const char *key, uint64_t value)
{
	sqlite3_stmt *st = db->st[DB_META_PUT];

	(void)sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
	db_bind(st, 2, value);
	db_bind(st, 3, meta_sum(key, value));
	return db_run(db, DB_META_PUT);
}
