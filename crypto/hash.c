#include "crypto/hash.h"

#include <assert.h>
#include <sodium.h>
#include <stdalign.h>
#include <string.h>

_Static_assert(sizeof(crypto_generichash_blake2b_state) == sizeof(struct hash),
    "struct hash: size");
_Static_assert(alignof(crypto_generichash_blake2b_state) <=
		   alignof(struct hash),
    "struct hash: align");
_Static_assert(HASH_DOMAIN_MAX == crypto_generichash_blake2b_PERSONALBYTES,
    "HASH_DOMAIN_MAX");

static crypto_generichash_blake2b_state *
state_of(struct hash *h)
{
	return (crypto_generichash_blake2b_state *)(void *)h;
}

void
hash_init(struct hash *h, const char *domain)
{
	unsigned char personal[HASH_DOMAIN_MAX] = { 0 };
	size_t n = strlen(domain);
	int rc;

	assert(n > 0 && n <= sizeof(personal));
	memcpy(personal, domain, n);
	rc = crypto_generichash_blake2b_init_salt_personal(state_of(h), NULL, 0,
	    HASH_LEN, NULL, personal);
	assert(rc == 0);
}

void
hash_add(struct hash *h, const void *p, size_t n)
{
	(void)crypto_generichash_blake2b_update(state_of(h),
	    part_bytes(PART(p, n)), n);
}

void
hash_final(struct hash *h, uint8_t out[static HASH_LEN])
{
	int rc = crypto_generichash_blake2b_final(state_of(h), out, HASH_LEN);

	assert(rc == 0); /* else it was final before */
}

void
hash256(uint8_t out[static HASH_LEN], const char *domain,
    const struct part *parts, size_t nparts)
{
	struct hash h;

	hash_init(&h, domain);
	for (size_t i = 0; i < nparts; i++)
		hash_add(&h, parts[i].p, parts[i].n);
	hash_final(&h, out);
}

void
hash256_keyed(uint8_t out[static HASH_LEN], const void *key, size_t keylen,
    const void *p, size_t n)
{
	int rc;

	assert(keylen >= HASH_KEY_MIN && keylen <= HASH_KEY_MAX);
	rc = crypto_generichash_blake2b(out, HASH_LEN, part_bytes(PART(p, n)),
	    n, key, keylen);
	assert(rc == 0);
}
