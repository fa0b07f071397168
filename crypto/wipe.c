#include "crypto/wipe.h"

#include <sodium.h>

void
secret_wipe(void *p, size_t n)
{
	if (n > 0)
		sodium_memzero(p, n);
}

bool
secret_equal(const void *a, const void *b, size_t n)
{
	return n == 0 || sodium_memcmp(a, b, n) == 0;
}
