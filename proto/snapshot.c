#include "proto/snapshot.h"

static void
add_u32(struct hash *h, uint32_t v)
{
	uint8_t be[4];

	for (unsigned i = 4; i-- > 0; v >>= 8)
		be[i] = (uint8_t)v;
	hash_add(h, be, sizeof(be));
}

static void
add_u64(struct hash *h, uint64_t v)
{
	add_u32(h, (uint32_t)(v >> 32));
	add_u32(h, (uint32_t)v);
}

void
snapshot_digest(uint8_t out[static HASH_LEN], const struct snapshot *s)
{
	struct hash h;

	hash_init(&h, "kith snapshot 1");
	hash_add(&h, s->log.b, ID_LEN);
	add_u32(&h, s->at.epoch.number);
	hash_add(&h, s->at.epoch.node.b, ID_LEN);
	add_u64(&h, s->at.mark.seq);
	hash_add(&h, s->at.mark.chain, CHAIN_LEN);
	hash_add(&h, s->state, sizeof(s->state));
	hash_final(&h, out);
}

void
snapshot_state_init(struct snapshot_state *s)
{
	hash_init(&s->h, "kith state 1");
	s->count = 0;
}

/* Lengths go before what they measure, or records would run together. */
void
snapshot_state_add(struct snapshot_state *s, uint32_t kind, struct str key,
    struct str value)
{
	add_u32(&s->h, kind);
	add_u64(&s->h, key.n);
	hash_add(&s->h, key.p, key.n);
	add_u64(&s->h, value.n);
	hash_add(&s->h, value.p, value.n);
	s->count++;
}

void
snapshot_state_final(struct snapshot_state *s, uint8_t out[static HASH_LEN])
{
	add_u64(&s->h, s->count);
	hash_final(&s->h, out);
}
