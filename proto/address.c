#include "proto/address.h"

#include <string.h>
#include <unicode/uidna.h>
#include <unicode/uspoof.h>

#include "proto/precis.h"
#include "proto/utf8.h"

#define IDNA_OPTIONS                                                           \
	(UIDNA_USE_STD3_RULES | UIDNA_CHECK_BIDI | UIDNA_CHECK_CONTEXTJ |      \
	    UIDNA_CHECK_CONTEXTO | UIDNA_NONTRANSITIONAL_TO_ASCII |            \
	    UIDNA_NONTRANSITIONAL_TO_UNICODE)

static inline bool
is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static inline char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* ---- the local part ------------------------------------------------------ */

static inline bool
is_local(char c)
{
	return is_alnum(c) || c == '_' || c == '-' || c == '.' || c == '+';
}

/* What is left to check of an enforced local part: its ASCII, and the ends. */
static bool
local_shape(const char *p, size_t n)
{
	if (n == 0 || p[0] == '.' || p[0] == '-' || p[0] == '+' ||
	    p[n - 1] == '.')
		return false;
	for (size_t i = 0; i < n; i++)
		if ((p[i] & 0x80) == 0 && !is_local(p[i]))
			return false;
	return true;
}

/* UsernameCaseMapped, RFC 8265, section 3.3, once. */
static bool
enforce_once(struct precis *s)
{
	struct precis other;

	return precis_width(&other, s) &&
	       precis_valid(&other, PRECIS_IDENTIFIER) &&
	       precis_lower(s, &other) && precis_nfc(&other, s) &&
	       precis_bidi(&other) && ((void)(*s = other), true);
}

/* RFC 8264, section 7: rules are applied until nothing changes. */
static bool
enforce(struct precis *s)
{
	struct precis before;

	for (unsigned i = 0; i < 4; i++) {
		before = *s;
		if (!enforce_once(s))
			return false;
		if (precis_same(s, &before))
			return true;
	}
	return false;
}

/* Do the scripts of it go together? */
static bool
one_language(const struct precis *s)
{
	UErrorCode e = U_ZERO_ERROR;
	USpoofChecker *sc;
	UChar u[2 * PRECIS_MAX];
	int32_t found, n;

	if ((n = precis_to_utf16(u, 2 * PRECIS_MAX, s)) < 0)
		return false;
	sc = uspoof_open(&e);
	if (U_FAILURE(e))
		return false;
	uspoof_setRestrictionLevel(sc, USPOOF_HIGHLY_RESTRICTIVE);
	uspoof_setChecks(sc, USPOOF_RESTRICTION_LEVEL | USPOOF_MIXED_NUMBERS,
	    &e);
	found = uspoof_check2(sc, u, n, NULL, &e);
	uspoof_close(sc);
	return U_SUCCESS(e) && found == 0;
}

static enum err
parse_unicode_local(struct address *a, struct str s)
{
	struct precis p;
	size_t n;

	if (!precis_from_utf8(&p, s) || !enforce(&p) || !one_language(&p) ||
	    !precis_to_utf8(a->local, ADDRESS_LOCAL_MAX, &n, &p) ||
	    !local_shape(a->local, n))
		return ERR_ADDRESS;
	a->local_len = (uint8_t)n;
	return OK;
}

static enum err
parse_local(struct address *a, struct str s)
{
	if (s.n == 0 || s.n > ADDRESS_MAX)
		return ERR_ADDRESS;
	for (size_t i = 0; i < s.n; i++) {
		if ((s.p[i] & 0x80) != 0)
			return parse_unicode_local(a, s);
		if (i < ADDRESS_LOCAL_MAX)
			a->local[i] = lower(s.p[i]);
	}
	if (s.n > ADDRESS_LOCAL_MAX || !local_shape(a->local, s.n))
		return ERR_ADDRESS;
	a->local[s.n] = '\0';
	a->local_len = (uint8_t)s.n;
	return OK;
}

/* ---- the realm ----------------------------------------------------------- */

/*
 * Labels of letters, digits and inner hyphens, the last not a number (RFC
 * 3696, section 2), or an address would pass for a name.  *idna: there is
 * something in it that UTS 46 must look at.
 */
static bool
realm_shape(const char *p, size_t n, bool *idna)
{
	bool letters = false;
	size_t start = 0;

	*idna = false;
	if (n > ADDRESS_REALM_MAX)
		return false;
	for (size_t i = 0; i <= n; i++) {
		if (i == n || p[i] == '.') {
			size_t len = i - start;

			if (len == 0 || p[start] == '-' || p[i - 1] == '-')
				return false;
			*idna |= len >= 4 && p[start + 2] == '-' &&
				 p[start + 3] == '-';
			if (len > 63 && !*idna)
				return false;
			if (i < n)
				letters = false;
			start = i + 1;
			continue;
		}
		if ((p[i] & 0x80) != 0)
			*idna = true;
		else if (!is_alnum(p[i]) && p[i] != '-')
			return false;
		letters |= p[i] < '0' || p[i] > '9';
	}
	return letters;
}

