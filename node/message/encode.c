/*
 * encode: the record of a dirty object for storage, with the heads and
 * counters that events imply (the puts of an entry leave those out).
 */
#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "node/message/record.h"

/* The object around its dirty member. */
#define OBJECT(d, type, member)                                                \
	((const type *)(const void *)((const char *)(d)-offsetof(type, member)))

static enum err
pack(struct bytes *out, const ProtobufCMessage *msg)
{
	size_t n = protobuf_c_message_get_packed_size(msg);
	char *p;

	if ((p = bytes_reserve(out, n)) == NULL)
		return ERR_NOMEM;
	(void)protobuf_c_message_pack(msg, (uint8_t *)p);
	out->n += n;
	return OK;
}

static size_t
key_id_u32(char *key, const struct id *id, uint32_t v)
{
	uint32_t be = htobe32(v);

	memcpy(key, id->b, ID_LEN);
	memcpy(key + ID_LEN, &be, 4);
	return ID_LEN + 4;
}

static enum err
encode_account(const struct account *a, struct bytes *out, char *key,
    size_t *key_len)
{
	struct account_record *rec;
	enum err rc;

	if ((rec = malloc(sizeof(*rec))) == NULL)
		return ERR_NOMEM;
	account_record(a, rec);
	rec->rec.has_epoch = rec->rec.has_head = true;
	rec->rec.epoch = a->log.epoch;
	rec->rec.head = a->log.head.durable;
	memcpy(key, a->id.b, ID_LEN);
	*key_len = ID_LEN;
	rc = pack(out, &rec->rec.base);
	free(rec);
	return rc;
}

static enum err
encode_device(const struct device *d, struct bytes *out, char *key,
    size_t *key_len)
{
	Kith__DeviceRecord rec;

	device_record(d, &rec);
	*key_len = key_id_u32(key, &d->account->id, d->num);
	return pack(out, &rec.base);
}

enum err
encode_cursors(const struct device *d, struct registry *r, struct bytes *out)
{
	Kith__CursorRecord rec = KITH__CURSOR_RECORD__INIT;
	Kith__Cursor *v, **pv;
	size_t n = 0;
	enum err rc;

	v = calloc(d->ncursors + 1, sizeof(*v));
	pv = calloc(d->ncursors + 1, sizeof(*pv));
	if (v == NULL || pv == NULL) {
		free(v);
		free(pv);
		return ERR_NOMEM;
	}
	for (uint32_t i = 0; i < d->ncursors; i++) {
		const struct id *id;
		struct room *room;

		if (d->cursors[i].log == d->account->log.local)
			id = &d->account->id;
		else if ((room = registry_room_local(r, d->cursors[i].log)) !=
			 NULL)
			id = &room->id;
		else
			continue;
		kith__cursor__init(&v[n]);
		v[n].log = record_data(id->b, ID_LEN);
		v[n].seq = d->cursors[i].seq;
		pv[n] = &v[n];
		n++;
	}
	rec.account = record_data(d->account->id.b, ID_LEN);
	rec.device = d->num;
	rec.cursors = pv;
	rec.n_cursors = n;
	rec.has_seen_ms = true;
	rec.seen_ms = d->seen_ms;
	rc = pack(out, &rec.base);
	free(v);
	free(pv);
	return rc;
}

static enum err
encode_room(const struct room *room, struct bytes *out, char *key,
    size_t *key_len)
{
	Kith__RoomRecord rec;

	room_record(room, &rec);
	rec.has_epoch = rec.has_head = rec.has_chain = true;
	rec.epoch = room->log.epoch;
	rec.head = room->log.head.durable;
	rec.chain = record_data(room->log.chain, 32);
	memcpy(key, room->id.b, ID_LEN);
	*key_len = ID_LEN;
	return pack(out, &rec.base);
}

static enum err
encode_member(const struct member *m, struct bytes *out, char *key,
    size_t *key_len)
{
	Kith__MemberRecord rec;

	member_record(m, &rec);
	rec.has_joined_seq = rec.has_read_ord = rec.has_read_seq = true;
	rec.joined_seq = m->joined_seq;
	rec.read_ord = m->read_ord;
	rec.read_seq = m->read_seq;
	memcpy(key, m->room->id.b, ID_LEN);
	memcpy(key + ID_LEN, m->account->id.b, ID_LEN);
	*key_len = 2 * ID_LEN;
	return pack(out, &rec.base);
}

