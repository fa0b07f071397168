/*
 * gate: one change at a time on a key, later requests in line.
 */
#include <assert.h>
#include <stdlib.h>

#include "node/message/service.h"

/*
 * Keys are 64-bit keyed hashes: two different keys that collide only wait
 * for each other.
 */
uint64_t
gate_key(enum gate_kind kind, const void *p, size_t n)
{
	return shorthash(p, n) ^ ((uint64_t)kind * 0x9e3779b97f4a7c15ull);
}

static struct gate *
gate_find(struct message *m, uint64_t key)
{
	struct gate *g;

	HASH_FIND(hh, m->gates, &key, sizeof(key), g);
	return g;
}

bool
gate_closed(struct message *m, uint64_t key)
{
	return m->gates != NULL && gate_find(m, key) != NULL;
}

enum err
gate_wait(struct message *m, uint64_t key, struct request *rq)
{
	struct gate *g = gate_find(m, key);

	assert(g != NULL);
	if (m->waiting >= m->cfg.max_waiting)
		return ERR_BUSY;
	rq->link.next = NULL;
	if (g->tail != NULL)
		g->tail->link.next = &rq->link;
	else
		g->head = rq;
	g->tail = rq;
	m->waiting++;
	return OK;
}

struct gate *
gate_hold(struct message *m, uint64_t key)
{
	struct gate *g = gate_find(m, key);

	if (g == NULL) {
		if ((g = calloc(1, sizeof(*g))) == NULL)
			return NULL;
		g->key = key;
		HASH_ADD(hh, m->gates, key, sizeof(g->key), g);
		if (table_failed(g, hh)) {
			free(g);
			return NULL;
		}
	}
	g->held++;
	return g;
}

/*
 * Lets the line go until somebody in it holds the gate again.  The gate is
 * taken off the table while they run, so that they do not find it closed.
 */
void
gate_release(struct message *m, struct gate *g)
{
	static const struct resumed waited = { .waited = true };
	struct request *rq, *rest;
	uint64_t key = g->key;

	assert(g->held > 0);
	if (--g->held > 0)
		return;
	HASH_DELETE(hh, m->gates, g);
	rest = g->head;
	free(g);
	while ((rq = rest) != NULL) {
		if ((g = gate_find(m, key)) != NULL)
			break;
		rest = (struct request *)rq->link.next;
		m->waiting--;
		call_run(m, rq, &waited);
	}
	if (rest == NULL)
		return;
	/* Those left go before any that came meanwhile. */
	for (rq = rest; rq->link.next != NULL;
	     rq = (struct request *)rq->link.next)
		;
	if ((rq->link.next = (struct channel_item *)g->head) == NULL)
		g->tail = rq;
	g->head = rest;
}

enum err
gate_pass(struct message *m, struct call *c, uint64_t key, bool *parked)
{
	enum err rc;

	*parked = false;
	if (!gate_closed(m, key))
		return OK;
	if ((rc = gate_wait(m, key, c->rq)) == OK)
		*parked = c->kept = true;
	return rc;
}

uint64_t
room_gate(const struct room *room)
{
	return gate_key(GATE_ROOM, &room->log.local, sizeof(room->log.local));
}

uint64_t
account_gate(const struct account *a)
{
	return gate_key(GATE_ACCOUNT, &a->log.local, sizeof(a->log.local));
}
