/*
 * lookup: finding events by id and by position, in the tail and in the
 * database together.
 *
 * Whoever reads takes its reference to the tail first and the database's
 * snapshot after it (by the first statement in a transaction): what the tail
 * lacks by then is in the database, and what is in both is the same.
 *
 * Threads    that of the connection.
 */
#ifndef NODE_STORAGE_LOOKUP_H
#define NODE_STORAGE_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "node/storage/db.h"
#include "node/storage/image.h"
#include "node/storage/tail.h"

/*
 * The event with this id: leaves it in im and ev; *out, if not NULL, gets a
 * reference to it.  newest is a run not yet in the tail, or NULL.
 * ERR_NOTFOUND.
 */
enum err lookup_event(struct db *db, const struct tail *t,
    const struct run *newest, const struct event_id *id, struct image *im,
    struct stored *ev, struct event **out) MUST_USE;

/* The index of the event with the greatest id made before time_ms; 0: none. */
enum err lookup_time(struct db *db, const struct tail *t, uint64_t time_ms,
    uint64_t *idx) MUST_USE;

/* Pointers found, without doubles, in the order of seq. */
struct found {
	struct pointer *p;
	size_t n, cap;
};
void found_free(struct found *f);

/*
 * Adds the pointers of conv next to seq, at least as many as `limit' when
 * there are so many: those above seq, or those below.
 */
enum err lookup_after(struct found *f, struct db *db, const struct tail *t,
    uint32_t conv, uint64_t seq, size_t limit) MUST_USE;
enum err lookup_before(struct found *f, struct db *db, const struct tail *t,
    uint32_t conv, uint64_t seq, size_t limit) MUST_USE;

/* Sorts by seq, takes doubles off, and leaves the first or last `limit'. */
void found_first(struct found *f, size_t limit);
void found_last(struct found *f, size_t limit);

#endif
