/*
 * The registry: what its records are encoded to makes the same objects again,
 * and records that are damaged or lie are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "crypto/init.h"
#include "node/message/record.h"

#define RECORDS_MAX 64
#define UTF8_E      "\xc3\xa9"

/* ---- a world of one of each ---------------------------------------------- */

static const struct id alice = { "alice" }, bob = { "bob" }, room = { "room" };
static const uint8_t token[32] = "token", invite_hash[32] = "invite";
static const uint8_t chain[32] = "chain";
static const struct registry_limits limits = { 1, 1, 1, 1, 1, 1 };

/* Records as storage keeps them. */
struct kept {
	uint32_t kind;
	size_t key_len, n;
	char key[REGISTRY_KEY_MAX];
	char value[2048];
};

static struct kept kept[RECORDS_MAX];
static size_t nkept;

static struct str
key_of(const struct kept *k)
{
	return (struct str){ k->key, k->key_len };
}

static struct str
value_of(const struct kept *k)
{
	return (struct str){ k->value, k->n };
}

static struct kept *
keep(uint32_t kind, const void *key, size_t key_len,
    const ProtobufCMessage *msg)
{
	struct kept *k = &kept[nkept++];

	assert_true(nkept <= RECORDS_MAX && key_len <= sizeof(k->key));
	k->kind = kind;
	memcpy(k->key, key, key_len);
	k->key_len = key_len;
	k->n = protobuf_c_message_get_packed_size(msg);
	assert_true(k->n <= sizeof(k->value));
	(void)protobuf_c_message_pack(msg, (uint8_t *)k->value);
	return k;
}

static ProtobufCBinaryData
id_data(const struct id *id)
{
	return record_data(id->b, ID_LEN);
}

static Kith__AccountRecord
account_rec(const struct id *id, char *name, uint32_t local)
{
	static char password[] = "$argon2id$", display[] = "Ren" UTF8_E;
	static ProtobufCBinaryData blocked[1];
	Kith__AccountRecord rec = KITH__ACCOUNT_RECORD__INIT;

	rec.id = id_data(id);
	rec.name = name;
	rec.display = display;
	rec.genesis = record_data("genesis", 7);
	rec.secret = record_data("secret", 6);
	rec.password = password;
	rec.has_recovery = true;
	rec.recovery = record_data(chain, 32);
	rec.state = ACCOUNT_DISABLED;
	rec.created_ms = 1760000000000ull;
	rec.next_device = 4;
	rec.has_operator_ = rec.operator_ = true;
	rec.has_local = true;
	rec.local = local;
	blocked[0] = id_data(&bob);
	rec.blocked = blocked;
	rec.n_blocked = 1;
	rec.has_epoch = rec.has_head = true;
	rec.epoch = 1;
	rec.head = 77;
	return rec;
}

static size_t
device_key(char *key, const struct id *id, uint32_t num)
{
	uint32_t be = htobe32(num);

	memcpy(key, id->b, ID_LEN);
	memcpy(key + ID_LEN, &be, 4);
	return ID_LEN + 4;
}

static Kith__DeviceRecord
device_rec(uint32_t num)
{
	static char name[] = "phone";
	Kith__DeviceRecord rec = KITH__DEVICE_RECORD__INIT;

	rec.account = id_data(&alice);
	rec.device = num;
	rec.name = name;
	rec.token_hash = record_data(token, 32);
	rec.created_ms = 5;
	rec.seen_ms = 6;
	return rec;
}

static Kith__RoomRecord
room_rec(void)
{
	static char name[] = "lounge", topic[] = "talk";
	Kith__RoomRecord rec = KITH__ROOM_RECORD__INIT;

	rec.id = id_data(&room);
	rec.name = name;
	rec.topic = topic;
	rec.genesis = record_data("g", 1);
	rec.access = ROOM_INVITE;
	rec.history = ROOM_HISTORY_JOINED;
	rec.retention_days = 3;
	rec.created_ms = 9;
	rec.has_local = true;
	rec.local = 3;
	rec.has_epoch = rec.has_head = rec.has_chain = true;
	rec.epoch = 1;
	rec.head = 12;
	rec.chain = record_data(chain, 32);
	return rec;
}

