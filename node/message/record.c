/*
 * record: the objects of the registry to and from the *Record messages of
 * kith.proto.
 */
#include "node/message/record.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "proto/address.h"

ProtobufCBinaryData
record_data(const void *p, size_t n)
{
	/* protobuf-c does not write to what it packs. */
	union {
		const void *in;
		uint8_t *out;
	} u = { .in = p };

	return (ProtobufCBinaryData){ n, u.out };
}

static uint32_t
be32_at(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static uint64_t
be64_at(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

/* Replaces *to with a copy of from; NULL and false when out of memory. */
static bool
set_string(char **to, const char *from)
{
	char *copy = strdup(from);

	if (copy == NULL)
		return false;
	free(*to);
	*to = copy;
	return true;
}

static bool
set_bytes(struct bytes *to, ProtobufCBinaryData from)
{
	if (to->limit == 0)
		bytes_init(to, 4096);
	bytes_reset(to);
	bytes_add(to, from.data, from.len);
	return !to->failed;
}

static bool
set_skeleton(char **to, const char *name)
{
	char buf[ADDRESS_SKELETON_MAX];

	if (address_skeleton(buf, sizeof(buf), str_of(name)) != OK)
		return false;
	return set_string(to, buf);
}

static void
seen_local(struct registry *r, uint32_t local)
{
	if (local >= r->next_local)
		r->next_local = local + 1;
}

/* ---- accounts ------------------------------------------------------------ */

static struct account *
account_new(struct registry *r, const Kith__AccountRecord *rec)
{
	struct account *a;

	if (rec->id.len != ID_LEN || !rec->has_local ||
	    (a = calloc(1, sizeof(*a))) == NULL)
		return NULL;
	a->dirty.kind = RECORD_ACCOUNT;
	memcpy(a->id.b, rec->id.data, ID_LEN);
	a->log.local = rec->local;
	a->log.epoch = 1;
	if (!set_string(&a->name, rec->name) ||
	    !set_skeleton(&a->skeleton, rec->name)) {
		free(a->name);
		free(a);
		return NULL;
	}
	HASH_ADD(hh_id, r->accounts_id, id, sizeof(a->id), a);
	HASH_ADD_KEYPTR(hh_name, r->accounts_name, a->name, strlen(a->name),
	    a);
	HASH_ADD(hh_local, r->accounts_local, log.local,
	    sizeof(a->log.local), a);
	HASH_ADD_KEYPTR(hh_skeleton, r->accounts_skeleton, a->skeleton,
	    strlen(a->skeleton), a);
	seen_local(r, rec->local);
	return a;
}

static bool
account_set_blocked(struct account *a, const Kith__AccountRecord *rec)
{
	struct id *ids = NULL;

	if (rec->n_blocked > REGISTRY_BLOCKED_MAX)
		return false;
	if (rec->n_blocked > 0 &&
	    (ids = calloc(rec->n_blocked, sizeof(*ids))) == NULL)
		return false;
	for (size_t i = 0; i < rec->n_blocked; i++) {
		if (rec->blocked[i].len != ID_LEN) {
			free(ids);
			return false;
		}
		memcpy(ids[i].b, rec->blocked[i].data, ID_LEN);
	}
	free(a->blocked);
	a->blocked = ids;
	a->nblocked = (uint32_t)rec->n_blocked;
	return true;
}

static enum err
account_put(struct registry *r, struct str value)
{
	Kith__AccountRecord *rec;
	struct account *a;
	struct id id;
	enum err rc = ERR_CORRUPT;

	rec = kith__account_record__unpack(NULL, value.n,
	    (const uint8_t *)value.p);
	if (rec == NULL || rec->id.len != ID_LEN)
		goto out;
	memcpy(id.b, rec->id.data, ID_LEN);
	if ((a = registry_account(r, &id)) == NULL &&
	    (a = account_new(r, rec)) == NULL)
		goto out;
	if (!set_bytes(&a->genesis, rec->genesis) ||
	    !set_bytes(&a->secret, rec->secret) ||
	    !set_string(&a->password, rec->password) ||
	    !account_set_blocked(a, rec))
		goto out;
	if (rec->display != NULL && !set_string(&a->display, rec->display))
		goto out;
	a->has_recovery = rec->has_recovery && rec->recovery.len == 32;
	if (a->has_recovery)
		memcpy(a->recovery, rec->recovery.data, 32);
	a->state = (enum account_state)rec->state;
	a->operator= rec->has_operator_ && rec->operator_;
	a->created_ms = rec->created_ms;
	if (rec->next_device > a->next_device)
		a->next_device = rec->next_device;
	if (rec->has_epoch)
		a->log.epoch = rec->epoch;
	if (rec->has_head)
		a->log.head.durable = a->log.head.given = rec->head;
	registry_touch(r, &a->dirty);
	rc = OK;
out:
	if (rec != NULL)
		kith__account_record__free_unpacked(rec, NULL);
	return rc;
}

void
account_record(const struct account *a, struct account_record *out)
{
	Kith__AccountRecord *rec = &out->rec;

	kith__account_record__init(rec);
	rec->id = record_data(a->id.b, ID_LEN);
	rec->name = a->name;
	rec->display = a->display;
	rec->genesis = record_data(a->genesis.p, a->genesis.n);
	rec->secret = record_data(a->secret.p, a->secret.n);
	rec->password = a->password;
	rec->has_recovery = a->has_recovery;
	rec->recovery = record_data(a->recovery, 32);
	rec->state = a->state;
	rec->created_ms = a->created_ms;
	rec->next_device = a->next_device;
	rec->has_operator_ = a->operator;
	rec->operator_ = a->operator;
	rec->has_local = true;
	rec->local = a->log.local;
	for (uint32_t i = 0; i < a->nblocked; i++)
		out->blocked[i] = record_data(a->blocked[i].b, ID_LEN);
	rec->n_blocked = a->nblocked;
	rec->blocked = out->blocked;
}

/* ---- devices ------------------------------------------------------------- */

/* [account id, device BE32] */
static struct device *
device_of_key(struct registry *r, struct str key, struct account **account)
{
	struct id id;

	*account = NULL;
	if (key.n != ID_LEN + 4)
		return NULL;
	memcpy(id.b, key.p, ID_LEN);
	if ((*account = registry_account(r, &id)) == NULL)
		return NULL;
	return registry_device(*account, be32_at(key.p + ID_LEN));
}

struct device *
record_device(struct registry *r, struct str key)
{
	struct account *a;

	return device_of_key(r, key, &a);
}

static void
device_remove(struct registry *r, struct device *d)
{
	struct device **at;

	while (d->streams != NULL)
		registry_stream_remove(r, d->streams);
	for (at = &d->account->devices; *at != d; at = &(*at)->next)
		;
	*at = d->next;
	d->account->ndevices--;
	HASH_DELETE(hh, r->devices, d);
	registry_forget_dirty(&d->dirty);
	registry_forget_dirty(&d->cursors_dirty);
	free(d->name);
	free(d->cursors);
	free(d);
}

/*
 * A new device starts at what is there when it is made: older messages are
 * history, not news.
 */
static bool
device_cursors_begin(struct registry *r, struct device *d)
{
	struct account *a = d->account;

	if (device_cursor_set(d, a->log.local, a->log.head.durable) == NULL)
		return false;
	for (struct member *m = a->memberships; m != NULL;
	     m = m->account_next)
		if (m->state == MEMBER_JOINED &&
		    device_cursor_set(d, m->room->log.local,
		        m->room->log.head.durable) == NULL)
			return false;
	registry_touch(r, &d->cursors_dirty);
	return true;
}

static struct device *
device_new(struct registry *r, struct account *a,
    const Kith__DeviceRecord *rec)
{
	struct device *d;

	if ((d = calloc(1, sizeof(*d))) == NULL)
		return NULL;
	d->dirty.kind = RECORD_DEVICE;
	d->cursors_dirty.kind = RECORD_CURSORS;
	d->account = a;
	d->num = rec->device;
	d->name = strdup(rec->name);
	if (d->name == NULL ||
	    (!r->loading && !device_cursors_begin(r, d))) {
		registry_forget_dirty(&d->cursors_dirty);
		free(d->cursors);
		free(d->name);
		free(d);
		return NULL;
	}
	memcpy(d->token_hash, rec->token_hash.data, 32);
	HASH_ADD(hh, r->devices, token_hash, 32, d);
	d->next = a->devices;
	a->devices = d;
	a->ndevices++;
	if (d->num >= a->next_device)
		a->next_device = d->num + 1;
	return d;
}

static enum err
device_put(struct registry *r, struct str key, struct str value)
{
	Kith__DeviceRecord *rec = NULL;
	struct account *a;
	struct device *d = device_of_key(r, key, &a);
	enum err rc = ERR_CORRUPT;

	if (value.p == NULL) {
		registry_tombstone(r, RECORD_DEVICE, key);
		registry_tombstone(r, RECORD_CURSORS, key);
		if (d != NULL)
			device_remove(r, d);
		return OK;
	}
	rec = kith__device_record__unpack(NULL, value.n,
	    (const uint8_t *)value.p);
	if (a == NULL || rec == NULL || rec->token_hash.len != 32)
		goto out;
	if (d == NULL && (d = device_new(r, a, rec)) == NULL)
		goto out;
	if (!set_string(&d->name, rec->name))
		goto out;
	d->created_ms = rec->created_ms;
	if (rec->seen_ms > d->seen_ms)
		d->seen_ms = rec->seen_ms;
	registry_touch(r, &d->dirty);
	rc = OK;
out:
	if (rec != NULL)
		kith__device_record__free_unpacked(rec, NULL);
	return rc;
}

void
device_record(const struct device *d, Kith__DeviceRecord *rec)
{
	kith__device_record__init(rec);
	rec->account = record_data(d->account->id.b, ID_LEN);
	rec->device = d->num;
	rec->name = d->name;
	rec->token_hash = record_data(d->token_hash, 32);
	rec->created_ms = d->created_ms;
	rec->seen_ms = d->seen_ms;
}

static struct log_state *
log_by_id(struct registry *r, ProtobufCBinaryData d)
{
	struct account *a;
	struct room *room;
	struct id id;

	if (d.len != ID_LEN)
		return NULL;
	memcpy(id.b, d.data, ID_LEN);
	if ((a = registry_account(r, &id)) != NULL)
		return &a->log;
	if ((room = registry_room(r, &id)) != NULL)
		return &room->log;
	return NULL;
}

static enum err
cursors_put(struct registry *r, struct str key, struct str value)
{
	Kith__CursorRecord *rec;
	struct account *a;
	struct device *d = device_of_key(r, key, &a);
	enum err rc = OK;

	if (d == NULL || value.p == NULL)
		return OK; /* revoked meanwhile */
	rec = kith__cursor_record__unpack(NULL, value.n,
	    (const uint8_t *)value.p);
	if (rec == NULL)
		return ERR_CORRUPT;
	for (size_t i = 0; i < rec->n_cursors && rc == OK; i++) {
		struct log_state *log = log_by_id(r, rec->cursors[i]->log);
		struct cursor *c;

		if (log == NULL)
			continue;
		c = device_cursor(d, log->local);
		if (c != NULL && c->seq >= rec->cursors[i]->seq)
			continue;
		if (device_cursor_set(d, log->local, rec->cursors[i]->seq) ==
		    NULL)
			rc = ERR_NOMEM;
	}
	if (rec->has_seen_ms && rec->seen_ms > d->seen_ms)
		d->seen_ms = rec->seen_ms;
	registry_touch(r, &d->cursors_dirty);
	kith__cursor_record__free_unpacked(rec, NULL);
	return rc;
}

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
	if (!set_string(&room->name, rec->name) ||
	    !set_skeleton(&room->skeleton, rec->name)) {
		free(room->name);
		free(room);
		return NULL;
	}
	HASH_ADD(hh_id, r->rooms_id, id, sizeof(room->id), room);
	HASH_ADD_KEYPTR(hh_name, r->rooms_name, room->name,
	    strlen(room->name), room);
	HASH_ADD(hh_local, r->rooms_local, log.local,
	    sizeof(room->log.local), room);
	HASH_ADD_KEYPTR(hh_skeleton, r->rooms_skeleton, room->skeleton,
	    strlen(room->skeleton), room);
	seen_local(r, rec->local);
	return room;
}

static enum err
room_put(struct registry *r, struct str value)
{
	Kith__RoomRecord *rec;
	struct room *room;
	struct id id;
	enum err rc = ERR_CORRUPT;

	rec = kith__room_record__unpack(NULL, value.n,
	    (const uint8_t *)value.p);
	if (rec == NULL || rec->id.len != ID_LEN)
		goto out;
	memcpy(id.b, rec->id.data, ID_LEN);
	if ((room = registry_room(r, &id)) == NULL &&
	    (room = room_new(r, rec)) == NULL)
		goto out;
	if (!set_bytes(&room->genesis, rec->genesis))
		goto out;
	if (rec->topic != NULL && !set_string(&room->topic, rec->topic))
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

static enum err
member_put(struct registry *r, struct str key, struct str value)
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

/* ---- conversations ------------------------------------------------------- */

static struct conv *
conv_new(struct registry *r, const Kith__ConvRecord *rec)
{
	struct account *owner, *peer = NULL;
	struct room *room = NULL;
	struct conv *c;
	struct id log, other;
	uint32_t next = r->next_conv;
	enum err rc;

	if (rec->log.len != ID_LEN || rec->peer.len != ID_LEN)
		return NULL;
	memcpy(log.b, rec->log.data, ID_LEN);
	memcpy(other.b, rec->peer.data, ID_LEN);
	if ((owner = registry_account(r, &log)) == NULL)
		room = registry_room(r, &log);
	else
		peer = registry_account(r, &other);
	if (room == NULL && (owner == NULL || peer == NULL))
		return NULL;
	r->next_conv = rec->conv;
	rc = registry_conv_make(r, &c, owner, peer, room);
	r->next_conv = rec->conv >= next ? rec->conv + 1 : next;
	return rc == OK ? c : NULL;
}

static enum err
conv_put(struct registry *r, struct str key, struct str value)
{
	Kith__ConvRecord *rec;
	struct conv *c;
	enum err rc = ERR_CORRUPT;

	if (key.n != 4 || value.p == NULL)
		return ERR_CORRUPT;
	rec = kith__conv_record__unpack(NULL, value.n,
	    (const uint8_t *)value.p);
	if (rec == NULL || rec->conv != be32_at(key.p))
		goto out;
	if ((c = registry_conv(r, rec->conv)) == NULL &&
	    (c = conv_new(r, rec)) == NULL)
		goto out;
	c->durable = true;
	if (rec->has_head) {
		c->head = rec->head;
		c->ord.durable = c->ord.given = rec->ord;
		c->incoming = rec->incoming;
		c->read_incoming = rec->read_incoming;
		c->read_seq = rec->read_seq;
		c->delivered = rec->delivered;
		c->peer_read = rec->peer_read;
	}
	registry_touch(r, &c->dirty);
	rc = OK;
out:
	if (rec != NULL)
		kith__conv_record__free_unpacked(rec, NULL);
	return rc;
}

void
conv_record(const struct conv *c, Kith__ConvRecord *rec)
{
	kith__conv_record__init(rec);
	rec->conv = c->num;
	if (c->room != NULL) {
		rec->log = record_data(c->room->id.b, ID_LEN);
		rec->peer = rec->log;
	} else {
		rec->log = record_data(c->owner->id.b, ID_LEN);
		rec->peer = record_data(c->peer->id.b, ID_LEN);
	}
}

/* ---- streams ------------------------------------------------------------- */

/* [account id, device BE32, stream BE64] */
size_t
record_stream_key(const struct stream *s, char *key)
{
	uint32_t device = htobe32(s->key.device);
	uint64_t num = htobe64(s->key.stream);

	memcpy(key, s->device->account->id.b, ID_LEN);
	memcpy(key + ID_LEN, &device, 4);
	memcpy(key + ID_LEN + 4, &num, 8);
	return ID_LEN + 12;
}

static enum err
stream_put(struct registry *r, struct str key, struct str value)
{
	Kith__StreamRecord *rec;
	struct account *a;
	struct device *d;
	struct stream *s;
	struct conv *c;
	uint64_t num;
	enum err rc = ERR_CORRUPT;

	if (key.n != ID_LEN + 12 || value.p == NULL)
		return ERR_CORRUPT;
	d = device_of_key(r, (struct str){ key.p, ID_LEN + 4 }, &a);
	num = be64_at(key.p + ID_LEN + 4);
	if (d == NULL)
		return OK; /* revoked: nobody can repeat any more */
	rec = kith__stream_record__unpack(NULL, value.n,
	    (const uint8_t *)value.p);
	if (rec == NULL || (c = registry_conv(r, rec->conv)) == NULL)
		goto out;
	if ((s = registry_stream(r, a, d->num, num)) == NULL &&
	    (rc = registry_stream_make(r, &s, d, num, c)) != OK)
		goto out;
	rc = sends_load(&s->sends, rec->number, rec->seqs, rec->n_seqs);
	s->given = rec->number;
	s->last_ms = rec->last_ms;
out:
	if (rec != NULL)
		kith__stream_record__free_unpacked(rec, NULL);
	return rc;
}

/* ---- invites, bans, shards ----------------------------------------------- */

static enum err
invite_put(struct registry *r, struct str key, struct str value)
{
	Kith__InviteRecord *rec;
	struct invite *i;

	if (key.n != 32)
		return ERR_CORRUPT;
	i = registry_invite(r, (const uint8_t *)key.p);
	if (value.p == NULL) {
		registry_tombstone(r, RECORD_INVITE, key);
		if (i != NULL) {
			HASH_DELETE(hh, r->invites, i);
			registry_forget_dirty(&i->dirty);
			free(i);
		}
		return OK;
	}
	rec = kith__invite_record__unpack(NULL, value.n,
	    (const uint8_t *)value.p);
	if (rec == NULL)
		return ERR_CORRUPT;
	if (i == NULL) {
		if ((i = calloc(1, sizeof(*i))) == NULL) {
			kith__invite_record__free_unpacked(rec, NULL);
			return ERR_NOMEM;
		}
		i->dirty.kind = RECORD_INVITE;
		memcpy(i->token_hash, key.p, 32);
		HASH_ADD(hh, r->invites, token_hash, 32, i);
	}
	i->expires_ms = rec->expires_ms;
	i->uses = rec->uses;
	i->has_by = rec->has_by && rec->by.len == ID_LEN;
	if (i->has_by)
		memcpy(i->by.b, rec->by.data, ID_LEN);
	registry_touch(r, &i->dirty);
	kith__invite_record__free_unpacked(rec, NULL);
	return OK;
}

void
invite_record(const struct invite *i, Kith__InviteRecord *rec)
{
	kith__invite_record__init(rec);
	rec->token_hash = record_data(i->token_hash, 32);
	rec->expires_ms = i->expires_ms;
	rec->uses = i->uses;
	rec->has_by = i->has_by;
	rec->by = record_data(i->by.b, ID_LEN);
}

static enum err
ban_put(struct registry *r, struct str key, struct str value)
{
	Kith__BanRecord *rec;
	struct ban *b;

	HASH_FIND(hh, r->bans, key.p, key.n, b);
	if (value.p == NULL) {
		registry_tombstone(r, RECORD_BAN, key);
		if (b != NULL) {
			HASH_DELETE(hh, r->bans, b);
			registry_forget_dirty(&b->dirty);
			free(b->pattern);
			free(b->reason);
			free(b);
		}
		return OK;
	}
	rec = kith__ban_record__unpack(NULL, value.n,
	    (const uint8_t *)value.p);
	if (rec == NULL)
		return ERR_CORRUPT;
	if (b == NULL && (b = calloc(1, sizeof(*b))) != NULL) {
		b->dirty.kind = RECORD_BAN;
		if (!set_string(&b->pattern, rec->pattern)) {
			free(b);
			b = NULL;
		} else {
			HASH_ADD_KEYPTR(hh, r->bans, b->pattern,
			    strlen(b->pattern), b);
		}
	}
	if (b != NULL) {
		if (rec->reason != NULL)
			(void)set_string(&b->reason, rec->reason);
		b->created_ms = rec->created_ms;
		registry_touch(r, &b->dirty);
	}
	kith__ban_record__free_unpacked(rec, NULL);
	return b != NULL ? OK : ERR_NOMEM;
}

static enum err
shard_put(struct registry *r, struct str key, struct str value)
{
	Kith__ShardRecord *rec;
	struct shard_state *s;

	if (key.n != 1 || value.p == NULL)
		return ERR_CORRUPT;
	rec = kith__shard_record__unpack(NULL, value.n,
	    (const uint8_t *)value.p);
	if (rec == NULL || rec->hash.len != 32) {
		if (rec != NULL)
			kith__shard_record__free_unpacked(rec, NULL);
		return ERR_CORRUPT;
	}
	s = &r->shards[(unsigned char)key.p[0]];
	s->epoch = rec->epoch;
	s->seq.durable = s->seq.given = rec->seq;
	memcpy(s->hash, rec->hash.data, 32);
	memcpy(s->hash_given, rec->hash.data, 32);
	kith__shard_record__free_unpacked(rec, NULL);
	return OK;
}

enum err
registry_put(struct registry *r, uint32_t kind, struct str key,
    struct str value)
{
	switch (kind) {
	case RECORD_ACCOUNT:
		return account_put(r, value);
	case RECORD_DEVICE:
		return device_put(r, key, value);
	case RECORD_CURSORS:
		return cursors_put(r, key, value);
	case RECORD_ROOM:
		return room_put(r, value);
	case RECORD_MEMBER:
		return member_put(r, key, value);
	case RECORD_CONV:
		return conv_put(r, key, value);
	case RECORD_STREAM:
		return stream_put(r, key, value);
	case RECORD_INVITE:
		return invite_put(r, key, value);
	case RECORD_SHARD:
		return shard_put(r, key, value);
	case RECORD_BAN:
		return ban_put(r, key, value);
	default:
		return ERR_CORRUPT;
	}
}
