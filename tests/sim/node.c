/*
 * The node, as node/message makes it out of proto's machines: numbers and
 * positions are given when an entry is submitted, and taken when the commit
 * has returned; a failed one is taken back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

#define PUT_EPOCH 99 /* value: four bytes, of all logs and shards */
#define HEADS_MS  1000

static struct epoch
epoch_of(uint32_t number)
{
	return (struct epoch){ number, { { 1 } } };
}

static bool
is_room(uint32_t target)
{
	return target >= ACCOUNTS;
}

/* Some may never be said, and some people are muted now and then. */
static bool
is_refused(const struct sim *s, const struct pending *p)
{
	uint64_t when = s->now_ns / MS(150) + s->seed;

	if (p->text % 13 == 5)
		return true;
	return !s->healed && (when * 0x9e3779b97f4a7c15u >> 32) % 8 ==
				 s->devices[p->device].account;
}

/* The log in which the author sees it. */
static uint32_t
author_log(const struct sim *s, uint32_t device, uint32_t target)
{
	return is_room(target) ? target : s->devices[device].account;
}

static bool
follows(const struct sim *s, uint32_t device, uint32_t log)
{
	return is_room(log) || s->devices[device].account == log;
}

/* ---- the reducer --------------------------------------------------------- */

static void
open_epoch(struct sim *s, uint32_t number)
{
	struct node *n = &s->node;
	struct epoch e = epoch_of(number);
	uint64_t cut;

	for (uint32_t i = 0; i < LOGS; i++) {
		struct head *h = &n->heads[i];

		n->fork[i][number] = h->durable.seq;
		if (head_open(h, &e, &h->durable, NULL, &cut) != OK)
			sim_fail(s, "epoch %u does not open", number);
	}
	for (uint32_t i = 0; i < SHARDS; i++) {
		struct head *h = &n->shards.head[i];

		if (head_open(h, &e, &h->durable, NULL, &cut) != OK)
			sim_fail(s, "epoch %u does not open", number);
	}
}

static void
apply_place(struct sim *s, struct entry *e, const struct place *p)
{
	struct node *n = &s->node;
	uint32_t log = p->conv - 1;
	enum err rc;

	rc = head_take(&n->heads[log], p->epoch, p->seq, &e->event->id);
	if (rc != OK || p->seq != n->history[log].n + 1)
		sim_fail(s, "log %u: position %llu of entry %llu: %s", log,
		    (unsigned long long)p->seq, (unsigned long long)e->index,
		    err_code(rc));
	history_add(&n->history[log], e);
}

static uint32_t
target_of(const struct sim *s, const struct event *ev)
{
	for (uint32_t i = 0; i < LOGS; i++) {
		struct id id = sim_log_id(s, i);

		if (id_eq(&id, &ev->h.target))
			return i;
	}
	return LOGS;
}

static void
apply(struct sim *s, struct entry *e)
{
	struct node *n = &s->node;
	struct stream *st;
	enum err rc;

	if (e->index != n->applied + 1)
		sim_fail(s, "entry %llu follows on %llu",
		    (unsigned long long)e->index,
		    (unsigned long long)n->applied);
	n->applied = e->index;
	for (uint32_t i = 0; i < e->nputs; i++)
		open_epoch(s, (uint8_t)e->puts[i].value.p[0]);
	for (uint32_t i = 0; i < e->nplaces; i++)
		apply_place(s, e, &e->places[i]);
	if ((rc = shards_take(&n->shards, e)) != OK)
		sim_fail(s, "shards of entry %llu: %s",
		    (unsigned long long)e->index, err_code(rc));
	if (e->event == NULL || (s->mutation == MUT_FORGET_MARKS && !n->up))
		return;
	st = &n->streams[e->event->h.device - 1][target_of(s, e->event)];
	sends_take(&st->sends, e->event->h.number, e->places[0].seq);
	if (st->given < sends_number(&st->sends))
		st->given = sends_number(&st->sends);
}

/* ---- start and end ------------------------------------------------------- */

void
node_forget(struct node *n)
{
	for (uint32_t i = 0; i < n->npending; i++)
		entry_unref(n->pending[i].entry);
	n->npending = 0;
	for (uint32_t i = 0; i < LOGS; i++)
		history_free(&n->history[i]);
	for (uint32_t d = 0; d < DEVICES; d++)
		for (uint32_t i = 0; i < LOGS; i++)
			sends_fini(&n->streams[d][i].sends);
}

