#include "proto/id.h"

/* No i, l, o, u: https://www.crockford.com/base32.html */
static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

static uint64_t
get64(const uint8_t *p)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

static void
put64(uint8_t *p, uint64_t v)
{
	for (unsigned i = 8; i-- > 0; v >>= 8)
		p[i] = (uint8_t)v;
}

/*
 * 128 bits in 26 characters of 5: the number right-aligned, so that the first
 * character holds only 3 bits and texts sort as the ids do.
 */
void
event_id_text(char out[static EVENT_ID_TEXT], const struct event_id *id)
{
	uint64_t hi = get64(id->b), lo = get64(id->b + 8);

	for (unsigned i = EVENT_ID_TEXT; i-- > 0;) {
		out[i] = alphabet[lo & 31];
		lo = lo >> 5 | hi << 59;
		hi >>= 5;
	}
}

enum err
event_id_parse(struct event_id *id, struct str text)
{
	uint64_t hi = 0, lo = 0;

	if (text.n != EVENT_ID_TEXT || text.p[0] < '0' || text.p[0] > '7')
		return ERR_INVALID;
	for (unsigned i = 0; i < EVENT_ID_TEXT; i++) {
		const char *c = memchr(alphabet, text.p[i], 32);

		if (c == NULL)
			return ERR_INVALID;
		hi = hi << 5 | lo >> 59;
		lo = lo << 5 | (uint64_t)(c - alphabet);
	}
	put64(id->b, hi);
	put64(id->b + 8, lo);
	return OK;
}

uint64_t
event_id_ms(const struct event_id *id)
{
	return get64(id->b) >> 16;
}
