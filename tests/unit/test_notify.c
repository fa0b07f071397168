/*
 * Notify: frames reach who follows, in order, without holes, however slow
 * they are, and whatever the source of older ones and the memory do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/logger.h"
#include "base/prng.h"
#include "crypto/shorthash.h"
#include "node/notify/notify.h"

#define WORKERS 3
#define LOGS    6
#define CONNS   12

/* ---- memory that fails --------------------------------------------------- */

static uint64_t fail_in; /* allocations of notify's until one fails; 0: none */
static bool ours;        /* the test's own never fail */

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);

static bool
fails(void)
{
	return !ours && fail_in > 0 && --fail_in == 0;
}

void *
__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *
__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return fails() ? NULL : __real_reallocarray(p, n, size);
}

/* ---- a gateway, and a source of logs ------------------------------------- */

struct logs {
	uint64_t head, first; /* first that is left */
	size_t width;         /* of a frame's text */
};

struct fetch {
	struct conn_ref conn;
	uint32_t log;
	uint64_t after;
};

struct conn {
	struct conn_ref ref;
	struct session *s;
	bool open, suspended, stopped, closed;
	bool follows[LOGS + 1];
	uint64_t pos[LOGS + 1]; /* last that came */
	uint64_t missed[LOGS + 1];
	uint64_t frames, room;
};

struct gateway {
	bool congested[WORKERS];
	uint64_t delivered;
};

static struct gateway gateway;
static struct notify *n;
static struct logs logs[LOGS + 1];
static struct conn conns[CONNS];
static struct fetch fetches[4096];
static size_t nfetches, fetched;
static bool later; /* answers wait for answer_all */
static enum err broken;
static uint32_t gens;

unsigned
gateway_workers(const struct gateway *g)
{
	(void)g;
	return WORKERS;
}

size_t
gateway_backlog(struct gateway *g, unsigned worker)
{
	return g->congested[worker];
}

/* Text "L S": position S of log L; "G L A B": a gap. */
static void
take(struct conn *c, const struct frame *f)
{
	unsigned log;
	unsigned long from, to;
	char text[64];

	snprintf(text, sizeof(text), "%.*s",
	    (int)(f->off + f->len - FRAME_HEADER), f->data + FRAME_HEADER);
	if (sscanf(text, "G %u %lu %lu", &log, &from, &to) == 3) {
		assert_true(from <= c->pos[log] + 1 && to >= from);
		if (to > c->pos[log])
			c->pos[log] = to;
		return;
	}
	assert_int_equal(sscanf(text, "%u %lu", &log, &to), 2);
	assert_int_equal(log, f->log);
	assert_int_equal(to, f->seq);
	if (to > c->pos[log] + 1)
		fail_msg("a hole: %lu after %lu", to,
		    (unsigned long)c->pos[log]);
	if (to > c->pos[log])
		c->pos[log] = to;
	c->frames++;
}

static void
deliver(struct conn *c, const struct deliver *d)
{
	if ((d->flags & DELIVER_SUSPENDED) != 0) {
		assert_true(c->suspended);
		c->stopped = true;
	}
	if ((d->flags & DELIVER_CLOSE) != 0)
		c->closed = true;
	if (d->frame == NULL)
		return;
	assert_false(c->stopped && d->frame->log != 0);
	if (d->frame->log != 0 && c->room == 0)
		c->suspended = true;
	if (d->frame->log != 0 && c->suspended) {
		if (c->missed[d->frame->log] == 0)
			c->missed[d->frame->log] = d->frame->seq;
		return;
	}
	if (c->room != UINT64_MAX && d->frame->log != 0)
		c->room--;
	take(c, d->frame);
}

bool
gateway_deliver(struct gateway *g, unsigned worker, struct delivery *d)
{
	ours = true;
	for (size_t i = 0; i < d->n; i++) {
		for (unsigned k = 0; k < CONNS; k++)
			if (conns[k].open && conns[k].ref.worker == worker &&
			    conns[k].ref.slot == d->v[i].slot &&
			    conns[k].ref.gen == d->v[i].gen)
				deliver(&conns[k], &d->v[i]);
		if (d->v[i].frame != NULL)
			frame_unref(d->v[i].frame);
		g->delivered++;
	}
	free(d->v);
	free(d);
	ours = false;
	return !g->congested[worker];
}

