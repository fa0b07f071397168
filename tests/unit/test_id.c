#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/prng.h"
#include "proto/id.h"

static struct event_id
random_id(struct prng *r)
{
	struct event_id id;

	for (unsigned i = 0; i < EVENT_ID_LEN; i++)
		id.b[i] = (uint8_t)prng_u64(r);
	return id;
}

static void
text_and_back_is_the_same(void **state)
{
	struct event_id id, back;
	char text[EVENT_ID_TEXT];
	struct prng r;

	(void)state;
	prng_seed(&r, 1);
	for (unsigned i = 0; i < 1000; i++) {
		id = random_id(&r);
		event_id_text(text, &id);
		assert_int_equal(
		    event_id_parse(&back, (struct str){ text, sizeof(text) }),
		    OK);
		assert_true(event_id_eq(&id, &back));
	}
}

static void
texts_sort_as_ids_do(void **state)
{
	char a_text[EVENT_ID_TEXT], b_text[EVENT_ID_TEXT];
	struct event_id a, b;
	struct prng r;

	(void)state;
	prng_seed(&r, 2);
	for (unsigned i = 0; i < 1000; i++) {
		a = random_id(&r);
		b = random_id(&r);
		if (i % 2 == 0) /* differ late */
			memcpy(b.b, a.b, EVENT_ID_LEN - 1);
		event_id_text(a_text, &a);
		event_id_text(b_text, &b);
		assert_int_equal(memcmp(a.b, b.b, EVENT_ID_LEN) < 0,
		    memcmp(a_text, b_text, EVENT_ID_TEXT) < 0);
	}
}

static void
extremes_have_known_texts(void **state)
{
	struct event_id id;
	char text[EVENT_ID_TEXT];

	(void)state;
	memset(&id, 0, sizeof(id));
	event_id_text(text, &id);
	assert_memory_equal(text, "00000000000000000000000000", EVENT_ID_TEXT);
	memset(&id, 0xff, sizeof(id));
	event_id_text(text, &id);
	assert_memory_equal(text, "7zzzzzzzzzzzzzzzzzzzzzzzzz", EVENT_ID_TEXT);
}

static void
other_texts_are_refused(void **state)
{
	static const char *const bad[] = { "", "0",
		"8zzzzzzzzzzzzzzzzzzzzzzzzz", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
		"0000000000000000000000000i", "0000000000000000000000000l",
		"0000000000000000000000000o", "0000000000000000000000000u",
		"0000000000000000000000000", "000000000000000000000000000",
		"00000000000000000000000-00" };
	struct event_id id;

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(event_id_parse(&id, str_of(bad[i])),
		    ERR_INVALID);
	assert_int_equal(event_id_parse(&id,
			     (struct str){ "0000000000000000000000000\0", 26 }),
	    ERR_INVALID);
	assert_int_equal(event_id_parse(&id, STR_NONE), ERR_INVALID);
}

static void
time_is_the_first_48_bits(void **state)
{
	struct event_id id = { { 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x00, 0xff } };

	(void)state;
	assert_true(event_id_ms(&id) == UINT64_C(1700000000000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_and_back_is_the_same),
		cmocka_unit_test(texts_sort_as_ids_do),
		cmocka_unit_test(extremes_have_known_texts),
		cmocka_unit_test(other_texts_are_refused),
		cmocka_unit_test(time_is_the_first_48_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
