#include "crypto/aead.h"

#include <assert.h>
#include <sodium.h>

void
chacha_seal(uint8_t *out, const uint8_t key[static AEAD_KEY_LEN],
    const uint8_t nonce[static CHACHA_NONCE_LEN], struct part ad,
    struct part plain)
{
	assert(plain.n <= AEAD_PLAIN_MAX);
	(void)crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL,
	    part_bytes(plain), plain.n, part_bytes(ad), ad.n, NULL, nonce, key);
}

void
xchacha_seal(uint8_t *out, const uint8_t key[static AEAD_KEY_LEN],
    const uint8_t nonce[static XCHACHA_NONCE_LEN], struct part ad,
    struct part plain)
{
	assert(plain.n <= AEAD_PLAIN_MAX);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL,
	    part_bytes(plain), plain.n, part_bytes(ad), ad.n, NULL, nonce, key);
}

static enum err
check_length(struct part sealed)
{
	if (sealed.n < AEAD_TAG_LEN || sealed.n > AEAD_PLAIN_MAX + AEAD_TAG_LEN)
		return ERR_MALFORMED;
	return OK;
}

enum err
chacha_open(uint8_t *out, const uint8_t key[static AEAD_KEY_LEN],
    const uint8_t nonce[static CHACHA_NONCE_LEN], struct part ad,
    struct part sealed)
{
	enum err rc;

	if ((rc = check_length(sealed)) != OK)
		return rc;
	if (crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed.p,
		sealed.n, part_bytes(ad), ad.n, nonce, key) != 0)
		return ERR_SIGNATURE;
	return OK;
}

enum err
xchacha_open(uint8_t *out, const uint8_t key[static AEAD_KEY_LEN],
    const uint8_t nonce[static XCHACHA_NONCE_LEN], struct part ad,
    struct part sealed)
{
	enum err rc;

	if ((rc = check_length(sealed)) != OK)
		return rc;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL,
		sealed.p, sealed.n, part_bytes(ad), ad.n, nonce, key) != 0)
		return ERR_SIGNATURE;
	return OK;
}
