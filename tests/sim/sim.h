/*
 * sim: one node, its disk, its devices and the network between them, in
 * virtual time and from one seed.
 *
 *   device.c   people write; windows of sends, repeats, followers
 *   net.c      connections that break; pushes that get lost or overtake
 *   node.c     what the message service does, out of proto's machines
 *   disk.c     a journal: commits take time, fail, are torn by a crash
 *   check.c    what must hold, after every step and in the end
 *   sim.c      time, chance, faults
 *
 * Everything random comes from the one generator, and everything happens in
 * the order of (time, when it was scheduled): a seed replays exactly.
 *
 * A mutation is a mistake made on purpose, to see that the checks find it.
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/mono.h"
#include "base/prng.h"
#include "proto/entry.h"
#include "proto/follower.h"
#include "proto/head.h"
#include "proto/sends.h"
#include "proto/shard.h"
#include "proto/unplaced.h"

#define ACCOUNTS    3
#define ROOMS       2
#define LOGS        (ACCOUNTS + ROOMS) /* mailboxes, then rooms */
#define DEVICES     (2 * ACCOUNTS)
#define WINDOW      16
#define EPOCHS      64
#define TEXTS_MAX   300
#define QUEUE_LIMIT 40 /* entries submitted and not returned */

/* Name, and a seed from where on it is found soon. */
#define MUTATIONS(X)                                                           \
	X(NONE, "none", 1)                                                     \
	/* it is acknowledged, pushed, before the commit */                    \
	X(ACK_EARLY, "ack-early", 1)                                           \
	X(PUSH_EARLY, "push-early", 1)                                         \
	/* a second fdatasync is believed after one that failed */             \
	X(SYNC_AGAIN, "sync-again", 1)                                         \
	/* what replay has read is not synced */                               \
	X(NO_OPEN_SYNC, "no-open-sync", 1)                                     \
	/* the tail of a failed segment still counts */                        \
	X(NO_SUPERSEDE, "no-supersede", 1)                                     \
	/* positions, stream numbers are not taken back after a failure */     \
	X(NO_ROLLBACK, "no-rollback", 1)                                       \
	X(NO_UNDO, "no-undo", 1)                                               \
	/* the marks of streams do not outlive a crash, or are not asked */    \
	X(FORGET_MARKS, "forget-marks", 1)                                     \
	X(NO_REPEATS, "no-repeats", 1)                                         \
	/* devices take positions as they come */                              \
	X(SKIP_GAPS, "skip-gaps", 1)                                           \
	/* a number that a failed commit may hold is refused for good */       \
	X(REFUSE_EARLY, "refuse-early", 1)                                     \
	/* what an old connection of the device holds is taken late */         \
	X(OLD_CONNECTION, "old-connection", 1)                                 \
	/* direct messages are delivered, shown, in any order */               \
	X(DIRECT_AHEAD, "direct-ahead", 1400)                                  \
	X(DIRECT_GAPS, "direct-gaps", 1)                                       \
	/* their repeats are told by the number alone */                       \
	X(BY_NUMBER, "by-number", 1)

enum mutation {
#define X(constant, name, from) MUT_##constant,
	MUTATIONS(X)
#undef X
	    MUT_COUNT
};

/* ---- things that happen -------------------------------------------------- */

enum event_type {
	AT_PACKET,  /* arrives */
	AT_COMMIT,  /* the disk has finished one */
	AT_REOPEN,  /* it tries a new segment */
	AT_RESULT,  /* of the disk, comes to the node */
	AT_STORED,  /* storage has taken over */
	AT_START,   /* of the node */
	AT_OPENED,  /* its journal is open */
	AT_CRASH,   /* of the node */
	AT_TICK,    /* of the node: heads, storage */
	AT_CONNECT, /* a device tries */
	AT_BREAK,   /* of a connection */
	AT_WRITE,   /* somebody writes a message */
	AT_ACT,     /* a device looks at its deadlines */
	AT_HEAL     /* the end of faults */
};

struct packet;

struct occasion {
	uint64_t at_ns, order;
	enum event_type type;
	uint32_t life; /* of the node or disk: stale when another */
	uint32_t device;
	struct packet *packet; /* owned */
};

/* ---- the network --------------------------------------------------------- */

