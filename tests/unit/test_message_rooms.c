/*
 * The message service: rooms, who may do what in them, in which order, and
 * what is unread.
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

#define ROOM "#r@example.org"

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

static uint64_t
post(struct conn *c, unsigned n)
{
	return ask(c, "send", "'to':'#r','stream':7,'number':%u,'text':'m%u'",
	    n, n);
}

/* The line of `with' in c's conversations. */
static json_t *
line(struct conn *c, const char *with)
{
	json_t *list = json_object_get(done(c, "conversations", NONE),
		   "conversations"),
	       *o;
	size_t i;

	json_array_foreach(list, i,
	    o) if (strcmp(text_of(o, "with"), with) == 0) return o;
	return NULL;
}

static int64_t
unread(struct conn *c, const char *with)
{
	json_t *o = line(c, with);

	return o == NULL ? -1 : number_of(o, "unread");
}

static size_t
page(struct conn *c, const char *args)
{
	json_t *o = done(c, "history", "'to':'#r'%s", args);

	return json_array_size(json_object_get(o, "events"));
}

/* ---- gates --------------------------------------------------------------- */

static void
posts_wait_for_a_kick_under_way(void **state)
{
	struct world *w = *state;
	struct conn *a = client(w, "alice"), *b = client(w, "bob");
	uint64_t before, kick, after, owners;

	(void)done(a, "create", "'room':'#r'");
	(void)done(b, "join", "'room':'#r'");
	before = post(b, 1);
	kick = ask(a, "kick", "'room':'#r','account':'bob','reason':'out'");
	after = post(b, 2);
	owners = post(a, 1);
	world_settle(w);
	assert_true(seq_of(ok(b, before)) < seq_of(ok(a, kick)));
	assert_string_equal(refusal(b, after), "not-member");
	assert_true(seq_of(ok(a, owners)) > seq_of(ok(a, kick)));
	assert_int_equal(events(b, ROOM, "message"), 1);
	assert_int_equal(events(b, ROOM, "kick"), 1);
	assert_string_equal(text_of(event(b, ROOM, "kick", 0), "reason"),
	    "out");
	assert_int_equal(events(b, "bob@example.org", "kick"), 1);
	assert_int_equal(HASH_COUNT(w->m->gates), 0);
	world_restart(w, false);
}

static void
a_gate_keeps_the_order(void **state)
{
	struct world *w = *state;
	struct conn *a = client(w, "alice"), *b = client(w, "bob");
	uint64_t id[12], topic;

	(void)done(a, "create", "'room':'#r'");
	(void)done(b, "join", "'room':'#r'");
	(void)ask(a, "topic", "'room':'#r','topic':'one'");
	for (unsigned i = 0; i < 5; i++)
		id[i] = post(b, i + 1);
	topic = ask(a, "topic", "'room':'#r','topic':'two'");
	for (unsigned i = 5; i < 10; i++)
		id[i] = post(b, i + 1);
	world_settle(w);
	for (unsigned i = 1; i < 10; i++)
		assert_true(seq_of(ok(b, id[i])) ==
			    seq_of(ok(b, id[i - 1])) + (i == 5 ? 2 : 1));
	assert_int_equal(seq_of(ok(a, topic)), seq_of(ok(b, id[4])) + 1);
	assert_int_equal(events(a, ROOM, "message"), 10);
}

static void
a_gate_opens_when_its_change_fails(void **state)
{
	struct world *w = *state;
	struct conn *a = client(w, "alice"), *b = client(w, "bob");
	uint64_t kick, waits;

	(void)done(a, "create", "'room':'#r'");
	(void)done(b, "join", "'room':'#r'");
	kick = ask(a, "kick", "'room':'#r','account':'bob'");
	waits = post(b, 1);
	world_fail(w, 0);
	assert_string_equal(refusal(a, kick), "queue-unavailable");
	assert_string_equal(refusal(b, waits), "queue-unavailable");
	world_recover(w);
	waits = post(b, 1);
	world_settle(w);
	(void)ok(b, waits);
	assert_int_equal(w->m->waiting, 0);
	world_restart(w, false);
}

