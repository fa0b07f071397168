/*
 * apply: what an entry means for the registry.  The one reducer, for live
 * commits and for the replay at start; it must not look at the clock, at
 * sessions or at anything that is not in the entry or the registry.
 */
#include <assert.h>
#include <string.h>

#include "base/logger.h"
#include "node/message/service.h"
#include "proto/chain.h"

/* The author's own message marks what came before it as read. */
static void
apply_read_up_to(struct message *m, struct conv *c, const struct event *ev,
    const struct place *p)
{
	struct account *author;
	struct member *mem;

	if (c->owner != NULL) {
		if (id_eq(&ev->h.author, &c->owner->id)) {
			c->read_incoming = c->incoming;
			c->read_seq = p->seq;
			marker_answered(m, c);
		} else {
			c->incoming++;
		}
		return;
	}
	if ((author = registry_account(&m->reg, &ev->h.author)) == NULL ||
	    (mem = registry_member(&m->reg, c->room, author)) == NULL)
		return;
	mem->read_ord = p->ord;
	mem->read_seq = p->seq;
	registry_touch(&m->reg, &mem->dirty);
}

static void
apply_place(struct message *m, struct conv *c, const struct event *ev,
    const struct place *p)
{
	c->log->head.durable = p->seq;
	if (c->log->head.given < p->seq)
		c->log->head.given = p->seq;
	c->ord.durable = p->ord;
	if (c->ord.given < p->ord)
		c->ord.given = p->ord;
	c->head = p->seq;
	registry_touch(&m->reg, &c->dirty);
	if (c->room != NULL) {
		chain_next(c->log->chain, c->log->chain, p->epoch, p->seq,
		    &ev->id);
		if (c->log->head.given == p->seq)
			memcpy(c->log->chain_given, c->log->chain, 32);
		registry_touch(&m->reg, &c->room->dirty);
	} else {
		registry_touch(&m->reg, &c->owner->dirty);
	}
	if (event_kind_counts(ev->h.kind))
		apply_read_up_to(m, c, ev, p);
}

/* A read marker: the body's seq and ord, in the conversation with target. */
static void
apply_read(struct message *m, const struct event *ev)
{
	struct account *reader = registry_account(&m->reg, &ev->h.author);
	struct account *peer = registry_account(&m->reg, &ev->h.target);
	struct room *room = registry_room(&m->reg, &ev->h.target);
	struct member *mem;
	struct conv *c;

	if (reader == NULL)
		return;
	if (room != NULL) {
		mem = registry_member(&m->reg, room, reader);
		if (mem == NULL || ev->body.seq <= mem->read_seq)
			return;
		mem->read_seq = ev->body.seq;
		mem->read_ord = ev->body.ord;
		registry_touch(&m->reg, &mem->dirty);
	} else if (peer != NULL &&
		   (c = registry_conv_between(&m->reg, reader, peer)) != NULL &&
		   ev->body.seq > c->read_seq) {
		c->read_seq = ev->body.seq;
		c->read_incoming = ev->body.ord;
		registry_touch(&m->reg, &c->dirty);
		marker_read(m, c, ev->body.seq);
	}
}

static enum err
apply_stream(struct message *m, const struct entry *e)
{
	const struct event *ev = e->event;
	struct account *a = registry_account(&m->reg, &ev->h.author);
	struct device *d;
	struct stream *s;
	struct conv *c = registry_conv(&m->reg, e->places[0].conv);
	enum err rc;

	if (a == NULL || c == NULL)
		return ERR_CORRUPT;
	if ((d = registry_device(a, ev->h.device)) == NULL)
		return OK; /* revoked right after it had sent */
	s = registry_stream(&m->reg, a, d->num, ev->h.stream);
	if (s == NULL &&
	    (rc = registry_stream_make(&m->reg, &s, d, ev->h.stream, c)) != OK)
		return rc;
	sends_take(&s->sends, ev->h.number, e->places[0].seq);
	if (s->given < ev->h.number)
		s->given = ev->h.number;
	s->last_ms = ev->h.time_ms;
	registry_touch(&m->reg, &s->dirty);
	return OK;
}

static enum err
apply_puts(struct message *m, const struct entry *e)
{
	enum err rc;

	for (uint32_t i = 0; i < e->nputs; i++) {
		rc = registry_put(&m->reg, e->puts[i].kind, e->puts[i].key,
		    e->puts[i].value);
		if (rc != OK) {
			log_warning("message",
			    "record refused index=%llu kind=%u why=%s",
			    (unsigned long long)e->index, e->puts[i].kind,
			    err_code(rc));
			return rc;
		}
		if (e->puts[i].kind == RECORD_CURSORS)
			marker_stored(m, e->puts[i].key);
	}
	return OK;
}

static void
apply_shards(struct message *m, const struct entry *e)
{
	for (uint32_t i = 0; i < e->nshards; i++) {
		struct shard_state *s = &m->reg.shards[e->shards[i].shard];

		s->seq.durable = e->shards[i].seq;
		memcpy(s->hash, e->shards[i].hash, 32);
		if (s->seq.given < s->seq.durable) {
			s->seq.given = s->seq.durable;
			memcpy(s->hash_given, s->hash, 32);
		}
		registry_touch(&m->reg, &s->dirty);
	}
}

/* ERR_CORRUPT: none that we have made; ERR_NOMEM. */
enum err
apply_entry(struct message *m, const struct entry *e)
{
	enum err rc;

	if (e->event != NULL && e->nplaces == 0)
		return ERR_CORRUPT;
	if ((rc = apply_puts(m, e)) != OK)
		return rc;
	apply_shards(m, e);
	if (e->event == NULL)
		return OK;
	for (uint32_t i = 0; i < e->nplaces; i++) {
		struct conv *c = registry_conv(&m->reg, e->places[i].conv);

		if (c == NULL)
			return ERR_CORRUPT;
		apply_place(m, c, e->event, &e->places[i]);
	}
	if (e->event->h.kind == EVENT_READ)
		apply_read(m, e->event);
	if (e->event->h.kind == EVENT_MESSAGE ||
	    e->event->h.kind == EVENT_EDIT || e->event->h.kind == EVENT_REACT)
		marker_sent(m, e);
	if (e->event->h.kind == EVENT_REDACT && e->event->h.has_refers &&
	    (rc = batch_erase(m, &e->event->h.refers, e->index)) != OK)
		return rc;
	if (e->event->h.stream != 0)
		return apply_stream(m, e);
	return OK;
}
