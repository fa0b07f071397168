/*
 * The message service: feeds that catch up, from wherever it is to be had,
 * without a hole; and pages of history.  Every event is checked for holes by
 * the world's clients.
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

#define ROOM   "#r@example.org"
#define DAY_MS 86400000ull

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

/* Before anything is cached: so many entries stay of each log. */
static void
small_cache(struct world *w, uint32_t per_log)
{
	cache_free(w->cache);
	w->cache = w->m->parts.cache = cache_new(1 << 20, per_log);
}

/* c sends the messages from..to to `peer' in stream 1; all are stored. */
static void
say(struct conn *c, const char *peer, unsigned from, unsigned to)
{
	for (unsigned i = from; i <= to; i++) {
		(void)ask(c, "send",
		    "'to':'%s','stream':1,'number':%u,'text':'m%u'", peer, i,
		    i);
		world_settle(c->w);
	}
}

static void
store(struct world *w)
{
	world_advance(w, 300);
	world_settle(w);
}

static void
assert_said(struct conn *c, const char *log, unsigned from, unsigned to)
{
	char text[16];

	assert_int_equal(events(c, log, "message"), to + 1 - from);
	for (unsigned i = from; i <= to; i++) {
		snprintf(text, sizeof(text), "m%u", i);
		assert_string_equal(
		    text_of(event(c, log, "message", i - from), "text"), text);
	}
}

/* ---- catching up --------------------------------------------------------- */

static void
from_the_cache(void **state)
{
	struct world *w = *state;
	char *token = account_token(w, "bob");
	struct conn *a = client(w, "alice"), *b;

	say(a, "bob", 1, 200);
	b = resume(w, "bob", token, "");
	assert_said(b, "", 1, 200);
	assert_int_equal(w->storage->reads_taken, 0);
	say(a, "bob", 201, 205);
	assert_said(b, "", 1, 205);
	free(token);
}

static void
from_storage_and_the_cache(void **state)
{
	struct world *w = *state;
	char *token = account_token(w, "bob");
	struct conn *a, *b;

	small_cache(w, 16);
	a = client(w, "alice");
	say(a, "bob", 1, 300);
	store(w);
	say(a, "bob", 301, 330); /* not in storage */
	b = resume(w, "bob", token, "");
	assert_said(b, "", 1, 330);
	assert_true(w->storage->reads_taken >= 4);
	free(token);
}

static void
of_many_logs(void **state)
{
	struct world *w = *state;
	char *token = account_token(w, "bob");
	struct conn *a = client(w, "alice"), *b = resume(w, "bob", token, "");
	char log[32];

	for (unsigned i = 0; i < 40; i++) {
		(void)done(a, "create", "'room':'#r%u'", i);
		(void)done(b, "join", "'room':'#r%u'", i);
	}
	conn_break(b);
	for (unsigned i = 0; i < 40; i++)
		for (unsigned n = 1; n <= 70; n++)
			(void)ask(a, "send",
			    "'to':'#r%u','stream':%u,"
			    "'number':%u,'text':'x'",
			    i, i + 1, n);
	world_settle(w);
	b = resume(w, "bob", token, "");
	for (unsigned i = 0; i < 40; i++) {
		snprintf(log, sizeof(log), "#r%u@example.org", i);
		assert_int_equal(events(b, log, "message"), 70);
	}
	free(token);
}

static void
from_what_was_acknowledged_on(void **state)
{
	struct world *w = *state;
	char *token = account_token(w, "bob");
	struct conn *a = client(w, "alice"), *b = resume(w, "bob", token, "");
	int64_t fifth;

	say(a, "bob", 1, 10);
	fifth = seq_of(event(b, "", "message", 4));
	tell(b, "ack", "'log':'bob','seq':%d", (int)fifth);
	tell(b, "ack", "'log':'bob','seq':%d", (int)fifth - 3); /* late */
	tell(b, "ack", "'log':'bob','seq':99999");              /* nonsense */
	tell(b, "ack", "'log':'alice','seq':1");
	conn_break(b);
	b = resume(w, "bob", token, "");
	assert_said(b, "", 6, 10);
	world_advance(w, 1100);
	world_settle(w);
	world_restart(w, true);
	b = resume(w, "bob", token, "");
	assert_said(b, "", 6, 10);
	free(token);
}

