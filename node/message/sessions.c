/*
 * sessions: which connections an account has, what their feeds start with,
 * and how far their devices have come.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/logger.h"
#include "node/message/service.h"

#define CURSORS_AN_ENTRY 128
#define CURSORS_BYTES    (ENTRY_MAX - 4096)

/* It goes with the cursors. */
static void
device_seen(struct message *m, struct device *d)
{
	d->seen_ms = m->now_ms;
	cursor_moved(m, d);
}

void
session_login(struct message *m, struct session *s, struct device *d)
{
	struct account *a = d->account;

	assert(s->account == NULL);
	s->account = a;
	s->device = d;
	s->peer_prev = NULL;
	if ((s->peer_next = a->sessions) != NULL)
		s->peer_next->peer_prev = s;
	a->sessions = s;
	device_seen(m, d);
}

/*
 * Subscribes from what the device has stored on, but not to what is below
 * `least'.  Without a cursor that is where it starts.
 */
static enum err
feed_add(struct message *m, struct session *s, struct log_state *log,
    uint64_t least, const struct args *a)
{
	struct cursor *c = device_cursor(s->device, log->local);
	uint64_t next = c != NULL && c->seq >= least ? c->seq + 1 : least;
	uint64_t head = log->head.durable, most = a->limit;
	struct frame *gap;

	if (next > head + 1 || next == 0)
		next = head + 1;
	if (args_has(a, K(limit)) && head + 1 - next > most) {
		gap = gap_frame(m, log, next, head - most);
		if (gap == NULL ||
		    !notify_send(m->parts.notify, &s->conn, gap, 0))
			return ERR_NOMEM;
		next = head - most + 1;
	}
	return notify_subscribe(m->parts.notify, s, log->local, next, head);
}

enum err
session_feed(struct message *m, struct session *s, const struct args *a)
{
	struct account *acc = s->account;
	enum err rc;

	s->states = a->states;
	s->presence = a->presence;
	if (s->live)
		return OK;
	s->live = true;
	/* Devices have a cursor of their mailbox from the beginning. */
	rc = feed_add(m, s, &acc->log, 1, a);
	for (struct member *mem = acc->memberships; mem != NULL && rc == OK;
	     mem = mem->account_next)
		if (mem->state == MEMBER_JOINED && !mem->room->closed)
			rc =
			    feed_add(m, s, &mem->room->log, mem->joined_seq, a);
	return rc;
}

void
session_gone(struct message *m, struct session *s)
{
	struct account *a = s->account;
	struct device *d = s->device;

	ephemeral_session_gone(m, s);
	direct_session_gone(m, s);
	notify_unsubscribe_all(m->parts.notify, s);
	if (a == NULL)
		return;
	if (s->peer_prev != NULL)
		s->peer_prev->peer_next = s->peer_next;
	else
		a->sessions = s->peer_next;
	if (s->peer_next != NULL)
		s->peer_next->peer_prev = s->peer_prev;
	s->account = NULL;
	s->device = NULL;
	if (d != NULL)
		device_seen(m, d);
}

void
session_end(struct message *m, struct session *s)
{
	s->closing = true;
	session_gone(m, s);
}

void
sessions_of(struct message *m, const struct account *a, uint32_t num,
    void (*fn)(struct message *m, struct session *s, void *arg), void *arg)
{
	struct session *s, *next;

	for (s = a->sessions; s != NULL; s = next) {
		next = s->peer_next;
		if (num == 0 || ((struct device *)s->device)->num == num)
			fn(m, s, arg);
	}
}

void
session_bye(struct message *m, struct session *s, enum err why)
{
	struct bytes b;

	bytes_init(&b, 512);
	json_object(&b);
	json_cstr(&b, "push", "bye");
	json_cstr(&b, "code", err_code(why));
	json_cstr(&b, "text", err_text(why));
	json_object_end(&b);
	push_text(m, &s->conn, &b, DELIVER_CLOSE);
	session_end(m, s);
}

struct tell_args {
	struct message *m;
	struct str text;
};

static bool
tell_one(void *arg, struct session *s)
{
	struct tell_args *t = arg;

	if (s->account != NULL)
		notify_text(t->m->parts.notify, &s->conn, t->text, 0);
	return true;
}

void
sessions_tell(struct message *m, struct str text)
{
	struct tell_args t = { m, text };

	notify_each(m->parts.notify, tell_one, &t);
}

/* ---- cursors ------------------------------------------------------------- */

void
cursor_moved(struct message *m, struct device *d)
{
	if (d->cursors_moved)
		return;
	d->cursors_moved = true;
	d->moved_next = m->moved;
	m->moved = d;
}

/* A device is going: it must not stay on the list. */
void
cursor_forget(struct message *m, struct device *d)
{
	struct device **at;

	if (!d->cursors_moved)
		return;
	for (at = &m->moved; *at != d; at = &(*at)->moved_next)
		;
	*at = d->moved_next;
	d->cursors_moved = false;
}

/* Into the list, if there is room for it beside what is there. */
static enum err
put_device_cursors(struct message *m, struct put_list *l,
    const struct device *d, bool *fits)
{
	struct bytes value;
	enum err rc;

	bytes_init(&value, 1 << 20);
	rc = encode_cursors(d, &m->reg, &value);
	*fits = l->n == 0 || l->memory.n + value.n + 1024 <= CURSORS_BYTES;
	if (rc == OK && *fits)
		put_cursors(l, d, (struct str){ value.p, value.n });
	bytes_fini(&value);
	return rc;
}

/* As many devices from d on as one entry holds; *next: the one after. */
static enum err
draft_cursors(struct message *m, struct draft *draft, struct device *d,
    struct device **next)
{
	bool fits = true;
	enum err rc = OK;

	for (unsigned i = 0; d != NULL && i < CURSORS_AN_ENTRY; i++) {
		rc = put_device_cursors(m, &draft->puts, d, &fits);
		if (rc != OK || !fits)
			break;
		d = d->moved_next;
	}
	*next = d;
	return rc;
}

/*
 * Journals what moved, at most once a second for each device.  When the queue
 * does not take it, the devices stay on the list.
 */
void
cursors_tick(struct message *m)
{
	struct device *next, *list = m->moved;
	struct pending *p;
	struct draft draft;
	enum err rc = OK;

	if (list == NULL || m->degraded ||
	    mono_ms_between(m->cursors_since, m->now) < CURSORS_MS)
		return;
	m->cursors_since = m->now;
	while (list != NULL && rc == OK) {
		draft_init(m, &draft);
		rc = draft_cursors(m, &draft, list, &next);
		if (rc == OK && (p = pending_new(NULL, NULL)) == NULL)
			rc = ERR_NOMEM;
		else if (rc == OK)
			rc = submit(m, &draft, p);
		draft_fini(&draft);
		for (; rc == OK && list != next; list = list->moved_next)
			list->cursors_moved = false;
	}
	m->moved = list;
}
