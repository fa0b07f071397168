#include "tests/unit/crypto_test.h"

#include "crypto/hkdf.h"

/* RFC 4231, section 4.3 */
static void
hmac_takes_its_message_in_pieces(void **state)
{
	static const char text[] = "what do ya want for nothing?";
	uint8_t out[HMAC_LEN];
	struct hmac h;

	(void)state;
	hmac_init(&h, "Jefe", 4);
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		hmac_add(&h, text + i, 1);
	hmac_add(&h, NULL, 0);
	hmac_final(&h, out);
	assert_hex(out, "5bdcc146bf60754e6a042426089575c7"
			"5a003f089d2739839dec58b964ec3843");
	hmac_sha256(out, PART_TEXT("Jefe"),
	    PARTS(PART(text, 5), PART(text + 5, sizeof(text) - 6)));
	assert_hex(out, "5bdcc146bf60754e6a042426089575c7"
			"5a003f089d2739839dec58b964ec3843");
}

static void
hmac_wipes_its_key(void **state)
{
	static const struct hmac zero;
	uint8_t out[HMAC_LEN];
	struct hmac h;

	(void)state;
	hmac_init(&h, "a key", 5);
	hmac_final(&h, out);
	assert_memory_equal(&h, &zero, sizeof(h));
}

/* RFC 5869, appendix A.1 */
static void
extract_and_expand_give_the_rfc_values(void **state)
{
	uint8_t ikm[22], salt[13], info[10], prk[HKDF_PRK_LEN], okm[42];

	(void)state;
	memset(ikm, 0x0b, sizeof(ikm));
	count_up(salt, sizeof(salt));
	unhex(info, sizeof(info), "f0f1f2f3f4f5f6f7f8f9");
	hkdf_extract(prk, PART_OF(salt),
	    PARTS(PART(ikm, 10), PART(ikm + 10, 12)));
	assert_hex(prk, "077709362c2e32df0ddc3f0dc47bba63"
			"90b6c73bb50f9c3122ec844ad7c2b3e5");
	assert_int_equal(hkdf_expand(okm, sizeof(okm), prk,
			     PARTS(PART(info, 1), PART(info + 1, 9))),
	    OK);
	assert_hex(okm, "3cb25f25faacd57a90434f64d0362f2a"
			"2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
			"34007208d5b887185865");
	hkdf_key(okm, PART_OF(ikm), PART_OF(salt), PART_OF(info));
	assert_hex(okm, "3cb25f25faacd57a90434f64d0362f2a"
			"2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
}

/* RFC 5869, appendix A.3 */
static void
salt_and_info_may_be_empty(void **state)
{
	uint8_t ikm[22], prk[HKDF_PRK_LEN], okm[42];

	(void)state;
	memset(ikm, 0x0b, sizeof(ikm));
	hkdf_extract(prk, PART_NONE, PARTS(PART_OF(ikm)));
	assert_int_equal(hkdf_expand(okm, sizeof(okm), prk, NULL, 0), OK);
	assert_hex(okm, "8da4e775a563c18f715f802a063c5a31"
			"b8a11f5c5ee1879ec3454e5f3c738d2d"
			"9d201395faa4b61a96c8");
}

static void
more_than_255_blocks_are_refused(void **state)
{
	static uint8_t okm[HKDF_OUT_MAX + 1];
	uint8_t prk[HKDF_PRK_LEN] = { 1 };

	(void)state;
	assert_int_equal(hkdf_expand(okm, HKDF_OUT_MAX + 1, prk, NULL, 0),
	    ERR_TOO_LARGE);
	assert_int_equal(okm[0] | okm[1] | okm[2] | okm[3], 0);
	assert_int_equal(hkdf_expand(okm, HKDF_OUT_MAX, prk, NULL, 0), OK);
	assert_int_equal(hkdf_expand(okm, 0, prk, NULL, 0), OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hmac_takes_its_message_in_pieces),
		cmocka_unit_test(hmac_wipes_its_key),
		cmocka_unit_test(extract_and_expand_give_the_rfc_values),
		cmocka_unit_test(salt_and_info_may_be_empty),
		cmocka_unit_test(more_than_255_blocks_are_refused),
	};

	return cmocka_run_group_tests(tests, start_crypto, NULL);
}
