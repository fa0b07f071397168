#include "node/notify/notify.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/logger.h"
#include "node/table.h"

#define WORKERS_MAX 64

/*
 * A session follows a log.  In order: frames are pushed as they are published.
 * Else it is behind, and queued (to be fetched), or fetching, or neither: the
 * source has failed.
 */
struct sub {
	struct session *session;
	struct sub *next; /* of the session */
	uint32_t log;
	uint32_t at;    /* in the log's array */
	uint64_t pos;   /* next position to push */
	uint64_t start; /* the first: nothing before it is for the session */
	bool behind, queued, fetching;
	struct sub *queue_next, *queue_prev;
};

struct follow {
	uint32_t log;
	uint32_t n, cap;
	struct sub **subs;
	UT_hash_handle hh;
};

struct notify {
	struct gateway *gateway;
	struct notify_source source;
	unsigned nworkers;
	struct worker_view {
		struct session **slots;
		uint32_t nslots;
		struct delivery *delivery;
		bool congested;
		struct session_list {
			struct session *head, *tail;
		} pump; /* sessions with something queued */
	} workers[WORKERS_MAX];
	unsigned turn_worker; /* whose turn it is to be fed */
	struct follow *follows;
	struct session_list retry; /* with something failed */
	struct mono retry_since;
	size_t turn_bytes; /* fed in this turn */
	struct notify_stats stats;
};

struct notify *
notify_new(struct gateway *g, const struct notify_source *src)
{
	struct notify *n;

	if ((n = calloc(1, sizeof(*n))) == NULL)
		return NULL;
	n->gateway = g;
	n->source = *src;
	n->nworkers = gateway_workers(g);
	assert(n->nworkers <= WORKERS_MAX);
	return n;
}

/* ---- sessions ------------------------------------------------------------ */

struct session *
notify_find(struct notify *n, const struct conn_ref *conn)
{
	struct worker_view *w;
	struct session *s;

	assert(conn->worker < n->nworkers);
	w = &n->workers[conn->worker];
	if (conn->slot >= w->nslots)
		return NULL;
	s = w->slots[conn->slot];
	return s != NULL && s->conn.gen == conn->gen ? s : NULL;
}

static bool
slots_grow(struct worker_view *w, uint32_t slot)
{
	uint32_t cap = w->nslots == 0 ? 64 : w->nslots;
	struct session **slots;

	while (cap <= slot)
		cap *= 2;
	if (cap == w->nslots)
		return true;
	if ((slots = reallocarray(w->slots, cap, sizeof(*slots))) == NULL)
		return false;
	memset(slots + w->nslots, 0,
	    (cap - w->nslots) * sizeof(struct session *));
	w->slots = slots;
	w->nslots = cap;
	return true;
}

