#include "tests/unit/crypto_test.h"

#include <ctype.h>

#include "crypto/token.h"

/* The token of the bytes 0 to 31, and its hashes by hashlib.blake2b. */
#define KNOWN "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

static void
hash_is_that_of_the_random_bytes(void **state)
{
	uint8_t hash[TOKEN_HASH_LEN];

	(void)state;
	assert_int_equal(token_hash(hash, TOKEN_DEVICE, STR("kd_" KNOWN)), OK);
	assert_hex(hash, "827c874bbba78deec0ffca1d9a02d039"
			 "bce73b4167303a4520eaed8a93179690");
	assert_int_equal(token_hash(hash, TOKEN_INVITE, STR("ki_" KNOWN)), OK);
	assert_hex(hash, "0479c22f3c574fbccdc2566fc7dece89"
			 "b701bc49523f87edbc788bebab17acd7");
}

static void
new_token_is_found_by_its_text(void **state)
{
	static const enum token_kind kinds[] = { TOKEN_DEVICE, TOKEN_INVITE };
	char text[TOKEN_TEXT_LEN + 1], again[TOKEN_TEXT_LEN + 1];
	uint8_t hash[TOKEN_HASH_LEN], found[TOKEN_HASH_LEN];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		token_make(again, hash, kinds[i]);
		token_make(text, hash, kinds[i]);
		assert_int_equal(strlen(text), TOKEN_TEXT_LEN);
		assert_string_not_equal(text, again);
		assert_int_equal(token_hash(found, kinds[i], str_of(text)), OK);
		assert_memory_equal(found, hash, sizeof(hash));
		assert_int_equal(token_hash(found, kinds[1 - i], str_of(text)),
		    ERR_MALFORMED);
	}
}

static void
token_has_only_one_text(void **state)
{
	static const char *const bad[] = {
		"",
		"kd_",
		KNOWN,
		"kd_" KNOWN "=",
		"kd_" KNOWN "A",
		"KD_" KNOWN,
		"kd-" KNOWN,
		/* one character less */
		"kd_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh",
		/* bits left over */
		"kd_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9",
		/* the other base64 */
		"kd_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdH/8",
		"kd_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdH+8",
		" kd_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh",
		"kd_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd h8",
		"kd_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd=h8",
	};
	uint8_t hash[TOKEN_HASH_LEN];
	char text[TOKEN_TEXT_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(token_hash(hash, TOKEN_DEVICE, str_of(bad[i])),
		    ERR_MALFORMED);
	assert_int_equal(token_hash(hash, TOKEN_DEVICE, STR_NONE),
	    ERR_MALFORMED);
	for (int c = 0; c < 256; c++) {
		if (c == '-' || c == '_' || (c < 128 && isalnum(c)))
			continue;
		memcpy(text, "kd_" KNOWN, sizeof(text));
		text[20] = (char)c;
		assert_int_equal(token_hash(hash, TOKEN_DEVICE,
				     (struct str){ text, sizeof(text) }),
		    ERR_MALFORMED);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_is_that_of_the_random_bytes),
		cmocka_unit_test(new_token_is_found_by_its_text),
		cmocka_unit_test(token_has_only_one_text),
	};

	return cmocka_run_group_tests(tests, start_crypto, NULL);
}
