#include "crypto/sign.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/wipe.h"

#define INPUT_STACK (1024 + SIGN_DOMAIN_MAX + 1)

/* Domain and message in one piece. */
struct input {
	uint8_t small[INPUT_STACK];
	uint8_t *p;
	size_t n;
};

static enum err
input_make(struct input *in, const char *domain, struct part msg)
{
	size_t dn = strlen(domain);

	assert(dn > 0 && dn <= SIGN_DOMAIN_MAX);
	if (msg.n > SIGN_MESSAGE_MAX)
		return ERR_TOO_LARGE;
	in->n = dn + 1 + msg.n;
	in->p = in->n <= sizeof(in->small) ? in->small : malloc(in->n);
	if (in->p == NULL)
		return ERR_NOMEM;
	memcpy(in->p, domain, dn + 1);
	memcpy(in->p + dn + 1, part_bytes(msg), msg.n);
	return OK;
}

/* What is signed may be a secret of somebody. */
static void
input_done(struct input *in)
{
	secret_wipe(in->p, in->n);
	if (in->p != in->small)
		free(in->p);
}

void
sign_keypair(uint8_t pk[static SIGN_PUBLIC_LEN],
    uint8_t sk[static SIGN_SECRET_LEN])
{
	(void)crypto_sign_ed25519_keypair(pk, sk);
}

void
sign_keypair_seed(uint8_t pk[static SIGN_PUBLIC_LEN],
    uint8_t sk[static SIGN_SECRET_LEN],
    const uint8_t seed[static SIGN_SEED_LEN])
{
	(void)crypto_sign_ed25519_seed_keypair(pk, sk, seed);
}

enum err
sign_message(uint8_t sig[static SIGN_LEN],
    const uint8_t sk[static SIGN_SECRET_LEN], const char *domain,
    struct part msg)
{
	struct input in;
	enum err rc;

	if ((rc = input_make(&in, domain, msg)) != OK)
		return rc;
	sign_raw(sig, sk, PART(in.p, in.n));
	input_done(&in);
	return OK;
}

enum err
sign_verify(const uint8_t sig[static SIGN_LEN],
    const uint8_t pk[static SIGN_PUBLIC_LEN], const char *domain,
    struct part msg)
{
	struct input in;
	enum err rc;

	if ((rc = input_make(&in, domain, msg)) != OK)
		return rc;
	rc = sign_verify_raw(PART(sig, SIGN_LEN), pk, PART(in.p, in.n));
	input_done(&in);
	return rc;
}

void
sign_raw(uint8_t sig[static SIGN_LEN], const uint8_t sk[static SIGN_SECRET_LEN],
    struct part msg)
{
	(void)crypto_sign_ed25519_detached(sig, NULL, part_bytes(msg), msg.n,
	    sk);
}

enum err
sign_verify_raw(struct part sig, const uint8_t pk[static SIGN_PUBLIC_LEN],
    struct part msg)
{
	if (sig.n != SIGN_LEN)
		return ERR_SIGNATURE;
	if (crypto_sign_ed25519_verify_detached(sig.p, part_bytes(msg), msg.n,
		pk) != 0)
		return ERR_SIGNATURE;
	return OK;
}
