/*
 * record: the objects of the registry to and from the *Record messages of
 * kith.proto.
 */
#include "node/message/record.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/password.h"
#include "node/message/record_parts.h"
#include "proto/text.h"

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

/* ---- accounts ------------------------------------------------------------ */

static void
account_unindex(struct registry *r, struct account *a)
{
	if (a->hh_id.tbl != NULL)
		HASH_DELETE(hh_id, r->accounts_id, a);
	if (a->hh_name.tbl != NULL)
		HASH_DELETE(hh_name, r->accounts_name, a);
	if (a->hh_local.tbl != NULL)
		HASH_DELETE(hh_local, r->accounts_local, a);
	if (a->hh_skeleton.tbl != NULL)
		HASH_DELETE(hh_skeleton, r->accounts_skeleton, a);
}

static bool
account_index(struct registry *r, struct account *a)
{
	HASH_ADD(hh_id, r->accounts_id, id, sizeof(a->id), a);
	HASH_ADD_KEYPTR(hh_name, r->accounts_name, a->name, strlen(a->name), a);
	HASH_ADD(hh_local, r->accounts_local, log.local, sizeof(a->log.local),
	    a);
	HASH_ADD_KEYPTR(hh_skeleton, r->accounts_skeleton, a->skeleton,
	    strlen(a->skeleton), a);
	if (!table_failed(a, hh_id) && !table_failed(a, hh_name) &&
	    !table_failed(a, hh_local) && !table_failed(a, hh_skeleton))
		return true;
	account_unindex(r, a);
	return false;
}

static enum err
account_new(struct registry *r, const Kith__AccountRecord *rec,
    struct account **out)
{
	struct account *a;

	if (!rec->has_local || !record_local_free(r, rec->local) ||
	    !record_name_valid(rec->name) ||
	    registry_account_named(r, str_of(rec->name)) != NULL)
		return ERR_CORRUPT;
	if ((a = calloc(1, sizeof(*a))) == NULL)
		return ERR_NOMEM;
	a->dirty.kind = RECORD_ACCOUNT;
	memcpy(a->id.b, rec->id.data, ID_LEN);
	a->log.local = rec->local;
	a->log.epoch = 1;
	if (!record_set_string(&a->name, rec->name) ||
	    !record_set_string(&a->password, rec->password) ||
	    !record_set_skeleton(&a->skeleton, rec->name) ||
	    !account_index(r, a)) {
		free(a->skeleton);
		free(a->password);
		free(a->name);
		free(a);
		return ERR_NOMEM;
	}
	record_seen_local(r, rec->local);
	*out = a;
	return OK;
}

static enum err
account_set_blocked(struct account *a, const Kith__AccountRecord *rec)
{
	struct id *ids = NULL;

	if (rec->n_blocked > 0 &&
	    (ids = calloc(rec->n_blocked, sizeof(*ids))) == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < rec->n_blocked; i++)
		memcpy(ids[i].b, rec->blocked[i].data, ID_LEN);
	free(a->blocked);
	a->blocked = ids;
	a->nblocked = (uint32_t)rec->n_blocked;
	return OK;
}

/* What protobuf-c does not see: lengths, ranges. */
static bool
account_valid(const Kith__AccountRecord *rec)
{
	if (rec->id.len != ID_LEN || rec->state > ACCOUNT_DEACTIVATED ||
	    rec->n_blocked > REGISTRY_BLOCKED_MAX ||
	    strlen(rec->password) >= PASSWORD_HASH_MAX ||
	    (rec->has_recovery && rec->recovery.len != 32) ||
	    (rec->display != NULL && strlen(rec->display) > DISPLAY_MAX))
		return false;
	for (size_t i = 0; i < rec->n_blocked; i++)
		if (rec->blocked[i].len != ID_LEN)
			return false;
	return true;
}

