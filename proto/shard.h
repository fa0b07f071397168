/*
 * shard: the heads of a realm's 256 shards.
 *
 * A shard's log is every event that concerns an account or room whose id
 * falls into it, in the order in which this node took them: an entry stands
 * once in each shard that its logs belong to.  It is hash-chained, and the
 * unit of replication and takeover.
 *
 * Ownership  a struct shards holds everything itself (about 40 KiB).
 * Threads    none.
 */
#ifndef PROTO_SHARD_H
#define PROTO_SHARD_H

#include <stdint.h>

#include "base/err.h"
#include "proto/entry.h"
#include "proto/head.h"

#define SHARDS 256

struct shards {
	struct head head[SHARDS];
};

/* All empty, in the first epoch of this node. */
void shards_init(struct shards *s, const struct epoch *epoch);

/* As ShardRecord has it.  ERR_CORRUPT: there is no such shard. */
enum err shards_load(struct shards *s, uint32_t shard,
    const struct point *head) MUST_USE;

/* The shards that n logs belong to, each once, in the order of the logs. */
uint32_t shards_of(const struct id *logs, uint32_t n,
    uint32_t shards[static ENTRY_SHARDS]);

/*
 * Gives the event its places in the shards of its logs (n at most
 * ENTRY_SHARDS); returns how many.  ERR_EPOCH: one of them is stopped; those
 * before it were given, so roll back.
 */
enum err shards_give(struct shards *s, const struct id *logs, uint32_t n,
    const struct event_id *id, struct shard_place out[static ENTRY_SHARDS],
    uint32_t *nout) MUST_USE;

/*
 * The places of e are durable.  ERR_CORRUPT: the chain in e is another one;
 * ERR_GAP, ERR_EPOCH as head_take.
 */
enum err shards_take(struct shards *s, const struct entry *e) MUST_USE;

/* Everything given in the shards of e is taken back. */
void shards_rollback(struct shards *s, const struct entry *e);

#endif
