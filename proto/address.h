/*
 * address: the names of accounts and rooms, alice@example.org and
 * #lounge@example.org.
 *
 * The local part is enforced by UsernameCaseMapped of PRECIS (RFC 8265): case
 * and width do not matter, `Alice' is `alice'.  Of ASCII only letters, digits
 * and . _ - + are taken, the first neither . - nor +, the last not . so that
 * an address can stand in a sentence and on a command line; and the scripts of
 * one name must go together (UTS 39, highly restrictive).  The realm is a
 * domain name, in lower case and U-labels (UTS 46).
 *
 * Ownership  a struct address holds everything itself.
 * Threads    any.
 * Limits     ADDRESS_LOCAL_MAX bytes, ADDRESS_MAX with # @ and realm.
 */
#ifndef PROTO_ADDRESS_H
#define PROTO_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "proto/text.h"

#define ADDRESS_MAX          255
#define ADDRESS_LOCAL_MAX    64
#define ADDRESS_REALM_MAX    253
#define ADDRESS_SKELETON_MAX 512 /* with NUL */

enum address_kind { ADDRESS_ACCOUNT, ADDRESS_ROOM };

struct address {
	enum address_kind kind;
	uint8_t local_len, realm_len;
	char local[ADDRESS_LOCAL_MAX + 1]; /* without #; NUL-terminated */
	char realm[ADDRESS_REALM_MAX + 1];
};

/*
 * realm is taken where the text has none, and must be one that address_parse
 * made; STR_NONE: the text needs one.  ERR_ADDRESS.
 */
enum err address_parse(struct address *a, struct str text,
    struct str realm) MUST_USE;

/* The whole of it, NUL-terminated; returns the length. */
size_t address_format(char out[static ADDRESS_MAX + 1],
    const struct address *a);

/* Views into a. */
static inline struct str
address_local(const struct address *a)
{
	return (struct str){ a->local, a->local_len };
}

static inline struct str
address_realm(const struct address *a)
{
	return (struct str){ a->realm, a->realm_len };
}

bool address_eq(const struct address *a, const struct address *b);

/*
 * What a local part looks like (UTS 39): two that have the same skeleton
 * cannot be told apart.  Never shown.  NUL-terminated.  ERR_ADDRESS: longer
 * than size; ERR_NOMEM.
 */
enum err address_skeleton(char *out, size_t size, struct str local) MUST_USE;

/* The realm as the DNS knows it, in A-labels.  ERR_ADDRESS. */
enum err address_realm_ascii(char out[static ADDRESS_REALM_MAX + 1],
    struct str realm) MUST_USE;

#endif
