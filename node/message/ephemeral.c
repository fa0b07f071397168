/*
 * ephemeral: typing and presence: pushed to who asked for them, never
 * stored, rationed, and off unless an account turns them on.
 */
#include <stdlib.h>
#include <string.h>

#include "node/message/handlers.h"

#define WATCHES_MAX 256 /* of one session */

/* A session that wants to know the presence of an account. */
struct watch {
	struct session *session;
	struct account *account;
	struct watch *session_next;
	struct watch *account_next, *account_prev;
};

static const char *const statuses[] = { "offline", "online", "away", "busy" };

/* ---- typing -------------------------------------------------------------- */

static bool
typing_allowed(struct message *m, struct session *s)
{
	if (mono_ms_between(s->typing_since, m->now) >= 60000) {
		s->typing_since = m->now;
		s->typing = 0;
	}
	return s->typing++ < m->cfg.typing_per_minute;
}

/* One frame for all. */
struct push_args {
	struct frame *frame;
	const struct session *except;
};

static void
push_presence(struct message *m, struct session *s, void *arg)
{
	const struct push_args *p = arg;

	if (!s->presence || s == p->except)
		return;
	frame_ref_many(p->frame, 1);
	(void)notify_send(m->parts.notify, &s->conn, p->frame, 0);
}

/* Takes what b holds.  NULL: no memory. */
static struct frame *
frame_from(struct bytes *b)
{
	struct frame *f =
	    b->failed ? NULL : frame_new((struct str){ b->p, b->n });

	bytes_fini(b);
	return f;
}

/* To the devices of peer, or of all who are in the room. */
static void
push_typing(struct message *m, const struct account *peer,
    const struct room *room, const struct push_args *p)
{
	struct push_args args = *p;
	const struct member *mem = room != NULL ? room->members : NULL;

	if (room == NULL)
		sessions_of(m, peer, 0, push_presence, &args);
	for (; mem != NULL; mem = mem->room_next)
		if (mem->state == MEMBER_JOINED)
			sessions_of(m, mem->account, 0, push_presence, &args);
}

enum err
op_typing(struct message *m, struct call *c)
{
	struct push_args p = { .except = c->s };
	struct account *peer;
	struct room *room;
	struct member *mem;
	struct bytes b;
	enum err rc;

	if ((rc = find_target(m, c->a->to, &peer, &room)) != OK)
		return rc;
	if (room != NULL) {
		mem = registry_member(&m->reg, room, c->account);
		if (mem == NULL || mem->state != MEMBER_JOINED)
			return ERR_NOT_MEMBER;
		if (mem->muted_until_ms > m->now_ms)
			return ERR_MUTED;
	} else if (account_blocks(peer, &c->account->id)) {
		return ERR_BLOCKED;
	}
	if (!typing_allowed(m, c->s))
		return ERR_RATE;
	bytes_init(&b, 1024);
	json_object(&b);
	json_cstr(&b, "push", "typing");
	if (room != NULL)
		format_room(m, &b, "to", room);
	else
		format_account(m, &b, "to", peer);
	format_account(m, &b, "from", c->account);
	json_bool(&b, "on", c->a->on);
	json_object_end(&b);
	if ((p.frame = frame_from(&b)) == NULL)
		return ERR_NOMEM;
	push_typing(m, peer, room, &p);
	frame_unref(p.frame);
	answer_ok(m, &c->rq->conn, c->rq->rq.id, 0);
	return OK;
}

/* ---- presence ------------------------------------------------------------ */

static void
format_presence(struct message *m, struct bytes *b, const struct account *a)
{
	uint8_t shown = a->sessions != NULL ? a->presence : 0;

	json_object(b);
	json_cstr(b, "push", "presence");
	format_account(m, b, "account", a);
	json_cstr(b, "status", statuses[shown]);
	json_object_end(b);
}

static void
presence_tell(struct message *m, const struct account *a)
{
	struct frame *f;
	struct bytes b;

	if (a->watchers == NULL)
		return;
	bytes_init(&b, 1024);
	format_presence(m, &b, a);
	if ((f = frame_from(&b)) == NULL)
		return;
	for (struct watch *w = a->watchers; w != NULL; w = w->account_next) {
		frame_ref_many(f, 1);
		(void)notify_send(m->parts.notify, &w->session->conn, f, 0);
	}
	frame_unref(f);
}

