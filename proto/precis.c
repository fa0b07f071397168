#include "proto/precis.h"

#include <string.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/ustring.h>

/* ---- conversion ---------------------------------------------------------- */

/* Twice as many units as code points are always enough. */
#define UNITS (2 * PRECIS_MAX)

static bool
from_utf16(struct precis *to, const UChar *u, int32_t n)
{
	UErrorCode e = U_ZERO_ERROR;

	u_strToUTF32(to->c, PRECIS_MAX, &to->n, u, n, &e);
	return U_SUCCESS(e);
}

int32_t
precis_to_utf16(UChar *out, int32_t cap, const struct precis *from)
{
	UErrorCode e = U_ZERO_ERROR;
	int32_t n;

	u_strFromUTF32(out, cap, &n, from->c, from->n, &e);
	return U_SUCCESS(e) && n <= cap ? n : -1;
}

bool
precis_from_utf8(struct precis *to, struct str s)
{
	UErrorCode e = U_ZERO_ERROR;
	UChar u[UNITS];
	int32_t n;

	if (s.n > UNITS)
		return false;
	u_strFromUTF8(u, UNITS, &n, s.n > 0 ? s.p : "", (int32_t)s.n, &e);
	return U_SUCCESS(e) && from_utf16(to, u, n);
}

bool
precis_to_utf8(char *out, size_t cap, size_t *n, const struct precis *from)
{
	UErrorCode e = U_ZERO_ERROR;
	UChar u[UNITS];
	int32_t units = precis_to_utf16(u, UNITS, from), len;

	if (units < 0)
		return false;
	u_strToUTF8(out, (int32_t)cap, &len, u, units, &e);
	if (U_FAILURE(e) || (size_t)len > cap)
		return false;
	out[len] = '\0';
	*n = (size_t)len;
	return true;
}

bool
precis_same(const struct precis *a, const struct precis *b)
{
	return a->n == b->n &&
	       memcmp(a->c, b->c, (size_t)a->n * sizeof(a->c[0])) == 0;
}

/* -1 outside. */
static UChar32
char_at(const struct precis *s, int32_t i)
{
	return i >= 0 && i < s->n ? s->c[i] : -1;
}

/* ---- RFC 8264, sections 8 and 9: what a character is --------------------- */

enum derived { PVALID, FREE_PVAL, CONTEXT, DISALLOWED };

/* Section 9.6, which is RFC 5892, section 2.6.  false: no exception. */
static bool
exception(UChar32 c, enum derived *d)
{
	switch (c) {
	case 0x00df:
	case 0x03c2:
	case 0x06fd:
	case 0x06fe:
	case 0x0f0b:
	case 0x3007:
		*d = PVALID;
		return true;
	case 0x00b7:
	case 0x0375:
	case 0x05f3:
	case 0x05f4:
	case 0x30fb:
		*d = CONTEXT;
		return true;
	case 0x0640:
	case 0x07fa:
	case 0x302e:
	case 0x302f:
	case 0x303b:
		*d = DISALLOWED;
		return true;
	}
	if ((c >= 0x0660 && c <= 0x0669) || (c >= 0x06f0 && c <= 0x06f9)) {
		*d = CONTEXT;
		return true;
	}
	*d = DISALLOWED;
	return c >= 0x3031 && c <= 0x3035;
}

static bool
old_hangul(UChar32 c)
{
	switch (u_getIntPropertyValue(c, UCHAR_HANGUL_SYLLABLE_TYPE)) {
	case U_HST_LEADING_JAMO:
	case U_HST_VOWEL_JAMO:
	case U_HST_TRAILING_JAMO:
		return true;
	}
	return false;
}

/* Section 9.17: does NFKC change it? */
static bool
has_compat(UChar32 c)
{
	UErrorCode e = U_ZERO_ERROR;
	const UNormalizer2 *nfkc = unorm2_getNFKCInstance(&e);
	UChar u[2];
	int32_t n;

	u_strFromUTF32(u, 2, &n, &c, 1, &e);
	return !unorm2_isNormalized(nfkc, u, n, &e) || U_FAILURE(e);
}

