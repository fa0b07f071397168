#include "tests/unit/crypto_test.h"

#include <stdlib.h>

#include "crypto/sign.h"

static bool memory_is_out;

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);

void *
__wrap_malloc(size_t n)
{
	return memory_is_out ? NULL : __real_malloc(n);
}

/* RFC 8032, section 7.1, TEST 3 */
static void
raw_signature_is_that_of_the_rfc(void **state)
{
	uint8_t seed[SIGN_SEED_LEN], pk[SIGN_PUBLIC_LEN], sk[SIGN_SECRET_LEN];
	uint8_t sig[SIGN_LEN], msg[2];

	(void)state;
	unhex(seed, sizeof(seed),
	    "c5aa8df43f9f837bedb7442f31dcb7b1"
	    "66d38535076f094b85ce3a2e0b4458f7");
	unhex(msg, sizeof(msg), "af82");
	sign_keypair_seed(pk, sk, seed);
	assert_hex(pk, "fc51cd8e6218a1a38da47ed00230f058"
		       "0816ed13ba3303ac5deb911548908025");
	sign_raw(sig, sk, PART_OF(msg));
	assert_hex(sig, "6291d657deec24024827e69c3abe01a3"
			"0ce548a284743a445e3680d7db5ac3ac"
			"18ff9b538d16f290ae67f760984dc659"
			"4a7c15e9716ed28dc027beceea1ec40a");
	assert_int_equal(sign_verify_raw(PART_OF(sig), pk, PART_OF(msg)), OK);
	assert_int_equal(sign_verify_raw(PART(sig, 63), pk, PART_OF(msg)),
	    ERR_SIGNATURE);
}

static void
signature_covers_domain_zero_message(void **state)
{
	uint8_t pk[SIGN_PUBLIC_LEN], sk[SIGN_SECRET_LEN], sig[SIGN_LEN];

	(void)state;
	sign_keypair(pk, sk);
	assert_int_equal(
	    sign_message(sig, sk, "kith test 1", PART_TEXT("hello")), OK);
	assert_int_equal(
	    sign_verify_raw(PART_OF(sig), pk, PART_TEXT("kith test 1\0hello")),
	    OK);
	assert_int_equal(
	    sign_verify(sig, pk, "kith test 1", PART_TEXT("hello")), OK);
}

static void
signature_is_of_one_domain_key_and_message(void **state)
{
	uint8_t pk[SIGN_PUBLIC_LEN], sk[SIGN_SECRET_LEN], sig[SIGN_LEN];
	uint8_t other[SIGN_PUBLIC_LEN];

	(void)state;
	sign_keypair(other, sk);
	sign_keypair(pk, sk);
	assert_int_equal(
	    sign_message(sig, sk, "kith test 1", PART_TEXT("hello")), OK);
	assert_int_equal(
	    sign_verify(sig, pk, "kith test 2", PART_TEXT("hello")),
	    ERR_SIGNATURE);
	assert_int_equal(
	    sign_verify(sig, pk, "kith test 1", PART_TEXT("hullo")),
	    ERR_SIGNATURE);
	assert_int_equal(
	    sign_verify(sig, other, "kith test 1", PART_TEXT("hello")),
	    ERR_SIGNATURE);
	for (size_t i = 0; i < sizeof(sig); i++) {
		sig[i] ^= 0x20;
		assert_int_equal(
		    sign_verify(sig, pk, "kith test 1", PART_TEXT("hello")),
		    ERR_SIGNATURE);
		sig[i] ^= 0x20;
	}
}

/* With the neutral element as key and as R, S = 0 fits every message. */
static void
key_of_small_order_verifies_nothing(void **state)
{
	uint8_t pk[SIGN_PUBLIC_LEN] = { 1 }, sig[SIGN_LEN] = { 1 };

	(void)state;
	assert_int_equal(
	    sign_verify(sig, pk, "kith test 1", PART_TEXT("hello")),
	    ERR_SIGNATURE);
}

static void
messages_of_all_lengths_up_to_the_limit(void **state)
{
	static const size_t lens[] = { 0, 1, 1023, 1024, 1077, 1078, 1079, 4096,
		SIGN_MESSAGE_MAX };
	uint8_t pk[SIGN_PUBLIC_LEN], sk[SIGN_SECRET_LEN], sig[SIGN_LEN];
	uint8_t *msg = calloc(1, SIGN_MESSAGE_MAX + 1);

	(void)state;
	assert_non_null(msg);
	sign_keypair(pk, sk);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		assert_int_equal(
		    sign_message(sig, sk, "kith test 1", PART(msg, lens[i])),
		    OK);
		assert_int_equal(
		    sign_verify(sig, pk, "kith test 1", PART(msg, lens[i])),
		    OK);
	}
	assert_int_equal(sign_message(sig, sk, "kith test 1",
			     PART(msg, SIGN_MESSAGE_MAX + 1)),
	    ERR_TOO_LARGE);
	assert_int_equal(sign_verify(sig, pk, "kith test 1",
			     PART(msg, SIGN_MESSAGE_MAX + 1)),
	    ERR_TOO_LARGE);
	free(msg);
}

static void
only_long_messages_need_memory(void **state)
{
	static const uint8_t msg[4096];
	uint8_t pk[SIGN_PUBLIC_LEN], sk[SIGN_SECRET_LEN], sig[SIGN_LEN];
	enum err small, large, check;

	(void)state;
	sign_keypair(pk, sk);
	memory_is_out = true;
	large = sign_message(sig, sk, "kith test 1", PART_OF(msg));
	small = sign_message(sig, sk, "kith test 1", PART(msg, 1024));
	check = sign_verify(sig, pk, "kith test 1", PART_OF(msg));
	memory_is_out = false;
	assert_int_equal(large, ERR_NOMEM);
	assert_int_equal(small, OK);
	assert_int_equal(check, ERR_NOMEM);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(raw_signature_is_that_of_the_rfc),
		cmocka_unit_test(signature_covers_domain_zero_message),
		cmocka_unit_test(signature_is_of_one_domain_key_and_message),
		cmocka_unit_test(key_of_small_order_verifies_nothing),
		cmocka_unit_test(messages_of_all_lengths_up_to_the_limit),
		cmocka_unit_test(only_long_messages_need_memory),
	};

	return cmocka_run_group_tests(tests, start_crypto, NULL);
}
