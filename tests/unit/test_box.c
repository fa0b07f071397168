#include "tests/unit/crypto_test.h"

#include "crypto/aead.h"
#include "crypto/box.h"
#include "crypto/random.h"
#include "crypto/wipe.h"
#include "crypto/x25519.h"

/* RFC 8439, section 2.8.2 */
static void
chacha_gives_the_rfc_values_also_in_place(void **state)
{
	static const char text[] =
	    "Ladies and Gentlemen of the class of '99: If I could offer you "
	    "only one tip for the future, sunscreen would be it.";
	uint8_t key[AEAD_KEY_LEN], nonce[CHACHA_NONCE_LEN], ad[12];
	uint8_t buf[sizeof(text) - 1 + AEAD_TAG_LEN];
	const size_t n = sizeof(text) - 1;

	(void)state;
	count_up(key, sizeof(key));
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] |= 0x80;
	unhex(nonce, sizeof(nonce), "070000004041424344454647");
	unhex(ad, sizeof(ad), "50515253c0c1c2c3c4c5c6c7");
	memcpy(buf, text, n);
	chacha_seal(buf, key, nonce, PART_OF(ad), PART(buf, n));
	assert_hex(buf, "d31a8d34648e60db7b86afbc53ef7ec2");
	assert_hex(buf + n, "1ae10b594f09e26a7e902ecbd0600691");
	assert_int_equal(
	    chacha_open(buf, key, nonce, PART_OF(ad), PART_OF(buf)), OK);
	assert_memory_equal(buf, text, n);
}

static void
open_refuses_what_is_too_short(void **state)
{
	static const uint8_t zero[64];
	uint8_t out[64];

	(void)state;
	for (size_t n = 0; n < AEAD_TAG_LEN; n++) {
		assert_int_equal(
		    chacha_open(out, zero, zero, PART_NONE, PART(zero, n)),
		    ERR_MALFORMED);
		assert_int_equal(
		    xchacha_open(out, zero, zero, PART_NONE, PART(zero, n)),
		    ERR_MALFORMED);
	}
	for (size_t n = 0; n < BOX_OVERHEAD; n++)
		assert_int_equal(box_open(out, zero, PART_NONE, PART(zero, n)),
		    ERR_MALFORMED);
	for (size_t n = 0; n < BOX_TO_OVERHEAD; n++)
		assert_int_equal(box_open_to(out, zero, zero, PART(zero, n)),
		    ERR_MALFORMED);
}

static void
box_opens_with_its_key_and_associated_data_only(void **state)
{
	uint8_t key[BOX_KEY_LEN], sealed[5 + BOX_OVERHEAD], out[5];

	(void)state;
	random_bytes(key, sizeof(key));
	box_seal(sealed, key, PART_TEXT("row 7"), PART_TEXT("hello"));
	assert_int_equal(
	    box_open(out, key, PART_TEXT("row 7"), PART_OF(sealed)), OK);
	assert_memory_equal(out, "hello", 5);
	assert_int_equal(
	    box_open(out, key, PART_TEXT("row 8"), PART_OF(sealed)),
	    ERR_SIGNATURE);
	assert_int_equal(box_open(out, key, PART_NONE, PART_OF(sealed)),
	    ERR_SIGNATURE);
	for (size_t i = 0; i < sizeof(sealed); i++) {
		sealed[i] ^= 1;
		assert_int_equal(
		    box_open(out, key, PART_TEXT("row 7"), PART_OF(sealed)),
		    ERR_SIGNATURE);
		sealed[i] ^= 1;
	}
	key[0] ^= 1;
	assert_int_equal(
	    box_open(out, key, PART_TEXT("row 7"), PART_OF(sealed)),
	    ERR_SIGNATURE);
}

static void
two_boxes_of_one_text_differ(void **state)
{
	static const uint8_t key[BOX_KEY_LEN];
	uint8_t a[5 + BOX_OVERHEAD], b[5 + BOX_OVERHEAD];

	(void)state;
	box_seal(a, key, PART_NONE, PART_TEXT("hello"));
	box_seal(b, key, PART_NONE, PART_TEXT("hello"));
	assert_memory_not_equal(a, b, sizeof(a));
	assert_memory_not_equal(a + XCHACHA_NONCE_LEN, b + XCHACHA_NONCE_LEN,
	    sizeof(a) - XCHACHA_NONCE_LEN);
}

static void
empty_text_can_be_sealed(void **state)
{
	uint8_t key[BOX_KEY_LEN] = { 7 }, sealed[BOX_OVERHEAD], out[1];
	uint8_t pk[X25519_LEN], sk[X25519_LEN], to[BOX_TO_OVERHEAD];

	(void)state;
	box_seal(sealed, key, PART_NONE, PART_NONE);
	assert_int_equal(box_open(out, key, PART_NONE, PART_OF(sealed)), OK);
	x25519_keypair(pk, sk);
	assert_int_equal(box_seal_to(to, pk, PART_NONE), OK);
	assert_int_equal(box_open_to(out, pk, sk, PART_OF(to)), OK);
}

