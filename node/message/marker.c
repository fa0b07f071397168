/*
 * marker: how far messages have come: stored by the recipient's devices
 * (acks), read by people (read markers).
 *
 * For each conversation of a mailbox at most two of its incoming messages are
 * remembered until a device has confirmed them: the newest, and an older one
 * that is waited for; so the sender's `device' state moves on while messages
 * stream in, and nothing grows.
 *
 * All of it follows from journalled entries (messages, cursors, markers), so
 * it is the same after a restart.  Those whose messages have moved are noted
 * by the reducer and told after it.  Only that a device has a message is told
 * when it says so, up to a second before that is journalled.
 */
#include <stdlib.h>

#include "node/message/handlers.h"

/* ---- what the reducer does ----------------------------------------------- */

static void
conv_moved(struct message *m, struct conv *c)
{
	registry_touch(&m->reg, &c->dirty);
	if (c->delivered_moved || c->read_moved)
		return;
	c->moved_next = m->moved_convs;
	m->moved_convs = c;
}

/* The other side of a conversation; NULL: it is a room's, or one's own. */
static struct conv *
conv_of_peer(struct message *m, const struct conv *c)
{
	if (c->owner == NULL || c->peer == c->owner)
		return NULL;
	return registry_conv_between(&m->reg, c->peer, c->owner);
}

/* Place 0 is the sender's, place 1 the recipient's. */
void
marker_sent(struct message *m, const struct entry *e)
{
	struct conv *c;

	if (e->nplaces != 2)
		return;
	c = registry_conv(&m->reg, e->places[1].conv);
	if (c->owner == NULL)
		return;
	c->last_seq = e->places[1].seq;
	c->last_peer_seq = e->places[0].seq;
	if (c->wait_seq != 0)
		return;
	c->wait_seq = c->last_seq;
	c->wait_peer_seq = c->last_peer_seq;
	conv_wait(c);
}

/* How far the peer's messages in c have come when all of the mailbox up to seq
 * is stored; 0: none of those waited for has. */
static uint64_t
conv_came(const struct conv *c, uint64_t seq)
{
	if (c->wait_seq > seq)
		return 0;
	return c->last_seq <= seq ? c->last_peer_seq : c->wait_peer_seq;
}

/* True: nothing of c waits any more. */
static bool
conv_delivered(struct message *m, struct conv *c, uint64_t seq)
{
	struct conv *theirs = conv_of_peer(m, c);
	uint64_t came = conv_came(c, seq);

	if (came == 0)
		return false;
	c->wait_seq = c->last_seq <= seq ? 0 : c->last_seq;
	c->wait_peer_seq = c->last_seq <= seq ? 0 : c->last_peer_seq;
	registry_touch(&m->reg, &c->dirty);
	if (theirs != NULL && theirs->delivered < came) {
		theirs->delivered = came;
		conv_moved(m, theirs);
		theirs->delivered_moved = true;
	}
	return c->wait_seq == 0;
}

void
marker_stored(struct message *m, struct str key)
{
	struct device *d = record_device(&m->reg, key);
	struct conv **at, *c;

	if (d == NULL)
		return;
	at = &d->account->conv_waiting;
	while ((c = *at) != NULL) {
		if (!conv_delivered(m, c, d->stored_seq)) {
			at = &c->wait_next;
			continue;
		}
		*at = c->wait_next;
		c->waiting = false;
	}
}

void
marker_answered(struct message *m, struct conv *c)
{
	struct conv *theirs = conv_of_peer(m, c);

	if (theirs == NULL || theirs->peer_read >= c->last_peer_seq)
		return;
	theirs->peer_read = c->last_peer_seq;
	conv_moved(m, theirs);
	theirs->read_moved = true;
}

/* Only the newest one's position on the peer's side is known. */
void
marker_read(struct message *m, struct conv *c, uint64_t seq)
{
	if (seq >= c->last_seq)
		marker_answered(m, c);
}

/* ---- what follows from it ------------------------------------------------ */

struct state_args {
	const struct account *with;
	uint64_t seq;
	const char *state;
};

static void
push_state(struct message *m, struct session *s, void *arg)
{
	const struct state_args *st = arg;
	struct bytes b;

	if (!s->states)
		return;
	bytes_init(&b, 1024);
	json_object(&b);
	json_cstr(&b, "push", "state");
	format_account(m, &b, "with", st->with);
	json_u64(&b, "seq", st->seq);
	json_cstr(&b, "state", st->state);
	json_object_end(&b);
	push_text(m, &s->conn, &b, 0);
}

static void
tell_delivered(struct message *m, struct conv *c, uint64_t seq)
{
	struct state_args st = { c->peer, seq, "device" };

	if (c->told >= seq)
		return;
	c->told = seq;
	sessions_of(m, c->owner, 0, push_state, &st);
}