/* Room cursors as well come through storage. */
static void
cursors_of_rooms_survive(void **state)
{
	struct world *w = *state;
	char *token = account_token(w, "bob");
	struct conn *a = client(w, "alice"), *b = resume(w, "bob", token, "");

	(void)done(a, "create", "'room':'#r'");
	(void)done(b, "join", "'room':'#r'");
	say(a, "#r", 1, 10);
	tell(b, "ack", "'log':'#r','seq':%d",
	    (int)seq_of(event(b, ROOM, "message", 7)));
	world_advance(w, 1100);
	world_settle(w);
	store(w);
	world_restart(w, true);
	b = resume(w, "bob", token, "");
	assert_said(b, ROOM, 9, 10);
	free(token);
}

static void
live_messages_wait_for_older_ones(void **state)
{
	struct world *w = *state;
	char *token = account_token(w, "bob");
	struct conn *a, *b;

	small_cache(w, 4);
	a = client(w, "alice");
	say(a, "bob", 1, 30);
	store(w);
	say(a, "bob", 31, 31);
	w->hold_reads = true;
	b = resume(w, "bob", token, "");
	assert_int_equal(events(b, "", ""), 0);
	say(a, "bob", 32, 40);
	assert_int_equal(events(b, "", ""), 0);
	w->hold_reads = false;
	world_settle(w);
	assert_said(b, "", 1, 40);
	free(token);
}

/*
 * Between the question to storage and its answer a conversation begins that
 * the question does not name, and storage gets it all.
 */
static void
a_conversation_that_begins_during_a_read_is_not_missed(void **state)
{
	struct world *w = *state;
	char *token = account_token(w, "bob");
	struct conn *a, *b, *c;

	small_cache(w, 2);
	a = client(w, "alice");
	c = client(w, "carol");
	say(a, "bob", 1, 10);
	store(w);
	say(a, "bob", 11, 11);
	w->hold_reads = true;
	b = resume(w, "bob", token, "");
	say(c, "bob", 1, 1);
	say(a, "bob", 12, 20);
	store(w); /* before the read is done */
	w->hold_reads = false;
	world_settle(w);
	assert_int_equal(events(b, "", "message"), 21);
	free(token);
}

/*
 * Storage had nothing when it was asked; what was in the cache then has been
 * applied and evicted when the answer comes.  It is not gone.
 */
static void
what_moves_to_storage_during_a_read_is_no_gap(void **state)
{
	struct world *w = *state;
	char *token;
	struct conn *a, *b;
	struct channel_item *read;

	small_cache(w, 2);
	a = client(w, "alice");
	token = account_token(w, "bob");
	b = resume(w, "bob", token, "");
	(void)done(a, "create", "'room':'#r','retention':1");
	(void)done(b, "join", "'room':'#r'");
	say(a, "#r", 1, 6);
	store(w);
	conn_break(b);
	/* All of it expires. */
	world_advance(w, 2 * DAY_MS);
	world_settle(w);
	store(w);
	say(a, "#r", 7, 12);
	w->hold_reads = true;
	b = resume(w, "bob", token, "");
	read = storage_read_one(w->storage);
	assert_non_null(read);
	store(w);
	w->hold_reads = false;
	message_reads_done(w->m, read);
	world_settle(w);
	assert_said(b, ROOM, 7, 12);
	free(token);
}

static void
what_has_expired_is_told_as_a_gap(void **state)
{
	struct world *w = *state;
	char *token = account_token(w, "bob");
	struct conn *a = client(w, "alice"), *b = resume(w, "bob", token, "");
	json_t *gap;

	(void)done(a, "create", "'room':'#r','retention':2");
	(void)done(b, "join", "'room':'#r'");
	conn_break(b);
	say(a, "#r", 1, 10);
	store(w);
	world_advance(w, 1 * DAY_MS);
	say(a, "#r", 11, 15);
	store(w);
	world_advance(w, DAY_MS + 20000);
	world_settle(w);
	store(w);
	b = resume(w, "bob", token, "");
	assert_said(b, ROOM, 11, 15);
	gap = push(b, "gap", 0);
	assert_string_equal(text_of(gap, "log"), ROOM);
	assert_int_equal(number_of(gap, "to"),
	    seq_of(event(b, ROOM, "", 0)) - 1);
	assert_int_equal(pushes(b, "gap"), 1);
	/* All of it. */
	conn_break(b);
	world_advance(w, 3 * DAY_MS);
	world_settle(w);
	store(w);
	b = resume(w, "bob", token, "");
	assert_int_equal(events(b, ROOM, ""), 0);
	assert_int_equal(pushes(b, "gap"), 1);
	say(a, "#r", 16, 16);
	assert_said(b, ROOM, 16, 16);
	free(token);
}

