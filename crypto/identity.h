/*
 * identity: the Ed25519 key of a node or a realm, in a file and in memory.
 *
 * The file is text of exactly IDENTITY_FILE_LEN bytes:
 *
 *	kith identity 1
 *	public <64 hexadecimal digits>
 *	secret <64 hexadecimal digits: the seed of RFC 8032>
 *	check <64 hexadecimal digits: BLAKE2b, domain "kith identity 1",
 *	    of the three lines before>
 *
 * It must be a regular file (no symbolic link) of root or of the user who
 * runs the program, with no permission for group and others.
 *
 * Ownership  identities are returned, free with identity_free.
 * Memory     the secret key has pages of its own, between guard pages, read
 *            only, left out of core dumps, and locked against swapping where
 *            RLIMIT_MEMLOCK lets us: identity_locked tells.
 * Threads    immutable: any, until freed.  create and load do blocking I/O.
 */
#ifndef CRYPTO_IDENTITY_H
#define CRYPTO_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/part.h"
#include "crypto/sign.h"

#define IDENTITY_FILE_LEN    231
#define IDENTITY_DERIVED_LEN 32

struct identity;

/*
 * Makes a key and its file, which is there whole and durable (file and
 * directory synced) or not at all.  ERR_EXISTS: there is something at path,
 * it is left alone; ERR_NOTFOUND: there is no such directory; ERR_FORBIDDEN,
 * ERR_NOSPACE, ERR_READONLY, ERR_IO, ERR_NOMEM, ERR_INTERNAL (no randomness).
 */
enum err identity_create(struct identity **id, const char *path) MUST_USE;

/*
 * ERR_NOTFOUND; ERR_MODE: others can read or change it, it is of another user,
 * or it is no regular file; ERR_CORRUPT: it is not such a file, cut off or
 * damaged; ERR_UNSUPPORTED: of a later format; ERR_FORBIDDEN, ERR_IO,
 * ERR_NOMEM, ERR_INTERNAL.
 */
enum err identity_load(struct identity **id, const char *path) MUST_USE;

/* Wipes the key.  NULL is allowed. */
void identity_free(struct identity *id);

/* The public key, SIGN_PUBLIC_LEN bytes.  Borrowed until identity_free. */
const uint8_t *identity_public(const struct identity *id);

/* False: the kernel may swap the secret key out. */
bool identity_locked(const struct identity *id);

/* As sign_message, which see for domain, limits and errors. */
enum err identity_sign(const struct identity *id, uint8_t sig[static SIGN_LEN],
    const char *domain, struct part msg) MUST_USE;

/*
 * A secret of the identity's own for the purpose that label (a literal) names:
 * a box key, or the secret of an X25519 pair.  HKDF-SHA256 (RFC 5869) of the
 * seed, salt "kith identity 1", info label.  The caller wipes it.
 */
void identity_derive(const struct identity *id, const char *label,
    uint8_t out[static IDENTITY_DERIVED_LEN]);

#endif
