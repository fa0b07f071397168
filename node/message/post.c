/*
 * post: what people say: messages, edits, redactions, reactions.  All of
 * them are numbered in a send stream, proto/sends.h.
 */
#include <assert.h>
#include <string.h>

#include "crypto/random.h"
#include "node/message/handlers.h"

/* A post on its way through the checks. */
struct post {
	enum event_kind kind;
	struct account *peer; /* or */
	struct room *room;
	struct stream *stream; /* NULL: its first number */
	struct conv *conv;     /* the author's; NULL: they never talked */
	uint64_t key;          /* gate of the stream */
};

static enum event_kind
post_kind(enum op op)
{
	switch (op) {
	case OP_SEND:
		return EVENT_MESSAGE;
	case OP_EDIT:
		return EVENT_EDIT;
	case OP_REDACT:
		return EVENT_REDACT;
	default:
		assert(op == OP_REACT);
		return EVENT_REACT;
	}
}

static bool
is_muted(const struct message *m, const struct member *mem)
{
	return mem->muted_until_ms > m->now_ms;
}

static enum err
post_rights(struct message *m, const struct call *c, const struct post *p)
{
	struct member *mem;

	if (p->peer != NULL) {
		if (p->peer->state != ACCOUNT_ACTIVE)
			return ERR_NOTFOUND;
		return account_blocks(p->peer, &c->account->id) ? ERR_BLOCKED
								: OK;
	}
	if (p->room->closed)
		return ERR_NOTFOUND;
	mem = registry_member(&m->reg, p->room, c->account);
	if (mem != NULL && mem->state == MEMBER_BANNED)
		return ERR_BANNED;
	if (mem == NULL || mem->state != MEMBER_JOINED)
		return ERR_NOT_MEMBER;
	return is_muted(m, mem) ? ERR_MUTED : OK;
}

static enum err
post_text_ok(const struct args *a, enum op op)
{
	if ((op == OP_SEND || op == OP_EDIT) && a->text.n == 0)
		return ERR_INVALID;
	if (!text_valid(a->text) || !text_valid(a->reason))
		return ERR_INVALID;
	if (op == OP_REACT && !emoji_valid(a->emoji))
		return ERR_INVALID;
	return OK;
}

/* They are addresses, of any realm. */
static enum err
post_mentions_ok(struct message *m, const struct args *a)
{
	struct address address;
	enum err rc = OK;

	if (!args_has(a, K(mentions)))
		return OK;
	for (size_t i = 0; i < a->mentions.n && rc == OK; i++)
		rc = address_parse(&address, a->mentions.v[i], m->realm);
	return rc;
}

static enum err post_draft(struct message *m, struct draft *d,
    const struct call *c, const struct post *p);

/* ---- repeats ------------------------------------------------------------- */

static void
answer_first(struct message *m, const struct call *c,
    const struct cache_item *it)
{
	struct bytes b;

	bytes_init(&b, 512);
	answer_begin(&b, c->rq->rq.id);
	format_event_id(&b, "event", &it->entry->event->id);
	format_pos(&b, it->place->epoch, it->place->seq);
	json_u64(&b, "time", it->entry->event->h.time_ms);
	json_cstr(&b, "durable", "home");
	answer_end(m, &b, &c->rq->conn, 0);
	bytes_fini(&b);
}

/* Would c make the same event as ev? */
static bool
same_post(struct message *m, const struct call *c, const struct post *p,
    const struct event *ev)
{
	uint8_t first[EVENT_HASH_LEN], again[EVENT_HASH_LEN];
	struct event *repeat;
	struct draft d;
	bool same = false;

	if (event_erased(m, ev)) /* it cannot be told any more */
		return ev->h.kind == p->kind;
	draft_init(m, &d);
	if (post_draft(m, &d, c, p) == OK &&
	    event_new(&repeat, &d.h, &d.body, ev->salt) == OK) {
		event_body_digest(first, ev);
		event_body_digest(again, repeat);
		same = memcmp(first, again, sizeof(first)) == 0;
		event_unref(repeat);
	}
	draft_fini(&d);
	return same;
}

/* The number is still on its way to the disk: answer the newest asker. */
static enum err
post_overtakes(struct message *m, struct call *c, const struct post *post)
{
	for (struct pending *p = m->pending; p != NULL; p = p->next) {
		if (p->stream != post->stream || p->number != c->a->number)
			continue;
		if (!same_post(m, c, post, p->entry->event))
			return ERR_NUMBER_REUSED;
		if (p->id != 0)
			answer_error(m, &p->conn, p->id, ERR_BUSY,
			    "it was sent again elsewhere");
		p->conn = c->rq->conn;
		p->id = c->rq->rq.id;
		return OK;
	}
	return ERR_INTERNAL;
}