static void
a_limit_is_for_the_beginning(void **state)
{
	struct world *w = *state;
	char *token = account_token(w, "bob");
	struct conn *a = client(w, "alice"), *b;

	say(a, "bob", 1, 50);
	b = resume(w, "bob", token, "'limit':10");
	assert_said(b, "", 41, 50);
	assert_int_equal(pushes(b, "gap"), 1);
	assert_int_equal(number_of(push(b, "gap", 0), "to"),
	    seq_of(event(b, "", "", 0)) - 1);
	/* A pause later on loses nothing. */
	b->room = 0;
	say(a, "bob", 51, 90);
	b->told = true;
	conn_drain(b, UINT64_MAX);
	world_settle(w);
	assert_said(b, "", 41, 90);
	conn_break(b);
	b = resume(w, "bob", token, "'limit':0");
	assert_int_equal(events(b, "", ""), 0);
	say(a, "bob", 91, 91);
	assert_said(b, "", 91, 91);
	free(token);
}

static void
a_feed_starts_later_when_asked(void **state)
{
	struct world *w = *state;
	char *token = account_token(w, "bob");
	struct conn *a = client(w, "alice");
	struct conn *b = resume(w, "bob", token, "'live':false");

	say(a, "bob", 1, 5);
	assert_int_equal(events(b, "", ""), 0);
	(void)done(b, "feed", "'states':true");
	assert_said(b, "", 1, 5);
	(void)done(b, "feed", NONE);
	say(a, "bob", 6, 6);
	assert_said(b, "", 1, 6);
	free(token);
}

/* ---- slow readers -------------------------------------------------------- */

static void
a_slow_reader_goes_on_where_it_stopped(void **state)
{
	struct world *w = *state;
	struct conn *a = client(w, "alice"), *b = client(w, "bob");

	(void)done(a, "create", "'room':'#r'");
	(void)done(b, "join", "'room':'#r'");
	b->room = 3;
	for (unsigned i = 1; i <= 20; i++) {
		(void)ask(a, "send",
		    "'to':'bob','stream':1,'number':%u,'text':'m%u'", i, i);
		(void)ask(a, "send",
		    "'to':'#r','stream':2,'number':%u,'text':'m%u'", i, i);
	}
	world_settle(w);
	assert_int_equal(events(b, "", "message"), 3);
	while (events(b, "", "message") < 40) {
		conn_drain(b, 7);
		world_settle(w);
	}
	assert_said(b, "bob@example.org", 1, 20);
	assert_said(b, ROOM, 1, 20);
	b->room = UINT64_MAX;
	if (b->feed != FEED_ON)
		conn_drain(b, UINT64_MAX);
	say(a, "bob", 21, 22);
	assert_said(b, "bob@example.org", 1, 22);
}

static void
catching_up_can_be_slow_too(void **state)
{
	struct world *w = *state;
	char *token = account_token(w, "bob");
	struct conn *a, *b;

	small_cache(w, 8);
	a = client(w, "alice");
	say(a, "bob", 1, 150);
	store(w);
	b = world_connect(w, "bob");
	b->room = 10;
	(void)done(b, "resume", "'token':'%s'", token);
	for (unsigned i = 0; i < 40 && events(b, "", "message") < 150; i++) {
		if (b->feed == FEED_STOPPED)
			conn_drain(b, 10);
		world_settle(w);
	}
	assert_said(b, "", 1, 150);
	free(token);
}

static void
a_congested_worker_is_left_alone(void **state)
{
	struct world *w = *state;
	struct conn *a = client(w, "alice"), *b = client(w, "bob");
	struct notify_stats before, after;

	while (b->ref.worker == a->ref.worker)
		b = client(w, "carol");
	say(a, "alice", 1, 1);
	w->gateway.congested[b->ref.worker] = true;
	(void)ask(b, "ping", NONE);
	world_flush(w);
	say(a, b->name, 2, 30);
	notify_stats(w->notify, &before);
	for (int i = 0; i < 100; i++)
		world_flush(w);
	notify_stats(w->notify, &after);
	assert_int_equal(before.fetched, after.fetched);
	w->gateway.congested[b->ref.worker] = false;
	world_flush(w);
	world_settle(w);
	(void)events(b, "", "");
}

