/*
 * The message service: what people send, and what becomes of it, whatever
 * the queue does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/message_world.h"

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

/* The n-th message to peer in stream 1. */
static uint64_t
say(struct conn *c, const char *peer, unsigned n)
{
	return ask(c, "send", "'to':'%s','stream':1,'number':%u,'text':'m%u'",
	    peer, n, n);
}

/* c got exactly the messages m1 to mN of a log, once each and in order. */
static void
assert_said(struct conn *c, const char *log, unsigned n)
{
	char text[16];

	assert_int_equal(events(c, log, "message"), n);
	for (unsigned i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "m%u", i + 1);
		assert_string_equal(
		    text_of(event(c, log, "message", i), "text"), text);
	}
}

static struct conn *
again(struct world *w, const char *name)
{
	char *token = device_token(w, name);
	struct conn *c = resume(w, name, token, "'states':true");

	free(token);
	return c;
}

/* ---- sending ------------------------------------------------------------- */

static void
an_answer_comes_only_after_the_commit(void **state)
{
	struct world *w = *state;
	struct conn *alice = client(w, "alice"), *bob = client(w, "bob");
	uint64_t id = say(alice, "bob", 1);

	w->hold_commits = true;
	world_settle(w);
	assert_true(unanswered(alice, id));
	assert_int_equal(events(bob, "", "message"), 0);
	w->hold_commits = false;
	world_settle(w);
	assert_string_equal(text_of(ok(alice, id), "durable"), "home");
	assert_said(bob, "bob@example.org", 1);
	assert_said(alice, "alice@example.org", 1);
	assert_string_equal(text_of(event(bob, "", "message", 0), "event"),
	    text_of(ok(alice, id), "event"));
	assert_int_equal(seq_of(event(alice, "", "message", 0)),
	    seq_of(ok(alice, id)));
}

static void
all_devices_of_both_sides_get_a_message(void **state)
{
	struct world *w = *state;
	struct conn *alice = client(w, "alice"), *bob = client(w, "bob");
	struct conn *alice2 = again(w, "alice"), *bob2 = again(w, "bob");

	(void)done(alice, "send",
	    "'to':'bob','stream':1,'number':1,"
	    "'text':'m1'");
	assert_said(alice, "", 1);
	assert_said(alice2, "", 1);
	assert_said(bob, "", 1);
	assert_said(bob2, "", 1);
}

static void
notes_to_oneself_have_one_place(void **state)
{
	struct world *w = *state;
	struct conn *alice = client(w, "alice");

	(void)done(alice, "send",
	    "'to':'alice','stream':1,'number':1,"
	    "'text':'m1'");
	assert_said(alice, "alice@example.org", 1);
	world_restart(w, false);
}

static void
a_repeat_is_answered_like_the_first_time(void **state)
{
	struct world *w = *state;
	struct conn *alice = client(w, "alice"), *bob = client(w, "bob");
	json_t *first, *second;
	uint64_t id = say(alice, "bob", 1);

	world_settle(w);
	first = ok(alice, id);
	id = say(alice, "bob", 1);
	world_settle(w);
	second = ok(alice, id);
	assert_true(json_equal(first, second));
	assert_said(bob, "", 1);
}

static void
another_content_under_a_number_is_refused(void **state)
{
	struct world *w = *state;
	struct conn *alice = client(w, "alice");
	json_t *o;

	(void)client(w, "bob");
	o = done(alice, "send",
	    "'to':'bob','stream':1,'number':1,"
	    "'text':'m1'");
	refused(alice, "number-reused", "send",
	    "'to':'bob','stream':1,'number':1,'text':'other'");
	refused(alice, "number-reused", "edit",
	    "'to':'bob','stream':1,'number':1,'event':'%s','text':'m1'",
	    text_of(o, "event"));
	/* In flight as well. */
	w->hold_commits = true;
	(void)say(alice, "bob", 2);
	refused(alice, "number-reused", "send",
	    "'to':'bob','stream':1,'number':2,'text':'other'");
	w->hold_commits = false;
}

