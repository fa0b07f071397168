/*
 * settings: what gateway_reload can change, as one thing that never changes.
 *
 * Main makes a new one, each worker takes it up at its next turn; the old one
 * goes when the last has let go of it.
 *
 * Threads    any: counted.
 */
#ifndef NODE_GATEWAY_SETTINGS_H
#define NODE_GATEWAY_SETTINGS_H

#include <stdatomic.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "base/err.h"
#include "node/gateway/gateway.h"
#include "node/gateway/http.h"
#include "node/gateway/limit.h"

struct settings {
	atomic_uint refs;
	uint32_t max_connections, max_connections_address;
	uint32_t max_message, max_output;
	uint32_t request_timeout_ms, login_timeout_ms, ping_ms, idle_ms;
	struct limit_rate operations, operations_address, passwords;
	char **origins;
	size_t norigins;
	SSL_CTX *tls; /* NULL: no listener wants it */
};

/* One reference.  ERR_NOMEM, or what tls_context says; what tells it. */
enum err settings_new(struct settings **out, const struct gateway_config *cfg,
    char *what, size_t what_len) MUST_USE;

struct settings *settings_ref(struct settings *s);
void settings_unref(struct settings *s); /* NULL is allowed */

#endif