enum packet_type {
	P_HELLO,   /* device: this is my connection now */
	P_SEND,    /* device */
	P_ASK,     /* device: positions from to to of a log, or a fork point */
	P_WELCOME, /* node */
	P_ANSWER,  /* node, to P_SEND */
	P_PUSH,    /* node: an event at its position */
	P_HEAD,    /* node: how far a log goes */
	P_FORK,    /* node: where an epoch began */
	P_DIRECT   /* node: an event that has no position */
};

enum answer {
	A_OK,
	A_REFUSED, /* for what it says: it will never be taken */
	A_ORDER,   /* a number before it is missing */
	A_LATER,   /* queue full, unavailable, busy */
	A_DIRECT,
	A_TOO_OLD,
	A_REUSED
};

struct packet {
	enum packet_type type;
	bool to_node;
	uint32_t device, conn;
	/* P_SEND, P_ANSWER: `text' is the unique number of what was written */
	uint32_t target, window; /* window: of the device, by generations */
	uint64_t number, text;
	enum answer answer;
	/* positions */
	uint32_t log, epoch;
	uint64_t from, to;   /* P_ANSWER, P_PUSH: from */
	struct mark mark;    /* P_HEAD */
	struct entry *entry; /* P_PUSH, P_DIRECT: one reference */
	struct event_id id;  /* P_ANSWER */
};

/* ---- the disk ------------------------------------------------------------ */

struct record {
	uint64_t index;
	struct entry *entry; /* its bytes are what was written */
	bool lost;           /* the disk never got it, whatever it said */
};

struct segment {
	uint64_t start;
	bool header_synced;
	struct record *records;
	uint32_t n, cap, synced;
};

struct submitted {
	uint64_t index;
	uint32_t term;
	struct entry *entry;
};

struct disk {
	struct segment *segments;
	uint32_t nsegments;
	struct submitted *waiting;
	uint32_t nwaiting, waiting_cap, committing; /* the first ones */
	bool busy, failed;
	uint32_t term, life;
	uint64_t durable;   /* index */
	uint64_t result_ns; /* results come in order */
	/* What storage has taken over, and is about to. */
	struct store *store, *staged;
};

/* ---- the node ------------------------------------------------------------ */

struct stream {
	struct sends sends;
	uint64_t given;
	uint64_t unknown; /* highest in a commit that failed, till it is void */
	uint64_t direct;  /* highest delivered directly, all before it too */
	uint32_t owner;   /* the newest connection that used it */
};

struct history {
	struct entry **at; /* [0] is position 1 */
	uint64_t n, cap;
};

/* All that storage keeps, at one index. */
struct store {
	uint64_t applied;
	struct point heads[LOGS], shards[SHARDS];
	uint64_t fork[LOGS][EPOCHS];
	struct history history[LOGS];
	struct {
		uint64_t number, seqs[SENDS_KEPT];
		size_t n;
	} streams[DEVICES][LOGS];
};

struct pending {
	struct entry *entry;
	bool open_epoch;
	uint32_t device, conn, target, window;
	uint64_t number, text;
};

struct node {
	bool up, degraded, opening;
	uint32_t life, term;
	uint64_t next_index, applied;
	struct head heads[LOGS];
	struct shards shards;
	uint64_t fork[LOGS][EPOCHS];
	struct history history[LOGS];
	struct stream streams[DEVICES][LOGS];
	struct pending pending[QUEUE_LIMIT];
	uint32_t npending;
	uint32_t session[DEVICES]; /* connection, 0: none */
	uint32_t first_conn; /* those before ended with the process before */
};

/* ---- the devices --------------------------------------------------------- */

struct outgoing {
	uint64_t text;
	bool acked;
};

struct window {
	struct outgoing *queue;
	uint32_t n, cap, sent;
	uint64_t base; /* number of queue[0] */
	uint32_t generation;
	uint64_t stalled_ns; /* send nothing before */
	uint64_t waiting_ns; /* since when for an answer, 0: not */
};

struct device {
	uint32_t account, conn; /* 0: not connected */
	uint64_t arrive_ns[2];  /* of the last packet, each way */
	uint64_t late_ns;       /* when what an old connection holds is read */
	bool welcome;
	struct window windows[LOGS];
	struct follower followers[LOGS];
	struct head copies[LOGS];
	uint64_t last_text[DEVICES][LOGS]; /* of each stream, out of a log */
	uint64_t last_shown[DEVICES][LOGS];
	struct unplaced unplaced;
	bool shown[TEXTS_MAX + 1]; /* by the number of the text */
};