enum err
op_presence(struct message *m, struct call *c)
{
	uint8_t status = 0;

	while (status < 4 && !str_eq(c->a->status, str_of(statuses[status])))
		status++;
	if (status == 4)
		return ERR_INVALID;
	if (!typing_allowed(m, c->s))
		return ERR_RATE;
	if (c->account->presence != status) {
		c->account->presence = status;
		presence_tell(m, c->account);
	}
	answer_ok(m, &c->rq->conn, c->rq->rq.id, 0);
	return OK;
}

static void
watch_free(struct watch *w)
{
	struct watch **at;

	if (w->account_prev != NULL)
		w->account_prev->account_next = w->account_next;
	else
		w->account->watchers = w->account_next;
	if (w->account_next != NULL)
		w->account_next->account_prev = w->account_prev;
	for (at = &w->session->watches; *at != w; at = &(*at)->session_next)
		;
	*at = w->session_next;
	free(w);
}

static struct watch *
watch_find(struct session *s, const struct account *a, unsigned *n)
{
	*n = 0;
	for (struct watch *w = s->watches; w != NULL;
	     w = w->session_next, (*n)++)
		if (w->account == a)
			return w;
	return NULL;
}

static enum err
watch_add(struct session *s, struct account *a)
{
	struct watch *w;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		return ERR_NOMEM;
	w->session = s;
	w->account = a;
	w->session_next = s->watches;
	s->watches = w;
	if ((w->account_next = a->watchers) != NULL)
		w->account_next->account_prev = w;
	a->watchers = w;
	return OK;
}

enum err
op_watch(struct message *m, struct call *c)
{
	struct account *a;
	struct watch *w;
	struct bytes b;
	unsigned n;
	enum err rc;

	if ((rc = find_account(m, c->a->account, &a)) != OK)
		return rc;
	w = watch_find(c->s, a, &n);
	if (c->a->remove && w != NULL)
		watch_free(w);
	if (!c->a->remove && w == NULL) {
		if (account_blocks(a, &c->account->id))
			return ERR_BLOCKED;
		if (n >= WATCHES_MAX)
			return ERR_TOO_MANY;
		if ((rc = watch_add(c->s, a)) != OK)
			return rc;
	}
	answer_ok(m, &c->rq->conn, c->rq->rq.id, 0);
	if (!c->a->remove) {
		bytes_init(&b, 1024);
		format_presence(m, &b, a);
		push_text(m, &c->s->conn, &b, 0);
	}
	return OK;
}

void
ephemeral_blocked(struct message *m, struct account *a)
{
	struct watch *w, *next;

	(void)m;
	for (w = a->watchers; w != NULL; w = next) {
		const struct account *watcher = w->session->account;

		next = w->account_next;
		if (watcher != NULL && account_blocks(a, &watcher->id))
			watch_free(w);
	}
}

/* The sessions are gone already. */
void
ephemeral_free_all(struct message *m)
{
	struct account *a, *next;
	struct watch *w;

	HASH_ITER(hh_id, m->reg.accounts_id, a, next)
	while ((w = a->watchers) != NULL) {
		a->watchers = w->account_next;
		free(w);
	}
}

void
ephemeral_session_gone(struct message *m, struct session *s)
{
	struct account *a = s->account;

	while (s->watches != NULL)
		watch_free(s->watches);
	/* The last one: the account shows as offline from here on. */
	if (a != NULL && a->sessions == s && s->peer_next == NULL &&
	    a->presence != 0) {
		a->presence = 0;
		presence_tell(m, a);
	}
}

enum err
op_ping(struct message *m, struct call *c)
{
	struct bytes b;

	bytes_init(&b, 256);
	answer_begin(&b, c->rq->rq.id);
	json_u64(&b, "time", m->now_ms);
	answer_end(m, &b, &c->rq->conn, 0);
	bytes_fini(&b);
	return OK;
}
