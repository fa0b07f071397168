/*
 * message: the message service, the node's one sequencer.
 *
 * Takes requests of clients and operators, decides who may do what, makes
 * events, gives them positions, submits them to the queue, and applies them
 * when they are durable: answers the sender, fills the cache, publishes to
 * the feeds, hands batches to storage.  See HACKING.md, "the way of a
 * message".
 *
 * Threads    main's only.  Password hashing and reading from storage happen
 *            elsewhere and come back through channels that main drains into
 *            message_password_done and message_read_done.
 * Limits     struct message_config; beyond them operations fail with a code.
 */
#ifndef NODE_MESSAGE_MESSAGE_H
#define NODE_MESSAGE_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/channel.h"
#include "base/err.h"
#include "base/mono.h"
#include "crypto/identity.h"
#include "crypto/password.h"
#include "node/cache/cache.h"
#include "node/notify/notify.h"
#include "node/queue/queue.h"
#include "node/storage/storage.h"

enum registration {
	REGISTRATION_CLOSED,
	REGISTRATION_INVITE,
	REGISTRATION_OPEN
};

struct message_config {
	const char *realm;
	enum registration registration;
	uint32_t registrations_per_hour;    /* with REGISTRATION_OPEN */
	uint32_t ops_per_second, ops_burst; /* of an account */
	uint32_t typing_per_minute;         /* of a session */
	uint32_t max_accounts, max_rooms, max_members, max_convs, max_streams,
	    max_invites;
	uint32_t max_room_members, max_rooms_account;
	uint32_t max_waiting; /* requests behind a pending change or read */
	uint32_t default_retention_days; /* of new rooms, 0: for ever */
	uint32_t password_min;           /* characters */
	uint32_t stream_horizon_days;    /* 30 */
	const char *const *operators;    /* accounts told of alerts */
	size_t noperators;
};

/* What the message service works with: borrowed until message_free. */
struct message_parts {
	struct gateway *gateway;
	struct queue *queue;
	struct storage *storage;
	struct cache *cache;
	struct notify *notify;
	struct password_pool *passwords;
	struct channel *done_passwords; /* jobs that came back */
	const struct identity *node;
	struct message_host {
		void *arg;
		/* An answer to a request whose conn.worker is CONN_CONTROL. */
		void (*control)(void *arg, const struct conn_ref *conn,
		    struct str text);
		/* kithctl stop; kithctl reload, what says what failed. */
		void (*stop)(void *arg);
		enum err (*reload)(void *arg, char *what, size_t len);
		/* Runs the alert command and the webhook. */
		void (*alert)(void *arg, const char *what, bool begins,
		    const char *text);
	} host;
};

/* The worker of connections on the control socket. */
#define CONN_CONTROL UINT32_MAX

struct message;

struct message *message_new(const struct message_config *cfg) MUST_USE;
void message_free(struct message *m); /* NULL is allowed */

/* New limits and policies; the realm stays. */
void message_configure(struct message *m, const struct message_config *cfg);

/* Start: records out of storage, then entries out of the journal. */
enum err message_load_record(void *m, uint32_t kind, struct str key,
    struct str value) MUST_USE;
enum err message_replay(void *m, uint64_t index, struct str data) MUST_USE;

/* Between the two: replayed entries go to the cache. */
void message_prepare(struct message *m, struct cache *cache,
    struct storage *storage);

/* After both: from here on requests are taken. */
enum err message_start(struct message *m,
    const struct message_parts *parts) MUST_USE;

/* At the beginning of each loop turn: reads the clocks. */
void message_turn(struct message *m);

/* Takes the request (of a worker or of the control socket). */
void message_request(struct message *m, struct request *rq);

/* For struct notify_source: what a feed lacks. */
void message_fetch(void *m, struct session *s, uint32_t log, uint64_t after);

/* Requests that nobody will answer any more: frees them. */
void message_drop_requests(struct channel_item *items);

/* Items that came back from the queue: takes them. */
void message_queue_done(struct message *m, struct channel_item *items);
void message_batches_done(struct message *m, struct channel_item *items);
void message_reads_done(struct message *m, struct channel_item *items);
void message_passwords_done(struct message *m, struct channel_item *items);

/* Once a turn, last: submits, hands over.  True: call again soon. */
bool message_flush(struct message *m);

/* Every 100 ms. */
void message_tick(struct message *m);

/* Operators learn of it: log, metric, command, webhook, direct message. */
void message_alert(struct message *m, const char *what, bool begins,
    const char *text);

/* No new requests; what is pending is finished.  True when nothing is. */
bool message_drained(struct message *m);

/* Writes the last batch for storage, to be waited for. */
void message_hand_over_all(struct message *m);

/* Prometheus text of this box and of cache, notify, queue, storage. */
void message_metrics(struct message *m, struct bytes *out);

/* Ready to commit now?  If not, why: static text. */
bool message_ready(struct message *m, const char **why);

#endif
