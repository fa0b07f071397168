/*
 * publish: a committed entry goes to the cache, to the feeds, and has its
 * effects on sessions.
 */
#include <assert.h>

#include "base/logger.h"
#include "node/message/service.h"

/* {"push":"event",...} for the followers of one place. */
static struct frame *
event_frame(struct message *m, const struct entry *e, const struct place *place,
    uint32_t log, struct mono accepted)
{
	struct frame *f;
	struct bytes *b = &m->scratch;

	bytes_reset(b);
	json_object(b);
	json_cstr(b, "push", "event");
	format_event(m, b, e, place);
	json_object_end(b);
	if (b->failed || (f = frame_new((struct str){ b->p, b->n })) == NULL)
		return NULL;
	f->log = log;
	f->seq = place->seq;
	f->accepted = accepted;
	return f;
}

struct frame *
publish_frame(struct message *m, const struct entry *e,
    const struct place *place, uint32_t log)
{
	return event_frame(m, e, place, log, (struct mono){ 0 });
}

/* ---- effects on sessions ------------------------------------------------- */

struct follow_args {
	uint32_t log;
	uint64_t next, head;
};

static void
session_follow(struct message *m, struct session *s, void *arg)
{
	const struct follow_args *f = arg;
	enum err rc;

	if (!s->live)
		return;
	rc = notify_subscribe(m->parts.notify, s, f->log, f->next, f->head);
	if (rc != OK)
		session_bye(m, s, rc);
}

static void
session_unfollow(struct message *m, struct session *s, void *arg)
{
	const struct follow_args *f = arg;

	notify_unsubscribe(m->parts.notify, s, f->log);
}

/* The account a membership event is about. */
static struct account *
event_subject(struct message *m, const struct event *ev)
{
	struct account *a;

	if (ev->body.subject.n > 0 &&
	    find_account(m, ev->body.subject, &a) == OK)
		return a;
	return registry_account(&m->reg, &ev->h.author);
}

static void
before_publish(struct message *m, const struct entry *e)
{
	const struct event *ev = e->event;
	struct follow_args f;
	struct account *a;
	struct room *room;

	if (ev->h.kind != EVENT_JOIN && ev->h.kind != EVENT_ROOM)
		return;
	room = registry_room(&m->reg, &ev->h.target);
	a = event_subject(m, ev);
	if (room == NULL || a == NULL)
		return;
	f.log = room->log.local;
	f.next = e->places[0].seq;
	f.head = e->places[0].seq - 1; /* it is published right after */
	sessions_of(m, a, 0, session_follow, &f);
}

static void
room_unfollow_all(struct message *m, struct room *room)
{
	struct follow_args f = { .log = room->log.local };

	for (struct member *mem = room->members; mem != NULL;
	     mem = mem->room_next)
		sessions_of(m, mem->account, 0, session_unfollow, &f);
}

/* A redacted event is erased in the cache too. */
static enum err
erase_cached(struct message *m, const struct entry *redact)
{
	struct cache_item it;
	struct entry *copy;
	struct event *ev;
	enum err rc;

	for (uint32_t i = 0; i < redact->nplaces; i++) {
		struct conv *c = registry_conv(&m->reg, redact->places[i].conv);

		if (!cache_find(m->parts.cache, c->log->local,
			&redact->event->h.refers, &it))
			continue;
		rc = event_decode(&ev, it.entry->event->header_bytes, STR_NONE,
		    STR_NONE);
		if (rc != OK)
			return rc;
		rc = entry_erased(&copy, it.entry, ev);
		event_unref(ev);
		if (rc != OK)
			return rc;
		cache_replace(m->parts.cache, c->log->local, copy);
		entry_unref(copy);
	}
	return OK;
}

static void
after_publish(struct message *m, const struct entry *e)
{
	const struct event *ev = e->event;
	struct follow_args f;
	struct account *a;
	struct room *room;

	switch (ev->h.kind) {
	case EVENT_LEAVE:
	case EVENT_KICK:
	case EVENT_BAN:
		room = registry_room(&m->reg, &ev->h.target);
		a = event_subject(m, ev);
		if (room == NULL || a == NULL)
			return;
		f.log = room->log.local;
		sessions_of(m, a, 0, session_unfollow, &f);
		return;
	case EVENT_CLOSED:
		room = registry_room(&m->reg, &ev->h.target);
		if (room != NULL)
			room_unfollow_all(m, room);
		return;
	case EVENT_BLOCK:
		a = registry_account(&m->reg, &ev->h.author);
		if (a != NULL)
			ephemeral_blocked(m, a);
		return;
	case EVENT_MESSAGE:
	case EVENT_EDIT:
	case EVENT_REDACT:
	case EVENT_REACT:
	case EVENT_READ:
	case EVENT_JOIN:
	case EVENT_INVITE:
	case EVENT_UNBAN:
	case EVENT_MUTE:
	case EVENT_UNMUTE:
	case EVENT_ROLE:
	case EVENT_TOPIC:
	case EVENT_ROOM:
	case EVENT_ACCOUNT:
	case EVENT_DEVICE:
	case EVENT_UNBLOCK:
	case EVENT_PROFILE:
	case EVENT_ALERT:
		return;
	}
}

enum err
publish_cached(struct message *m, struct entry *e)
{
	enum err rc = OK;

	for (uint32_t i = 0; i < e->nplaces && rc == OK; i++) {
		struct conv *c = registry_conv(&m->reg, e->places[i].conv);

		rc = cache_put(m->parts.cache, c->log->local, e, i);
	}
	if (rc == OK && e->event != NULL && e->event->h.kind == EVENT_REDACT &&
	    e->event->h.has_refers)
		rc = erase_cached(m, e);
	return rc;
}

void
publish_entry(struct message *m, struct entry *e, struct mono accepted)
{
	struct frame *f;

	if (e->event == NULL)
		return;
	before_publish(m, e);
	for (uint32_t i = 0; i < e->nplaces; i++) {
		struct conv *c = registry_conv(&m->reg, e->places[i].conv);
		uint32_t log = c->log->local;

		if (notify_followers(m->parts.notify, log) == 0)
			continue;
		if ((f = event_frame(m, e, &e->places[i], log, accepted)) !=
		    NULL)
			notify_publish(m->parts.notify, f);
		else
			notify_missed(m->parts.notify, log, e->places[i].seq);
	}
	after_publish(m, e);
}
