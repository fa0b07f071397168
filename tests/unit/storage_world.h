/*
 * storage_world: a history that is made from a seed, handed to storage, and
 * known by heart, so that what comes back can be compared with it.
 *
 * Entry i is the same whenever it is made.  Each conversation is a log of its
 * own; an entry has one to three places and as many shard positions, or (one
 * in ten) no event.  With each batch come the records of the conversations in
 * it, as they are after its last entry.
 */
#ifndef TESTS_UNIT_STORAGE_WORLD_H
#define TESTS_UNIT_STORAGE_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/channel.h"
#include "base/prng.h"
#include "node/storage/inside.h"

#define WORLD_CONVS 23
#define WORLD_KIND  6 /* of records */

struct world_pointer {
	uint64_t seq, idx;
	struct place place;
	bool gone; /* expired */
};

struct world_conv {
	struct world_pointer *p; /* p[seq - 1] */
	size_t n;
	uint64_t last_idx; /* of the last entry that touched it */
};

struct world_event {
	bool exists, erased;
	struct event_id id;
	struct place places[ENTRY_PLACES];
	uint32_t nplaces;
	char *text;
	size_t text_len;
};

struct world {
	uint64_t seed;
	size_t text_max; /* bytes of the longest text */
	struct world_conv convs[WORLD_CONVS];
	uint64_t shard_seq[256];
	struct entry **entries; /* entries[i - 1]: kept to hand over again */
	struct world_event *events;
	uint64_t n, cap;
	/* storage, with the channels that lead back */
	const char *dir;
	struct storage_limits limits;
	struct storage *s;
	struct channel *done, *reads;
};

/* In the directory dir, which is emptied. */
void world_init(struct world *w, const char *dir, uint64_t seed);
void world_fini(struct world *w);

/* A directory of its own for a test; emptied, made. */
const char *world_dir(const char *name);
void world_clean(const char *dir);

enum err world_try_open(struct world *w);
void world_open(struct world *w);
void world_close(struct world *w);

/* Makes the entries up to index n. */
void world_grow(struct world *w, uint64_t n);

/* The entries from..to, in a batch with the records as they are after to. */
struct storage_batch *world_batch(struct world *w, uint64_t from, uint64_t to);

/* Hands over, asserting that it is taken. */
void world_send(struct world *w, struct storage_batch *b);
/* Until nothing is under way; every batch must have come back with want. */
void world_wait(struct world *w, enum err want);
/* Like wait, but gives up after ms; true: nothing is under way. */
bool world_wait_ms(struct world *w, enum err want, unsigned ms);
/* Everything up to n in batches of `batch'. */
void world_apply(struct world *w, uint64_t n, uint64_t batch);

/* Until the condition in storage_stats holds, but not for ever. */
void world_until(struct world *w,
    bool (*holds)(const struct storage_stats *st));
bool world_merged(const struct storage_stats *st);  /* nothing in the tail */
bool world_settled(const struct storage_stats *st); /* nothing to remove */

void world_erase(struct world *w, uint64_t idx);
void world_expire(struct world *w, uint32_t conv, uint64_t seq);

/* Reads, waits for the answer; the caller frees it. */
struct storage_read *world_read(struct world *w, enum storage_read_type type,
    const uint32_t *convs, size_t nconvs, uint64_t seq, uint32_t limit);
struct storage_read *world_find(struct world *w, const struct event_id *id,
    const uint32_t *convs, size_t nconvs);

/* Is e what was made, at this place, erased or not? */
void world_check_entry(struct world *w, const struct entry *e, uint32_t conv);

/* Pages of conversations in both directions at all borders. */
void world_check_pages(struct world *w, uint32_t conv, uint32_t limit);

/* Every conversation whole, every event by its id, up to index n. */
void world_check(struct world *w, uint64_t n);

/* Records in a closed storage, as they are after entry n. */
void world_check_records(struct world *w, uint64_t n);

/* Which texts' beginnings (1) and ends (2) are in the files of the database:
 * seen[idx - 1], for the caller to free. */
unsigned char *world_texts(const struct world *w);

/* storage_verify of the file in dir says this. */
void world_verify(const struct world *w, enum err want);

#endif
