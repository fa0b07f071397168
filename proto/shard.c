#include "proto/shard.h"

#include <assert.h>
#include <string.h>

void
shards_init(struct shards *s, const struct epoch *epoch)
{
	for (unsigned i = 0; i < SHARDS; i++)
		head_init(&s->head[i], epoch);
}

enum err
shards_load(struct shards *s, uint32_t shard, const struct point *head)
{
	if (shard >= SHARDS)
		return ERR_CORRUPT;
	head_start(&s->head[shard], head);
	return OK;
}

uint32_t
shards_of(const struct id *logs, uint32_t n,
    uint32_t shards[static ENTRY_SHARDS])
{
	uint32_t count = 0, j;

	assert(n <= ENTRY_SHARDS);
	for (uint32_t i = 0; i < n; i++) {
		for (j = 0; j < count && shards[j] != id_shard(&logs[i]); j++)
			;
		if (j == count)
			shards[count++] = id_shard(&logs[i]);
	}
	return count;
}

enum err
shards_give(struct shards *s, const struct id *logs, uint32_t n,
    const struct event_id *id, struct shard_place out[static ENTRY_SHARDS],
    uint32_t *nout)
{
	uint32_t num[ENTRY_SHARDS], count = shards_of(logs, n, num);
	enum err rc;

	for (uint32_t i = 0; i < count; i++) {
		struct head *l = &s->head[num[i]];

		rc = head_give(l, id, &out[i].epoch, &out[i].seq);
		if (rc != OK)
			return rc;
		out[i].shard = num[i];
		memcpy(out[i].hash, l->given.chain, CHAIN_LEN);
	}
	*nout = count;
	return OK;
}

enum err
shards_take(struct shards *s, const struct entry *e)
{
	enum err rc;

	if (e->nshards > 0 && e->event == NULL)
		return ERR_CORRUPT;
	for (uint32_t i = 0; i < e->nshards; i++) {
		const struct shard_place *p = &e->shards[i];
		struct head *l;
		bool known;

		if (p->shard >= SHARDS)
			return ERR_CORRUPT;
		l = &s->head[p->shard];
		known = p->seq < l->durable.seq;
		rc = head_take(l, p->epoch, p->seq, &e->event->id);
		if (rc != OK)
			return rc;
		if (!known && memcmp(l->durable.chain, p->hash, CHAIN_LEN) != 0)
			return ERR_CORRUPT;
	}
	return OK;
}

void
shards_rollback(struct shards *s, const struct entry *e)
{
	for (uint32_t i = 0; i < e->nshards; i++)
		if (e->shards[i].shard < SHARDS)
			head_rollback(&s->head[e->shards[i].shard]);
}
