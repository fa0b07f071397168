/*
 * queue: the journal, the node's one durable write path.
 *
 * One thread appends entries to preallocated segment files and makes them
 * durable with one fdatasync a batch: whatever arrived while the last commit
 * ran forms the next one.  Committed items come back in order through the
 * `done' channel.  It does not look into the entries.
 *
 * Failure  A failed commit has an unknown outcome: its segment is never
 *          synced again.  Every item not yet returned, and every later one
 *          that still carries the old term, comes back in order with an
 *          error; then a struct queue_item of type QUEUE_FAILED follows with
 *          the new term and the index at which to go on.  The thread tries
 *          once a second to open a new segment at the last durable position,
 *          which supersedes what follows there, and sends QUEUE_RECOVERED
 *          when that has succeeded; until then queue_submit refuses.
 * Limits   Bytes and entries not yet trimmed, and bytes in flight, as
 *          configured.  Past them queue_submit returns ERR_QUEUE_FULL.
 * Disk     At most max_bytes and one segment.  A reserve file is given up
 *          when the disk is full, so that storage can apply and trim; it is
 *          taken again afterwards.
 * Threads  queue_* is called by the owner (main), except queue_stats, which
 *          any thread may call.
 */
#ifndef NODE_QUEUE_QUEUE_H
#define NODE_QUEUE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/channel.h"
#include "base/err.h"
#include "base/mono.h"

enum queue_item_type {
	QUEUE_ENTRY,     /* a submitted item; err says what became of it */
	QUEUE_FAILED,    /* made by the queue: go on at index with term */
	QUEUE_RECOVERED, /* made by the queue: submit again */
};

struct queue_item {
	struct channel_item link; /* first: items travel through channels */
	enum queue_item_type type;
	enum err err;    /* set by the queue */
	uint32_t term;   /* of the submitter, see QUEUE_FAILED */
	uint64_t index;  /* contiguous */
	struct str data; /* borrowed until the item comes back */
	struct mono submitted, committed;
};

struct queue_config {
	const char *dir;        /* exists; segments are made in it */
	uint64_t segment_bytes; /* 64 MiB by default */
	uint64_t max_bytes;     /* not trimmed, on disk */
	uint64_t max_entries;   /* not trimmed */
	uint64_t max_inflight;  /* bytes submitted and not returned */
	uint64_t reserve_bytes;
	uint32_t batch_bytes; /* most of one commit, 4 MiB */
};

struct queue;

/*
 * Opens the journal, cuts a torn tail (says so in the log) and calls replay,
 * in order, for each entry with an index above `applied'.  data is borrowed
 * for the call; an error returned by replay ends the opening with it.
 * ERR_CORRUPT: damage before the tail, or a gap after `applied': the log says
 * which segment and offset.  The items between are never skipped in silence.
 */
enum err queue_open(struct queue **out, const struct queue_config *cfg,
    uint64_t applied,
    enum err (*replay)(void *arg, uint64_t index, struct str data),
    void *arg) MUST_USE;

/* The index that the next submitted item must have, and its term. */
uint64_t queue_next_index(const struct queue *q);
uint32_t queue_term(const struct queue *q);

/* Starts the thread.  done is borrowed until queue_stop. */
enum err queue_start(struct queue *q, struct channel *done) MUST_USE;

/*
 * Whether n more entries of `bytes' in all would be taken now: OK,
 * ERR_QUEUE_FULL or ERR_QUEUE_UNAVAILABLE.
 */
enum err queue_room(struct queue *q, uint64_t n, uint64_t bytes) MUST_USE;

/* True while use is above three quarters of a limit: slow the gateways. */
bool queue_pressed(struct queue *q);

/*
 * Takes the item (a struct queue_item embedded first in the caller's own);
 * it comes back through done.  Items become visible to the thread together
 * at queue_flush, which the owner calls at the end of its loop turn.
 */
enum err queue_submit(struct queue *q, struct queue_item *it) MUST_USE;
void queue_flush(struct queue *q);

/* Entries up to index are durable in storage: segments may be unlinked. */
void queue_trim(struct queue *q, uint64_t index);

/* While held, nothing is trimmed (backup). */
void queue_hold(struct queue *q, bool hold);

struct queue_stats {
	bool available;
	enum err why; /* when not available: what the disk said */
	uint64_t entries, bytes, inflight_bytes; /* not trimmed; in flight */
	uint64_t disk_bytes, segments;
	uint64_t committed, commits, failures; /* since start */
	uint64_t durable_index, trimmed_index;
	uint64_t commit_us_sum, commit_us_last, commit_us_max;
	uint64_t commit_us_hist[24]; /* [i]: commits below 2^i us */
};
void queue_stats(struct queue *q, struct queue_stats *out);

/* Commits what was submitted, ends the thread.  Items still come back. */
void queue_stop(struct queue *q);
void queue_free(struct queue *q); /* after queue_stop; NULL is allowed */

#endif
