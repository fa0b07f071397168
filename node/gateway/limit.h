/*
 * limit: how much a connection and an address may do.
 *
 * A rate is a leaky bucket kept as one number, the generic cell rate
 * algorithm of ITU-T I.371: `tat' is the time at which the bucket will be
 * empty again.  An operation pushes it on by one interval; it is allowed
 * while tat is no more than burst intervals ahead of now.
 *
 * Addresses are counted over all workers; those of IPv6 by their /64, which
 * is what one customer gets.  An entry outlives its connections until its
 * buckets are empty, so that hanging up forgives nothing.
 *
 * Threads    any.  The table is cut in LIMIT_SHARDS, each with its lock,
 *            which only opening and closing takes; the buckets are atomic.
 * Limits     `capacity' addresses.  When it is reached the one that has been
 *            without connections for longest is forgotten; if all have some,
 *            a new address is refused.
 */
#ifndef NODE_GATEWAY_LIMIT_H
#define NODE_GATEWAY_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include <netinet/in.h>

#include "base/err.h"
#include "base/mono.h"

#define LIMIT_SHARDS 16

struct limit_rate {
	uint64_t interval_ns; /* 0: no limit */
	uint64_t burst_ns;    /* so many intervals together */
};

struct limit_rate limit_rate(uint64_t count, uint64_t per_ms, uint64_t burst);

/*
 * Takes one operation, which is always granted; the result says how long to
 * wait until the next one, 0: not at all.
 */
uint64_t limit_spend_ns(uint64_t *tat, const struct limit_rate *rate,
    struct mono now);

struct limit;
struct limit_address; /* alive while a connection has it open */

/* NULL when out of memory. */
struct limit *limit_new(uint32_t capacity) MUST_USE;
void limit_free(struct limit *l); /* NULL is allowed */

/*
 * One more connection.  ERR_TOO_MANY: the address has `max'; ERR_FULL: no
 * room for another address; ERR_NOMEM.
 */
enum err limit_open(struct limit *l, const struct in6_addr *ip, uint32_t max,
    struct mono now, struct limit_address **out) MUST_USE;
void limit_close(struct limit *l, struct limit_address *a, struct mono now);

/* As limit_spend_ns, for all connections of the address. */
uint64_t limit_operation_ns(struct limit_address *a,
    const struct limit_rate *rate, struct mono now);

/* False: not now; nothing is taken then. */
bool limit_password(struct limit_address *a, const struct limit_rate *rate,
    struct mono now);

/* Addresses known now. */
uint32_t limit_count(struct limit *l);

#endif
