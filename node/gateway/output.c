#include "node/gateway/output.h"

#include <stdlib.h>
#include <string.h>

#define CLASS_LEAST 512

static size_t
class_cap(unsigned c)
{
	return (size_t)CLASS_LEAST << (2 * c);
}

/* OUTPUT_CLASSES: larger than any. */
static unsigned
class_of(size_t n)
{
	unsigned c = 0;

	while (c < OUTPUT_CLASSES && class_cap(c) < n)
		c++;
	return c;
}

void
output_pool_init(struct output_pool *pool)
{
	memset(pool, 0, sizeof(*pool));
}

void
output_pool_fini(struct output_pool *pool)
{
	struct output *o;

	for (unsigned c = 0; c < OUTPUT_CLASSES; c++)
		while ((o = pool->spare[c]) != NULL) {
			pool->spare[c] = o->next;
			free(o);
		}
}

static struct output *
output_new(struct output_pool *pool, size_t n)
{
	unsigned c = class_of(n);
	struct output *o;
	size_t cap;

	if (c < OUTPUT_CLASSES && (o = pool->spare[c]) != NULL) {
		pool->spare[c] = o->next;
		pool->kept -= o->cap;
	} else {
		/* A large one in steps, so that it need not move often. */
		cap = c < OUTPUT_CLASSES ? class_cap(c) : n + n / 2;
		if ((o = malloc(sizeof(*o) + cap)) == NULL)
			return NULL;
		o->cap = cap;
	}
	o->next = NULL;
	o->n = o->off = 0;
	return o;
}

void
output_free(struct output_pool *pool, struct output *o)
{
	unsigned c;

	if (o == NULL)
		return;
	c = class_of(o->cap);
	if (c == OUTPUT_CLASSES || class_cap(c) != o->cap ||
	    pool->kept + o->cap > OUTPUT_KEEP) {
		free(o);
		return;
	}
	o->next = pool->spare[c];
	pool->spare[c] = o;
	pool->kept += o->cap;
}

size_t
output_left(const struct output *o)
{
	return o != NULL ? o->n - o->off : 0;
}

bool
output_add(struct output_pool *pool, struct output **o, const void *p, size_t n)
{
	struct output *old = *o, *more;
	size_t left = output_left(old);

	if (old == NULL || old->cap - old->n < n) {
		if ((more = output_new(pool, left + n)) == NULL)
			return false;
		if (left > 0)
			memcpy(more->data, old->data + old->off, left);
		more->n = left;
		output_free(pool, old);
		*o = old = more;
	}
	memcpy(old->data + old->n, p, n);
	old->n += n;
	return true;
}
