/*
 * snapshot: the state that a log has led to, at one of its positions.
 *
 * Whoever has a snapshot can begin to follow the log there (head_start), so
 * old history can be trimmed, and joining costs the same in an old room.  It
 * is signed over snapshot_digest by the home.
 *
 * The state is a set of records in the order of (kind, key), hashed as they
 * are encoded; two holders that come to different hashes at the same position
 * have found a fault in one of their reducers.
 */
#ifndef PROTO_SNAPSHOT_H
#define PROTO_SNAPSHOT_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "crypto/hash.h"
#include "proto/head.h"
#include "proto/id.h"

struct snapshot {
	struct id log;
	struct point at;
	uint8_t state[HASH_LEN];
};

/* What a signature over it covers: BLAKE2b-256, "kith snapshot 1". */
void snapshot_digest(uint8_t out[static HASH_LEN], const struct snapshot *s);

/* The state's hash under way; must not be moved to memory aligned less. */
struct snapshot_state {
	struct hash h;
	uint64_t count;
};

void snapshot_state_init(struct snapshot_state *s);
void snapshot_state_add(struct snapshot_state *s, uint32_t kind, struct str key,
    struct str value);
void snapshot_state_final(struct snapshot_state *s,
    uint8_t out[static HASH_LEN]);

#endif
