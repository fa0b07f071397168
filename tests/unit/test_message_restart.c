/*
 * The message service under random work, failures of the queue, slow storage
 * and restarts at any point: a fresh one made of records and journal equals
 * the old one, what was acknowledged is there once, and no feed has a hole.
 *
 * MESSAGE_SEED=n runs one seed, MESSAGE_SEEDS=n as many from 1 on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "tests/unit/message_world.h"

#define PEOPLE  5
#define DEVICES 2 /* of each */
#define ROOMS   3
#define STEPS   1500
#define WINDOW  6

static const char *const names[PEOPLE] = { "alice", "bob", "carol", "dave",
	"erin" };
static const char *const rooms[ROOMS] = { "#red", "#green", "#blue" };

/* What a device still has to say to one place, first things first. */
struct outbox {
	char to[16];
	uint64_t stream, number; /* of the first in the list */
	unsigned said;           /* texts made so far */
	unsigned first, n;       /* texts waiting: first to first + n - 1 */
	unsigned asked;          /* of these, under way */
	uint64_t id[WINDOW];
};

/* A client that keeps on disk what a client should keep. */
struct phone {
	const char *name;
	unsigned person, num;
	char *token;
	struct conn *c;
	json_t *have;  /* log: stored up to here */
	json_t *shown; /* "from send": how often it was shown */
	size_t events; /* of c, looked at */
	struct outbox boxes[PEOPLE + ROOMS];
};

struct play {
	struct world *w;
	struct prng r;
	uint64_t seed;
	struct phone devices[PEOPLE][DEVICES];
	json_t *acked; /* event: {from, to, text} */
	unsigned restarts, crashes, failures;
	bool failing;
	uint64_t stream; /* of edits and the like: each in one of its own */
};

static uint64_t
below(struct play *p, uint64_t n)
{
	return prng_below(&p->r, n);
}

/* ---- devices ------------------------------------------------------------- */

static void
device_init(struct play *p, unsigned person, unsigned num)
{
	struct phone *d = &p->devices[person][num];

	d->name = names[person];
	d->person = person;
	d->num = num;
	d->token = num == 0 ? account_token(p->w, d->name)
			    : device_token(p->w, d->name);
	d->have = json_object();
	d->shown = json_object();
	for (unsigned i = 0; i < PEOPLE + ROOMS; i++) {
		snprintf(d->boxes[i].to, sizeof(d->boxes[i].to), "%s",
		    i < PEOPLE ? names[i] : rooms[i - PEOPLE]);
		d->boxes[i].stream = i + 1;
		d->boxes[i].number = 1;
	}
}

/* The device shows what is new to it, and stores how far it is. */
static void
device_look(struct play *p, struct phone *d)
{
	const char *log;
	json_t *o, *v;
	char key[128];

	if (d->c == NULL)
		return;
	for (; d->events < json_array_size(d->c->events); d->events++) {
		o = json_array_get(d->c->events, d->events);
		log = text_of(o, "log");
		v = json_object_get(d->have, log);
		if (v != NULL && seq_of(o) <= json_integer_value(v))
			continue;
		json_object_set_new(d->have, log, json_integer(seq_of(o)));
		if (strcmp(text_of(o, "kind"), "message") != 0)
			continue;
		snprintf(key, sizeof(key), "%s %s", text_of(o, "from"),
		    text_of(o, "send"));
		if (json_object_get(d->shown, key) != NULL)
			fail_msg("seed %llu: %s shows %s twice",
			    (unsigned long long)p->seed, d->name, key);
		json_object_set_new(d->shown, key, json_true());
	}
}

