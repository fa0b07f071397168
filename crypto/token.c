#include "crypto/token.h"

#include <sodium.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/wipe.h"

#define PREFIX_LEN 3
#define SECRET_LEN 32
#define BASE64     sodium_base64_VARIANT_URLSAFE_NO_PADDING

_Static_assert(TOKEN_HASH_LEN == HASH_LEN, "TOKEN_HASH_LEN");
_Static_assert(sodium_base64_ENCODED_LEN(SECRET_LEN, BASE64) ==
		   TOKEN_TEXT_LEN - PREFIX_LEN + 1,
    "TOKEN_TEXT_LEN");

static const struct {
	char prefix[PREFIX_LEN + 1];
	char domain[HASH_DOMAIN_MAX + 1];
} kinds[] = {
	[TOKEN_DEVICE] = { "kd_", "kith device 1" },
	[TOKEN_INVITE] = { "ki_", "kith invite 1" },
};

static void
hash_secret(uint8_t *hash, enum token_kind kind, const uint8_t *secret)
{
	hash256(hash, kinds[kind].domain, PARTS(PART(secret, SECRET_LEN)));
}

static void
write_text(char text[static TOKEN_TEXT_LEN + 1], enum token_kind kind,
    const uint8_t *secret)
{
	memcpy(text, kinds[kind].prefix, PREFIX_LEN);
	sodium_bin2base64(text + PREFIX_LEN, TOKEN_TEXT_LEN - PREFIX_LEN + 1,
	    secret, SECRET_LEN, BASE64);
}

void
token_make(char text[static TOKEN_TEXT_LEN + 1],
    uint8_t hash[static TOKEN_HASH_LEN], enum token_kind kind)
{
	uint8_t secret[SECRET_LEN];

	random_bytes(secret, sizeof(secret));
	write_text(text, kind, secret);
	hash_secret(hash, kind, secret);
	secret_wipe(secret, sizeof(secret));
}

/*
 * Reading back is not enough to be strict: sodium_base642bin (1.0.18) takes
 * bytes above 0x7f for digits.  A token has the one text that we would write.
 */
enum err
token_hash(uint8_t hash[static TOKEN_HASH_LEN], enum token_kind kind,
    struct str text)
{
	char canonical[TOKEN_TEXT_LEN + 1];
	uint8_t secret[SECRET_LEN];
	enum err rc = ERR_MALFORMED;
	size_t n;

	if (text.n != TOKEN_TEXT_LEN)
		return ERR_MALFORMED;
	if (sodium_base642bin(secret, sizeof(secret), text.p + PREFIX_LEN,
		text.n - PREFIX_LEN, NULL, &n, NULL, BASE64) == 0 &&
	    n == sizeof(secret)) {
		write_text(canonical, kind, secret);
		if (secret_equal(canonical, text.p, TOKEN_TEXT_LEN)) {
			hash_secret(hash, kind, secret);
			rc = OK;
		}
	}
	secret_wipe(canonical, sizeof(canonical));
	secret_wipe(secret, sizeof(secret));
	return rc;
}
