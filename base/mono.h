/*
 * mono: time, with the unit in the type.
 *
 * A struct mono is monotonic time since some start; only differences mean
 * something.  Wall time appears as uint64_t time_ms (since 1970) and is never
 * subtracted from a mono.  The machines in proto/ get both as arguments.
 */
#ifndef BASE_MONO_H
#define BASE_MONO_H

#include <stdbool.h>
#include <stdint.h>

struct mono {
	uint64_t ns;
};

#define MONO_NEVER ((struct mono){ UINT64_MAX })

/* The clocks: for node/, cli/ and tests, never for proto/. */
struct mono mono_now(void);
uint64_t wall_ms(void);

static inline struct mono
mono_add_ms(struct mono t, uint64_t ms)
{
	if (ms > (UINT64_MAX - t.ns) / 1000000)
		return MONO_NEVER;
	return (struct mono){ t.ns + ms * 1000000 };
}

static inline bool
mono_before(struct mono a, struct mono b)
{
	return a.ns < b.ns;
}

static inline struct mono
mono_min(struct mono a, struct mono b)
{
	return a.ns < b.ns ? a : b;
}

/* How long from a to b; 0 when b is not later. */
static inline uint64_t
mono_ms_between(struct mono a, struct mono b)
{
	return b.ns > a.ns ? (b.ns - a.ns) / 1000000 : 0;
}

static inline uint64_t
mono_us_between(struct mono a, struct mono b)
{
	return b.ns > a.ns ? (b.ns - a.ns) / 1000 : 0;
}

#endif
