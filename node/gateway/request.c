#include "node/gateway/request.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/op.h"

/* Apart from the worker's own, what other threads write to. */
struct request_pool {
	struct request *spare; /* ready to be taken */
	size_t nspare;
	char apart[64];
	_Atomic(struct request *) returned;
	atomic_size_t refs; /* requests under way, and 1 until it is closed */
};

static struct request *
next_of(struct request *r)
{
	return (struct request *)(void *)r->link.next;
}

static void
blocks_free(struct request *r)
{
	struct request *next;

	for (; r != NULL; r = next) {
		next = next_of(r);
		free(r);
	}
}

static void
pool_unref(struct request_pool *pool)
{
	if (atomic_fetch_sub_explicit(&pool->refs, 1, memory_order_acq_rel) !=
	    1)
		return;
	blocks_free(pool->spare);
	blocks_free(atomic_load(&pool->returned));
	free(pool);
}

struct request_pool *
request_pool_new(void)
{
	struct request_pool *pool = calloc(1, sizeof(*pool));

	if (pool != NULL)
		atomic_init(&pool->refs, 1);
	return pool;
}

void
request_pool_close(struct request_pool *pool)
{
	if (pool != NULL)
		pool_unref(pool);
}

/* What main has given back, as far as it is wanted. */
static void
collect(struct request_pool *pool)
{
	struct request *r, *next;

	r = atomic_exchange_explicit(&pool->returned, NULL,
	    memory_order_acquire);
	for (; r != NULL; r = next) {
		next = next_of(r);
		if (pool->nspare == REQUEST_KEEP) {
			free(r);
			continue;
		}
		r->link.next = pool->spare != NULL ? &pool->spare->link : NULL;
		pool->spare = r;
		pool->nspare++;
	}
}

static void
request_init(struct request *r, struct request_pool *pool, size_t n)
{
	memset(r, 0, offsetof(struct request, rq));
	r->rq.op = OP_NONE;
	r->text = (char *)(r + 1);
	r->n = n;
	r->pool = pool;
}

struct request *
request_take(struct request_pool *pool, size_t n)
{
	struct request *r;

	if (n > REQUEST_BLOCK - sizeof(*r)) {
		if ((r = malloc(sizeof(*r) + n)) != NULL)
			request_init(r, NULL, n);
		return r;
	}
	if (pool->spare == NULL)
		collect(pool);
	if ((r = pool->spare) != NULL) {
		pool->spare = next_of(r);
		pool->nspare--;
	} else if ((r = malloc(REQUEST_BLOCK)) == NULL) {
		return NULL;
	}
	atomic_fetch_add_explicit(&pool->refs, 1, memory_order_relaxed);
	request_init(r, pool, n);
	return r;
}

struct request *
request_new(const char *text, size_t n)
{
	struct request *r;

	if ((r = malloc(sizeof(*r) + n)) == NULL)
		return NULL;
	request_init(r, NULL, n);
	if (n > 0)
		memcpy(r->text, text, n);
	return r;
}

/* Passwords and tokens are in those, and in what could not be read. */
static bool
secret(const struct request *r)
{
	return r->rq.op == OP_NONE ||
	       (op_info(r->rq.op)->flags &
		   (OP_OPEN | OP_PASSWORD | OP_CONTROL)) != 0;
}

void
request_free(struct request *r)
{
	struct request_pool *pool;
	struct request *top;

	if (r == NULL)
		return;
	if (r->n > 0 && secret(r))
		explicit_bzero(r->text, r->n);
	if ((pool = r->pool) == NULL) {
		free(r);
		return;
	}
	/* Pushed only, and taken whole: the ABA problem does not arise. */
	top = atomic_load_explicit(&pool->returned, memory_order_relaxed);
	do
		r->link.next = top != NULL ? &top->link : NULL;
	while (!atomic_compare_exchange_weak_explicit(&pool->returned, &top, r,
	    memory_order_release, memory_order_relaxed));
	pool_unref(pool);
}
