#include "node/notify/notify.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/logger.h"
#include "node/table.h"

#define WORKERS_MAX 64

/* A session follows a log. */
struct sub {
	struct session *session;
	struct sub *next; /* of the session */
	uint32_t log;
	uint32_t at;  /* in the log's array */
	uint64_t pos; /* next position to push */
	bool behind, fetching;
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
	} workers[WORKERS_MAX];
	struct follow *follows;
	struct session *pump; /* sessions that may be behind */
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

void
notify_closed(struct notify *n, struct session *s)
{
	struct session **at;

	while (s->subs != NULL)
		notify_unsubscribe(n, s, s->subs->log);
	if (s->pumping) {
		for (at = &n->pump; *at != s; at = &(*at)->pump_next)
			;
		*at = s->pump_next;
	}
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

void
notify_send(struct notify *n, const struct conn_ref *conn, struct frame *frame,
    uint32_t flags)
{
	struct deliver *d;

	if ((d = delivery_slot(n, conn->worker)) == NULL) {
		if (frame != NULL)
			frame_unref(frame);
		log_warning("notify", "no memory for a delivery");
		return;
	}
	d->slot = conn->slot;
	d->gen = conn->gen;
	d->frame = frame;
	d->flags = flags;
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
	notify_send(n, conn, f, flags);
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
pump_later(struct notify *n, struct session *s)
{
	if (s->pumping)
		return;
	s->pumping = true;
	s->pump_next = n->pump;
	n->pump = s;
}

static void
sub_behind(struct notify *n, struct sub *sub)
{
	sub->behind = true;
	pump_later(n, sub->session);
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
	sub->pos = next;
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
	*at = sub->next;
	s->nsubs--;
	f->subs[sub->at] = f->subs[--f->n];
	f->subs[sub->at]->at = sub->at;
	free(sub);
	follow_drop_empty(n, f);
	n->stats.subs--;
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
		sub->pos++;
		s->pushed++;
		notify_send(n, &s->conn, frame, 0);
		taken++;
	}
	n->stats.deliveries += taken;
	for (unsigned i = taken; i < f->n + 1; i++)
		frame_unref(frame);
}

void
notify_fed(struct notify *n, const struct conn_ref *conn, uint32_t log,
    const struct notify_item *items, size_t nitems, uint64_t head,
    struct frame *gap, enum err err)
{
	struct session *s = notify_find(n, conn);
	struct sub *sub = s != NULL ? sub_find(s, log) : NULL;
	size_t i = 0;

	if (sub != NULL)
		sub->fetching = false;
	/* Rewound or suspended meanwhile: the next fetch starts right. */
	if (sub == NULL || err != OK || session_paused(n, s)) {
		if (gap != NULL)
			frame_unref(gap);
	} else {
		if (gap != NULL)
			notify_send(n, conn, gap, 0);
		for (; i < nitems; i++) {
			if (items[i].seq < sub->pos) {
				frame_unref(items[i].frame);
				continue;
			}
			sub->pos = items[i].seq + 1;
			s->pushed++;
			n->stats.deliveries++;
			notify_send(n, conn, items[i].frame, 0);
		}
		if (nitems == 0 && sub->pos <= head)
			sub->pos = head + 1; /* all expired */
	}
	for (; i < nitems; i++)
		frame_unref(items[i].frame);
	if (sub == NULL)
		return;
	sub->behind = sub->pos <= head;
	if (sub->behind)
		pump_later(n, s);
}

void
notify_suspended(struct notify *n, const struct request *rq)
{
	struct session *s = notify_find(n, &rq->conn);

	if (s == NULL || s->suspended)
		return;
	s->suspended = true;
	n->stats.suspended++;
	/* Behind the last frame of the feed: from here on it may drain. */
	notify_send(n, &s->conn, NULL, DELIVER_SUSPENDED);
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
		if (sub == NULL || sub->pos <= rq->missed[i].seq)
			continue;
		sub->pos = rq->missed[i].seq;
		sub_behind(n, sub);
	}
	pump_later(n, s);
}

/* Asks for what one session lacks. */
static void
session_pump(struct notify *n, struct session *s)
{
	struct sub *sub, *next;

	for (sub = s->subs; sub != NULL; sub = next) {
		next = sub->next;
		if (!sub->behind || sub->fetching)
			continue;
		sub->fetching = true;
		n->stats.fetched++;
		n->source.fetch(n->source.arg, s, sub->log, sub->pos - 1);
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

bool
notify_flush(struct notify *n)
{
	struct session *list = n->pump, *waiting = NULL, *s;
	bool again;

	n->pump = NULL;
	while ((s = list) != NULL) {
		list = s->pump_next;
		s->pumping = false;
		if (session_paused(n, s)) {
			/* DRAINED comes for the suspended; the others wait
			 * for their worker. */
			if (!s->suspended) {
				s->pump_next = waiting;
				waiting = s;
			}
			continue;
		}
		session_pump(n, s);
	}
	again = n->pump != NULL;
	while ((s = waiting) != NULL) {
		waiting = s->pump_next;
		pump_later(n, s);
	}
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
