/*
 * shorthash: SipHash-2-4 (Aumasson and Bernstein 2012) under a random key of
 * the process, for hash tables whose keys a stranger can choose.
 *
 * Threads    shorthash_start once, before other threads; then any.
 */
#ifndef CRYPTO_SHORTHASH_H
#define CRYPTO_SHORTHASH_H

#include <stddef.h>
#include <stdint.h>

void shorthash_start(void);
uint64_t shorthash(const void *p, size_t n);

#endif