/* ---- a source that fails ------------------------------------------------- */

/* It is asked again, but not at once: that would keep main busy. */
static void
a_failing_storage_is_asked_once_a_second(void **state)
{
	struct world *w = *state;
	char *token = account_token(w, "bob");
	struct conn *a, *b;
	struct notify_stats st;
	uint64_t before;

	small_cache(w, 4);
	a = client(w, "alice");
	say(a, "bob", 1, 20);
	store(w);
	say(a, "bob", 21, 21);
	notify_stats(w->notify, &st);
	before = st.fetched;
	w->storage->refuse_reads = true;
	b = resume(w, "bob", token, "");
	world_settle(w);
	notify_stats(w->notify, &st);
	assert_int_equal(st.fetched, before + 1);
	w->storage->refuse_reads = false;
	w->storage->read_err = ERR_IO;
	world_advance(w, 1100);
	world_settle(w);
	world_settle(w);
	notify_stats(w->notify, &st);
	assert_int_equal(st.fetched, before + 2);
	refused(a, "io-error", "history", "'to':'bob','after':0");
	w->storage->read_err = OK;
	say(a, "bob", 22, 22);
	world_advance(w, 1100);
	world_settle(w);
	assert_said(b, "", 1, 22);
	assert_int_equal(pushes(b, "gap"), 0);
	free(token);
}

/* Feeds leave storage room for others. */
static void
many_feeds_take_turns_at_storage(void **state)
{
	struct world *w = *state;
	struct conn *a, *c[8];
	char *token[8], name[8];
	unsigned rooms = 45;

	small_cache(w, 2);
	a = client(w, "alice");
	for (unsigned i = 0; i < rooms; i++)
		(void)done(a, "create", "'room':'#r%u'", i);
	for (unsigned k = 0; k < 8; k++) {
		snprintf(name, sizeof(name), "u%u", k);
		token[k] = account_token(w, name);
		c[k] = resume(w, name, token[k], "");
		for (unsigned i = 0; i < rooms; i++)
			(void)ask(c[k], "join", "'room':'#r%u'", i);
		world_settle(w);
		conn_break(c[k]);
	}
	for (unsigned i = 0; i < rooms; i++)
		for (unsigned n = 1; n <= 10; n++)
			(void)ask(a, "send",
			    "'to':'#r%u','stream':%u,"
			    "'number':%u,'text':'x'",
			    i, i + 1, n);
	world_settle(w);
	store(w);
	for (unsigned i = 0; i < rooms; i++)
		(void)ask(a, "send",
		    "'to':'#r%u','stream':%u,"
		    "'number':11,'text':'x'",
		    i, i + 1);
	world_settle(w);
	store(w);
	w->hold_reads = true;
	for (unsigned k = 0; k < 8; k++)
		c[k] = resume(w, "u", token[k], "");
	world_settle(w);
	assert_int_equal(w->storage->nreads, NOTIFY_FETCHES);
	w->hold_reads = false;
	world_settle(w);
	for (unsigned k = 0; k < 8; k++) {
		assert_int_equal(events(c[k], "", "message"), rooms * 11);
		free(token[k]);
	}
}

/* The answer is for a membership that has ended meanwhile. */
static void
an_old_answer_does_not_feed_a_new_membership(void **state)
{
	struct world *w = *state;
	char *token = account_token(w, "bob");
	struct conn *a, *b = resume(w, "bob", token, "");
	int64_t joined;

	small_cache(w, 2);
	a = client(w, "alice");
	(void)done(a, "create", "'room':'#r'");
	(void)done(b, "join", "'room':'#r'");
	conn_break(b);
	say(a, "#r", 1, 10);
	store(w);
	say(a, "#r", 11, 11);
	w->hold_reads = true;
	b = resume(w, "bob", token, "");
	(void)done(b, "leave", "'room':'#r'");
	say(a, "#r", 12, 13);
	joined = seq_of(done(b, "join", "'room':'#r'"));
	say(a, "#r", 14, 15);
	w->hold_reads = false;
	world_settle(w);
	assert_int_equal(seq_of(event(b, ROOM, "", 0)), joined);
	assert_int_equal(events(b, ROOM, "message"), 2);
	assert_int_equal(pushes(b, "gap"), 0);
	free(token);
}

