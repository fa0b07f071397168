#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/init.h"
#include "kith.pb-c.h"
#include "tests/unit/proto_test.h"

#define PUTS_RANDOM 8

/* A draft and what it points to. */
struct sample {
	struct entry_draft d;
	struct place places[ENTRY_PLACES];
	struct shard_place shards[ENTRY_SHARDS];
	struct put puts[PUTS_RANDOM];
	struct random_text text;
};

static struct event *
random_event(struct prng *r)
{
	struct event_header h;
	struct event_body b;
	struct random_text t;
	uint8_t salt[EVENT_SALT_LEN];
	struct event *ev;

	random_header(r, &h);
	random_body(r, &b, &t);
	random_fill(r, salt, sizeof(salt));
	assert_int_equal(event_new(&ev, &h, &b, salt), OK);
	return ev;
}

/* The caller gives up d.event with event_unref. */
static void
sample_fill(struct sample *s, struct prng *r)
{
	memset(s, 0, sizeof(*s));
	s->d = (struct entry_draft){ .index = 1 + (prng_u64(r) >> 1),
		.places = s->places,
		.shards = s->shards,
		.puts = s->puts };
	if (prng_below(r, 4) > 0) {
		s->d.event = random_event(r);
		s->d.nplaces = (uint32_t)prng_below(r, ENTRY_PLACES + 1);
	}
	for (uint32_t i = 0; i < s->d.nplaces; i++)
		s->places[i] = (struct place){ (uint32_t)random_number(r),
			(uint32_t)random_number(r), random_number(r),
			(uint32_t)random_number(r) };
	s->d.nshards = (uint32_t)prng_below(r, ENTRY_SHARDS + 1);
	for (uint32_t i = 0; i < s->d.nshards; i++) {
		s->shards[i].shard = (uint32_t)prng_below(r, 256);
		s->shards[i].epoch = (uint32_t)random_number(r);
		s->shards[i].seq = random_number(r);
		random_fill(r, s->shards[i].hash, 32);
	}
	s->d.nputs = (uint32_t)prng_below(r, PUTS_RANDOM + 1);
	for (uint32_t i = 0; i < s->d.nputs; i++) {
		s->puts[i].kind = (uint32_t)random_number(r);
		s->puts[i].key = random_str(r, &s->text);
		s->puts[i].value = random_str(r, &s->text);
		if (prng_below(r, 4) == 0)
			s->puts[i].value = (struct str){ "", 0 };
	}
}

static void
assert_holds(const struct entry *e, const struct entry_draft *d)
{
	assert_true(e->index == d->index);
	assert_int_equal(e->nplaces, d->nplaces);
	assert_memory_equal(e->places, d->places,
	    d->nplaces * sizeof(e->places[0]));
	assert_int_equal(e->nshards, d->nshards);
	for (uint32_t i = 0; i < d->nshards; i++) {
		assert_int_equal(e->shards[i].shard, d->shards[i].shard);
		assert_int_equal(e->shards[i].epoch, d->shards[i].epoch);
		assert_true(e->shards[i].seq == d->shards[i].seq);
		assert_memory_equal(e->shards[i].hash, d->shards[i].hash, 32);
	}
	assert_int_equal(e->nputs, d->nputs);
	for (uint32_t i = 0; i < d->nputs; i++) {
		assert_int_equal(e->puts[i].kind, d->puts[i].kind);
		assert_true(same_str(e->puts[i].key, d->puts[i].key));
		assert_int_equal(e->puts[i].value.p == NULL,
		    d->puts[i].value.p == NULL);
		assert_true(same_str(e->puts[i].value, d->puts[i].value));
	}
	assert_int_equal(e->event == NULL, d->event == NULL);
	if (d->event != NULL)
		assert_true(event_id_eq(&e->event->id, &d->event->id));
}

static void
decoding_gives_back_what_was_made(void **state)
{
	struct entry *e, *back;
	struct sample s;
	struct prng r;

	(void)state;
	prng_seed(&r, 1);
	for (unsigned i = 0; i < 500; i++) {
		sample_fill(&s, &r);
		assert_int_equal(entry_new(&e, &s.d), OK);
		assert_holds(e, &s.d);
		assert_int_equal(entry_decode(&back, e->bytes), OK);
		assert_holds(back, &s.d);
		assert_true(str_eq(e->bytes, back->bytes));
		event_unref(s.d.event);
		entry_unref(e);
		entry_unref(back);
	}
}

/* The generated code reads it, and packs what it read to the same bytes. */
static void
bytes_are_those_of_protobuf(void **state)
{
	static uint8_t packed[ENTRY_MAX];
	struct entry *e;
	struct sample s;
	struct prng r;

	(void)state;
	prng_seed(&r, 2);
	for (unsigned i = 0; i < 500; i++) {
		Kith__Entry *m;
		size_t n;

		sample_fill(&s, &r);
		assert_int_equal(entry_new(&e, &s.d), OK);
		m = kith__entry__unpack(NULL, e->bytes.n,
		    (const uint8_t *)e->bytes.p);
		assert_non_null(m);
		assert_true(m->index == s.d.index);
		assert_int_equal(m->n_places, s.d.nplaces);
		assert_int_equal(m->n_shards, s.d.nshards);
		assert_int_equal(m->n_puts, s.d.nputs);
		n = kith__entry__pack(m, packed);
		assert_int_equal(n, e->bytes.n);
		assert_memory_equal(packed, e->bytes.p, n);
		kith__entry__free_unpacked(m, NULL);
		event_unref(s.d.event);
		entry_unref(e);
	}
}

