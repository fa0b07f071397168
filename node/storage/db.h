/*
 * db: one connection to the database, with its prepared statements.
 *
 * Every connection belongs to one thread.  Errors of SQLite become enum err;
 * the text stays in the connection for the log.
 *
 * Durability  WAL with synchronous=FULL: COMMIT returns after the WAL is on
 *             the disk, so what was committed may leave the journal; the
 *             checkpoint is a matter of space only.  One fdatasync for some
 *             thousands of events is nothing, and after a failed one SQLite
 *             writes the same frames again.
 */
#ifndef NODE_STORAGE_DB_H
#define NODE_STORAGE_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define DB_WRITER_CACHE_KIB 32768
#define DB_READER_CACHE_KIB 8192
#define DB_BUSY_MS          250 /* a checkpoint waits so long for readers */

/* X(constant, SQL) */
#define DB_STATEMENTS(X)                                                       \
	X(BEGIN, "BEGIN")                                                      \
	X(BEGIN_WRITE, "BEGIN IMMEDIATE")                                      \
	X(COMMIT, "COMMIT")                                                    \
	X(META_GET, "SELECT value, sum FROM meta WHERE key = ?")               \
	X(META_PUT, "REPLACE INTO meta VALUES (?, ?, ?)")                      \
	X(PAGE_AT, "SELECT n, data FROM page WHERE n <= ?"                     \
		   " ORDER BY n DESC LIMIT 1")                                 \
	X(PAGE_FROM, "SELECT n, data FROM page WHERE n >= ? ORDER BY n")       \
	X(PAGE_GET, "SELECT data FROM page WHERE n = ?")                       \
	X(PAGE_NEW, "INSERT INTO page VALUES (?, ?)")                          \
	X(PAGE_SET, "UPDATE page SET data = ?2 WHERE n = ?1")                  \
	X(PAGE_DELETE, "DELETE FROM page WHERE n = ?")                         \
	X(PLACE_BEFORE, "SELECT seq, data FROM place"                          \
			" WHERE conv = ? AND seq < ? ORDER BY seq DESC")       \
	X(PLACE_FROM, "SELECT seq, data FROM place"                            \
		      " WHERE conv = ? AND seq >= ? ORDER BY seq")             \
	X(PLACE_START, "SELECT max(seq) FROM place"                            \
		       " WHERE conv = ? AND seq <= ?")                         \
	X(PLACE_ALL, "SELECT conv, seq, data FROM place ORDER BY conv, seq")   \
	X(PLACE_PUT, "REPLACE INTO place VALUES (?, ?, ?)")                    \
	X(PLACE_DELETE, "DELETE FROM place WHERE conv = ? AND seq = ?")        \
	X(ID_GET, "SELECT idx FROM event_id WHERE key = ?")                    \
	X(ID_BELOW, "SELECT key, idx FROM event_id WHERE key < ?"              \
		    " ORDER BY key DESC, idx DESC LIMIT 1")                    \
	X(ID_ALL, "SELECT key, idx FROM event_id")                             \
	X(ID_PUT, "INSERT OR IGNORE INTO event_id VALUES (?, ?)")              \
	X(ID_DELETE, "DELETE FROM event_id WHERE key = ? AND idx = ?")         \
	X(RECORD_ALL, "SELECT kind, key, value, sum FROM record"               \
		      " ORDER BY kind, key")                                   \
	X(RECORD_PUT, "REPLACE INTO record VALUES (?, ?, ?, ?)")               \
	X(RECORD_DELETE, "DELETE FROM record WHERE kind = ? AND key = ?")      \
	X(STAGED_PUT, "INSERT INTO staged(data) VALUES (?)")                   \
	X(STAGED_ALL, "SELECT data FROM staged ORDER BY n")                    \
	X(STAGED_SUMMARY, "SELECT count(*), coalesce(sum(length(data)), 0),"   \
			  " coalesce(max(n), 0) FROM staged")                  \
	X(STAGED_DELETE, "DELETE FROM staged WHERE n <= ?")                    \
	X(EXPIRE_PUT,                                                          \
	    "INSERT INTO expire VALUES (?, ?, ?)"                              \
	    " ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)")         \
	X(EXPIRE_FIRST, "SELECT conv, idx, seq FROM expire"                    \
			" ORDER BY idx LIMIT 1")                               \
	X(EXPIRE_DELETE, "DELETE FROM expire WHERE conv = ? AND idx = ?")

enum db_statement {
#define X(constant, sql) DB_##constant,
	DB_STATEMENTS(X)
#undef X
	    DB_STATEMENT_COUNT
};

struct db {
	sqlite3 *sql; /* NULL: not open */
	sqlite3_stmt *st[DB_STATEMENT_COUNT];
};

enum db_mode {
	DB_WRITER,
	DB_READER,
	DB_INSPECT, /* a file that nobody uses: nothing is written beside it */
};

/*
 * Opens; the file exists (DB_WRITER makes it, mode 0600).  On error, too, the
 * caller closes it with db_close.
 */
enum err db_open(struct db *db, const char *path, enum db_mode mode) MUST_USE;

/* Once the schema is there. */
enum err db_prepare(struct db *db) MUST_USE;

void db_close(struct db *db);

/* What an error code of SQLite means for us. */
enum err db_err(int rc);

/* The text of the last failure, for the log.  Borrowed until the next call. */
const char *db_text(const struct db *db);

/* Runs some SQL of ours. */
enum err db_exec(struct db *db, const char *sql) MUST_USE;

/* The first column of the first row; ERR_NOTFOUND: no row. */
enum err db_number(struct db *db, const char *sql, int64_t *out) MUST_USE;

/* ---- statements -----------------------------------------------------------
 */

static inline void
db_bind(sqlite3_stmt *st, int i, uint64_t v)
{
	(void)sqlite3_bind_int64(st, i, (sqlite3_int64)v);
}

/* Borrows p until the statement is reset. */
static inline void
db_bind_blob(sqlite3_stmt *st, int i, const void *p, size_t n)
{
	(void)sqlite3_bind_blob64(st, i, n > 0 ? p : "", n, SQLITE_STATIC);
}

/* Next row: OK, or ERR_NOTFOUND when there is none.  Reset by the caller. */
enum err db_row(struct db *db, enum db_statement which) MUST_USE;

/* To the end, for statements without rows; resets. */
enum err db_run(struct db *db, enum db_statement which) MUST_USE;

void db_reset(struct db *db, enum db_statement which);

/* Ends the transaction, whatever happened in it. */
void db_rollback(struct db *db);

/* ---- the table meta --------------------------------------------------------
 */

/* ERR_NOTFOUND, ERR_CORRUPT. */
enum err db_meta_get(struct db *db, const char *key, uint64_t *value) MUST_USE;
enum err db_meta_put(struct db *db, const char *key, uint64_t value) MUST_USE;

#endif
