/*
 * init: the one thing to do before anything else in crypto/.
 *
 * Threads    any; the first call should be before other threads start, so
 *            that the choice of fast implementations costs nobody a wait.
 */
#ifndef CRYPTO_INIT_H
#define CRYPTO_INIT_H

#include "base/err.h"

/* Idempotent.  ERR_INTERNAL: there is no source of randomness. */
enum err crypto_start(void) MUST_USE;

#endif
