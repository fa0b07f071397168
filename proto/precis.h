/*
 * precis: which characters names may hold, RFC 8264, on ICU's properties.
 *
 * Works on code points, in buffers of the caller.  What a character is worth
 * comes from its properties in the library's version of Unicode, and not from
 * a table of ours.
 *
 * Threads    any.
 */
#ifndef PROTO_PRECIS_H
#define PROTO_PRECIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unicode/utypes.h>

#include "base/bytes.h"

#define PRECIS_MAX 512 /* code points: more than any string that we take */

struct precis {
	int32_t n;
	UChar32 c[PRECIS_MAX];
};

enum precis_class { PRECIS_IDENTIFIER, PRECIS_FREEFORM };

/* false: not UTF-8, or over PRECIS_MAX. */
bool precis_from_utf8(struct precis *to, struct str s);

/* Writes up to cap bytes and a NUL.  false: it is longer. */
bool precis_to_utf8(char *out, size_t cap, size_t *n,
    const struct precis *from);

/* In ICU's own form.  Returns the length, or -1: it is over cap. */
int32_t precis_to_utf16(UChar *out, int32_t cap, const struct precis *from);

bool precis_same(const struct precis *a, const struct precis *b);

/* Section 8: is every character valid in the class, and in its context? */
bool precis_valid(const struct precis *s, enum precis_class class);

/* Fullwidth and halfwidth characters become ordinary ones. */
bool precis_width(struct precis *to, const struct precis *from);
bool precis_lower(struct precis *to, const struct precis *from);
bool precis_nfc(struct precis *to, const struct precis *from);
bool precis_nfkc(struct precis *to, const struct precis *from);

/* The Bidi Rule, RFC 5893, section 2, where it applies. */
bool precis_bidi(const struct precis *s);

#endif
