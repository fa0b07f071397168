/*
 * box: bytes sealed for somebody.
 *
 * With a key that both sides have: nonce (24, random), then
 * XChaCha20-Poly1305 (crypto/aead.h).  The nonce is long enough for any
 * number of boxes under one key.
 *
 * To a public key, without a sender: the sealed box of libsodium, an
 * ephemeral X25519 key (32), then XSalsa20-Poly1305 under a nonce made of both
 * public keys.  It says nothing about who sealed it: sign what is inside, with
 * the recipient's key in it.
 *
 * Ownership  everything is borrowed during the call; nothing is allocated.
 *            Sealed and plain bytes must not overlap.
 * Threads    any, after crypto_start.
 * Limits     AEAD_PLAIN_MAX bytes of plaintext.
 */
#ifndef CRYPTO_BOX_H
#define CRYPTO_BOX_H

#include <stdint.h>

#include "base/err.h"
#include "crypto/part.h"

#define BOX_KEY_LEN     32
#define BOX_OVERHEAD    (24 + 16)
#define BOX_TO_OVERHEAD (32 + 16)

/* out holds plain.n + BOX_OVERHEAD bytes. */
void box_seal(uint8_t *out, const uint8_t key[static BOX_KEY_LEN],
    struct part ad, struct part plain);

/*
 * out holds sealed.n - BOX_OVERHEAD bytes.  ERR_MALFORMED: no box has this
 * length; ERR_SIGNATURE: the key or the associated data is another, or
 * somebody altered it.
 */
enum err box_open(uint8_t *out, const uint8_t key[static BOX_KEY_LEN],
    struct part ad, struct part sealed) MUST_USE;

/* out holds plain.n + BOX_TO_OVERHEAD bytes.  ERR_INVALID: pk is of low
 * order, so that everybody could open it. */
enum err box_seal_to(uint8_t *out, const uint8_t pk[static BOX_KEY_LEN],
    struct part plain) MUST_USE;

/* out holds sealed.n - BOX_TO_OVERHEAD bytes; errors as box_open. */
enum err box_open_to(uint8_t *out, const uint8_t pk[static BOX_KEY_LEN],
    const uint8_t sk[static BOX_KEY_LEN], struct part sealed) MUST_USE;

#endif
