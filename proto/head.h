/*
 * head: the end of one log, at whoever holds it: a home, a replica.
 *
 * A log is a sequence of events at contiguous positions, counted from 1.  A
 * position belongs to an epoch, in which one node alone gives positions out.
 * There are two heads: `given' runs ahead with the events that are on their
 * way to the disk, `durable' follows when they have arrived there.  When a
 * commit fails, everything given is taken back, and the positions are given
 * to others: nobody has seen them.  A position that was durable is never used
 * twice in its epoch.
 *
 *   home       head_give ... head_take (durable) or head_rollback (failed)
 *   replay     head_take, from the journal; what is known already is passed by
 *   replica    head_take, as the home tells; head_open when there is a new one
 *
 * Ownership  a struct head holds everything itself; where the events are is
 *            the caller's business.
 * Threads    none.
 */
#ifndef PROTO_HEAD_H
#define PROTO_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/chain.h"
#include "proto/id.h"

/* Epochs are ordered by number, then by the node that opened them. */
struct epoch {
	uint32_t number; /* from 1 */
	struct id node;
};

int epoch_compare(const struct epoch *a, const struct epoch *b);

/* Everything up to seq; seq 0 and a chain of zeros: nothing. */
struct mark {
	uint64_t seq;
	uint8_t chain[CHAIN_LEN];
};

struct point {
	struct epoch epoch;
	struct mark mark;
};

struct head {
	struct epoch epoch;
	struct mark durable, given;
	uint64_t first; /* lowest position still held, or the next one */
	bool stopped;   /* a position was lost: give none until head_open */
};

/* An empty one. */
void head_init(struct head *l, const struct epoch *epoch);

/*
 * One that starts behind `head', as kept in a record or named by a snapshot:
 * what was before is not held here.
 */
void head_start(struct head *l, const struct point *head);

/* The durable head. */
struct point head_point(const struct head *l);

/*
 * Gives the next position to an event.  ERR_EPOCH: this log was stopped, or
 * the 64 bits are used up; nothing was given.
 */
enum err head_give(struct head *l, const struct event_id *id, uint32_t *epoch,
    uint64_t *seq) MUST_USE;

/*
 * The event at this position is durable.  OK also when it was already, and
 * nothing changes.  ERR_GAP: one before it is missing; ERR_EPOCH: it is not of
 * the epoch that is open here.
 */
enum err head_take(struct head *l, uint32_t epoch, uint64_t seq,
    const struct event_id *id) MUST_USE;

/* Everything given and not durable is taken back. */
void head_rollback(struct head *l);

/* The positions before seq are no longer held.  At most up to the head. */
void head_trim(struct head *l, uint64_t seq);

/* Is it held here? */
static inline bool
head_holds(const struct head *l, uint64_t seq)
{
	return seq >= l->first && seq <= l->durable.seq;
}

/*
 * How theirs stands to ours.  The epoch comes first: a head of a lower one
 * says nothing, its holder has yet to learn of ours.
 */
enum relation {
	HEAD_SAME,
	HEAD_AHEAD,    /* ours goes on where theirs ends, as far as one sees */
	HEAD_BEHIND,   /* theirs goes on where ours ends */
	HEAD_DIVERGED, /* same epoch and position, another history */
	HEAD_STALE,    /* theirs is of a lower epoch */
	HEAD_SUPERSEDED, /* theirs is of a higher epoch: find its fork point */
};

enum relation head_compare(const struct point *ours,
    const struct point *theirs);

/*
 * The home of the log learns of a head that somebody else has.  HEAD_BEHIND
 * and HEAD_DIVERGED mean that this node has lost what it once gave out (a
 * restored backup, a lost disk): the log is stopped, until it has pulled what
 * it lacks and opened a new epoch.
 */
enum relation head_notice(struct head *l, const struct point *theirs);

/*
 * A higher epoch begins behind `fork'.  `ours' is what this log was at the
 * same position (NULL when that is its durable head).  What is held behind
 * the fork is superseded: *cut is how many positions, whose events are to be
 * submitted again under their stream numbers.  What was given is taken back.
 * ERR_EPOCH: not higher than the one open; ERR_GAP: the fork is ahead of what
 * is held, pull that first; ERR_INVALID: at the fork the histories differ, or
 * it lies before what is held.
 */
enum err head_open(struct head *l, const struct epoch *epoch,
    const struct mark *fork, const struct mark *ours, uint64_t *cut) MUST_USE;

#endif