void
node_crash(struct sim *s)
{
	struct node *n = &s->node;
	uint32_t life = n->life;

	node_forget(n);
	memset(n, 0, sizeof(*n));
	n->life = life + 1;
	n->first_conn = s->next_conn + 1;
	for (uint32_t i = 0; i < DEVICES; i++)
		if (s->devices[i].conn != 0)
			device_lost(s, i);
}

void
node_start(struct sim *s)
{
	sim_at(s, MS(1 + sim_below(s, 50)),
	    (struct occasion){ .type = AT_OPENED, .life = s->node.life });
}

static void
load_streams(struct sim *s, const struct store *st)
{
	for (uint32_t d = 0; d < DEVICES; d++) {
		for (uint32_t i = 0; i < LOGS; i++) {
			struct stream *to = &s->node.streams[d][i];

			if (s->mutation == MUT_FORGET_MARKS)
				continue;
			if (sends_load(&to->sends, st->streams[d][i].number,
				st->streams[d][i].seqs,
				st->streams[d][i].n) != OK)
				sim_fail(s, "a stream cannot be loaded");
			to->given = st->streams[d][i].number;
		}
	}
}

static void
load(struct sim *s)
{
	struct epoch first = epoch_of(1);
	const struct store *st = s->disk.store;
	struct node *n = &s->node;

	shards_init(&n->shards, &first);
	for (uint32_t i = 0; i < LOGS; i++)
		head_init(&n->heads[i], &first);
	if (st == NULL)
		return;
	n->applied = st->applied;
	memcpy(n->fork, st->fork, sizeof(n->fork));
	for (uint32_t i = 0; i < SHARDS; i++)
		if (shards_load(&n->shards, i, &st->shards[i]) != OK)
			sim_fail(s, "a shard cannot be loaded");
	for (uint32_t i = 0; i < LOGS; i++) {
		head_start(&n->heads[i], &st->heads[i]);
		for (uint64_t k = 0; k < st->history[i].n; k++)
			history_add(&n->history[i], st->history[i].at[k]);
	}
	load_streams(s, st);
}

static void
submit_epoch(struct sim *s)
{
	struct node *n = &s->node;
	char number = (char)(n->heads[0].epoch.number + 1);
	struct put put = { PUT_EPOCH, STR("epoch"), { &number, 1 } };
	struct pending *p = &n->pending[n->npending++];

	memset(p, 0, sizeof(*p));
	p->open_epoch = n->opening = true;
	if (entry_new(&p->entry,
		&(struct entry_draft){ .index = n->next_index++,
		    .puts = &put,
		    .nputs = 1 }) != OK)
		abort();
	disk_submit(s, p->entry, n->term);
}

void
node_opened(struct sim *s)
{
	struct node *n = &s->node;

	disk_open(s);
	load(s);
	disk_replay(s, apply);
	if (n->applied != s->disk.durable)
		sim_fail(s, "replayed %llu of %llu entries",
		    (unsigned long long)n->applied,
		    (unsigned long long)s->disk.durable);
	n->up = true;
	n->next_index = n->applied + 1;
	n->term = s->disk.term;
	sim_trace(s, "node: up at index %llu", (unsigned long long)n->applied);
	check_history(s);
	if (sim_below(s, 4) == 0 && n->heads[0].epoch.number + 1 < EPOCHS)
		submit_epoch(s);
	sim_at(s, MS(HEADS_MS),
	    (struct occasion){ .type = AT_TICK, .life = n->life });
}

/* ---- sending to devices -------------------------------------------------- */

static void
push(struct sim *s, uint32_t device, uint32_t log, struct entry *e)
{
	const struct place *p = entry_place(e, log);

	net_send(s, (struct packet){ .type = P_PUSH,
			.device = device,
			.conn = s->node.session[device],
			.log = log,
			.epoch = p->epoch,
			.from = p->seq,
			.entry = entry_ref(e) });
}

static void
push_all(struct sim *s, struct entry *e)
{
	for (uint32_t d = 0; d < DEVICES; d++)
		for (uint32_t log = 0; log < LOGS; log++)
			if (s->node.session[d] != 0 && follows(s, d, log) &&
			    entry_place(e, log) != NULL)
				push(s, d, log, e);
}

static void
send_heads(struct sim *s, uint32_t device)
{
	for (uint32_t log = 0; log < LOGS; log++) {
		const struct head *h = &s->node.heads[log];

		if (s->node.session[device] != 0 && follows(s, device, log))
			net_send(s, (struct packet){ .type = P_HEAD,
					.device = device,
					.conn = s->node.session[device],
					.log = log,
					.epoch = h->epoch.number,
					.mark = h->durable });
	}
}

