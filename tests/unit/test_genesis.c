#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "crypto/hash.h"
#include "crypto/init.h"
#include "kith.pb-c.h"
#include "proto/chain.h"
#include "proto/genesis.h"

static const uint8_t key[GENESIS_KEY_LEN] = "the key of the account, or realm";
static const uint8_t salt[GENESIS_SALT_LEN] = "0123456789abcde";

static struct str
bytes_of(const struct genesis *g)
{
	return (struct str){ (const char *)g->bytes, g->len };
}

static void
account_is_verified_by_its_id(void **state)
{
	struct genesis g, back;
	uint8_t hash[HASH_LEN];

	(void)state;
	assert_int_equal(
	    genesis_account(&g, key, NULL, salt, 1234, STR("example.org")), OK);
	hash256(hash, "kith genesis 1", PARTS(PART(g.bytes, g.len)));
	assert_memory_equal(g.id.b, hash, ID_LEN);
	assert_int_equal(genesis_verify(&back, bytes_of(&g), &g.id), OK);
	assert_memory_equal(back.key, key, sizeof(key));
	assert_memory_equal(back.salt, salt, sizeof(salt));
	assert_true(back.time_ms == 1234);
	assert_string_equal(back.realm, "example.org");
	assert_string_equal(back.name, "");
	g.id.b[0] ^= 1;
	assert_int_equal(genesis_verify(&back, bytes_of(&g), &g.id),
	    ERR_SIGNATURE);
}

static void
recovery_key_is_named_by_its_hash(void **state)
{
	uint8_t recovery[GENESIS_KEY_LEN] = { 9 }, hash[GENESIS_KEY_LEN];
	static const uint8_t zeros[GENESIS_KEY_LEN];
	struct genesis g;

	(void)state;
	assert_int_equal(
	    genesis_account(&g, key, recovery, salt, 1, STR("example.org")),
	    OK);
	genesis_recovery_hash(hash, recovery);
	assert_memory_equal(g.recovery_hash, hash, sizeof(hash));
	assert_int_equal(
	    genesis_account(&g, key, NULL, salt, 1, STR("example.org")), OK);
	assert_memory_equal(g.recovery_hash, zeros, sizeof(zeros));
}

static void
bytes_are_those_of_protobuf(void **state)
{
	uint8_t packed[GENESIS_MAX];
	Kith__Genesis *m;
	struct genesis g;
	size_t n;

	(void)state;
	assert_int_equal(genesis_room(&g, key, salt, UINT64_C(1700000000000),
			     STR("example.org"), STR("lounge")),
	    OK);
	m = kith__genesis__unpack(NULL, g.len, g.bytes);
	assert_non_null(m);
	assert_string_equal(m->name, "lounge");
	n = kith__genesis__pack(m, packed);
	assert_int_equal(n, g.len);
	assert_memory_equal(packed, g.bytes, n);
	kith__genesis__free_unpacked(m, NULL);
}

static void
other_bytes_are_refused(void **state)
{
	struct genesis g, back;
	uint8_t copy[GENESIS_MAX];

	(void)state;
	assert_int_equal(
	    genesis_room(&g, key, salt, 1, STR("example.org"), STR("lounge")),
	    OK);
	/* The name is the last field: without it, it is an account's. */
	for (size_t n = 0; n < g.len - 8; n++)
		assert_int_equal(
		    genesis_decode(&back, (struct str){ (char *)g.bytes, n }),
		    ERR_MALFORMED);
	for (size_t i = 0; i < g.len * 8; i++) {
		memcpy(copy, g.bytes, g.len);
		copy[i / 8] = (uint8_t)(copy[i / 8] ^ 1 << i % 8);
		assert_int_not_equal(genesis_verify(&back,
					 (struct str){ (char *)copy, g.len },
					 &g.id),
		    OK);
	}
}

static void
names_have_their_limits(void **state)
{
	char name[300];
	struct genesis g;

	(void)state;
	memset(name, 'x', sizeof(name));
	assert_int_equal(genesis_room(&g, key, salt, 1,
			     (struct str){ name, ADDRESS_REALM_MAX },
			     (struct str){ name, ADDRESS_LOCAL_MAX }),
	    OK);
	assert_int_equal(genesis_room(&g, key, salt, 1, STR("r"),
			     (struct str){ name, ADDRESS_LOCAL_MAX + 1 }),
	    ERR_ADDRESS);
	assert_int_equal(genesis_room(&g, key, salt, 1, STR("r"), STR_NONE),
	    ERR_ADDRESS);
	assert_int_equal(
	    genesis_account(&g, key, NULL, salt, 1, (struct str){ name, 300 }),
	    ERR_ADDRESS);
	assert_int_equal(genesis_account(&g, key, NULL, salt, 1, STR_NONE),
	    ERR_ADDRESS);
}

/* ---- chain --------------------------------------------------------------- */

static void
chain_tells_every_position_apart(void **state)
{
	uint8_t zeros[CHAIN_LEN] = { 0 }, a[CHAIN_LEN], b[CHAIN_LEN];
	struct event_id id = { { 1 } };

	(void)state;
	chain_next(a, zeros, 1, 1, &id);
	chain_next(b, zeros, 1, 2, &id);
	assert_memory_not_equal(a, b, CHAIN_LEN);
	chain_next(b, zeros, 2, 1, &id);
	assert_memory_not_equal(a, b, CHAIN_LEN);
	chain_next(b, a, 1, 1, &id);
	assert_memory_not_equal(a, b, CHAIN_LEN);
	id.b[15] = 1;
	chain_next(b, zeros, 1, 1, &id);
	assert_memory_not_equal(a, b, CHAIN_LEN);
}

static void
chain_may_be_continued_in_place(void **state)
{
	uint8_t zeros[CHAIN_LEN] = { 0 }, a[CHAIN_LEN] = { 0 }, b[CHAIN_LEN];
	struct event_id id = { { 1 } };

	(void)state;
	chain_next(b, zeros, 1, 1, &id);
	chain_next(a, a, 1, 1, &id);
	assert_memory_equal(a, b, CHAIN_LEN);
}

/* Another node must come to the same: b2sum's BLAKE2b, written out. */
static void
chain_is_what_the_header_says(void **state)
{
	uint8_t in[CHAIN_LEN + 12 + EVENT_ID_LEN] = { 0 }, a[CHAIN_LEN],
				    b[CHAIN_LEN];
	struct event_id id = { { 0xaa } };

	(void)state;
	in[CHAIN_LEN + 2] = 1;        /* epoch 0x100 */
	in[CHAIN_LEN + 4 + 6] = 0x02; /* seq 0x203 */
	in[CHAIN_LEN + 4 + 7] = 0x03;
	in[CHAIN_LEN + 12] = 0xaa;
	hash256(a, "kith chain 1", PARTS(PART_OF(in)));
	chain_next(b, in, 0x100, 0x203, &id);
	assert_memory_equal(a, b, CHAIN_LEN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(account_is_verified_by_its_id),
		cmocka_unit_test(recovery_key_is_named_by_its_hash),
		cmocka_unit_test(bytes_are_those_of_protobuf),
		cmocka_unit_test(other_bytes_are_refused),
		cmocka_unit_test(names_have_their_limits),
		cmocka_unit_test(chain_tells_every_position_apart),
		cmocka_unit_test(chain_may_be_continued_in_place),
		cmocka_unit_test(chain_is_what_the_header_says),
	};

	if (crypto_start() != OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
