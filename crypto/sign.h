/*
 * sign: Ed25519 signatures (RFC 8032) with domain separation.
 *
 * What is signed is the domain, a zero byte, and the message.  The domain is
 * a literal such as "kith recover 1" that names the kind of statement, so
 * that a signature under one never counts as one under another.
 *
 * Verification is strict, as libsodium does it: public keys and R of small
 * order, keys that are not canonical, and S not below the group's order are
 * refused; so nobody but the signer can make a second signature of a first.
 *
 * Ownership  everything is borrowed during the call.  Secret keys are the
 *            caller's to wipe; those of nodes and realms live in
 *            crypto/identity.
 * Threads    any, after crypto_start.
 * Limits     SIGN_MESSAGE_MAX bytes; about 35 us to sign, 80 us to verify.
 */
#ifndef CRYPTO_SIGN_H
#define CRYPTO_SIGN_H

#include <stdint.h>

#include "base/err.h"
#include "crypto/part.h"

#define SIGN_PUBLIC_LEN  32
#define SIGN_SECRET_LEN  64 /* seed, then public key */
#define SIGN_SEED_LEN    32
#define SIGN_LEN         64
#define SIGN_DOMAIN_MAX  64
#define SIGN_MESSAGE_MAX (1024 * 1024)

void sign_keypair(uint8_t pk[static SIGN_PUBLIC_LEN],
    uint8_t sk[static SIGN_SECRET_LEN]);
void sign_keypair_seed(uint8_t pk[static SIGN_PUBLIC_LEN],
    uint8_t sk[static SIGN_SECRET_LEN],
    const uint8_t seed[static SIGN_SEED_LEN]);

/*
 * ERR_TOO_LARGE; ERR_NOMEM: a message above 1 KiB is copied to the heap,
 * because the algorithm reads domain and message twice and as one.
 */
enum err sign_message(uint8_t sig[static SIGN_LEN],
    const uint8_t sk[static SIGN_SECRET_LEN], const char *domain,
    struct part msg) MUST_USE;

/* ERR_SIGNATURE: it is none of this key, domain and message; else as above. */
enum err sign_verify(const uint8_t sig[static SIGN_LEN],
    const uint8_t pk[static SIGN_PUBLIC_LEN], const char *domain,
    struct part msg) MUST_USE;

/*
 * Without a domain, for protocols of others that separate by themselves.
 * sig must have SIGN_LEN bytes, else it is ERR_SIGNATURE.
 */
void sign_raw(uint8_t sig[static SIGN_LEN],
    const uint8_t sk[static SIGN_SECRET_LEN], struct part msg);
enum err sign_verify_raw(struct part sig,
    const uint8_t pk[static SIGN_PUBLIC_LEN], struct part msg) MUST_USE;

#endif