static enum err
idna_realm(char out[static ADDRESS_REALM_MAX + 1], struct str s, bool ascii)
{
	UErrorCode e = U_ZERO_ERROR;
	UIDNAInfo info = UIDNA_INFO_INITIALIZER;
	UIDNA *idna = uidna_openUTS46(IDNA_OPTIONS, &e);
	int32_t n;

	if (U_FAILURE(e))
		return ERR_ADDRESS;
	if (ascii)
		n = uidna_nameToASCII_UTF8(idna, s.p, (int32_t)s.n, out,
		    ADDRESS_REALM_MAX, &info, &e);
	else
		n = uidna_nameToUnicodeUTF8(idna, s.p, (int32_t)s.n, out,
		    ADDRESS_REALM_MAX, &info, &e);
	uidna_close(idna);
	if (U_FAILURE(e) || info.errors != 0 || n > ADDRESS_REALM_MAX)
		return ERR_ADDRESS;
	out[n] = '\0';
	return OK;
}

enum err
address_realm_ascii(char out[static ADDRESS_REALM_MAX + 1], struct str realm)
{
	bool idna;

	if (realm.n == 0 || realm.n > ADDRESS_REALM_MAX ||
	    !utf8_valid(realm.p, realm.n))
		return ERR_ADDRESS;
	if (idna_realm(out, realm, true) != OK)
		return ERR_ADDRESS;
	return realm_shape(out, strlen(out), &idna) ? OK : ERR_ADDRESS;
}

static enum err
parse_unicode_realm(struct address *a, struct str s)
{
	char ascii[ADDRESS_REALM_MAX + 1];
	bool idna;

	/* The A-labels have the limits of the DNS, and must be right too. */
	if (address_realm_ascii(ascii, s) != OK ||
	    idna_realm(a->realm, str_of(ascii), false) != OK ||
	    !realm_shape(a->realm, strlen(a->realm), &idna))
		return ERR_ADDRESS;
	a->realm_len = (uint8_t)strlen(a->realm);
	return OK;
}

static enum err
parse_realm(struct address *a, struct str s)
{
	bool idna;

	if (s.n == 0 || s.n > ADDRESS_REALM_MAX)
		return ERR_ADDRESS;
	for (size_t i = 0; i < s.n; i++) {
		if ((s.p[i] & 0x80) != 0)
			return parse_unicode_realm(a, s);
		a->realm[i] = lower(s.p[i]);
	}
	if (!realm_shape(a->realm, s.n, &idna))
		return ERR_ADDRESS;
	if (idna)
		return parse_unicode_realm(a, s);
	a->realm[s.n] = '\0';
	a->realm_len = (uint8_t)s.n;
	return OK;
}

/* ---- the whole ----------------------------------------------------------- */

enum err
address_parse(struct address *a, struct str text, struct str realm)
{
	struct str local = text;
	const char *at;
	size_t length;
	enum err rc;

	a->kind = ADDRESS_ACCOUNT;
	if (local.n > 0 && local.p[0] == '#') {
		a->kind = ADDRESS_ROOM;
		local.p++;
		local.n--;
	}
	at = local.n > 0 ? memchr(local.p, '@', local.n) : NULL;
	if (at != NULL) {
		struct str given = { at + 1,
			local.n - (size_t)(at - local.p) - 1 };

		local.n = (size_t)(at - local.p);
		/* Mostly it is the node's own. */
		rc = str_eq(given, realm) ? OK : parse_realm(a, given);
		if (rc != OK)
			return rc;
		if (!str_eq(given, realm))
			realm = STR_NONE;
	} else if (realm.n == 0) {
		return ERR_ADDRESS;
	}
	if (realm.n > 0) {
		if (realm.n > ADDRESS_REALM_MAX)
			return ERR_ADDRESS;
		memcpy(a->realm, realm.p, realm.n);
		a->realm[realm.n] = '\0';
		a->realm_len = (uint8_t)realm.n;
	}
	if ((rc = parse_local(a, local)) != OK)
		return rc;
	length =
	    (size_t)(a->kind == ADDRESS_ROOM) + a->local_len + 1 + a->realm_len;
	return length <= ADDRESS_MAX ? OK : ERR_ADDRESS;
}

size_t
address_format(char out[static ADDRESS_MAX + 1], const struct address *a)
{
	char *p = out;

	if (a->kind == ADDRESS_ROOM)
		*p++ = '#';
	memcpy(p, a->local, a->local_len);
	p += a->local_len;
	*p++ = '@';
	memcpy(p, a->realm, a->realm_len);
	p += a->realm_len;
	*p = '\0';
	return (size_t)(p - out);
}

bool
address_eq(const struct address *a, const struct address *b)
{
	return a->kind == b->kind &&
	       str_eq(address_local(a), address_local(b)) &&
	       str_eq(address_realm(a), address_realm(b));
}

enum err
address_skeleton(char *out, size_t size, struct str local)
{
	UErrorCode e = U_ZERO_ERROR;
	USpoofChecker *sc = uspoof_open(&e);
	int32_t n;

	if (U_FAILURE(e))
		return ERR_NOMEM;
	n = uspoof_getSkeletonUTF8(sc, 0, local.n > 0 ? local.p : "",
	    (int32_t)local.n, out, (int32_t)size, &e);
	uspoof_close(sc);
	if (U_FAILURE(e) || (size_t)n >= size)
		return ERR_ADDRESS;
	out[n] = '\0';
	return OK;
}
