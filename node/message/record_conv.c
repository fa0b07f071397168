/*
 * record_conv: conversations and send streams out of their records.
 */
#include <endian.h>
#include <string.h>

#include "node/message/record_parts.h"

/* ---- conversations ------------------------------------------------------- */

static enum err
conv_new(struct registry *r, const Kith__ConvRecord *rec, struct conv **out)
{
	struct account *owner, *peer = NULL;
	struct room *room = NULL;
	struct id log, other;
	uint32_t next = r->next_conv;
	enum err rc;

	memcpy(log.b, rec->log.data, ID_LEN);
	memcpy(other.b, rec->peer.data, ID_LEN);
	if ((owner = registry_account(r, &log)) == NULL)
		room = registry_room(r, &log);
	else
		peer = registry_account(r, &other);
	if (room == NULL && (owner == NULL || peer == NULL))
		return ERR_CORRUPT;
	if (room != NULL ? room->conv != NULL
			 : registry_conv_between(r, owner, peer) != NULL)
		return ERR_CORRUPT; /* under another number */
	r->next_conv = rec->conv;
	rc = registry_conv_make(r, out, owner, peer, room);
	r->next_conv = rec->conv >= next ? rec->conv + 1 : next;
	return rc;
}

static void
conv_fill(struct conv *c, const Kith__ConvRecord *rec)
{
	c->durable = true;
	if (!rec->has_head)
		return;
	c->head = rec->head;
	c->ord.durable = c->ord.given = rec->ord;
	c->incoming = rec->incoming;
	c->read_incoming = rec->read_incoming;
	c->read_seq = rec->read_seq;
	c->delivered = rec->delivered;
	c->peer_read = rec->peer_read;
	c->last_seq = rec->last_seq;
	c->last_peer_seq = rec->last_peer_seq;
	c->wait_seq = rec->wait_seq;
	c->wait_peer_seq = rec->wait_peer_seq;
	if (c->owner != NULL && c->wait_seq != 0)
		conv_wait(c);
}

enum err
record_conv_put(struct registry *r, struct str key, struct str value)
{
	Kith__ConvRecord *rec;
	struct conv *c;
	enum err rc = ERR_CORRUPT;

	if (key.n != 4 || value.p == NULL)
		return ERR_CORRUPT;
	rec =
	    kith__conv_record__unpack(NULL, value.n, (const uint8_t *)value.p);
	if (rec == NULL || rec->conv != record_be32(key.p) || rec->conv == 0 ||
	    rec->conv == UINT32_MAX || rec->log.len != ID_LEN ||
	    rec->peer.len != ID_LEN)
		goto out;
	rc = OK;
	if ((c = registry_conv(r, rec->conv)) == NULL)
		rc = conv_new(r, rec, &c);
	if (rc == OK) {
		conv_fill(c, rec);
		registry_touch(r, &c->dirty);
	}
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

enum err
record_stream_put(struct registry *r, struct str key, struct str value)
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
	d = record_device_of_key(r, (struct str){ key.p, ID_LEN + 4 }, &a);
	num = record_be64(key.p + ID_LEN + 4);
	if (d == NULL) /* revoked: nobody can repeat any more */
		return a != NULL ? OK : ERR_CORRUPT;
	rec = kith__stream_record__unpack(NULL, value.n,
	    (const uint8_t *)value.p);
	if (rec == NULL || rec->stream != num || num == 0 ||
	    (c = registry_conv(r, rec->conv)) == NULL ||
	    (c->room == NULL && c->owner != a))
		goto out;
	rc = OK;
	if ((s = registry_stream(r, a, d->num, num)) == NULL)
		rc = registry_stream_make(r, &s, d, num, c);
	if (rc == OK)
		rc = sends_load(&s->sends, rec->number, rec->seqs, rec->n_seqs);
	if (rc == OK) {
		s->given = rec->number;
		s->last_ms = rec->last_ms;
		registry_touch(r, &s->dirty);
	}
out:
	if (rec != NULL)
		kith__stream_record__free_unpacked(rec, NULL);
	return rc;
}