static struct frame *
frame_of(uint32_t log, uint64_t seq)
{
	char text[1 << 17];
	struct frame *f;
	size_t len;

	len = (size_t)snprintf(text, sizeof(text), "%u %lu", log,
	    (unsigned long)seq);
	while (len < logs[log].width)
		text[len++] = ' ';
	ours = true;
	f = frame_new((struct str){ text, len });
	ours = false;
	f->log = log;
	f->seq = seq;
	return f;
}

static struct frame *
gap_of(uint32_t log, uint64_t from, uint64_t to)
{
	char text[64];
	struct frame *f;

	snprintf(text, sizeof(text), "G %u %lu %lu", log, (unsigned long)from,
	    (unsigned long)to);
	ours = true;
	f = frame_new(str_of(text));
	ours = false;
	return f;
}

static void
answer(const struct fetch *q)
{
	const struct logs *l = &logs[q->log];
	struct notify_item items[NOTIFY_FETCH];
	uint64_t seq = q->after + 1;
	size_t k = 0;

	if (broken != OK) {
		notify_fed(n, &q->conn, q->log, q->after, NULL, 0, l->head,
		    broken);
		return;
	}
	if (seq < l->first)
		seq = l->first;
	for (; seq <= l->head && k < NOTIFY_FETCH; seq++, k++)
		items[k] =
		    (struct notify_item){ seq, NULL, frame_of(q->log, seq) };
	if (k > 0 && items[0].seq > q->after + 1)
		items[0].gap = gap_of(q->log, q->after + 1, items[0].seq - 1);
	if (k == 0 && l->head > q->after)
		items[k++] = (struct notify_item){ l->head,
			gap_of(q->log, q->after + 1, l->head), NULL };
	notify_fed(n, &q->conn, q->log, q->after, items, k, l->head, OK);
}

static void
fetch(void *arg, struct session *s, uint32_t log, uint64_t after)
{
	struct fetch q = { s->conn, log, after };

	(void)arg;
	fetched++;
	if (!later) {
		answer(&q);
		return;
	}
	assert_true(nfetches < sizeof(fetches) / sizeof(fetches[0]));
	fetches[nfetches++] = q;
}

static void
answer_all(void)
{
	struct fetch now[4096];
	size_t k = nfetches;

	memcpy(now, fetches, k * sizeof(now[0]));
	nfetches = 0;
	for (size_t i = 0; i < k; i++)
		answer(&now[i]);
}

/* ---- running ------------------------------------------------------------- */

static void
flush(void)
{
	unsigned turns = 0;

	while (notify_flush(n))
		assert_true(++turns < 1000);
	(void)notify_flush(n);
}

static struct conn *
connect_on(unsigned worker)
{
	struct request rq = { 0 };
	unsigned i = 0;

	while (conns[i].open)
		i++;
	assert_true(i < CONNS);
	memset(&conns[i], 0, sizeof(conns[i]));
	conns[i].ref = (struct conn_ref){ worker, i, ++gens };
	conns[i].open = true;
	conns[i].room = UINT64_MAX;
	rq.conn = conns[i].ref;
	ours = true;
	conns[i].s = notify_session(n, &rq);
	ours = false;
	assert_non_null(conns[i].s);
	return &conns[i];
}

static void
follow(struct conn *c, uint32_t log, uint64_t next)
{
	c->follows[log] = true;
	c->pos[log] = next - 1;
	c->missed[log] = 0;
	ours = true;
	assert_int_equal(notify_subscribe(n, c->s, log, next, logs[log].head),
	    OK);
	ours = false;
}

static void
hang_up(struct conn *c)
{
	c->open = false;
	notify_closed(n, c->s);
}

static void
publish(uint32_t log)
{
	logs[log].head++;
	notify_publish(n, frame_of(log, logs[log].head));
}

static void
suspend(struct conn *c)
{
	struct request rq = { .conn = c->ref };

	notify_suspended(n, &rq);
}