/* ---- the whole ----------------------------------------------------------- */

struct acked {
	uint32_t log;
	uint64_t seq, text;
	struct event_id id;
};

struct sim {
	uint64_t seed;
	enum mutation mutation;
	struct prng rng;
	uint64_t now_ns, order;
	struct occasion *heap;
	uint32_t nheap, heap_cap;
	bool healed, trace;
	/* Drawn from the seed: one in so many; 0: never. */
	uint32_t loss, fail_commit, break_ms, crash_ms;
	uint32_t delay_us, texts;

	struct disk disk;
	struct node node;
	struct device devices[DEVICES];
	struct id account_ids[ACCOUNTS], room_ids[ROOMS];
	uint32_t next_conn;
	uint64_t next_text;

	/* What was promised. */
	struct acked *acked;
	uint32_t nacked, acked_cap;
	struct history truth[LOGS]; /* as any device was first told */
	uint64_t steps, delivered, crashes, failures, directs, repeats;

	/* Freed with the rest when a check ends everything. */
	struct packet *packet;
	struct entry *reading;
	jmp_buf out;
	char why[256];
};

/* true: all held.  Else s.why says what did not. */
bool sim_run(struct sim *s, uint64_t seed, enum mutation m, bool trace);
/* A number for all that was seen, to compare two runs of a seed. */
uint64_t sim_digest(const struct sim *s);
void sim_free(struct sim *s);

/* sim.c */
uint64_t sim_below(struct sim *s, uint64_t n);
bool sim_one_in(struct sim *s, uint32_t n); /* faults: not when healed */
void sim_at(struct sim *s, uint64_t delay_ns, struct occasion what);
void sim_fail(struct sim *s, const char *fmt, ...)
    __attribute__((noreturn, format(printf, 2, 3)));
void sim_trace(struct sim *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void *sim_grow(void *p, uint32_t n, uint32_t *cap, size_t size);
struct id sim_log_id(const struct sim *s, uint32_t log);
uint64_t sim_text_of(const struct event *ev);
void sim_mark_of(struct unplaced_mark *m, const struct event *ev);
void history_add(struct history *h, struct entry *e); /* its own reference */
void history_free(struct history *h);
const struct place *entry_place(const struct entry *e, uint32_t log);

#define MS(n) ((uint64_t)(n)*1000000)

/* net.c */
void net_send(struct sim *s, struct packet p);
void net_arrive(struct sim *s, const struct packet *p);
void net_break(struct sim *s, uint32_t device);
void packet_free(struct packet *p);

/* disk.c */
void disk_submit(struct sim *s, struct entry *e, uint32_t term);
void disk_commit_done(struct sim *s);
void disk_reopen(struct sim *s);
void disk_result(struct sim *s, const struct packet *r, uint32_t term);
void disk_crash(struct sim *s, bool power);
void disk_open(struct sim *s); /* cuts, syncs */
void disk_replay(struct sim *s, void (*take)(struct sim *s, struct entry *e));
void disk_free(struct disk *d);
void store_free(struct store *st);

/* node.c */
void node_start(struct sim *s);
void node_opened(struct sim *s);
void node_crash(struct sim *s);
void node_recv(struct sim *s, const struct packet *p);
void node_committed(struct sim *s, uint64_t index, bool ok);
void node_failed(struct sim *s, uint32_t term, uint64_t next_index);
void node_recovered(struct sim *s);
void node_tick(struct sim *s);
void node_stored(struct sim *s);
void node_forget(struct node *n);

/* device.c */
void device_init(struct sim *s, uint32_t device);
void device_free(struct device *d);
void device_connect(struct sim *s, uint32_t device);
void device_lost(struct sim *s, uint32_t device);
void device_write(struct sim *s, uint32_t device);
void device_recv(struct sim *s, const struct packet *p);
void device_act(struct sim *s, uint32_t device);

/* check.c */
void check_ack(struct sim *s, const struct packet *p);
void check_delivered(struct sim *s, uint32_t device, uint32_t log,
    struct entry *e);
void check_shown(struct sim *s, uint32_t device, const struct event *ev);
void check_history(struct sim *s);
bool check_quiet(struct sim *s); /* has everything arrived? */

#endif