void
markers_tell(struct message *m)
{
	struct conv *c;

	while ((c = m->moved_convs) != NULL) {
		struct state_args st = { c->peer, c->peer_read, "read" };

		m->moved_convs = c->moved_next;
		if (c->delivered_moved)
			tell_delivered(m, c, c->delivered);
		if (c->read_moved)
			sessions_of(m, c->owner, 0, push_state, &st);
		c->delivered_moved = c->read_moved = false;
	}
}

/* A device of a has its mailbox up to seq. */
static void
mailbox_came(struct message *m, const struct account *a, uint64_t seq)
{
	for (struct conv *c = a->conv_waiting; c != NULL; c = c->wait_next) {
		uint64_t came = conv_came(c, seq);
		struct conv *theirs = came != 0 ? conv_of_peer(m, c) : NULL;

		if (theirs != NULL)
			tell_delivered(m, theirs, came);
	}
}

/* ---- acknowledgements ---------------------------------------------------- */

static enum err
ack_log(struct message *m, const struct call *c, struct log_state **log)
{
	struct account *a;
	struct room *room;
	struct member *mem;
	enum err rc;

	if ((rc = find_target(m, c->a->log, &a, &room)) != OK)
		return rc;
	if (room != NULL) {
		mem = registry_member(&m->reg, room, c->account);
		if (mem == NULL || mem->state != MEMBER_JOINED)
			return ERR_NOT_MEMBER;
		*log = &room->log;
		return OK;
	}
	if (a != c->account)
		return ERR_FORBIDDEN;
	*log = &a->log;
	return OK;
}

enum err
op_ack(struct message *m, struct call *c)
{
	struct log_state *log;
	struct cursor *cur;
	enum err rc;

	if ((rc = ack_log(m, c, &log)) != OK)
		return rc;
	if (c->a->seq > log->head.durable)
		return ERR_INVALID;
	cur = device_cursor(c->device, log->local);
	if (cur != NULL && cur->seq >= c->a->seq)
		return OK;
	if (device_cursor_set(c->device, log->local, c->a->seq) == NULL)
		return ERR_NOMEM;
	cursor_moved(m, c->device);
	if (log == &c->account->log)
		mailbox_came(m, c->account, c->a->seq);
	return OK;
}

/* ---- read markers -------------------------------------------------------- */

static enum err
read_rights(struct message *m, const struct call *c, struct room *room,
    struct account *peer, struct conv **conv, uint64_t *read_seq)
{
	struct member *mem;

	if (room != NULL) {
		mem = registry_member(&m->reg, room, c->account);
		if (mem == NULL || mem->state != MEMBER_JOINED)
			return ERR_NOT_MEMBER;
		*conv = room->conv;
		*read_seq = mem->read_seq;
	} else {
		*conv = registry_conv_between(&m->reg, c->account, peer);
		if (*conv == NULL)
			return ERR_NOTFOUND;
		*read_seq = (*conv)->read_seq;
	}
	return *conv == NULL ? ERR_NOTFOUND : OK;
}

static void
done_read(struct message *m, struct pending *p, enum err err)
{
	struct bytes b;

	if (p->id == 0)
		return;
	if (err != OK) {
		answer_error(m, &p->conn, p->id, err, NULL);
		return;
	}
	bytes_init(&b, 512);
	answer_begin(&b, p->id);
	format_pos(&b, p->entry->places[0].epoch, p->entry->places[0].seq);
	answer_end(m, &b, &p->conn, 0);
	bytes_fini(&b);
}

/*
 * How many incoming messages of conv there are up to the one at place.  In a
 * room that is its ord.  In a mailbox one's own messages are not incoming, but
 * the last of them marked all before it as read, so after an acceptable
 * marker there are only incoming ones.
 */
static uint32_t
read_count(const struct conv *conv, const struct place *place)
{
	uint32_t newer;

	if (conv->room != NULL)
		return place->ord;
	newer = (uint32_t)conv->ord.durable - place->ord;
	return newer >= conv->incoming ? 0 : conv->incoming - newer;
}

enum err
op_read(struct message *m, struct call *c)
{
	struct account *peer;
	struct room *room;
	struct conv *conv;
	struct cache_item it;
	struct pending *p;
	struct draft d;
	uint64_t read_seq;
	bool parked;
	enum err rc;

	if ((rc = find_target(m, c->a->to, &peer, &room)) != OK ||
	    (rc = read_rights(m, c, room, peer, &conv, &read_seq)) != OK)
		return rc;
	if (c->a->seq <= read_seq) {
		answer_ok(m, &c->rq->conn, c->rq->rq.id, 0);
		return OK;
	}
	if ((rc = find_at(m, c, conv, c->a->seq, 0, &it, &parked)) != OK ||
	    parked)
		return rc;
	draft_init(m, &d);
	draft_event(m, &d, c, EVENT_READ, room != NULL ? &room->id : &peer->id);
	d.body.seq = c->a->seq;
	d.body.ord = read_count(conv, it.place);
	if ((rc = draft_mailbox(m, &d, c->account, c->account)) == OK) {
		p = pending_new(c, done_read);
		rc = p != NULL ? submit(m, &d, p) : ERR_NOMEM;
	}
	draft_fini(&d);
	return rc;
}
