/* What the tests of crypto/ share: bytes as hexadecimal text. */
#ifndef TESTS_UNIT_CRYPTO_TEST_H
#define TESTS_UNIT_CRYPTO_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/err.h"
#include "crypto/init.h"

static inline void
unhex(void *out, size_t n, const char *hex)
{
	assert_int_equal(hex_decode(out, n, str_of(hex)), OK);
}

#define assert_hex(p, hex)                                                     \
	do {                                                                   \
		uint8_t want[sizeof(hex) / 2];                                 \
		unhex(want, sizeof(want), hex);                                \
		assert_memory_equal(p, want, sizeof(want));                    \
	} while (0)

static inline int
start_crypto(void **state)
{
	(void)state;
	return crypto_start() == OK ? 0 : -1;
}

/* 0, 1, 2 ... as far as n goes. */
static inline void
count_up(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)i;
}

#endif
