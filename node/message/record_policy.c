/*
 * record_policy: invites, bans and shard heads out of their records.
 */
#include <stdlib.h>
#include <string.h>

#include "node/message/record_parts.h"

/* ---- invites, bans, shards ----------------------------------------------- */

void
registry_invite_remove(struct registry *r, struct invite *i)
{
	HASH_DELETE(hh, r->invites, i);
	registry_forget_dirty(&i->dirty);
	free(i);
}

static enum err
invite_new(struct registry *r, struct str key, struct invite **out)
{
	struct invite *i;

	if ((i = calloc(1, sizeof(*i))) == NULL)
		return ERR_NOMEM;
	i->dirty.kind = RECORD_INVITE;
	memcpy(i->token_hash, key.p, 32);
	HASH_ADD(hh, r->invites, token_hash, 32, i);
	if (table_failed(i, hh)) {
		free(i);
		return ERR_NOMEM;
	}
	*out = i;
	return OK;
}

static enum err
invite_gone(struct registry *r, struct invite *i, struct str key)
{
	enum err rc;

	if ((rc = registry_tombstone(r, RECORD_INVITE, key)) == OK && i != NULL)
		registry_invite_remove(r, i);
	return rc;
}

enum err
record_invite_put(struct registry *r, struct str key, struct str value)
{
	Kith__InviteRecord *rec;
	struct invite *i;
	enum err rc = ERR_CORRUPT;

	if (key.n != 32)
		return ERR_CORRUPT;
	i = registry_invite(r, (const uint8_t *)key.p);
	if (value.p == NULL)
		return invite_gone(r, i, key);
	rec = kith__invite_record__unpack(NULL, value.n,
	    (const uint8_t *)value.p);
	if (rec == NULL || rec->token_hash.len != 32 ||
	    memcmp(rec->token_hash.data, key.p, 32) != 0 ||
	    (rec->has_by && rec->by.len != ID_LEN))
		goto out;
	rc = OK;
	if (i == NULL && (rc = invite_new(r, key, &i)) != OK)
		goto out;
	i->expires_ms = rec->expires_ms;
	i->uses = rec->uses;
	i->has_by = rec->has_by;
	if (i->has_by)
		memcpy(i->by.b, rec->by.data, ID_LEN);
	registry_touch(r, &i->dirty);
out:
	if (rec != NULL)
		kith__invite_record__free_unpacked(rec, NULL);
	return rc;
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
ban_new(struct registry *r, const char *pattern, struct ban **out)
{
	struct ban *b;

	if ((b = calloc(1, sizeof(*b))) == NULL)
		return ERR_NOMEM;
	b->dirty.kind = RECORD_BAN;
	if (!record_set_string(&b->pattern, pattern)) {
		free(b);
		return ERR_NOMEM;
	}
	HASH_ADD_KEYPTR(hh, r->bans, b->pattern, strlen(b->pattern), b);
	if (table_failed(b, hh)) {
		free(b->pattern);
		free(b);
		return ERR_NOMEM;
	}
	*out = b;
	return OK;
}

static enum err
ban_gone(struct registry *r, struct ban *b, struct str key)
{
	enum err rc;

	if ((rc = registry_tombstone(r, RECORD_BAN, key)) != OK || b == NULL)
		return rc;
	HASH_DELETE(hh, r->bans, b);
	registry_forget_dirty(&b->dirty);
	free(b->pattern);
	free(b->reason);
	free(b);
	return OK;
}

enum err
record_ban_put(struct registry *r, struct str key, struct str value)
{
	Kith__BanRecord *rec;
	struct ban *b;
	enum err rc = ERR_CORRUPT;

	if (key.n == 0 || key.n > REGISTRY_KEY_MAX)
		return ERR_CORRUPT;
	HASH_FIND(hh, r->bans, key.p, key.n, b);
	if (value.p == NULL)
		return ban_gone(r, b, key);
	rec = kith__ban_record__unpack(NULL, value.n, (const uint8_t *)value.p);
	if (rec == NULL || !str_eq(str_of(rec->pattern), key))
		goto out;
	rc = OK;
	if (b == NULL && (rc = ban_new(r, rec->pattern, &b)) != OK)
		goto out;
	if (rec->reason != NULL && !record_set_string(&b->reason, rec->reason))
		rc = ERR_NOMEM;
	b->created_ms = rec->created_ms;
	registry_touch(r, &b->dirty);
out:
	if (rec != NULL)
		kith__ban_record__free_unpacked(rec, NULL);
	return rc;
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
	if (rec == NULL || rec->hash.len != 32 ||
	    rec->shard != (unsigned char)key.p[0]) {
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
