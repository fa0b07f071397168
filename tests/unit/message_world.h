/*
 * message_world: the real message service, notify and cache among stand-ins
 * for queue, storage, gateway and password pool, and clients that speak JSON
 * to it and check what their feeds bring.
 *
 * Nothing happens by itself: time stands, commits, batches, reads and
 * password jobs wait until the test lets them go, or all together in
 * world_settle.
 *
 * Ownership  all is the world's and goes with world_free; answers are valid
 *            until then as well.
 */
#ifndef TESTS_UNIT_MESSAGE_WORLD_H
#define TESTS_UNIT_MESSAGE_WORLD_H

/* Before proto/json.h, which see. */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/message/service.h"

/* In the tests the names are libjansson's. */
#undef json_object
#undef json_array

#define WORLD_WORKERS 2

/* Above 0 while the stand-ins work: their memory does not fail. */
extern volatile unsigned world_own;

/* ---- stand-ins, message_fakes.c ------------------------------------------ */

struct journalled {
	uint64_t index;
	char *p;
	size_t n;
};

/*
 * Items are in flight from submit until the test commits or fails them.  A
 * commit writes them into the journal.
 */
struct queue {
	uint64_t next;
	uint32_t term;
	struct queue_item **flying;
	size_t nflying, flying_cap;
	struct journalled *journal;
	size_t njournal, journal_cap;
	uint64_t trimmed, submitted;
	bool unavailable; /* queue_submit refuses, as after a failure */
	bool full, pressed;
	bool forgetful; /* keeps no journal: for the benchmark */
};

/* Gives back the first n items as committed, linked. */
struct channel_item *queue_commit(struct queue *q, size_t n);

/*
 * All but the last `late' come back with err, then QUEUE_FAILED; the late
 * ones, which still carry the old term, come with the next queue_late.
 */
struct channel_item *queue_fail(struct queue *q, enum err err, size_t late);
struct channel_item *queue_late(struct queue *q, enum err err);
struct channel_item *queue_recover(struct queue *q);
/* The first n are on the disk, but nobody has heard of it. */
void queue_sync(struct queue *q, size_t n);
struct queue *queue_fake(void);

struct stored {
	uint64_t index;
	struct event *event;
};

struct pointer {
	struct place place;
	size_t row;
	bool gone;
};

struct stored_record;

struct storage {
	uint64_t applied;
	struct stored *rows;
	size_t nrows, rows_cap;
	struct pointer *pointers;
	size_t npointers, pointers_cap;
	struct stored_record *records; /* a hash table */
	struct channel_item *batches, *batches_tail;
	unsigned nbatches;
	struct channel_item *reads, *reads_tail;
	unsigned nreads;
	uint64_t reads_taken;
	bool refuse_batches, refuse_reads; /* ERR_BUSY */
	bool forgetful;                    /* throws batches away */
	enum err read_err;                 /* what reads come back with */
};

struct storage *storage_fake(void);
/* Applies the first batch; NULL: there is none. */
struct channel_item *storage_apply_one(struct storage *s);
/* They are lost. */
void storage_forget_batches(struct storage *s);
/* Does the first read; NULL: there is none. */
struct channel_item *storage_read_one(struct storage *s);
/* Each record, kinds ascending. */
enum err storage_each(struct storage *s,
    enum err (*fn)(void *arg, uint32_t kind, struct str key, struct str value),
    void *arg);
size_t storage_record_count(const struct storage *s);

struct gateway {
	/* Gets each item; takes frame. */
	void (*deliver)(void *arg, unsigned worker, const struct deliver *d);
	void *arg;
	bool congested[WORLD_WORKERS];
	size_t delivered;
};

struct password_pool {
	struct channel_item *jobs, *tail;
	size_t n, capacity;
};

/* Does the first job with pretended hashes; false: there is none. */
bool pool_run_one(struct password_pool *pool);

/* ---- the world ----------------------------------------------------------- */

enum feed_state { FEED_ON, FEED_SUSPENDED, FEED_STOPPED };

/* A client's connection. */
struct conn {
	struct world *w;
	struct conn *next;
	struct conn_ref ref;
	const char *name; /* for messages of the test */
	bool open;        /* not yet GATEWAY_CLOSED */
	bool closing;     /* the node said close */
	bool authenticated;
	json_t *answers; /* id as text: array of answers */
	json_t *pushes;  /* all but events, in order */
	json_t *events;  /* event pushes, in order */
	json_t *have;    /* log: highest position; checked for holes */
	uint64_t next_id;
	uint64_t again; /* events at or below what it had */
	/* As a slow reader: so many more frames of the feed, then it is
	 * suspended; UINT64_MAX: fast. */
	uint64_t room;
	enum feed_state feed;
	bool told; /* main, of the suspension */
	struct gateway_missed missed[64];
	size_t nmissed;
};

