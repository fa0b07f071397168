/*
 * record: the objects of the registry to and from the *Record messages of
 * kith.proto.
 */
#include "node/message/record.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "node/message/record_parts.h"

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
	if (!record_set_string(&a->name, rec->name) ||
	    !record_set_skeleton(&a->skeleton, rec->name)) {
		free(a->name);
		free(a);
		return NULL;
	}
	HASH_ADD(hh_id, r->accounts_id, id, sizeof(a->id), a);
	HASH_ADD_KEYPTR(hh_name, r->accounts_name, a->name, strlen(a->name), a);
	HASH_ADD(hh_local, r->accounts_local, log.local, sizeof(a->log.local),
	    a);
	HASH_ADD_KEYPTR(hh_skeleton, r->accounts_skeleton, a->skeleton,
	    strlen(a->skeleton), a);
	record_seen_local(r, rec->local);
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
	if (!record_set_bytes(&a->genesis, rec->genesis) ||
	    !record_set_bytes(&a->secret, rec->secret) ||
	    !record_set_string(&a->password, rec->password) ||
	    !account_set_blocked(a, rec))
		goto out;
	if (rec->display != NULL &&
	    !record_set_string(&a->display, rec->display))
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
	for (struct member *m = a->memberships; m != NULL; m = m->account_next)
		if (m->state == MEMBER_JOINED &&
		    device_cursor_set(d, m->room->log.local,
			m->room->log.head.durable) == NULL)
			return false;
	registry_touch(r, &d->cursors_dirty);
	return true;
}

static struct device *
device_new(struct registry *r, struct account *a, const Kith__DeviceRecord *rec)
{
	struct device *d;

	if ((d = calloc(1, sizeof(*d))) == NULL)
		return NULL;
	d->dirty.kind = RECORD_DEVICE;
	d->cursors_dirty.kind = RECORD_CURSORS;
	d->account = a;
	d->num = rec->device;
	d->name = strdup(rec->name);
	if (d->name == NULL || (!r->loading && !device_cursors_begin(r, d))) {
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
	if (!record_set_string(&d->name, rec->name))
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
	rec =
	    kith__conv_record__unpack(NULL, value.n, (const uint8_t *)value.p);
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
		return record_room_put(r, value);
	case RECORD_MEMBER:
		return record_member_put(r, key, value);
	case RECORD_CONV:
		return conv_put(r, key, value);
	case RECORD_STREAM:
		return stream_put(r, key, value);
	case RECORD_INVITE:
		return record_invite_put(r, key, value);
	case RECORD_SHARD:
		return record_shard_put(r, key, value);
	case RECORD_BAN:
		return record_ban_put(r, key, value);
	default:
		return ERR_CORRUPT;
	}
}