static void
device_connect(struct play *p, struct phone *d)
{
	struct conn *c = world_connect(p->w, d->name);
	const char *log;
	json_t *v;
	uint64_t id;

	/* What it has comes before what it will get. */
	json_object_foreach(d->have, log, v) if (log[0] != '#')
	    json_object_set(c->have, log, v);
	if (below(p, 4) == 0)
		c->room = below(p, 30);
	id = ask(c, "resume", "'token':'%s','states':true", d->token);
	world_flush(p->w);
	(void)ok(c, id);
	d->c = c;
	d->events = 0;
}

static void
device_drop(struct phone *d)
{
	d->c = NULL;
	for (unsigned i = 0; i < PEOPLE + ROOMS; i++)
		d->boxes[i].asked = 0;
}

static void
device_ack(struct phone *d)
{
	const char *log;
	json_t *v;

	json_object_foreach(d->have, log, v) tell(d->c, "ack",
	    "'log':'%s','seq':%d", log, (int)json_integer_value(v));
}

/* ---- sending as a client does -------------------------------------------- */

static void
box_text(const struct phone *d, const struct outbox *b, unsigned i,
    char text[static 64])
{
	snprintf(text, 64, "%s%u to %s: %u", d->name, d->num, b->to, i);
}

static void
box_ask(struct phone *d, struct outbox *b)
{
	char text[64];

	while (b->asked < b->n && b->asked < WINDOW) {
		box_text(d, b, b->first + b->asked, text);
		b->id[b->asked] = ask(d->c, "send",
		    "'to':'%s','stream':%llu,'number':%llu,'text':'%s'", b->to,
		    (unsigned long long)b->stream,
		    (unsigned long long)(b->number + b->asked), text);
		b->asked++;
	}
}

static bool
to_be_repeated(const char *code)
{
	static const char *const codes[] = { "queue-unavailable", "queue-full",
		"busy", "out-of-order" };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(code, codes[i]) == 0)
			return true;
	return false;
}

static void
box_acked(struct play *p, struct phone *d, struct outbox *b, json_t *answer)
{
	char text[64];

	box_text(d, b, b->first, text);
	json_object_set_new(p->acked, text_of(answer, "event"),
	    json_pack("{s:s,s:s,s:s}", "from", d->name, "to", b->to, "text",
		text));
	b->first++;
	b->number++;
	b->n--;
}

/*
 * When the whole window is answered: what was taken is done, and what was
 * refused for good is given up; the rest is asked again.
 */
static void
box_answers(struct play *p, struct phone *d, struct outbox *b)
{
	unsigned asked = b->asked;
	const char *code = "ok";

	for (unsigned i = 0; i < asked; i++)
		if (unanswered(d->c, b->id[i]))
			return;
	b->asked = 0;
	for (unsigned i = 0; i < asked; i++) {
		code = refusal(d->c, b->id[i]);
		if (strcmp(code, "ok") != 0 ||
		    json_object_get(ok(d->c, b->id[i]), "durable") == NULL)
			break;
		box_acked(p, d, b, ok(d->c, b->id[i]));
	}
	if (strcmp(code, "ok") != 0 && !to_be_repeated(code)) {
		b->first++;
		b->n--;
	}
}

static void
device_answers(struct play *p, struct phone *d)
{
	if (d->c == NULL)
		return;
	for (unsigned i = 0; i < PEOPLE + ROOMS; i++)
		if (d->boxes[i].asked > 0)
			box_answers(p, d, &d->boxes[i]);
}

/* ---- steps --------------------------------------------------------------- */

static struct phone *
any_device(struct play *p)
{
	return &p->devices[below(p, PEOPLE)][below(p, DEVICES)];
}