/* The rest of section 8, from LetterDigits on, by the general category. */
static enum derived
by_category(UChar32 c)
{
	uint32_t mask = U_MASK(u_charType(c));

	if ((mask & (U_GC_LL_MASK | U_GC_LU_MASK | U_GC_LO_MASK | U_GC_ND_MASK |
			U_GC_LM_MASK | U_GC_MN_MASK | U_GC_MC_MASK)) != 0)
		return PVALID;
	if ((mask & (U_GC_LT_MASK | U_GC_NL_MASK | U_GC_NO_MASK | U_GC_ME_MASK |
			U_GC_ZS_MASK | U_GC_S_MASK | U_GC_P_MASK)) != 0)
		return FREE_PVAL;
	return DISALLOWED;
}

static enum derived
derive(UChar32 c)
{
	enum derived d;

	if (exception(c, &d))
		return d;
	if (c >= 0x21 && c <= 0x7e)
		return PVALID;
	if (u_charType(c) == U_UNASSIGNED)
		return DISALLOWED;
	if (u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL))
		return CONTEXT;
	if (old_hangul(c) ||
	    u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT) ||
	    U_IS_UNICODE_NONCHAR(c) || u_charType(c) == U_CONTROL_CHAR)
		return DISALLOWED;
	if (has_compat(c))
		return FREE_PVAL;
	return by_category(c);
}

/* ---- RFC 5892, appendix A: what its neighbours must be ------------------- */

static bool
in_script(UChar32 c, UScriptCode script)
{
	UErrorCode e = U_ZERO_ERROR;

	return c >= 0 && uscript_getScript(c, &e) == script && U_SUCCESS(e);
}

static bool
after_virama(const struct precis *s, int32_t i)
{
	UChar32 c = char_at(s, i - 1);

	return c >= 0 && u_getCombiningClass(c) == 9;
}

/* The joining type of the next one from i on, by step, not transparent. */
static int32_t
joining(const struct precis *s, int32_t i, int32_t step)
{
	int32_t type = U_JT_NON_JOINING;

	while (i >= 0 && i < s->n) {
		type = u_getIntPropertyValue(s->c[i], UCHAR_JOINING_TYPE);
		if (type != U_JT_TRANSPARENT)
			break;
		i += step;
	}
	return type;
}

/* A.1: between two letters that join, over transparent ones. */
static bool
joins_both_ways(const struct precis *s, int32_t i)
{
	int32_t before = joining(s, i - 1, -1), after = joining(s, i + 1, 1);

	return (before == U_JT_LEFT_JOINING || before == U_JT_DUAL_JOINING) &&
	       (after == U_JT_RIGHT_JOINING || after == U_JT_DUAL_JOINING);
}

/* A.7 */
static bool
has_japanese(const struct precis *s)
{
	for (int32_t i = 0; i < s->n; i++)
		if (s->c[i] != 0x30fb &&
		    (in_script(s->c[i], USCRIPT_HIRAGANA) ||
			in_script(s->c[i], USCRIPT_KATAKANA) ||
			in_script(s->c[i], USCRIPT_HAN)))
			return true;
	return false;
}

static bool
has_between(const struct precis *s, UChar32 first, UChar32 last)
{
	for (int32_t i = 0; i < s->n; i++)
		if (s->c[i] >= first && s->c[i] <= last)
			return true;
	return false;
}

static bool
context_allows(const struct precis *s, int32_t i, UChar32 c)
{
	switch (c) {
	case 0x200c: /* A.1, zero width non-joiner */
		return after_virama(s, i) || joins_both_ways(s, i);
	case 0x200d: /* A.2, zero width joiner */
		return after_virama(s, i);
	case 0x00b7: /* A.3, middle dot, in Catalan */
		return char_at(s, i - 1) == 'l' && char_at(s, i + 1) == 'l';
	case 0x0375: /* A.4, Greek keraia */
		return in_script(char_at(s, i + 1), USCRIPT_GREEK);
	case 0x05f3: /* A.5, A.6, Hebrew geresh, gershayim */
	case 0x05f4:
		return in_script(char_at(s, i - 1), USCRIPT_HEBREW);
	case 0x30fb: /* A.7, Katakana middle dot */
		return has_japanese(s);
	}
	if (c >= 0x0660 && c <= 0x0669) /* A.8 */
		return !has_between(s, 0x06f0, 0x06f9);
	if (c >= 0x06f0 && c <= 0x06f9) /* A.9 */
		return !has_between(s, 0x0660, 0x0669);
	return false;
}

