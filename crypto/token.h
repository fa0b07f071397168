/*
 * token: a random secret that is its own proof of a right, as text.
 *
 * "kd_" (a device's session) or "ki_" (an invite), then 32 random bytes as
 * base64url without padding (RFC 4648, section 5).  Whoever keeps tokens
 * keeps and looks up only the hash, from which the token cannot be had; 256
 * bits of randomness need no salt and no slow hash.
 *
 * Ownership  texts are secrets: the caller wipes them.
 * Threads    any, after crypto_start.
 */
#ifndef CRYPTO_TOKEN_H
#define CRYPTO_TOKEN_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define TOKEN_TEXT_LEN 46 /* characters, without NUL */
#define TOKEN_HASH_LEN 32

enum token_kind { TOKEN_DEVICE, TOKEN_INVITE };

/* A new one: its text, with NUL, and its hash. */
void token_make(char text[static TOKEN_TEXT_LEN + 1],
    uint8_t hash[static TOKEN_HASH_LEN], enum token_kind kind);

/*
 * The hash of a token that somebody presents.  ERR_MALFORMED: text is not
 * exactly what token_make writes for this kind.
 */
enum err token_hash(uint8_t hash[static TOKEN_HASH_LEN], enum token_kind kind,
    struct str text) MUST_USE;

#endif