static void
only_so_many_wait(void **state)
{
	struct world *w = *state;
	struct conn *a = client(w, "alice");
	uint64_t id[8];

	(void)done(a, "create", "'room':'#r'");
	w->m->cfg.max_waiting = 5;
	(void)ask(a, "topic", "'room':'#r','topic':'x'");
	for (unsigned i = 0; i < 8; i++)
		id[i] = ask(a, "send",
		    "'to':'#r','stream':%u,'number':1,'text':'x'", i + 1);
	world_settle(w);
	for (unsigned i = 0; i < 5; i++)
		(void)ok(a, id[i]);
	for (unsigned i = 5; i < 8; i++)
		assert_string_equal(refusal(a, id[i]), "busy");
	assert_int_equal(w->m->waiting, 0);
}

/* The operations of those who wait were counted when they came. */
static void
waiting_costs_no_second_operation(void **state)
{
	struct world *w;
	struct message_config cfg = world_config();
	struct conn *a, *b;
	uint64_t id;

	(void)state;
	cfg.ops_per_second = 1;
	cfg.ops_burst = 2;
	w = world_new(&cfg);
	a = client(w, "alice");
	b = client(w, "bob");
	(void)done(a, "create", "'room':'#r'");
	(void)done(b, "join", "'room':'#r'");
	(void)ask(a, "topic", "'room':'#r','topic':'x'");
	id = post(b, 1);
	world_settle(w);
	(void)ok(b, id);
	world_free(w);
}

/* ---- feeds --------------------------------------------------------------- */

static void
joining_and_leaving_start_and_end_the_feed(void **state)
{
	struct world *w = *state;
	struct conn *a = client(w, "alice"), *b = client(w, "bob");

	(void)done(a, "create", "'room':'#r','topic':'t'");
	assert_int_equal(events(a, ROOM, "room"), 1);
	(void)post(a, 1);
	world_settle(w);
	assert_int_equal(events(b, ROOM, ""), 0);
	(void)done(b, "join", "'room':'#r'");
	assert_int_equal(events(b, ROOM, "join"), 1);
	(void)post(a, 2);
	(void)done(b, "leave", "'room':'#r'");
	assert_int_equal(events(b, ROOM, "message"), 1);
	assert_int_equal(events(b, ROOM, "leave"), 1);
	(void)post(a, 3);
	world_settle(w);
	assert_int_equal(events(b, ROOM, "message"), 1);
	(void)done(b, "join", "'room':'#r'");
	(void)post(a, 4);
	world_settle(w);
	assert_int_equal(events(b, ROOM, "message"), 2);
	(void)done(a, "ban", "'room':'#r','account':'bob'");
	(void)post(a, 5);
	world_settle(w);
	assert_int_equal(events(b, ROOM, "message"), 2);
	refused(b, "banned", "join", "'room':'#r'");
	world_restart(w, false);
}

/*
 * A cursor that is journalled while its owner leaves must not outlive the
 * membership: it would feed what was said in the absence.
 */
static void
what_was_said_in_ones_absence_is_not_fed(void **state)
{
	struct world *w = *state;
	char *token = account_token(w, "bob");
	struct conn *a = client(w, "alice"), *b = resume(w, "bob", token, "");
	int64_t joined;

	(void)done(a, "create", "'room':'#r','history':'joined'");
	(void)done(b, "join", "'room':'#r'");
	(void)post(a, 1);
	world_settle(w);
	w->hold_commits = true;
	(void)ask(a, "kick", "'room':'#r','account':'bob'");
	tell(b, "ack", "'log':'#r','seq':2");
	world_advance(w, 1100); /* the cursor goes behind the kick */
	w->hold_commits = false;
	world_settle(w);
	(void)post(a, 2);
	(void)post(a, 3);
	world_settle(w);
	joined = seq_of(done(b, "join", "'room':'#r'"));
	conn_break(b);
	b = resume(w, "bob", token, "");
	assert_int_equal(seq_of(event(b, ROOM, "", 0)), joined);
	assert_int_equal(events(b, ROOM, "message"), 0);
	world_restart(w, true);
	b = resume(w, "bob", token, "");
	assert_int_equal(seq_of(event(b, ROOM, "", 0)), joined);
	free(token);
}

