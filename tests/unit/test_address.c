#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "proto/address.h"

#define HOME STR("example.org")

/* NULL: refused. */
static const char *
parsed(const char *text)
{
	static char out[ADDRESS_MAX + 1];
	struct address a;
	size_t n;

	if (address_parse(&a, str_of(text), HOME) != OK)
		return NULL;
	n = address_format(out, &a);
	assert_int_equal(n, strlen(out));
	return out;
}

static void
refuses(const char *const *bad)
{
	for (; *bad != NULL; bad++)
		if (parsed(*bad) != NULL)
			fail_msg("taken: %s", *bad);
}

static void
plain_addresses_are_taken(void **state)
{
	struct address a;

	(void)state;
	assert_string_equal(parsed("alice"), "alice@example.org");
	assert_string_equal(parsed("#lounge"), "#lounge@example.org");
	assert_string_equal(parsed("#c++@other.example"), "#c++@other.example");
	assert_string_equal(parsed("a.b_c-d+1@localhost"),
	    "a.b_c-d+1@localhost");
	assert_string_equal(parsed("x@sub-1.3d.example"), "x@sub-1.3d.example");
	assert_int_equal(address_parse(&a, STR("#x"), HOME), OK);
	assert_int_equal(a.kind, ADDRESS_ROOM);
	assert_true(str_eq(address_local(&a), STR("x")));
	assert_true(str_eq(address_realm(&a), HOME));
}

static void
case_does_not_matter(void **state)
{
	struct address a, b;

	(void)state;
	assert_string_equal(parsed("ALICE@Example.ORG"), "alice@example.org");
	assert_int_equal(address_parse(&a, STR("Alice@Example.Org"), STR_NONE),
	    OK);
	assert_int_equal(address_parse(&b, STR("aLICE"), HOME), OK);
	assert_true(address_eq(&a, &b));
	assert_int_equal(address_parse(&b, STR("#alice"), HOME), OK);
	assert_false(address_eq(&a, &b));
}

static void
without_a_realm_one_must_be_given(void **state)
{
	struct address a;

	(void)state;
	assert_int_equal(address_parse(&a, STR("alice"), STR_NONE),
	    ERR_ADDRESS);
	assert_int_equal(address_parse(&a, STR_NONE, HOME), ERR_ADDRESS);
	assert_int_equal(address_parse(&a, STR("#"), HOME), ERR_ADDRESS);
}

static void
control_characters_spaces_and_signs_are_refused(void **state)
{
	static const char *const bad[] = { "", "#", "@", "a@", "@example.org",
		"a b", "a\tb", "a\nb", "\x01", "a\x7f",
		"a\xc2\xa0"
		"b",
		"a\xc2\x85"
		"b",
		"a@b@c", "##a", "a#b", "a/b", "a:b", "a'b", "a\"b", "a&b",
		"a<b", "a>b", "a;b", "a,b", "a!", "(a)", "$a", "-a", ".a", "+a",
		"a.",
		"a\xe2\x80\x8b"
		"b", /* zero width */
		"\xe2\x80\xae"
		"evil",          /* right-to-left override */
		"a\xef\xb8\x8f", /* variation selector */
		"\xf3\xa0\x81\x81"
		"a",
		/* tag */ NULL };

	(void)state;
	refuses(bad);
	/* An inner NUL is no end. */
	assert_int_equal(address_parse(&(struct address){ .kind = 0 },
			     (struct str){ "ab\0c", 4 }, HOME),
	    ERR_ADDRESS);
}

static void
bytes_that_are_not_utf8_are_refused(void **state)
{
	static const char *const bad[] = { "a\xff", "a\xc3", "\xed\xa0\x80",
		"a\xc0\xaf", "x@b\xff.example", "x@\xed\xa0\x80.example",
		NULL };

	(void)state;
	refuses(bad);
}

/* RFC 8265, section 3.5, and what lower case and NFC must do. */
static void
usernames_are_case_mapped(void **state)
{
	static const char *const bad[] = { "henry\xe2\x85\xa3", "\xe2\x99\x9a",
		"fu\xc3\x9f"
		"ball@",
		NULL };

	(void)state;
	assert_string_equal(parsed("fu\xc3\x9f"
				   "ball"),
	    "fu\xc3\x9f"
	    "ball@example.org");
	assert_string_equal(parsed("\xcf\x80"), "\xcf\x80@example.org");
	assert_string_equal(parsed("\xce\xa3\xce\xb1"),
	    "\xcf\x83\xce\xb1@example.org");
	/* combining diaeresis, capital */
	assert_string_equal(parsed("BU\xcc\x88"
				   "CHER"),
	    "b\xc3\xbc"
	    "cher@example.org");
	assert_string_equal(parsed("\xd0\x9f\xd1\x91\xd1\x82\xd1\x80"),
	    "\xd0\xbf\xd1\x91\xd1\x82\xd1\x80@example.org");
	/* fullwidth, halfwidth */
	assert_string_equal(parsed("\xef\xbc\xa1\xef\xbc\xa2"),
	    "ab@example.org");
	assert_string_equal(parsed("\xef\xbd\xb1"), "\xe3\x82\xa2@example.org");
	refuses(bad);
}

