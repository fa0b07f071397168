/*
 * writer: the thread that changes the database.
 *
 * apply.c takes a group of batches in, merge.c puts what was only appended
 * where it belongs, expire.c takes old positions out; each in transactions of
 * bounded size, with the batches first.  writer.c decides what is next, keeps
 * the WAL small, and goes on after failures.
 *
 * Threads    everything here is the writer's, but for writer_open and
 *            writer_close, which come before and after the thread.
 */
#ifndef NODE_STORAGE_WRITER_H
#define NODE_STORAGE_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mono.h"
#include "node/storage/copy.h"
#include "node/storage/db.h"
#include "node/storage/image.h"
#include "node/storage/shared.h"
#include "node/storage/staged.h"
#include "node/storage/tail.h"

/* Positions, keys and records up to a point, on the way into their tables. */
struct merge {
	bool active;
	struct run *run;
	struct fold fold;
	uint64_t staged_last;                 /* row of staged */
	size_t pointers_at, keys_at, puts_at; /* done up to there */
	struct mono since;
};

struct writer {
	struct shared *sh;
	struct db db;
	struct image image, other; /* to work in */
	struct bytes row;          /* likewise */
	struct scratch scratch;    /* likewise */
	struct tail *tail;         /* the published one */
	struct merge merge;
	uint64_t applied, merged; /* as in the database */
	struct fold fold; /* of the rows in staged that no merge works on */
	bool fold_stale;  /* memory was short: it lacks something */
	uint64_t staged_bytes, staged_rows, staged_last;
	uint32_t wal_pages;  /* in use, as of the last commit */
	struct mono wal_at;  /* not before: readers were in the way */
	bool expiring;       /* the table expire has rows */
	uint64_t expire_idx; /* none of them waits for less to be merged */
	bool erased;         /* texts erased since the WAL was emptied */
	struct mono erased_since;
	bool failing, broken; /* broken: the connection is not to be trusted */
	struct mono retry_at;
	struct storage_batch *head, *last; /* handed over, not applied */
	struct copy copy;
	struct backup_job *backup; /* under way */
};

/* ERR_CORRUPT, ERR_UNSUPPORTED and others; has said why. */
enum err writer_open(struct writer *w, struct shared *sh) MUST_USE;
void writer_close(struct writer *w);
void *writer_thread(void *arg);

/* Makes t the tail; takes it. */
void writer_publish(struct writer *w, struct tail *t);

/* Something was erased: the WAL is to be emptied. */
void writer_erased(struct writer *w);
/* Tells storage_stats whether there is anything to remove. */
void writer_removing(struct writer *w);

/* Applies the first n batches of the list in one transaction. */
enum err apply_group(struct writer *w, unsigned n) MUST_USE;

bool merge_due(const struct writer *w);
/* Begins one when none is under way, and does a part of it. */
enum err merge_step(struct writer *w) MUST_USE;
void merge_abort(struct writer *w);

/* A part of the expiry that waits longest, when it may run. */
bool expire_due(const struct writer *w);
enum err expire_step(struct writer *w) MUST_USE;
enum err expire_reload(struct writer *w) MUST_USE;

#endif