static enum err
post_repeated(struct message *m, struct call *c, const struct post *p,
    uint64_t seq)
{
	struct cache_item it;
	bool parked;
	enum err rc;

	rc = find_at(m, c, p->stream->conv, seq, p->key, &it, &parked);
	if (rc != OK || parked)
		return rc == ERR_NOTFOUND ? ERR_TOO_OLD : rc;
	if (!same_post(m, c, p, it.entry->event))
		return ERR_NUMBER_REUSED;
	answer_first(m, c, &it);
	return OK;
}

/*
 * OK and *fresh: the number is the next one.  OK without: answered or
 * parked.
 */
static enum err
post_number(struct message *m, struct call *c, const struct post *p,
    bool *fresh)
{
	uint64_t seq, given = p->stream != NULL ? p->stream->given : 0;

	*fresh = false;
	if (p->stream != NULL && p->conv != p->stream->conv)
		return ERR_INVALID; /* a stream is for one conversation */
	if (c->a->number == given + 1) {
		*fresh = true;
		return OK;
	}
	if (c->a->number > given) {
		/* Nothing is taken now, so direct delivery runs ahead. */
		*fresh = m->degraded;
		return m->degraded ? OK : ERR_OUT_OF_ORDER;
	}
	if (c->a->number > sends_number(&p->stream->sends))
		return post_overtakes(m, c, p);
	switch (sends_check(&p->stream->sends, c->a->number, &seq)) {
	case SENDS_DUPLICATE:
		return post_repeated(m, c, p, seq);
	case SENDS_TOO_OLD:
		return ERR_TOO_OLD;
	case SENDS_NEXT:
	case SENDS_OUT_OF_ORDER:
		break;
	}
	return ERR_INTERNAL;
}

/* ---- what edits, redactions and reactions mean --------------------------- */

static bool
may_redact(struct message *m, const struct call *c, const struct post *p,
    const struct event *target)
{
	struct member *mem;

	if (id_eq(&target->h.author, &c->account->id))
		return true;
	if (p->room == NULL)
		return false;
	mem = registry_member(&m->reg, p->room, c->account);
	return mem != NULL && mem->role >= ROLE_MODERATOR;
}

/* Who sees only what was said since joining acts on nothing else. */
static bool
post_sees(struct message *m, const struct call *c, const struct post *p,
    const struct place *place)
{
	struct member *mem;

	if (p->room == NULL || p->room->history != ROOM_HISTORY_JOINED)
		return true;
	mem = registry_member(&m->reg, p->room, c->account);
	return mem != NULL && place->seq >= mem->joined_seq;
}

static enum err
post_target(struct message *m, struct call *c, const struct post *p,
    bool *parked)
{
	struct cache_item it;
	const struct event *ev;
	enum err rc;

	*parked = false;
	if (p->kind == EVENT_MESSAGE)
		return OK;
	if (p->conv == NULL)
		return ERR_NOTFOUND;
	rc = find_event(m, c, p->conv, c->a->event, p->key, &it, parked);
	if (rc != OK || *parked)
		return rc;
	ev = it.entry->event;
	/* What was said by edits can be taken back as well. */
	if ((ev->h.kind != EVENT_MESSAGE &&
		(ev->h.kind != EVENT_EDIT || p->kind != EVENT_REDACT)) ||
	    event_erased(m, ev) || !post_sees(m, c, p, it.place))
		return ERR_NOTFOUND;
	if (p->kind == EVENT_EDIT && !id_eq(&ev->h.author, &c->account->id))
		return ERR_FORBIDDEN;
	if (p->kind == EVENT_REDACT && !may_redact(m, c, p, ev))
		return ERR_FORBIDDEN;
	return OK;
}

/* ---- making the event ---------------------------------------------------- */

static enum err
post_draft(struct message *m, struct draft *d, const struct call *c,
    const struct post *p)
{
	const struct args *a = c->a;
	enum err rc;

	draft_event(m, d, c, p->kind,
	    p->peer != NULL ? &p->peer->id : &p->room->id);
	d->h.stream = a->stream;
	d->h.number = a->number;
	d->body.text = a->text;
	d->body.emoji = a->emoji;
	d->body.remove = a->remove;
	d->body.reason = a->reason;
	if (args_has(a, K(mentions))) {
		for (size_t i = 0; i < a->mentions.n; i++)
			d->body.mentions[i] = a->mentions.v[i];
		d->body.nmentions = a->mentions.n;
	}
	if (args_has(a, K(event))) {
		d->h.has_refers = true;
		if ((rc = event_id_parse(&d->h.refers, a->event)) != OK)
			return rc;
	}
	if (args_has(a, K(reply))) {
		d->body.has_reply = true;
		if ((rc = event_id_parse(&d->body.reply, a->reply)) != OK)
			return rc;
	}
	return OK;
}

