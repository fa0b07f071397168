/*
 * direct: when the queue cannot store, a direct message goes straight to the
 * recipient's connected devices (design, section 5).  The sender is answered
 * with the number of devices that confirmed it; its client keeps the message
 * and repeats it under the same number, and devices drop the repeat.
 *
 * Limits     DIRECTS_MAX under way, then queue-unavailable; each is answered
 *            within DIRECT_MS.
 */
#include <stdlib.h>
#include <string.h>

#include "node/message/handlers.h"

#define DIRECTS_MAX 10000
#define DIRECT_MS   2000

struct direct {
	struct direct *next;
	struct conn_ref conn; /* the sender's */
	uint64_t id;
	struct event_id event;
	struct mono deadline;
	uint32_t took;
	uint32_t nwaiting;
	struct conn_ref waiting[REGISTRY_DEVICES_MAX];
};

static struct frame *
direct_frame(struct message *m, const struct account *from,
    const struct account *peer, const struct event *ev)
{
	struct bytes b;
	struct frame *f;

	bytes_init(&b, 1 << 20);
	json_object(&b);
	json_cstr(&b, "push", "direct");
	format_unplaced(m, &b, ev, from, peer);
	json_object_end(&b);
	f = b.failed ? NULL : frame_new((struct str){ b.p, b.n });
	bytes_fini(&b);
	return f;
}

struct direct_args {
	struct direct *direct;
	struct frame *frame;
};

static void
direct_push(struct message *m, struct session *s, void *arg)
{
	struct direct_args *a = arg;
	struct direct *d = a->direct;

	if (!s->live || d->nwaiting == REGISTRY_DEVICES_MAX)
		return;
	d->waiting[d->nwaiting++] = s->conn;
	frame_ref_many(a->frame, 1);
	notify_send(m->parts.notify, &s->conn, a->frame, 0);
}

static void
direct_answer(struct message *m, struct direct *d)
{
	struct bytes b;

	if (d->took == 0) {
		answer_error(m, &d->conn, d->id, ERR_QUEUE_UNAVAILABLE, NULL);
		return;
	}
	m->stats.direct++;
	bytes_init(&b, 512);
	answer_begin(&b, d->id);
	json_u64(&b, "direct", d->took);
	format_event_id(&b, "event", &d->event);
	answer_end(m, &b, &d->conn, 0);
	bytes_fini(&b);
}

static unsigned
directs_count(const struct message *m)
{
	unsigned n = 0;

	for (const struct direct *d = m->directs; d != NULL; d = d->next)
		n++;
	return n;
}

enum err
direct_send(struct message *m, const struct conn_ref *conn, uint64_t id,
    const struct event *ev)
{
	struct account *from = registry_account(&m->reg, &ev->h.author);
	struct account *peer = registry_account(&m->reg, &ev->h.target);
	struct direct_args a;

	if (from == NULL || peer == NULL || ev->h.kind != EVENT_MESSAGE ||
	    peer->sessions == NULL || directs_count(m) >= DIRECTS_MAX)
		return ERR_QUEUE_UNAVAILABLE;
	a.direct = calloc(1, sizeof(*a.direct));
	a.frame = direct_frame(m, from, peer, ev);
	if (a.direct == NULL || a.frame == NULL) {
		free(a.direct);
		if (a.frame != NULL)
			frame_unref(a.frame);
		return ERR_NOMEM;
	}
	a.direct->conn = *conn;
	a.direct->id = id;
	a.direct->event = ev->id;
	a.direct->deadline = mono_add_ms(m->now, DIRECT_MS);
	sessions_of(m, peer, 0, direct_push, &a);
	frame_unref(a.frame);
	if (a.direct->nwaiting == 0) {
		free(a.direct);
		return ERR_QUEUE_UNAVAILABLE;
	}
	a.direct->next = m->directs;
	m->directs = a.direct;
	return OK;
}

static bool
same_conn(const struct conn_ref *a, const struct conn_ref *b)
{
	return a->worker == b->worker && a->slot == b->slot && a->gen == b->gen;
}

/* Is conn one of those waited for?  It is no more. */
static bool
direct_strike(struct direct *d, const struct conn_ref *conn)
{
	for (uint32_t i = 0; i < d->nwaiting; i++)
		if (same_conn(&d->waiting[i], conn)) {
			d->waiting[i] = d->waiting[--d->nwaiting];
			return true;
		}
	return false;
}

static void
directs_finish(struct message *m)
{
	struct direct **at = &m->directs, *d;

	while ((d = *at) != NULL) {
		if (d->nwaiting > 0 && mono_before(m->now, d->deadline)) {
			at = &d->next;
			continue;
		}
		*at = d->next;
		direct_answer(m, d);
		free(d);
	}
}

enum err
op_direct(struct message *m, struct call *c)
{
	struct event_id id;
	enum err rc;

	if ((rc = event_id_parse(&id, c->a->event)) != OK)
		return rc;
	for (struct direct *d = m->directs; d != NULL; d = d->next)
		if (event_id_eq(&d->event, &id) &&
		    direct_strike(d, &c->rq->conn)) {
			d->took++;
			directs_finish(m);
			return OK;
		}
	return ERR_NOTFOUND;
}

void
direct_tick(struct message *m)
{
	directs_finish(m);
}

void
direct_session_gone(struct message *m, const struct session *s)
{
	for (struct direct *d = m->directs; d != NULL; d = d->next)
		(void)direct_strike(d, &s->conn);
}

void
direct_free_all(struct message *m)
{
	struct direct *d;

	while ((d = m->directs) != NULL) {
		m->directs = d->next;
		free(d);
	}
}
