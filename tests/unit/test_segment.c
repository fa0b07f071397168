/* The journal's format: what was written is read, what was torn is cut, what
 * was damaged is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/init.h"
#include "node/queue/segment.h"

#define SIZE    (64 * 1024)
#define NUMBER  7
#define FIRST   100
#define PAYLOAD (4 + 9 + 4 + 30) /* of the frames that build makes */

static uint8_t memory[SIZE];

struct written {
	size_t at;      /* behind the last frame */
	size_t last_at; /* where it begins */
	uint64_t index;
	uint8_t chain[SEGMENT_CHAIN];
};

static size_t
add_entry(uint8_t *p, const char *text)
{
	uint32_t n = (uint32_t)strlen(text);

	p[0] = (uint8_t)n;
	p[1] = (uint8_t)(n >> 8);
	p[2] = p[3] = 0;
	memcpy(p + 4, text, n);
	return 4 + n;
}

/* A segment with `frames' frames of two entries each. */
static struct written
build(unsigned frames)
{
	struct segment_header h = { NUMBER, FIRST, SIZE, { 1, 2, 3 } };
	struct written w = { .at = SEGMENT_HEADER, .index = FIRST };
	size_t n;

	memset(memory, 0, sizeof(memory));
	segment_header_write(memory, &h);
	memcpy(w.chain, h.chain, sizeof(w.chain));
	for (unsigned i = 0; i < frames; i++) {
		uint8_t *frame = memory + w.at;

		n = add_entry(frame + SEGMENT_FRAME, "one entry");
		n += add_entry(frame + SEGMENT_FRAME + n,
		    "another entry, somewhat longer");
		segment_frame_write(frame, n, NUMBER, w.index, 2, w.chain);
		w.last_at = w.at;
		w.at += segment_frame_size(n);
		w.index += 2;
	}
	return w;
}

/* Walks; returns how many entries were read. */
static unsigned
walk(struct segment_walk *w)
{
	struct segment_header h;
	struct segment_frame f;
	struct str rest, entry;
	unsigned n = 0;

	assert_int_equal(segment_header_read(&h, memory, SIZE), OK);
	segment_walk_init(w, memory, SIZE, &h);
	while (segment_walk_next(w, &f))
		for (rest = f.payload; segment_entry(&rest, &entry); n++)
			;
	return n;
}

static void
what_is_written_is_read(void **state)
{
	struct written w = build(5);
	struct segment_walk r;

	(void)state;
	assert_int_equal(walk(&r), 10);
	assert_int_equal(r.index, w.index);
	assert_int_equal(r.at, w.at);
	assert_false(r.torn);
	assert_false(segment_walk_damaged(&r));
	assert_memory_equal(r.chain, w.chain, SEGMENT_CHAIN);
}

/* Whatever part of the last frame did not reach the disk. */
static void
torn_tail_is_cut_at_every_byte(void **state)
{
	struct written w = build(5);
	struct segment_walk r;

	(void)state;
	for (size_t cut = w.last_at; cut < w.last_at + SEGMENT_FRAME + 40;
	     cut++) {
		(void)build(5);
		memset(memory + cut, 0, w.at - cut);
		assert_int_equal(walk(&r), 8);
		assert_int_equal(r.at, w.last_at);
		assert_false(segment_walk_damaged(&r));
	}
}

static void
each_flipped_bit_is_found(void **state)
{
	struct written w = build(3);
	struct segment_walk r;

	(void)state;
	for (size_t at = SEGMENT_HEADER; at < w.at; at++) {
		(void)build(3);
		if (at % SEGMENT_ALIGN >= SEGMENT_FRAME + PAYLOAD)
			continue; /* padding says nothing */
		memory[at] ^= 0x10;
		assert_true(walk(&r) < 6);
	}
}

static void
damage_before_the_tail_is_no_torn_tail(void **state)
{
	struct segment_walk r;

	(void)state;
	(void)build(5);
	memory[SEGMENT_HEADER + SEGMENT_FRAME + 8] ^= 1;
	assert_int_equal(walk(&r), 0);
	assert_true(segment_walk_damaged(&r));
}

/* A file is used again: its old frames carry another number. */
static void
old_frames_of_a_used_file_are_not_read(void **state)
{
	struct segment_header h = { NUMBER + 1, 500, SIZE, { 9 } };
	struct segment_frame f;
	struct segment_walk r;

	(void)state;
	(void)build(5);
	segment_header_write(memory, &h);
	segment_walk_init(&r, memory, SIZE, &h);
	assert_false(segment_walk_next(&r, &f));
	assert_false(r.torn);
	assert_false(segment_walk_damaged(&r));
}

static void
header_must_be_whole(void **state)
{
	struct segment_header h;

	(void)state;
	(void)build(1);
	assert_int_equal(segment_header_read(&h, memory, 100), ERR_CORRUPT);
	for (size_t at = 0; at < 72; at++) {
		(void)build(1);
		memory[at] ^= 1;
		assert_int_not_equal(segment_header_read(&h, memory, SIZE), OK);
	}
	(void)build(1);
	memory[8] = 2;
	assert_int_equal(segment_header_read(&h, memory, SIZE),
	    ERR_UNSUPPORTED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(torn_tail_is_cut_at_every_byte),
		cmocka_unit_test(each_flipped_bit_is_found),
		cmocka_unit_test(damage_before_the_tail_is_no_torn_tail),
		cmocka_unit_test(old_frames_of_a_used_file_are_not_read),
		cmocka_unit_test(header_must_be_whole),
	};

	if (crypto_start() != OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