static void
answer(struct sim *s, const struct pending *p, enum answer a,
    const struct place *place)
{
	struct packet r = { .type = P_ANSWER,
		.device = p->device,
		.conn = p->conn,
		.target = p->target,
		.window = p->window,
		.number = p->number,
		.text = p->text,
		.answer = a };

	if (s->node.session[p->device] != p->conn)
		return;
	if (place != NULL) {
		r.log = place->conv - 1;
		r.epoch = place->epoch;
		r.from = place->seq;
	}
	net_send(s, r);
}

/* ---- commits come back --------------------------------------------------- */

static void
take_back(struct sim *s, const struct pending *p)
{
	struct node *n = &s->node;
	struct stream *st = &n->streams[p->device][p->target];

	if (p->open_epoch)
		return;
	if (s->mutation != MUT_NO_ROLLBACK) {
		for (uint32_t i = 0; i < p->entry->nplaces; i++)
			head_rollback(&n->heads[p->entry->places[i].conv - 1]);
		shards_rollback(&n->shards, p->entry);
	}
	if (st->unknown < p->number)
		st->unknown = p->number;
	if (s->mutation != MUT_NO_UNDO)
		st->given = sends_number(&st->sends);
}

void
node_committed(struct sim *s, uint64_t index, bool ok)
{
	struct node *n = &s->node;
	struct pending p;

	if (n->npending == 0 || n->pending[0].entry->index != index)
		sim_fail(s, "the disk returns entry %llu, which is not due",
		    (unsigned long long)index);
	p = n->pending[0];
	memmove(&n->pending[0], &n->pending[1],
	    --n->npending * sizeof(n->pending[0]));
	s->reading = p.entry;
	if (p.open_epoch)
		n->opening = false;
	if (ok) {
		apply(s, p.entry);
		if (!p.open_epoch) {
			if (s->mutation != MUT_ACK_EARLY)
				answer(s, &p, A_OK, &p.entry->places[0]);
			if (s->mutation != MUT_PUSH_EARLY)
				push_all(s, p.entry);
		}
	} else {
		take_back(s, &p);
		if (!p.open_epoch && s->mutation != MUT_ACK_EARLY)
			answer(s, &p, A_LATER, NULL);
	}
	s->reading = NULL;
	entry_unref(p.entry);
}

void
node_failed(struct sim *s, uint32_t term, uint64_t next_index)
{
	s->node.term = term;
	s->node.next_index = next_index;
	s->node.degraded = true;
}

void
node_recovered(struct sim *s)
{
	struct node *n = &s->node;

	n->degraded = false;
	for (uint32_t d = 0; d < DEVICES; d++)
		for (uint32_t i = 0; i < LOGS; i++)
			n->streams[d][i].unknown = n->streams[d][i].direct = 0;
}

/* ---- sends --------------------------------------------------------------- */

static struct event *
make_event(struct sim *s, const struct pending *p, const uint8_t *salt)
{
	struct event_header h = { .kind = EVENT_MESSAGE,
		.author = s->account_ids[s->devices[p->device].account],
		.device = p->device + 1,
		.target = sim_log_id(s, p->target),
		.stream = p->target + 1,
		.number = p->number,
		.time_ms = 1700000000000 + s->now_ns / 1000000 };
	struct event_body b = { .nmentions = 0 };
	char text[64];
	struct event *ev;

	snprintf(text, sizeof(text), "%llu says device %u",
	    (unsigned long long)p->text, p->device);
	b.text = str_of(text);
	if (event_new(&ev, &h, &b, salt) != OK)
		abort();
	return ev;
}

/* Gives the event its positions and makes the entry. */
static struct entry *
make_entry(struct sim *s, const struct pending *p)
{
	struct node *n = &s->node;
	uint32_t logs[2] = { author_log(s, p->device, p->target), p->target };
	uint32_t nlogs = logs[0] == logs[1] ? 1 : 2;
	struct place places[2];
	struct shard_place shards[ENTRY_SHARDS];
	struct entry_draft d = { .index = n->next_index++,
		.places = places,
		.nplaces = nlogs,
		.shards = shards };
	struct id ids[2];
	uint8_t salt[EVENT_SALT_LEN];
	struct entry *e;

	for (unsigned i = 0; i < sizeof(salt); i++)
		salt[i] = (uint8_t)sim_below(s, 256);
	d.event = make_event(s, p, salt);
	for (uint32_t i = 0; i < nlogs; i++) {
		places[i] = (struct place){ .conv = logs[i] + 1 };
		ids[i] = sim_log_id(s, logs[i]);
		if (head_give(&n->heads[logs[i]], &d.event->id,
			&places[i].epoch, &places[i].seq) != OK)
			abort();
	}
	if (shards_give(&n->shards, ids, nlogs, &d.event->id, shards,
		&d.nshards) != OK ||
	    entry_new(&e, &d) != OK)
		abort();
	event_unref(d.event);
	return e;
}