static void
step_room(struct play *p, struct phone *d)
{
	const char *room = rooms[below(p, ROOMS)];
	const char *who = names[below(p, PEOPLE)];

	switch (below(p, 16)) {
	case 0:
		(void)ask(d->c, "create", "'room':'%s'", room);
		break;
	case 1:
	case 2:
	case 3:
		(void)ask(d->c, "join", "'room':'%s'", room);
		break;
	case 4:
		(void)ask(d->c, "leave", "'room':'%s'", room);
		break;
	case 5:
		(void)ask(d->c, "kick", "'room':'%s','account':'%s'", room,
		    who);
		break;
	case 6:
		(void)ask(d->c, "ban", "'room':'%s','account':'%s'", room, who);
		break;
	case 7:
		(void)ask(d->c, "unban", "'room':'%s','account':'%s'", room,
		    who);
		break;
	case 8:
		(void)ask(d->c, "mute",
		    "'room':'%s','account':'%s','seconds':%u", room, who,
		    (unsigned)below(p, 3));
		break;
	case 9:
		(void)ask(d->c, "unmute", "'room':'%s','account':'%s'", room,
		    who);
		break;
	case 10:
		(void)ask(d->c, "role",
		    "'room':'%s','account':'%s','role':'%s'", room, who,
		    below(p, 2) == 0 ? "owner" : "moderator");
		break;
	case 11:
		(void)ask(d->c, "topic", "'room':'%s','topic':'t%u'", room,
		    (unsigned)below(p, 100));
		break;
	case 12:
		(void)ask(d->c, "configure", "'room':'%s','history':'%s'", room,
		    below(p, 2) == 0 ? "all" : "joined");
		break;
	case 13:
		(void)ask(d->c, "invite", "'room':'%s','account':'%s'", room,
		    who);
		break;
	default:
		(void)ask(d->c, "members", "'room':'%s'", room);
		break;
	}
}

/* A message that d has seen. */
static json_t *
any_message(struct play *p, struct phone *d)
{
	size_t n = json_array_size(d->c->events);
	json_t *o;

	for (int tries = 0; n > 0 && tries < 5; tries++) {
		o = json_array_get(d->c->events, below(p, n));
		if (strcmp(text_of(o, "kind"), "message") == 0)
			return o;
	}
	return NULL;
}

/* The other side of a message, for d. */
static const char *
side_of(const struct phone *d, json_t *o)
{
	static char own[64];

	snprintf(own, sizeof(own), "%s@example.org", d->name);
	return strcmp(text_of(o, "from"), own) == 0 ||
		       text_of(o, "to")[0] == '#'
		   ? text_of(o, "to")
		   : text_of(o, "from");
}

static void
step_message(struct play *p, struct phone *d)
{
	json_t *o = any_message(p, d);
	const char *side;

	if (o == NULL)
		return;
	side = side_of(d, o);
	switch (below(p, 5)) {
	case 0:
		(void)ask(d->c, "edit",
		    "'to':'%s','stream':%llu,'number':1,"
		    "'event':'%s','text':'edited'",
		    side, (unsigned long long)++p->stream, text_of(o, "event"));
		break;
	case 1:
		if (below(p, 4) == 0)
			(void)ask(d->c, "redact",
			    "'to':'%s','stream':%llu,"
			    "'number':1,'event':'%s'",
			    side, (unsigned long long)++p->stream,
			    text_of(o, "event"));
		break;
	case 2:
		(void)ask(d->c, "react",
		    "'to':'%s','stream':%llu,'number':1,"
		    "'event':'%s','emoji':'\xe2\x9d\xa4'",
		    side, (unsigned long long)++p->stream, text_of(o, "event"));
		break;
	default:
		(void)ask(d->c, "read", "'to':'%s','seq':%d", side,
		    (int)seq_of(o));
		break;
	}
}

