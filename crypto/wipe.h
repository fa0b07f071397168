/*
 * wipe: what one does to a secret before one leaves it.
 *
 * Threads    any.
 */
#ifndef CRYPTO_WIPE_H
#define CRYPTO_WIPE_H

#include <stdbool.h>
#include <stddef.h>

/* Overwrites in a way that the compiler keeps.  p may be NULL when n is 0. */
void secret_wipe(void *p, size_t n);

/* The time it takes depends on n only. */
bool secret_equal(const void *a, const void *b, size_t n);

#endif
