#include "crypto/phrase.h"

#include <string.h>

#include "crypto/hash.h"
#include "crypto/hkdf.h"
#include "crypto/random.h"
#include "crypto/wipe.h"

#define CHECK_LEN 3
#define RAW_LEN   (PHRASE_SECRET_LEN + CHECK_LEN)
#define CHARS     (PHRASE_GROUPS * 4)

_Static_assert(RAW_LEN * 8 == CHARS * 5, "a phrase has no bits left over");
_Static_assert(RAW_LEN % 5 == 0, "5 bytes are 8 characters");

static const char alphabet[32] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static void
check_of(uint8_t check[static CHECK_LEN], const uint8_t *secret)
{
	uint8_t hash[HASH_LEN];

	hash256(hash, "kith phrase 1", PARTS(PART(secret, PHRASE_SECRET_LEN)));
	memcpy(check, hash, CHECK_LEN);
	secret_wipe(hash, sizeof(hash));
}

void
phrase_make(uint8_t secret[static PHRASE_SECRET_LEN])
{
	random_bytes(secret, PHRASE_SECRET_LEN);
}

void
phrase_text(char text[static PHRASE_TEXT_LEN + 1],
    const uint8_t secret[static PHRASE_SECRET_LEN])
{
	uint8_t raw[RAW_LEN];
	uint64_t bits;
	char *q = text;

	memcpy(raw, secret, PHRASE_SECRET_LEN);
	check_of(raw + PHRASE_SECRET_LEN, secret);
	for (size_t i = 0; i < RAW_LEN; i += 5) {
		bits = 0;
		for (size_t j = 0; j < 5; j++)
			bits = bits << 8 | raw[i + j];
		for (int j = 7; j >= 0; j--) {
			*q++ = alphabet[bits >> (5 * j) & 31];
			if (j % 4 == 0)
				*q++ = '-';
		}
	}
	q[-1] = '\0';
	bits = 0;
	secret_wipe(raw, sizeof(raw));
}

/* The value of a character, or -1. */
static int
value_of(char c)
{
	const char *p;

	if (c >= 'a' && c <= 'z')
		c = (char)(c - 'a' + 'A');
	if (c == 'O')
		c = '0';
	if (c == 'I' || c == 'L')
		c = '1';
	p = memchr(alphabet, c, sizeof(alphabet));
	return p != NULL ? (int)(p - alphabet) : -1;
}

/* The RAW_LEN bytes that text stands for. */
static enum err
decode(uint8_t *raw, struct str text)
{
	uint64_t bits = 0;
	size_t n = 0;
	int v;

	if (text.n > PHRASE_INPUT_MAX)
		return ERR_MALFORMED;
	for (size_t i = 0; i < text.n; i++) {
		if (memchr("- \t\r\n", text.p[i], 5) != NULL)
			continue;
		if ((v = value_of(text.p[i])) < 0 || n == CHARS)
			return ERR_MALFORMED;
		bits = bits << 5 | (unsigned)v;
		if (++n % 8 == 0)
			for (int j = 4; j >= 0; j--)
				*raw++ = (uint8_t)(bits >> (8 * j));
	}
	return n == CHARS ? OK : ERR_MALFORMED;
}

enum err
phrase_parse(uint8_t secret[static PHRASE_SECRET_LEN], struct str text)
{
	uint8_t raw[RAW_LEN], check[CHECK_LEN];
	enum err rc;

	if ((rc = decode(raw, text)) == OK) {
		check_of(check, raw);
		if (!secret_equal(check, raw + PHRASE_SECRET_LEN, CHECK_LEN))
			rc = ERR_INVALID;
	}
	if (rc == OK)
		memcpy(secret, raw, PHRASE_SECRET_LEN);
	else
		secret_wipe(secret, PHRASE_SECRET_LEN);
	secret_wipe(raw, sizeof(raw));
	secret_wipe(check, sizeof(check));
	return rc;
}

void
phrase_keypair(uint8_t pk[static SIGN_PUBLIC_LEN],
    uint8_t sk[static SIGN_SECRET_LEN],
    const uint8_t secret[static PHRASE_SECRET_LEN])
{
	uint8_t seed[SIGN_SEED_LEN];

	hkdf_key(seed, PART(secret, PHRASE_SECRET_LEN), PART_NONE,
	    PART_TEXT("kith recovery 1"));
	sign_keypair_seed(pk, sk, seed);
	secret_wipe(seed, sizeof(seed));
}
