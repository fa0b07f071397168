/*
 * What the tests of proto/ share: events and entries made from a seed.
 */
#ifndef TESTS_UNIT_PROTO_TEST_H
#define TESTS_UNIT_PROTO_TEST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/prng.h"
#include "proto/entry.h"

/* Room for the strings of one random body. */
struct random_text {
	char mem[40][64];
	unsigned used;
};

static inline void
random_fill(struct prng *r, void *p, size_t n)
{
	uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)prng_u64(r);
}

/* Now and then absent; else 1 to 60 bytes of UTF-8. */
static inline struct str
random_str(struct prng *r, struct random_text *t)
{
	size_t n = 2 * (1 + prng_below(r, 30));
	char *p;

	if (prng_below(r, 3) == 0)
		return STR_NONE;
	p = t->mem[t->used++];
	for (size_t i = 0; i < n; i += 2) {
		p[i] = (char)0xc3;
		p[i + 1] = (char)(0x80 + prng_below(r, 0x40));
	}
	return (struct str){ p, n };
}

/* 0 often, else of any size. */
static inline uint64_t
random_number(struct prng *r)
{
	return prng_below(r, 3) == 0 ? 0 : prng_u64(r) >> prng_below(r, 64);
}

static inline void
random_header(struct prng *r, struct event_header *h)
{
	*h = (struct event_header){ .kind = EVENT_MESSAGE };
	h->kind = (enum event_kind)(1 + prng_below(r, EVENT_ALERT));
	random_fill(r, h->author.b, ID_LEN);
	random_fill(r, h->target.b, ID_LEN);
	h->device = (uint32_t)random_number(r);
	if (prng_below(r, 2) == 0) {
		h->stream = 1 + prng_below(r, 1ull << 53);
		h->number = 1 + prng_below(r, 1ull << 53);
	}
	h->time_ms = random_number(r) & ((1ull << 48) - 1);
	if ((h->has_refers = prng_below(r, 2) == 0))
		random_fill(r, h->refers.b, EVENT_ID_LEN);
}

static inline void
random_body(struct prng *r, struct event_body *b, struct random_text *t)
{
	*b = (struct event_body){ .nmentions = 0 };
	t->used = 0;
	b->text = random_str(r, t);
	b->emoji = random_str(r, t);
	b->reason = random_str(r, t);
	b->subject = random_str(r, t);
	b->topic = random_str(r, t);
	b->display = random_str(r, t);
	b->device_name = random_str(r, t);
	if (prng_below(r, 2) == 0)
		b->nmentions = prng_below(r, EVENT_MENTIONS_MAX + 1);
	for (size_t i = 0; i < b->nmentions; i++)
		b->mentions[i] = random_str(r, t);
	if ((b->has_reply = prng_below(r, 2) == 0))
		random_fill(r, b->reply.b, EVENT_ID_LEN);
	b->remove = prng_below(r, 2) == 0;
	b->revoked = prng_below(r, 2) == 0;
	b->seconds = random_number(r);
	b->seq = random_number(r);
	b->role = (uint32_t)random_number(r);
	b->access = (uint32_t)random_number(r);
	b->history = (uint32_t)random_number(r);
	b->retention_days = (uint32_t)random_number(r);
	b->device = (uint32_t)random_number(r);
	b->ord = (uint32_t)random_number(r);
}

/* As an assignment from str to str: a nonempty one, or none. */
static inline bool
same_str(struct str a, struct str b)
{
	return a.n == 0 ? b.n == 0 : str_eq(a, b);
}

#endif
