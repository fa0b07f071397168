/*
 * storage: the history and the records, in SQLite.
 *
 * Events stand once, in arrival order; conversations are pointers (conv, seq)
 * to them; records are (kind, key) and a value that storage does not look
 * into.  One writer thread applies batches, each in one transaction with its
 * applied-through index (several that wait together in one), and reports them
 * when the transaction is on the disk.  A small pool of threads reads.
 *
 * Inside: image.h says how events stand in rows that are never moved, tail.h
 * and staged.h why positions and records are first only appended, merge.c how
 * they get to their places, db.h what makes a transaction durable, writer.c
 * what happens after failures.
 *
 * Idempotent: applying a batch again, or one that overlaps what was applied,
 * changes nothing.
 *
 * What a batch costs depends on its size: 8,192 events 2 us each for 100
 * mailboxes, 5 us (2.5 records an event with them) for 10,000; batches of 100
 * 7 and 13 us, of 10 some 25 us (bench/storage).
 *
 * Threads    storage_* is called by the owner (main), except storage_stats
 *            and storage_verify.
 * Limits     STORAGE_QUEUE batches and reads waiting; then ERR_BUSY.  The WAL
 *            is kept at 64 MiB, 512 MiB at the most (a reader from outside
 *            that holds a snapshot); then nothing is applied until it is
 *            gone.  The writer takes some 100 MiB under load.
 */
#ifndef NODE_STORAGE_STORAGE_H
#define NODE_STORAGE_STORAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/channel.h"
#include "base/err.h"
#include "proto/entry.h"

#define STORAGE_QUEUE    4096
#define STORAGE_READ_MAX 1000 /* entries of one read */

struct storage;

/* A record to write (value.p NULL: delete).  In the batch's own memory. */
struct storage_put {
	uint32_t kind;
	struct str key, value;
};

/* Pointers of conv up to and with seq go, and events nobody points at. */
struct storage_expire {
	uint32_t conv;
	uint64_t seq;
};

/*
 * What main hands over at once.  Filled by the batch functions below; the
 * storage's from storage_apply until it comes back through done with err set.
 * On error nothing of it was applied, and storage goes on trying the same
 * batch (once a second) before later ones; it comes back only when applied or
 * at storage_stop.  Failures are seen in storage_stats.
 */
struct storage_batch {
	struct channel_item link;
	enum err err;
	uint64_t applied; /* highest index in it */
	struct entry **entries;
	size_t nentries, entries_cap;
	struct storage_put *puts;
	size_t nputs, puts_cap;
	struct event_id *erasures; /* bodies and salts to erase */
	size_t nerasures, erasures_cap;
	struct storage_expire *expires;
	size_t nexpires, expires_cap;
	struct bytes memory; /* keys and values of puts */
	bool own;            /* of storage itself: does not come back */
};

struct storage_batch *storage_batch_new(void) MUST_USE; /* NULL: no memory */
void storage_batch_free(struct storage_batch *b);       /* NULL is allowed */

/*
 * Takes a reference to e, whose index follows the one before it.  Entries
 * without an event are only counted.  Numbers of conversations stay below
 * 2^32 - 256: the rest are the shard logs'.
 */
enum err storage_batch_entry(struct storage_batch *b, struct entry *e) MUST_USE;
/* Copies key and value; value.p NULL deletes.  Left out when all entries of
 * the batch were applied before; not when it has none. */
enum err storage_batch_put(struct storage_batch *b, uint32_t kind,
    struct str key, struct str value) MUST_USE;
enum err storage_batch_erase(struct storage_batch *b,
    const struct event_id *id) MUST_USE;
/* Of events applied by then.  Noted with the batch, done in steps later: see
 * storage_stats.removing. */
enum err storage_batch_expire(struct storage_batch *b, uint32_t conv,
    uint64_t seq) MUST_USE;

