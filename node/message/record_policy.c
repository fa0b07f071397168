/*
 * record_policy: invites, bans and shard heads out of their records.
 */
#include <stdlib.h>
#include <string.h>

#include "node/message/record_parts.h"

/* ---- invites, bans, shards ----------------------------------------------- */

enum err
record_invite_put(struct registry *r, struct str key, struct str value)
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

enum err
record_ban_put(struct registry *r, struct str key, struct str value)
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
	rec = kith__ban_record__unpack(NULL, value.n, (const uint8_t *)value.p);
	if (rec == NULL)
		return ERR_CORRUPT;
	if (b == NULL && (b = calloc(1, sizeof(*b))) != NULL) {
		b->dirty.kind = RECORD_BAN;
		if (!record_set_string(&b->pattern, rec->pattern)) {
			free(b);
			b = NULL;
		} else {
			HASH_ADD_KEYPTR(hh, r->bans, b->pattern,
			    strlen(b->pattern), b);
		}
	}
	if (b != NULL) {
		if (rec->reason != NULL)
			(void)record_set_string(&b->reason, rec->reason);
		b->created_ms = rec->created_ms;
		registry_touch(r, &b->dirty);
	}
	kith__ban_record__free_unpacked(rec, NULL);
	return b != NULL ? OK : ERR_NOMEM;
}

enum err
record_shard_put(struct registry *r, struct str key, struct str value)
{
	Kith__ShardRecord *rec;
	struct shard_state *s;

	if (key.n != 1 || value.p == NULL)
		return ERR_CORRUPT;
	rec =
	    kith__shard_record__unpack(NULL, value.n, (const uint8_t *)value.p);
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
