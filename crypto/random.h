/*
 * random: unpredictable bytes (getrandom, through libsodium), for keys,
 * salts, nonces and tokens.  For jitter and simulation there is base/prng.
 *
 * Threads    any, after crypto_start.
 */
#ifndef CRYPTO_RANDOM_H
#define CRYPTO_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Never fails: it ends the process if the kernel has no randomness. */
void random_bytes(void *p, size_t n);
uint64_t random_u64(void);

#endif
