#include "node/balance/balance.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

/* Each on cache lines of its own. */
struct worker {
	_Atomic uint64_t connections, handed_over, shed;
	_Atomic uint64_t lag_ns, turn_at;
	char apart[128 - 5 * sizeof(uint64_t)];
};

struct balance {
	unsigned n;
	uint64_t lag_ns, turn_ns;
	struct worker workers[];
};

static uint64_t
get(const _Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

static void
add(_Atomic uint64_t *v, uint64_t n)
{
	atomic_fetch_add_explicit(v, n, memory_order_relaxed);
}

struct balance *
balance_new(unsigned workers, uint32_t lag_ms, uint32_t turn_ms)
{
	struct balance *b;

	assert(workers > 0 && workers <= BALANCE_WORKERS);
	b = calloc(1, sizeof(*b) + workers * sizeof(b->workers[0]));
	if (b == NULL)
		return NULL;
	b->n = workers;
	b->lag_ns = (uint64_t)lag_ms * 1000000;
	b->turn_ns = (uint64_t)turn_ms * 1000000;
	return b;
}

void
balance_free(struct balance *b)
{
	free(b);
}

/* What a loop cannot tell while it is stuck, its silence does. */
static uint64_t
lag(const struct balance *b, unsigned worker, struct mono now)
{
	uint64_t ns = get(&b->workers[worker].lag_ns);
	uint64_t at = get(&b->workers[worker].turn_at), silent;

	if (at == 0 || at >= now.ns)
		return ns;
	silent = now.ns - at;
	return silent > b->turn_ns && silent - b->turn_ns > ns
		   ? silent - b->turn_ns
		   : ns;
}

int
balance_place(struct balance *b, unsigned self, struct mono now)
{
	uint64_t n, least = UINT64_MAX, own;
	unsigned best = self;
	bool self_ok;

	assert(self < b->n);
	own = get(&b->workers[self].connections);
	self_ok = get(&b->workers[self].lag_ns) <= b->lag_ns;
	for (unsigned i = 0; i < b->n; i++) {
		n = get(&b->workers[i].connections);
		if (i == self || n >= least || lag(b, i, now) > b->lag_ns)
			continue;
		least = n;
		best = i;
	}
	if (self_ok && (least == UINT64_MAX || own <= least + BALANCE_SLACK))
		best = self;
	else if (best == self) {
		add(&b->workers[self].shed, 1);
		return BALANCE_NOWHERE;
	} else
		add(&b->workers[self].handed_over, 1);
	add(&b->workers[best].connections, 1);
	return (int)best;
}

void
balance_leave(struct balance *b, unsigned worker)
{
	assert(get(&b->workers[worker].connections) > 0);
	atomic_fetch_sub_explicit(&b->workers[worker].connections, 1,
	    memory_order_relaxed);
}

void
balance_turn(struct balance *b, unsigned worker, struct mono now,
    uint64_t busy_ns)
{
	struct worker *w = &b->workers[worker];
	uint64_t ns = get(&w->lag_ns);

	/* The worker's own numbers: nobody else writes them. */
	ns = busy_ns >= ns ? busy_ns : ns - (ns - busy_ns + 7) / 8;
	atomic_store_explicit(&w->lag_ns, ns, memory_order_relaxed);
	atomic_store_explicit(&w->turn_at, now.ns, memory_order_relaxed);
}

void
balance_stats(const struct balance *b, unsigned worker,
    struct balance_stats *out)
{
	const struct worker *w = &b->workers[worker];

	out->connections = get(&w->connections);
	out->handed_over = get(&w->handed_over);
	out->shed = get(&w->shed);
	out->lag_us = get(&w->lag_ns) / 1000;
}