static void
a_repeat_in_flight_is_taken_once_and_answers_the_last(void **state)
{
	struct world *w = *state;
	struct conn *alice = client(w, "alice"), *bob = client(w, "bob");
	uint64_t first = say(alice, "bob", 1), second = say(alice, "bob", 1);

	world_settle(w);
	assert_string_equal(refusal(alice, first), "busy");
	assert_string_equal(text_of(ok(alice, second), "durable"), "home");
	assert_said(bob, "", 1);
}

static void
numbers_and_streams_out_of_line_are_refused(void **state)
{
	struct world *w = *state;
	struct conn *alice = client(w, "alice");

	(void)client(w, "bob");
	(void)client(w, "carol");
	refused(alice, "out-of-order", "send",
	    "'to':'bob','stream':1,'number':2,'text':'x'");
	(void)done(alice, "send",
	    "'to':'bob','stream':1,'number':1,"
	    "'text':'m1'");
	refused(alice, "out-of-order", "send",
	    "'to':'bob','stream':1,'number':3,'text':'x'");
	refused(alice, "invalid", "send",
	    "'to':'carol','stream':1,'number':2,'text':'x'");
	refused(alice, "invalid", "send",
	    "'to':'bob','stream':0,'number':1,'text':'x'");
	refused(alice, "invalid", "send",
	    "'to':'bob','stream':1,'number':0,'text':'x'");
	refused(alice, "not-found", "send",
	    "'to':'nobody','stream':2,'number':1,'text':'x'");
	refused(alice, "unknown-realm", "send",
	    "'to':'bob@else.example','stream':2,'number':1,'text':'x'");
	assert_int_equal(
	    number_of(done(alice, "stream", "'stream':1"), "number"), 1);
	assert_int_equal(
	    number_of(done(alice, "stream", "'stream':9"), "number"), 0);
}

static void
the_last_sixty_four_numbers_can_be_repeated(void **state)
{
	struct world *w = *state;
	struct conn *alice = client(w, "alice"), *bob = client(w, "bob");
	uint64_t id = 0;

	for (unsigned i = 1; i <= 70; i++)
		id = say(alice, "bob", i);
	world_settle(w);
	(void)ok(alice, id);
	id = say(alice, "bob", 7);
	world_settle(w);
	(void)ok(alice, id);
	id = say(alice, "bob", 6);
	world_settle(w);
	assert_string_equal(refusal(alice, id), "too-old");
	assert_said(bob, "", 70);
}

static void
a_repeat_is_found_in_storage(void **state)
{
	struct world *w = *state;
	struct conn *alice, *bob;
	json_t *first;
	uint64_t id, next, reads;

	cache_free(w->cache);
	w->cache = w->m->parts.cache = cache_new(1 << 20, 4);
	alice = client(w, "alice");
	bob = client(w, "bob");
	id = say(alice, "bob", 1);
	world_settle(w);
	first = ok(alice, id);
	for (unsigned i = 2; i <= 20; i++) {
		(void)say(alice, "bob", i);
		world_settle(w);
		world_advance(w, 300);
		world_settle(w);
	}
	reads = w->storage->reads_taken;
	id = say(alice, "bob", 1);
	next = say(alice, "bob", 21); /* waits in line */
	assert_int_equal(w->storage->reads_taken, reads + 1);
	w->hold_reads = true;
	world_settle(w);
	assert_true(unanswered(alice, id));
	assert_true(unanswered(alice, next));
	w->hold_reads = false;
	world_settle(w);
	assert_true(json_equal(first, ok(alice, id)));
	(void)ok(alice, next);
	assert_said(bob, "", 21);
}

static void
mentions_are_addresses(void **state)
{
	struct world *w = *state;
	struct conn *alice = client(w, "alice"), *bob = client(w, "bob");

	refused(alice, "bad-address", "send",
	    "'to':'bob','stream':1,'number':1,'text':'x','mentions':['a b']");
	(void)done(alice, "send",
	    "'to':'bob','stream':1,'number':1,"
	    "'text':'x','mentions':['bob','Carol@else.example']");
	assert_int_equal(json_array_size(json_object_get(
			     event(bob, "", "message", 0), "mentions")),
	    2);
}

