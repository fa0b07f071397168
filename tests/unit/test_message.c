/*
 * The message service: what people send, and what becomes of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message_world.h"

static int
setup(void **state)
{
	*state = world_new(NULL);
	return 0;
}

static int
teardown(void **state)
{
	world_free(*state);
	return 0;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void
an_answer_comes_only_after_the_commit(void **state)
{
	struct world *w = *state;
	struct conn *alice = client(w, "alice"), *bob = client(w, "bob");
	uint64_t id;

	id = ask(alice, "send", "'to':'bob','stream':1,'number':1,'text':'hi'");
	w->hold_commits = true;
	world_settle(w);
	assert_true(unanswered(alice, id));
	assert_int_equal(events(bob, "", "message"), 0);
	w->hold_commits = false;
	world_settle(w);
	assert_string_equal(text_of(ok(alice, id), "durable"), "home");
	assert_string_equal(
	    text_of(event(bob, "bob@example.org", "message", 0), "text"), "hi");
	assert_int_equal(events(alice, "alice@example.org", "message"), 1);
	assert_string_equal(text_of(event(bob, "", "message", 0), "event"),
	    text_of(ok(alice, id), "event"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(an_answer_comes_only_after_the_commit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