static enum err
account_fill(struct account *a, const Kith__AccountRecord *rec)
{
	enum err rc;

	if ((rc = record_set_bytes(&a->genesis, rec->genesis)) != OK ||
	    (rc = record_set_bytes(&a->secret, rec->secret)) != OK ||
	    (rc = account_set_blocked(a, rec)) != OK)
		return rc;
	if (!record_set_string(&a->password, rec->password))
		return ERR_NOMEM;
	if (rec->display != NULL &&
	    !record_set_string(&a->display, rec->display))
		return ERR_NOMEM;
	a->has_recovery = rec->has_recovery;
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
	return OK;
}

static enum err
account_put(struct registry *r, struct str key, struct str value)
{
	Kith__AccountRecord *rec;
	struct account *a;
	struct id id;
	enum err rc = ERR_CORRUPT;

	rec = kith__account_record__unpack(NULL, value.n,
	    (const uint8_t *)value.p);
	if (rec == NULL || !account_valid(rec) || key.n != ID_LEN ||
	    memcmp(key.p, rec->id.data, ID_LEN) != 0)
		goto out;
	memcpy(id.b, rec->id.data, ID_LEN);
	if ((a = registry_account(r, &id)) == NULL &&
	    (rc = account_new(r, rec, &a)) != OK)
		goto out;
	if ((rc = account_fill(a, rec)) == OK)
		registry_touch(r, &a->dirty);
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
struct device *
record_device_of_key(struct registry *r, struct str key,
    struct account **account)
{
	struct id id;

	*account = NULL;
	if (key.n != ID_LEN + 4)
		return NULL;
	memcpy(id.b, key.p, ID_LEN);
	if ((*account = registry_account(r, &id)) == NULL)
		return NULL;
	return registry_device(*account, record_be32(key.p + ID_LEN));
}

struct device *
record_device(struct registry *r, struct str key)
{
	struct account *a;

	return record_device_of_key(r, key, &a);
}

/* ERR_NOMEM: some of its streams may be gone. */
static enum err
device_remove(struct registry *r, struct device *d)
{
	struct device **at;
	enum err rc;

	while (d->streams != NULL)
		if ((rc = registry_stream_remove(r, d->streams)) != OK)
			return rc;
	for (at = &d->account->devices; *at != d; at = &(*at)->next)
		;
	*at = d->next;
	d->account->ndevices--;
	HASH_DELETE(hh, r->devices, d);
	registry_forget_dirty(&d->dirty);
	registry_forget_dirty(&d->cursors_dirty);
	device_free(d);
	return OK;
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

static enum err
device_new(struct registry *r, struct account *a, const Kith__DeviceRecord *rec,
    struct device **out)
{
	struct device *d;

	if (registry_device_token(r, rec->token_hash.data) != NULL)
		return ERR_CORRUPT;
	if ((d = calloc(1, sizeof(*d))) == NULL)
		return ERR_NOMEM;
	d->dirty.kind = RECORD_DEVICE;
	d->cursors_dirty.kind = RECORD_CURSORS;
	d->account = a;
	d->num = rec->device;
	memcpy(d->token_hash, rec->token_hash.data, 32);
	if (!record_set_string(&d->name, rec->name))
		goto nomem;
	HASH_ADD(hh, r->devices, token_hash, 32, d);
	if (table_failed(d, hh))
		goto nomem;
	if (!r->loading && !device_cursors_begin(r, d)) {
		HASH_DELETE(hh, r->devices, d);
		goto nomem;
	}
	d->next = a->devices;
	a->devices = d;
	a->ndevices++;
	if (d->num >= a->next_device)
		a->next_device = d->num + 1;
	*out = d;
	return OK;

nomem:
	device_free(d);
	return ERR_NOMEM;
}

static enum err
device_gone(struct registry *r, struct device *d, struct str key)
{
	enum err rc;

	if ((rc = registry_tombstone(r, RECORD_DEVICE, key)) != OK ||
	    (rc = registry_tombstone(r, RECORD_CURSORS, key)) != OK)
		return rc;
	return d != NULL ? device_remove(r, d) : OK;
}

static enum err
device_put(struct registry *r, struct str key, struct str value)
{
	Kith__DeviceRecord *rec;
	struct account *a;
	struct device *d = record_device_of_key(r, key, &a);
	enum err rc = ERR_CORRUPT;

	if (a == NULL)
		return ERR_CORRUPT;
	if (value.p == NULL)
		return device_gone(r, d, key);
	rec = kith__device_record__unpack(NULL, value.n,
	    (const uint8_t *)value.p);
	if (rec == NULL || rec->token_hash.len != 32 || rec->device == 0 ||
	    rec->device == UINT32_MAX ||
	    rec->device != record_be32(key.p + ID_LEN) ||
	    strlen(rec->name) > DEVICE_NAME_MAX)
		goto out;
	if (d == NULL && (rc = device_new(r, a, rec, &d)) != OK)
		goto out;
	rc = ERR_NOMEM;
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

/* The mailbox of a or a room that it is in; NULL: another one. */
static struct log_state *
log_of_account(struct registry *r, struct account *a, ProtobufCBinaryData d)
{
	struct member *m;
	struct room *room;
	struct id id;

	if (d.len != ID_LEN)
		return NULL;
	memcpy(id.b, d.data, ID_LEN);
	if (id_eq(&id, &a->id))
		return &a->log;
	if ((room = registry_room(r, &id)) == NULL)
		return NULL;
	m = registry_member(r, room, a);
	return m != NULL && m->state == MEMBER_JOINED ? &room->log : NULL;
}

static enum err
cursors_fill(struct registry *r, struct device *d,
    const Kith__CursorRecord *rec)
{
	for (size_t i = 0; i < rec->n_cursors; i++) {
		struct log_state *log;
		struct cursor *c;

		/* A room that was left meanwhile starts anew with joining. */
		log = log_of_account(r, d->account, rec->cursors[i]->log);
		if (log == NULL)
			continue;
		if (log == &d->account->log &&
		    d->stored_seq < rec->cursors[i]->seq)
			d->stored_seq = rec->cursors[i]->seq;
		c = device_cursor(d, log->local);
		if (c != NULL && c->seq >= rec->cursors[i]->seq)
			continue;
		if (device_cursor_set(d, log->local, rec->cursors[i]->seq) ==
		    NULL)
			return ERR_NOMEM;
	}
	if (rec->has_seen_ms && rec->seen_ms > d->seen_ms)
		d->seen_ms = rec->seen_ms;
	return OK;
}

static enum err
cursors_put(struct registry *r, struct str key, struct str value)
{
	Kith__CursorRecord *rec;
	struct account *a;
	struct device *d = record_device_of_key(r, key, &a);
	enum err rc;

	if (a == NULL)
		return ERR_CORRUPT;
	if (d == NULL || value.p == NULL)
		return OK; /* revoked meanwhile */
	rec = kith__cursor_record__unpack(NULL, value.n,
	    (const uint8_t *)value.p);
	if (rec == NULL)
		return ERR_CORRUPT;
	if ((rc = cursors_fill(r, d, rec)) == OK)
		registry_touch(r, &d->cursors_dirty);
	kith__cursor_record__free_unpacked(rec, NULL);
	return rc;
}

/* ---- all kinds ------------------------------------------------------------
 */

enum err
registry_put(struct registry *r, uint32_t kind, struct str key,
    struct str value)
{
	switch (kind) {
	case RECORD_ACCOUNT:
		return account_put(r, key, value);
	case RECORD_DEVICE:
		return device_put(r, key, value);
	case RECORD_CURSORS:
		return cursors_put(r, key, value);
	case RECORD_ROOM:
		return record_room_put(r, key, value);
	case RECORD_MEMBER:
		return record_member_put(r, key, value);
	case RECORD_CONV:
		return record_conv_put(r, key, value);
	case RECORD_STREAM:
		return record_stream_put(r, key, value);
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