/* ---- the queue fails ----------------------------------------------------- */

static void
a_window_that_fails_is_rolled_back_and_repeated(void **state)
{
	struct world *w = *state;
	struct conn *alice = client(w, "alice");
	uint64_t id[17];

	free(account_token(w, "bob"));
	for (unsigned i = 1; i <= 16; i++)
		id[i] = say(alice, "bob", i);
	world_commit(w, 5);
	world_fail(w, 0);
	for (unsigned i = 1; i <= 5; i++)
		(void)ok(alice, id[i]);
	for (unsigned i = 6; i <= 16; i++)
		assert_string_equal(refusal(alice, id[i]), "queue-unavailable");
	assert_string_equal(text_of(push(alice, "queue", 0), "state"),
	    "degraded");
	world_recover(w);
	assert_string_equal(text_of(push(alice, "queue", 1), "state"), "ok");
	assert_int_equal(w->alerts_begun, 1);
	for (unsigned i = 4; i <= 16; i++)
		id[i] = say(alice, "bob", i);
	world_settle(w);
	for (unsigned i = 4; i <= 16; i++)
		(void)ok(alice, id[i]);
	assert_said(alice, "alice@example.org", 16);
	assert_said(again(w, "bob"), "", 0);
	world_restart(w, false);
}

/* Submitted before main knew of the failure, and back after the news. */
static void
stragglers_of_the_old_term_come_back_later(void **state)
{
	struct world *w = *state;
	struct conn *alice = client(w, "alice");
	uint64_t id[17];

	free(account_token(w, "bob"));
	for (unsigned i = 1; i <= 8; i++)
		id[i] = say(alice, "bob", i);
	world_fail(w, 3);
	assert_true(unanswered(alice, id[6]));
	message_queue_done(w->m, queue_recover(w->queue));
	assert_string_equal(refusal(alice, say(alice, "bob", 1)),
	    "queue-unavailable");
	message_queue_done(w->m, queue_late(w->queue, ERR_NOSPACE));
	world_flush(w);
	for (unsigned i = 1; i <= 8; i++)
		assert_string_equal(refusal(alice, id[i]), "queue-unavailable");
	for (unsigned i = 1; i <= 8; i++)
		id[i] = say(alice, "bob", i);
	world_settle(w);
	for (unsigned i = 1; i <= 8; i++)
		(void)ok(alice, id[i]);
	assert_said(alice, "", 8);
	world_restart(w, false);
}

static void
a_full_queue_uses_up_no_number(void **state)
{
	struct world *w = *state;
	struct conn *alice = client(w, "alice"), *bob = client(w, "bob");
	uint32_t local = w->m->reg.next_local, conv = w->m->reg.next_conv;

	w->queue->full = true;
	refused(alice, "queue-full", "send",
	    "'to':'bob','stream':1,'number':1,'text':'m1'");
	for (int i = 0; i < 10; i++)
		refused(alice, "queue-full", "create", "'room':'#r'");
	refused(alice, "queue-full", "profile", "'display':'Alice'");
	w->queue->full = false;
	assert_int_equal(w->m->reg.next_local, local);
	assert_true(w->m->reg.next_conv <= conv + 2);
	(void)done(alice, "send",
	    "'to':'bob','stream':1,'number':1,"
	    "'text':'m1'");
	(void)done(alice, "create", "'room':'#r'");
	(void)done(alice, "profile", "'display':'Alice'");
	assert_said(bob, "", 1);
	assert_int_equal(HASH_COUNT(w->m->gates), 0);
	world_restart(w, false);
}