/* A page of history.  Comes back through done with entries and err set. */
enum storage_read_type {
	STORAGE_BEFORE, /* the last `limit' with seq < seq, ascending */
	STORAGE_AFTER,  /* the first `limit' with seq > seq, ascending, merged
			   over all convs in the list (one log) */
	STORAGE_EVENT,  /* the event `id', with one of its places in convs, or
			   its first place when nconvs is 0 */
	STORAGE_TIME,   /* per conv: last seq with an event older than time_ms;
			   one entry with only its place, for retention
			   (of very many a part: ask again afterwards) */
};

struct storage_read {
	struct channel_item link;
	enum storage_read_type type;
	enum err err;
	uint32_t *convs; /* the read's own, malloc'ed */
	size_t nconvs;
	uint64_t seq; /* UINT64_MAX with BEFORE: from the head */
	uint64_t time_ms;
	struct event_id id;
	uint32_t limit;
	struct entry **entries; /* the result: a reference each */
	size_t nentries;
	bool more; /* there are further ones in this direction */
	void *arg; /* the owner's */
};

struct storage_read *storage_read_new(void) MUST_USE;
void storage_read_free(struct storage_read *r); /* with its entries */

/*
 * Opens or makes the database <dir>/history.db, migrates it (a copy is made
 * before), checks it quickly.  ERR_CORRUPT: damaged or not ours;
 * ERR_UNSUPPORTED: made by a later version.  The log says what to do.
 */
enum err storage_open(struct storage **out, const char *dir,
    unsigned readers) MUST_USE;

/* Applied-through index, 0 for a new database. */
uint64_t storage_applied(const struct storage *s);

/* Before storage_start: each record once, kinds ascending. */
enum err storage_load(struct storage *s,
    enum err (
	*record)(void *arg, uint32_t kind, struct str key, struct str value),
    void *arg) MUST_USE;

/* Starts the threads.  done gets batches, done_reads reads. */
enum err storage_start(struct storage *s, struct channel *done,
    struct channel *done_reads) MUST_USE;

/* Take what they are given, until it comes back; on error it stays the
 * caller's: ERR_BUSY. */
enum err storage_apply(struct storage *s, struct storage_batch *b) MUST_USE;
enum err storage_read(struct storage *s, struct storage_read *r) MUST_USE;

/* Number of batches handed over and not back. */
unsigned storage_pending(const struct storage *s);

/*
 * A consistent copy into the file `path' (ERR_EXISTS when there is one), made
 * by the writer in small steps between batches; one at a time, a second one
 * waits, a third is ERR_BUSY.  finished is called on the writer's thread;
 * storage_stop ends one that is under way with ERR_CLOSED.
 */
enum err storage_backup(struct storage *s, const char *path,
    void (*finished)(void *arg, enum err err), void *arg) MUST_USE;

/*
 * Reads the whole database through: SQLite's integrity check, the sum of each
 * row, each event against its hash, events against positions and ids.  Opens
 * the file by itself and does not change it.  For copies and for a stopped
 * node: on the file of a running one it would hold a snapshot all the time.
 * ERR_CORRUPT: report says what; ERR_UNSUPPORTED: another schema.
 */
enum err storage_verify(const char *path, struct bytes *report) MUST_USE;

struct storage_stats {
	uint64_t applied, batches, failures, reads;
	bool failing;
	enum err why;
	bool removing; /* what was to be erased, or to expire, may still be
			* found in the files */
	uint64_t db_bytes, wal_bytes;
	uint64_t apply_us_sum, apply_us_last, checkpoint_us_last;
	uint64_t merges, merge_us_sum, merge_us_last, tail_pointers;
};
void storage_stats(struct storage *s, struct storage_stats *out);

/* Applies what was handed over (or gives up after a failed attempt each),
 * ends the threads.  Batches and reads still come back. */
void storage_stop(struct storage *s);
void storage_free(struct storage *s);

#endif
