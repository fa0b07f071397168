#include "crypto/hkdf.h"

#include <assert.h>
#include <sodium.h>
#include <stdalign.h>
#include <string.h>

#include "crypto/wipe.h"

_Static_assert(sizeof(crypto_auth_hmacsha256_state) == sizeof(struct hmac),
    "struct hmac: size");
_Static_assert(alignof(crypto_auth_hmacsha256_state) <= alignof(struct hmac),
    "struct hmac: align");
_Static_assert(HMAC_LEN == crypto_auth_hmacsha256_BYTES, "HMAC_LEN");

static crypto_auth_hmacsha256_state *
state_of(struct hmac *h)
{
	return (crypto_auth_hmacsha256_state *)(void *)h;
}

void
hmac_init(struct hmac *h, const void *key, size_t keylen)
{
	(void)crypto_auth_hmacsha256_init(state_of(h),
	    part_bytes(PART(key, keylen)), keylen);
}

void
hmac_add(struct hmac *h, const void *p, size_t n)
{
	(void)crypto_auth_hmacsha256_update(state_of(h), part_bytes(PART(p, n)),
	    n);
}

void
hmac_final(struct hmac *h, uint8_t out[static HMAC_LEN])
{
	(void)crypto_auth_hmacsha256_final(state_of(h), out);
	secret_wipe(h, sizeof(*h));
}

void
hmac_sha256(uint8_t out[static HMAC_LEN], struct part key,
    const struct part *parts, size_t nparts)
{
	struct hmac h;

	hmac_init(&h, key.p, key.n);
	for (size_t i = 0; i < nparts; i++)
		hmac_add(&h, parts[i].p, parts[i].n);
	hmac_final(&h, out);
}

void
hkdf_extract(uint8_t prk[static HKDF_PRK_LEN], struct part salt,
    const struct part *ikm, size_t nikm)
{
	hmac_sha256(prk, salt, ikm, nikm);
}

enum err
hkdf_expand(void *out, size_t n, const uint8_t prk[static HKDF_PRK_LEN],
    const struct part *info, size_t ninfo)
{
	uint8_t block[HMAC_LEN], counter = 0, *p = out;
	struct hmac h;
	size_t take;

	if (n > HKDF_OUT_MAX)
		return ERR_TOO_LARGE;
	while (n > 0) {
		hmac_init(&h, prk, HKDF_PRK_LEN);
		if (counter > 0)
			hmac_add(&h, block, sizeof(block));
		for (size_t i = 0; i < ninfo; i++)
			hmac_add(&h, info[i].p, info[i].n);
		counter++;
		hmac_add(&h, &counter, 1);
		hmac_final(&h, block);

		take = n < sizeof(block) ? n : sizeof(block);
		memcpy(p, block, take);
		p += take;
		n -= take;
	}
	secret_wipe(block, sizeof(block));
	return OK;
}

void
hkdf_key(uint8_t out[static 32], struct part ikm, struct part salt,
    struct part info)
{
	uint8_t prk[HKDF_PRK_LEN];
	enum err rc;

	hkdf_extract(prk, salt, &ikm, 1);
	rc = hkdf_expand(out, 32, prk, &info, 1);
	assert(rc == OK);
	secret_wipe(prk, sizeof(prk));
}
