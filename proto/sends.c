#include "proto/sends.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(SENDS_KEPT == 64, "the steps of grow");

void
sends_init(struct sends *s)
{
	memset(s, 0, sizeof(*s));
}

void
sends_fini(struct sends *s)
{
	free(s->ring);
	sends_init(s);
}

enum sends_verdict
sends_check(const struct sends *s, uint64_t number, uint64_t *seq)
{
	if (number > s->number)
		return number - s->number == 1 ? SENDS_NEXT
					       : SENDS_OUT_OF_ORDER;
	if (number == 0 || s->number - number >= s->kept)
		return SENDS_TOO_OLD;
	*seq = s->ring[number % s->cap];
	return SENDS_DUPLICATE;
}

/* Every number has another place in the larger ring.  false: no memory. */
static bool
grow(struct sends *s, uint8_t cap)
{
	uint64_t *ring = calloc(cap, sizeof(*ring));

	if (ring == NULL)
		return false;
	for (uint64_t i = 0; i < s->kept; i++)
		ring[(s->number - i) % cap] = s->ring[(s->number - i) % s->cap];
	free(s->ring);
	s->ring = ring;
	s->cap = cap;
	return true;
}

void
sends_take(struct sends *s, uint64_t number, uint64_t seq)
{
	if (number <= s->number)
		return;
	if (number - s->number > 1)
		s->kept = 0;
	if (s->kept == s->cap && s->cap < SENDS_KEPT)
		(void)grow(s, s->cap == 0 ? 4 : (uint8_t)(s->cap * 4));
	s->number = number;
	if (s->cap == 0)
		return;
	s->ring[number % s->cap] = seq;
	if (s->kept < s->cap)
		s->kept++;
}

void
sends_undo(struct sends *s, uint64_t number)
{
	uint64_t n;

	if (number == 0 || number > s->number)
		return;
	n = s->number - number + 1;
	s->number = number - 1;
	s->kept = n < s->kept ? (uint8_t)(s->kept - n) : 0;
}

bool
sends_ended(uint64_t last_ms, uint64_t now_ms, uint64_t horizon_ms)
{
	return now_ms > last_ms && now_ms - last_ms > horizon_ms;
}

size_t
sends_save(const struct sends *s, uint64_t seqs[static SENDS_KEPT])
{
	for (uint64_t i = 0; i < s->kept; i++)
		seqs[i] = s->ring[(s->number - i) % s->cap];
	return s->kept;
}

enum err
sends_load(struct sends *s, uint64_t number, const uint64_t *seqs, size_t n)
{
	uint8_t cap = 4;

	if (n > SENDS_KEPT || n > number)
		return ERR_CORRUPT;
	while (cap < n)
		cap = (uint8_t)(cap * 4);
	s->kept = 0;
	if (s->cap < n && !grow(s, cap))
		return ERR_NOMEM;
	s->number = number;
	s->kept = (uint8_t)n;
	for (uint64_t i = 0; i < n; i++)
		s->ring[(number - i) % s->cap] = seqs[i];
	return OK;
}
