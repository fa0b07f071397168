/*
 * cache: the recent entries of each log, in memory.
 *
 * Each log has a window of contiguous positions up to its head.  Entries that
 * storage has not applied yet are never evicted, so cache and storage together
 * see everything; those beyond are kept within a budget of bytes, the least
 * recently used log first, and at most `per_log' a log.
 *
 * Ownership  holds a reference to each entry; results are borrowed until the
 *            next call on the cache (take entry_ref to keep one).
 * Threads    none: main's.
 * Limits     the budget, plus what is not applied (bounded by the queue).
 */
#ifndef NODE_CACHE_CACHE_H
#define NODE_CACHE_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/entry.h"

struct cache;

/* One entry as seen in one log. */
struct cache_item {
	struct entry *entry;
	const struct place *place; /* of entry, in this log */
};

struct cache *cache_new(uint64_t budget_bytes, uint32_t per_log) MUST_USE;
void cache_free(struct cache *c); /* NULL is allowed */

/*
 * Position place[i] of e in log.  The window starts anew when it is not the
 * next one after the last.  ERR_NOMEM.
 */
enum err cache_put(struct cache *c, uint32_t log, struct entry *e,
    unsigned place) MUST_USE;

/* Entries up to index are in storage: they may be evicted. */
void cache_applied(struct cache *c, uint64_t index);

/* Forgets the log (a room that was removed). */
void cache_forget(struct cache *c, uint32_t log);

/* Drops the items of the log up to seq (retention), as far as applied. */
void cache_forget_upto(struct cache *c, uint32_t log, uint64_t seq);

/* First position of the window; 0: nothing of this log is cached. */
uint64_t cache_first(struct cache *c, uint32_t log);

/*
 * Up to n items with seq > after, ascending; conv 0: of the whole log, else
 * only of this conversation.  Returns how many, or -1 when the window does
 * not reach down to after + 1.
 */
int cache_after(struct cache *c, uint32_t log, uint32_t conv, uint64_t after,
    struct cache_item *out, int n);

/*
 * The last up to n items with seq < before, ascending.  *complete: nothing
 * older exists that storage would have to give (n were found, or the window
 * starts at position 1).
 */
int cache_before(struct cache *c, uint32_t log, uint32_t conv, uint64_t before,
    struct cache_item *out, int n, bool *complete);

/* The event with this id in the log's window, false when not there. */
bool cache_find(struct cache *c, uint32_t log, const struct event_id *id,
    struct cache_item *out);

/* Puts e (an erased copy) in the place of the entry with its index. */
void cache_replace(struct cache *c, uint32_t log, struct entry *e);

struct cache_stats {
	uint64_t budget, bytes, entries, logs, hits, misses, evicted;
	uint64_t room; /* entries that memory is there for */
};
void cache_stats(const struct cache *c, struct cache_stats *out);

/* Counts a look-up: hit when storage was not needed. */
void cache_count(struct cache *c, bool hit);

#endif