static void
a_new_device_starts_at_what_is_there(void **state)
{
	struct world *w = *state;
	struct conn *a = client(w, "alice"), *phone;
	char *token;

	(void)done(a, "create", "'room':'#r'");
	(void)post(a, 1);
	world_settle(w);
	token = device_token(w, "alice");
	phone = resume(w, "alice", token, "");
	assert_int_equal(events(phone, ROOM, ""), 0);
	assert_int_equal(events(phone, "alice@example.org", ""), 1);
	(void)post(a, 2);
	world_settle(w);
	assert_int_equal(events(phone, ROOM, "message"), 1);
	free(token);
}

/* ---- rights -------------------------------------------------------------- */

static void
who_may_join(void **state)
{
	struct world *w = *state;
	struct conn *a = client(w, "alice"), *b = client(w, "bob");
	struct conn *c = client(w, "carol");

	(void)done(a, "create", "'room':'#r','access':'private'");
	refused(b, "not-found", "join", "'room':'#r'");
	refused(b, "not-member", "invite", "'room':'#r','account':'carol'");
	(void)done(a, "invite", "'room':'#r','account':'bob'");
	assert_int_equal(events(b, "bob@example.org", "invite"), 1);
	assert_true(json_is_true(json_object_get(line(b, ROOM), "invited")));
	(void)done(b, "join", "'room':'#r'");
	refused(b, "exists", "join", "'room':'#r'");
	(void)done(b, "invite", "'room':'#r','account':'carol'");
	(void)done(c, "leave", "'room':'#r'"); /* declined */
	refused(c, "not-found", "join", "'room':'#r'");
	(void)done(a, "configure", "'room':'#r','access':'invite'");
	refused(c, "forbidden", "join", "'room':'#r'");
	refused(b, "forbidden", "invite", "'room':'#r','account':'carol'");
	(void)done(a, "role", "'room':'#r','account':'bob','role':'moderator'");
	(void)done(b, "invite", "'room':'#r','account':'carol'");
	(void)done(c, "block", "'account':'alice'");
	(void)done(c, "leave", "'room':'#r'");
	refused(a, "blocked", "invite", "'room':'#r','account':'carol'");
	world_restart(w, false);
}

static void
moderators_act_on_members_and_owners_on_all(void **state)
{
	struct world *w = *state;
	struct conn *a = client(w, "alice"), *b = client(w, "bob");
	struct conn *c = client(w, "carol"), *d = client(w, "dave");

	(void)done(a, "create", "'room':'#r'");
	(void)done(b, "join", "'room':'#r'");
	(void)done(c, "join", "'room':'#r'");
	(void)done(d, "join", "'room':'#r'");
	(void)done(a, "role", "'room':'#r','account':'bob','role':'moderator'");
	(void)done(a, "role",
	    "'room':'#r','account':'carol','role':'moderator'");
	refused(b, "forbidden", "kick", "'room':'#r','account':'carol'");
	refused(b, "forbidden", "ban", "'room':'#r','account':'alice'");
	refused(b, "forbidden", "configure", "'room':'#r','access':'invite'");
	refused(b, "forbidden", "role",
	    "'room':'#r','account':'bob','role':'owner'");
	refused(d, "forbidden", "topic", "'room':'#r','topic':'x'");
	(void)done(b, "topic", "'room':'#r','topic':'x'");
	(void)done(b, "mute", "'room':'#r','account':'dave','seconds':60");
	refused(d, "muted", "send",
	    "'to':'#r','stream':7,'number':1,'text':'x'");
	world_advance(w, 61000);
	(void)done(d, "send", "'to':'#r','stream':7,'number':1,'text':'x'");
	(void)done(b, "mute", "'room':'#r','account':'dave'");
	(void)done(b, "kick", "'room':'#r','account':'dave'");
	/* Who is not there cannot be kicked again; a mute outlasts leaving. */
	refused(b, "not-found", "kick", "'room':'#r','account':'dave'");
	(void)done(d, "join", "'room':'#r'");
	refused(d, "muted", "send",
	    "'to':'#r','stream':7,'number':2,'text':'x'");
	(void)done(b, "unmute", "'room':'#r','account':'dave'");
	(void)done(b, "ban", "'room':'#r','account':'dave'");
	(void)done(b, "unban", "'room':'#r','account':'dave'");
	refused(b, "not-found", "unban", "'room':'#r','account':'dave'");
	refused(b, "not-found", "mute", "'room':'#r','account':'dave'");
	(void)done(a, "kick", "'room':'#r','account':'carol'");
	world_restart(w, false);
}

