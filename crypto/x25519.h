/*
 * x25519: Diffie-Hellman on Curve25519 (RFC 7748).
 *
 * These keys are apart from Ed25519 ones: nothing here converts one into the
 * other.  A node's key for sealing comes from identity_derive.
 *
 * Ownership  secret keys and shared secrets are the caller's to wipe.
 * Threads    any, after crypto_start.
 */
#ifndef CRYPTO_X25519_H
#define CRYPTO_X25519_H

#include <stdint.h>

#include "base/err.h"

#define X25519_LEN 32 /* of a public key, a secret key, a shared secret */

void x25519_keypair(uint8_t pk[static X25519_LEN],
    uint8_t sk[static X25519_LEN]);

/* Any 32 bytes are a secret key. */
void x25519_public(uint8_t pk[static X25519_LEN],
    const uint8_t sk[static X25519_LEN]);

/*
 * The shared secret, to be hashed together with both public keys, never to be
 * used as a key as it is.  ERR_INVALID: the other side's key is of low order,
 * which would make the secret all zero whatever ours is (section 6.1); out is
 * zero then.
 */
enum err x25519(uint8_t out[static X25519_LEN],
    const uint8_t sk[static X25519_LEN],
    const uint8_t pk[static X25519_LEN]) MUST_USE;

#endif
