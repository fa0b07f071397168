/*
 * The tables of operations: each name finds its row and nobody else's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/op.h"

static void
every_operation_is_found_by_its_name(void **state)
{
	(void)state;
	for (int op = OP_NONE + 1; op < OP_COUNT; op++) {
		const struct op_info *info = op_info((enum op)op);

		assert_int_equal(op_find(str_of(info->name)), op);
	}
}

static void
every_key_is_found_by_its_name(void **state)
{
	(void)state;
	for (int key = 0; key < KEY_COUNT; key++) {
		const char *name = op_key_name((enum op_key)key);

		assert_int_equal(op_key_find(str_of(name)), key);
	}
}

static void
strangers_are_not_found(void **state)
{
	static const char *const names[] = { "", "s", "sen", "sendd", "Send",
		"send ", "account-", "account-ad", "account-addd",
		"a name that is much longer than any that the table has, and "
		"more" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(op_find(str_of(names[i])), OP_NONE);
		assert_int_equal(op_key_find(str_of(names[i])), KEY_COUNT);
	}
	assert_int_equal(op_find(STR_NONE), OP_NONE);
	assert_int_equal(op_find((struct str){ "send\0", 5 }), OP_NONE);
}

static void
no_key_is_both_required_and_optional(void **state)
{
	(void)state;
	for (int op = OP_NONE + 1; op < OP_COUNT; op++) {
		const struct op_info *info = op_info((enum op)op);

		assert_int_equal(info->required & info->optional, 0);
	}
}

static void
what_is_open_is_not_for_the_control_socket(void **state)
{
	(void)state;
	for (int op = OP_NONE + 1; op < OP_COUNT; op++) {
		unsigned flags = op_info((enum op)op)->flags;

		assert_true(
		    (flags & (OP_OPEN | OP_CONTROL)) != (OP_OPEN | OP_CONTROL));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_operation_is_found_by_its_name),
		cmocka_unit_test(every_key_is_found_by_its_name),
		cmocka_unit_test(strangers_are_not_found),
		cmocka_unit_test(no_key_is_both_required_and_optional),
		cmocka_unit_test(what_is_open_is_not_for_the_control_socket),
	};

	return cmocka_run_group_tests_name("op", tests, NULL, NULL);
}
