/*
 * A device keeps what it writes until it is acknowledged, sends up to WINDOW
 * of it, and repeats it under the same numbers.  When one is refused, those
 * behind it move up and are sent again: a refused number is not used up.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

#define HOLD        16
#define RANGE       10
#define ACT_MS      200
#define PATIENCE_MS 10000 /* for an answer, on a connection */

static bool
follows(const struct device *d, uint32_t log)
{
	return log >= ACCOUNTS || d->account == log;
}

static void
act_soon(struct sim *s, uint32_t device, uint64_t ms)
{
	sim_at(s, MS(ms),
	    (struct occasion){ .type = AT_ACT, .device = device });
}

void
device_init(struct sim *s, uint32_t device)
{
	struct device *d = &s->devices[device];
	struct epoch first = { 1, { { 1 } } };

	d->account = device / 2;
	unplaced_init(&d->unplaced, LOGS * 50);
	for (uint32_t i = 0; i < LOGS; i++) {
		follower_init(&d->followers[i], 1, 0, HOLD, RANGE);
		head_init(&d->copies[i], &first);
		d->windows[i].base = 1;
	}
	sim_at(s, MS(sim_below(s, 1000)),
	    (struct occasion){ .type = AT_CONNECT, .device = device });
	act_soon(s, device, ACT_MS);
}

static void
forget_held(struct follower *f)
{
	void *item;

	while ((item = follower_dropped(f)) != NULL)
		entry_unref(item);
}

void
device_free(struct device *d)
{
	for (uint32_t i = 0; i < LOGS; i++) {
		struct follower *f = &d->followers[i];

		if (f->hold == 0)
			continue; /* never begun */
		follower_reset(f, 1, 0);
		forget_held(f);
		follower_fini(f);
		free(d->windows[i].queue);
	}
	unplaced_fini(&d->unplaced);
}

/* ---- windows ------------------------------------------------------------- */

static void
flush(struct sim *s, uint32_t device, uint32_t target)
{
	struct device *d = &s->devices[device];
	struct window *w = &d->windows[target];

	if (!d->welcome || s->now_ns < w->stalled_ns)
		return;
	for (; w->sent < w->n && w->sent < WINDOW; w->sent++) {
		if (w->queue[w->sent].acked)
			continue;
		if (w->waiting_ns == 0)
			w->waiting_ns = s->now_ns;
		net_send(s, (struct packet){ .type = P_SEND,
				.to_node = true,
				.device = device,
				.conn = d->conn,
				.target = target,
				.window = w->generation,
				.number = w->base + w->sent,
				.text = w->queue[w->sent].text });
	}
}

/* Everything not acknowledged is sent again, after a pause. */
static void
again(struct sim *s, struct window *w, uint64_t pause_ms)
{
	w->generation++;
	w->sent = 0;
	w->waiting_ns = 0;
	w->stalled_ns = s->now_ns + MS(pause_ms);
}

void
device_write(struct sim *s, uint32_t device)
{
	struct device *d = &s->devices[device];
	uint32_t burst = sim_below(s, 5) == 0 ? 20 : 1;
	uint32_t target = (uint32_t)sim_below(s, LOGS);
	struct window *w = &d->windows[target];

	for (; burst > 0 && s->next_text < s->texts; burst--) {
		w->queue =
		    sim_grow(w->queue, w->n, &w->cap, sizeof(w->queue[0]));
		w->queue[w->n++] = (struct outgoing){ ++s->next_text, false };
	}
	flush(s, device, target);
}

static void
remove_at(struct window *w, uint32_t i)
{
	w->n--;
	memmove(&w->queue[i], &w->queue[i + 1],
	    (w->n - i) * sizeof(w->queue[0]));
	if (w->sent > i)
		w->sent--;
}

static void
recv_ok(struct sim *s, struct window *w, uint32_t i, const struct packet *p)
{
	if (w->base + i != p->number)
		sim_fail(s, "text %llu is acknowledged as number %llu",
		    (unsigned long long)p->text, (unsigned long long)p->number);
	if (!w->queue[i].acked)
		check_ack(s, p);
	w->queue[i].acked = true;
	while (w->n > 0 && w->queue[0].acked) {
		remove_at(w, 0);
		w->base++;
	}
	w->waiting_ns = w->n > 0 && w->sent > 0 ? s->now_ns : 0;
}