bool
precis_valid(const struct precis *s, enum precis_class class)
{
	for (int32_t i = 0; i < s->n; i++) {
		switch (derive(s->c[i])) {
		case PVALID:
			break;
		case FREE_PVAL:
			if (class != PRECIS_FREEFORM)
				return false;
			break;
		case CONTEXT:
			if (!context_allows(s, i, s->c[i]))
				return false;
			break;
		case DISALLOWED:
			return false;
		}
	}
	return true;
}

/* ---- mappings ------------------------------------------------------------ */

bool
precis_width(struct precis *to, const struct precis *from)
{
	UErrorCode e = U_ZERO_ERROR;
	const UNormalizer2 *nfkc = unorm2_getNFKCInstance(&e);
	UChar mapped[8];

	to->n = from->n;
	for (int32_t i = 0; i < from->n && U_SUCCESS(e); i++) {
		UChar32 c = from->c[i];
		int32_t type =
		    u_getIntPropertyValue(c, UCHAR_DECOMPOSITION_TYPE);

		/* To a single one, below U+10000. */
		if ((type == U_DT_WIDE || type == U_DT_NARROW) &&
		    unorm2_getRawDecomposition(nfkc, c, mapped, 8, &e) == 1)
			c = mapped[0];
		to->c[i] = c;
	}
	return U_SUCCESS(e);
}

bool
precis_lower(struct precis *to, const struct precis *from)
{
	UErrorCode e = U_ZERO_ERROR;
	UChar u[UNITS], out[UNITS];
	int32_t n = precis_to_utf16(u, UNITS, from);

	if (n < 0)
		return false;
	n = u_strToLower(out, UNITS, u, n, "", &e);
	return U_SUCCESS(e) && from_utf16(to, out, n);
}

static bool
normalize(const UNormalizer2 *form, struct precis *to,
    const struct precis *from, UErrorCode e)
{
	UChar u[UNITS], out[UNITS];
	int32_t n = precis_to_utf16(u, UNITS, from);

	if (n < 0)
		return false;
	n = unorm2_normalize(form, u, n, out, UNITS, &e);
	return U_SUCCESS(e) && from_utf16(to, out, n);
}

bool
precis_nfc(struct precis *to, const struct precis *from)
{
	UErrorCode e = U_ZERO_ERROR;
	const UNormalizer2 *form = unorm2_getNFCInstance(&e);

	return normalize(form, to, from, e);
}

bool
precis_nfkc(struct precis *to, const struct precis *from)
{
	UErrorCode e = U_ZERO_ERROR;
	const UNormalizer2 *form = unorm2_getNFKCInstance(&e);

	return normalize(form, to, from, e);
}

/* ---- RFC 5893, section 2 ------------------------------------------------- */

#define DIR(d)  (1u << U_##d)
#define RTL     (DIR(RIGHT_TO_LEFT) | DIR(RIGHT_TO_LEFT_ARABIC))
#define NUMBERS (DIR(EUROPEAN_NUMBER) | DIR(ARABIC_NUMBER))
#define NEUTRAL                                                                \
	(DIR(EUROPEAN_NUMBER_SEPARATOR) | DIR(COMMON_NUMBER_SEPARATOR) |       \
	    DIR(EUROPEAN_NUMBER_TERMINATOR) | DIR(OTHER_NEUTRAL) |             \
	    DIR(BOUNDARY_NEUTRAL) | DIR(DIR_NON_SPACING_MARK))

bool
precis_bidi(const struct precis *s)
{
	uint32_t all = 0, first = 0, last = 0;

	for (int32_t i = 0; i < s->n; i++) {
		uint32_t dir = 1u << u_charDirection(s->c[i]);

		if (i == 0)
			first = dir;
		if (dir != DIR(DIR_NON_SPACING_MARK))
			last = dir;
		all |= dir;
	}
	if ((all & (RTL | DIR(ARABIC_NUMBER))) == 0)
		return true;
	/* 1; from the left 5 forbids what is there; 2, 3, 4. */
	return (first & RTL) != 0 && (all & ~(RTL | NUMBERS | NEUTRAL)) == 0 &&
	       (last & (RTL | NUMBERS)) != 0 && (all & NUMBERS) != NUMBERS;
}