static void
submit(struct sim *s, struct pending *p)
{
	struct node *n = &s->node;
	struct stream *st = &n->streams[p->device][p->target];

	if (is_refused(s, p)) {
		answer(s, p, A_REFUSED, NULL);
		return;
	}
	if (n->npending == QUEUE_LIMIT) {
		answer(s, p, A_LATER, NULL);
		return;
	}
	p->entry = make_entry(s, p);
	if (st->given < p->number)
		st->given = p->number;
	n->pending[n->npending++] = *p;
	if (s->mutation == MUT_ACK_EARLY)
		answer(s, p, A_OK, &p->entry->places[0]);
	if (s->mutation == MUT_PUSH_EARLY)
		push_all(s, p->entry);
	disk_submit(s, p->entry, n->term);
}

static uint32_t
push_direct(struct sim *s, const struct pending *p, uint32_t device)
{
	struct node *n = &s->node;
	static const uint8_t salt[EVENT_SALT_LEN];
	struct entry_draft d = { .index = 1, .event = make_event(s, p, salt) };
	struct packet push = { .type = P_DIRECT,
		.device = device,
		.conn = n->session[device],
		.target = p->target,
		.from = n->streams[p->device][p->target].given,
		.to = n->heads[p->target].durable.seq };

	if (entry_new(&push.entry, &d) != OK)
		abort();
	event_unref(d.event);
	net_send(s, push);
	return 1;
}

/*
 * What may be in a commit that failed is not refused: a crash can still bring
 * it back.  Behind one that is refused, the numbers begin anew.
 */
static void
refuse_directly(struct sim *s, const struct pending *p)
{
	struct stream *st = &s->node.streams[p->device][p->target];
	bool known = p->number > st->unknown || s->mutation == MUT_REFUSE_EARLY;

	st->direct = p->number - 1;
	answer(s, p, known ? A_REFUSED : A_LATER, NULL);
}

/* The queue is down: to whom is connected, in the order of the stream. */
static void
deliver_directly(struct sim *s, const struct pending *p)
{
	struct node *n = &s->node;
	struct stream *st = &n->streams[p->device][p->target];
	uint32_t from = s->devices[p->device].account, count = 0;

	if (st->direct < st->given)
		st->direct = st->given;
	/* Those submitted before the node knew have yet to come back. */
	if ((p->number > st->direct + 1 ||
		st->given > sends_number(&st->sends)) &&
	    s->mutation != MUT_DIRECT_AHEAD) {
		answer(s, p, A_ORDER, NULL);
		return;
	}
	if (is_refused(s, p)) {
		refuse_directly(s, p);
		return;
	}
	for (uint32_t i = 0; i < DEVICES && !is_room(p->target); i++)
		if (s->devices[i].account == p->target && p->target != from &&
		    n->session[i] != 0)
			count += push_direct(s, p, i);
	s->directs += count;
	st->direct = count > 0 ? p->number : p->number - 1;
	answer(s, p, count > 0 ? A_DIRECT : A_LATER, NULL);
}

/* It is on its way to the disk: the newest asker gets the answer. */
static void
overtake(struct sim *s, const struct pending *p)
{
	struct node *n = &s->node;

	for (uint32_t i = 0; i < n->npending; i++) {
		struct pending *q = &n->pending[i];

		if (q->open_epoch || q->device != p->device ||
		    q->target != p->target || q->number != p->number)
			continue;
		if (q->text != p->text) {
			answer(s, p, A_REUSED, NULL);
			return;
		}
		q->conn = p->conn;
		q->window = p->window;
		return;
	}
	answer(s, p, A_LATER, NULL);
}

/* It was taken before: the same answer again, if it says the same. */
static void
repeat(struct sim *s, const struct pending *p, uint64_t seq)
{
	uint32_t log = author_log(s, p->device, p->target);
	struct entry *first = s->node.history[log].at[seq - 1];
	struct event *again = make_event(s, p, first->event->salt);
	uint8_t a[EVENT_HASH_LEN], b[EVENT_HASH_LEN];

	event_body_digest(a, first->event);
	event_body_digest(b, again);
	event_unref(again);
	s->repeats++;
	if (memcmp(a, b, sizeof(a)) == 0)
		answer(s, p, A_OK, entry_place(first, log));
	else
		answer(s, p, A_REUSED, NULL);
}

