/*
 * hkdf: HMAC-SHA256 (RFC 2104) and the key derivation on it (RFC 5869).
 *
 * Ownership  everything is borrowed during the call; nothing is allocated.
 * Threads    any; a struct hmac belongs to one.
 */
#ifndef CRYPTO_HKDF_H
#define CRYPTO_HKDF_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/part.h"

#define HMAC_LEN     32
#define HKDF_PRK_LEN 32
#define HKDF_OUT_MAX ((size_t)255 * 32)

/* An HMAC under way.  Holds key material: hmac_final wipes it. */
struct hmac {
	_Alignas(8) unsigned char opaque[208];
};

void hmac_init(struct hmac *h, const void *key, size_t keylen);
void hmac_add(struct hmac *h, const void *p, size_t n);
void hmac_final(struct hmac *h, uint8_t out[static HMAC_LEN]);

void hmac_sha256(uint8_t out[static HMAC_LEN], struct part key,
    const struct part *parts, size_t nparts);

/* Section 2.2.  An empty salt is the same as 32 zeros. */
void hkdf_extract(uint8_t prk[static HKDF_PRK_LEN], struct part salt,
    const struct part *ikm, size_t nikm);

/* Section 2.3.  ERR_TOO_LARGE: n is over HKDF_OUT_MAX; out is untouched. */
enum err hkdf_expand(void *out, size_t n,
    const uint8_t prk[static HKDF_PRK_LEN], const struct part *info,
    size_t ninfo) MUST_USE;

/* Both in one, for a 32-byte key. */
void hkdf_key(uint8_t out[static 32], struct part ikm, struct part salt,
    struct part info);

#endif