static void
a_read_outlives_its_connection(void **state)
{
	struct world *w = *state;
	char *token = account_token(w, "bob");
	struct conn *a, *b;
	struct notify_stats st;

	small_cache(w, 2);
	a = client(w, "alice");
	say(a, "bob", 1, 10);
	store(w);
	say(a, "bob", 11, 11);
	w->hold_reads = true;
	b = resume(w, "bob", token, "");
	(void)ask(b, "history", "'to':'alice'");
	conn_break(b);
	w->hold_reads = false;
	world_settle(w);
	notify_stats(w->notify, &st);
	assert_int_equal(st.fetching, 0);
	assert_int_equal(w->m->waiting, 0);
	b = resume(w, "bob", token, "");
	assert_said(b, "", 1, 11);
	free(token);
}

/* ---- cursors ------------------------------------------------------------- */

static void
cursors_are_journalled_once_a_second(void **state)
{
	struct world *w = *state;
	struct conn *a = client(w, "alice"), *b = client(w, "bob");
	uint64_t before, n;

	say(a, "bob", 1, 60);
	world_advance(w, 2000);
	world_settle(w);
	before = w->queue->submitted;
	for (unsigned i = 1; i <= 60; i++) {
		tell(b, "ack", "'log':'bob','seq':%d",
		    (int)seq_of(event(b, "", "message", i - 1)));
		world_advance(w, 50);
		world_settle(w);
	}
	world_advance(w, 1000);
	world_settle(w);
	n = w->queue->submitted - before;
	assert_in_range(n, 3, 5);
	before = w->queue->submitted;
	world_advance(w, 5000);
	world_settle(w);
	assert_int_equal(w->queue->submitted, before);
	world_restart(w, false);
}

/* The first of many that does not fit must not keep out the others. */
static void
large_cursors_are_journalled_as_well(void **state)
{
	struct world *w;
	struct message_config cfg = world_config();
	static const unsigned rooms[] = { 4000, 2500 };
	struct conn *a, *b[2];
	char name[8];

	(void)state;
	cfg.max_rooms = cfg.max_rooms_account = 4000;
	cfg.max_members = 100000;
	w = world_new(&cfg);
	a = client(w, "alice");
	w->hold_batches = true;
	for (unsigned i = 0; i < 4000; i++)
		(void)ask(a, "create", "'room':'#r%u'", i);
	world_settle(w);
	for (unsigned k = 0; k < 2; k++) {
		snprintf(name, sizeof(name), "u%u", k);
		b[k] = client(w, name);
		w->quiet = true;
		for (unsigned i = 0; i < rooms[k]; i++)
			(void)ask(b[k], "join", "'room':'#r%u'", i);
		world_settle(w);
		world_advance(w, 1100);
		world_settle(w);
		w->quiet = false;
	}
	/* The one moved last comes first. */
	for (unsigned k = 0; k < 2; k++)
		for (unsigned i = 0; i < rooms[k]; i++)
			tell(b[k], "ack", "'log':'#r%u','seq':2", i);
	world_advance(w, 1100);
	world_settle(w);
	assert_null(w->m->moved);
	world_restart(w, true);
	world_free(w);
}

/* ---- pages --------------------------------------------------------------- */

static unsigned
walk_back(struct conn *c, const char *peer, unsigned limit)
{
	json_t *o, *list;
	unsigned n = 0;
	int64_t before = 1 << 30, seq;

	do {
		o = done(c, "history", "'to':'%s','before':%d,'limit':%u", peer,
		    (int)before, limit);
		list = json_object_get(o, "events");
		for (size_t i = json_array_size(list); i > 0; i--) {
			seq = seq_of(json_array_get(list, i - 1));
			assert_true(seq < before);
			before = seq;
			n++;
		}
		assert_true(n < 10000);
	} while (json_is_true(json_object_get(o, "more")));
	return n;
}

