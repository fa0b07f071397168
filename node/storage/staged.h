/*
 * staged: changed records, on their way into the table `record'.
 *
 * With each transaction comes the newest state of what changed: the heads of
 * some thousand mailboxes, whose records lie in as many pages, and soon the
 * same again.  So they are first put one after the other into a row of
 * `staged', and later, newest first, into `record' (merge.c).  Who reads all
 * records reads both.
 *
 * A row: a sum of 8 bytes, then for each kind, length of key, key, 0 for a
 * deletion or 1 + length of value, value.
 *
 * Threads    none.
 */
#ifndef NODE_STORAGE_STAGED_H
#define NODE_STORAGE_STAGED_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "node/storage/db.h"
#include "node/storage/storage.h"

#define STAGED_ROW   (4 << 20) /* bytes after which a row ends */
#define STAGED_EMPTY 8         /* bytes of a row without anything */

/* Begins a row in b. */
void staged_begin(struct bytes *b);
void staged_add(struct bytes *b, const struct storage_put *put);
/* Writes the row, when there is anything in it, and begins the next. */
enum err staged_flush(struct db *db, struct bytes *b) MUST_USE;

/*
 * The last state of each record that is in staged rows, in memory: what a
 * merge writes, and what who reads all records puts over the table.
 */
struct folded {
	struct storage_put put; /* value.p NULL: deleted; in mem */
	char *mem;
	size_t cap;
};

struct fold {
	struct folded *rec;
	size_t n, cap;
	uint32_t *slots; /* open addressing: 0 is free, else 1 + index */
	size_t nslots;   /* a power of two, more than 2 * n */
	uint64_t bytes;  /* of all mem */
};

int fold_cmp(uint32_t kind_a, struct str key_a, uint32_t kind_b,
    struct str key_b);

/* Copies; ERR_NOMEM: it has lost this one. */
enum err fold_put(struct fold *f, const struct storage_put *put) MUST_USE;

/* By (kind, key).  ERR_NOMEM. */
enum err fold_sort(struct fold *f) MUST_USE;

/* Of all rows there are.  ERR_CORRUPT. */
enum err fold_load(struct fold *f, struct db *db) MUST_USE;
void fold_free(struct fold *f);

/* The sum that stands with a record. */
uint64_t record_sum(uint32_t kind, struct str key, struct str value);

/* The row of DB_RECORD_ALL; views until it steps on.  ERR_CORRUPT. */
enum err record_read(struct db *db, struct storage_put *put) MUST_USE;

#endif
