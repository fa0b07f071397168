#include "crypto/shorthash.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

static unsigned char key[crypto_shorthash_KEYBYTES];

void
shorthash_start(void)
{
	assert(sodium_init() >= 0);
	crypto_shorthash_keygen(key);
}

uint64_t
shorthash(const void *p, size_t n)
{
	unsigned char out[crypto_shorthash_BYTES];
	uint64_t v;

	crypto_shorthash(out, p, n, key);
	memcpy(&v, out, sizeof(v));
	return v;
}
