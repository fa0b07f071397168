/*
 * tail: the pointers and keys of the latest events, in memory.
 *
 * A position of one of ten thousand mailboxes lands in a page of its own, so
 * putting pointers into the database with each transaction writes a page for
 * each of them.  Instead the events of a transaction make a run, sorted
 * arrays in memory, and merge.c puts many runs into the database at once,
 * when several pointers go to each page.  Nothing needs to be saved for that:
 * events stand in `page' with their places, from which the tail is built
 * again at start (events above the merged-through index).
 *
 * A tail is a list of runs that never changes once it was published; readers
 * hold a reference to it.
 *
 * Threads    what is published may be read by any that holds a reference.
 * Limits     merge.c keeps it within limits.
 */
#ifndef NODE_STORAGE_TAIL_H
#define NODE_STORAGE_TAIL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "node/storage/image.h"
#include "node/storage/pointer.h"

#define TAIL_RUNS 64 /* then they are made one */

struct event_key {
	uint64_t key, index; /* key: image_key of the event's id */
};

struct run {
	atomic_uint refs;
	uint64_t last; /* highest index in it */
	struct pointer *pointers;
	size_t npointers, pointers_cap;
	struct event_key *keys;
	size_t nkeys, keys_cap;
};

struct tail {
	atomic_uint refs;
	size_t npointers, nkeys; /* in all runs */
	unsigned nruns;
	struct run *runs[TAIL_RUNS];
};

/* NULL: no memory. */
struct run *run_new(void) MUST_USE;
struct run *run_ref(struct run *r);
void run_unref(struct run *r); /* NULL is allowed */

/* Room for so many more.  ERR_NOMEM. */
enum err run_reserve(struct run *r, size_t npointers, size_t nkeys) MUST_USE;

/* For an event; there is room. */
void run_add(struct run *r, uint64_t index, uint64_t key,
    const struct place *places, uint32_t nplaces);
void run_add_shard(struct run *r, uint64_t index, uint32_t shard,
    uint32_t epoch, uint64_t seq);

/*
 * Memory to sort in, kept for the next time: touching fresh pages costs more
 * than sorting what is in them.
 */
struct scratch {
	struct pointer *p;
	size_t cap;
};
void scratch_free(struct scratch *sc);

/* Sorts; from then on it is not changed.  ERR_NOMEM. */
enum err run_finish(struct run *r, struct scratch *sc) MUST_USE;

/* The first pointer of conv with seq >= seq, or one past the last one. */
size_t run_seek(const struct run *r, uint32_t conv, uint64_t seq);

/* An empty one.  NULL: no memory. */
struct tail *tail_new(void) MUST_USE;
struct tail *tail_ref(struct tail *t);
void tail_unref(struct tail *t); /* NULL is allowed */

/*
 * One that has r as well.  When there are TAIL_RUNS, those with events above
 * index `merging' are made one; the others are being put into the database,
 * and stay apart so that they can go together.  NULL: no memory.
 */
struct tail *tail_with(const struct tail *t, struct run *r, uint64_t merging,
    struct scratch *sc) MUST_USE;

/* One without the runs up to index `last'.  NULL: no memory. */
struct tail *tail_without(const struct tail *t, uint64_t last) MUST_USE;

/* All of its runs in one.  ERR_NOMEM. */
enum err tail_flatten(struct run **out, const struct tail *t,
    struct scratch *sc) MUST_USE;

#endif
