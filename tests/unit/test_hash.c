/* Expected values: hashlib.blake2b of Python, with digest_size=32. */
#include "tests/unit/crypto_test.h"

#include "crypto/hash.h"
#include "crypto/shorthash.h"

static void
domain_is_blake2b_personalization(void **state)
{
	uint8_t out[HASH_LEN];

	(void)state;
	hash256(out, "kith test 1", NULL, 0);
	assert_hex(out, "a4d380dd9bb636e63e8ce7e0ad240f77"
			"bb08219bb11c93a3e5ca818e8a684a1c");
	hash256(out, "kith test 1", PARTS(PART_TEXT("abc")));
	assert_hex(out, "049f44e1a0b3aef6b92bd61573a94d96"
			"1c75221d8ed7cd66bd48c1c924a39999");
	hash256(out, "kith test 123456", PARTS(PART_TEXT("abc")));
	assert_hex(out, "2bb7ee1ac2f418ca4830a619e85b32fb"
			"4bfee06e38076ba05aaacff7893ee1cd");
}

static void
parts_are_hashed_as_one(void **state)
{
	uint8_t in[300], whole[HASH_LEN], out[HASH_LEN];

	(void)state;
	count_up(in, sizeof(in));
	hash256(whole, "kith test 1", PARTS(PART_OF(in)));
	assert_hex(whole, "864b405b168ec0f031d8cf7cd502a92a"
			  "9465f3e35d3166c5facd8944a4d88458");
	for (size_t cut = 0; cut <= sizeof(in); cut++) {
		hash256(out, "kith test 1",
		    PARTS(PART(in, cut), PART_NONE,
			PART(in + cut, sizeof(in) - cut)));
		assert_memory_equal(out, whole, sizeof(whole));
	}
}

static void
stream_gives_the_same_as_one_call(void **state)
{
	uint8_t in[300], out[HASH_LEN];
	struct hash h, fork;

	(void)state;
	count_up(in, sizeof(in));
	hash_init(&h, "kith test 1");
	for (size_t i = 0; i < 150; i++)
		hash_add(&h, in + i, 1);
	fork = h;
	hash_add(&h, NULL, 0);
	hash_add(&h, in + 150, 150);
	hash_final(&h, out);
	assert_hex(out, "864b405b168ec0f031d8cf7cd502a92a"
			"9465f3e35d3166c5facd8944a4d88458");
	hash_add(&fork, in + 150, 150);
	hash_final(&fork, out);
	assert_hex(out, "864b405b168ec0f031d8cf7cd502a92a"
			"9465f3e35d3166c5facd8944a4d88458");
}

static void
keyed_hash_is_plain_keyed_blake2b(void **state)
{
	uint8_t key[HASH_KEY_MAX], out[HASH_LEN];

	(void)state;
	count_up(key, sizeof(key));
	hash256_keyed(out, key, HASH_KEY_MIN, "abc", 3);
	assert_hex(out, "3fd8fd31501cdbe942607b204368e3dc"
			"4ebce5744de1a955a6025f5c9848bb20");
	hash256_keyed(out, key, HASH_KEY_MAX, NULL, 0);
	assert_hex(out, "2fa9fbd9be36437de204e139e97d402b"
			"ce68c828f43391608c891b5faed8a98a");
}

static void
shorthash_keeps_its_value_within_a_process(void **state)
{
	(void)state;
	shorthash_start();
	assert_true(shorthash("abc", 3) == shorthash("abc", 3));
	assert_true(shorthash("abc", 3) != shorthash("abd", 3));
	assert_true(shorthash("abc", 3) != shorthash("abc", 2));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(domain_is_blake2b_personalization),
		cmocka_unit_test(parts_are_hashed_as_one),
		cmocka_unit_test(stream_gives_the_same_as_one_call),
		cmocka_unit_test(keyed_hash_is_plain_keyed_blake2b),
		cmocka_unit_test(shorthash_keeps_its_value_within_a_process),
	};

	return cmocka_run_group_tests(tests, start_crypto, NULL);
}