static void
everything_under_way_is_refused_when_the_queue_fails(void **state)
{
	struct world *w = *state;
	struct conn *alice = client(w, "alice");
	struct conn *eve = world_connect(w, "eve");
	uint64_t id[8];

	(void)client(w, "bob");
	(void)done(alice, "create", "'room':'#r'");
	id[0] = ask(alice, "create", "'room':'#s'");
	id[1] = ask(alice, "profile", "'display':'A'");
	id[2] = ask(alice, "topic", "'room':'#r','topic':'t'");
	id[3] = ask(alice, "invite", "'room':'#r','account':'bob'");
	id[4] = ask(alice, "block", "'account':'bob'");
	id[5] = ask(alice, "logout", NONE);
	w->hold_commits = true;
	id[6] = ask(eve, "register",
	    "'account':'eve','password':'secret','name':'pc'");
	world_settle(w);
	world_fail(w, 0);
	for (unsigned i = 0; i < 6; i++)
		assert_string_equal(refusal(alice, id[i]), "queue-unavailable");
	assert_string_equal(refusal(eve, id[6]), "queue-unavailable");
	w->hold_commits = false;
	world_recover(w);
	assert_int_equal(HASH_COUNT(w->m->gates), 0);
	(void)done(alice, "create", "'room':'#s'");
	(void)done(alice, "topic", "'room':'#r','topic':'t'");
	(void)done(eve, "register",
	    "'account':'eve','password':'secret','name':'pc'");
	(void)done(alice, "logout", NONE);
	world_restart(w, false);
}

/* A device that goes while its sends are under way. */
static void
sends_of_a_revoked_device_may_fail(void **state)
{
	struct world *w = *state;
	struct conn *alice = client(w, "alice"), *phone = again(w, "alice");
	uint64_t sent, revoked, after;

	free(account_token(w, "bob"));
	sent = say(phone, "bob", 1);
	revoked = ask(alice, "revoke", "'device':2");
	after = say(phone, "bob", 2);
	world_commit(w, 2);
	(void)ok(alice, revoked);
	(void)ok(phone, sent);
	assert_true(phone->closing);
	world_fail(w, 0);
	world_recover(w);
	(void)after;
	world_settle(w);
	(void)done(alice, "send",
	    "'to':'bob','stream':1,'number':1,"
	    "'text':'m1'");
	world_restart(w, false);
}

static void
sends_of_a_revoked_device_may_still_commit(void **state)
{
	struct world *w = *state;
	struct conn *alice = client(w, "alice"), *phone = again(w, "alice");

	(void)client(w, "bob");
	(void)ask(alice, "revoke", "'device':2");
	(void)say(phone, "bob", 1);
	(void)say(phone, "bob", 2);
	world_settle(w);
	assert_true(phone->closing);
	assert_said(alice, "", 2);
	world_restart(w, false);
}

/* ---- direct delivery ----------------------------------------------------- */

static void
in_degraded_mode_messages_go_straight_to_devices(void **state)
{
	struct world *w = *state;
	struct conn *alice = client(w, "alice"), *bob = client(w, "bob");
	struct conn *phone = again(w, "bob");
	uint64_t id;
	json_t *o;

	world_fail(w, 0);
	id = say(alice, "bob", 1);
	world_flush(w);
	o = push(bob, "direct", 0);
	assert_non_null(o);
	assert_non_null(push(phone, "direct", 0));
	assert_string_equal(text_of(o, "text"), "m1");
	assert_string_equal(text_of(o, "from"), "alice@example.org");
	assert_string_equal(text_of(o, "send"), "1.1.1");
	assert_true(unanswered(alice, id));
	tell(bob, "direct", "'event':'%s'", text_of(o, "event"));
	tell(bob, "direct", "'event':'%s'", text_of(o, "event"));
	assert_true(unanswered(alice, id));
	tell(phone, "direct", "'event':'%s'", text_of(o, "event"));
	assert_int_equal(number_of(ok(alice, id), "direct"), 2);
	assert_int_equal(events(bob, "", "message"), 0);
	/* Repeated when the queue is back: the first place it gets. */
	world_recover(w);
	id = say(alice, "bob", 1);
	world_settle(w);
	assert_string_equal(text_of(ok(alice, id), "durable"), "home");
	assert_string_equal(text_of(event(bob, "", "message", 0), "send"),
	    "1.1.1");
	world_restart(w, false);
}

