#include "crypto/password.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "crypto/random.h"

#define SALT_LEN 16
#define TAG_LEN  32
#define BASE64   sodium_base64_VARIANT_ORIGINAL_NO_PADDING

_Static_assert(PASSWORD_HASH_MAX == crypto_pwhash_argon2id_STRBYTES,
    "PASSWORD_HASH_MAX");

bool
password_cost_ok(struct password_cost cost)
{
	return cost.passes >= PASSWORD_PASSES_MIN &&
	       cost.passes <= PASSWORD_PASSES_MAX &&
	       cost.memory_kib >= PASSWORD_KIB_MIN &&
	       cost.memory_kib <= PASSWORD_KIB_MAX;
}

static size_t
memory_bytes(struct password_cost cost)
{
	return (size_t)cost.memory_kib * 1024;
}

enum err
password_hash(char out[static PASSWORD_HASH_MAX], struct str password,
    struct password_cost cost)
{
	if (password.n > PASSWORD_MAX)
		return ERR_TOO_LARGE;
	if (!password_cost_ok(cost))
		return ERR_INVALID;
	if (crypto_pwhash_argon2id_str(out, password.n > 0 ? password.p : "",
		password.n, cost.passes, memory_bytes(cost)) != 0)
		return ERR_NOMEM;
	return OK;
}

/* A decimal number after a literal; moves *p behind it. */
static bool
take_number(const char **p, const char *before, uint32_t *v)
{
	size_t n = strlen(before);
	uint64_t sum = 0;
	const char *q;

	if (strncmp(*p, before, n) != 0)
		return false;
	for (q = *p + n; *q >= '0' && *q <= '9'; q++)
		if ((sum = sum * 10 + (uint64_t)(*q - '0')) > UINT32_MAX)
			return false;
	if (q == *p + n)
		return false;
	*p = q;
	*v = (uint32_t)sum;
	return true;
}

/*
 * A hash may come from a backup or from another node: without this look a
 * few digits in it would cost any amount of time and memory.
 */
static bool
within_limits(const char *hash)
{
	struct password_cost cost = { 0, 0 };
	uint32_t lanes = 0;

	return strnlen(hash, PASSWORD_HASH_MAX) < PASSWORD_HASH_MAX &&
	       take_number(&hash, "$argon2id$v=19$m=", &cost.memory_kib) &&
	       take_number(&hash, ",t=", &cost.passes) &&
	       take_number(&hash, ",p=", &lanes) && *hash == '$' &&
	       lanes == 1 && password_cost_ok(cost);
}

/*
 * libsodium has one -1 for every failure and tells them apart by errno: EINVAL
 * for another password, ENOMEM (of malloc, mmap) for want of memory, and
 * nothing for a text that it cannot parse.
 */
enum err
password_verify(const char *hash, struct str password)
{
	char copy[PASSWORD_HASH_MAX] = { 0 };

	if (password.n > PASSWORD_MAX)
		return ERR_TOO_LARGE;
	if (!within_limits(hash))
		return ERR_CORRUPT;
	memcpy(copy, hash, strlen(hash));
	errno = 0;
	if (crypto_pwhash_argon2id_str_verify(copy,
		password.n > 0 ? password.p : "", password.n) == 0)
		return OK;
	switch (errno) {
	case EINVAL:
		return ERR_CREDENTIALS;
	case 0:
		return ERR_CORRUPT;
	default:
		return ERR_NOMEM;
	}
}

bool
password_needs_rehash(const char *hash, struct password_cost cost)
{
	struct password_cost had = { 0, 0 };

	if (!within_limits(hash))
		return true;
	if (!take_number(&hash, "$argon2id$v=19$m=", &had.memory_kib) ||
	    !take_number(&hash, ",t=", &had.passes))
		return true;
	return had.passes != cost.passes || had.memory_kib != cost.memory_kib;
}

void
password_dummy(char out[static PASSWORD_HASH_MAX], struct password_cost cost)
{
	char salt[sodium_base64_ENCODED_LEN(SALT_LEN, BASE64)];
	char tag[sodium_base64_ENCODED_LEN(TAG_LEN, BASE64)];
	uint8_t random[SALT_LEN + TAG_LEN];

	random_bytes(random, sizeof(random));
	sodium_bin2base64(salt, sizeof(salt), random, SALT_LEN, BASE64);
	sodium_bin2base64(tag, sizeof(tag), random + SALT_LEN, TAG_LEN, BASE64);
	(void)snprintf(out, PASSWORD_HASH_MAX,
	    "$argon2id$v=19$m=%u,t=%u,p=1$%s$%s", (unsigned)cost.memory_kib,
	    (unsigned)cost.passes, salt, tag);
}