static void
a_room_keeps_an_owner(void **state)
{
	struct world *w = *state;
	struct conn *a = client(w, "alice"), *b = client(w, "bob");

	(void)done(a, "create", "'room':'#r'");
	refused(a, "forbidden", "role",
	    "'room':'#r','account':'alice','role':'member'");
	(void)done(b, "join", "'room':'#r'");
	refused(a, "forbidden", "leave", "'room':'#r'");
	refused(a, "forbidden", "role",
	    "'room':'#r','account':'alice','role':'member'");
	(void)done(a, "role", "'room':'#r','account':'bob','role':'owner'");
	(void)done(a, "leave", "'room':'#r'");
	/* The last one closes it behind oneself. */
	refused(b, "forbidden", "leave", "'room':'#r'");
	(void)done(b, "close", "'room':'#r','reason':'over'");
	refused(b, "not-found", "send",
	    "'to':'#r','stream':7,'number':1,'text':'x'");
	refused(a, "not-found", "join", "'room':'#r'");
	refused(a, "exists", "create", "'room':'#r'");
	assert_int_equal(events(b, ROOM, "closed"), 1);
	assert_null(line(b, ROOM));
	world_restart(w, false);
}

static void
closed_rooms_leave_room_for_others(void **state)
{
	struct world *w;
	struct message_config cfg = world_config();
	struct conn *a, *b;

	(void)state;
	cfg.max_rooms_account = 3;
	w = world_new(&cfg);
	a = client(w, "alice");
	b = client(w, "bob");
	for (int i = 0; i < 3; i++) {
		(void)done(a, "create", "'room':'#r%d'", i);
		(void)done(b, "join", "'room':'#r%d'", i);
	}
	refused(a, "full", "create", "'room':'#r9'");
	for (int i = 0; i < 3; i++)
		(void)done(a, "close", "'room':'#r%d'", i);
	(void)done(b, "create", "'room':'#s'");
	(void)done(a, "join", "'room':'#s'");
	world_restart(w, true);
	world_free(w);
}

/* Invitations are others' doing: they must not keep one from joining. */
static void
invitations_do_not_use_up_ones_rooms(void **state)
{
	struct world *w;
	struct message_config cfg = world_config();
	struct conn *a, *b;

	(void)state;
	cfg.max_rooms_account = 3;
	w = world_new(&cfg);
	a = client(w, "alice");
	b = client(w, "bob");
	for (int i = 0; i < 3; i++) {
		(void)done(a, "create", "'room':'#r%d'", i);
		(void)done(a, "invite", "'room':'#r%d','account':'bob'", i);
	}
	(void)done(b, "create", "'room':'#s'");
	world_free(w);
}

