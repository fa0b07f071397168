/*
 * segment: the format of the journal's files, on memory; no I/O.
 *
 * All numbers little endian.
 *
 *	header, SEGMENT_HEADER bytes
 *	   0  8  "kithjrnl"
 *	   8  4  version, 1
 *	  12  4  CRC-32 of bytes 16 to 71
 *	  16  8  number of the segment
 *	  24  8  index of the first entry
 *	  32  8  size of the file
 *	  40 32  chain hash up to the entry before
 *	  72     zeros
 *	frames, one a commit, each at a multiple of SEGMENT_ALIGN
 *	   0  4  "frme"
 *	   4  4  CRC-32 of bytes 8 to the end of the payload
 *	   8  8  number of the segment
 *	  16  8  index of the first entry
 *	  24  4  number of entries
 *	  28  4  bytes of payload
 *	  32 32  chain hash: BLAKE2b("kith journal 1", chain before, index of
 *	         the first entry, payload)
 *	  64     payload: for each entry its length (4) and its bytes
 *
 * A frame starts on a sector of its own, so writing one never touches bytes
 * that are durable already.  Files are used again under another number: old
 * frames carry the old number and are not read as new ones.
 */
#ifndef NODE_QUEUE_SEGMENT_H
#define NODE_QUEUE_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define SEGMENT_HEADER 4096
#define SEGMENT_ALIGN  512
#define SEGMENT_FRAME  64 /* bytes before the payload */
#define SEGMENT_CHAIN  32

struct segment_header {
	uint64_t number, first_index, size;
	uint8_t chain[SEGMENT_CHAIN];
};

void segment_header_write(uint8_t out[static SEGMENT_HEADER],
    const struct segment_header *h);

/* ERR_CORRUPT: it is none; ERR_UNSUPPORTED: of another version. */
enum err segment_header_read(struct segment_header *h, const uint8_t *p,
    size_t n) MUST_USE;

/* What the frame of a payload of n bytes takes in the file. */
static inline size_t
segment_frame_size(size_t n)
{
	return (SEGMENT_FRAME + n + SEGMENT_ALIGN - 1) &
	       ~(size_t)(SEGMENT_ALIGN - 1);
}

/*
 * Fills the SEGMENT_FRAME bytes before a payload of n bytes, which follows
 * them in memory; chain goes on to the new value.
 */
void segment_frame_write(uint8_t *frame, size_t n, uint64_t number,
    uint64_t first_index, uint32_t count, uint8_t chain[static SEGMENT_CHAIN]);

struct segment_frame {
	uint64_t first_index;
	uint32_t count;
	struct str payload; /* into the segment's memory */
};

/*
 * A walk over the frames of a segment in memory.  next: true and a frame, or
 * false at the end, where `torn' tells whether bytes follow that began to be
 * a frame.
 */
struct segment_walk {
	const uint8_t *p;
	size_t n, at;
	uint64_t number, index; /* of the next entry */
	uint8_t chain[SEGMENT_CHAIN];
	bool torn;
};

void segment_walk_init(struct segment_walk *w, const uint8_t *p, size_t n,
    const struct segment_header *h);
bool segment_walk_next(struct segment_walk *w, struct segment_frame *f);

/*
 * After the end of a walk: is there a whole frame of this segment further on?
 * Then what ended the walk is damage, not a torn tail.
 */
bool segment_walk_damaged(const struct segment_walk *w);

/* Takes the next entry off a frame's payload; false at its end. */
bool segment_entry(struct str *payload, struct str *entry);

#endif