static void
drain(struct conn *c, uint64_t room)
{
	struct gateway_missed missed[LOGS];
	struct request rq = { .conn = c->ref, .missed = missed };

	assert_true(c->stopped);
	c->suspended = c->stopped = false;
	c->room = room;
	for (uint32_t log = 1; log <= LOGS; log++) {
		if (c->missed[log] != 0)
			missed[rq.nmissed++] =
			    (struct gateway_missed){ log, c->missed[log] };
		c->missed[log] = 0;
	}
	notify_drained(n, &rq);
}

static void
tick(uint64_t ms)
{
	static struct mono now = { 1 };

	now = mono_add_ms(now, ms);
	notify_tick(n, now);
}

static int
setup(void **state)
{
	struct notify_source source = { NULL, fetch };

	(void)state;
	shorthash_start();
	logger_set_level(LOG_L_ALERT);
	memset(&gateway, 0, sizeof(gateway));
	memset(conns, 0, sizeof(conns));
	memset(logs, 0, sizeof(logs));
	for (uint32_t log = 1; log <= LOGS; log++)
		logs[log].first = 1;
	nfetches = fetched = 0;
	later = false;
	broken = OK;
	fail_in = 0;
	n = notify_new(&gateway, &source);
	return n == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	fail_in = 0;
	notify_free(n);
	return 0;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* ---- cases --------------------------------------------------------------- */

static void
a_frame_goes_to_those_who_follow(void **state)
{
	struct conn *a = connect_on(0), *b = connect_on(1), *c = connect_on(0);

	(void)state;
	follow(a, 1, 1);
	follow(b, 1, 1);
	follow(c, 2, 1);
	publish(1);
	publish(1);
	publish(3);
	flush();
	assert_int_equal(a->pos[1], 2);
	assert_int_equal(b->pos[1], 2);
	assert_int_equal(c->frames, 0);
	assert_int_equal(fetched, 0);
	notify_unsubscribe(n, a->s, 1);
	notify_unsubscribe(n, a->s, 1);
	publish(1);
	flush();
	assert_int_equal(a->pos[1], 2);
	assert_int_equal(b->pos[1], 3);
	assert_int_equal(notify_followers(n, 1), 1);
}

static void
who_is_behind_is_fed_and_then_live(void **state)
{
	struct conn *a;

	(void)state;
	logs[1].head = 200;
	a = connect_on(0);
	follow(a, 1, 51);
	publish(1);
	assert_int_equal(a->pos[1], 50);
	flush();
	assert_int_equal(a->pos[1], 201);
	publish(1);
	flush();
	assert_int_equal(a->pos[1], 202);
	assert_int_equal(fetched, 3); /* 64 a range */
}

static void
what_is_gone_is_told(void **state)
{
	struct conn *a, *b;

	(void)state;
	logs[1].head = 100;
	logs[1].first = 90;
	logs[2].head = 10;
	logs[2].first = 11;
	a = connect_on(0);
	follow(a, 1, 1);
	follow(a, 2, 1);
	b = connect_on(0);
	follow(b, 1, 101);
	flush();
	assert_int_equal(a->pos[1], 100);
	assert_int_equal(a->frames, 11);
	assert_int_equal(a->pos[2], 10);
	publish(2);
	flush();
	assert_int_equal(a->pos[2], 11);
	assert_int_equal(b->frames, 0);
}

static void
an_answer_that_came_too_late_is_dropped(void **state)
{
	struct conn *a;

	(void)state;
	logs[1].head = 10;
	later = true;
	a = connect_on(0);
	follow(a, 1, 1);
	flush();
	assert_int_equal(nfetches, 1);
	notify_unsubscribe(n, a->s, 1);
	logs[1].head = 20;
	follow(a, 1, 15);
	flush();
	answer_all();
	flush();
	answer_all();
	flush();
	assert_int_equal(a->pos[1], 20);
	/* Its connection is gone, and another one has the slot. */
	logs[1].head = 30;
	notify_unsubscribe(n, a->s, 1);
	follow(a, 1, 1);
	flush();
	hang_up(a);
	a = connect_on(0);
	answer_all();
	flush();
	assert_int_equal(a->frames, 0);
}

static void
a_slow_reader_stops_and_goes_on(void **state)
{
	struct conn *a = connect_on(0);

	(void)state;
	follow(a, 1, 1);
	follow(a, 2, 1);
	a->room = 2;
	for (int i = 0; i < 5; i++) {
		publish(1);
		publish(2);
	}
	flush();
	assert_true(a->suspended);
	assert_false(a->stopped);
	publish(1);
	suspend(a);
	publish(2); /* not for a */
	flush();
	assert_true(a->stopped);
	assert_int_equal(a->frames, 2);
	suspend(a);
	publish(1);
	flush();
	drain(a, UINT64_MAX);
	flush();
	assert_int_equal(a->pos[1], 7);
	assert_int_equal(a->pos[2], 6);
}

/* What was missed before leaving a log is not fed after coming back. */
static void
coming_back_is_a_new_beginning(void **state)
{
	struct conn *a = connect_on(0);

	(void)state;
	follow(a, 1, 1);
	a->room = 1;
	for (int i = 0; i < 10; i++)
		publish(1);
	flush();
	suspend(a);
	flush();
	notify_unsubscribe(n, a->s, 1);
	for (int i = 0; i < 10; i++)
		publish(1);
	a->pos[1] = 20;
	assert_int_equal(notify_subscribe(n, a->s, 1, 21, 20), OK);
	publish(1);
	drain(a, UINT64_MAX);
	flush();
	assert_int_equal(a->pos[1], 21);
	assert_int_equal(a->frames, 2);
}

/* The answer comes while the reader is suspended: it is asked anew. */
static void
a_range_for_a_suspended_reader_is_not_lost(void **state)
{
	struct conn *a;

	(void)state;
	logs[1].head = 100;
	later = true;
	a = connect_on(0);
	a->room = 0;
	follow(a, 1, 1);
	follow(a, 2, 1);
	publish(2);
	flush();
	suspend(a);
	answer_all();
	flush();
	assert_int_equal(a->frames, 0);
	drain(a, UINT64_MAX);
	for (int i = 0; i < 5; i++) {
		flush();
		answer_all();
	}
	flush();
	assert_int_equal(a->pos[1], 100);
	assert_int_equal(a->pos[2], 1);
}

static void
a_congested_worker_waits_and_others_do_not(void **state)
{
	struct conn *a = connect_on(0), *b = connect_on(1);

	(void)state;
	follow(a, 1, 1);
	follow(b, 1, 1);
	gateway.congested[0] = true;
	publish(1);
	flush();
	for (int i = 0; i < 10; i++) {
		publish(1);
		flush();
	}
	assert_int_equal(a->pos[1], 1);
	assert_int_equal(b->pos[1], 11);
	assert_int_equal(fetched, 0);
	gateway.congested[0] = false;
	flush();
	flush();
	assert_int_equal(a->pos[1], 11);
}

static void
a_source_that_fails_is_asked_again_later(void **state)
{
	struct conn *a;
	size_t asked;

	(void)state;
	logs[1].head = 10;
	a = connect_on(0);
	broken = ERR_BUSY;
	follow(a, 1, 1);
	flush();
	flush();
	publish(1);
	flush();
	assert_int_equal(fetched, 1);
	tick(2000);
	flush();
	assert_int_equal(fetched, 2);
	asked = fetched;
	tick(500);
	flush();
	assert_int_equal(fetched, asked);
	broken = OK;
	tick(600);
	flush();
	assert_int_equal(a->pos[1], 11);
}

/* A source with nothing to say, and a head that is ahead of it. */
static void
an_empty_answer_does_not_spin(void **state)
{
	struct conn *a = connect_on(0);
	struct fetch q;

	(void)state;
	logs[1].head = 5;
	later = true;
	follow(a, 1, 1);
	flush();
	assert_int_equal(nfetches, 1);
	q = fetches[0];
	nfetches = 0;
	notify_fed(n, &q.conn, 1, 0, NULL, 0, 5, OK);
	flush();
	assert_int_equal(nfetches, 0);
	later = false;
	tick(2000);
	flush();
	assert_int_equal(a->pos[1], 5);
}

static void
ranges_are_asked_for_so_many_at_once(void **state)
{
	struct conn *a = connect_on(0);
	struct notify_stats st;

	(void)state;
	later = true;
	for (uint32_t log = 100; log < 100 + NOTIFY_FETCHES + 50; log++)
		assert_int_equal(notify_subscribe(n, a->s, log, 1, 1), OK);
	flush();
	assert_int_equal(nfetches, NOTIFY_FETCHES);
	for (size_t i = 0; i < NOTIFY_FETCHES; i++)
		notify_fed(n, &fetches[i].conn, fetches[i].log, 0, NULL, 0, 0,
		    OK);
	nfetches = 0;
	flush();
	assert_int_equal(nfetches, 50);
	hang_up(a);
	for (size_t i = 0; i < 50; i++)
		notify_fed(n, &fetches[i].conn, fetches[i].log, 0, NULL, 0, 0,
		    OK);
	notify_stats(n, &st);
	assert_int_equal(st.fetching, 0);
	assert_int_equal(st.subs, 0);
}

static void
one_who_is_far_behind_does_not_hold_up_the_turn(void **state)
{
	struct conn *a, *b;

	(void)state;
	logs[1].head = 3000;
	logs[1].width = 20000;
	logs[2].head = 5;
	a = connect_on(0);
	b = connect_on(0);
	follow(a, 1, 1);
	follow(b, 2, 1);
	assert_true(notify_flush(n));
	assert_true(a->pos[1] < 400);
	assert_int_equal(b->pos[2], 5);
	flush();
	assert_int_equal(a->pos[1], 3000);
}

static void
too_many_logs_are_refused(void **state)
{
	struct conn *a = connect_on(0);

	(void)state;
	for (uint32_t log = 1; log <= SESSION_LOGS_MAX; log++)
		assert_int_equal(notify_subscribe(n, a->s, log, 1, 0), OK);
	assert_int_equal(notify_subscribe(n, a->s, 99999, 1, 0), ERR_TOO_MANY);
	assert_int_equal(notify_subscribe(n, a->s, 7, 1, 0), OK);
}

static void
texts_go_to_one_and_are_not_for_strangers(void **state)
{
	struct conn *a = connect_on(2);
	struct conn_ref gone = a->ref;

	(void)state;
	notify_text(n, &a->ref, STR("G 1 1 1"), DELIVER_CLOSE);
	flush();
	assert_true(a->closed);
	gone.gen += 7;
	assert_null(notify_find(n, &gone));
	gone.slot = 100000;
	assert_null(notify_find(n, &gone));
	notify_text(n, &gone, STR("x"), 0);
	flush();
}

/* ---- without memory ------------------------------------------------------ */

static void
a_frame_without_memory_comes_later(void **state)
{
	struct conn *a = connect_on(0), *b = connect_on(1);

	(void)state;
	follow(a, 1, 1);
	follow(b, 1, 1);
	fail_in = 1;
	publish(1);
	publish(1);
	flush();
	tick(5000);
	flush();
	assert_int_equal(a->pos[1], 2);
	assert_int_equal(b->pos[1], 2);
	/* Nor a frame to be published at all. */
	logs[1].head++;
	notify_missed(n, 1, logs[1].head);
	notify_missed(n, 5, 1);
	tick(5000);
	flush();
	assert_int_equal(a->pos[1], 3);
	/* Nor the word that it was suspended. */
	a->room = 0;
	publish(1);
	flush();
	fail_in = 1;
	suspend(a);
	flush();
	assert_false(a->stopped);
	tick(5000);
	flush();
	drain(a, UINT64_MAX);
	flush();
	assert_int_equal(a->pos[1], 4);
}

/* ---- by chance ----------------------------------------------------------- */

static void
random_step(struct prng *r, bool memory)
{
	struct conn *c = &conns[prng_below(r, CONNS)];
	uint32_t log = 1 + (uint32_t)prng_below(r, LOGS);

	if (memory && prng_below(r, 20) == 0)
		fail_in = 1 + prng_below(r, 10);
	switch (prng_below(r, 12)) {
	case 0:
		if (!c->open)
			(void)connect_on((unsigned)prng_below(r, WORKERS));
		break;
	case 1:
		if (c->open && prng_below(r, 10) == 0)
			hang_up(c);
		break;
	case 2:
	case 3:
		if (!c->open)
			break;
		(void)notify_flush(n); /* nothing of before is on its way */
		if (!c->follows[log]) {
			follow(c, log, 1 + prng_below(r, logs[log].head + 1));
		} else if (prng_below(r, 4) == 0) {
			notify_unsubscribe(n, c->s, log);
			c->follows[log] = false;
		}
		break;
	case 4:
		if (c->open && c->room == UINT64_MAX)
			c->room = prng_below(r, 20);
		break;
	case 5:
		gateway.congested[prng_below(r, WORKERS)] ^= true;
		break;
	case 6:
		later = prng_below(r, 2) == 0;
		broken = prng_below(r, 4) == 0 ? ERR_BUSY : OK;
		break;
	case 7:
		if (logs[log].first < logs[log].head)
			logs[log].first++;
		break;
	case 8:
		answer_all();
		break;
	default:
		publish(log);
		break;
	}
}

/* What the gateway tells of slow readers. */
static void
slow_readers(struct prng *r)
{
	for (unsigned i = 0; i < CONNS; i++) {
		struct conn *c = &conns[i];

		if (c->open && c->suspended && !c->stopped)
			suspend(c);
		else if (c->open && c->stopped)
			drain(c, prng_below(r, 2) == 0 ? UINT64_MAX
						       : prng_below(r, 50));
	}
}

/* Everything is let go: all have all. */
static void
settle(struct prng *r)
{
	fail_in = 0;
	later = false;
	broken = OK;
	memset(gateway.congested, 0, sizeof(gateway.congested));
	for (int i = 0; i < 60; i++) {
		flush();
		answer_all();
		slow_readers(r);
		tick(2000);
	}
	for (unsigned i = 0; i < CONNS; i++)
		for (uint32_t log = 1; log <= LOGS; log++)
			if (conns[i].open && conns[i].follows[log])
				assert_int_equal(conns[i].pos[log],
				    logs[log].head);
}

static void
run_random(uint64_t seed, bool memory)
{
	struct prng r;

	prng_seed(&r, seed);
	for (uint32_t log = 1; log <= LOGS; log++)
		logs[log].head = 1 + prng_below(&r, 300);
	for (int step = 0; step < 6000; step++) {
		random_step(&r, memory);
		if (prng_below(&r, 3) == 0)
			(void)notify_flush(n);
		if (prng_below(&r, 10) == 0)
			slow_readers(&r);
		if (prng_below(&r, 50) == 0)
			tick(1500);
		if (step % 1500 == 1499)
			settle(&r);
	}
}

static void
random_work_leaves_no_holes(void **state)
{
	(void)state;
	print_message("seed 20261124\n");
	run_random(20261124, false);
}

static void
nor_without_memory(void **state)
{
	(void)state;
	run_random(7, true);
}

/* A name or pattern picks cases. */
int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(a_frame_goes_to_those_who_follow),
		CASE(who_is_behind_is_fed_and_then_live),
		CASE(what_is_gone_is_told),
		CASE(an_answer_that_came_too_late_is_dropped),
		CASE(a_slow_reader_stops_and_goes_on),
		CASE(coming_back_is_a_new_beginning),
		CASE(a_range_for_a_suspended_reader_is_not_lost),
		CASE(a_congested_worker_waits_and_others_do_not),
		CASE(a_source_that_fails_is_asked_again_later),
		CASE(an_empty_answer_does_not_spin),
		CASE(ranges_are_asked_for_so_many_at_once),
		CASE(one_who_is_far_behind_does_not_hold_up_the_turn),
		CASE(too_many_logs_are_refused),
		CASE(texts_go_to_one_and_are_not_for_strangers),
		CASE(a_frame_without_memory_comes_later),
		CASE(random_work_leaves_no_holes),
		CASE(nor_without_memory),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
