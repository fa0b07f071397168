/*
 * prng: a seeded generator (xoshiro256**, Blackman and Vigna 2018, seeded by
 * splitmix64) for jitter, sampling and the simulator.  Never for secrets:
 * those come from crypto/.
 */
#ifndef BASE_PRNG_H
#define BASE_PRNG_H

#include <stdint.h>

struct prng {
	uint64_t s[4];
};

void prng_seed(struct prng *r, uint64_t seed);
uint64_t prng_u64(struct prng *r);

/* Even in [0, n); n > 0. */
uint64_t prng_below(struct prng *r, uint64_t n);

#endif
