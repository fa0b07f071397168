/*
 * balance: which worker a new connection goes to, and whether it may come.
 *
 * The kernel spreads new connections over the workers' listeners by a hash,
 * which is even only in the long run.  So the worker that has accepted one
 * asks where it belongs: with itself, unless it has more than BALANCE_SLACK
 * connections above the least loaded; or nowhere, when all are overloaded.
 *
 * A worker is overloaded while the turns of its loop take longer than the
 * limit: what comes now waits that long already, and each further connection
 * would make those that are there wait longer.  A long turn counts at once
 * and is forgotten slowly, an eighth with each turn.
 *
 * Threads    any.  Numbers are read without a lock and may be a little old,
 *            which the slack allows for.
 * Limits     BALANCE_WORKERS.
 */
#ifndef NODE_BALANCE_BALANCE_H
#define NODE_BALANCE_BALANCE_H

#include <stdint.h>

#include "base/err.h"
#include "base/mono.h"

#define BALANCE_WORKERS 64
#define BALANCE_SLACK   3
#define BALANCE_NOWHERE (-1)

struct balance;

/* lag_ms: the limit.  turn_ms: how often a loop turns even when idle.  NULL
 * when out of memory. */
struct balance *balance_new(unsigned workers, uint32_t lag_ms,
    uint32_t turn_ms) MUST_USE;
void balance_free(struct balance *b); /* NULL is allowed */

/*
 * The worker that takes the connection that `self' has accepted; it is
 * counted there until balance_leave.  Or BALANCE_NOWHERE, counted as shed.
 */
int balance_place(struct balance *b, unsigned self, struct mono now);
void balance_leave(struct balance *b, unsigned worker);

/* From the worker itself: a turn is over, in which it was busy so long. */
void balance_turn(struct balance *b, unsigned worker, struct mono now,
    uint64_t busy_ns);

struct balance_stats {
	uint64_t connections, handed_over, shed, lag_us;
};
void balance_stats(const struct balance *b, unsigned worker,
    struct balance_stats *out);

#endif
