#include "node/gateway/limit.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "node/table.h"

struct limit_address {
	struct in6_addr key;
	struct shard *shard;
	uint32_t connections;
	_Atomic uint64_t operations, passwords; /* tat */
	struct limit_address *prev, *next;      /* without connections */
	UT_hash_handle hh;
};

struct shard {
	pthread_mutex_t lock;
	struct limit_address *table;
	struct limit_address *idle; /* without connections, oldest first */
	uint32_t count, capacity;
};

struct limit {
	struct shard shards[LIMIT_SHARDS];
};

/* ---- rates --------------------------------------------------------------- */

struct limit_rate
limit_rate(uint64_t count, uint64_t per_ms, uint64_t burst)
{
	struct limit_rate r = { 0, 0 };

	if (count == 0)
		return r;
	r.interval_ns = per_ms * 1000000 / count;
	if (r.interval_ns == 0)
		r.interval_ns = 1;
	r.burst_ns = r.interval_ns * (burst > 0 ? burst : 1);
	return r;
}

/* The bucket after one more operation, and the wait before the next. */
static uint64_t
spend(uint64_t tat, const struct limit_rate *rate, uint64_t now, uint64_t *wait)
{
	if (tat < now)
		tat = now;
	tat += rate->interval_ns;
	*wait = tat - now + rate->interval_ns > rate->burst_ns
		    ? tat - now + rate->interval_ns - rate->burst_ns
		    : 0;
	return tat;
}

uint64_t
limit_spend_ns(uint64_t *tat, const struct limit_rate *rate, struct mono now)
{
	uint64_t wait;

	if (rate->interval_ns == 0)
		return 0;
	*tat = spend(*tat, rate, now.ns, &wait);
	return wait;
}

uint64_t
limit_operation_ns(struct limit_address *a, const struct limit_rate *rate,
    struct mono now)
{
	uint64_t tat, after, wait;

	if (rate->interval_ns == 0)
		return 0;
	tat = atomic_load_explicit(&a->operations, memory_order_relaxed);
	do
		after = spend(tat, rate, now.ns, &wait);
	while (!atomic_compare_exchange_weak_explicit(&a->operations, &tat,
	    after, memory_order_relaxed, memory_order_relaxed));
	return wait;
}

bool
limit_password(struct limit_address *a, const struct limit_rate *rate,
    struct mono now)
{
	uint64_t tat, after, wait;

	if (rate->interval_ns == 0)
		return true;
	tat = atomic_load_explicit(&a->passwords, memory_order_relaxed);
	do {
		after = spend(tat, rate, now.ns, &wait);
		if (after - now.ns > rate->burst_ns)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&a->passwords, &tat,
	    after, memory_order_relaxed, memory_order_relaxed));
	return true;
}

/* ---- addresses ----------------------------------------------------------- */

struct limit *
limit_new(uint32_t capacity)
{
	struct limit *l;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		return NULL;
	for (int i = 0; i < LIMIT_SHARDS; i++) {
		pthread_mutex_init(&l->shards[i].lock, NULL);
		l->shards[i].capacity = capacity / LIMIT_SHARDS + 1;
	}
	return l;
}

static void
address_free(struct shard *s, struct limit_address *a)
{
	HASH_DELETE(hh, s->table, a);
	s->count--;
	free(a);
}

void
limit_free(struct limit *l)
{
	struct limit_address *a, *tmp;

	if (l == NULL)
		return;
	for (int i = 0; i < LIMIT_SHARDS; i++) {
		struct shard *s = &l->shards[i];

		HASH_ITER(hh, s->table, a, tmp)
		address_free(s, a);
		pthread_mutex_destroy(&s->lock);
	}
	free(l);
}

static bool
spent(const struct limit_address *a, struct mono now)
{
	return atomic_load_explicit(&a->operations, memory_order_relaxed) >
		   now.ns ||
	       atomic_load_explicit(&a->passwords, memory_order_relaxed) >
		   now.ns;
}

/* Forgets who has nothing to be remembered for, and for room the oldest. */
static void
idle_trim(struct shard *s, struct mono now)
{
	struct limit_address *a;

	while ((a = s->idle) != NULL &&
	       (s->count >= s->capacity || !spent(a, now))) {
		DL_DELETE(s->idle, a);
		address_free(s, a);
	}
}

static enum err
address_get(struct shard *s, const struct in6_addr *key, struct mono now,
    struct limit_address **out)
{
	struct limit_address *a;

	HASH_FIND(hh, s->table, key, sizeof(*key), a);
	if (a != NULL) {
		if (a->connections == 0)
			DL_DELETE(s->idle, a);
		*out = a;
		return OK;
	}
	idle_trim(s, now);
	if (s->count >= s->capacity)
		return ERR_FULL;
	if ((a = calloc(1, sizeof(*a))) == NULL)
		return ERR_NOMEM;
	a->key = *key;
	a->shard = s;
	HASH_ADD(hh, s->table, key, sizeof(a->key), a);
	if (table_failed(a, hh)) {
		free(a);
		return ERR_NOMEM;
	}
	s->count++;
	*out = a;
	return OK;
}

enum err
limit_open(struct limit *l, const struct in6_addr *ip, uint32_t max,
    struct mono now, struct limit_address **out)
{
	struct in6_addr key = *ip;
	struct limit_address *a;
	struct shard *s;
	enum err rc;

	if (!IN6_IS_ADDR_V4MAPPED(&key))
		memset(key.s6_addr + 8, 0, 8);
	s = &l->shards[shorthash(&key, sizeof(key)) >> 32 & (LIMIT_SHARDS - 1)];
	pthread_mutex_lock(&s->lock);
	if ((rc = address_get(s, &key, now, &a)) == OK) {
		if (a->connections >= max) {
			rc = ERR_TOO_MANY;
			if (a->connections == 0)
				DL_APPEND(s->idle, a);
		} else {
			a->connections++;
			*out = a;
		}
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

void
limit_close(struct limit *l, struct limit_address *a, struct mono now)
{
	struct shard *s = a->shard;

	(void)l;
	pthread_mutex_lock(&s->lock);
	assert(a->connections > 0);
	if (--a->connections == 0) {
		if (spent(a, now))
			DL_APPEND(s->idle, a);
		else
			address_free(s, a);
	}
	pthread_mutex_unlock(&s->lock);
}

uint32_t
limit_count(struct limit *l)
{
	uint32_t n = 0;

	for (int i = 0; i < LIMIT_SHARDS; i++) {
		pthread_mutex_lock(&l->shards[i].lock);
		n += l->shards[i].count;
		pthread_mutex_unlock(&l->shards[i].lock);
	}
	return n;
}
