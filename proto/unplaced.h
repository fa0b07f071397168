/*
 * unplaced: what a device has shown before it had a position.
 *
 * While its queue cannot store, a node delivers direct messages directly
 * (design, section 5).  The sender keeps each and repeats it, and in the end
 * it comes out of the log like any other; it must not show again, and the
 * messages of a stream must show in its order.
 *
 * Its number alone does not tell a message: one before it may be refused when
 * it is repeated, and then those behind it move up, because a refused number
 * is not used up.  So a message is known by its stream and its content, and
 * by that its number only ever gets lower.
 *
 * Nor does it tell the order: a device may have come in the middle.  With
 * each the node says which number is the last stored one (`after').  The
 * sender repeats all from there, in order, so a device takes what begins
 * there or follows on what it has just got, and leaves the rest for the next
 * time.  It must have everything out of the log first.
 *
 * Ownership  everything is copied.
 * Threads    none.
 * Limits     `limit' messages; above it they are not taken.
 */
#ifndef PROTO_UNPLACED_H
#define PROTO_UNPLACED_H

#include <stdbool.h>
#include <stdint.h>

#define UNPLACED_KEY_LEN 16

struct unplaced_mark {
	uint8_t stream[UNPLACED_KEY_LEN];
	uint8_t content[UNPLACED_KEY_LEN];
	uint64_t number; /* or lower by now */
	/* On the last one of a stream: up to where all has just come, or 0. */
	uint64_t run;
};

/* v[0..n), in the order shown, may be saved, and loaded at the next start. */
struct unplaced {
	struct unplaced_mark *v;
	uint32_t n, cap, limit;
};

enum unplaced_verdict {
	UNPLACED_SHOW,
	UNPLACED_HAD,
	UNPLACED_EARLY /* one before it is missing, or there is no room */
};

void unplaced_init(struct unplaced *u, uint32_t limit);
void unplaced_fini(struct unplaced *u);

/* false: no memory, or over the limit. */
bool unplaced_load(struct unplaced *u, const struct unplaced_mark *v,
    uint32_t n);

/* The connection is gone, or something direct could not be looked at. */
void unplaced_interrupted(struct unplaced *u);

/*
 * A message has come directly.  m->stream and m->content are hashes of the
 * caller's: of who sends in which stream, and of what is said; m->run is 0.
 */
enum unplaced_verdict unplaced_recv(struct unplaced *u,
    const struct unplaced_mark *m, uint64_t after);

/* A message has come out of the log: was it shown?  Then it is forgotten. */
bool unplaced_placed(struct unplaced *u, const struct unplaced_mark *m);

#endif
