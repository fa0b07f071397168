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
	UT_hash_handle hh; /* by event; in the order of deadline */
	struct event_id event;
	struct conn_ref conn; /* the sender's */
	uint64_t id;
	struct mono deadline;
	uint32_t took; /* devices, not connections */
	uint32_t nwaiting;
	struct direct_wait {
		struct conn_ref conn;
		uint32_t device;
	} waiting[REGISTRY_DEVICES_MAX];
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

static bool
same_conn(const struct conn_ref *a, const struct conn_ref *b)
{
	return a->worker == b->worker && a->slot == b->slot && a->gen == b->gen;
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
	const struct device *dev = s->device;

	/* A note to oneself is for one's other devices. */
	if (!s->live || d->nwaiting == REGISTRY_DEVICES_MAX ||
	    same_conn(&s->conn, &d->conn))
		return;
	frame_ref_many(a->frame, 1);
	if (notify_send(m->parts.notify, &s->conn, a->frame, 0))
		d->waiting[d->nwaiting++] =
		    (struct direct_wait){ s->conn, dev->num };
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

static void
direct_drop(struct message *m, struct direct *d)
{
	HASH_DELETE(hh, m->directs, d);
	free(d);
}

static struct direct *
direct_new(struct message *m, const struct conn_ref *conn, uint64_t id,
    const struct event *ev)
{
	struct direct *d;

	if ((d = calloc(1, sizeof(*d))) == NULL)
		return NULL;
	d->event = ev->id;
	d->conn = *conn;
	d->id = id;
	d->deadline = mono_add_ms(m->now, DIRECT_MS);
	HASH_ADD(hh, m->directs, event, sizeof(d->event), d);
	if (!table_failed(d, hh))
		return d;
	free(d);
	return NULL;
}

enum err
direct_send(struct message *m, const struct conn_ref *conn, uint64_t id,
    const struct event *ev)
{
	struct account *from = registry_account(&m->reg, &ev->h.author);
	struct account *peer = registry_account(&m->reg, &ev->h.target);
	struct direct_args a;

	if (from == NULL || peer == NULL || ev->h.kind != EVENT_MESSAGE ||
	    peer->sessions == NULL || HASH_COUNT(m->directs) >= DIRECTS_MAX)
		return ERR_QUEUE_UNAVAILABLE;
	if ((a.frame = direct_frame(m, from, peer, ev)) == NULL)
		return ERR_NOMEM;
	if ((a.direct = direct_new(m, conn, id, ev)) == NULL) {
		frame_unref(a.frame);
		return ERR_NOMEM;
	}
	sessions_of(m, peer, 0, direct_push, &a);
	frame_unref(a.frame);
	if (a.direct->nwaiting > 0)
		return OK;
	direct_drop(m, a.direct);
	return ERR_QUEUE_UNAVAILABLE;
}

/* Is conn one of those waited for?  It is no more, nor are, when it has taken
 * the message, the other connections of its device. */
static bool
direct_strike(struct direct *d, const struct conn_ref *conn, bool taken)
{
	uint32_t n = 0, device = 0;
	bool found = false;

	for (uint32_t i = 0; i < d->nwaiting && !found; i++) {
		found = same_conn(&d->waiting[i].conn, conn);
		device = d->waiting[i].device;
	}
	if (!found)
		return false;
	for (uint32_t i = 0; i < d->nwaiting; i++)
		if (!same_conn(&d->waiting[i].conn, conn) &&
		    !(taken && d->waiting[i].device == device))
			d->waiting[n++] = d->waiting[i];
	d->nwaiting = n;
	return true;
}

static void
direct_finish(struct message *m, struct direct *d)
{
	direct_answer(m, d);
	direct_drop(m, d);
}

enum err
op_direct(struct message *m, struct call *c)
{
	struct event_id id;
	struct direct *d;
	enum err rc;

	if ((rc = event_id_parse(&id, c->a->event)) != OK)
		return rc;
	HASH_FIND(hh, m->directs, &id, sizeof(id), d);
	if (d == NULL || !direct_strike(d, &c->rq->conn, true))
		return ERR_NOTFOUND;
	d->took++;
	if (d->nwaiting == 0)
		direct_finish(m, d);
	return OK;
}

void
direct_tick(struct message *m)
{
	struct direct *d, *next;

	HASH_ITER(hh, m->directs, d, next)
	{
		if (mono_before(m->now, d->deadline))
			return;
		direct_finish(m, d);
	}
}

void
direct_session_gone(struct message *m, const struct session *s)
{
	struct direct *d, *next;

	HASH_ITER(hh, m->directs, d, next)
	if (direct_strike(d, &s->conn, false) && d->nwaiting == 0)
		direct_finish(m, d);
}

void
direct_free_all(struct message *m)
{
	struct direct *d, *next;

	HASH_ITER(hh, m->directs, d, next)
	direct_drop(m, d);
}