static enum err
encode_conv(const struct conv *c, struct bytes *out, char *key, size_t *key_len)
{
	Kith__ConvRecord rec;
	uint32_t be = htobe32(c->num);

	conv_record(c, &rec);
	rec.has_head = rec.has_ord = rec.has_incoming = true;
	rec.head = c->head;
	rec.ord = (uint32_t)c->ord.durable;
	rec.incoming = c->incoming;
	rec.has_read_incoming = rec.has_read_seq = true;
	rec.read_incoming = c->read_incoming;
	rec.read_seq = c->read_seq;
	rec.has_delivered = rec.has_peer_read = true;
	rec.delivered = c->delivered;
	rec.peer_read = c->peer_read;
	rec.has_last_seq = rec.has_last_peer_seq = c->last_seq != 0;
	rec.last_seq = c->last_seq;
	rec.last_peer_seq = c->last_peer_seq;
	rec.has_wait_seq = rec.has_wait_peer_seq = c->wait_seq != 0;
	rec.wait_seq = c->wait_seq;
	rec.wait_peer_seq = c->wait_peer_seq;
	memcpy(key, &be, sizeof(be));
	*key_len = sizeof(be);
	return pack(out, &rec.base);
}

static enum err
encode_stream(const struct stream *s, struct bytes *out, char *key,
    size_t *key_len)
{
	Kith__StreamRecord rec = KITH__STREAM_RECORD__INIT;
	uint64_t seqs[SENDS_KEPT];

	rec.account = record_data(s->device->account->id.b, ID_LEN);
	rec.device = s->key.device;
	rec.stream = s->key.stream;
	rec.conv = s->conv->num;
	rec.number = sends_number(&s->sends);
	rec.last_ms = s->last_ms;
	rec.n_seqs = sends_save(&s->sends, seqs);
	rec.seqs = seqs;
	*key_len = record_stream_key(s, key);
	return pack(out, &rec.base);
}

static enum err
encode_invite(const struct invite *i, struct bytes *out, char *key,
    size_t *key_len)
{
	Kith__InviteRecord rec;

	invite_record(i, &rec);
	memcpy(key, i->token_hash, 32);
	*key_len = 32;
	return pack(out, &rec.base);
}

static enum err
encode_ban(const struct ban *b, struct bytes *out, char *key, size_t *key_len)
{
	Kith__BanRecord rec = KITH__BAN_RECORD__INIT;

	rec.pattern = b->pattern;
	rec.reason = b->reason;
	rec.created_ms = b->created_ms;
	*key_len = strlen(b->pattern);
	assert(*key_len <= REGISTRY_KEY_MAX);
	memcpy(key, b->pattern, *key_len);
	return pack(out, &rec.base);
}

static enum err
encode_shard(const struct shard_state *s, unsigned num, struct bytes *out,
    char *key, size_t *key_len)
{
	Kith__ShardRecord rec = KITH__SHARD_RECORD__INIT;

	rec.shard = num;
	rec.epoch = s->epoch;
	rec.seq = s->seq.durable;
	rec.hash = record_data(s->hash, 32);
	key[0] = (char)num;
	*key_len = 1;
	return pack(out, &rec.base);
}

enum err
record_encode(struct registry *r, const struct dirty *d, struct bytes *out,
    char key[static REGISTRY_KEY_MAX], size_t *key_len)
{
	switch (d->kind) {
	case RECORD_ACCOUNT:
		return encode_account(OBJECT(d, struct account, dirty), out,
		    key, key_len);
	case RECORD_DEVICE:
		return encode_device(OBJECT(d, struct device, dirty), out, key,
		    key_len);
	case RECORD_CURSORS: {
		const struct device *dev =
		    OBJECT(d, struct device, cursors_dirty);

		*key_len = key_id_u32(key, &dev->account->id, dev->num);
		return encode_cursors(dev, r, out);
	}
	case RECORD_ROOM:
		return encode_room(OBJECT(d, struct room, dirty), out, key,
		    key_len);
	case RECORD_MEMBER:
		return encode_member(OBJECT(d, struct member, dirty), out, key,
		    key_len);
	case RECORD_CONV:
		return encode_conv(OBJECT(d, struct conv, dirty), out, key,
		    key_len);
	case RECORD_STREAM:
		return encode_stream(OBJECT(d, struct stream, dirty), out, key,
		    key_len);
	case RECORD_INVITE:
		return encode_invite(OBJECT(d, struct invite, dirty), out, key,
		    key_len);
	case RECORD_BAN:
		return encode_ban(OBJECT(d, struct ban, dirty), out, key,
		    key_len);
	case RECORD_SHARD: {
		const struct shard_state *s =
		    OBJECT(d, struct shard_state, dirty);

		return encode_shard(s, (unsigned)(s - r->shards), out, key,
		    key_len);
	}
	}
	return ERR_INTERNAL;
}
