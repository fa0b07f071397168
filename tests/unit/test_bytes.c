/* Views, the growing buffer with its limit, and hexadecimal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

/* How many realloc calls from now still work; -1: all. */
static int reallocs_left = -1;

void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);

void *
__wrap_realloc(void *p, size_t n)
{
	/* More than any machine has; a sanitizer would take it for a bug. */
	if (reallocs_left == 0 || n > SIZE_MAX / 4)
		return NULL;
	if (reallocs_left > 0)
		reallocs_left--;
	return __real_realloc(p, n);
}

static void
assert_holds(const struct bytes *b, const char *text)
{
	assert_int_equal(b->n, strlen(text));
	if (b->n > 0)
		assert_memory_equal(b->p, text, b->n);
}

static void
views_are_equal_by_content(void **state)
{
	char other[] = "abc";

	(void)state;
	assert_true(str_eq(STR("abc"), str_of(other)));
	assert_false(str_eq(STR("abc"), STR("abd")));
	assert_false(str_eq(STR("abc"), STR("ab")));
	assert_false(str_eq(STR("a\0b"), STR("a\0c")));
	assert_true(str_eq(STR_NONE, STR("")));
	assert_true(str_eq(STR_NONE, STR_NONE));
}

static void
an_empty_buffer_has_no_memory(void **state)
{
	struct bytes b;

	(void)state;
	bytes_init(&b, 100);
	assert_null(b.p);
	bytes_add(&b, NULL, 0);
	bytes_add_str(&b, STR_NONE);
	bytes_consume(&b, 0);
	assert_null(b.p);
	assert_false(b.failed);
	bytes_fini(&b);
	bytes_fini(&b);
}

static void
appends_follow_each_other(void **state)
{
	struct bytes b;

	(void)state;
	bytes_init(&b, 1000);
	bytes_add(&b, "ab", 2);
	bytes_add_char(&b, '-');
	bytes_add_str(&b, STR("cd"));
	bytes_add_u64(&b, 0);
	bytes_add_char(&b, ' ');
	bytes_add_u64(&b, UINT64_MAX);
	bytes_addf(&b, " %s=%d", "k", -1);
	assert_holds(&b, "ab-cd0 18446744073709551615 k=-1");
	assert_false(b.failed);
	bytes_fini(&b);
}

/* The limits around the first allocation and around a doubling. */
static void
a_buffer_grows_up_to_its_limit_and_no_further(void **state)
{
	static const size_t limits[] = { 1, 2, 255, 256, 257, 300, 511, 512,
		513, 5000 };

	(void)state;
	for (size_t k = 0; k < sizeof(limits) / sizeof(limits[0]); k++) {
		struct bytes b;

		bytes_init(&b, limits[k]);
		for (size_t i = 0; i < limits[k]; i++)
			bytes_add_char(&b, (char)i);
		assert_false(b.failed);
		assert_int_equal(b.n, limits[k]);
		assert_true(b.cap <= limits[k]);
		bytes_add_char(&b, 'x');
		assert_true(b.failed);
		assert_int_equal(b.n, limits[k]);
		for (size_t i = 0; i < b.n; i++)
			assert_int_equal(b.p[i], (char)i);
		bytes_fini(&b);
	}
}

static void
without_a_limit_in_reach_it_still_ends(void **state)
{
	struct bytes b;

	(void)state;
	bytes_init(&b, SIZE_MAX);
	bytes_add(&b, "ab", 2);
	/* No overflow on the way there. */
	assert_null(bytes_reserve(&b, SIZE_MAX - 2));
	assert_true(b.failed);
	bytes_reset(&b);
	assert_null(bytes_reserve(&b, SIZE_MAX / 2 + 2));
	bytes_fini(&b);
}

/* A half line would be worse than none: later appends are ignored too. */
static void
a_failed_buffer_keeps_what_it_had(void **state)
{
	struct bytes b;

	(void)state;
	bytes_init(&b, 4);
	bytes_add(&b, "abc", 3);
	bytes_add(&b, "de", 2);
	assert_true(b.failed);
	bytes_add_char(&b, 'd');
	bytes_add_u64(&b, 1);
	bytes_addf(&b, "%d", 1);
	assert_null(bytes_reserve(&b, 1));
	assert_holds(&b, "abc");
	bytes_reset(&b);
	assert_false(b.failed);
	assert_int_equal(b.n, 0);
	assert_int_equal(b.cap, 4);
	bytes_add(&b, "wxyz", 4);
	assert_holds(&b, "wxyz");
	bytes_fini(&b);
}

