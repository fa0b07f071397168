/*
 * loop: the main thread: a libuv loop that carries what the other threads
 * push through channels to the message service, and back.
 *
 * A turn: drain the channels, let the service work, then hand over everything
 * at once (queue, deliveries).  Signals: SIGTERM and SIGINT drain and stop,
 * SIGHUP reloads.
 *
 * Threads    loop_wake from any; the rest from main.
 */
#ifndef NODE_LOOP_H
#define NODE_LOOP_H

#include <uv.h>

#include "base/channel.h"
#include "base/err.h"
#include "node/message/message.h"

struct loop_channels {
	struct channel *requests; /* of the gateway's workers */
	struct channel *queue;    /* items that come back */
	struct channel *batches;  /* storage's */
	struct channel *reads;
	struct channel *passwords;
};

struct loop;

/* Makes loop and channels; they wake it. */
enum err loop_new(struct loop **out) MUST_USE;
void loop_free(struct loop *l);

const struct loop_channels *loop_channels(struct loop *l);
uv_loop_t *loop_uv(struct loop *l);

struct loop_hooks {
	void *arg;
	void (*reload)(void *arg);   /* SIGHUP */
	void (*stopping)(void *arg); /* once: take no more clients */
	void (*tick)(void *arg);     /* every second */
};

/* Runs until everything has drained after SIGTERM, SIGINT or loop_stop, at
 * the most drain_ms. */
void loop_run(struct loop *l, struct message *m, const struct loop_hooks *hooks,
    unsigned drain_ms);
void loop_stop(struct loop *l);

#endif