static enum err
post_places(struct message *m, struct draft *d, const struct call *c,
    const struct post *p)
{
	enum err rc;

	if (p->room != NULL)
		return draft_room(m, d, p->room);
	if ((rc = draft_mailbox(m, d, c->account, p->peer)) != OK ||
	    p->peer == c->account)
		return rc;
	return draft_mailbox(m, d, p->peer, c->account);
}

static enum err
post_direct(struct message *m, const struct call *c, const struct draft *d)
{
	uint8_t salt[EVENT_SALT_LEN];
	struct event *ev;
	enum err rc;

	random_bytes(salt, sizeof(salt));
	if ((rc = event_new(&ev, &d->h, &d->body, salt)) != OK)
		return rc;
	rc = direct_send(m, &c->rq->conn, c->rq->rq.id, ev);
	event_unref(ev);
	return rc;
}

/* May the device have one stream more? */
static enum err
post_stream_fits(struct message *m, const struct call *c)
{
	if (c->device->nstreams >= REGISTRY_STREAMS_MAX)
		return ERR_TOO_MANY;
	return HASH_COUNT(m->reg.streams) >= m->reg.limits.streams ? ERR_FULL
								   : OK;
}

static enum err
post_submit(struct message *m, struct call *c, struct post *p)
{
	struct pending *pending;
	struct draft d;
	enum err rc;

	draft_init(m, &d);
	if ((rc = post_draft(m, &d, c, p)) != OK)
		goto out;
	if (m->degraded) {
		rc = post_direct(m, c, &d);
		goto out;
	}
	if ((rc = post_places(m, &d, c, p)) != OK)
		goto out;
	if (p->stream == NULL) {
		if ((rc = post_stream_fits(m, c)) != OK)
			goto out;
		rc = registry_stream_make(&m->reg, &p->stream, c->device,
		    c->a->stream, d.convs[0]);
		if (rc != OK)
			goto out;
	}
	if ((pending = pending_new(c, done_placed)) == NULL) {
		rc = ERR_NOMEM;
		goto out;
	}
	submit_stream(pending, p->stream, c->a->number);
	rc = submit(m, &d, pending);
out:
	draft_fini(&d);
	return rc;
}

/*
 * A change of the room that is on its way comes first; so does an earlier
 * number of the stream whose target is being looked up.  After a look-up the
 * stream's gate is our own, and a room that began to change meanwhile is left
 * to the client to try again: this cannot wait in two lines.
 */
static enum err
post_gates(struct message *m, struct call *c, const struct post *p,
    bool *parked)
{
	enum err rc;

	*parked = false;
	if (c->r->looked_up)
		return p->room != NULL && gate_closed(m, room_gate(p->room))
			   ? ERR_BUSY
			   : OK;
	if ((rc = gate_pass(m, c, p->key, parked)) != OK || *parked)
		return rc;
	if (p->room == NULL)
		return OK;
	return gate_pass(m, c, room_gate(p->room), parked);
}

enum err
op_post(struct message *m, struct call *c)
{
	const struct args *a = c->a;
	struct post p = { .kind = post_kind(c->rq->rq.op) };
	struct stream_key key = { c->account->log.local, c->device->num,
		a->stream };
	bool parked, fresh;
	enum err rc;

	if (a->stream == 0 || a->number == 0)
		return ERR_INVALID;
	if ((rc = find_target(m, a->to, &p.peer, &p.room)) != OK ||
	    (rc = post_text_ok(a, c->rq->rq.op)) != OK ||
	    (rc = post_mentions_ok(m, a)) != OK)
		return rc;
	p.key = gate_key(GATE_STREAM, &key, sizeof(key));
	if ((rc = post_gates(m, c, &p, &parked)) != OK || parked)
		return rc;
	p.stream =
	    registry_stream(&m->reg, c->account, c->device->num, a->stream);
	p.conv = p.room != NULL
		     ? p.room->conv
		     : registry_conv_between(&m->reg, c->account, p.peer);
	if ((rc = post_number(m, c, &p, &fresh)) != OK || !fresh)
		return rc;
	if ((rc = post_rights(m, c, &p)) != OK)
		return rc;
	if ((rc = post_target(m, c, &p, &parked)) != OK || parked)
		return rc;
	return post_submit(m, c, &p);
}

enum err
op_stream(struct message *m, struct call *c)
{
	struct stream *s =
	    registry_stream(&m->reg, c->account, c->device->num, c->a->stream);
	struct bytes b;

	bytes_init(&b, 1024);
	answer_begin(&b, c->rq->rq.id);
	json_u64(&b, "number", s != NULL ? sends_number(&s->sends) : 0);
	if (s != NULL && s->conv->room != NULL)
		format_room(m, &b, "to", s->conv->room);
	else if (s != NULL)
		format_account(m, &b, "to", s->conv->peer);
	answer_end(m, &b, &c->rq->conn, 0);
	bytes_fini(&b);
	return OK;
}
