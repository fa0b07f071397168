#include "crypto/x25519.h"

#include <sodium.h>

#include "crypto/random.h"
#include "crypto/wipe.h"

void
x25519_keypair(uint8_t pk[static X25519_LEN], uint8_t sk[static X25519_LEN])
{
	random_bytes(sk, X25519_LEN);
	x25519_public(pk, sk);
}

void
x25519_public(uint8_t pk[static X25519_LEN],
    const uint8_t sk[static X25519_LEN])
{
	(void)crypto_scalarmult_curve25519_base(pk, sk);
}

enum err
x25519(uint8_t out[static X25519_LEN], const uint8_t sk[static X25519_LEN],
    const uint8_t pk[static X25519_LEN])
{
	if (crypto_scalarmult_curve25519(out, sk, pk) != 0 ||
	    sodium_is_zero(out, X25519_LEN)) {
		secret_wipe(out, X25519_LEN);
		return ERR_INVALID;
	}
	return OK;
}
