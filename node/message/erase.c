/*
 * erase: texts that are to be erased, until nothing can bring them up again.
 *
 * The cache forgets a text at once.  Storage does with the batch in which the
 * redaction comes, and a page read before that may still be on its way when
 * the batch is back.
 *
 * Limits     what is not applied (bounded by the queue), and ERASURE_MS.
 */
#include <stdlib.h>

#include "node/message/service.h"

#define ERASURE_MS 60000 /* longer than any read takes */

struct erasure {
	UT_hash_handle hh; /* in the order of index */
	struct event_id id;
	uint64_t index; /* of the redaction */
	bool applied;
	struct mono until; /* applied: to be remembered */
};

enum err
batch_erase(struct message *m, const struct event_id *id, uint64_t index)
{
	struct erasure *e;

	HASH_FIND(hh, m->erasures, id, sizeof(*id), e);
	if (e != NULL)
		return OK; /* it is on its way already */
	if ((e = calloc(1, sizeof(*e))) == NULL)
		return ERR_NOMEM;
	e->id = *id;
	e->index = index;
	HASH_ADD(hh, m->erasures, id, sizeof(e->id), e);
	if (table_failed(e, hh)) {
		free(e);
		return ERR_NOMEM;
	}
	return OK;
}

bool
event_erased(struct message *m, const struct event *ev)
{
	struct erasure *e;

	if (ev->erased || m->erasures == NULL)
		return ev->erased;
	HASH_FIND(hh, m->erasures, &ev->id, sizeof(ev->id), e);
	return e != NULL;
}

enum err
erasures_batch(struct message *m, struct storage_batch *b)
{
	struct erasure *e, *next;
	enum err rc = OK;

	HASH_ITER(hh, m->erasures, e, next)
	if (e->index > m->handed_index && rc == OK)
		rc = storage_batch_erase(b, &e->id);
	return rc;
}

void
erasures_applied(struct message *m)
{
	struct erasure *e, *next;

	HASH_ITER(hh, m->erasures, e, next)
	{
		if (e->index > m->applied_index)
			return;
		if (!e->applied)
			e->until = mono_add_ms(m->now, ERASURE_MS);
		e->applied = true;
	}
}

static void
erasure_drop(struct message *m, struct erasure *e)
{
	HASH_DELETE(hh, m->erasures, e);
	free(e);
}

void
erasures_tick(struct message *m)
{
	struct erasure *e, *next;

	HASH_ITER(hh, m->erasures, e, next)
	{
		if (!e->applied || mono_before(m->now, e->until))
			return;
		erasure_drop(m, e);
	}
}

void
erasures_free_all(struct message *m)
{
	struct erasure *e, *next;

	HASH_ITER(hh, m->erasures, e, next)
	erasure_drop(m, e);
}
