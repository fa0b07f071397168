#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/hash.h"
#include "crypto/init.h"
#include "kith.pb-c.h"
#include "tests/unit/proto_test.h"

static const uint8_t salt[EVENT_SALT_LEN] = "0123456789abcde";

static struct event *
make(const struct event_header *h, const struct event_body *b)
{
	struct event *ev;

	assert_int_equal(event_new(&ev, h, b, salt), OK);
	return ev;
}

static struct event *
message(struct str text)
{
	struct event_header h = { .kind = EVENT_MESSAGE,
		.device = 1,
		.stream = 7,
		.number = 1,
		.time_ms = UINT64_C(1700000000000) };
	struct event_body b = { .text = text };

	return make(&h, &b);
}

static void
assert_same_body(const struct event_body *a, const struct event_body *b)
{
	assert_true(same_str(a->text, b->text));
	assert_true(same_str(a->emoji, b->emoji));
	assert_true(same_str(a->reason, b->reason));
	assert_true(same_str(a->subject, b->subject));
	assert_true(same_str(a->topic, b->topic));
	assert_true(same_str(a->display, b->display));
	assert_true(same_str(a->device_name, b->device_name));
	assert_int_equal(a->nmentions, b->nmentions);
	for (size_t i = 0; i < a->nmentions; i++)
		assert_true(same_str(a->mentions[i], b->mentions[i]));
	assert_int_equal(a->has_reply, b->has_reply);
	assert_true(event_id_eq(&a->reply, &b->reply));
	assert_int_equal(a->remove, b->remove);
	assert_int_equal(a->revoked, b->revoked);
	assert_true(a->seconds == b->seconds && a->seq == b->seq);
	assert_int_equal(a->role, b->role);
	assert_int_equal(a->access, b->access);
	assert_int_equal(a->history, b->history);
	assert_int_equal(a->retention_days, b->retention_days);
	assert_int_equal(a->device, b->device);
	assert_int_equal(a->ord, b->ord);
}

static void
assert_same_header(const struct event_header *a, const struct event_header *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_true(id_eq(&a->author, &b->author));
	assert_int_equal(a->device, b->device);
	assert_true(id_eq(&a->target, &b->target));
	assert_true(a->stream == b->stream && a->number == b->number);
	assert_true(a->time_ms == b->time_ms);
	assert_int_equal(a->has_refers, b->has_refers);
	assert_true(event_id_eq(&a->refers, &b->refers));
}

static void
decoding_gives_back_what_was_made(void **state)
{
	struct event_header h;
	struct event_body b;
	struct random_text t;
	struct event *ev, *back;
	struct prng r;

	(void)state;
	prng_seed(&r, 1);
	for (unsigned i = 0; i < 500; i++) {
		random_header(&r, &h);
		random_body(&r, &b, &t);
		ev = make(&h, &b);
		assert_same_header(&ev->h, &h);
		assert_same_body(&ev->body, &b);
		assert_int_equal(
		    event_decode(&back, ev->header_bytes,
			(struct str){ (char *)ev->salt, EVENT_SALT_LEN },
			ev->body_bytes),
		    OK);
		assert_same_header(&back->h, &h);
		assert_same_body(&back->body, &b);
		assert_true(event_id_eq(&back->id, &ev->id));
		assert_true(str_eq(back->header_bytes, ev->header_bytes));
		assert_true(str_eq(back->body_bytes, ev->body_bytes));
		assert_memory_equal(back->salt, salt, sizeof(salt));
		assert_memory_equal(back->body_hash, ev->body_hash,
		    EVENT_HASH_LEN);
		assert_false(back->erased);
		event_unref(ev);
		event_unref(back);
	}
}

/* ---- against protobuf-c -------------------------------------------------- */

