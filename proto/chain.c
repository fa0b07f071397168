#include "proto/chain.h"

#include "crypto/hash.h"

_Static_assert(CHAIN_LEN == HASH_LEN, "CHAIN_LEN");

void
chain_next(uint8_t out[static CHAIN_LEN], const uint8_t prev[static CHAIN_LEN],
    uint32_t epoch, uint64_t seq, const struct event_id *id)
{
	uint8_t where[12];

	for (unsigned i = 4; i-- > 0; epoch >>= 8)
		where[i] = (uint8_t)epoch;
	for (unsigned i = 12; i-- > 4; seq >>= 8)
		where[i] = (uint8_t)seq;
	hash256(out, "kith chain 1",
	    PARTS(PART(prev, CHAIN_LEN), PART_OF(where), PART_OF(id->b)));
}