static Kith__MemberRecord
member_rec(void)
{
	Kith__MemberRecord rec = KITH__MEMBER_RECORD__INIT;

	rec.room = id_data(&room);
	rec.account = id_data(&alice);
	rec.state = MEMBER_JOINED;
	rec.role = ROLE_MODERATOR;
	rec.has_muted_until_ms = true;
	rec.muted_until_ms = UINT64_MAX;
	rec.has_joined_seq = rec.has_read_ord = rec.has_read_seq = true;
	rec.joined_seq = 2;
	rec.read_ord = 3;
	rec.read_seq = 4;
	return rec;
}

static Kith__ConvRecord
conv_rec(uint32_t num, const struct id *log, const struct id *peer)
{
	Kith__ConvRecord rec = KITH__CONV_RECORD__INIT;

	rec.conv = num;
	rec.log = id_data(log);
	rec.peer = id_data(peer);
	rec.has_head = rec.has_ord = rec.has_incoming = true;
	rec.head = 70;
	rec.ord = 50;
	rec.incoming = 20;
	rec.has_read_incoming = rec.has_read_seq = true;
	rec.read_incoming = 10;
	rec.read_seq = 60;
	rec.has_delivered = rec.has_peer_read = true;
	rec.delivered = 69;
	rec.peer_read = 68;
	return rec;
}

static void
keep_conv(uint32_t num, const struct id *log, const struct id *peer,
    bool waiting)
{
	Kith__ConvRecord rec = conv_rec(num, log, peer);
	uint32_t be = htobe32(num);

	if (waiting) {
		rec.has_last_seq = rec.has_last_peer_seq = true;
		rec.has_wait_seq = rec.has_wait_peer_seq = true;
		rec.last_seq = 70;
		rec.last_peer_seq = 71;
		rec.wait_seq = 65;
		rec.wait_peer_seq = 66;
	}
	keep(RECORD_CONV, &be, 4, &rec.base);
}

static size_t
stream_key(char *key, uint64_t num)
{
	uint64_t be = htobe64(num);
	size_t n = device_key(key, &alice, 1);

	memcpy(key + n, &be, 8);
	return n + 8;
}

static Kith__StreamRecord
stream_rec(void)
{
	static uint64_t seqs[] = { 9, 7, 5 };
	Kith__StreamRecord rec = KITH__STREAM_RECORD__INIT;

	rec.account = id_data(&alice);
	rec.device = 1;
	rec.stream = 1ull << 40;
	rec.conv = 2;
	rec.number = 30;
	rec.last_ms = 100;
	rec.seqs = seqs;
	rec.n_seqs = 3;
	return rec;
}

static void
keep_cursors(void)
{
	Kith__CursorRecord rec = KITH__CURSOR_RECORD__INIT;
	Kith__Cursor c[2] = { KITH__CURSOR__INIT, KITH__CURSOR__INIT };
	Kith__Cursor *v[2] = { &c[0], &c[1] };
	char key[ID_LEN + 4];

	c[0].log = id_data(&alice);
	c[0].seq = 40;
	c[1].log = id_data(&room);
	c[1].seq = 11;
	rec.account = id_data(&alice);
	rec.device = 1;
	rec.cursors = v;
	rec.n_cursors = 2;
	rec.has_seen_ms = true;
	rec.seen_ms = 6;
	keep(RECORD_CURSORS, key, device_key(key, &alice, 1), &rec.base);
}

static void
keep_policy(void)
{
	static char pattern[] = "spam*", reason[] = "why not";
	Kith__InviteRecord invite = KITH__INVITE_RECORD__INIT;
	Kith__BanRecord ban = KITH__BAN_RECORD__INIT;
	Kith__ShardRecord shard = KITH__SHARD_RECORD__INIT;

	invite.token_hash = record_data(invite_hash, 32);
	invite.expires_ms = 1000;
	invite.uses = 3;
	invite.has_by = true;
	invite.by = id_data(&bob);
	keep(RECORD_INVITE, invite_hash, 32, &invite.base);
	shard.shard = 255;
	shard.epoch = 2;
	shard.seq = 9;
	shard.hash = record_data(chain, 32);
	keep(RECORD_SHARD, "\xff", 1, &shard.base);
	ban.pattern = pattern;
	ban.reason = reason;
	ban.created_ms = 4;
	keep(RECORD_BAN, pattern, strlen(pattern), &ban.base);
}