/* NUL-terminated copies, as the generated code wants them. */
static char *
cstr(struct str s)
{
	static char mem[48][64];
	static unsigned next;
	char *p = mem[next++ % 48];

	if (s.n == 0)
		return NULL;
	memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

static ProtobufCBinaryData
data(uint8_t *p, size_t n)
{
	return (ProtobufCBinaryData){ n, p };
}

static void
fill_body(Kith__EventBody *m, struct event_body *b, char **mentions)
{
	static char empty[1];

	m->text = cstr(b->text);
	m->has_reply = b->has_reply;
	m->reply = data(b->reply.b, EVENT_ID_LEN);
	m->n_mentions = b->nmentions;
	m->mentions = mentions;
	for (size_t i = 0; i < b->nmentions; i++)
		if ((mentions[i] = cstr(b->mentions[i])) == NULL)
			mentions[i] = empty;
	m->emoji = cstr(b->emoji);
	m->has_remove = m->remove = b->remove;
	m->reason = cstr(b->reason);
	m->subject = cstr(b->subject);
	m->has_seconds = (m->seconds = b->seconds) != 0;
	m->has_role = (m->role = b->role) != 0;
	m->topic = cstr(b->topic);
	m->has_access = (m->access = b->access) != 0;
	m->has_history = (m->history = b->history) != 0;
	m->has_retention_days = (m->retention_days = b->retention_days) != 0;
	m->has_seq = (m->seq = b->seq) != 0;
	m->display = cstr(b->display);
	m->has_device = (m->device = b->device) != 0;
	m->device_name = cstr(b->device_name);
	m->has_revoked = m->revoked = b->revoked;
	m->has_ord = (m->ord = b->ord) != 0;
}

static void
bytes_are_those_of_protobuf(void **state)
{
	static uint8_t packed[EVENT_BODY_MAX];
	char *mentions[EVENT_MENTIONS_MAX];
	struct event_header h;
	struct event_body b;
	struct random_text t;
	struct event *ev;
	struct prng r;

	(void)state;
	prng_seed(&r, 2);
	for (unsigned i = 0; i < 500; i++) {
		Kith__EventHeader mh = KITH__EVENT_HEADER__INIT;
		Kith__EventBody mb = KITH__EVENT_BODY__INIT;
		size_t n;

		random_header(&r, &h);
		random_body(&r, &b, &t);
		ev = make(&h, &b);

		fill_body(&mb, &b, mentions);
		n = kith__event_body__pack(&mb, packed);
		assert_int_equal(n, ev->body_bytes.n);
		assert_memory_equal(packed, ev->body_bytes.p, n);

		mh.version = 1;
		mh.kind = h.kind;
		mh.author = data(h.author.b, ID_LEN);
		mh.device = h.device;
		mh.target = data(h.target.b, ID_LEN);
		mh.has_stream = mh.has_number = h.stream != 0;
		mh.stream = h.stream;
		mh.number = h.number;
		mh.time_ms = h.time_ms;
		mh.has_refers = h.has_refers;
		mh.refers = data(h.refers.b, EVENT_ID_LEN);
		mh.body_hash = data(ev->body_hash, EVENT_HASH_LEN);
		n = kith__event_header__pack(&mh, packed);
		assert_int_equal(n, ev->header_bytes.n);
		assert_memory_equal(packed, ev->header_bytes.p, n);
		event_unref(ev);
	}
}

/* ---- the id and erasure -------------------------------------------------- */

static void
id_is_time_and_hash_of_the_header(void **state)
{
	struct event *ev = message(STR("hello"));
	uint8_t hash[HASH_LEN];

	(void)state;
	assert_true(event_id_ms(&ev->id) == ev->h.time_ms);
	hash256(hash, "kith event 1", PARTS(PART_STR(ev->header_bytes)));
	assert_memory_equal(ev->id.b + 6, hash, 10);
	event_unref(ev);
}

static void
id_verifies_when_the_body_is_erased(void **state)
{
	struct event *ev = message(STR("a secret")), *erased;

	(void)state;
	assert_int_equal(
	    event_decode(&erased, ev->header_bytes, STR_NONE, STR_NONE), OK);
	assert_true(erased->erased);
	assert_true(event_id_eq(&ev->id, &erased->id));
	assert_int_equal(erased->body.text.n, 0);
	event_unref(ev);
	event_unref(erased);
}

static void
empty_body_is_not_an_erased_one(void **state)
{
	struct event_header h = { .kind = EVENT_JOIN };
	struct event_body b = { .nmentions = 0 };
	struct event *ev = make(&h, &b), *back;

	(void)state;
	assert_int_equal(ev->body_bytes.n, 0);
	assert_int_equal(event_decode(&back, ev->header_bytes,
			     (struct str){ (char *)ev->salt, EVENT_SALT_LEN },
			     STR_NONE),
	    OK);
	assert_false(back->erased);
	event_unref(ev);
	event_unref(back);
}

static void
another_body_or_salt_is_refused(void **state)
{
	struct event *ev = message(STR("pay 100")), *back;
	struct str s = { (const char *)salt, sizeof(salt) };
	struct event *other = message(STR("pay 999"));
	uint8_t bad[EVENT_SALT_LEN];

	(void)state;
	memcpy(bad, salt, sizeof(bad));
	bad[3] ^= 1;
	assert_int_equal(
	    event_decode(&back, ev->header_bytes, s, other->body_bytes),
	    ERR_SIGNATURE);
	assert_int_equal(event_decode(&back, ev->header_bytes,
			     (struct str){ (char *)bad, sizeof(bad) },
			     ev->body_bytes),
	    ERR_SIGNATURE);
	assert_int_equal(
	    event_decode(&back, ev->header_bytes, STR_NONE, ev->body_bytes),
	    ERR_MALFORMED);
	assert_int_equal(
	    event_decode(&back, ev->header_bytes, STR("short"), ev->body_bytes),
	    ERR_MALFORMED);
	event_unref(ev);
	event_unref(other);
}

static void
any_flipped_bit_is_noticed(void **state)
{
	struct event *ev = message(STR("hello")), *back;
	struct str s = { (const char *)salt, sizeof(salt) };
	char copy[512];

	(void)state;
	for (size_t i = 0; i < ev->header_bytes.n * 8; i++) {
		memcpy(copy, ev->header_bytes.p, ev->header_bytes.n);
		copy[i / 8] = (char)(copy[i / 8] ^ 1 << i % 8);
		if (event_decode(&back,
			(struct str){ copy, ev->header_bytes.n }, s,
			ev->body_bytes) != OK)
			continue;
		assert_false(event_id_eq(&back->id, &ev->id));
		event_unref(back);
	}
	for (size_t i = 0; i < ev->body_bytes.n * 8; i++) {
		memcpy(copy, ev->body_bytes.p, ev->body_bytes.n);
		copy[i / 8] = (char)(copy[i / 8] ^ 1 << i % 8);
		assert_int_equal(event_decode(&back, ev->header_bytes, s,
				     (struct str){ copy, ev->body_bytes.n }),
		    ERR_SIGNATURE);
	}
	event_unref(ev);
}

static void
headers_cut_short_are_refused(void **state)
{
	struct event *ev = message(STR("hello")), *back;

	(void)state;
	for (size_t n = 0; n < ev->header_bytes.n; n++)
		assert_int_equal(event_decode(&back,
				     (struct str){ ev->header_bytes.p, n },
				     STR_NONE, STR_NONE),
		    ERR_MALFORMED);
	event_unref(ev);
}

/* A later version may add fields: they are kept, and count for the id. */
static void
unknown_fields_are_kept(void **state)
{
	struct event *ev = message(STR("hello")), *back;
	char longer[512];
	size_t n = ev->header_bytes.n;

	(void)state;
	memcpy(longer, ev->header_bytes.p, n);
	memcpy(longer + n, "\xa2\x06\x03new", 6); /* field 100 */
	assert_int_equal(event_decode(&back, (struct str){ longer, n + 6 },
			     STR_NONE, STR_NONE),
	    OK);
	assert_int_equal(back->header_bytes.n, n + 6);
	assert_false(event_id_eq(&back->id, &ev->id));
	event_unref(ev);
	event_unref(back);
}

/* ---- limits -------------------------------------------------------------- */

static void
text_has_its_limit(void **state)
{
	struct event_header h = { .kind = EVENT_MESSAGE };
	struct event_body b = { .nmentions = 0 };
	char *text = malloc(EVENT_BODY_MAX + 1);
	struct event *ev;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', EVENT_BODY_MAX + 1);
	b.text = (struct str){ text, EVENT_TEXT_MAX };
	ev = make(&h, &b);
	assert_int_equal(ev->body.text.n, EVENT_TEXT_MAX);
	event_unref(ev);
	b.text.n++;
	assert_int_equal(event_new(&ev, &h, &b, salt), ERR_TOO_LARGE);
	b.text = STR_NONE;
	b.reason = (struct str){ text, EVENT_BODY_MAX + 1 };
	assert_int_equal(event_new(&ev, &h, &b, salt), ERR_TOO_LARGE);
	free(text);
}

static void
text_that_is_not_utf8_makes_no_event(void **state)
{
	struct event_header h = { .kind = EVENT_MESSAGE };
	struct event_body b = { .text = STR("\xed\xa0\x80") };
	struct event *ev;

	(void)state;
	assert_int_equal(event_new(&ev, &h, &b, salt), ERR_MALFORMED);
}

static void
every_kind_has_a_name(void **state)
{
	(void)state;
	assert_null(event_kind_name(0));
	for (uint32_t k = 1; k <= EVENT_ALERT; k++)
		assert_non_null(event_kind_name(k));
	assert_null(event_kind_name(EVENT_ALERT + 1));
	assert_null(event_kind_name(UINT32_MAX));
	assert_string_equal(event_kind_name(EVENT_MESSAGE), "message");
}

/* ---- repeats ------------------------------------------------------------- */

static void
repeat_has_the_same_digest(void **state)
{
	struct event_header h = { .kind = EVENT_MESSAGE,
		.device = 1,
		.stream = 7,
		.number = 1,
		.time_ms = 5 };
	struct event_body b = { .text = STR("hello") };
	uint8_t first[EVENT_HASH_LEN], again[EVENT_HASH_LEN], zero[16] = { 0 };
	struct event *ev = make(&h, &b), *repeat;

	(void)state;
	event_body_digest(first, ev);
	h.time_ms = 6;
	assert_int_equal(event_new(&repeat, &h, &b, zero), OK);
	event_body_digest(again, repeat);
	assert_memory_equal(first, again, EVENT_HASH_LEN);
	assert_false(event_id_eq(&ev->id, &repeat->id));
	event_unref(ev);
	event_unref(repeat);
}

static void
another_text_kind_or_target_has_another_digest(void **state)
{
	struct event_header h = { .kind = EVENT_EDIT, .has_refers = true };
	struct event_body b = { .text = STR("hello") };
	uint8_t digest[4][EVENT_HASH_LEN];
	struct event *ev;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		if (i == 1)
			b.text = STR("hellp");
		if (i == 2)
			h.refers.b[15] = 1;
		if (i == 3)
			h.kind = EVENT_REACT;
		ev = make(&h, &b);
		event_body_digest(digest[i], ev);
		event_unref(ev);
		for (unsigned j = 0; j < i; j++)
			assert_memory_not_equal(digest[i], digest[j],
			    EVENT_HASH_LEN);
	}
}