static void
step_self(struct play *p, struct phone *d)
{
	const char *who = names[below(p, PEOPLE)];

	switch (below(p, 8)) {
	case 0:
		(void)ask(d->c, "block", "'account':'%s'", who);
		break;
	case 1:
	case 2:
		(void)ask(d->c, "unblock", "'account':'%s'", who);
		break;
	case 3:
		(void)ask(d->c, "profile", "'display':'D%u'",
		    (unsigned)below(p, 50));
		break;
	case 4:
		(void)ask(d->c, "history", "'to':'%s','limit':%u", who,
		    1 + (unsigned)below(p, 20));
		break;
	case 5:
		(void)ask(d->c, "history", "'to':'%s','after':%u,'limit':%u",
		    who, (unsigned)below(p, 100), 1 + (unsigned)below(p, 20));
		break;
	case 6:
		(void)ask(d->c, "watch", "'account':'%s'", who);
		break;
	default:
		(void)ask(d->c, "conversations", NONE);
		break;
	}
}

static void
step_client(struct play *p, struct phone *d)
{
	struct outbox *b;

	if (d->c == NULL) {
		device_connect(p, d);
		return;
	}
	switch (below(p, 12)) {
	case 0:
		device_look(p, d);
		device_ack(d);
		return;
	case 1:
		if (below(p, 6) == 0) {
			device_look(p, d);
			conn_break(d->c);
			device_drop(d);
		}
		return;
	case 2:
		step_room(p, d);
		return;
	case 3:
		step_message(p, d);
		return;
	case 4:
		step_self(p, d);
		return;
	default:
		b = &d->boxes[below(p, PEOPLE + ROOMS)];
		if (b->n < 3 * WINDOW) {
			b->n++;
			b->said++;
		}
		if (b->asked == 0)
			box_ask(d, b);
		return;
	}
}

static void
step_queue(struct play *p)
{
	struct world *w = p->w;

	if (p->failing) {
		if (below(p, 3) == 0) {
			world_recover(w);
			p->failing = false;
		}
		return;
	}
	if (below(p, 40) == 0) {
		world_fail(w, below(p, 4));
		p->failing = true;
		p->failures++;
		return;
	}
	world_commit(w,
	    w->queue->nflying == 0 ? 0 : 1 + below(p, w->queue->nflying));
}

static void
step_world(struct play *p)
{
	struct world *w = p->w;

	switch (below(p, 10)) {
	case 0:
		world_advance(w, below(p, 700));
		break;
	case 1:
		world_apply(w);
		break;
	case 2:
	case 3:
		world_read(w);
		break;
	case 4:
		w->queue->full = !w->queue->full && below(p, 8) == 0;
		break;
	case 5:
		w->storage->refuse_batches = below(p, 3) == 0;
		w->storage->refuse_reads = below(p, 6) == 0;
		break;
	case 6:
		w->gateway.congested[below(p, WORLD_WORKERS)] =
		    below(p, 4) == 0;
		break;
	default:
		step_queue(p);
		break;
	}
}

static void
each_device(struct play *p, void (*fn)(struct play *p, struct phone *d))
{
	for (unsigned i = 0; i < PEOPLE; i++)
		for (unsigned k = 0; k < DEVICES; k++)
			fn(p, &p->devices[i][k]);
}

static void
drain_slow(struct play *p, struct phone *d)
{
	if (d->c != NULL && d->c->feed == FEED_STOPPED)
		conn_drain(d->c, below(p, 2) == 0 ? UINT64_MAX : below(p, 40));
}

static void
look_and_drop(struct play *p, struct phone *d)
{
	device_look(p, d);
	device_drop(d);
}

/* All is let go, and comes to rest. */
static void
calm(struct play *p)
{
	struct world *w = p->w;

	w->queue->full = false;
	w->storage->refuse_batches = w->storage->refuse_reads = false;
	memset(w->gateway.congested, 0, sizeof(w->gateway.congested));
	if (p->failing)
		world_recover(w);
	p->failing = false;
	for (int i = 0; i < 12; i++) {
		world_settle(w);
		world_advance(w, 1100);
		each_device(p, drain_slow);
	}
	world_settle(w);
	each_device(p, device_answers);
	each_device(p, device_look);
}