struct world {
	struct message *m;
	struct notify *notify;
	struct cache *cache;
	struct message_config cfg;
	uint64_t cache_budget;
	uint32_t cache_per_log;
	struct queue *queue;
	struct storage *storage;
	struct gateway gateway;
	struct password_pool pool;
	struct channel *passwords;
	struct identity *node;
	struct conn *conns;
	uint32_t next_slot[WORLD_WORKERS], next_gen, next_worker;
	json_t *control; /* answers to the control socket, in order */
	unsigned alerts_begun, alerts_ended, stopped;
	/* What world_settle leaves alone. */
	bool hold_commits, hold_batches, hold_reads, hold_passwords;
	bool quiet; /* frames are counted and not parsed */
	uint64_t frames;
	size_t widest; /* bytes of the longest */
};

/* Keys, salts and tokens are the same for a seed; the clock starts anew. */
void world_seed(uint64_t seed);

/* cfg NULL: the usual one. */
struct world *world_new(const struct message_config *cfg);
void world_free(struct world *w);
struct message_config world_config(void);

/* The tests wrap mono_now and wall_ms, random_bytes and sign_keypair. */
void world_advance(struct world *w, uint64_t ms); /* and ticks */

/* Until nothing is under way but what is held. */
void world_settle(struct world *w);
/* Hands deliveries over; fails when the service asks to be called for ever. */
void world_flush(struct world *w);
void world_commit(struct world *w, size_t n);
void world_fail(struct world *w, size_t late);
void world_recover(struct world *w);
void world_apply(struct world *w); /* all batches */
void world_read(struct world *w);  /* all reads */

/*
 * A fresh service out of the records and the journal.  Compares it with the
 * old one, object by object.  With `go_on' it takes the old one's place, and
 * all connections are gone; else it is thrown away.
 */
void world_restart(struct world *w, bool go_on);
/* The same, going on, without the comparison: what is policy and no history
 * (silent streams, old invites) may differ.  The first n of what is in flight
 * have come to the disk. */
void world_crash(struct world *w, size_t n);

/* ---- clients ------------------------------------------------------------- */

struct conn *world_connect(struct world *w, const char *name);
/* The connection breaks. */
void conn_break(struct conn *c);
/* What the socket held back has been read: the feed may go on. */
void conn_drain(struct conn *c, uint64_t room);

/*
 * Sends {"op":OP,"id":N, and the members that fmt makes, with ' for ".
 * Returns the id.
 */
#define NONE "%s", "" /* no members */
uint64_t ask(struct conn *c, const char *op, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for operations without an answer. */
void tell(struct conn *c, const char *op, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The one answer to a request: its ok, or its error code. */
json_t *ok(struct conn *c, uint64_t id);
const char *refusal(struct conn *c, uint64_t id);
bool unanswered(struct conn *c, uint64_t id);

/* Asks, settles, and expects ok, or the refusal. */
json_t *done(struct conn *c, const char *op, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void refused(struct conn *c, const char *code, const char *op, const char *fmt,
    ...) __attribute__((format(printf, 4, 5)));

/* On the control socket: only sent; or settled, and ok or refused. */
void control_start(struct world *w, const char *op, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
json_t *control(struct world *w, const char *op, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void control_refused(struct world *w, const char *code, const char *op,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* A new account, and a device of it; its token, to be freed. */
char *account_token(struct world *w, const char *name);
char *device_token(struct world *w, const char *name);
/* A connection that resumes with token; args as in ask. */
struct conn *resume(struct world *w, const char *name, const char *token,
    const char *args);
/* Both. */
struct conn *client(struct world *w, const char *name);

/* How many events of that kind came ("": all), and the n-th (from 0). */
size_t events(struct conn *c, const char *log, const char *kind);
json_t *event(struct conn *c, const char *log, const char *kind, size_t n);
/* The n-th push of that kind, or NULL. */
json_t *push(struct conn *c, const char *kind, size_t n);
size_t pushes(struct conn *c, const char *kind);
const char *text_of(json_t *o, const char *key);
int64_t number_of(json_t *o, const char *key);
int64_t seq_of(json_t *o); /* of its pos */

/* ---- what there is ------------------------------------------------------- */

struct world_count {
	size_t accounts, devices, rooms, members, convs, streams, invites, bans,
	    tombstones, gates, waiting;
};
void world_count(struct world *w, struct world_count *out);

#endif
