/*
 * record_room: rooms and memberships out of their records.
 */
#include <stdlib.h>
#include <string.h>

#include "node/message/record_parts.h"

/* ---- rooms --------------------------------------------------------------- */

static struct room *
room_new(struct registry *r, const Kith__RoomRecord *rec)
{
	struct room *room;

	if (rec->id.len != ID_LEN || !rec->has_local ||
	    (room = calloc(1, sizeof(*room))) == NULL)
		return NULL;
	room->dirty.kind = RECORD_ROOM;
	memcpy(room->id.b, rec->id.data, ID_LEN);
	room->log.local = rec->local;
	room->log.epoch = 1;
	if (!record_set_string(&room->name, rec->name) ||
	    !record_set_skeleton(&room->skeleton, rec->name)) {
		free(room->name);
		free(room);
		return NULL;
	}
	HASH_ADD(hh_id, r->rooms_id, id, sizeof(room->id), room);
	HASH_ADD_KEYPTR(hh_name, r->rooms_name, room->name, strlen(room->name),
	    room);
	HASH_ADD(hh_local, r->rooms_local, log.local, sizeof(room->log.local),
	    room);
	HASH_ADD_KEYPTR(hh_skeleton, r->rooms_skeleton, room->skeleton,
	    strlen(room->skeleton), room);
	record_seen_local(r, rec->local);
	return room;
}

enum err
record_room_put(struct registry *r, struct str value)
{
	Kith__RoomRecord *rec;
	struct room *room;
	struct id id;
	enum err rc = ERR_CORRUPT;

	rec =
	    kith__room_record__unpack(NULL, value.n, (const uint8_t *)value.p);
	if (rec == NULL || rec->id.len != ID_LEN)
		goto out;
	memcpy(id.b, rec->id.data, ID_LEN);
	if ((room = registry_room(r, &id)) == NULL &&
	    (room = room_new(r, rec)) == NULL)
		goto out;
	if (!record_set_bytes(&room->genesis, rec->genesis))
		goto out;
	if (rec->topic != NULL && !record_set_string(&room->topic, rec->topic))
		goto out;
	room->access = (enum room_access)rec->access;
	room->history = (enum room_history)rec->history;
	room->retention_days = rec->retention_days;
	room->created_ms = rec->created_ms;
	room->closed = rec->has_closed && rec->closed;
	if (rec->has_epoch)
		room->log.epoch = rec->epoch;
	if (rec->has_head)
		room->log.head.durable = room->log.head.given = rec->head;
	if (rec->has_chain && rec->chain.len == 32) {
		memcpy(room->log.chain, rec->chain.data, 32);
		memcpy(room->log.chain_given, rec->chain.data, 32);
	}
	registry_touch(r, &room->dirty);
	rc = OK;
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

/* Who comes back starts anew at the join. */
static void
member_leaves(struct registry *r, struct member *m)
{
	struct device *d;

	m->room->njoined--;
	for (d = m->account->devices; d != NULL; d = d->next) {
		device_cursor_drop(d, m->room->log.local);
		registry_touch(r, &d->cursors_dirty);
	}
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
	HASH_DELETE(hh, r->members, m);
	registry_forget_dirty(&m->dirty);
	free(m);
}

static struct member *
member_new(struct registry *r, struct room *room, struct account *a)
{
	struct member *m;

	if ((m = calloc(1, sizeof(*m))) == NULL)
		return NULL;
	m->dirty.kind = RECORD_MEMBER;
	m->room = room;
	m->account = a;
	m->pair.room = room->log.local;
	m->pair.account = a->log.local;
	HASH_ADD(hh, r->members, pair, sizeof(m->pair), m);
	if (table_failed(m, hh)) {
		free(m);
		return NULL;
	}
	if ((m->room_next = room->members) != NULL)
		m->room_next->room_prev = m;
	room->members = m;
	if ((m->account_next = a->memberships) != NULL)
		m->account_next->account_prev = m;
	a->memberships = m;
	a->nmemberships++;
	return m;
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
	if (value.p == NULL) {
		if (m != NULL)
			member_remove(r, m);
		registry_tombstone(r, RECORD_MEMBER, key);
		return OK;
	}
	rec = kith__member_record__unpack(NULL, value.n,
	    (const uint8_t *)value.p);
	if (rec == NULL)
		goto out;
	if (m == NULL && (m = member_new(r, room, a)) == NULL)
		goto out;
	if (m->state == MEMBER_JOINED && rec->state != MEMBER_JOINED)
		member_leaves(r, m);
	else if (m->state != MEMBER_JOINED && rec->state == MEMBER_JOINED)
		room->njoined++;
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
	rc = OK;
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