static void
step_restart(struct play *p)
{
	size_t flying = p->w->queue->nflying;

	if (below(p, 2) == 0 && !p->failing) {
		each_device(p, look_and_drop);
		world_crash(p->w, below(p, flying + 1));
		p->crashes++;
		return;
	}
	calm(p);
	if (below(p, 2) == 0) {
		world_restart(p->w, false);
	} else {
		each_device(p, look_and_drop);
		world_restart(p->w, true);
		p->restarts++;
	}
}

/* ---- the end ------------------------------------------------------------- */

static void
connect_and_send(struct play *p, struct phone *d)
{
	if (d->c == NULL)
		device_connect(p, d);
	d->c->room = UINT64_MAX;
	for (unsigned i = 0; i < PEOPLE + ROOMS; i++)
		if (d->boxes[i].asked == 0)
			box_ask(d, &d->boxes[i]);
}

static void
drain_all(struct play *p, struct phone *d)
{
	(void)p;
	if (d->c != NULL && d->c->feed == FEED_STOPPED)
		conn_drain(d->c, UINT64_MAX);
}

/* Everything of d's conversation with `to', oldest first. */
static json_t *
whole_history(struct phone *d, const char *to)
{
	json_t *all = json_array(), *o, *page;
	int64_t after = 0;
	size_t n;

	do {
		o = done(d->c, "history", "'to':'%s','after':%d,'limit':50", to,
		    (int)after);
		page = json_object_get(o, "events");
		json_array_extend(all, page);
		n = json_array_size(page);
		if (n > 0)
			after = seq_of(json_array_get(page, n - 1));
	} while (json_is_true(json_object_get(o, "more")));
	return all;
}

/* Unread is what came from the other side after the marker. */
static void
check_unread(struct play *p, struct phone *d, const char *peer, json_t *all)
{
	json_t *list = json_object_get(done(d->c, "conversations", NONE),
		   "conversations"),
	       *v, *o;
	size_t i, k;
	int64_t n = 0;

	json_array_foreach(list, i, v)
	{
		if (strncmp(text_of(v, "with"), peer, strlen(peer)) != 0)
			continue;
		json_array_foreach(all, k, o) n +=
		    strcmp(text_of(o, "kind"), "message") == 0 &&
		    strncmp(text_of(o, "from"), peer, strlen(peer)) == 0 &&
		    seq_of(o) > number_of(v, "read");
		if (number_of(v, "unread") != n)
			fail_msg("seed %llu: %s has %d unread of %s, not %d",
			    (unsigned long long)p->seed, d->name, (int)n, peer,
			    (int)number_of(v, "unread"));
	}
}

/* The messages of a conversation are numbered. */
static void
check_count(struct play *p, struct phone *d, const char *peer, json_t *all)
{
	struct registry *r = &p->w->m->reg;
	struct conv *c =
	    registry_conv_between(r, registry_account_named(r, str_of(d->name)),
		registry_account_named(r, str_of(peer)));
	uint64_t n = 0;
	size_t i;
	json_t *o;

	json_array_foreach(all, i, o) n +=
	    strcmp(text_of(o, "kind"), "message") == 0;
	if (c != NULL && c->ord.durable != n)
		fail_msg("seed %llu: %s and %s: %llu messages, not %llu",
		    (unsigned long long)p->seed, d->name, peer,
		    (unsigned long long)n, (unsigned long long)c->ord.durable);
}

/* How often it is in the list. */
static unsigned
count_of(json_t *all, const char *id)
{
	unsigned n = 0;
	size_t i;
	json_t *o;

	json_array_foreach(all, i, o) n += strcmp(text_of(o, "event"), id) == 0;
	return n;
}

