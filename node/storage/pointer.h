/*
 * pointer: where a position of a log leads to, and how pointers stand in the
 * table `place': some hundred of one conversation in a row (a chunk).
 *
 * A chunk: a sum of 8 bytes over all of it and its key (conv, first seq);
 * then for each pointer its seq less the one before, and the differences of
 * index, epoch and ord from the one before, as in pack.h; about 6 bytes.
 *
 * Shard logs are conversations with the numbers from POINTER_SHARD on.
 */
#ifndef NODE_STORAGE_POINTER_H
#define NODE_STORAGE_POINTER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/entry.h"

#define POINTER_SHARD (UINT32_MAX - 255)
#define CHUNK_MAX     900 /* bytes; over some 1000 SQLite needs a second page */

struct pointer {
	struct place at;
	uint64_t index;
};

/* Are they in the order of (conv, seq)? */
int pointer_cmp(const void *a, const void *b);

/*
 * Sorts by (conv, seq); tmp holds n as well.  Quick when the positions of
 * each conversation come ascending, as they do in the journal.
 */
void pointers_sort(struct pointer *p, struct pointer *tmp, size_t n);

/* Packs the first pointers of p, all of one conversation; returns how many
 * and sets *len. */
size_t chunk_pack(uint8_t out[static CHUNK_MAX], size_t *len,
    const struct pointer *p, size_t n);

/* How many a chunk of so many bytes can hold at the most. */
#define CHUNK_POINTERS ((CHUNK_MAX - 8) / 4)

/* ERR_CORRUPT. */
enum err chunk_unpack(struct pointer out[static CHUNK_POINTERS], size_t *n,
    uint32_t conv, uint64_t first, const void *data, size_t len) MUST_USE;

#endif
