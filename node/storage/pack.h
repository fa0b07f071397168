/*
 * pack: numbers in few bytes, and a sum that finds damage.
 *
 * Numbers are base 128, low group first, the high bit of a byte saying that
 * another one follows; signed differences are folded (0, -1, 1, -2 ...).
 * Readers are strict about ends: bytes out of a file may be anything.
 */
#ifndef NODE_STORAGE_PACK_H
#define NODE_STORAGE_PACK_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PACK_MAX 10 /* bytes of the longest number */

static inline size_t
pack_len(uint64_t v)
{
	size_t n = 1;

	while (v >= 128) {
		v >>= 7;
		n++;
	}
	return n;
}

static inline uint8_t *
pack_u64(uint8_t *p, uint64_t v)
{
	while (v >= 128) {
		*p++ = (uint8_t)(v | 128);
		v >>= 7;
	}
	*p++ = (uint8_t)v;
	return p;
}

/* a - b, folded; any two numbers, modulo 2^64. */
static inline uint64_t
pack_diff(uint64_t a, uint64_t b)
{
	uint64_t d = a - b;

	return d << 1 ^ (0 - (d >> 63));
}

static inline uint64_t
unpack_diff(uint64_t folded, uint64_t b)
{
	return b + (folded >> 1 ^ (0 - (folded & 1)));
}

/* What is left to read.  Past the end, or a number over 64 bits: bad is set
 * and zeros come. */
struct unpack {
	const uint8_t *p, *end;
	bool bad;
};

static inline uint64_t
unpack_u64(struct unpack *u)
{
	uint64_t v = 0;
	unsigned shift = 0;
	uint8_t c;

	do {
		if (u->p == u->end || shift > 63)
			goto bad;
		c = *u->p++;
		if (shift == 63 && c > 1)
			goto bad;
		v |= (uint64_t)(c & 127) << shift;
		shift += 7;
	} while (c & 128);
	return v;
bad:
	u->bad = true;
	u->p = u->end;
	return 0;
}

static inline uint32_t
unpack_u32(struct unpack *u)
{
	uint64_t v = unpack_u64(u);

	if (v > UINT32_MAX) {
		u->bad = true;
		return 0;
	}
	return (uint32_t)v;
}

/* n bytes in place, NULL (and bad) when there are fewer. */
static inline const uint8_t *
unpack_bytes(struct unpack *u, uint64_t n)
{
	const uint8_t *p = u->p;

	if (u->bad || n > (uint64_t)(u->end - u->p)) {
		u->bad = true;
		u->p = u->end;
		return NULL;
	}
	u->p += n;
	return p;
}

/*
 * 64 bits over n bytes.  Each step is a bijection, so that a change within
 * one word is always found.  Against damage, not against people.
 */
static inline uint64_t
sum_add(uint64_t h, uint64_t word)
{
	h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 32;
}

static inline uint64_t
sum_bytes(uint64_t h, const void *data, size_t n)
{
	const uint8_t *p = data;
	uint64_t word;

	uint64_t lane[4];
	int i;

	h = sum_add(h, n);
	if (n >= 64) { /* four at once, since each step waits for the last */
		for (i = 0; i < 4; i++)
			lane[i] = sum_add(h, (uint64_t)i);
		for (; n >= 32; n -= 32)
			for (i = 0; i < 4; i++, p += 8) {
				memcpy(&word, p, 8);
				lane[i] = sum_add(lane[i], le64toh(word));
			}
		for (i = 0; i < 4; i++)
			h = sum_add(h, lane[i]);
	}
	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&word, p, 8);
		h = sum_add(h, le64toh(word));
	}
	if (n > 0) {
		word = 0;
		memcpy(&word, p, n);
		h = sum_add(h, le64toh(word));
	}
	return h;
}

static inline void
sum_store(uint8_t out[static 8], uint64_t sum)
{
	sum = htole64(sum);
	memcpy(out, &sum, 8);
}

static inline uint64_t
sum_load(const uint8_t p[static 8])
{
	uint64_t sum;

	memcpy(&sum, p, 8);
	return le64toh(sum);
}

#endif
