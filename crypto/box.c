#include "crypto/box.h"

#include <assert.h>
#include <sodium.h>

#include "crypto/aead.h"
#include "crypto/random.h"

_Static_assert(BOX_OVERHEAD == XCHACHA_NONCE_LEN + AEAD_TAG_LEN,
    "BOX_OVERHEAD");
_Static_assert(BOX_TO_OVERHEAD == crypto_box_SEALBYTES, "BOX_TO_OVERHEAD");

void
box_seal(uint8_t *out, const uint8_t key[static BOX_KEY_LEN], struct part ad,
    struct part plain)
{
	random_bytes(out, XCHACHA_NONCE_LEN);
	xchacha_seal(out + XCHACHA_NONCE_LEN, key, out, ad, plain);
}

enum err
box_open(uint8_t *out, const uint8_t key[static BOX_KEY_LEN], struct part ad,
    struct part sealed)
{
	const uint8_t *p = sealed.p;

	if (sealed.n < BOX_OVERHEAD)
		return ERR_MALFORMED;
	return xchacha_open(out, key, p, ad,
	    PART(p + XCHACHA_NONCE_LEN, sealed.n - XCHACHA_NONCE_LEN));
}

enum err
box_seal_to(uint8_t *out, const uint8_t pk[static BOX_KEY_LEN],
    struct part plain)
{
	assert(plain.n <= AEAD_PLAIN_MAX);
	if (crypto_box_seal(out, part_bytes(plain), plain.n, pk) != 0)
		return ERR_INVALID;
	return OK;
}

enum err
box_open_to(uint8_t *out, const uint8_t pk[static BOX_KEY_LEN],
    const uint8_t sk[static BOX_KEY_LEN], struct part sealed)
{
	if (sealed.n < BOX_TO_OVERHEAD ||
	    sealed.n > AEAD_PLAIN_MAX + BOX_TO_OVERHEAD)
		return ERR_MALFORMED;
	if (crypto_box_seal_open(out, sealed.p, sealed.n, pk, sk) != 0)
		return ERR_SIGNATURE;
	return OK;
}