static void
recv_send(struct sim *s, struct pending *p)
{
	struct node *n = &s->node;
	struct stream *st = &n->streams[p->device][p->target];
	uint64_t seq;

	/*
	 * The device may have given the numbers to others since: who has a
	 * newer connection repeats there what counts.
	 */
	if (p->conn < st->owner && s->mutation != MUT_OLD_CONNECTION)
		return;
	st->owner = p->conn;
	if (n->opening) {
		answer(s, p, A_LATER, NULL);
		return;
	}
	if (p->number > st->given && n->degraded) {
		deliver_directly(s, p);
		return;
	}
	if (p->number == st->given + 1 || s->mutation == MUT_NO_REPEATS ||
	    (s->mutation == MUT_FORGET_MARKS && st->given == 0)) {
		submit(s, p);
		return;
	}
	if (p->number <= st->given && p->number > sends_number(&st->sends)) {
		overtake(s, p);
		return;
	}
	switch (sends_check(&st->sends, p->number, &seq)) {
	case SENDS_DUPLICATE:
		repeat(s, p, seq);
		break;
	case SENDS_TOO_OLD:
		answer(s, p, A_TOO_OLD, NULL);
		break;
	case SENDS_NEXT:
	case SENDS_OUT_OF_ORDER:
		answer(s, p, A_ORDER, NULL);
		break;
	}
}

/* ---- asking -------------------------------------------------------------- */

static void
recv_ask(struct sim *s, const struct packet *p)
{
	struct node *n = &s->node;

	if (p->epoch != 0) {
		net_send(s, (struct packet){ .type = P_FORK,
				.device = p->device,
				.conn = p->conn,
				.log = p->log,
				.epoch = p->epoch,
				.from = n->fork[p->log][p->epoch] });
		return;
	}
	for (uint64_t q = p->from; q <= p->to && q <= n->history[p->log].n; q++)
		push(s, p->device, p->log, n->history[p->log].at[q - 1]);
}

void
node_recv(struct sim *s, const struct packet *p)
{
	if (p->type == P_HELLO) {
		net_send(s, (struct packet){ .type = P_WELCOME,
				.device = p->device,
				.conn = p->conn });
		send_heads(s, p->device);
	} else if (p->type == P_SEND) {
		recv_send(s, &(struct pending){ .device = p->device,
				 .conn = p->conn,
				 .target = p->target,
				 .window = p->window,
				 .number = p->number,
				 .text = p->text });
	} else {
		recv_ask(s, p);
	}
}

/* ---- ticks --------------------------------------------------------------- */

static void
store_streams(struct sim *s, struct store *st)
{
	for (uint32_t d = 0; d < DEVICES; d++) {
		for (uint32_t i = 0; i < LOGS; i++) {
			const struct sends *from = &s->node.streams[d][i].sends;

			st->streams[d][i].number = sends_number(from);
			st->streams[d][i].n =
			    sends_save(from, st->streams[d][i].seqs);
		}
	}
}

/* Everything as it is at the index applied; durable a little later. */
static void
store(struct sim *s)
{
	struct node *n = &s->node;
	struct store *st = calloc(1, sizeof(*st));

	if (st == NULL)
		abort();
	st->applied = n->applied;
	memcpy(st->fork, n->fork, sizeof(st->fork));
	for (uint32_t i = 0; i < SHARDS; i++)
		st->shards[i] = head_point(&n->shards.head[i]);
	for (uint32_t i = 0; i < LOGS; i++) {
		st->heads[i] = head_point(&n->heads[i]);
		for (uint64_t k = 0; k < n->history[i].n; k++)
			history_add(&st->history[i], n->history[i].at[k]);
	}
	store_streams(s, st);
	s->disk.staged = st;
	sim_at(s, MS(1 + sim_below(s, 300)),
	    (struct occasion){ .type = AT_STORED, .life = n->life });
}

void
node_stored(struct sim *s)
{
	store_free(s->disk.store);
	s->disk.store = s->disk.staged;
	s->disk.staged = NULL;
}

void
node_tick(struct sim *s)
{
	for (uint32_t d = 0; d < DEVICES; d++)
		send_heads(s, d);
	if (s->disk.staged == NULL && sim_below(s, 3) == 0)
		store(s);
	sim_at(s, MS(HEADS_MS),
	    (struct occasion){ .type = AT_TICK, .life = s->node.life });
}