/* In the order in which storage loads them. */
static void
keep_all(void)
{
	static char name_a[] = "alice", name_b[] = "bob";
	Kith__AccountRecord a = account_rec(&alice, name_a, 1);
	Kith__AccountRecord b = account_rec(&bob, name_b, 2);
	Kith__DeviceRecord d = device_rec(1);
	Kith__RoomRecord r = room_rec();
	Kith__MemberRecord m = member_rec();
	Kith__StreamRecord s = stream_rec();
	char key[REGISTRY_KEY_MAX];

	nkept = 0;
	keep(RECORD_ACCOUNT, alice.b, ID_LEN, &a.base);
	keep(RECORD_ACCOUNT, bob.b, ID_LEN, &b.base);
	keep(RECORD_DEVICE, key, device_key(key, &alice, 1), &d.base);
	keep(RECORD_ROOM, room.b, ID_LEN, &r.base);
	memcpy(key, room.b, ID_LEN);
	memcpy(key + ID_LEN, alice.b, ID_LEN);
	keep(RECORD_MEMBER, key, 2 * ID_LEN, &m.base);
	keep_conv(1, &alice, &alice, false);
	keep_conv(2, &alice, &bob, true);
	keep_conv(3, &room, &room, false);
	keep(RECORD_STREAM, key, stream_key(key, s.stream), &s.base);
	keep_policy();
	keep_cursors();
}

static void
load(struct registry *r)
{
	assert_int_equal(registry_init(r, &limits), OK);
	r->loading = true;
	for (size_t i = 0; i < nkept; i++)
		if (registry_put(r, kept[i].kind, key_of(&kept[i]),
			value_of(&kept[i])) != OK)
			fail_msg("record %zu of kind %u is refused", i,
			    kept[i].kind);
	r->loading = false;
}

static int
setup(void **state)
{
	(void)state;
	assert_int_equal(crypto_start(), OK);
	shorthash_start();
	keep_all();
	return 0;
}

#define CASE(f) cmocka_unit_test_setup(f, setup)

/* ---- round trips --------------------------------------------------------- */

static const struct kept *
find(uint32_t kind, const char *key, size_t n)
{
	for (size_t i = 0; i < nkept; i++)
		if (kept[i].kind == kind && kept[i].key_len == n &&
		    memcmp(kept[i].key, key, n) == 0)
			return &kept[i];
	return NULL;
}

/* Each object on the list is encoded as it came. */
static void
check_dirty(struct registry *r, size_t expected)
{
	size_t n = 0, key_len;
	char key[REGISTRY_KEY_MAX];
	struct bytes b;

	bytes_init(&b, 1 << 20);
	for (struct dirty *d = registry_dirty_after(r, NULL); d != NULL;
	     d = registry_dirty_after(r, d), n++) {
		const struct kept *k;

		bytes_reset(&b);
		assert_int_equal(record_encode(r, d, &b, key, &key_len), OK);
		k = find(d->kind, key, key_len);
		if (k == NULL || b.n != k->n || memcmp(b.p, k->value, b.n) != 0)
			fail_msg("kind %u comes out otherwise", d->kind);
	}
	bytes_fini(&b);
	assert_int_equal(n, expected);
}

static void
what_is_loaded_is_encoded_the_same(void **state)
{
	struct registry r;

	(void)state;
	load(&r);
	registry_touch(&r, &r.shards[255].dirty);
	check_dirty(&r, nkept);
	registry_clean(&r);
	assert_null(registry_dirty_after(&r, NULL));
	registry_fini(&r);
}

static void
putting_it_again_changes_nothing(void **state)
{
	struct registry r;

	(void)state;
	load(&r);
	for (int again = 0; again < 2; again++)
		for (size_t i = 0; i < nkept; i++)
			assert_int_equal(registry_put(&r, kept[i].kind,
					     key_of(&kept[i]),
					     value_of(&kept[i])),
			    OK);
	registry_touch(&r, &r.shards[255].dirty);
	check_dirty(&r, nkept);
	registry_fini(&r);
}

