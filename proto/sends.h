/*
 * sends: the marks of one send stream, that make repeating harmless.
 *
 * A stream numbers the sends of one device in one conversation from 1 in
 * steps of 1.  The mark is the highest number taken; of the last SENDS_KEPT
 * numbers it also knows at which position they stand, so that a repeat gets
 * the first acknowledgement.  Whether a repeat says the same as the first is
 * for the caller to see, who has the event (event_body_digest).
 *
 * Ownership  lies inside the caller's object; sends_fini frees the ring.
 * Threads    none.
 * Limits     24 bytes, and 8 for each number kept: 4, 16, then SENDS_KEPT.
 */
#ifndef PROTO_SENDS_H
#define PROTO_SENDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define SENDS_KEPT 64

/* A stream silent for longer has ended, and older events are refused. */
#define SENDS_HORIZON_MS (30ull * 86400 * 1000)

struct sends {
	uint64_t number; /* highest taken; 0: none */
	uint64_t *ring;  /* of cap positions, at number % cap */
	uint8_t cap, kept;
};

enum sends_verdict {
	SENDS_NEXT,        /* take it */
	SENDS_DUPLICATE,   /* taken before, the position is known */
	SENDS_TOO_OLD,     /* taken before, longer ago than is known */
	SENDS_OUT_OF_ORDER /* one before it has not been taken */
};

void sends_init(struct sends *s);
void sends_fini(struct sends *s);

static inline uint64_t
sends_number(const struct sends *s)
{
	return s->number;
}

/* What to do with `number'; *seq is set with SENDS_DUPLICATE. */
enum sends_verdict sends_check(const struct sends *s, uint64_t number,
    uint64_t *seq);

/*
 * Takes `number', at position seq.  One already taken changes nothing, so a
 * journal can be replayed over what storage has.  One that is not the next
 * forgets the positions of those before it.  Cannot fail: without memory for
 * more, fewer positions are kept, and older repeats are SENDS_TOO_OLD.
 */
void sends_take(struct sends *s, uint64_t number, uint64_t seq);

/*
 * Takes `number' and all above it back, after a commit that failed.  What
 * they had pushed out of the ring stays forgotten: the window of sends under
 * way is a part of SENDS_KEPT.
 */
void sends_undo(struct sends *s, uint64_t number);

/* Has a stream last used at last_ms ended by now_ms? */
bool sends_ended(uint64_t last_ms, uint64_t now_ms, uint64_t horizon_ms);

/*
 * The fields of StreamRecord: the positions known, newest first.  sends_save
 * returns how many.  sends_load replaces what was there.  ERR_CORRUPT: more
 * than SENDS_KEPT, or than numbers; ERR_NOMEM.
 */
size_t sends_save(const struct sends *s, uint64_t seqs[static SENDS_KEPT]);
enum err sends_load(struct sends *s, uint64_t number, const uint64_t *seqs,
    size_t n) MUST_USE;

#endif