static void
a_message_in_flight_at_the_failure_goes_direct_too(void **state)
{
	struct world *w = *state;
	struct conn *alice = client(w, "alice"), *bob = client(w, "bob");
	uint64_t id = say(alice, "bob", 1);

	world_fail(w, 0);
	tell(bob, "direct", "'event':'%s'",
	    text_of(push(bob, "direct", 0), "event"));
	assert_int_equal(number_of(ok(alice, id), "direct"), 1);
}

static void
unconfirmed_direct_messages_time_out(void **state)
{
	struct world *w = *state;
	struct conn *alice = client(w, "alice"), *bob = client(w, "bob");
	struct conn *phone = again(w, "bob");
	uint64_t one, none;

	world_fail(w, 0);
	one = say(alice, "bob", 1);
	none = say(alice, "bob", 2);
	world_flush(w);
	tell(bob, "direct", "'event':'%s'",
	    text_of(push(bob, "direct", 0), "event"));
	(void)phone;
	world_advance(w, 1900);
	assert_true(unanswered(alice, one));
	world_advance(w, 200);
	assert_int_equal(number_of(ok(alice, one), "direct"), 1);
	assert_string_equal(refusal(alice, none), "queue-unavailable");
}

static void
two_connections_of_a_device_count_once(void **state)
{
	struct world *w = *state;
	struct conn *alice = client(w, "alice");
	char *token = account_token(w, "bob");
	struct conn *bob = resume(w, "bob", token, "");
	struct conn *same = resume(w, "bob", token, "");
	const char *event_id;
	uint64_t id;

	free(token);
	world_fail(w, 0);
	id = say(alice, "bob", 1);
	world_flush(w);
	event_id = text_of(push(bob, "direct", 0), "event");
	tell(bob, "direct", "'event':'%s'", event_id);
	tell(same, "direct", "'event':'%s'", event_id);
	assert_int_equal(number_of(ok(alice, id), "direct"), 1);
}

static void
a_device_that_goes_is_not_waited_for(void **state)
{
	struct world *w = *state;
	struct conn *alice = client(w, "alice"), *bob = client(w, "bob");
	uint64_t id;

	world_fail(w, 0);
	id = say(alice, "bob", 1);
	world_flush(w);
	conn_break(bob);
	world_advance(w, 50);
	assert_string_equal(refusal(alice, id), "queue-unavailable");
}

static void
what_is_no_direct_message_is_refused_in_degraded_mode(void **state)
{
	struct world *w = *state;
	struct conn *alice = client(w, "alice"), *bob = client(w, "bob");
	json_t *o;

	(void)done(alice, "create", "'room':'#r'");
	(void)done(bob, "join", "'room':'#r'");
	o = done(alice, "send",
	    "'to':'bob','stream':1,'number':1,"
	    "'text':'m1'");
	world_fail(w, 0);
	refused(alice, "queue-unavailable", "send",
	    "'to':'#r','stream':2,'number':1,'text':'x'");
	refused(alice, "queue-unavailable", "edit",
	    "'to':'bob','stream':1,'number':2,'event':'%s','text':'x'",
	    text_of(o, "event"));
	refused(alice, "queue-unavailable", "topic", "'room':'#r','topic':'x'");
	refused(alice, "queue-unavailable", "create", "'room':'#s'");
	/* What needs no queue works: repeats, reading, resuming. */
	o = done(alice, "send",
	    "'to':'bob','stream':1,'number':1,"
	    "'text':'m1'");
	assert_string_equal(text_of(o, "durable"), "home");
	o = done(alice, "history", "'to':'bob'");
	assert_int_equal(json_array_size(json_object_get(o, "events")), 1);
	(void)done(alice, "conversations", NONE);
}

/* Nothing is taken now, so numbers run ahead of what was stored. */
static void
direct_numbers_run_ahead(void **state)
{
	struct world *w = *state;
	struct conn *alice = client(w, "alice"), *bob = client(w, "bob");
	uint64_t id;

	world_fail(w, 0);
	for (unsigned i = 1; i <= 3; i++) {
		id = say(alice, "bob", i);
		world_flush(w);
		tell(bob, "direct", "'event':'%s'",
		    text_of(push(bob, "direct", i - 1), "event"));
		assert_int_equal(number_of(ok(alice, id), "direct"), 1);
	}
	world_recover(w);
	for (unsigned i = 1; i <= 3; i++)
		(void)say(alice, "bob", i);
	world_settle(w);
	assert_said(bob, "", 3);
}

