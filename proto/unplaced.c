#include "proto/unplaced.h"

#include <stdlib.h>
#include <string.h>

void
unplaced_init(struct unplaced *u, uint32_t limit)
{
	memset(u, 0, sizeof(*u));
	u->limit = limit;
}

void
unplaced_fini(struct unplaced *u)
{
	free(u->v);
	unplaced_init(u, u->limit);
}

static bool
reserve(struct unplaced *u, uint32_t n)
{
	uint32_t cap = u->cap == 0 ? 8 : u->cap;
	struct unplaced_mark *v;

	if (n > u->limit)
		return false;
	if (n <= u->cap)
		return true;
	while (cap < n)
		cap *= 2;
	if ((v = realloc(u->v, cap * sizeof(*v))) == NULL)
		return false;
	u->v = v;
	u->cap = cap;
	return true;
}

bool
unplaced_load(struct unplaced *u, const struct unplaced_mark *v, uint32_t n)
{
	if (!reserve(u, n))
		return false;
	if (n > 0)
		memcpy(u->v, v, n * sizeof(*v));
	u->n = n;
	return true;
}

void
unplaced_interrupted(struct unplaced *u)
{
	for (uint32_t i = 0; i < u->n; i++)
		u->v[i].run = 0;
}

static bool
same(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, UNPLACED_KEY_LEN) == 0;
}

/* Which one m is: the first that says the same and was not below.  n: none. */
static uint32_t
find(const struct unplaced *u, const struct unplaced_mark *m)
{
	uint32_t i;

	for (i = 0; i < u->n; i++)
		if (same(u->v[i].stream, m->stream) &&
		    same(u->v[i].content, m->content) &&
		    u->v[i].number >= m->number)
			break;
	return i;
}

/* The last mark of m's stream, or NULL. */
static struct unplaced_mark *
last_of(const struct unplaced *u, const struct unplaced_mark *m)
{
	for (uint32_t i = u->n; i-- > 0;)
		if (same(u->v[i].stream, m->stream))
			return &u->v[i];
	return NULL;
}

enum unplaced_verdict
unplaced_recv(struct unplaced *u, const struct unplaced_mark *m, uint64_t after)
{
	struct unplaced_mark *last = last_of(u, m);
	uint32_t i = find(u, m);
	/* Does it begin behind what is stored, or follow on what came last? */
	bool next = m->number == after + 1 || (last != NULL && last->run != 0 &&
						  m->number == last->run + 1);

	/* If it does not, the sender has begun anew, and one was missed. */
	if (last != NULL)
		last->run = next ? m->number : 0;
	if (i < u->n) {
		u->v[i].number = m->number;
		return UNPLACED_HAD;
	}
	if (last != NULL)
		last->run = 0;
	if (!next || !reserve(u, u->n + 1))
		return UNPLACED_EARLY;
	u->v[u->n] = *m;
	u->v[u->n++].run = m->number;
	return UNPLACED_SHOW;
}

/*
 * A stream comes out of the log in its order, so what was shown before this
 * one has come or was refused.  One that was not shown stands behind all that
 * were: each of them was taken only when everything before it had been.
 */
bool
unplaced_placed(struct unplaced *u, const struct unplaced_mark *m)
{
	uint32_t found = find(u, m), kept = 0;
	bool had = found < u->n;

	for (uint32_t i = 0; i < u->n; i++)
		if (i > found || !same(u->v[i].stream, m->stream))
			u->v[kept++] = u->v[i];
	u->n = kept;
	return had;
}