/* What one enforcement gives, the next one keeps. */
static void
enforcing_again_changes_nothing(void **state)
{
	static const char *const names[] = {
		"\xe1\xba\x9e", /* capital sharp s */
		"\xce\xa3\xce\xa3", "\xc4\xb0", "\xef\xbc\xa1\xcc\x8a",
		"\xe2\x84\xab", "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d",
		"\xe0\xa4\xa8\xe0\xa4\xae\xe0\xa4\xb8\xe0\xa5\x8d\xe0\xa4\xa4",
		"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", NULL
	};
	char first[ADDRESS_MAX + 1];
	const char *p;

	(void)state;
	for (const char *const *name = names; *name != NULL; name++) {
		if ((p = parsed(*name)) == NULL)
			continue;
		memcpy(first, p, strlen(p) + 1);
		assert_non_null(p = parsed(first));
		assert_string_equal(p, first);
	}
}

/* RFC 5893, section 2. */
static void
directions_do_not_mix(void **state)
{
	static const char *const bad[] = { "\xd7\xa9\xd7\x9c"
					   "abc",
		"abc\xd7\xa9\xd7\x9c",
		"1\xd7\xa9\xd7\x9c", /* begins with a number */
		"\xd8\xa7"
		"1\xd9\xa1", /* both kinds of digits */
		"\xd7\xa9-", /* ends neutral */
		NULL };

	(void)state;
	assert_non_null(parsed("\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d"));
	assert_non_null(parsed("\xd7\xa9\xd7\x9c"
			       "1"));
	assert_non_null(parsed("\xd8\xb9\xd9\x84\xd9\x8a"));
	refuses(bad);
}

/* RFC 5892, appendix A. */
static void
characters_stand_in_their_context(void **state)
{
	static const char *const bad[] = { "a\xc2\xb7l",
		"l\xc2\xb7"
		"a",
		"\xcd\xb5"
		"a",
		"a\xd7\xb3",
		"\xe3\x83\xbb"
		"a",
		"a\xe2\x80\x8d"
		"b",
		"a\xe2\x80\x8c"
		"b",
		"\xd9\xa1\xdb\xb1", NULL };

	(void)state;
	assert_non_null(parsed("paral\xc2\xb7lel"));
	assert_non_null(parsed("\xcd\xb5\xce\xb1"));
	assert_non_null(parsed("\xd7\xa9\xd7\xb3"));
	assert_non_null(parsed("\xe3\x82\xab\xe3\x83\xbb\xe3\x82\xab"));
	/* ka, virama, joiner, ssa */
	assert_non_null(
	    parsed("\xe0\xa4\x95\xe0\xa5\x8d\xe2\x80\x8d\xe0\xa4\xb7"));
	/* beh, non-joiner, beh */
	assert_non_null(parsed("\xd8\xa8\xe2\x80\x8c\xd8\xa8"));
	refuses(bad);
}

static void
scripts_that_look_alike_do_not_mix(void **state)
{
	static const char *const bad[] = { "\xd0\xb0lice", /* Cyrillic a */
		"p\xce\xbfst", /* Greek omicron */ NULL };

	(void)state;
	refuses(bad);
	assert_non_null(parsed("\xe6\x97\xa5\xe6\x9c\xac"
			       "abc"));
}

