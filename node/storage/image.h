/*
 * image: the events of one row of the table `page', in memory.
 *
 * Events stand back to back, in the order of their index, in rows that each
 * fill one page of SQLite, so that a row is always overwritten in place and
 * never moved.  Two things follow.  An event costs a copy of its bytes, a row
 * serves some ten of them.  And what is erased is gone: SQLite's
 * secure_delete clears what it frees, but when it rebalances the pages of a
 * table it leaves copies of moved rows in their unused parts (measured: after
 * random deletions one erased text in a thousand was still in the file).
 *
 * An event:  length  index  key  flags  nplaces + 16 * nshards
 *            places (conv epoch seq ord)  shards (shard epoch seq)
 *            header length, header  salt length, salt  body
 * with numbers as in pack.h, key and flags of 8 and 1 bytes.  Length 0 ends
 * the row.  An event too large for one row has several of its own.
 *
 * Threads    none.
 * Limits     IMAGE_PARTS rows an event.
 */
#ifndef NODE_STORAGE_IMAGE_H
#define NODE_STORAGE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "proto/entry.h"

/*
 * What fits into a leaf page of DB_PAGE bytes without an overflow page: the
 * usable size - 35 (SQLite's file format, "B-tree Cell Format"), less 4 for
 * the row's own header.
 */
#define DB_PAGE     4096
#define IMAGE_ROW   (DB_PAGE - 39)
#define IMAGE_ROOM  (IMAGE_ROW - 8) /* the sum comes first */
#define IMAGE_PARTS 128

struct image {
	uint64_t first; /* index in the row's number */
	unsigned parts;
	size_t used;
	uint8_t *p; /* image_size bytes, zero from `used' on, and as many to
		     * work in */
	size_t cap; /* half of what is allocated */
};

/* An event in an image; header, salt and body are views into it. */
struct stored {
	uint64_t index;
	uint64_t key; /* the first 8 bytes of its id */
	bool erased;
	uint32_t nplaces, nshards;
	struct place places[ENTRY_PLACES];
	struct place shards[ENTRY_SHARDS]; /* conv: the shard */
	struct str header, salt, body;
	size_t at, len; /* where it stands */
};

/* Big-endian, so that keys sort as ids do; the top bit is never set. */
uint64_t image_key(const struct event_id *id);

static inline size_t
image_size(const struct image *im)
{
	return im->parts * (size_t)IMAGE_ROOM;
}

void image_init(struct image *im);
void image_fini(struct image *im);

/* Makes it empty, of so many rows.  ERR_NOMEM. */
enum err image_reset(struct image *im, uint64_t first, unsigned parts) MUST_USE;

/* One row more.  ERR_NOMEM; ERR_CORRUPT: there are IMAGE_PARTS. */
enum err image_extend(struct image *im) MUST_USE;

/* How many bytes e takes; e has an event. */
size_t image_need(const struct entry *e);

/* Appends e, which fits. */
void image_add(struct image *im, const struct entry *e);

/* Counts what a row out of the file holds.  ERR_CORRUPT. */
enum err image_measure(struct image *im) MUST_USE;

/*
 * The event at *at, which moves on.  ERR_NOTFOUND: there are no more;
 * ERR_CORRUPT.
 */
enum err image_next(const struct image *im, size_t *at,
    struct stored *ev) MUST_USE;

/* ERR_NOTFOUND, ERR_CORRUPT. */
enum err image_find(const struct image *im, uint64_t idx,
    struct stored *ev) MUST_USE;

/* Overwrites salt and body with zeros. */
void image_erase(struct image *im, const struct stored *ev);

/* Takes the place in conv off; without any left the event goes. */
void image_unplace(struct image *im, struct stored *ev, uint32_t conv);

/* Everything of `from' behind what is in im, where it fits. */
void image_join(struct image *im, const struct image *from);

#endif