static void
everything_is_found_again(void **state)
{
	struct registry r;
	struct account *a, *b;
	struct room *m;

	(void)state;
	load(&r);
	a = registry_account(&r, &alice);
	b = registry_account_named(&r, STR("bob"));
	m = registry_room_named(&r, STR("lounge"));
	assert_non_null(a);
	assert_non_null(b);
	assert_non_null(m);
	assert_ptr_equal(registry_account_local(&r, 1), a);
	assert_ptr_equal(registry_room(&r, &room), m);
	assert_ptr_equal(registry_room_local(&r, 3), m);
	assert_null(registry_account_local(&r, 3));
	assert_ptr_equal(registry_device_token(&r, token)->account, a);
	assert_non_null(registry_member(&r, m, a));
	assert_null(registry_member(&r, m, b));
	assert_int_equal(registry_conv(&r, 2)->ord.durable, 50);
	assert_ptr_equal(registry_conv_between(&r, a, b), registry_conv(&r, 2));
	assert_ptr_equal(m->conv, registry_conv(&r, 3));
	assert_non_null(registry_stream(&r, a, 1, 1ull << 40));
	assert_non_null(registry_invite(&r, invite_hash));
	assert_non_null(registry_banned(&r, STR("spammer")));
	assert_null(registry_banned(&r, STR("spa")));
	assert_true(account_blocks(a, &bob));
	assert_int_equal(a->njoined, 1);
	assert_int_equal(m->njoined, 1);
	assert_true(a->conv_waiting == registry_conv(&r, 2));
	/* New numbers are above the old ones. */
	assert_int_equal(registry_take_local(&r), 4);
	assert_int_equal(r.next_conv, 4);
	registry_fini(&r);
}

/* ---- what goes ----------------------------------------------------------- */

static void
remove_record(struct registry *r, uint32_t kind)
{
	for (size_t i = 0; i < nkept; i++)
		if (kept[i].kind == kind)
			assert_int_equal(
			    registry_put(r, kind, key_of(&kept[i]), STR_NONE),
			    OK);
}

static size_t
tombstones(const struct registry *r, uint32_t kind)
{
	size_t n = 0;

	for (const struct tombstone *t = r->tombstones; t != NULL; t = t->next)
		n += t->kind == kind;
	return n;
}

static void
removed_objects_leave_tombstones(void **state)
{
	struct registry r;
	struct account *a;

	(void)state;
	load(&r);
	a = registry_account(&r, &alice);
	remove_record(&r, RECORD_MEMBER);
	assert_null(a->memberships);
	assert_int_equal(a->njoined, 0);
	assert_int_equal(tombstones(&r, RECORD_MEMBER), 1);
	/* A room that is left takes its cursor with it. */
	assert_int_equal(a->devices->ncursors, 1);
	remove_record(&r, RECORD_DEVICE);
	assert_null(a->devices);
	assert_null(registry_device_token(&r, token));
	assert_int_equal(HASH_COUNT(r.streams), 0);
	assert_int_equal(tombstones(&r, RECORD_DEVICE), 1);
	assert_int_equal(tombstones(&r, RECORD_CURSORS), 1);
	assert_int_equal(tombstones(&r, RECORD_STREAM), 1);
	remove_record(&r, RECORD_INVITE);
	remove_record(&r, RECORD_BAN);
	assert_null(registry_invite(&r, invite_hash));
	assert_null(registry_banned(&r, STR("spammer")));
	/* Removing what is not there is fine. */
	remove_record(&r, RECORD_MEMBER);
	remove_record(&r, RECORD_DEVICE);
	remove_record(&r, RECORD_INVITE);
	remove_record(&r, RECORD_BAN);
	/* What is left can be encoded. */
	check_dirty(&r, 6);
	registry_fini(&r);
}

static void
cursors_only_move_forward(void **state)
{
	struct registry r;
	struct device *d;
	uint32_t logs[] = { 7, 3, 9, 1, 8, 2, 6, 5, 4 };

	(void)state;
	load(&r);
	d = registry_account(&r, &alice)->devices;
	assert_int_equal(device_cursor(d, 1)->seq, 40);
	device_cursor(d, 1)->seq = 45;
	assert_int_equal(registry_put(&r, RECORD_CURSORS,
			     key_of(&kept[nkept - 1]),
			     value_of(&kept[nkept - 1])),
	    OK);
	assert_int_equal(device_cursor(d, 1)->seq, 45);
	for (size_t i = 0; i < 9; i++)
		assert_non_null(device_cursor_set(d, logs[i], logs[i]));
	assert_int_equal(d->ncursors, 9);
	for (uint32_t i = 0; i < 9; i++)
		assert_int_equal(d->cursors[i].seq, i + 1);
	assert_true(device_cursor_drop(d, 5));
	assert_false(device_cursor_drop(d, 5));
	assert_null(device_cursor(d, 5));
	assert_int_equal(device_cursor(d, 9)->seq, 9);
	registry_fini(&r);
}

