/*
 * journal: the directory of segment files.
 *
 *	0000000000000007.seg   number in hexadecimal; the highest is written to
 *	spare                  a trimmed segment, to be used again: its blocks
 *	                       are written already, which halves a commit
 *	reserve                space given up when the disk is full
 *
 * A segment says at which index it begins and with which chain hash.  What an
 * older one holds from that index on is superseded.  Each start opens a new
 * segment, and so does a failed commit: a file whose fdatasync failed is never
 * synced again.
 *
 * Threads    none: the queue's thread, and main before that starts.
 */
#ifndef NODE_QUEUE_JOURNAL_H
#define NODE_QUEUE_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "node/queue/queue.h"
#include "node/queue/segment.h"

struct journal_segment {
	uint64_t number, first_index, size;
};

struct journal {
	char *dir;
	int dir_fd;
	uint64_t segment_bytes, reserve_bytes;
	struct journal_segment *segments; /* ascending, the last is open */
	size_t nsegments, cap;
	int fd; /* of the last; -1: none is open */
	uint64_t at;
	uint64_t next_index; /* of the next durable entry */
	uint8_t chain[SEGMENT_CHAIN];
	bool has_spare, has_reserve;
};

/*
 * Reads all segments, calls replay for entries above `applied', opens no file
 * for writing.  Errors as queue_open.
 */
enum err journal_open(struct journal *j, const struct queue_config *cfg,
    uint64_t applied,
    enum err (*replay)(void *arg, uint64_t index, struct str data),
    void *arg) MUST_USE;
void journal_close(struct journal *j);

/* Opens a new segment of at least `least' bytes at next_index.  The disk's
 * errors; ERR_NOSPACE gives the reserve up. */
enum err journal_roll(struct journal *j, uint64_t least) MUST_USE;

/* Does a frame with a payload of n bytes fit into the open segment? */
bool journal_fits(const struct journal *j, size_t n);

/*
 * Writes the payload of n bytes behind frame (SEGMENT_FRAME bytes before it,
 * room for padding after it) and makes it durable.  On error the segment is
 * closed for good: roll before the next.
 */
enum err journal_append(struct journal *j, uint8_t *frame, size_t n,
    uint32_t count) MUST_USE;

/* Removes the oldest segment when all of it is at most `index'.  True: it
 * did, ask again. */
bool journal_trim(struct journal *j, uint64_t index);

/* Takes the reserve again when there is room for it. */
void journal_reserve(struct journal *j);

uint64_t journal_disk_bytes(const struct journal *j);

#endif