static void
a_blocked_sender_reaches_nobody_directly(void **state)
{
	struct world *w = *state;
	struct conn *alice = client(w, "alice"), *bob = client(w, "bob");

	(void)done(bob, "block", "'account':'alice'");
	world_fail(w, 0);
	refused(alice, "blocked", "send",
	    "'to':'bob','stream':1,'number':1,'text':'x'");
	assert_int_equal(pushes(bob, "direct"), 0);
}

/* ---- edits, redactions, reactions ---------------------------------------- */

static void
edits_and_redactions_need_the_author(void **state)
{
	struct world *w = *state;
	struct conn *alice = client(w, "alice"), *bob = client(w, "bob");
	const char *id;
	json_t *o;

	o = done(alice, "send",
	    "'to':'bob','stream':1,'number':1,"
	    "'text':'m1'");
	id = text_of(o, "event");
	(void)done(alice, "edit",
	    "'to':'bob','stream':1,'number':2,"
	    "'event':'%s','text':'better'",
	    id);
	(void)done(bob, "react",
	    "'to':'alice','stream':1,'number':1,"
	    "'event':'%s','emoji':'\xf0\x9f\x91\x8d'",
	    id);
	refused(bob, "forbidden", "edit",
	    "'to':'alice','stream':1,"
	    "'number':2,'event':'%s','text':'x'",
	    id);
	refused(bob, "forbidden", "redact",
	    "'to':'alice','stream':1,"
	    "'number':2,'event':'%s'",
	    id);
	refused(bob, "not-found", "redact",
	    "'to':'alice','stream':1,"
	    "'number':2,'event':'00000000000000000000000000'");
	refused(bob, "invalid", "redact",
	    "'to':'alice','stream':1,"
	    "'number':2,'event':'zz'");
	refused(bob, "invalid", "react",
	    "'to':'alice','stream':1,"
	    "'number':2,'event':'%s','emoji':'word'",
	    id);
	(void)done(alice, "redact",
	    "'to':'bob','stream':1,'number':3,"
	    "'event':'%s'",
	    id);
	refused(alice, "not-found", "edit",
	    "'to':'bob','stream':1,"
	    "'number':4,'event':'%s','text':'x'",
	    id);
	assert_string_equal(text_of(event(bob, "", "redact", 0), "target"), id);
	world_restart(w, false);
}

/* Is the text of the event to be seen in c's history with peer? */
static bool
seen(struct conn *c, const char *peer, const char *id)
{
	json_t *list = json_object_get(done(c, "history", "'to':'%s'", peer),
		   "events"),
	       *o;
	size_t i;

	json_array_foreach(list, i, o) if (strcmp(text_of(o, "event"), id) ==
					   0) return json_object_get(o,
	    "text") != NULL;
	fail_msg("%s is not in the history", id);
	return false;
}

static void
a_redacted_text_is_gone_at_once_and_for_good(void **state)
{
	struct world *w = *state;
	struct conn *alice = client(w, "alice"), *bob = client(w, "bob");
	char *id, *token = device_token(w, "bob");
	json_t *o;

	o = done(alice, "send",
	    "'to':'bob','stream':1,'number':1,"
	    "'text':'m1'");
	id = strdup(text_of(o, "event"));
	/* Storage has it, and the cache as well. */
	world_advance(w, 300);
	world_settle(w);
	assert_true(seen(bob, "alice", id));
	(void)done(alice, "redact",
	    "'to':'bob','stream':1,'number':2,"
	    "'event':'%s'",
	    id);
	assert_false(seen(bob, "alice", id));
	assert_false(seen(alice, "bob", id));
	/* Out of the journal, which still has the text. */
	world_restart(w, true);
	bob = resume(w, "bob", token, "");
	assert_false(seen(bob, "alice", id));
	/* Out of storage, before the erasure is applied there. */
	cache_free(w->cache);
	w->cache = w->m->parts.cache = cache_new(1 << 20, 64);
	cache_applied(w->cache, w->storage->applied);
	assert_false(seen(bob, "alice", id));
	world_advance(w, 300);
	world_settle(w);
	assert_false(seen(bob, "alice", id));
	free(id);
	free(token);
}

