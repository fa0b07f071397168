#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "proto/text.h"

static void
text_has_lines_a_topic_has_none(void **state)
{
	(void)state;
	assert_true(text_valid(STR("one\n\ttwo")));
	assert_false(topic_valid(STR("one\ntwo")));
	assert_false(topic_valid(STR("one\ttwo")));
	assert_true(topic_valid(STR("gr\xc3\xbc\xc3\x9f"
				    "e \xf0\x9f\x98\x80")));
	assert_true(text_valid(STR_NONE));
	assert_true(topic_valid(STR_NONE));
}

static void
control_characters_are_refused(void **state)
{
	char c[2] = { 0, 'x' };

	(void)state;
	for (int i = 0; i < 0x20; i++) {
		c[0] = (char)i;
		assert_int_equal(text_valid((struct str){ c, 2 }),
		    i == '\n' || i == '\t');
		assert_false(topic_valid((struct str){ c, 2 }));
	}
	assert_false(text_valid(STR("\x7f")));
	assert_false(text_valid(STR("a\xc2\x9bm"))); /* C1: CSI */
	assert_true(text_valid(STR("a\xc2\xa0m")));
	assert_false(text_valid(STR("esc \x1b[2J")));
}

static void
bytes_that_are_not_utf8_are_refused(void **state)
{
	(void)state;
	assert_false(text_valid(STR("\xed\xa0\x80"))); /* a lone surrogate */
	assert_false(text_valid(STR("\xc2")));
	assert_false(topic_valid(STR("\xf4\x90\x80\x80")));
	assert_false(display_valid(STR("\xff")));
	assert_false(emoji_valid(STR("\xff")));
}

static void
names_show_something(void **state)
{
	(void)state;
	assert_true(name_valid(STR_NONE));
	assert_true(name_valid(STR("my phone")));
	assert_false(name_valid(STR("   ")));
	assert_false(name_valid(STR("a\nb")));
}

static const char *
shown(const char *text)
{
	static char out[DISPLAY_MAX + 1];

	return display_enforce(out, str_of(text)) == OK ? out : NULL;
}

/* RFC 8266, sections 2.1 and 4. */
static void
display_names_are_tidied(void **state)
{
	(void)state;
	assert_string_equal(shown("Foo"), "Foo");
	assert_string_equal(shown("Foo Bar"), "Foo Bar");
	assert_string_equal(shown("  Foo   Bar "), "Foo Bar");
	assert_string_equal(shown("a\xe3\x80\x80"
				  "b"),
	    "a b");
	assert_string_equal(shown("\xce\xa3"), "\xce\xa3");
	assert_string_equal(shown("\xe2\x99\x9a"), "\xe2\x99\x9a");
	assert_string_equal(shown("Richard \xe2\x85\xa3"), "Richard IV");
	assert_null(shown("a\nb"));
	assert_null(shown(" "));
	assert_null(shown(""));
	assert_null(shown("\xe2\x80\xae"
			  "evil"));
	assert_true(display_valid(STR_NONE));
	assert_true(display_valid(STR("Alice B.")));
	assert_false(display_valid(STR(" ")));
}

static void
display_names_have_a_limit(void **state)
{
	char text[DISPLAY_MAX + 1], out[DISPLAY_MAX + 1];

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(
	    display_enforce(out, (struct str){ text, DISPLAY_MAX }), OK);
	assert_int_equal(
	    display_enforce(out, (struct str){ text, DISPLAY_MAX + 1 }),
	    ERR_TOO_LARGE);
	/* One that NFKC makes long: it is 18 letters. */
	for (unsigned i = 0; i + 3 <= 255; i += 3)
		memcpy(text + i, "\xef\xb7\xba", 3);
	assert_int_not_equal(display_enforce(out, (struct str){ text, 255 }),
	    OK);
}

static void
one_emoji_is_an_emoji(void **state)
{
	static const char *const good[] = { "\xf0\x9f\x91\x8d",
		"\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd", /* with a skin tone */
		"\xe2\x9d\xa4", "\xe2\x9d\xa4\xef\xb8\x8f",     /* heart */
		"1\xef\xb8\x8f\xe2\x83\xa3",                    /* keycap */
		"\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa",             /* flag */
		"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb", /* coder */
		"\xf0\x9f\x8f\xb4\xf3\xa0\x81\xa7\xf3\xa0\x81\xa2\xf3\xa0\x81"
		"\xb3\xf3\xa0\x81\xa3\xf3\xa0\x81\xb4\xf3\xa0\x81\xbf",
		NULL };
	static const char *const bad[] = { "", "a", "1", "#", "ok", ":)",
		"\xf0\x9f\x91\x8d\xf0\x9f\x91\x8d",      /* two */
		"\xf0\x9f\x91\x8d ", "\xf0\x9f\x87\xa9", /* half a flag */
		"\xf0\x9f\x91\xa9\xe2\x80\x8d", "\xe2\x80\x8d", "\xc3\xbc",
		NULL };
	char many[EMOJI_MAX + 8];

	(void)state;
	for (const char *const *p = good; *p != NULL; p++)
		if (!emoji_valid(str_of(*p)))
			fail_msg("refused: %s", *p);
	for (const char *const *p = bad; *p != NULL; p++)
		if (emoji_valid(str_of(*p)))
			fail_msg("taken: %s", *p);
	for (size_t i = 0; i < sizeof(many) - 7; i += 7)
		memcpy(many + i, "\xf0\x9f\x91\xa9\xe2\x80\x8d", 7);
	memcpy(many + 63, "\xf0\x9f\x91\xa9", 4);
	assert_false(emoji_valid((struct str){ many, 67 }));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_has_lines_a_topic_has_none),
		cmocka_unit_test(control_characters_are_refused),
		cmocka_unit_test(bytes_that_are_not_utf8_are_refused),
		cmocka_unit_test(names_show_something),
		cmocka_unit_test(display_names_are_tidied),
		cmocka_unit_test(display_names_have_a_limit),
		cmocka_unit_test(one_emoji_is_an_emoji),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
