/*
 * shared: what the workers of a gateway have in common.
 *
 * Threads    made by main before the workers run.  After that main changes
 *            the atomics, and `settings', `ready' and `why' under the lock.
 */
#ifndef NODE_GATEWAY_SHARED_H
#define NODE_GATEWAY_SHARED_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/channel.h"
#include "node/balance/balance.h"
#include "node/gateway/gateway.h"
#include "node/gateway/limit.h"
#include "node/gateway/settings.h"

#define LISTEN_MAX 64

struct worker;

struct listener {
	bool tls, proxy, metrics;
	uint16_t port;
};

struct gateway {
	unsigned nworkers, nrunning; /* threads */
	struct worker *workers[BALANCE_WORKERS];
	struct channel *requests; /* main's */
	struct limit *limit;
	struct balance *balance;
	struct listener listeners[LISTEN_MAX + 1]; /* the last: metrics */
	unsigned nlisteners;
	bool started, stopped;        /* main's */
	_Atomic uint32_t connections; /* over all workers */
	atomic_bool pressed;
	_Atomic uint64_t stop_at; /* ns of struct mono; 0: not stopping */
	pthread_mutex_t lock;
	struct settings *settings;
	_Atomic uint32_t settings_version;
	bool ready;
	char why[160];
};

/* A reference to the settings of now. */
struct settings *gateway_settings(struct gateway *g);

#endif