static unsigned
walk_on(struct conn *c, const char *peer, unsigned limit)
{
	json_t *o, *list;
	unsigned n = 0, rounds = 0;
	int64_t after = 0, seq;

	do {
		o = done(c, "history", "'to':'%s','after':%d,'limit':%u", peer,
		    (int)after, limit);
		list = json_object_get(o, "events");
		for (size_t i = 0; i < json_array_size(list); i++) {
			seq = seq_of(json_array_get(list, i));
			assert_true(seq > after);
			after = seq;
			n++;
		}
		assert_true(++rounds < 1000);
	} while (json_is_true(json_object_get(o, "more")));
	return n;
}

static void
pages_go_both_ways_through_cache_and_storage(void **state)
{
	struct world *w = *state;
	struct conn *a, *b, *c;

	small_cache(w, 10);
	a = client(w, "alice");
	b = client(w, "bob");
	c = client(w, "carol");
	for (unsigned i = 1; i <= 60; i++) {
		say(a, "bob", i, i);
		say(c, "bob", i, i);
		if (i == 20 || i == 40)
			store(w);
	}
	for (unsigned limit = 1; limit <= 64; limit += 9) {
		assert_int_equal(walk_back(b, "alice", limit), 60);
		assert_int_equal(walk_on(b, "alice", limit), 60);
		assert_int_equal(walk_on(b, "carol", limit), 60);
	}
	refused(b, "invalid", "history", "'to':'alice','before':5,'after':1");
	refused(b, "invalid", "history", "'to':'alice','limit':0");
	refused(b, "invalid", "history", "'to':'alice','limit':201");
	assert_int_equal(walk_on(a, "carol", 10), 0);
}

/* Storage has nothing left of what is asked for, the cache has. */
static void
a_page_after_what_has_expired(void **state)
{
	struct world *w = *state;
	struct conn *a;

	small_cache(w, 4);
	a = client(w, "alice");
	(void)done(a, "create", "'room':'#r','retention':1");
	say(a, "#r", 1, 20);
	store(w);
	world_advance(w, 2 * DAY_MS);
	world_settle(w);
	store(w);
	say(a, "#r", 21, 25); /* not applied */
	assert_int_equal(walk_on(a, "#r", 3), 5);
	assert_int_equal(walk_back(a, "#r", 3), 5);
}

/* What fits into a request does not always fit 200 times into an answer. */
static void
a_page_has_a_size(void **state)
{
	struct world *w = *state;
	struct conn *a, *b;
	static char text[60001];

	memset(text, 'x', sizeof(text) - 1);
	small_cache(w, 40);
	a = client(w, "alice");
	b = client(w, "bob");
	for (unsigned i = 1; i <= 100; i++) {
		(void)ask(a, "send",
		    "'to':'bob','stream':1,'number':%u,"
		    "'text':'%s'",
		    i, text);
		world_settle(w);
		if (i % 20 == 0)
			store(w);
	}
	w->widest = 0;
	assert_int_equal(walk_on(b, "alice", 200), 100);
	assert_int_equal(walk_back(b, "alice", 200), 100);
	assert_true(w->widest < 3u << 20);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(from_the_cache),
		CASE(from_storage_and_the_cache),
		CASE(of_many_logs),
		CASE(from_what_was_acknowledged_on),
		CASE(cursors_of_rooms_survive),
		CASE(live_messages_wait_for_older_ones),
		CASE(a_conversation_that_begins_during_a_read_is_not_missed),
		CASE(what_moves_to_storage_during_a_read_is_no_gap),
		CASE(what_has_expired_is_told_as_a_gap),
		CASE(a_limit_is_for_the_beginning),
		CASE(a_feed_starts_later_when_asked),
		CASE(a_slow_reader_goes_on_where_it_stopped),
		CASE(catching_up_can_be_slow_too),
		CASE(a_congested_worker_is_left_alone),
		CASE(a_failing_storage_is_asked_once_a_second),
		CASE(many_feeds_take_turns_at_storage),
		CASE(an_old_answer_does_not_feed_a_new_membership),
		CASE(a_read_outlives_its_connection),
		CASE(cursors_are_journalled_once_a_second),
		CASE(large_cursors_are_journalled_as_well),
		CASE(pages_go_both_ways_through_cache_and_storage),
		CASE(a_page_after_what_has_expired),
		CASE(a_page_has_a_size),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
