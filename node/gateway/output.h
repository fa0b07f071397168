/*
 * output: the bytes that wait for a socket, and the memory they wait in.
 *
 * A connection owns a buffer only while it has something to say.  A worker
 * keeps spare ones by size, so that the usual turn (append frames, one write,
 * done) allocates nothing.
 *
 * Ownership  an output is its connection's from output_add until output_free.
 * Threads    none: a worker's.
 * Limits     OUTPUT_KEEP bytes of spare memory; the caller bounds what waits.
 */
#ifndef NODE_GATEWAY_OUTPUT_H
#define NODE_GATEWAY_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "base/err.h"

#define OUTPUT_CLASSES 5 /* 512 bytes, 2, 8, 32, 128 KiB */
#define OUTPUT_KEEP    (4u << 20)

struct output {
	struct output *next; /* spare */
	uv_write_t req;
	size_t cap, n, off; /* bytes from off to n are to be written */
	char data[];
};

struct output_pool {
	struct output *spare[OUTPUT_CLASSES];
	size_t kept; /* bytes */
};

void output_pool_init(struct output_pool *pool);
void output_pool_fini(struct output_pool *pool);

/* Appends to *o, which may be NULL and may move.  False: out of memory, and
 * nothing was appended. */
bool output_add(struct output_pool *pool, struct output **o, const void *p,
    size_t n) MUST_USE;

/* What waits in it; o may be NULL. */
size_t output_left(const struct output *o);

void output_free(struct output_pool *pool, struct output *o);

#endif