static void
recv_answer(struct sim *s, const struct packet *p)
{
	static const char *const names[] = { "ok", "refused", "order", "later",
		"direct", "too old", "reused" };
	struct window *w = &s->devices[p->device].windows[p->target];
	uint32_t i;

	sim_trace(s, "device %u: text %llu to %u, number %llu: %s", p->device,
	    (unsigned long long)p->text, p->target,
	    (unsigned long long)p->number, names[p->answer]);
	for (i = 0; i < w->n && w->queue[i].text != p->text; i++)
		;
	if (i == w->n)
		return; /* had an answer before */
	if (p->answer == A_OK) {
		recv_ok(s, w, i, p);
	} else if (p->answer == A_TOO_OLD || p->answer == A_REUSED) {
		sim_fail(s, "text %llu, number %llu is answered %s",
		    (unsigned long long)p->text, (unsigned long long)p->number,
		    p->answer == A_REUSED ? "reused" : "too old");
	} else if (p->window == w->generation) {
		if (p->answer == A_REFUSED) {
			remove_at(w, i);
			again(s, w, 0);
		} else {
			again(s, w, 50 + sim_below(s, 1000));
		}
	}
	flush(s, p->device, p->target);
}

/* ---- following ----------------------------------------------------------- */

static void
ask(struct sim *s, uint32_t device, uint32_t log)
{
	struct device *d = &s->devices[device];
	struct follower_ask a;

	while (
	    follower_next(&d->followers[log], (struct mono){ s->now_ns }, &a))
		net_send(s, (struct packet){ .type = P_ASK,
				.to_node = true,
				.device = device,
				.conn = d->conn,
				.log = log,
				.epoch = a.epoch,
				.from = a.from,
				.to = a.to });
}

/* Takes the reference. */
static void
deliver(struct sim *s, uint32_t device, uint32_t log, struct entry *e)
{
	s->reading = e;
	check_delivered(s, device, log, e);
	s->reading = NULL;
	entry_unref(e);
}

static void
recv_push(struct sim *s, const struct packet *p)
{
	struct follower *f = &s->devices[p->device].followers[p->log];
	struct mono now = { s->now_ns };
	struct entry *e = entry_ref(p->entry);

	if (s->mutation == MUT_SKIP_GAPS && p->from > f->at)
		follower_skip(f, p->epoch, p->from - 1);
	switch (follower_recv(f, p->epoch, p->from, e, now)) {
	case FOLLOWER_TAKE:
		deliver(s, p->device, p->log, e);
		break;
	case FOLLOWER_HOLD:
		break;
	case FOLLOWER_DROP:
	case FOLLOWER_NO_ROOM:
		entry_unref(e);
		break;
	}
	while ((e = follower_ready(f)) != NULL)
		deliver(s, p->device, p->log, e);
	forget_held(f);
	if (f->n > HOLD)
		sim_fail(s, "a follower holds %u", f->n);
}

static void
recv_head(struct sim *s, const struct packet *p)
{
	struct device *d = &s->devices[p->device];
	struct point ours = head_point(&d->copies[p->log]);
	struct point theirs = { { p->epoch, ours.epoch.node }, p->mark };

	follower_head(&d->followers[p->log], p->epoch, p->mark.seq);
	if (head_compare(&ours, &theirs) == HEAD_DIVERGED)
		sim_fail(s, "device %u has another log %u", p->device, p->log);
}

static void
recv_fork(struct sim *s, const struct packet *p)
{
	struct follower *f = &s->devices[p->device].followers[p->log];
	struct entry *e;

	if (follower_open(f, p->epoch, p->from) != 0)
		sim_fail(s, "device %u had more than is durable", p->device);
	while ((e = follower_ready(f)) != NULL)
		deliver(s, p->device, p->log, e);
	forget_held(f);
}

/* ---- direct -------------------------------------------------------------- */