static void
lengths_have_their_limits(void **state)
{
	char local[ADDRESS_LOCAL_MAX + 2], realm[300], text[600];
	struct address a;

	(void)state;
	memset(local, 'a', sizeof(local));
	local[ADDRESS_LOCAL_MAX + 1] = '\0';
	assert_null(parsed(local));
	local[ADDRESS_LOCAL_MAX] = '\0';
	assert_non_null(parsed(local));
	/* Of several bytes each: the limit is in bytes. */
	for (unsigned i = 0; i < 33; i++)
		memcpy(text + 2 * i, "\xc3\xbc", 3);
	assert_null(parsed(text));
	text[64] = '\0';
	assert_non_null(parsed(text));

	/* Four labels, 63 + 63 + 63 + 61 with the dots are 253. */
	memset(realm, 'r', sizeof(realm));
	realm[63] = realm[127] = realm[191] = '.';
	realm[253] = '\0';
	snprintf(text, sizeof(text), "x@%s", realm);
	assert_int_equal(address_parse(&a, str_of(text), STR_NONE), OK);
	snprintf(text, sizeof(text), "#x@%s", realm);
	assert_int_equal(address_parse(&a, str_of(text), STR_NONE),
	    ERR_ADDRESS);
	snprintf(text, sizeof(text), "%s@%s", local, realm);
	assert_int_equal(address_parse(&a, str_of(text), STR_NONE),
	    ERR_ADDRESS);
	realm[253] = 'r';
	realm[254] = '\0';
	snprintf(text, sizeof(text), "x@%s", realm);
	assert_int_equal(address_parse(&a, str_of(text), STR_NONE),
	    ERR_ADDRESS);
}

static void
realms_are_domain_names(void **state)
{
	static const char *const bad[] = { "x@.", "x@a..b", "x@.a", "x@a.",
		"x@-a", "x@a-", "x@a_b", "x@a b", "x@1.2.3.4", "x@123",
		"x@[::1]", "x@a:1",
		"x@"
		"rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr"
		"rr",
		"x@xn--a", "x@ab--c.example", "x@a\xe2\x80\xae.example", NULL };

	(void)state;
	refuses(bad);
}

static void
realms_are_kept_as_people_write_them(void **state)
{
	char ascii[ADDRESS_REALM_MAX + 1];

	(void)state;
	assert_string_equal(parsed("x@B\xc3\x9c"
				   "CHER.example"),
	    "x@b\xc3\xbc"
	    "cher.example");
	assert_string_equal(parsed("x@xn--bcher-kva.example"), "x@b\xc3\xbc"
							       "cher.example");
	assert_string_equal(parsed("x@stra\xc3\x9f"
				   "e.example"),
	    "x@stra\xc3\x9f"
	    "e.example");
	/* ideographic full stop, fullwidth letters */
	assert_string_equal(parsed("x@\xef\xbd\x81\xe3\x80\x82"
				   "b"),
	    "x@a.b");
	assert_int_equal(address_realm_ascii(ascii, STR("b\xc3\xbc"
							"cher.example")),
	    OK);
	assert_string_equal(ascii, "xn--bcher-kva.example");
	assert_int_equal(address_realm_ascii(ascii, STR("example.org")), OK);
	assert_string_equal(ascii, "example.org");
	assert_int_equal(address_realm_ascii(ascii, STR("a b")), ERR_ADDRESS);
	assert_int_equal(address_realm_ascii(ascii, STR_NONE), ERR_ADDRESS);
}

static bool
look_alike(const char *a, const char *b)
{
	char one[ADDRESS_SKELETON_MAX], two[ADDRESS_SKELETON_MAX];

	assert_int_equal(address_skeleton(one, sizeof(one), str_of(a)), OK);
	assert_int_equal(address_skeleton(two, sizeof(two), str_of(b)), OK);
	return strcmp(one, two) == 0;
}

static void
skeletons_tell_what_looks_alike(void **state)
{
	char small[4];

	(void)state;
	assert_true(look_alike("paypal", "paypa1"));
	assert_true(look_alike("modern", "rnodern"));
	/* Cyrillic es, o, er, ie */
	assert_true(look_alike("cope", "\xd1\x81\xd0\xbe\xd1\x80\xd0\xb5"));
	assert_false(look_alike("alice", "alicia"));
	assert_false(look_alike("bob", "bop"));
	assert_int_equal(address_skeleton(small, sizeof(small), STR("alice")),
	    ERR_ADDRESS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_addresses_are_taken),
		cmocka_unit_test(case_does_not_matter),
		cmocka_unit_test(without_a_realm_one_must_be_given),
		cmocka_unit_test(
		    control_characters_spaces_and_signs_are_refused),
		cmocka_unit_test(bytes_that_are_not_utf8_are_refused),
		cmocka_unit_test(usernames_are_case_mapped),
		cmocka_unit_test(enforcing_again_changes_nothing),
		cmocka_unit_test(directions_do_not_mix),
		cmocka_unit_test(characters_stand_in_their_context),
		cmocka_unit_test(scripts_that_look_alike_do_not_mix),
		cmocka_unit_test(lengths_have_their_limits),
		cmocka_unit_test(realms_are_domain_names),
		cmocka_unit_test(realms_are_kept_as_people_write_them),
		cmocka_unit_test(skeletons_tell_what_looks_alike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
