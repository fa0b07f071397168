/*
 * config: kithd.conf(5).
 *
 * Read by libconfuse.  What is wrong is told with file, line and what was
 * expected; nothing is guessed.  Numbers stand in one table, from which the
 * reader, the manual's test and `kithd -n' work.
 *
 * Ownership  strings are the configuration's until config_free.
 */
#ifndef NODE_CONFIG_H
#define NODE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/logger.h"
#include "node/gateway/gateway.h"
#include "node/message/message.h"

/* X(section, key, default, least, most), a table for each section. */
#define CONFIG_GATEWAY(X)                                                      \
	X(gateway, workers, 0, 0, 64)                                          \
	X(gateway, max_connections, 20000, 16, 1000000)                        \
	X(gateway, max_connections_address, 200, 1, 1000000)                   \
	X(gateway, max_message, 131072, 4096, 1048576)                         \
	X(gateway, max_output, 262144, 16384, 16777216)                        \
	X(gateway, operations_per_second, 200, 1, 10000000)                    \
	X(gateway, operations_burst, 400, 1, 10000000)                         \
	X(gateway, address_operations_per_second, 2000, 1, 10000000)           \
	X(gateway, address_operations_burst, 4000, 1, 10000000)                \
	X(gateway, passwords_per_minute, 10, 1, 1000000)                       \
	X(gateway, request_timeout, 10, 1, 600)                                \
	X(gateway, login_timeout, 10, 1, 600)                                  \
	X(gateway, ping_interval, 30, 1, 3600)                                 \
	X(gateway, idle_timeout, 15, 1, 3600)
#define CONFIG_ACCOUNT(X)                                                      \
	X(account, operations_per_second, 200, 1, 10000000)                    \
	X(account, operations_burst, 400, 1, 10000000)                         \
	X(account, typing_per_minute, 60, 0, 100000)                           \
	X(account, registrations_per_hour, 20, 0, 1000000)                     \
	X(account, password_length, 10, 1, 256)                                \
	X(account, stream_horizon, 30, 1, 365)
#define CONFIG_PASSWORD(X)                                                     \
	X(password, passes, 2, 1, 64)                                          \
	X(password, memory, 64, 1, 1024)                                       \
	X(password, threads, 1, 1, 16)                                         \
	X(password, waiting, 256, 1, 100000)
#define CONFIG_LIMITS(X)                                                       \
	X(limits, accounts, 200000, 1, 10000000)                               \
	X(limits, rooms, 50000, 1, 10000000)                                   \
	X(limits, members, 1000000, 1, 100000000)                              \
	X(limits, room_members, 50000, 2, 10000000)                            \
	X(limits, account_rooms, 1000, 1, 4000)                                \
	X(limits, conversations, 2000000, 1, 100000000)                        \
	X(limits, streams, 1000000, 1, 100000000)                              \
	X(limits, invites, 100000, 1, 10000000)                                \
	X(limits, waiting, 65536, 16, 10000000)
#define CONFIG_ROOMS(X) X(rooms, retention, 0, 0, 36500)
#define CONFIG_QUEUE(X)                                                        \
	X(queue, segment, 64, 1, 1024)                                         \
	X(queue, max_bytes, 2048, 4, 1048576)                                  \
	X(queue, max_entries, 4000000, 100, 1000000000)                        \
	X(queue, max_inflight, 64, 1, 4096)                                    \
	X(queue, reserve, 64, 0, 65536)
#define CONFIG_STORAGE(X) X(storage, readers, 2, 1, 16)
#define CONFIG_CACHE(X)                                                        \
	X(cache, memory, 64, 1, 1048576)                                       \
	X(cache, per_log, 1024, 16, 1000000)
#define CONFIG_NUMBERS(X)                                                      \
	CONFIG_GATEWAY(X)                                                      \
	CONFIG_ACCOUNT(X)                                                      \
	CONFIG_PASSWORD(X)                                                     \
	CONFIG_LIMITS(X)                                                       \
	CONFIG_ROOMS(X)                                                        \
	CONFIG_QUEUE(X)                                                        \
	CONFIG_STORAGE(X)                                                      \
	CONFIG_CACHE(X)

struct config {
	char *path;
	char *realm, *data, *user, *control;
	enum log_level log_level;
	enum logger_target log_target;
	enum registration registration;
	struct gateway_listen *listen;
	size_t nlisten;
	struct gateway_listen metrics;
	bool has_metrics;
	char *tls_certificate, *tls_key;
	char **origins, **operators;
	size_t norigins, noperators;
	char *alert_command, *alert_webhook;
#define X(section, key, default_, least, most) uint32_t section##_##key;
	CONFIG_NUMBERS(X)
#undef X
};

/*
 * Reads and checks path.  On error *what (what_len bytes) holds a message
 * "file:line: ...", and out is untouched.
 */
enum err config_read(struct config *out, const char *path, char *what,
    size_t what_len) MUST_USE;
void config_free(struct config *c);

/* What the boxes take, out of c; they borrow from it. */
void config_gateway(const struct config *c, struct gateway_config *out);
void config_message(const struct config *c, struct message_config *out);

/* The first difference that only a restart can bring, or NULL. */
const char *config_restart_needed(const struct config *a,
    const struct config *b);

#endif