static void
last_reference_frees(void **state)
{
	struct event *ev = message(STR("x"));

	(void)state;
	assert_ptr_equal(event_ref(ev), ev);
	event_unref(ev);
	assert_true(event_size(ev) > sizeof(*ev));
	event_unref(ev);
	event_unref(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decoding_gives_back_what_was_made),
		cmocka_unit_test(bytes_are_those_of_protobuf),
		cmocka_unit_test(id_is_time_and_hash_of_the_header),
		cmocka_unit_test(id_verifies_when_the_body_is_erased),
		cmocka_unit_test(empty_body_is_not_an_erased_one),
		cmocka_unit_test(another_body_or_salt_is_refused),
		cmocka_unit_test(any_flipped_bit_is_noticed),
		cmocka_unit_test(headers_cut_short_are_refused),
		cmocka_unit_test(unknown_fields_are_kept),
		cmocka_unit_test(text_has_its_limit),
		cmocka_unit_test(text_that_is_not_utf8_makes_no_event),
		cmocka_unit_test(every_kind_has_a_name),
		cmocka_unit_test(repeat_has_the_same_digest),
		cmocka_unit_test(
		    another_text_kind_or_target_has_another_digest),
		cmocka_unit_test(last_reference_frees),
	};

	if (crypto_start() != OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