/* ---- records that lie ---------------------------------------------------- */

static enum err
put_msg(struct registry *r, uint32_t kind, const void *key, size_t key_len,
    const ProtobufCMessage *msg)
{
	uint8_t value[4096];
	size_t n = protobuf_c_message_get_packed_size(msg);

	assert_true(n <= sizeof(value));
	(void)protobuf_c_message_pack(msg, value);
	return registry_put(r, kind, (struct str){ key, key_len },
	    (struct str){ (const char *)value, n });
}

#define REFUSED(...) assert_int_equal(put_msg(__VA_ARGS__), ERR_CORRUPT)

static void
accounts_that_lie(void **state)
{
	static const struct id carol = { "carol" };
	static char name[] = "carol", taken[] = "bob", empty[] = "";
	static char lengthy[] = "0123456789012345678901234567890123456789"
				"012345678901234567890123456789";
	Kith__AccountRecord rec = account_rec(&carol, name, 9);
	struct registry r;

	(void)state;
	load(&r);
	REFUSED(&r, RECORD_ACCOUNT, alice.b, ID_LEN, &rec.base);
	REFUSED(&r, RECORD_ACCOUNT, carol.b, ID_LEN - 1, &rec.base);
	rec.local = 3; /* the room's */
	REFUSED(&r, RECORD_ACCOUNT, carol.b, ID_LEN, &rec.base);
	rec.local = 0;
	REFUSED(&r, RECORD_ACCOUNT, carol.b, ID_LEN, &rec.base);
	rec.has_local = false;
	REFUSED(&r, RECORD_ACCOUNT, carol.b, ID_LEN, &rec.base);
	rec.has_local = true;
	rec.local = 9;
	rec.state = 17;
	REFUSED(&r, RECORD_ACCOUNT, carol.b, ID_LEN, &rec.base);
	rec.state = 0;
	rec.name = taken;
	REFUSED(&r, RECORD_ACCOUNT, carol.b, ID_LEN, &rec.base);
	rec.name = empty;
	REFUSED(&r, RECORD_ACCOUNT, carol.b, ID_LEN, &rec.base);
	rec.name = lengthy;
	REFUSED(&r, RECORD_ACCOUNT, carol.b, ID_LEN, &rec.base);
	rec.name = name;
	rec.blocked[0].len = 5;
	REFUSED(&r, RECORD_ACCOUNT, carol.b, ID_LEN, &rec.base);
	rec.blocked[0].len = ID_LEN;
	rec.recovery.len = 31;
	REFUSED(&r, RECORD_ACCOUNT, carol.b, ID_LEN, &rec.base);
	rec.recovery.len = 32;
	assert_int_equal(
	    put_msg(&r, RECORD_ACCOUNT, carol.b, ID_LEN, &rec.base), OK);
	assert_int_equal(registry_put(&r, RECORD_ACCOUNT,
			     (struct str){ (const char *)carol.b, ID_LEN },
			     STR_NONE),
	    ERR_CORRUPT);
	registry_fini(&r);
}

static void
devices_and_cursors_that_lie(void **state)
{
	static const struct id carol = { "carol" };
	Kith__DeviceRecord rec = device_rec(2);
	Kith__CursorRecord cur = KITH__CURSOR_RECORD__INIT;
	char key[ID_LEN + 4];
	struct registry r;
	size_t n;

	(void)state;
	load(&r);
	n = device_key(key, &alice, 2);
	REFUSED(&r, RECORD_DEVICE, key, n, &rec.base); /* a token twice */
	rec.token_hash = record_data(chain, 31);
	REFUSED(&r, RECORD_DEVICE, key, n, &rec.base);
	rec.token_hash = record_data(chain, 32);
	rec.device = 3;
	REFUSED(&r, RECORD_DEVICE, key, n, &rec.base);
	rec.device = 0;
	REFUSED(&r, RECORD_DEVICE, key, device_key(key, &alice, 0), &rec.base);
	rec.device = 2;
	REFUSED(&r, RECORD_DEVICE, key, device_key(key, &carol, 2), &rec.base);
	REFUSED(&r, RECORD_DEVICE, key, 3, &rec.base);
	n = device_key(key, &alice, 2);
	assert_int_equal(put_msg(&r, RECORD_DEVICE, key, n, &rec.base), OK);
	cur.account = id_data(&carol);
	REFUSED(&r, RECORD_CURSORS, key, device_key(key, &carol, 1), &cur.base);
	/* Of a device that is gone: no matter. */
	assert_int_equal(put_msg(&r, RECORD_CURSORS, key,
			     device_key(key, &alice, 9), &cur.base),
	    OK);
	registry_fini(&r);
}

