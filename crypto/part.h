/*
 * part: bytes that crypto/ reads, of whatever type they are to the caller.
 *
 * A struct part is a borrowed view for the length of one call.  Several parts
 * are processed as if they were concatenated, without lengths in between: so
 * at most one of them may be of variable length, or they carry their lengths,
 * or else different lists of parts give the same bytes.
 */
#ifndef CRYPTO_PART_H
#define CRYPTO_PART_H

#include <stddef.h>
#include <stdint.h>

struct part {
	const void *p; /* may be NULL when n is 0 */
	size_t n;
};

#define PART(ptr, len) ((struct part){ (ptr), (len) })
#define PART_OF(array) ((struct part){ (array), sizeof(array) })
#define PART_TEXT(lit) ((struct part){ (lit), sizeof(lit) - 1 })
#define PART_STR(s)    ((struct part){ (s).p, (s).n })
#define PART_NONE      ((struct part){ NULL, 0 })

/* A list of parts as the last two arguments of a call. */
#define PARTS(...)                                                             \
	((const struct part[]){ __VA_ARGS__ }),                                \
	    (sizeof((const struct part[]){ __VA_ARGS__ }) /                    \
		sizeof(struct part))

/* libsodium declares its inputs nonnull, also where the length is 0. */
static inline const unsigned char *
part_bytes(struct part part)
{
	return part.p != NULL ? part.p : (const unsigned char *)"";
}

#endif