static void
recv_direct(struct sim *s, const struct packet *p)
{
	struct device *d = &s->devices[p->device];
	const struct event *ev = p->entry->event;
	uint64_t after = p->from;
	enum unplaced_verdict v;
	struct unplaced_mark m;

	/* First what is in the log. */
	if (d->followers[p->target].at < p->to) {
		unplaced_interrupted(&d->unplaced);
		return;
	}
	if (s->mutation == MUT_DIRECT_GAPS)
		after = ev->h.number - 1;
	sim_mark_of(&m, ev);
	if (s->mutation == MUT_BY_NUMBER)
		memset(m.content, 0, sizeof(m.content));
	v = unplaced_recv(&d->unplaced, &m, after);
	sim_trace(s, "device %u: directly text %llu, number %llu: %s",
	    p->device, (unsigned long long)sim_text_of(ev),
	    (unsigned long long)ev->h.number,
	    v == UNPLACED_SHOW    ? "shown"
	    : v == UNPLACED_EARLY ? "early"
				  : "had");
	if (v == UNPLACED_SHOW)
		check_shown(s, p->device, ev);
}

/* ---- connections --------------------------------------------------------- */

void
device_connect(struct sim *s, uint32_t device)
{
	struct device *d = &s->devices[device];

	if (d->conn != 0)
		return;
	if (!s->node.up) {
		sim_at(s, MS(100 + sim_below(s, 1000)),
		    (struct occasion){ .type = AT_CONNECT, .device = device });
		return;
	}
	d->conn = ++s->next_conn;
	d->arrive_ns[0] = d->arrive_ns[1] = 0;
	net_send(s, (struct packet){ .type = P_HELLO,
			.to_node = true,
			.device = device,
			.conn = d->conn });
}

void
device_lost(struct sim *s, uint32_t device)
{
	struct device *d = &s->devices[device];

	d->conn = 0;
	d->welcome = false;
	unplaced_interrupted(&d->unplaced);
	for (uint32_t i = 0; i < LOGS; i++) {
		struct follower *f = &d->followers[i];

		follower_lost(f);
		if (sim_below(s, 8) > 0)
			continue;
		/* The program was ended: only the position is kept. */
		follower_reset(f, d->copies[i].epoch.number,
		    d->copies[i].durable.seq);
		forget_held(f);
	}
	sim_at(s, MS(1 + sim_below(s, sim_below(s, 2) == 0 ? 10 : 1000)),
	    (struct occasion){ .type = AT_CONNECT, .device = device });
}

static void
recv_welcome(struct sim *s, uint32_t device)
{
	struct device *d = &s->devices[device];

	d->welcome = true;
	for (uint32_t i = 0; i < LOGS; i++) {
		if (follows(d, i))
			follower_connected(&d->followers[i]);
		again(s, &d->windows[i], 0);
		flush(s, device, i);
	}
}

void
device_recv(struct sim *s, const struct packet *p)
{
	switch (p->type) {
	case P_WELCOME:
		recv_welcome(s, p->device);
		break;
	case P_ANSWER:
		recv_answer(s, p);
		break;
	case P_PUSH:
		recv_push(s, p);
		ask(s, p->device, p->log);
		break;
	case P_HEAD:
		recv_head(s, p);
		ask(s, p->device, p->log);
		break;
	case P_FORK:
		recv_fork(s, p);
		ask(s, p->device, p->log);
		break;
	case P_DIRECT:
		recv_direct(s, p);
		break;
	case P_HELLO:
	case P_SEND:
	case P_ASK:
		break;
	}
}

void
device_act(struct sim *s, uint32_t device)
{
	struct device *d = &s->devices[device];
	bool impatient = false;

	for (uint32_t i = 0; i < LOGS && d->welcome; i++) {
		struct window *w = &d->windows[i];

		ask(s, device, i);
		flush(s, device, i);
		impatient |= w->waiting_ns != 0 &&
			     s->now_ns - w->waiting_ns > MS(PATIENCE_MS);
	}
	if (impatient) {
		for (uint32_t i = 0; i < LOGS; i++)
			d->windows[i].waiting_ns = 0;
		device_lost(s, device);
	}
	act_soon(s, device, ACT_MS);
}
