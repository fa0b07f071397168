/*
 * follower: reading along in a log that somebody else holds.
 *
 * Publishing is the fast path, replay is the truth: what is pushed may come
 * late, twice, out of order or never.  The follower knows the last position
 * up to which it has everything; what comes beyond a gap is held, and the gap
 * is asked for, at once and then again with growing pauses.  A head that is
 * noticed without its event shows a gap at the end.  So it can fall behind,
 * restart and lose the connection, and only needs to keep one position.
 *
 *   on arrival   follower_recv; after FOLLOWER_TAKE use the item, then take
 *                out of follower_ready what was held behind it
 *   to act       follower_next until it is false; arm follower_deadline
 *
 * Epochs: what comes from a lower one is stale.  What comes from a higher one
 * is held until its fork point is known (follower_next asks for it), and
 * follower_open then says how much of what was taken is void: it will come
 * again, under the same send streams, at later positions.
 *
 * Ownership  items are the caller's, except between FOLLOWER_HOLD and being
 *            returned by follower_ready or follower_dropped.
 * Threads    none.
 * Limits     `hold' items are held, by follower_init; `range' positions are
 *            asked for at a time.  What comes above is dropped and asked for.
 */
#ifndef PROTO_FOLLOWER_H
#define PROTO_FOLLOWER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mono.h"

#define FOLLOWER_RETRY_MS_MIN 1000
#define FOLLOWER_RETRY_MS_MAX 60000

struct follower_item {
	uint32_t epoch;
	uint64_t seq;
	void *item;
};

struct follower {
	uint32_t epoch; /* of position at + 1, as far as one knows */
	uint64_t at;    /* everything up to it is here */
	uint32_t head_epoch;
	uint64_t head; /* the highest known to be there */
	/* The lowest epoch above ours that was seen, 0: none; its fork. */
	uint32_t newer;
	bool fork_known;
	uint64_t fork;
	bool connected;
	uint32_t hold, range;
	/* n held, by epoch and position; then ndropped to be handed back. */
	struct follower_item *items;
	uint32_t n, ndropped, cap;
	/* What was asked for last, until it came; asked.to 0: nothing. */
	struct follower_ask {
		uint32_t epoch;    /* not 0: for the fork point of it */
		uint64_t from, to; /* else for these positions */
	} asked;
	struct mono retry;
	uint64_t pause_ms;
};

enum follower_verdict {
	FOLLOWER_TAKE,   /* it is the next one */
	FOLLOWER_HOLD,   /* something before it is missing; now ours */
	FOLLOWER_DROP,   /* had already, or from a lower epoch */
	FOLLOWER_NO_ROOM /* dropped; it will be asked for later */
};

/* At a position that was kept, (1, 0) for all of it.  Not connected yet. */
void follower_init(struct follower *f, uint32_t epoch, uint64_t at,
    uint32_t hold, uint32_t range);

/* The caller has emptied it: follower_reset, follower_dropped. */
void follower_fini(struct follower *f);

/* A connection is there, or is gone: what was asked for will not come. */
void follower_connected(struct follower *f);
void follower_lost(struct follower *f);

/*
 * An item has arrived (never NULL).  Without memory to hold it, it is
 * FOLLOWER_NO_ROOM.
 */
enum follower_verdict follower_recv(struct follower *f, uint32_t epoch,
    uint64_t seq, void *item, struct mono now);

/* The next one, when it has been held; NULL: none. */
void *follower_ready(struct follower *f);

/* One that was held and is void; NULL: none. */
void *follower_dropped(struct follower *f);

/* Everything held becomes void, and the position another one. */
void follower_reset(struct follower *f, uint32_t epoch, uint64_t at);

/* Somebody says that the log goes up to seq. */
void follower_head(struct follower *f, uint32_t epoch, uint64_t seq);

/* Positions up to seq will never come: trimmed, or not for us. */
void follower_skip(struct follower *f, uint32_t epoch, uint64_t seq);

/*
 * Epoch `epoch' begins behind position fork.  Returns how many positions
 * taken before are void: those behind the fork.
 */
uint64_t follower_open(struct follower *f, uint32_t epoch, uint64_t fork);

/* What to ask for now; false: nothing. */
bool follower_next(struct follower *f, struct mono now,
    struct follower_ask *ask);

/* When follower_next will have something; at 0: now; MONO_NEVER. */
struct mono follower_deadline(const struct follower *f);

#endif
