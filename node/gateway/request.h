/*
 * request: the memory of requests, which one thread makes and another frees.
 *
 * A pool belongs to a worker.  Most requests fit into a block of REQUEST_BLOCK
 * bytes; main gives blocks back by pushing them to a stack that the worker
 * takes over whole, so neither waits for the other.
 *
 * Ownership  the pool lives until it has been closed and its last request
 *            freed, whichever comes later.
 * Threads    request_free any; the rest its worker.
 * Limits     REQUEST_KEEP blocks are kept, the others go back to malloc.
 */
#ifndef NODE_GATEWAY_REQUEST_H
#define NODE_GATEWAY_REQUEST_H

#include "node/gateway/gateway.h"

#define REQUEST_BLOCK 2048
#define REQUEST_KEEP  1024

/* NULL when out of memory. */
struct request_pool *request_pool_new(void) MUST_USE;
void request_pool_close(struct request_pool *pool); /* NULL is allowed */

/* Room for n bytes of text; all else 0 but rq.  NULL when out of memory. */
struct request *request_take(struct request_pool *pool, size_t n) MUST_USE;

#endif
