#include "proto/text.h"

#include <unicode/uchar.h>

#include "proto/precis.h"
#include "proto/utf8.h"

/* C0, DEL, and C1, which is two bytes in UTF-8: c2 80 to c2 9f. */
static bool
plain(struct str s, bool lines)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 && !(lines && (c == '\n' || c == '\t')))
			return false;
		if (c == 0x7f)
			return false;
		if (c == 0xc2 && i + 1 < s.n &&
		    (unsigned char)s.p[i + 1] < 0xa0)
			return false;
	}
	return true;
}

bool
text_valid(struct str s)
{
	return utf8_valid(s.p, s.n) && plain(s, true);
}

bool
topic_valid(struct str s)
{
	return utf8_valid(s.p, s.n) && plain(s, false);
}

static bool
is_blank(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != ' ')
			return false;
	return true;
}

bool
name_valid(struct str s)
{
	return s.n == 0 || (topic_valid(s) && !is_blank(s));
}

/* ---- display names: RFC 8266, section 2 ---------------------------------- */

/* Section 2.1, rule 2: any space becomes one of ASCII, never two together. */
static void
fold_spaces(struct precis *s)
{
	int32_t n = 0;

	for (int32_t i = 0; i < s->n; i++) {
		if (u_charType(s->c[i]) != U_SPACE_SEPARATOR)
			s->c[n++] = s->c[i];
		else if (n > 0 && s->c[n - 1] != ' ')
			s->c[n++] = ' ';
	}
	while (n > 0 && s->c[n - 1] == ' ')
		n--;
	s->n = n;
}

/* Section 2.3; section 2.1 has it repeated until nothing changes. */
static bool
nickname(struct precis *s)
{
	struct precis next;

	for (unsigned i = 0; i < 4; i++) {
		if (!precis_valid(s, PRECIS_FREEFORM))
			return false;
		next = *s;
		fold_spaces(&next);
		if (!precis_nfkc(s, &next))
			return false;
		fold_spaces(s);
		if (precis_same(s, &next))
			return s->n > 0 && precis_valid(s, PRECIS_FREEFORM);
	}
	return false;
}

enum err
display_enforce(char out[static DISPLAY_MAX + 1], struct str s)
{
	struct precis p;
	size_t n;

	if (s.n > DISPLAY_MAX)
		return ERR_TOO_LARGE;
	if (!precis_from_utf8(&p, s) || !nickname(&p))
		return ERR_INVALID;
	return precis_to_utf8(out, DISPLAY_MAX, &n, &p) ? OK : ERR_TOO_LARGE;
}

bool
display_valid(struct str s)
{
	char out[DISPLAY_MAX + 1];

	return s.n == 0 || display_enforce(out, s) == OK;
}

/* ---- emoji: UTS #51, section 1.4.9, possible emoji ----------------------- */

static UChar32
peek(const struct precis *s, int32_t i)
{
	return i < s->n ? s->c[i] : -1;
}

static bool
has(UChar32 c, UProperty property)
{
	return c >= 0 && u_hasBinaryProperty(c, property);
}

static bool
is_tag(UChar32 c)
{
	return c >= 0xe0020 && c <= 0xe007e;
}

/* Past one zwj_element that starts at i; i when there is none. */
static int32_t
emoji_element(const struct precis *s, int32_t i)
{
	UChar32 c = peek(s, i);

	if (has(c, UCHAR_REGIONAL_INDICATOR))
		return has(peek(s, i + 1), UCHAR_REGIONAL_INDICATOR) ? i + 2
								     : i;
	if (!has(c, UCHAR_EMOJI) && !has(c, UCHAR_EXTENDED_PICTOGRAPHIC))
		return i;
	c = peek(s, ++i);
	if (has(c, UCHAR_EMOJI_MODIFIER))
		return i + 1;
	if (c == 0xfe0f)
		return peek(s, i + 1) == 0x20e3 ? i + 2 : i + 1;
	if (!is_tag(c))
		return i;
	while (is_tag(peek(s, i)))
		i++;
	return peek(s, i) == 0xe007f ? i + 1 : i;
}

bool
emoji_valid(struct str s)
{
	struct precis p;
	int32_t i = 0, next;

	if (s.n == 0 || s.n > EMOJI_MAX || !precis_from_utf8(&p, s))
		return false;
	/* Digits, # and * are emoji only as keycaps. */
	if (p.c[0] < 0x80 && p.c[p.n - 1] != 0x20e3)
		return false;
	for (;;) {
		if ((next = emoji_element(&p, i)) == i)
			return false;
		i = next;
		if (i == p.n)
			return true;
		if (p.c[i++] != 0x200d)
			return false;
	}
}