static void
a_room_holds_so_many(void **state)
{
	struct world *w;
	struct message_config cfg = world_config();
	struct conn *a, *c[6];
	static const char *const names[] = { "b", "c", "d", "e", "f", "g" };

	(void)state;
	cfg.max_room_members = 3;
	w = world_new(&cfg);
	a = client(w, "alice");
	(void)done(a, "create", "'room':'#r'");
	for (int i = 0; i < 6; i++)
		c[i] = client(w, names[i]);
	(void)done(c[0], "join", "'room':'#r'");
	(void)done(c[1], "join", "'room':'#r'");
	refused(c[2], "full", "join", "'room':'#r'");
	/* Nor may invitations pile up. */
	for (int i = 2; i < 5; i++)
		(void)ask(a, "invite", "'room':'#r','account':'%s'", names[i]);
	world_settle(w);
	refused(a, "full", "invite", "'room':'#r','account':'g'");
	world_free(w);
}

static void
history_since_joining_hides_what_was_before(void **state)
{
	struct world *w = *state;
	struct conn *a = client(w, "alice"), *b = client(w, "bob");
	json_t *o, *list;
	char *early;
	uint64_t id;

	(void)done(a, "create", "'room':'#r','history':'joined'");
	id = post(a, 1);
	world_settle(w);
	early = strdup(text_of(ok(a, id), "event"));
	(void)done(b, "join", "'room':'#r'");
	(void)post(a, 2);
	world_settle(w);
	assert_int_equal(page(b, ""), 2);
	assert_int_equal(page(b, ",'after':0"), 2);
	assert_int_equal(page(b, ",'before':3"), 0);
	assert_int_equal(page(a, ""), 4);
	o = done(b, "history", "'to':'#r','limit':1");
	list = json_object_get(o, "events");
	assert_string_equal(text_of(json_array_get(list, 0), "text"), "m2");
	assert_true(json_is_true(json_object_get(o, "more")));
	/* Nor can it be acted upon, or found to be there. */
	refused(b, "not-found", "react",
	    "'to':'#r','stream':1,'number':1,"
	    "'event':'%s','emoji':'\xf0\x9f\x91\x8d'",
	    early);
	free(early);
	(void)client(w, "carol");
	refused(client(w, "dave"), "not-member", "history", "'to':'#r'");
}

/* ---- lists --------------------------------------------------------------- */

static void
lists_come_in_pages(void **state)
{
	struct world *w = *state;
	struct conn *a = client(w, "alice"), *c;
	char name[16];
	json_t *o;
	size_t n = 0;

	(void)done(a, "create", "'room':'#r'");
	(void)done(a, "create", "'room':'#hidden','access':'private'");
	for (int i = 0; i < 7; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		c = client(w, name);
		(void)done(c, "create", "'room':'#%s'", name);
		(void)done(c, "join", "'room':'#r'");
	}
	o = done(a, "rooms", "'limit':3");
	while (json_object_get(o, "cursor") != NULL) {
		assert_int_equal(json_array_size(json_object_get(o, "rooms")),
		    3);
		n += 3;
		o = done(a, "rooms", "'limit':3,'cursor':'%s'",
		    text_of(o, "cursor"));
	}
	n += json_array_size(json_object_get(o, "rooms"));
	assert_int_equal(n, 8);
	o = done(a, "rooms", "'search':'p3'");
	assert_int_equal(json_array_size(json_object_get(o, "rooms")), 1);
	o = done(a, "members", "'room':'#r','limit':5");
	assert_int_equal(number_of(o, "joined"), 8);
	assert_string_equal(
	    text_of(json_array_get(json_object_get(o, "members"), 0),
		"account"),
	    "alice@example.org");
	o = done(a, "members", "'room':'#r','limit':5,'cursor':'%s'",
	    text_of(o, "cursor"));
	assert_int_equal(json_array_size(json_object_get(o, "members")), 3);
	assert_null(json_object_get(o, "cursor"));
	refused(a, "invalid", "rooms", "'limit':0");
	refused(a, "invalid", "rooms", "'limit':201");
	o = done(a, "conversations", "'limit':1");
	assert_string_equal(
	    text_of(json_array_get(json_object_get(o, "conversations"), 0),
		"with"),
	    ROOM);
	o = done(a, "conversations", "'limit':1,'cursor':'%s'",
	    text_of(o, "cursor"));
	assert_null(json_object_get(o, "cursor"));
	refused(a, "invalid", "conversations", "'cursor':'x'");
}

