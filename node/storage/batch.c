/*
 * batch: what main hands over, and the reads that it asks for.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "node/storage/pointer.h"
#include "node/storage/shared.h"
#include "node/storage/storage.h"

#define MEMORY_MAX ((size_t)1 << 30) /* of keys and values in a batch */

struct storage_batch *
storage_batch_new(void)
{
	struct storage_batch *b = calloc(1, sizeof(*b));

	if (b != NULL)
		bytes_init(&b->memory, MEMORY_MAX);
	return b;
}

void
storage_batch_free(struct storage_batch *b)
{
	size_t i;

	if (b == NULL)
		return;
	for (i = 0; i < b->nentries; i++)
		entry_unref(b->entries[i]);
	free(b->entries);
	free(b->puts);
	free(b->erasures);
	free(b->expires);
	bytes_wipe(&b->memory); /* sealed keys, hashes of passwords */
	free(b);
}

/* Room for one more of `size' bytes. */
static enum err
room(void *array, size_t n, size_t *cap, size_t size)
{
	size_t more = *cap > 0 ? 2 * *cap : 64;
	void *p, *q;

	if (n < *cap)
		return OK;
	memcpy(&p, array, sizeof(p));
	if ((q = realloc(p, more * size)) == NULL)
		return ERR_NOMEM;
	memcpy(array, &q, sizeof(q));
	*cap = more;
	return OK;
}

enum err
storage_batch_entry(struct storage_batch *b, struct entry *e)
{
	enum err err;
	uint32_t i;

	assert(b->nentries == 0 || e->index == b->applied + 1);
	for (i = 0; i < e->nplaces; i++)
		assert(e->places[i].conv < POINTER_SHARD &&
		       e->places[i].seq > 0 && e->places[i].seq < INT64_MAX);
	err = room(&b->entries, b->nentries, &b->entries_cap,
	    sizeof(b->entries[0]));
	if (err != OK)
		return err;
	b->entries[b->nentries++] = entry_ref(e);
	b->applied = e->index;
	return OK;
}

enum err
storage_batch_put(struct storage_batch *b, uint32_t kind, struct str key,
    struct str value)
{
	size_t at = b->memory.n;
	enum err err;

	err = room(&b->puts, b->nputs, &b->puts_cap, sizeof(b->puts[0]));
	if (err != OK)
		return err;
	bytes_add_str(&b->memory, key);
	if (value.p != NULL)
		bytes_add_str(&b->memory, value);
	if (b->memory.failed) {
		b->memory.n = at;
		b->memory.failed = false;
		return ERR_NOMEM;
	}
	/* The memory may move: views are offsets until storage_apply. */
	b->puts[b->nputs++] = (struct storage_put){
		.kind = kind,
		.key = { NULL, key.n },
		.value = { value.p != NULL ? "" : NULL, value.n },
	};
	return OK;
}

void
storage_batch_seal(struct storage_batch *b)
{
	const char *p = b->memory.p;
	size_t i;

	for (i = 0; i < b->nputs; i++) {
		b->puts[i].key.p = p;
		p += b->puts[i].key.n;
		if (b->puts[i].value.p == NULL)
			continue;
		b->puts[i].value.p = p;
		p += b->puts[i].value.n;
	}
}

enum err
storage_batch_erase(struct storage_batch *b, const struct event_id *id)
{
	enum err err;

	err = room(&b->erasures, b->nerasures, &b->erasures_cap,
	    sizeof(b->erasures[0]));
	if (err == OK)
		b->erasures[b->nerasures++] = *id;
	return err;
}

enum err
storage_batch_expire(struct storage_batch *b, uint32_t conv, uint64_t seq)
{
	enum err err;

	assert(conv < POINTER_SHARD);
	err = room(&b->expires, b->nexpires, &b->expires_cap,
	    sizeof(b->expires[0]));
	if (err == OK)
		b->expires[b->nexpires++] =
		    (struct storage_expire){ conv, seq };
	return err;
}

struct storage_read *
storage_read_new(void)
{
	return calloc(1, sizeof(struct storage_read));
}

void
storage_read_free(struct storage_read *r)
{
	size_t i;

	if (r == NULL)
		return;
	for (i = 0; i < r->nentries; i++)
		entry_unref(r->entries[i]);
	free(r->entries);
	free(r->convs);
	free(r);
}