static void
rooms_and_members_that_lie(void **state)
{
	static const struct id other = { "other" };
	static char name[] = "other", taken[] = "lounge";
	Kith__RoomRecord rec = room_rec();
	Kith__MemberRecord mem = member_rec();
	char key[2 * ID_LEN];
	struct registry r;

	(void)state;
	load(&r);
	rec.id = id_data(&other);
	rec.name = name;
	rec.local = 2; /* bob's */
	REFUSED(&r, RECORD_ROOM, other.b, ID_LEN, &rec.base);
	rec.local = 8;
	REFUSED(&r, RECORD_ROOM, room.b, ID_LEN, &rec.base);
	rec.access = 3;
	REFUSED(&r, RECORD_ROOM, other.b, ID_LEN, &rec.base);
	rec.access = 0;
	rec.history = 2;
	REFUSED(&r, RECORD_ROOM, other.b, ID_LEN, &rec.base);
	rec.history = 0;
	rec.name = taken;
	REFUSED(&r, RECORD_ROOM, other.b, ID_LEN, &rec.base);
	rec.name = name;
	rec.chain.len = 4;
	REFUSED(&r, RECORD_ROOM, other.b, ID_LEN, &rec.base);
	memcpy(key, room.b, ID_LEN);
	memcpy(key + ID_LEN, bob.b, ID_LEN);
	mem.state = 4;
	REFUSED(&r, RECORD_MEMBER, key, sizeof(key), &mem.base);
	mem.state = MEMBER_JOINED;
	mem.role = 3;
	REFUSED(&r, RECORD_MEMBER, key, sizeof(key), &mem.base);
	mem.role = 0;
	REFUSED(&r, RECORD_MEMBER, key, sizeof(key) - 1, &mem.base);
	assert_int_equal(registry_room(&r, &room)->nmembers, 1);
	memcpy(key + ID_LEN, other.b, ID_LEN);
	REFUSED(&r, RECORD_MEMBER, key, sizeof(key), &mem.base);
	registry_fini(&r);
}

static void
conversations_and_streams_that_lie(void **state)
{
	static const struct id stranger = { "stranger" };
	Kith__ConvRecord rec = conv_rec(9, &alice, &bob);
	Kith__StreamRecord s = stream_rec();
	uint64_t seqs[65] = { 0 };
	char key[REGISTRY_KEY_MAX];
	struct registry r;
	uint32_t be = htobe32(9), zero = 0;
	size_t n;

	(void)state;
	load(&r);
	REFUSED(&r, RECORD_CONV, &be, 4, &rec.base); /* there is one */
	rec.log = rec.peer = id_data(&room);
	REFUSED(&r, RECORD_CONV, &be, 4, &rec.base);
	rec.log = id_data(&bob);
	rec.peer = id_data(&stranger);
	REFUSED(&r, RECORD_CONV, &be, 4, &rec.base);
	rec.peer = id_data(&alice);
	REFUSED(&r, RECORD_CONV, &zero, 4, &rec.base);
	rec.conv = 0;
	REFUSED(&r, RECORD_CONV, &zero, 4, &rec.base);
	rec.conv = 9;
	assert_int_equal(put_msg(&r, RECORD_CONV, &be, 4, &rec.base), OK);
	s.conv = 9; /* bob's */
	n = stream_key(key, s.stream);
	REFUSED(&r, RECORD_STREAM, key, n, &s.base);
	s.conv = 99;
	REFUSED(&r, RECORD_STREAM, key, n, &s.base);
	s.conv = 2;
	s.stream = 5;
	REFUSED(&r, RECORD_STREAM, key, n, &s.base);
	n = stream_key(key, 5);
	s.seqs = seqs;
	s.n_seqs = 65;
	REFUSED(&r, RECORD_STREAM, key, n, &s.base);
	s.n_seqs = 31; /* more than numbers */
	REFUSED(&r, RECORD_STREAM, key, n, &s.base);
	s.stream = 0;
	REFUSED(&r, RECORD_STREAM, key, stream_key(key, 0), &s.base);
	registry_fini(&r);
}