/* ---- read markers -------------------------------------------------------- */

static void
direct_messages_are_unread_until_read(void **state)
{
	struct world *w = *state;
	struct conn *a = client(w, "alice"), *b = client(w, "bob");
	int64_t third;

	for (unsigned i = 1; i <= 5; i++)
		(void)ask(a, "send",
		    "'to':'bob','stream':1,'number':%u,"
		    "'text':'m%u'",
		    i, i);
	world_settle(w);
	assert_int_equal(unread(b, "alice@example.org"), 5);
	assert_int_equal(unread(a, "bob@example.org"), 0);
	third = seq_of(event(b, "", "message", 2));
	(void)done(b, "read", "'to':'alice','seq':%d", (int)third);
	assert_int_equal(unread(b, "alice@example.org"), 2);
	(void)done(b, "read", "'to':'alice','seq':%d", (int)third - 1);
	assert_int_equal(unread(b, "alice@example.org"), 2);
	refused(b, "not-found", "read", "'to':'alice','seq':99999");
	refused(b, "not-found", "read", "'to':'carol','seq':1");
	world_restart(w, false);
	/* An answer reads all that came before it. */
	(void)done(b, "send",
	    "'to':'alice','stream':1,'number':1,"
	    "'text':'x'");
	assert_int_equal(unread(b, "alice@example.org"), 0);
	assert_int_equal(unread(a, "bob@example.org"), 1);
	(void)ask(a, "send", "'to':'bob','stream':1,'number':6,'text':'m6'");
	(void)ask(a, "send", "'to':'bob','stream':1,'number':7,'text':'m7'");
	world_settle(w);
	assert_int_equal(unread(b, "alice@example.org"), 2);
	(void)done(b, "read", "'to':'alice','seq':%d",
	    (int)seq_of(event(b, "", "message", 6)));
	assert_int_equal(unread(b, "alice@example.org"), 1);
	world_restart(w, false);
}

/* Messages that come while the marker is on its way stay unread. */
static void
a_marker_counts_up_to_its_place(void **state)
{
	struct world *w = *state;
	struct conn *a = client(w, "alice"), *b = client(w, "bob");
	int64_t first;

	(void)done(a, "send", "'to':'bob','stream':1,'number':1,'text':'1'");
	first = seq_of(event(b, "", "message", 0));
	(void)ask(a, "send", "'to':'bob','stream':1,'number':2,'text':'2'");
	(void)ask(b, "read", "'to':'alice','seq':%d", (int)first);
	(void)ask(a, "send", "'to':'bob','stream':1,'number':3,'text':'3'");
	world_settle(w);
	assert_int_equal(unread(b, "alice@example.org"), 2);
	world_restart(w, false);
}

static void
rooms_have_unread_messages_too(void **state)
{
	struct world *w = *state;
	struct conn *a = client(w, "alice"), *b = client(w, "bob");

	(void)done(a, "create", "'room':'#r'");
	(void)post(a, 1);
	(void)done(b, "join", "'room':'#r'");
	assert_int_equal(unread(b, ROOM), 0);
	for (unsigned i = 2; i <= 5; i++)
		(void)post(a, i);
	world_settle(w);
	assert_int_equal(unread(b, ROOM), 4);
	assert_int_equal(unread(a, ROOM), 0);
	(void)done(b, "read", "'to':'#r','seq':%d",
	    (int)seq_of(event(b, ROOM, "message", 1)));
	assert_int_equal(unread(b, ROOM), 2);
	(void)done(a, "topic", "'room':'#r','topic':'x'");
	assert_int_equal(unread(b, ROOM), 2);
	(void)post(b, 1);
	world_settle(w);
	assert_int_equal(unread(b, ROOM), 0);
	assert_int_equal(unread(a, ROOM), 1);
	world_restart(w, false);
}

/* ---- states -------------------------------------------------------------- */

