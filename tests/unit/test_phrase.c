#include "tests/unit/crypto_test.h"

#include <ctype.h>

#include "crypto/phrase.h"

/* The phrase of the bytes 0 to 31, made with Python. */
static const char known[] = "000G-40R4-0M30-E209-185G-R38E-1W81-24GK-2GAH-"
			    "C5RR-34D1-P70X-3RFJ-4MDG";

static void
phrase_is_base32_with_a_check(void **state)
{
	uint8_t secret[PHRASE_SECRET_LEN], back[PHRASE_SECRET_LEN];
	char text[PHRASE_TEXT_LEN + 1];

	(void)state;
	count_up(secret, sizeof(secret));
	phrase_text(text, secret);
	assert_string_equal(text, known);
	assert_int_equal(phrase_parse(back, str_of(known)), OK);
	assert_memory_equal(back, secret, sizeof(secret));
}

static void
new_phrases_differ_and_come_back(void **state)
{
	uint8_t a[PHRASE_SECRET_LEN], b[PHRASE_SECRET_LEN],
	    back[PHRASE_SECRET_LEN];
	char text[PHRASE_TEXT_LEN + 1];

	(void)state;
	phrase_make(a);
	for (int i = 0; i < 100; i++) {
		phrase_make(b);
		assert_memory_not_equal(a, b, sizeof(a));
		phrase_text(text, b);
		assert_int_equal(strlen(text), PHRASE_TEXT_LEN);
		assert_int_equal(phrase_parse(back, str_of(text)), OK);
		assert_memory_equal(back, b, sizeof(b));
		memcpy(a, b, sizeof(a));
	}
}

static void
case_spacing_and_look_alikes_do_not_matter(void **state)
{
	static const char *const same[] = {
		"000g-40r4-0m30-e209-185g-r38e-1w81-24gk-2gah-c5rr-34d1-p70x-"
		"3rfj-4mdg",
		"000G40R40M30E209185GR38E1W8124GK2GAHC5RR34D1P70X3RFJ4MDG",
		"  OOOG 4OR4 OM3O E2O9\r\n\tI85G R38E IW8I 24GK\n"
		"2GAH C5RR 34DI P7OX 3RFJ 4MDG\n",
		"ooog-4or4-om3o-e2o9-l85g-r38e-lw8l-24gk-2gah-c5rr-34dl-p7ox-"
		"3rfj-4mdg",
	};
	uint8_t secret[PHRASE_SECRET_LEN], back[PHRASE_SECRET_LEN];

	(void)state;
	count_up(secret, sizeof(secret));
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		assert_int_equal(phrase_parse(back, str_of(same[i])), OK);
		assert_memory_equal(back, secret, sizeof(secret));
	}
}

/* Every single wrong character, and every pair of neighbours exchanged. */
static void
typing_mistakes_are_found(void **state)
{
	static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	static const uint8_t zero[PHRASE_SECRET_LEN];
	uint8_t back[PHRASE_SECRET_LEN];
	char text[sizeof(known)];

	(void)state;
	for (size_t i = 0; i < sizeof(known) - 1; i++) {
		if (known[i] == '-')
			continue;
		for (size_t j = 0; j < 32; j++) {
			if (alphabet[j] == known[i])
				continue;
			memcpy(text, known, sizeof(text));
			text[i] = alphabet[j];
			memset(back, 1, sizeof(back));
			assert_int_equal(phrase_parse(back, str_of(text)),
			    ERR_INVALID);
			assert_memory_equal(back, zero, sizeof(back));
		}
	}
	for (size_t i = 0; i + 2 < sizeof(known); i++) {
		memcpy(text, known, sizeof(text));
		text[i] = known[i + 1];
		text[i + 1] = known[i];
		if (known[i] == '-' || known[i + 1] == '-' ||
		    known[i] == known[i + 1])
			assert_int_equal(phrase_parse(back, str_of(text)), OK);
		else
			assert_int_equal(phrase_parse(back, str_of(text)),
			    ERR_INVALID);
	}
}

static void
other_lengths_and_characters_are_refused(void **state)
{
	uint8_t back[PHRASE_SECRET_LEN];
	char text[PHRASE_INPUT_MAX + 1];

	(void)state;
	for (size_t n = 0; n < sizeof(known) - 1; n++)
		assert_int_equal(phrase_parse(back, (struct str){ known, n }),
		    ERR_MALFORMED);
	memcpy(text, known, sizeof(known));
	strcat(text, "-0");
	assert_int_equal(phrase_parse(back, str_of(text)), ERR_MALFORMED);
	for (int c = 0; c < 256; c++) {
		if ((isalnum(c) && c < 128 && c != 'U' && c != 'u') ||
		    (c != 0 && strchr("- \t\r\n", c) != NULL))
			continue;
		memcpy(text, known, sizeof(known));
		text[17] = (char)c;
		assert_int_equal(
		    phrase_parse(back, (struct str){ text, sizeof(known) - 1 }),
		    ERR_MALFORMED);
	}
	memset(text, ' ', sizeof(text));
	memcpy(text, known, sizeof(known) - 1);
	assert_int_equal(
	    phrase_parse(back, (struct str){ text, PHRASE_INPUT_MAX }), OK);
	assert_int_equal(
	    phrase_parse(back, (struct str){ text, PHRASE_INPUT_MAX + 1 }),
	    ERR_MALFORMED);
}

/* Public key computed with OpenSSL. */
static void
recovery_key_comes_from_the_phrase(void **state)
{
	uint8_t secret[PHRASE_SECRET_LEN], pk[SIGN_PUBLIC_LEN],
	    sk[SIGN_SECRET_LEN], sig[SIGN_LEN];

	(void)state;
	count_up(secret, sizeof(secret));
	phrase_keypair(pk, sk, secret);
	assert_hex(pk, "24fc24112274f61e493380d3289630a0"
		       "7437007e1486a60034d15e9ce3069483");
	assert_int_equal(
	    sign_message(sig, sk, "kith recover 1", PART_TEXT("x")), OK);
	assert_int_equal(sign_verify(sig, pk, "kith recover 1", PART_TEXT("x")),
	    OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(phrase_is_base32_with_a_check),
		cmocka_unit_test(new_phrases_differ_and_come_back),
		cmocka_unit_test(case_spacing_and_look_alikes_do_not_matter),
		cmocka_unit_test(typing_mistakes_are_found),
		cmocka_unit_test(other_lengths_and_characters_are_refused),
		cmocka_unit_test(recovery_key_comes_from_the_phrase),
	};

	return cmocka_run_group_tests(tests, start_crypto, NULL);
}
