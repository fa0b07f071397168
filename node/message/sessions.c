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
	d->seen_ms = m->now_ms;
}

/* Where the feed of a log starts for this device. */
static uint64_t
feed_start(struct device *d, const struct log_state *log, uint64_t otherwise)
{
	struct cursor *c = device_cursor(d, log->local);

	return c != NULL ? c->seq + 1 : otherwise;
}

static enum err
feed_add(struct message *m, struct session *s, const struct log_state *log,
    uint64_t next)
{
	if (next > log->head.durable + 1)
		next = log->head.durable + 1;
	return notify_subscribe(m->parts.notify, s, log->local, next,
	    log->head.durable);
}

enum err
session_feed(struct message *m, struct session *s, const struct args *a)
{
	struct account *acc = s->account;
	enum err rc;

	s->states = a->states;
	s->presence = a->presence;
	s->limit = a->limit;
	if (s->live)
		return OK;
	s->live = true;
	rc = feed_add(m, s, &acc->log,
	    feed_start(s->device, &acc->log, acc->log.head.durable + 1));
	for (struct member *mem = acc->memberships; mem != NULL && rc == OK;
	     mem = mem->account_next) {
		if (mem->state != MEMBER_JOINED || mem->room->closed)
			continue;
		rc = feed_add(m, s, &mem->room->log,
		    feed_start(s->device, &mem->room->log, mem->joined_seq));
	}
	return rc;
}

void
session_gone(struct message *m, struct session *s)
{
	struct account *a = s->account;
	struct device *d = s->device;

	ephemeral_session_gone(m, s);
	direct_session_gone(m, s);
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
		d->seen_ms = m->now_ms;
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
	notify_text(m->parts.notify, &s->conn, (struct str){ b.p, b.n },
	    DELIVER_CLOSE);
	bytes_fini(&b);
	/* Nothing more is done on its behalf while it closes. */
	session_gone(m, s);
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

static enum err
put_device_cursors(struct message *m, struct put_list *l,
    const struct device *d)
{
	struct bytes value;
	enum err rc;

	bytes_init(&value, 1 << 20);
	rc = encode_cursors(d, &m->reg, &value);
	if (rc == OK)
		put_cursors(l, d, (struct str){ value.p, value.n });
	bytes_fini(&value);
	return rc;
}

/*
 * Journals what moved, at most once a second for each device.  When the queue
 * does not take it, the devices stay on the list.
 */
void
cursors_tick(struct message *m)
{
	struct device *d, *list = m->moved;
	struct pending *p;
	struct draft draft;
	enum err rc = OK;

	if (list == NULL || m->degraded ||
	    mono_ms_between(m->cursors_since, m->now) < CURSORS_MS)
		return;
	m->cursors_since = m->now;
	while (list != NULL && rc == OK) {
		draft_init(m, &draft);
		d = list;
		for (unsigned i = 0;
		     d != NULL && i < CURSORS_AN_ENTRY && rc == OK &&
		     draft.puts.memory.n < ENTRY_MAX / 2;
		     i++, d = d->moved_next)
			rc = put_device_cursors(m, &draft.puts, d);
		if (rc == OK && (p = pending_new(NULL, NULL)) == NULL)
			rc = ERR_NOMEM;
		else if (rc == OK)
			rc = submit(m, &draft, p);
		draft_fini(&draft);
		for (; rc == OK && list != d; list = list->moved_next)
			list->cursors_moved = false;
	}
	m->moved = list;
}