static void
an_edit_that_is_looked_up_keeps_its_place_in_line(void **state)
{
	struct world *w = *state;
	struct conn *alice, *bob;
	uint64_t edit, next;
	char *id;
	json_t *o;

	cache_free(w->cache);
	w->cache = w->m->parts.cache = cache_new(1 << 20, 2);
	alice = client(w, "alice");
	bob = client(w, "bob");
	o = done(alice, "send",
	    "'to':'bob','stream':1,'number':1,"
	    "'text':'m1'");
	id = strdup(text_of(o, "event"));
	for (unsigned i = 2; i <= 8; i++) {
		(void)say(alice, "bob", i);
		world_settle(w);
		world_advance(w, 300);
		world_settle(w);
	}
	edit = ask(alice, "edit",
	    "'to':'bob','stream':1,'number':9,"
	    "'event':'%s','text':'e'",
	    id);
	next = ask(alice, "send",
	    "'to':'bob','stream':1,'number':10,"
	    "'text':'after'");
	w->hold_reads = true;
	world_settle(w);
	assert_true(unanswered(alice, next));
	w->hold_reads = false;
	world_settle(w);
	assert_true(seq_of(ok(alice, edit)) < seq_of(ok(alice, next)));
	assert_int_equal(events(bob, "", ""), 11); /* its device, too */
	/* The connection goes while the look-up is under way. */
	(void)ask(alice, "edit",
	    "'to':'bob','stream':1,'number':11,"
	    "'event':'%s','text':'e'",
	    id);
	(void)ask(alice, "send",
	    "'to':'bob','stream':1,'number':12,"
	    "'text':'after'");
	conn_break(alice);
	world_settle(w);
	assert_int_equal(HASH_COUNT(w->m->gates), 0);
	assert_int_equal(w->m->waiting, 0);
	free(id);
}

/* A name or pattern picks cases. */
int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(an_answer_comes_only_after_the_commit),
		CASE(all_devices_of_both_sides_get_a_message),
		CASE(notes_to_oneself_have_one_place),
		CASE(a_repeat_is_answered_like_the_first_time),
		CASE(another_content_under_a_number_is_refused),
		CASE(a_repeat_in_flight_is_taken_once_and_answers_the_last),
		CASE(numbers_and_streams_out_of_line_are_refused),
		CASE(the_last_sixty_four_numbers_can_be_repeated),
		CASE(a_repeat_is_found_in_storage),
		CASE(mentions_are_addresses),
		CASE(a_window_that_fails_is_rolled_back_and_repeated),
		CASE(stragglers_of_the_old_term_come_back_later),
		CASE(a_full_queue_uses_up_no_number),
		CASE(everything_under_way_is_refused_when_the_queue_fails),
		CASE(sends_of_a_revoked_device_may_fail),
		CASE(sends_of_a_revoked_device_may_still_commit),
		CASE(in_degraded_mode_messages_go_straight_to_devices),
		CASE(a_message_in_flight_at_the_failure_goes_direct_too),
		CASE(unconfirmed_direct_messages_time_out),
		CASE(two_connections_of_a_device_count_once),
		CASE(a_device_that_goes_is_not_waited_for),
		CASE(what_is_no_direct_message_is_refused_in_degraded_mode),
		CASE(direct_numbers_run_ahead),
		CASE(a_blocked_sender_reaches_nobody_directly),
		CASE(edits_and_redactions_need_the_author),
		CASE(a_redacted_text_is_gone_at_once_and_for_good),
		CASE(an_edit_that_is_looked_up_keeps_its_place_in_line),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