static void
senders_learn_what_has_reached_a_device_and_was_read(void **state)
{
	struct world *w = *state;
	struct conn *a = client(w, "alice"), *b = client(w, "bob");
	int64_t mine = 0;
	json_t *o;

	for (unsigned i = 1; i <= 3; i++)
		mine = seq_of(done(a, "send",
		    "'to':'bob','stream':1,"
		    "'number':%u,'text':'x'",
		    i));
	tell(b, "ack", "'log':'bob','seq':%d",
	    (int)seq_of(event(b, "", "message", 2)));
	world_flush(w);
	o = push(a, "state", 0);
	assert_non_null(o);
	assert_string_equal(text_of(o, "state"), "device");
	assert_string_equal(text_of(o, "with"), "bob@example.org");
	assert_int_equal(number_of(o, "seq"), mine);
	assert_int_equal(number_of(line(a, "bob@example.org"), "delivered"),
	    mine);
	world_advance(w, 1100);
	world_settle(w);
	assert_int_equal(pushes(a, "state"), 1);
	(void)done(b, "read", "'to':'alice','seq':%d",
	    (int)seq_of(event(b, "", "message", 2)));
	o = push(a, "state", 1);
	assert_non_null(o);
	assert_string_equal(text_of(o, "state"), "read");
	assert_int_equal(number_of(o, "seq"), mine);
	assert_int_equal(number_of(line(a, "bob@example.org"), "peer_read"),
	    mine);
	world_restart(w, false);
}

/* Who answers has read. */
static void
an_answer_tells_that_the_message_was_read(void **state)
{
	struct world *w = *state;
	struct conn *a = client(w, "alice"), *b = client(w, "bob");
	int64_t mine = seq_of(done(a, "send",
	    "'to':'bob','stream':1,"
	    "'number':1,'text':'x'"));

	(void)done(b, "send",
	    "'to':'alice','stream':1,'number':1,"
	    "'text':'y'");
	assert_int_equal(number_of(line(a, "bob@example.org"), "peer_read"),
	    mine);
	assert_string_equal(text_of(push(a, "state", 0), "state"), "read");
	world_restart(w, false);
}

/* What was sent before a restart can still arrive and be read after it. */
static void
states_go_on_after_a_restart(void **state)
{
	struct world *w = *state;
	char *alice = account_token(w, "alice"), *bob = account_token(w, "bob");
	struct conn *a = resume(w, "alice", alice, "'states':true");
	struct conn *b = resume(w, "bob", bob, "");
	int64_t mine, theirs;

	mine = seq_of(
	    done(a, "send", "'to':'bob','stream':1,'number':1,'text':'x'"));
	theirs = seq_of(event(b, "", "message", 0));
	world_advance(w, 300);
	world_settle(w);
	world_restart(w, true);
	a = resume(w, "alice", alice, "'states':true");
	b = resume(w, "bob", bob, "");
	tell(b, "ack", "'log':'bob','seq':%d", (int)theirs);
	world_advance(w, 1100);
	world_settle(w);
	assert_int_equal(number_of(push(a, "state", 0), "seq"), mine);
	(void)done(b, "read", "'to':'alice','seq':%d", (int)theirs);
	assert_string_equal(text_of(push(a, "state", 1), "state"), "read");
	free(alice);
	free(bob);
	world_restart(w, false);
}

/* ---- passing things ------------------------------------------------------ */

