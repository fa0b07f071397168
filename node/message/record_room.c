/*
 * record_room: rooms and memberships out of their records.
 */
#include <stdlib.h>
#include <string.h>

#include "node/message/record_parts.h"

#define ROOM_TOPIC_MAX 1024 /* bytes */

/* ---- rooms --------------------------------------------------------------- */

static void
room_unindex(struct registry *r, struct room *room)
{
	if (room->hh_id.tbl != NULL)
		HASH_DELETE(hh_id, r->rooms_id, room);
	if (room->hh_name.tbl != NULL)
		HASH_DELETE(hh_name, r->rooms_name, room);
	if (room->hh_local.tbl != NULL)
		HASH_DELETE(hh_local, r->rooms_local, room);
	if (room->hh_skeleton.tbl != NULL)
		HASH_DELETE(hh_skeleton, r->rooms_skeleton, room);
}

static bool
room_index(struct registry *r, struct room *room)
{
	HASH_ADD(hh_id, r->rooms_id, id, sizeof(room->id), room);
	HASH_ADD_KEYPTR(hh_name, r->rooms_name, room->name, strlen(room->name),
	    room);
	HASH_ADD(hh_local, r->rooms_local, log.local, sizeof(room->log.local),
	    room);
	HASH_ADD_KEYPTR(hh_skeleton, r->rooms_skeleton, room->skeleton,
	    strlen(room->skeleton), room);
	if (!table_failed(room, hh_id) && !table_failed(room, hh_name) &&
	    !table_failed(room, hh_local) && !table_failed(room, hh_skeleton))
		return true;
	room_unindex(r, room);
	return false;
}

static enum err
room_new(struct registry *r, const Kith__RoomRecord *rec, struct room **out)
{
	struct room *room;

	if (!rec->has_local || !record_local_free(r, rec->local) ||
	    !record_name_valid(rec->name) ||
	    registry_room_named(r, str_of(rec->name)) != NULL)
		return ERR_CORRUPT;
	if ((room = calloc(1, sizeof(*room))) == NULL)
		return ERR_NOMEM;
	room->dirty.kind = RECORD_ROOM;
	memcpy(room->id.b, rec->id.data, ID_LEN);
	room->log.local = rec->local;
	room->log.epoch = 1;
	if (!record_set_string(&room->name, rec->name) ||
	    !record_set_skeleton(&room->skeleton, rec->name) ||
	    !room_index(r, room)) {
		free(room->skeleton);
		free(room->name);
		free(room);
		return ERR_NOMEM;
	}
	record_seen_local(r, rec->local);
	*out = room;
	return OK;
}

static bool
room_valid(const Kith__RoomRecord *rec)
{
	return rec->id.len == ID_LEN && rec->access <= ROOM_INVITE &&
	       rec->history <= ROOM_HISTORY_JOINED &&
	       (!rec->has_chain || rec->chain.len == 32) &&
	       (rec->topic == NULL || strlen(rec->topic) <= ROOM_TOPIC_MAX);
}

/* A closed room is none of those that its members are in. */
static void
room_closes(struct room *room)
{
	if (room->closed)
		return;
	room->closed = true;
	for (struct member *m = room->members; m != NULL; m = m->room_next)
		if (m->state == MEMBER_JOINED)
			m->account->njoined--;
}

static enum err
room_fill(struct room *room, const Kith__RoomRecord *rec)
{
	enum err rc;

	if ((rc = record_set_bytes(&room->genesis, rec->genesis)) != OK)
		return rc;
	if (rec->topic != NULL && !record_set_string(&room->topic, rec->topic))
		return ERR_NOMEM;
	room->access = (enum room_access)rec->access;
	room->history = (enum room_history)rec->history;
	room->retention_days = rec->retention_days;
	room->created_ms = rec->created_ms;
	if (rec->has_closed && rec->closed)
		room_closes(room);
	if (rec->has_epoch)
		room->log.epoch = rec->epoch;
	if (rec->has_head)
		room->log.head.durable = room->log.head.given = rec->head;
	if (rec->has_chain) {
		memcpy(room->log.chain, rec->chain.data, 32);
		memcpy(room->log.chain_given, rec->chain.data, 32);
	}
	return OK;
}

enum err
record_room_put(struct registry *r, struct str key, struct str value)
{
	Kith__RoomRecord *rec;
	struct room *room;
	struct id id;
	enum err rc = ERR_CORRUPT;

	rec =
	    kith__room_record__unpack(NULL, value.n, (const uint8_t *)value.p);
	if (rec == NULL || !room_valid(rec) || key.n != ID_LEN ||
	    memcmp(key.p, rec->id.data, ID_LEN) != 0)
		goto out;
	memcpy(id.b, rec->id.data, ID_LEN);
	if ((room = registry_room(r, &id)) == NULL &&
	    (rc = room_new(r, rec, &room)) != OK)
		goto out;
	if ((rc = room_fill(room, rec)) == OK)
		registry_touch(r, &room->dirty);
out:
	if (rec != NULL)
		kith__room_record__free_unpacked(rec, NULL);
	return rc;
}

