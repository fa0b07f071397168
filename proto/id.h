/*
 * id: the names that nodes use among themselves.
 *
 * A struct id names an account, a room or a log (a log has the id of its
 * account or room): BLAKE2b-256 of the genesis record, proto/genesis.h.
 * A struct event_id is time-ordered: 48 bits of milliseconds, big endian,
 * then 80 bits of a hash, proto/event.h.
 */
#ifndef PROTO_ID_H
#define PROTO_ID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"

#define ID_LEN        32
#define EVENT_ID_LEN  16
#define EVENT_ID_TEXT 26 /* characters, without NUL */

struct id {
	uint8_t b[ID_LEN];
};

struct event_id {
	uint8_t b[EVENT_ID_LEN];
};

static inline bool
id_eq(const struct id *a, const struct id *b)
{
	return memcmp(a->b, b->b, ID_LEN) == 0;
}

static inline bool
event_id_eq(const struct event_id *a, const struct event_id *b)
{
	return memcmp(a->b, b->b, EVENT_ID_LEN) == 0;
}

/* Which of the realm's 256 shards a log belongs to. */
static inline uint32_t
id_shard(const struct id *id)
{
	return id->b[0];
}

/* Crockford's base32, lower case, EVENT_ID_TEXT characters, no NUL. */
void event_id_text(char out[static EVENT_ID_TEXT], const struct event_id *id);

/* ERR_INVALID: not exactly such a text. */
enum err event_id_parse(struct event_id *id, struct str text) MUST_USE;

/* The milliseconds since 1970 in it. */
uint64_t event_id_ms(const struct event_id *id);

#endif
