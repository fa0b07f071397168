/*
 * entry: what the journal holds, an event with all its places, or changed
 * records without an event, or both.
 *
 * All places that an event takes on this node are in one entry, so no crash
 * can come between them.  The bytes are message Entry of kith.proto.
 *
 * Ownership  reference-counted like events, and holds one reference to its
 *            event.  The encoded bytes and the views in puts are its own.
 * Threads    immutable after it was made.
 * Limits     ENTRY_PLACES places, ENTRY_SHARDS shards, ENTRY_PUTS records,
 *            ENTRY_MAX bytes.
 */
#ifndef PROTO_ENTRY_H
#define PROTO_ENTRY_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "proto/event.h"
#include "proto/id.h"

#define ENTRY_PLACES 4
#define ENTRY_SHARDS 4
#define ENTRY_PUTS   512
#define ENTRY_MAX    (256 * 1024)

struct place {
	uint32_t conv;  /* node-local number of the conversation */
	uint32_t epoch; /* of the log */
	uint64_t seq;   /* position in the log, contiguous */
	uint32_t ord;   /* messages in the conversation, this one included */
};

struct shard_place {
	uint32_t shard, epoch;
	uint64_t seq;
	uint8_t hash[32];
};

/* Keys and values are encodings of kith.proto; value.p NULL: deleted. */
struct put {
	uint32_t kind; /* enum record_kind */
	struct str key, value;
};

struct entry {
	atomic_uint refs;
	uint64_t index; /* contiguous over the node, from 1; storage's rowid */
	struct event *event; /* or NULL */
	uint32_t nplaces, nshards, nputs;
	struct place places[ENTRY_PLACES];
	struct shard_place shards[ENTRY_SHARDS];
	struct put *puts;
	struct str bytes; /* the encoding; empty for entries out of storage */
};

/* What entry_new makes one of; everything is borrowed during the call. */
struct entry_draft {
	uint64_t index;
	struct event *event; /* the entry takes its own reference */
	const struct place *places;
	uint32_t nplaces;
	const struct shard_place *shards;
	uint32_t nshards;
	const struct put *puts;
	uint32_t nputs;
};

/* Encodes.  ERR_TOO_LARGE: over ENTRY_MAX; ERR_NOMEM. */
enum err entry_new(struct entry **out, const struct entry_draft *d) MUST_USE;

/* One without encoded bytes and puts, as storage reads it back: borrows
 * nothing, takes its own reference to ev (or NULL: only its place). */
enum err entry_stored(struct entry **out, uint64_t index, struct event *ev,
    const struct place *place) MUST_USE;

/* As e, without encoded bytes and puts, with ev (its erased event) instead. */
enum err entry_erased(struct entry **out, const struct entry *e,
    struct event *ev) MUST_USE;

/* ERR_MALFORMED as for events.  bytes are copied. */
enum err entry_decode(struct entry **out, struct str bytes) MUST_USE;

struct entry *entry_ref(struct entry *e);
void entry_unref(struct entry *e); /* NULL is allowed */
size_t entry_size(const struct entry *e);

#endif
