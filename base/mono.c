#include "base/mono.h"

#include <assert.h>
#include <time.h>

struct mono
mono_now(void)
{
	struct timespec t;

	assert(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (struct mono){ (uint64_t)t.tv_sec * 1000000000u +
			      (uint64_t)t.tv_nsec };
}

uint64_t
wall_ms(void)
{
	struct timespec t;

	assert(clock_gettime(CLOCK_REALTIME, &t) == 0);
	return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}
