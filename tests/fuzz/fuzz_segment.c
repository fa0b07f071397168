/*
 * A segment of the journal: header, frames and entries are read without
 * touching a byte outside, and a walk ends.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "node/queue/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct segment_header h;
	struct segment_frame f;
	struct segment_walk w;
	struct str rest, entry;
	uint8_t *exact = malloc(n > 0 ? n : 1);
	size_t entries = 0;

	assert(exact != NULL);
	if (n > 0)
		memcpy(exact, data, n);
	if (segment_header_read(&h, exact, n) != OK)
		h = (struct segment_header){ .number = 1, .first_index = 1 };
	segment_walk_init(&w, exact, n, &h);
	while (segment_walk_next(&w, &f))
		for (rest = f.payload; segment_entry(&rest, &entry);)
			entries++;
	assert(w.index - h.first_index == entries);
	(void)segment_walk_damaged(&w);
	rest = (struct str){ (const char *)exact, n };
	while (segment_entry(&rest, &entry))
		assert(entry.n <= n);
	free(exact);
	return 0;
}
