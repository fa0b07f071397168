/*
 * expire: what ends by itself: messages in rooms with a retention time,
 * send streams that have been silent for the horizon, invites.
 *
 * A little is looked at in each tick, so that a large node never stops for
 * it.  Retention is policy, not history: it is not journalled, and doing it
 * again after a crash is harmless.
 */
#include <stdlib.h>

#include "base/logger.h"
#include "node/message/service.h"

#define EXPIRE_EVERY_MS 10000
#define STREAMS_A_TICK  1000
#define DAY_MS          86400000ull

/*
 * The hash table is gone round a few buckets at a time, which stays right
 * whatever comes and goes meanwhile; a table that has grown is only gone
 * round in another order.
 */
static void
streams_expire(struct message *m)
{
	uint64_t horizon = m->cfg.stream_horizon_days * DAY_MS;
	struct UT_hash_handle *hh, *next;
	struct UT_hash_table *t;

	for (unsigned n = 0; n < STREAMS_A_TICK && m->reg.streams != NULL;
	     n++) {
		t = m->reg.streams->hh.tbl;
		m->expire_bucket = (m->expire_bucket + 1) % t->num_buckets;
		for (hh = t->buckets[m->expire_bucket].hh_head; hh != NULL;
		     hh = next) {
			struct stream *s = ELMT_FROM_HH(t, hh);

			next = hh->hh_next;
			if (s->given != sends_number(&s->sends) ||
			    !sends_ended(s->last_ms, m->now_ms, horizon))
				continue;
			if (registry_stream_remove(&m->reg, s) != OK ||
			    m->reg.streams == NULL)
				return;
		}
	}
}

/* A use that is under way may bring one back; it goes again then. */
static void
invites_expire(struct message *m)
{
	struct invite *i, *next;

	HASH_ITER(hh, m->reg.invites, i, next)
	{
		if (i->expires_ms >= m->now_ms)
			continue;
		if (registry_tombstone(&m->reg, RECORD_INVITE,
			(struct str){ (const char *)i->token_hash, 32 }) != OK)
			return;
		registry_invite_remove(&m->reg, i);
	}
}

/* The next room with a retention time, by local number. */
static struct room *
next_retained(struct message *m)
{
	struct room *room, *next, *best = NULL, *first = NULL;

	HASH_ITER(hh_id, m->reg.rooms_id, room, next)
	{
		if (room->retention_days == 0 || room->conv == NULL)
			continue;
		if (first == NULL || room->log.local < first->log.local)
			first = room;
		if (room->log.local > m->expire_next &&
		    (best == NULL || room->log.local < best->log.local))
			best = room;
	}
	return best != NULL ? best : first;
}

static void
room_expire(struct message *m)
{
	struct storage_read *r;
	struct room *room = next_retained(m);
	uint64_t keep_ms;

	if (room == NULL)
		return;
	m->expire_next = room->log.local;
	keep_ms = room->retention_days * DAY_MS;
	if (m->now_ms < keep_ms || (r = storage_read_new()) == NULL)
		return;
	r->type = STORAGE_TIME;
	r->time_ms = m->now_ms - keep_ms;
	r->limit = 1;
	if ((r->convs = malloc(sizeof(*r->convs))) == NULL) {
		storage_read_free(r);
		return;
	}
	r->convs[0] = room->conv->num;
	r->nconvs = 1;
	if (read_for_expiry(m, r, room->retention_days) != OK)
		log_debug("message", "retention put off room=%u",
		    room->log.local);
}

void
expiry_found(struct message *m, struct storage_read *r, uint32_t days)
{
	struct conv *c;

	if (r->err != OK || r->nentries == 0)
		return;
	c = registry_conv(&m->reg, r->convs[0]);
	if (c == NULL || c->room == NULL || c->room->retention_days != days ||
	    r->entries[0]->places[0].seq == 0)
		return; /* or the owner has changed it meanwhile */
	batch_expire(m, c->num, r->entries[0]->places[0].seq);
	cache_forget_upto(m->parts.cache, c->log->local,
	    r->entries[0]->places[0].seq);
}

void
expire_tick(struct message *m)
{
	if (mono_ms_between(m->expire_since, m->now) < EXPIRE_EVERY_MS)
		return;
	m->expire_since = m->now;
	streams_expire(m);
	invites_expire(m);
	room_expire(m);
}
