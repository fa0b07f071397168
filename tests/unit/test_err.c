/* The table of errors: its codes are part of the protocol. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"

static void
ok_is_zero(void **state)
{
	(void)state;
	assert_int_equal(OK, 0);
	assert_string_equal(err_code(OK), "ok");
}

static void
a_code_leads_back_to_its_error(void **state)
{
	(void)state;
	for (unsigned e = 0; e < ERR_COUNT; e++)
		assert_int_equal(err_from_code(err_code((enum err)e)), e);
}

/* Clients compare them byte by byte, and metrics use them as labels. */
static void
codes_are_lower_case_words_with_hyphens(void **state)
{
	(void)state;
	for (unsigned e = 0; e < ERR_COUNT; e++) {
		const char *code = err_code((enum err)e);

		assert_true(strlen(code) >= 2 && strlen(code) <= 32);
		assert_true(islower((unsigned char)code[0]));
		assert_int_equal(strspn(code, "abcdefghijklmnopqrstuvwxyz-"),
		    strlen(code));
	}
}

static void
sentences_go_into_others(void **state)
{
	(void)state;
	for (unsigned e = 0; e < ERR_COUNT; e++) {
		const char *text = err_text((enum err)e);
		size_t n = strlen(text);

		assert_true(n > 0 && n <= 128);
		assert_int_not_equal(text[n - 1], '.');
		assert_null(strpbrk(text, "\"\\\n"));
	}
}

static void
a_stranger_is_internal(void **state)
{
	(void)state;
	assert_int_equal(err_from_code("no-such-code"), ERR_INTERNAL);
	assert_int_equal(err_from_code(""), ERR_INTERNAL);
	assert_string_equal(err_code(ERR_COUNT), "internal");
	assert_string_equal(err_code((enum err) - 1), "internal");
	assert_non_null(err_text(ERR_COUNT));
}

/* Each of them leads to another reaction of the node. */
static void
errno_tells_a_full_disk_from_a_broken_one(void **state)
{
	(void)state;
	assert_int_equal(err_from_errno(ENOSPC), ERR_NOSPACE);
	assert_int_equal(err_from_errno(EDQUOT), ERR_NOSPACE);
	assert_int_equal(err_from_errno(EROFS), ERR_READONLY);
	assert_int_equal(err_from_errno(EIO), ERR_IO);
	assert_int_equal(err_from_errno(ENOMEM), ERR_NOMEM);
	assert_int_equal(err_from_errno(ENOENT), ERR_NOTFOUND);
	assert_int_equal(err_from_errno(EEXIST), ERR_EXISTS);
	assert_int_equal(err_from_errno(EACCES), ERR_FORBIDDEN);
	assert_int_equal(err_from_errno(EPERM), ERR_FORBIDDEN);
	/* Even 0: who asks has seen something fail. */
	assert_int_equal(err_from_errno(0), ERR_IO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ok_is_zero),
		cmocka_unit_test(a_code_leads_back_to_its_error),
		cmocka_unit_test(codes_are_lower_case_words_with_hyphens),
		cmocka_unit_test(sentences_go_into_others),
		cmocka_unit_test(a_stranger_is_internal),
		cmocka_unit_test(errno_tells_a_full_disk_from_a_broken_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