struct session *
notify_session(struct notify *n, const struct request *rq)
{
	struct worker_view *w;
	struct session *s;

	if ((s = notify_find(n, &rq->conn)) != NULL)
		return s;
	w = &n->workers[rq->conn.worker];
	if (!slots_grow(w, rq->conn.slot) ||
	    (s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	/* The gateway says CLOSED before it gives a slot to another. */
	assert(w->slots[rq->conn.slot] == NULL);
	w->slots[rq->conn.slot] = s;
	s->conn = rq->conn;
	s->since = rq->accepted;
	memcpy(s->address, rq->address, sizeof(s->address));
	n->stats.sessions++;
	return s;
}

void
notify_each(struct notify *n, bool (*fn)(void *arg, struct session *s),
    void *arg)
{
	for (unsigned i = 0; i < n->nworkers; i++)
		for (uint32_t j = 0; j < n->workers[i].nslots; j++)
			if (n->workers[i].slots[j] != NULL &&
			    !fn(arg, n->workers[i].slots[j]))
				return;
}

/* The lists of sessions work alike; link_of tells which link is meant. */
static struct session_link *
link_of(struct notify *n, const struct session_list *l, struct session *s)
{
	return l == &n->retry ? &s->retry : &s->pump;
}

static struct session_list *
pump_of(struct notify *n, const struct session *s)
{
	return &n->workers[s->conn.worker].pump;
}

static void
list_add(struct notify *n, struct session_list *l, struct session *s)
{
	struct session_link *k = link_of(n, l, s);

	if (k->on)
		return;
	k->on = true;
	k->next = NULL;
	if ((k->prev = l->tail) != NULL)
		link_of(n, l, l->tail)->next = s;
	else
		l->head = s;
	l->tail = s;
}

static void
list_remove(struct notify *n, struct session_list *l, struct session *s)
{
	struct session_link *k = link_of(n, l, s);

	if (!k->on)
		return;
	k->on = false;
	if (k->prev != NULL)
		link_of(n, l, k->prev)->next = k->next;
	else
		l->head = k->next;
	if (k->next != NULL)
		link_of(n, l, k->next)->prev = k->prev;
	else
		l->tail = k->prev;
}

void
notify_closed(struct notify *n, struct session *s)
{
	notify_unsubscribe_all(n, s);
	list_remove(n, pump_of(n, s), s);
	list_remove(n, &n->retry, s);
	n->stats.sessions--;
	n->workers[s->conn.worker].slots[s->conn.slot] = NULL;
	free(s);
}

/* ---- frames out ---------------------------------------------------------- */

static struct deliver *
delivery_slot(struct notify *n, unsigned worker)
{
	struct worker_view *w = &n->workers[worker];
	struct delivery *d = w->delivery;

	if (d == NULL) {
		if ((d = calloc(1, sizeof(*d))) == NULL)
			return NULL;
		w->delivery = d;
	}
	if (d->n == d->cap) {
		size_t cap = d->cap == 0 ? 64 : d->cap * 2;
		struct deliver *v = reallocarray(d->v, cap, sizeof(*v));

		if (v == NULL)
			return NULL;
		d->v = v;
		d->cap = cap;
	}
	return &d->v[d->n++];
}

bool
notify_send(struct notify *n, const struct conn_ref *conn, struct frame *frame,
    uint32_t flags)
{
	struct deliver *d;

	if ((d = delivery_slot(n, conn->worker)) == NULL) {
		if (frame != NULL)
			frame_unref(frame);
		log_warning("notify", "no memory for a delivery");
		return false;
	}
	d->slot = conn->slot;
	d->gen = conn->gen;
	d->frame = frame;
	d->flags = flags;
	return true;
}

void
notify_text(struct notify *n, const struct conn_ref *conn, struct str text,
    uint32_t flags)
{
	struct frame *f = frame_new(text);

	if (f == NULL) {
		log_warning("notify", "no memory for an answer");
		flags |= DELIVER_CLOSE;
	}
	(void)notify_send(n, conn, f, flags);
}

/* ---- subscriptions ------------------------------------------------------- */

static struct follow *
follow_find(struct notify *n, uint32_t log)
{
	struct follow *f;

	HASH_FIND(hh, n->follows, &log, sizeof(log), f);
	return f;
}

static struct sub *
sub_find(struct session *s, uint32_t log)
{
	for (struct sub *sub = s->subs; sub != NULL; sub = sub->next)
		if (sub->log == log)
			return sub;
	return NULL;
}

static void
sub_queue(struct notify *n, struct sub *sub)
{
	struct session *s = sub->session;

	if (sub->queued || sub->fetching)
		return;
	sub->queued = true;
	sub->queue_next = NULL;
	if ((sub->queue_prev = s->behind_tail) != NULL)
		s->behind_tail->queue_next = sub;
	else
		s->behind = sub;
	s->behind_tail = sub;
	list_add(n, pump_of(n, s), s);
}

static void
sub_unqueue(struct sub *sub)
{
	struct session *s = sub->session;

	if (!sub->queued)
		return;
	sub->queued = false;
	if (sub->queue_prev != NULL)
		sub->queue_prev->queue_next = sub->queue_next;
	else
		s->behind = sub->queue_next;
	if (sub->queue_next != NULL)
		sub->queue_next->queue_prev = sub->queue_prev;
	else
		s->behind_tail = sub->queue_prev;
}

static void
sub_behind(struct notify *n, struct sub *sub)
{
	sub->behind = true;
	sub_queue(n, sub);
}

/* What it lacks cannot be had now. */
static void
sub_failed(struct notify *n, struct sub *sub)
{
	sub->behind = true;
	list_add(n, &n->retry, sub->session);
}

static struct follow *
follow_make(struct notify *n, uint32_t log)
{
	struct follow *f;

	if ((f = follow_find(n, log)) != NULL)
		return f;
	if ((f = calloc(1, sizeof(*f))) == NULL)
		return NULL;
	f->log = log;
	HASH_ADD(hh, n->follows, log, sizeof(f->log), f);
	if (table_failed(f, hh)) {
		free(f);
		return NULL;
	}
	return f;
}

static void
follow_drop_empty(struct notify *n, struct follow *f)
{
	if (f->n > 0)
		return;
	HASH_DELETE(hh, n->follows, f);
	free(f->subs);
	free(f);
}

enum err
notify_subscribe(struct notify *n, struct session *s, uint32_t log,
    uint64_t next, uint64_t head)
{
	struct follow *f;
	struct sub *sub;

	if (sub_find(s, log) != NULL)
		return OK;
	if (s->nsubs == SESSION_LOGS_MAX)
		return ERR_TOO_MANY;
	if ((sub = calloc(1, sizeof(*sub))) == NULL)
		return ERR_NOMEM;
	if ((f = follow_make(n, log)) == NULL) {
		free(sub);
		return ERR_NOMEM;
	}
	if (f->n == f->cap) {
		uint32_t cap = f->cap == 0 ? 1 : f->cap * 2;
		struct sub **subs = reallocarray(f->subs, cap, sizeof(*subs));

		if (subs == NULL) {
			free(sub);
			follow_drop_empty(n, f);
			return ERR_NOMEM;
		}
		f->subs = subs;
		f->cap = cap;
	}
	sub->session = s;
	sub->log = log;
	sub->pos = sub->start = next;
	sub->at = f->n;
	f->subs[f->n++] = sub;
	sub->next = s->subs;
	s->subs = sub;
	s->nsubs++;
	n->stats.subs++;
	if (next <= head)
		sub_behind(n, sub);
	return OK;
}

void
notify_unsubscribe(struct notify *n, struct session *s, uint32_t log)
{
	struct follow *f = follow_find(n, log);
	struct sub **at, *sub;

	for (at = &s->subs; *at != NULL && (*at)->log != log; at = &(*at)->next)
		;
	if ((sub = *at) == NULL)
		return;
	assert(f != NULL && f->subs[sub->at] == sub);
	sub_unqueue(sub);
	*at = sub->next;
	s->nsubs--;
	f->subs[sub->at] = f->subs[--f->n];
	f->subs[sub->at]->at = sub->at;
	free(sub);
	follow_drop_empty(n, f);
	n->stats.subs--;
}

void
notify_unsubscribe_all(struct notify *n, struct session *s)
{
	while (s->subs != NULL)
		notify_unsubscribe(n, s, s->subs->log);
}

uint32_t
notify_followers(struct notify *n, uint32_t log)
{
	struct follow *f = follow_find(n, log);

	return f != NULL ? f->n : 0;
}

/* ---- the feed ------------------------------------------------------------ */

static bool
session_paused(const struct notify *n, const struct session *s)
{
	return s->suspended || n->workers[s->conn.worker].congested;
}

void
notify_publish(struct notify *n, struct frame *frame)
{
	struct follow *f = follow_find(n, frame->log);
	unsigned taken = 0;

	n->stats.published++;
	if (f == NULL) {
		frame_unref(frame);
		return;
	}
	/* One for each follower and the caller's, given back below. */
	frame_ref_many(frame, f->n);
	for (uint32_t i = 0; i < f->n; i++) {
		struct sub *sub = f->subs[i];
		struct session *s = sub->session;

		if (sub->behind)
			continue;
		if (sub->pos != frame->seq || session_paused(n, s)) {
			if (sub->pos <= frame->seq)
				sub_behind(n, sub);
			continue;
		}
		taken++;
		if (!notify_send(n, &s->conn, frame, 0)) {
			sub_failed(n, sub);
			continue;
		}
		sub->pos++;
		s->pushed++;
		n->stats.deliveries++;
	}
	for (unsigned i = taken; i < f->n + 1; i++)
		frame_unref(frame);
}

void
notify_missed(struct notify *n, uint32_t log, uint64_t seq)
{
	struct follow *f = follow_find(n, log);

	for (uint32_t i = 0; f != NULL && i < f->n; i++)
		if (!f->subs[i]->behind && f->subs[i]->pos <= seq)
			sub_failed(n, f->subs[i]);
}

static void
item_drop(const struct notify_item *it)
{
	if (it->gap != NULL)
		frame_unref(it->gap);
	if (it->frame != NULL)
		frame_unref(it->frame);
}

/* False: no memory; nothing was lost, it is to be fetched again. */
static bool
item_send(struct notify *n, struct sub *sub, const struct notify_item *it)
{
	struct session *s = sub->session;

	if (it->gap != NULL && !notify_send(n, &s->conn, it->gap, 0)) {
		if (it->frame != NULL)
			frame_unref(it->frame);
		return false;
	}
	if (it->frame != NULL) {
		n->turn_bytes += it->frame->len;
		if (!notify_send(n, &s->conn, it->frame, 0))
			return false;
		s->pushed++;
		n->stats.deliveries++;
	}
	sub->pos = it->seq + 1;
	return true;
}

void
notify_fed(struct notify *n, const struct conn_ref *conn, uint32_t log,
    uint64_t after, const struct notify_item *items, size_t nitems,
    uint64_t head, enum err err)
{
	struct session *s = notify_find(n, conn);
	struct sub *sub = s != NULL ? sub_find(s, log) : NULL;
	bool failed = err != OK, wanted;
	size_t i = 0;

	assert(n->stats.fetching > 0);
	n->stats.fetching--;
	/* Rewound, left and come back, or suspended meanwhile: what is needed
	 * now is asked for anew. */
	wanted = sub != NULL && sub->pos == after + 1 && !session_paused(n, s);
	while (wanted && !failed && i < nitems)
		failed = !item_send(n, sub, &items[i++]);
	for (; i < nitems; i++)
		item_drop(&items[i]);
	if (sub == NULL)
		return;
	sub->fetching = false;
	sub->behind = sub->pos <= head;
	if (wanted && nitems == 0)
		failed = true; /* no reason to ask again at once */
	if (sub->behind && failed)
		sub_failed(n, sub);
	else if (sub->behind)
		sub_queue(n, sub);
}

/* Behind the last frame of the feed: from here on it may drain. */
static void
suspended_tell(struct notify *n, struct session *s)
{
	s->untold = !notify_send(n, &s->conn, NULL, DELIVER_SUSPENDED);
	if (s->untold)
		list_add(n, &n->retry, s);
}

void
notify_suspended(struct notify *n, const struct request *rq)
{
	struct session *s = notify_find(n, &rq->conn);

	if (s == NULL || s->suspended)
		return;
	s->suspended = true;
	n->stats.suspended++;
	suspended_tell(n, s);
}

void
notify_drained(struct notify *n, const struct request *rq)
{
	struct session *s = notify_find(n, &rq->conn);
	struct sub *sub;

	if (s == NULL)
		return;
	s->suspended = false;
	for (size_t i = 0; i < rq->nmissed; i++) {
		sub = sub_find(s, rq->missed[i].log);
		if (sub == NULL || sub->pos <= rq->missed[i].seq ||
		    sub->pos == sub->start)
			continue;
		sub->pos = rq->missed[i].seq > sub->start ? rq->missed[i].seq
							  : sub->start;
		sub_behind(n, sub);
	}
	if (s->behind != NULL)
		list_add(n, pump_of(n, s), s);
}

/* Asks for the next range that a session lacks. */
static void
session_pump(struct notify *n, struct session *s)
{
	struct sub *sub = s->behind;

	if (sub == NULL)
		return; /* it has unsubscribed */
	sub_unqueue(sub);
	sub->fetching = true;
	n->stats.fetched++;
	n->stats.fetching++;
	n->source.fetch(n->source.arg, s, sub->log, sub->pos - 1);
	/* Behind the others, as if there had been an answer. */
	if (s->behind != NULL)
		list_add(n, pump_of(n, s), s);
}

void
notify_tick(struct notify *n, struct mono now)
{
	struct session_list retry;
	struct session *s;

	if (mono_ms_between(n->retry_since, now) < NOTIFY_RETRY_MS)
		return;
	n->retry_since = now;
	retry = n->retry;
	n->retry = (struct session_list){ NULL, NULL };
	while ((s = retry.head) != NULL) {
		retry.head = s->retry.next;
		s->retry.on = false;
		if (s->untold)
			suspended_tell(n, s);
		for (struct sub *sub = s->subs; sub != NULL; sub = sub->next)
			if (sub->behind)
				sub_queue(n, sub);
	}
}

static void
workers_hand_over(struct notify *n)
{
	for (unsigned i = 0; i < n->nworkers; i++) {
		struct worker_view *w = &n->workers[i];
		struct delivery *d = w->delivery;

		if (d != NULL) {
			w->delivery = NULL;
			w->congested = !gateway_deliver(n->gateway, i, d);
		} else if (w->congested) {
			w->congested = gateway_backlog(n->gateway, i) > 0;
		}
	}
}

/* One range for one session of the worker; false: there is none to feed. */
static bool
worker_feed(struct notify *n, struct worker_view *w)
{
	struct session *s = w->pump.head;

	if (w->congested || s == NULL)
		return false;
	list_remove(n, &w->pump, s);
	if (!s->suspended) /* else DRAINED comes */
		session_pump(n, s);
	return true;
}

/*
 * Feeds who is behind, one range each by turns, until the turn's share is
 * used up, or as many ranges are on their way as may be.
 */
static bool
feed_turn(struct notify *n)
{
	unsigned idle = 0;

	n->turn_bytes = 0;
	while (idle < n->nworkers && n->turn_bytes < NOTIFY_TURN_BYTES &&
	       n->stats.fetching < NOTIFY_FETCHES) {
		n->turn_worker = (n->turn_worker + 1) % n->nworkers;
		if (worker_feed(n, &n->workers[n->turn_worker]))
			idle = 0;
		else
			idle++;
	}
	return n->turn_bytes >= NOTIFY_TURN_BYTES;
}

bool
notify_flush(struct notify *n)
{
	bool again = feed_turn(n);

	workers_hand_over(n);
	return again;
}

void
notify_stats(struct notify *n, struct notify_stats *out)
{
	*out = n->stats;
}

void
notify_free(struct notify *n)
{
	if (n == NULL)
		return;
	for (unsigned i = 0; i < n->nworkers; i++) {
		struct worker_view *w = &n->workers[i];

		for (uint32_t j = 0; j < w->nslots; j++)
			if (w->slots[j] != NULL)
				notify_closed(n, w->slots[j]);
		free(w->slots);
		if (w->delivery != NULL) {
			for (size_t j = 0; j < w->delivery->n; j++)
				if (w->delivery->v[j].frame != NULL)
					frame_unref(w->delivery->v[j].frame);
			free(w->delivery->v);
			free(w->delivery);
		}
	}
	free(n);
}
