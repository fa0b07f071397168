/*
 * aead: authenticated encryption under a nonce that the caller chooses:
 * ChaCha20-Poly1305 (RFC 8439), and XChaCha20-Poly1305 with its longer nonce
 * (draft-irtf-cfrg-xchacha-03).
 *
 * A nonce must never be used twice under one key.  Whoever has no counter
 * uses crypto/box, which draws long random ones.
 *
 * Sealed bytes are AEAD_TAG_LEN longer than plain ones, the tag comes last.
 * Both may lie in the same place; else they must not overlap.
 *
 * Ownership  everything is borrowed during the call; nothing is allocated.
 * Threads    any, after crypto_start.
 * Limits     AEAD_PLAIN_MAX bytes of plaintext.
 */
#ifndef CRYPTO_AEAD_H
#define CRYPTO_AEAD_H

#include <stdint.h>

#include "base/err.h"
#include "crypto/part.h"

#define AEAD_KEY_LEN      32
#define AEAD_TAG_LEN      16
#define CHACHA_NONCE_LEN  12
#define XCHACHA_NONCE_LEN 24
#define AEAD_PLAIN_MAX    ((size_t)1 << 31)

/* out holds plain.n + AEAD_TAG_LEN bytes. */
void chacha_seal(uint8_t *out, const uint8_t key[static AEAD_KEY_LEN],
    const uint8_t nonce[static CHACHA_NONCE_LEN], struct part ad,
    struct part plain);
void xchacha_seal(uint8_t *out, const uint8_t key[static AEAD_KEY_LEN],
    const uint8_t nonce[static XCHACHA_NONCE_LEN], struct part ad,
    struct part plain);

/*
 * out holds sealed.n - AEAD_TAG_LEN bytes.  ERR_MALFORMED: it is shorter than
 * a tag, or longer than allowed; ERR_SIGNATURE: the key, the nonce or the
 * associated data is another, or somebody altered it.  Nothing of the
 * plaintext is in out then.
 */
enum err chacha_open(uint8_t *out, const uint8_t key[static AEAD_KEY_LEN],
    const uint8_t nonce[static CHACHA_NONCE_LEN], struct part ad,
    struct part sealed) MUST_USE;
enum err xchacha_open(uint8_t *out, const uint8_t key[static AEAD_KEY_LEN],
    const uint8_t nonce[static XCHACHA_NONCE_LEN], struct part ad,
    struct part sealed) MUST_USE;

#endif