static void
only_the_recipient_opens_what_is_sealed_to_it(void **state)
{
	uint8_t pk[X25519_LEN], sk[X25519_LEN], pk2[X25519_LEN],
	    sk2[X25519_LEN];
	uint8_t sealed[5 + BOX_TO_OVERHEAD], out[5];

	(void)state;
	x25519_keypair(pk, sk);
	x25519_keypair(pk2, sk2);
	assert_int_equal(box_seal_to(sealed, pk, PART_TEXT("hello")), OK);
	assert_int_equal(box_open_to(out, pk, sk, PART_OF(sealed)), OK);
	assert_memory_equal(out, "hello", 5);
	assert_int_equal(box_open_to(out, pk2, sk2, PART_OF(sealed)),
	    ERR_SIGNATURE);
	for (size_t i = 0; i < sizeof(sealed); i++) {
		sealed[i] ^= 1;
		assert_int_equal(box_open_to(out, pk, sk, PART_OF(sealed)),
		    ERR_SIGNATURE);
		sealed[i] ^= 1;
	}
}

/* RFC 7748, section 6.1 */
static void
both_sides_get_the_same_secret(void **state)
{
	uint8_t a[X25519_LEN], b[X25519_LEN], pa[X25519_LEN], pb[X25519_LEN];
	uint8_t out[X25519_LEN];

	(void)state;
	unhex(a, sizeof(a),
	    "77076d0a7318a57d3c16c17251b26645"
	    "df4c2f87ebc0992ab177fba51db92c2a");
	unhex(b, sizeof(b),
	    "5dab087e624a8a4b79e17f8b83800ee6"
	    "6f3bb1292618b6fd1c2f8b27ff88e0eb");
	x25519_public(pa, a);
	x25519_public(pb, b);
	assert_hex(pa, "8520f0098930a754748b7ddcb43ef75a"
		       "0dbf3a0d26381af4eba4a98eaa9b4e6a");
	assert_hex(pb, "de9edb7d7b7dc1b4d35b61c2ece43537"
		       "3f8343c85b78674dadfc7e146f882b4f");
	assert_int_equal(x25519(out, a, pb), OK);
	assert_hex(out, "4a5d9d5ba4ce2de1728e3bf480350f25"
			"e07e21c947d19e3376f09b3c1e161742");
	assert_int_equal(x25519(out, b, pa), OK);
	assert_hex(out, "4a5d9d5ba4ce2de1728e3bf480350f25"
			"e07e21c947d19e3376f09b3c1e161742");
}

static void
keys_of_low_order_are_refused(void **state)
{
	static const char *const low[] = {
		"00000000000000000000000000000000"
		"00000000000000000000000000000000",
		"01000000000000000000000000000000"
		"00000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffff"
		"ffffffffffffffffffffffffffffff7f",
		"5f9c95bca3508c24b1d0b1559c83ef5b"
		"04445cc4581c8e86d8224eddd09f1157",
		"e0eb7a7c3b41b8ae1656e3faf19fc46a"
		"da098deb9c32b1fd866205165f49b800",
	};
	static const uint8_t zero[X25519_LEN];
	uint8_t pk[X25519_LEN], sk[X25519_LEN], out[X25519_LEN];
	uint8_t sealed[5 + BOX_TO_OVERHEAD];

	(void)state;
	random_bytes(sk, sizeof(sk));
	for (size_t i = 0; i < sizeof(low) / sizeof(low[0]); i++) {
		unhex(pk, sizeof(pk), low[i]);
		memset(out, 1, sizeof(out));
		assert_int_equal(x25519(out, sk, pk), ERR_INVALID);
		assert_memory_equal(out, zero, sizeof(zero));
		assert_int_equal(box_seal_to(sealed, pk, PART_TEXT("hello")),
		    ERR_INVALID);
	}
}

static void
secrets_are_compared_and_wiped_whole(void **state)
{
	uint8_t a[33], b[33];

	(void)state;
	random_bytes(a, sizeof(a));
	memcpy(b, a, sizeof(b));
	assert_true(secret_equal(a, b, sizeof(a)));
	for (size_t i = 0; i < sizeof(a); i++) {
		b[i] ^= 0x80;
		assert_false(secret_equal(a, b, sizeof(a)));
		b[i] ^= 0x80;
	}
	assert_true(secret_equal(NULL, NULL, 0));
	secret_wipe(NULL, 0);
	secret_wipe(a, sizeof(a));
	memset(b, 0, sizeof(b));
	assert_memory_equal(a, b, sizeof(a));
}

static void
random_numbers_do_not_repeat(void **state)
{
	(void)state;
	assert_true(random_u64() != random_u64());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chacha_gives_the_rfc_values_also_in_place),
		cmocka_unit_test(open_refuses_what_is_too_short),
		cmocka_unit_test(
		    box_opens_with_its_key_and_associated_data_only),
		cmocka_unit_test(two_boxes_of_one_text_differ),
		cmocka_unit_test(empty_text_can_be_sealed),
		cmocka_unit_test(only_the_recipient_opens_what_is_sealed_to_it),
		cmocka_unit_test(both_sides_get_the_same_secret),
		cmocka_unit_test(keys_of_low_order_are_refused),
		cmocka_unit_test(secrets_are_compared_and_wiped_whole),
		cmocka_unit_test(random_numbers_do_not_repeat),
	};

	return cmocka_run_group_tests(tests, start_crypto, NULL);
}
