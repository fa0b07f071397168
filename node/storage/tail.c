/*
 * tail: see tail.h.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "node/storage/tail.h"

struct run *
run_new(void)
{
	struct run *r = calloc(1, sizeof(*r));

	if (r != NULL)
		atomic_init(&r->refs, 1);
	return r;
}

struct run *
run_ref(struct run *r)
{
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	return r;
}

void
run_unref(struct run *r)
{
	if (r == NULL ||
	    atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) > 1)
		return;
	free(r->pointers);
	free(r->keys);
	free(r);
}

/* realloc that at least doubles. */
static enum err
grow(void **p, size_t *cap, size_t need, size_t size)
{
	size_t n = *cap * 2 > need ? *cap * 2 : need;
	void *q;

	if (need <= *cap)
		return OK;
	if ((q = realloc(*p, n * size)) == NULL)
		return ERR_NOMEM;
	*p = q;
	*cap = n;
	return OK;
}

enum err
run_reserve(struct run *r, size_t npointers, size_t nkeys)
{
	void *pointers = r->pointers, *keys = r->keys;
	enum err err;

	err = grow(&pointers, &r->pointers_cap, r->npointers + npointers,
	    sizeof(*r->pointers));
	r->pointers = pointers;
	if (err != OK)
		return err;
	err = grow(&keys, &r->keys_cap, r->nkeys + nkeys, sizeof(*r->keys));
	r->keys = keys;
	return err;
}

void
run_add(struct run *r, uint64_t index, uint64_t key, const struct place *places,
    uint32_t nplaces)
{
	uint32_t i;

	assert(r->npointers + nplaces <= r->pointers_cap);
	assert(r->nkeys < r->keys_cap);
	for (i = 0; i < nplaces; i++)
		r->pointers[r->npointers++] =
		    (struct pointer){ places[i], index };
	r->keys[r->nkeys++] = (struct event_key){ key, index };
	if (index > r->last)
		r->last = index;
}

void
run_add_shard(struct run *r, uint64_t index, uint32_t shard, uint32_t epoch,
    uint64_t seq)
{
	assert(r->npointers < r->pointers_cap);
	r->pointers[r->npointers++] = (struct pointer){
		.at = { .conv = POINTER_SHARD + shard,
		    .epoch = epoch,
		    .seq = seq },
		.index = index,
	};
}

static int
key_cmp(const void *a, const void *b)
{
	const struct event_key *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

void
scratch_free(struct scratch *sc)
{
	free(sc->p);
	sc->p = NULL;
	sc->cap = 0;
}

enum err
run_finish(struct run *r, struct scratch *sc)
{
	size_t i;

	if (r->npointers > sc->cap) {
		scratch_free(sc);
		sc->p = malloc(r->npointers * sizeof(*sc->p));
		if (sc->p == NULL)
			return ERR_NOMEM;
		sc->cap = r->npointers;
	}
	pointers_sort(r->pointers, sc->p, r->npointers);
	/* Nearly always in order, since ids are made from the time. */
	for (i = 1; i < r->nkeys; i++) {
		if (key_cmp(&r->keys[i - 1], &r->keys[i]) > 0) {
			qsort(r->keys, r->nkeys, sizeof(r->keys[0]), key_cmp);
			break;
		}
	}
	return OK;
}

size_t
run_seek(const struct run *r, uint32_t conv, uint64_t seq)
{
	struct pointer want = { .at = { .conv = conv, .seq = seq } };
	size_t lo = 0, hi = r->npointers, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (pointer_cmp(&r->pointers[mid], &want) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct tail *
tail_new(void)
{
	struct tail *t = calloc(1, sizeof(*t));

	if (t != NULL)
		atomic_init(&t->refs, 1);
	return t;
}

struct tail *
tail_ref(struct tail *t)
{
	atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
	return t;
}

void
tail_unref(struct tail *t)
{
	unsigned i;

	if (t == NULL ||
	    atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) > 1)
		return;
	for (i = 0; i < t->nruns; i++)
		run_unref(t->runs[i]);
	free(t);
}

/* Takes the reference to r. */
static void
tail_append(struct tail *t, struct run *r)
{
	assert(t->nruns < TAIL_RUNS);
	t->runs[t->nruns++] = r;
	t->npointers += r->npointers;
	t->nkeys += r->nkeys;
}

struct tail *
tail_with(const struct tail *t, struct run *r, uint64_t merging,
    struct scratch *sc)
{
	struct tail *out, *later;
	struct run *flat = NULL;
	unsigned i;

	if ((out = tail_new()) == NULL)
		return NULL;
	if (t->nruns == TAIL_RUNS) {
		if ((later = tail_without(t, merging)) == NULL)
			goto fail;
		if (tail_flatten(&flat, later, sc) != OK) {
			tail_unref(later);
			goto fail;
		}
		tail_unref(later);
	}
	for (i = 0; i < t->nruns; i++)
		if (flat == NULL || t->runs[i]->last <= merging)
			tail_append(out, run_ref(t->runs[i]));
	if (flat != NULL)
		tail_append(out, flat);
	tail_append(out, run_ref(r));
	return out;
fail:
	free(out);
	return NULL;
}

struct tail *
tail_without(const struct tail *t, uint64_t last)
{
	struct tail *out;
	unsigned i;

	if ((out = tail_new()) == NULL)
		return NULL;
	for (i = 0; i < t->nruns; i++)
		if (t->runs[i]->last > last)
			tail_append(out, run_ref(t->runs[i]));
	return out;
}

enum err
tail_flatten(struct run **out, const struct tail *t, struct scratch *sc)
{
	struct run *r;
	enum err err;
	unsigned i;

	if ((r = run_new()) == NULL)
		return ERR_NOMEM;
	if ((err = run_reserve(r, t->npointers, t->nkeys)) != OK)
		goto fail;
	/* In the order of the runs: so each log's positions come ascending. */
	for (i = 0; i < t->nruns; i++) {
		const struct run *from = t->runs[i];

		if (from->npointers > 0)
			memcpy(r->pointers + r->npointers, from->pointers,
			    from->npointers * sizeof(*r->pointers));
		if (from->nkeys > 0)
			memcpy(r->keys + r->nkeys, from->keys,
			    from->nkeys * sizeof(*r->keys));
		r->npointers += from->npointers;
		r->nkeys += from->nkeys;
		if (from->last > r->last)
			r->last = from->last;
	}
	if ((err = run_finish(r, sc)) != OK)
		goto fail;
	*out = r;
	return OK;
fail:
	run_unref(r);
	return err;
}