void
room_record(const struct room *room, Kith__RoomRecord *rec)
{
	kith__room_record__init(rec);
	rec->id = record_data(room->id.b, ID_LEN);
	rec->name = room->name;
	rec->topic = room->topic;
	rec->genesis = record_data(room->genesis.p, room->genesis.n);
	rec->access = room->access;
	rec->history = room->history;
	rec->retention_days = room->retention_days;
	rec->created_ms = room->created_ms;
	rec->has_closed = rec->closed = room->closed;
	rec->has_local = true;
	rec->local = room->log.local;
}

/* ---- members ------------------------------------------------------------- */

static void
member_comes(struct member *m)
{
	m->room->njoined++;
	if (!m->room->closed)
		m->account->njoined++;
}

/* Who comes back starts anew at the join. */
static void
member_leaves(struct registry *r, struct member *m)
{
	struct device *d;

	m->room->njoined--;
	if (!m->room->closed)
		m->account->njoined--;
	for (d = m->account->devices; d != NULL; d = d->next)
		if (device_cursor_drop(d, m->room->log.local))
			registry_touch(r, &d->cursors_dirty);
}

static void
member_remove(struct registry *r, struct member *m)
{
	if (m->state == MEMBER_JOINED)
		member_leaves(r, m);
	if (m->room_prev != NULL)
		m->room_prev->room_next = m->room_next;
	else
		m->room->members = m->room_next;
	if (m->room_next != NULL)
		m->room_next->room_prev = m->room_prev;
	if (m->account_prev != NULL)
		m->account_prev->account_next = m->account_next;
	else
		m->account->memberships = m->account_next;
	if (m->account_next != NULL)
		m->account_next->account_prev = m->account_prev;
	m->account->nmemberships--;
	m->room->nmembers--;
	HASH_DELETE(hh, r->members, m);
	registry_forget_dirty(&m->dirty);
	free(m);
}

static enum err
member_new(struct registry *r, struct room *room, struct account *a,
    struct member **out)
{
	struct member *m;

	if ((m = calloc(1, sizeof(*m))) == NULL)
		return ERR_NOMEM;
	m->dirty.kind = RECORD_MEMBER;
	m->room = room;
	m->account = a;
	m->pair.room = room->log.local;
	m->pair.account = a->log.local;
	HASH_ADD(hh, r->members, pair, sizeof(m->pair), m);
	if (table_failed(m, hh)) {
		free(m);
		return ERR_NOMEM;
	}
	if ((m->room_next = room->members) != NULL)
		m->room_next->room_prev = m;
	room->members = m;
	room->nmembers++;
	if ((m->account_next = a->memberships) != NULL)
		m->account_next->account_prev = m;
	a->memberships = m;
	a->nmemberships++;
	*out = m;
	return OK;
}

static enum err
member_gone(struct registry *r, struct member *m, struct str key)
{
	enum err rc;

	if ((rc = registry_tombstone(r, RECORD_MEMBER, key)) != OK)
		return rc;
	if (m != NULL)
		member_remove(r, m);
	return OK;
}

static void
member_fill(struct registry *r, struct member *m, const Kith__MemberRecord *rec)
{
	if (m->state == MEMBER_JOINED && rec->state != MEMBER_JOINED)
		member_leaves(r, m);
	else if (m->state != MEMBER_JOINED && rec->state == MEMBER_JOINED)
		member_comes(m);
	m->state = (enum member_state)rec->state;
	m->role = (enum member_role)rec->role;
	m->muted_until_ms = rec->muted_until_ms;
	if (rec->has_joined_seq)
		m->joined_seq = rec->joined_seq;
	if (rec->has_read_ord)
		m->read_ord = rec->read_ord;
	if (rec->has_read_seq)
		m->read_seq = rec->read_seq;
	registry_touch(r, &m->dirty);
}

enum err
record_member_put(struct registry *r, struct str key, struct str value)
{
	Kith__MemberRecord *rec;
	struct account *a;
	struct member *m;
	struct room *room;
	struct id room_id, account_id;
	enum err rc = ERR_CORRUPT;

	if (key.n != 2 * ID_LEN)
		return ERR_CORRUPT;
	memcpy(room_id.b, key.p, ID_LEN);
	memcpy(account_id.b, key.p + ID_LEN, ID_LEN);
	room = registry_room(r, &room_id);
	a = registry_account(r, &account_id);
	if (room == NULL || a == NULL)
		return ERR_CORRUPT;
	m = registry_member(r, room, a);
	if (value.p == NULL)
		return member_gone(r, m, key);
	rec = kith__member_record__unpack(NULL, value.n,
	    (const uint8_t *)value.p);
	if (rec == NULL || rec->state > MEMBER_BANNED || rec->role > ROLE_OWNER)
		goto out;
	rc = OK;
	if (m == NULL)
		rc = member_new(r, room, a, &m);
	if (rc == OK)
		member_fill(r, m, rec);
out:
	if (rec != NULL)
		kith__member_record__free_unpacked(rec, NULL);
	return rc;
}

void
member_record(const struct member *m, Kith__MemberRecord *rec)
{
	kith__member_record__init(rec);
	rec->room = record_data(m->room->id.b, ID_LEN);
	rec->account = record_data(m->account->id.b, ID_LEN);
	rec->state = m->state;
	rec->role = m->role;
	rec->has_muted_until_ms = m->muted_until_ms != 0;
	rec->muted_until_ms = m->muted_until_ms;
}