static void
formatting_wants_one_byte_more(void **state)
{
	struct bytes b;

	(void)state;
	bytes_init(&b, 4);
	bytes_addf(&b, "%s", "abcd");
	assert_true(b.failed);
	bytes_reset(&b);
	bytes_addf(&b, "%s", "abc");
	assert_false(b.failed);
	assert_holds(&b, "abc");
	bytes_add_char(&b, 'd');
	assert_holds(&b, "abcd");
	bytes_fini(&b);
}

static void
reserved_room_is_not_used_until_said(void **state)
{
	struct bytes b;
	char *p;

	(void)state;
	bytes_init(&b, 100);
	bytes_add(&b, "ab", 2);
	p = bytes_reserve(&b, 98);
	assert_non_null(p);
	memcpy(p, "cd", 2);
	assert_holds(&b, "ab");
	b.n += 2;
	assert_holds(&b, "abcd");
	assert_null(bytes_reserve(&b, 97));
	bytes_fini(&b);
}

static void
consuming_takes_from_the_front(void **state)
{
	struct bytes b;

	(void)state;
	bytes_init(&b, 8);
	bytes_add(&b, "abcdefgh", 8);
	bytes_consume(&b, 3);
	assert_holds(&b, "defgh");
	bytes_add(&b, "ijk", 3);
	assert_holds(&b, "defghijk");
	bytes_consume(&b, 8);
	assert_int_equal(b.n, 0);
	bytes_fini(&b);
}

/* Each allocation in turn. */
static void
no_memory_is_a_failure_and_no_loss(void **state)
{
	(void)state;
	for (int works = 0; works < 3; works++) {
		struct bytes b;
		size_t before;

		bytes_init(&b, 1 << 20);
		reallocs_left = works;
		for (int i = 0; i < 2000; i++)
			bytes_add_char(&b, 'x');
		reallocs_left = -1;
		assert_true(b.failed);
		before = b.n;
		assert_int_equal(before, works == 0 ? 0 : 128u << works);
		bytes_reset(&b);
		bytes_add(&b, "again", 5);
		assert_holds(&b, "again");
		bytes_fini(&b);
	}
}

static void
a_wiped_buffer_can_be_used_again(void **state)
{
	struct bytes b;

	(void)state;
	bytes_init(&b, 100);
	bytes_wipe(&b);
	bytes_add(&b, "secret", 6);
	bytes_wipe(&b);
	assert_null(b.p);
	assert_int_equal(b.n, 0);
	bytes_add(&b, "x", 1);
	assert_holds(&b, "x");
	bytes_fini(&b);
}

static void
hexadecimal_goes_and_comes(void **state)
{
	uint8_t all[256], back[256];
	char text[2 * sizeof(all) + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)i;
	hex_encode(text, all, sizeof(all));
	assert_int_equal(strlen(text), 2 * sizeof(all));
	assert_memory_equal(text, "000102", 6);
	assert_string_equal(text + 2 * 253, "fdfeff");
	assert_int_equal(hex_decode(back, sizeof(back), str_of(text)), OK);
	assert_memory_equal(all, back, sizeof(all));
	hex_encode(text, all, 0);
	assert_string_equal(text, "");
	assert_int_equal(hex_decode(back, 0, STR_NONE), OK);
}

/* One value has one form, else two texts would name one id. */
static void
hexadecimal_is_strict(void **state)
{
	static const char *const wrong[] = { "", "0", "000", "00000", "0g00",
		"AB00", "aB00", " a00", "+a00", "0x00", "00 0", "000/",
		"000:", "000`" };
	uint8_t out[2];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(hex_decode(out, 2, str_of(wrong[i])),
		    ERR_MALFORMED);
	assert_int_equal(hex_decode(out, 2, STR("ab\0d")), ERR_MALFORMED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(views_are_equal_by_content),
		cmocka_unit_test(an_empty_buffer_has_no_memory),
		cmocka_unit_test(appends_follow_each_other),
		cmocka_unit_test(a_buffer_grows_up_to_its_limit_and_no_further),
		cmocka_unit_test(without_a_limit_in_reach_it_still_ends),
		cmocka_unit_test(a_failed_buffer_keeps_what_it_had),
		cmocka_unit_test(formatting_wants_one_byte_more),
		cmocka_unit_test(reserved_room_is_not_used_until_said),
		cmocka_unit_test(consuming_takes_from_the_front),
		cmocka_unit_test(no_memory_is_a_failure_and_no_loss),
		cmocka_unit_test(a_wiped_buffer_can_be_used_again),
		cmocka_unit_test(hexadecimal_goes_and_comes),
		cmocka_unit_test(hexadecimal_is_strict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