static void
typing_and_presence_go_to_those_who_want_them(void **state)
{
	struct world *w = *state;
	struct conn *a = client(w, "alice"), *b = client(w, "bob");
	char *token = device_token(w, "bob");
	struct conn *phone = resume(w, "bob", token, "'presence':true");

	free(token);
	(void)done(a, "create", "'room':'#r'");
	refused(b, "not-member", "typing", "'to':'#r','on':true");
	(void)done(b, "join", "'room':'#r'");
	(void)done(a, "typing", "'to':'#r','on':true");
	(void)done(a, "typing", "'to':'bob','on':true");
	assert_int_equal(pushes(b, "typing"), 0);
	assert_int_equal(pushes(phone, "typing"), 2);
	(void)done(phone, "watch", "'account':'alice'");
	(void)done(phone, "watch", "'account':'alice'");
	assert_string_equal(text_of(push(phone, "presence", 0), "status"),
	    "offline");
	(void)done(a, "presence", "'status':'busy'");
	assert_string_equal(text_of(push(phone, "presence", 2), "status"),
	    "busy");
	refused(a, "invalid", "presence", "'status':'bored'");
	conn_break(a);
	world_flush(w);
	assert_string_equal(text_of(push(phone, "presence", 3), "status"),
	    "offline");
	(void)done(phone, "watch", "'account':'alice','remove':true");
	(void)done(phone, "watch", "'account':'bob'");
}

static void
typing_is_rationed(void **state)
{
	struct world *w = *state;
	struct conn *a = client(w, "alice");

	(void)client(w, "bob");
	for (unsigned i = 0; i < 60; i++)
		(void)done(a, "typing", "'to':'bob','on':true");
	refused(a, "rate-limited", "typing", "'to':'bob','on':true");
	world_advance(w, 60001);
	(void)done(a, "typing", "'to':'bob','on':true");
}

/* ---- floods -------------------------------------------------------------- */

#define FLOOD 100000

static size_t
resident_kib(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long total, resident = 0;

	if (f != NULL) {
		if (fscanf(f, "%lu %lu", &total, &resident) != 2)
			resident = 0;
		fclose(f);
	}
	return resident * 4;
}

static void
a_flood_of_joins_and_leaves_leaves_nothing(void **state)
{
	struct world *w = *state;
	struct conn *a = client(w, "alice"), *b = client(w, "bob");
	struct world_count before, after;
	size_t memory = 0;

	(void)done(a, "create", "'room':'#r'");
	w->quiet = true;
	w->storage->forgetful = w->queue->forgetful = true;
	cache_free(w->cache);
	w->cache = w->m->parts.cache = cache_new(1 << 20, 64);
	world_count(w, &before);
	for (unsigned i = 0; i < FLOOD; i++) {
		(void)ask(b, "join", "'room':'#r'");
		(void)ask(b, "leave", "'room':'#r'");
		if (i % 50 == 49) {
			world_settle(w);
			world_advance(w, 300);
			world_settle(w);
		}
		if (i == FLOOD / 4)
			memory = resident_kib();
	}
	world_count(w, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_true(resident_kib() < memory + 16384);
	assert_int_equal(w->m->npending, 0);
	assert_int_equal(b->w->m->reg.members->account->ndevices, 1);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(posts_wait_for_a_kick_under_way),
		CASE(a_gate_keeps_the_order),
		CASE(a_gate_opens_when_its_change_fails),
		CASE(only_so_many_wait),
		CASE(waiting_costs_no_second_operation),
		CASE(joining_and_leaving_start_and_end_the_feed),
		CASE(what_was_said_in_ones_absence_is_not_fed),
		CASE(a_new_device_starts_at_what_is_there),
		CASE(who_may_join),
		CASE(moderators_act_on_members_and_owners_on_all),
		CASE(a_room_keeps_an_owner),
		CASE(closed_rooms_leave_room_for_others),
		CASE(invitations_do_not_use_up_ones_rooms),
		CASE(a_room_holds_so_many),
		CASE(history_since_joining_hides_what_was_before),
		CASE(lists_come_in_pages),
		CASE(direct_messages_are_unread_until_read),
		CASE(a_marker_counts_up_to_its_place),
		CASE(rooms_have_unread_messages_too),
		CASE(senders_learn_what_has_reached_a_device_and_was_read),
		CASE(an_answer_tells_that_the_message_was_read),
		CASE(states_go_on_after_a_restart),
		CASE(typing_and_presence_go_to_those_who_want_them),
		CASE(typing_is_rationed),
		CASE(a_flood_of_joins_and_leaves_leaves_nothing),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