static void
entries_cut_short_are_never_the_whole(void **state)
{
	struct entry *e, *back;
	struct sample s;
	struct prng r;

	(void)state;
	prng_seed(&r, 3);
	sample_fill(&s, &r);
	assert_int_equal(entry_new(&e, &s.d), OK);
	for (size_t n = 0; n < e->bytes.n; n++) {
		if (entry_decode(&back, (struct str){ e->bytes.p, n }) != OK)
			continue;
		assert_int_equal(back->bytes.n, n);
		entry_unref(back);
	}
	event_unref(s.d.event);
	entry_unref(e);
}

static void
erased_event_stays_erased(void **state)
{
	struct entry *e, *back, *copy;
	struct event *ev, *erased;
	static struct place p = { 1, 2, 3, 4 }; /* its padding is zero */
	struct prng r;

	(void)state;
	prng_seed(&r, 4);
	ev = random_event(&r);
	assert_int_equal(
	    event_decode(&erased, ev->header_bytes, STR_NONE, STR_NONE), OK);
	assert_int_equal(entry_new(&e, &(struct entry_draft){ .index = 9,
					   .event = erased,
					   .places = &p,
					   .nplaces = 1 }),
	    OK);
	assert_int_equal(entry_decode(&back, e->bytes), OK);
	assert_true(back->event->erased);
	assert_true(event_id_eq(&back->event->id, &ev->id));
	assert_int_equal(entry_erased(&copy, back, erased), OK);
	assert_int_equal(copy->bytes.n, 0);
	assert_true(copy->index == 9);
	assert_memory_equal(copy->places, &p, sizeof(p));
	entry_unref(copy);
	entry_unref(back);
	entry_unref(e);
	event_unref(ev);
	event_unref(erased);
}

static void
entry_out_of_storage_has_its_place(void **state)
{
	struct place p = { 1, 2, 3, 4 };
	struct event *ev;
	struct entry *e;
	struct prng r;

	(void)state;
	prng_seed(&r, 5);
	ev = random_event(&r);
	assert_int_equal(entry_stored(&e, 5, ev, &p), OK);
	event_unref(ev);
	assert_true(e->index == 5);
	assert_int_equal(e->nplaces, 1);
	assert_memory_equal(e->places, &p, sizeof(p));
	assert_true(entry_size(e) > sizeof(*e) + event_size(e->event) - 1);
	assert_ptr_equal(entry_ref(e), e);
	entry_unref(e);
	entry_unref(e);
	entry_unref(NULL);
}

static void
limits_hold_in_both_directions(void **state)
{
	static struct put puts[ENTRY_PUTS + 1];
	struct entry_draft d = { .index = 1,
		.puts = puts,
		.nputs = ENTRY_PUTS };
	char *large = calloc(1, ENTRY_MAX), *twice;
	struct entry *e, *back;

	(void)state;
	assert_non_null(large);
	for (unsigned i = 0; i <= ENTRY_PUTS; i++)
		puts[i] = (struct put){ 1, STR("key"), STR("value") };
	assert_int_equal(entry_new(&e, &d), OK);
	/* Two such, one behind the other, are one of twice the puts. */
	assert_non_null(twice = malloc(2 * e->bytes.n));
	memcpy(twice, e->bytes.p, e->bytes.n);
	memcpy(twice + e->bytes.n, e->bytes.p, e->bytes.n);
	assert_int_equal(
	    entry_decode(&back, (struct str){ twice, 2 * e->bytes.n }),
	    ERR_MALFORMED);
	free(twice);
	entry_unref(e);
	d.nputs++;
	assert_int_equal(entry_new(&e, &d), ERR_TOO_LARGE);
	d.nputs = 1;
	puts[0].value = (struct str){ large, ENTRY_MAX };
	assert_int_equal(entry_new(&e, &d), ERR_TOO_LARGE);
	free(large);
}

static void
places_without_an_event_are_refused(void **state)
{
	struct entry *e;

	(void)state;
	/* index 1, a place, no header */
	assert_int_equal(
	    entry_decode(&e, STR("\x08\x01\x2a\x08\x08\x01\x10\x01\x18\x01\x20"
				 "\x01")),
	    ERR_MALFORMED);
	assert_int_equal(entry_decode(&e, STR("\x08\x01")), OK);
	entry_unref(e);
	assert_int_equal(entry_decode(&e, STR("\x08\x00")), ERR_MALFORMED);
	assert_int_equal(entry_decode(&e, STR_NONE), ERR_MALFORMED);
	/* a place that lacks its ord; a shard above 255 */
	assert_int_equal(entry_decode(&e, STR("\x08\x01\x2a\x02\x08\x01")),
	    ERR_MALFORMED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decoding_gives_back_what_was_made),
		cmocka_unit_test(bytes_are_those_of_protobuf),
		cmocka_unit_test(entries_cut_short_are_never_the_whole),
		cmocka_unit_test(erased_event_stays_erased),
		cmocka_unit_test(entry_out_of_storage_has_its_place),
		cmocka_unit_test(limits_hold_in_both_directions),
		cmocka_unit_test(places_without_an_event_are_refused),
	};

	if (crypto_start() != OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
