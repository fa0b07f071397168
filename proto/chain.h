/*
 * chain: one hash over everything in a log up to a position.
 *
 * Rooms and shards have one, so two copies are compared by 32 bytes, and a
 * node that shows two histories has proved it.  Erased bodies do not break it:
 * an event's id covers only their salted hash.
 */
#ifndef PROTO_CHAIN_H
#define PROTO_CHAIN_H

#include "proto/id.h"

#define CHAIN_LEN 32

/*
 * out = BLAKE2b-256 (domain "kith chain 1") of prev, epoch and seq in network
 * byte order, and the event id.  Before the first event it is all zeros.  out
 * may be prev.
 */
void chain_next(uint8_t out[static CHAIN_LEN],
    const uint8_t prev[static CHAIN_LEN], uint32_t epoch, uint64_t seq,
    const struct event_id *id);

#endif