static void
kinds_that_are_none(void **state)
{
	struct registry r;

	(void)state;
	load(&r);
	for (uint32_t kind = 0; kind < 20; kind++) {
		assert_int_equal(registry_put(&r, kind, STR_NONE, STR_NONE),
		    ERR_CORRUPT);
		assert_int_equal(registry_put(&r, kind, STR("x"), STR("x")),
		    ERR_CORRUPT);
	}
	registry_fini(&r);
}

/* ---- records that are damaged -------------------------------------------- */

/* Whatever was taken, everything can be encoded and freed. */
static void
use(struct registry *r)
{
	char key[REGISTRY_KEY_MAX];
	struct bytes b;
	size_t n;

	bytes_init(&b, 1 << 20);
	for (struct dirty *d = registry_dirty_after(r, NULL); d != NULL;
	     d = registry_dirty_after(r, d)) {
		bytes_reset(&b);
		assert_int_equal(record_encode(r, d, &b, key, &n), OK);
	}
	bytes_fini(&b);
}

/* Some of them refer to the one that is left out. */
static void
put_whole(struct registry *r, const struct kept *k)
{
	enum err rc = registry_put(r, k->kind, key_of(k), value_of(k));

	assert_true(rc == OK || rc == ERR_CORRUPT);
}

static void
put_damaged(const struct kept *k, struct str key, struct str value)
{
	struct registry r;
	enum err rc;

	/* With all but it, and over all. */
	for (int with = 0; with < 2; with++) {
		assert_int_equal(registry_init(&r, &limits), OK);
		r.loading = true;
		for (const struct kept *o = kept; o < kept + nkept; o++)
			if (o != k || with)
				put_whole(&r, o);
		rc = registry_put(&r, k->kind, key, value);
		assert_true(rc == OK || rc == ERR_CORRUPT);
		use(&r);
		registry_fini(&r);
	}
}

static void
cut_records_do_no_harm(void **state)
{
	char buf[2048];

	(void)state;
	for (const struct kept *k = kept; k < kept + nkept; k++) {
		for (size_t n = 0; n < k->n; n++) {
			memcpy(buf, k->value, n);
			put_damaged(k, key_of(k), (struct str){ buf, n });
		}
		for (size_t n = 0; n < k->key_len; n++)
			put_damaged(k, (struct str){ k->key, n }, value_of(k));
	}
}

static void
flipped_bits_do_no_harm(void **state)
{
	char buf[2048];
	struct prng r;

	(void)state;
	print_message("seed 42\n");
	prng_seed(&r, 42);
	for (const struct kept *k = kept; k < kept + nkept; k++)
		for (size_t i = 0; i < 8 * k->n; i += 1 + prng_below(&r, 5)) {
			memcpy(buf, k->value, k->n);
			buf[i / 8] ^= (char)(1 << i % 8);
			put_damaged(k, key_of(k), (struct str){ buf, k->n });
		}
}

static void
noise_does_no_harm(void **state)
{
	char buf[64];
	struct prng r;

	(void)state;
	print_message("seed 43\n");
	prng_seed(&r, 43);
	for (int i = 0; i < 2000; i++) {
		const struct kept *k = &kept[prng_below(&r, nkept)];
		size_t n = prng_below(&r, sizeof(buf));

		for (size_t j = 0; j < n; j++)
			buf[j] = (char)prng_u64(&r);
		put_damaged(k, key_of(k), (struct str){ buf, n });
	}
}

/* A name or pattern picks cases. */
int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(what_is_loaded_is_encoded_the_same),
		CASE(putting_it_again_changes_nothing),
		CASE(everything_is_found_again),
		CASE(removed_objects_leave_tombstones),
		CASE(cursors_only_move_forward),
		CASE(accounts_that_lie),
		CASE(devices_and_cursors_that_lie),
		CASE(rooms_and_members_that_lie),
		CASE(conversations_and_streams_that_lie),
		CASE(kinds_that_are_none),
		CASE(cut_records_do_no_harm),
		CASE(flipped_bits_do_no_harm),
		CASE(noise_does_no_harm),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
