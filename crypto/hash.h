/*
 * hash: BLAKE2b with 32 bytes of output (RFC 7693).
 *
 * Every use has a domain, a literal of 1 to HASH_DOMAIN_MAX characters such as
 * "kith event 1", so that a hash made for one purpose never is one for
 * another.  It goes, padded with zeros, into the personalization parameter of
 * the hash (the `person' of hashlib.blake2b in Python), and so costs nothing.
 *
 * Ownership  everything is borrowed during the call; nothing is allocated.
 * Threads    any; a struct hash belongs to one.  After crypto_start.
 */
#ifndef CRYPTO_HASH_H
#define CRYPTO_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/part.h"

#define HASH_LEN        32
#define HASH_DOMAIN_MAX 16
#define HASH_KEY_MIN    16
#define HASH_KEY_MAX    64

/*
 * A hash under way: on the stack or in another variable (malloc does not
 * align it well enough).  Holds no pointer: it can be copied to go on twice.
 */
struct hash {
	_Alignas(64) unsigned char opaque[384];
};

void hash_init(struct hash *h, const char *domain);
void hash_add(struct hash *h, const void *p, size_t n);

/* Ends h, which only hash_init can use again; wipes what it had taken in. */
void hash_final(struct hash *h, uint8_t out[static HASH_LEN]);

/* All at once: hash256(out, "kith x 1", PARTS(PART_OF(salt), PART(p, n))). */
void hash256(uint8_t out[static HASH_LEN], const char *domain,
    const struct part *parts, size_t nparts);

/*
 * Keyed, and without a domain: the key, of HASH_KEY_MIN to HASH_KEY_MAX
 * bytes, makes it a hash of its own (a MAC, or a salted hash).
 */
void hash256_keyed(uint8_t out[static HASH_LEN], const void *key, size_t keylen,
    const void *p, size_t n);

#endif