static void
check_direct(struct play *p, unsigned x, unsigned y)
{
	struct phone *d = &p->devices[x][0];
	json_t *all = whole_history(d, names[y]), *v;
	const char *id;

	json_object_foreach(p->acked, id, v)
	{
		bool out = strcmp(text_of(v, "from"), names[x]) == 0 &&
			   strcmp(text_of(v, "to"), names[y]) == 0;
		bool in = strcmp(text_of(v, "from"), names[y]) == 0 &&
			  strcmp(text_of(v, "to"), names[x]) == 0;

		if ((out || in) && count_of(all, id) != 1)
			fail_msg("seed %llu: \"%s\" is %u times in %s's "
				 "history",
			    (unsigned long long)p->seed, text_of(v, "text"),
			    count_of(all, id), names[x]);
	}
	check_unread(p, d, names[y], all);
	check_count(p, d, names[y], all);
	json_decref(all);
}

/* Each has all of its mailbox, up to the same head. */
static void
check_heads(struct play *p, struct phone *d)
{
	char log[64];
	struct account *a;

	snprintf(log, sizeof(log), "%s@example.org", d->name);
	a = registry_account_named(&p->w->m->reg, str_of(d->name));
	assert_int_equal(json_integer_value(json_object_get(d->have, log)),
	    a->log.head.durable);
}

static void
finish(struct play *p)
{
	calm(p);
	for (int i = 0; i < 40; i++) {
		each_device(p, connect_and_send);
		world_settle(p->w);
		each_device(p, drain_all);
		world_settle(p->w);
		world_advance(p->w, 1100);
		each_device(p, device_answers);
	}
	calm(p);
	each_device(p, device_look);
	each_device(p, check_heads);
	for (unsigned x = 0; x < PEOPLE; x++)
		for (unsigned y = 0; y < PEOPLE; y++)
			check_direct(p, x, y);
	assert_int_equal(p->w->m->waiting, 0);
	assert_int_equal(p->w->m->npending, 0);
	assert_int_equal(HASH_COUNT(p->w->m->gates), 0);
	world_restart(p->w, false);
}

static void
device_fini(struct play *p, struct phone *d)
{
	(void)p;
	free(d->token);
	json_decref(d->have);
	json_decref(d->shown);
}

static void
play(uint64_t seed)
{
	static struct play p;

	memset(&p, 0, sizeof(p));
	p.seed = seed;
	p.stream = 1000;
	prng_seed(&p.r, seed);
	world_seed(seed);
	p.acked = json_object();
	p.w = world_new(NULL);
	cache_free(p.w->cache);
	p.w->cache_per_log = 8;
	p.w->cache_budget = 100000;
	p.w->cache = p.w->m->parts.cache = cache_new(100000, 8);
	for (unsigned i = 0; i < PEOPLE; i++)
		for (unsigned k = 0; k < DEVICES; k++)
			device_init(&p, i, k);
	for (int step = 0; step < STEPS; step++) {
		step_client(&p, any_device(&p));
		if (below(&p, 3) == 0)
			step_world(&p);
		if (below(&p, 4) == 0)
			each_device(&p, device_answers);
		if (below(&p, 20) == 0)
			each_device(&p, drain_slow);
		if (below(&p, 100) == 0)
			step_restart(&p);
	}
	finish(&p);
	print_message("seed %llu: %zu acknowledged, %u failures, %u restarts, "
		      "%u crashes\n",
	    (unsigned long long)seed, json_object_size(p.acked), p.failures,
	    p.restarts, p.crashes);
	each_device(&p, device_fini);
	json_decref(p.acked);
	world_free(p.w);
}

static void
a_restart_at_any_point_changes_nothing(void **state)
{
	const char *one = getenv("MESSAGE_SEED"),
		   *many = getenv("MESSAGE_SEEDS");
	uint64_t n = many != NULL ? strtoull(many, NULL, 10) : 12;

	(void)state;
	if (one != NULL) {
		play(strtoull(one, NULL, 10));
		return;
	}
	for (uint64_t seed = 1; seed <= n; seed++) {
		print_message("MESSAGE_SEED=%llu\n", (unsigned long long)seed);
		play(seed);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_restart_at_any_point_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
