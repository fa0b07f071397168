/*
 * phrase: a recovery key as text that a person can write down and type.
 *
 * 32 random bytes and a check of 3 bytes, the first of BLAKE2b in the domain
 * "kith phrase 1" over the 32, make 280 bits: 56 characters of Crockford's
 * base32 (0-9 and A-Z without I, L, O, U), written as 14 groups of 4 with
 * dashes between them.  The check finds a mistake in typing but for one case
 * in 16 million.
 *
 * Reading, it does not matter whether letters are large or small, where
 * blanks, line ends and dashes are, whether a 0 was taken for an O, or a 1
 * for an I or an L.
 *
 * The account's recovery key pair is the Ed25519 pair whose seed is
 * HKDF-SHA256 (RFC 5869) of the 32 bytes, without salt, with the info
 * "kith recovery 1"; so the same phrase can serve for further keys.
 *
 * Ownership  phrases and what they stand for are the caller's to wipe.
 * Threads    any, after crypto_start.
 */
#ifndef CRYPTO_PHRASE_H
#define CRYPTO_PHRASE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "crypto/sign.h"

#define PHRASE_SECRET_LEN 32
#define PHRASE_GROUPS     14
#define PHRASE_TEXT_LEN   (PHRASE_GROUPS * 5 - 1) /* without NUL */
#define PHRASE_INPUT_MAX  1024                    /* characters, read */

/* A new secret.  Never fails. */
void phrase_make(uint8_t secret[static PHRASE_SECRET_LEN]);

/* Writes it, with NUL. */
void phrase_text(char text[static PHRASE_TEXT_LEN + 1],
    const uint8_t secret[static PHRASE_SECRET_LEN]);

/*
 * ERR_MALFORMED: there are more or fewer than 56 characters, or some that a
 * phrase cannot have; ERR_INVALID: it has a typing mistake, by its check.
 * secret is zero then.
 */
enum err phrase_parse(uint8_t secret[static PHRASE_SECRET_LEN],
    struct str text) MUST_USE;

/* The recovery key pair. */
void phrase_keypair(uint8_t pk[static SIGN_PUBLIC_LEN],
    uint8_t sk[static SIGN_SECRET_LEN],
    const uint8_t secret[static PHRASE_SECRET_LEN]);

#endif
