/*
 * registry: everything the node knows but the events themselves: accounts,
 * devices, rooms, members, conversations, send streams, invites, bans.
 *
 * It is what replaying the journal gives, and changes in one way only: by
 * registry_put (an object, whole) and by apply.c (what an event implies).
 * Objects changed since the last batch are on the dirty list, from which
 * batch.c writes their records for storage.
 *
 * Two numbers of a log are speculative: head and ord exist as `durable' and
 * as `given'; positions are given at submit and become durable at commit.
 *
 * Ownership  the registry owns all objects; pointers stay valid until the
 *            object is removed, which happens only in registry_put.
 * Threads    none: main's.
 * Limits     registry_limits, for those who make drafts to keep: what has
 *            been journalled is taken whatever they are, so that a node starts
 *            again with smaller ones.
 */
#ifndef NODE_MESSAGE_REGISTRY_H
#define NODE_MESSAGE_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/mono.h"
#include "node/table.h"
#include "proto/entry.h"
#include "proto/id.h"
#include "proto/record.h"
#include "proto/sends.h"

#define REGISTRY_BLOCKED_MAX 1000 /* accounts that one account blocks */
#define REGISTRY_DEVICES_MAX 64   /* of one account */
#define REGISTRY_STREAMS_MAX 1024 /* of one device, within the horizon */

/* First member of each object that has a record. */
struct dirty {
	struct dirty *next, *prev; /* NULL: not on the list */
	enum record_kind kind;
};

/* The given and the durable value of a number, see above. */
struct count {
	uint64_t durable, given;
};

/* Shared by accounts (their mailbox) and rooms. */
struct log_state {
	uint32_t local; /* node-local number, from 1 */
	uint32_t epoch;
	struct count head;
	uint8_t chain[32];       /* rooms: hash up to head.durable */
	uint8_t chain_given[32]; /* and up to head.given */
};

struct account;
struct room;
struct member;
struct session;
struct watch;

struct conv {
	struct dirty dirty;
	uint32_t num; /* node-local number, from 1 */
	bool durable; /* its record has been committed */
	struct log_state *log;
	struct account *owner; /* of the mailbox; NULL: a room's */
	struct account *peer;  /* owner itself: own affairs; NULL: a room's */
	struct room *room;     /* or NULL */
	struct count ord;
	uint64_t head; /* last position in this conversation, durable */
	uint32_t incoming, read_incoming;
	uint64_t read_seq;
	uint64_t delivered, peer_read; /* own positions that peer has, read */
	/* The newest incoming message, and an older one that no device has
	 * confirmed (0: none): own position and the sender's. */
	uint64_t last_seq, last_peer_seq, wait_seq, wait_peer_seq;
	struct conv *wait_next; /* list at owner */
	bool waiting;
	/* delivered or peer_read has moved, the owner is to be told; and how
	 * far it was told already, ahead of the journal. */
	bool delivered_moved, read_moved;
	uint64_t told;
	struct conv *moved_next;
	struct conv *next; /* list at owner */
	UT_hash_handle hh_num, hh_pair;
	struct {
		uint32_t log, peer; /* local numbers */
	} pair;
};

struct cursor {
	uint32_t log; /* local number */
	uint64_t seq; /* the device has stored everything up to it */
};

struct device {
	struct dirty dirty;         /* of the device record */
	struct dirty cursors_dirty; /* of the cursors record */
	struct account *account;
	uint32_t num; /* in its account, from 1 */
	char *name;
	uint8_t token_hash[32];
	uint64_t created_ms, seen_ms;
	struct cursor *cursors; /* in the order of log */
	uint32_t ncursors, cursors_cap;
	uint64_t stored_seq; /* journalled cursor of the mailbox */
	bool cursors_moved;  /* since they were last journalled */
	struct device *moved_next;
	struct stream *streams;
	uint32_t nstreams;
	struct device *next; /* list at account */
	UT_hash_handle hh;   /* by token_hash */
};

struct account {
	struct dirty dirty;
	struct log_state log;
	struct id id;
	char *name, *display; /* display may be NULL */
	char *skeleton;       /* for look-alikes */
	struct bytes genesis, secret;
	char *password; /* argon2id string, empty: none */
	bool has_recovery;
	uint8_t recovery[32];
	enum account_state state;
	bool operator;
	uint64_t created_ms;
	uint32_t next_device;
	struct id *blocked;
	uint32_t nblocked;
	struct device *devices;
	uint32_t ndevices;
	struct conv *convs, *conv_waiting;
	uint32_t nconvs;
	struct member *memberships;
	uint32_t nmemberships;    /* of all states */
	uint32_t njoined;         /* rooms that it is in and that are open */
	struct session *sessions; /* live state, sessions.c */
	struct watch *watchers;   /* ephemeral.c */
	uint8_t presence;
	struct mono budget_at; /* of operations, dispatch.c */
	uint32_t budget;
	UT_hash_handle hh_id, hh_name, hh_local, hh_skeleton;
};

struct member {
	struct dirty dirty;
	struct room *room;
	struct account *account;
	enum member_state state;
	enum member_role role;
	uint64_t muted_until_ms; /* UINT64_MAX: for ever */
	uint64_t joined_seq, read_seq;
	uint32_t read_ord;
	struct member *room_next, *room_prev;
	struct member *account_next, *account_prev;
	UT_hash_handle hh;
	struct {
		uint32_t room, account; /* local numbers */
	} pair;
};

struct room {
	struct dirty dirty;
	struct log_state log;
	struct id id;
	char *name, *topic; /* topic may be NULL */
	char *skeleton;
	struct bytes genesis;
	enum room_access access;
	enum room_history history;
	uint32_t retention_days;
	uint64_t created_ms;
	bool closed;
	struct conv *conv;
	struct member *members; /* left: only those still muted */
	uint32_t njoined, nmembers;
	UT_hash_handle hh_id, hh_name, hh_local, hh_skeleton;
};

struct stream {
	struct dirty dirty;
	struct device *device;
	struct stream *device_next, *device_prev;
	struct conv *conv; /* in which the author sees it */
	struct sends sends;
	uint64_t given; /* highest number submitted */
	uint64_t last_ms;
	UT_hash_handle hh;
	struct stream_key {
		uint32_t account, device; /* local number, device number */
		uint64_t stream;
	} key;
};

struct invite {
	struct dirty dirty;
	uint8_t token_hash[32];
	uint64_t expires_ms;
	uint32_t uses;
	bool has_by;
	struct id by;
	UT_hash_handle hh;
};

struct ban {
	struct dirty dirty;
	char *pattern, *reason;
	uint64_t created_ms;
	UT_hash_handle hh;
};

struct shard_state {
	struct dirty dirty;
	uint32_t epoch;
	struct count seq;
	uint8_t hash[32], hash_given[32];
};

/* A record that is gone, for the next batch. */
struct tombstone {
	struct tombstone *next;
	uint32_t kind;
	uint32_t len;
	char key[80];
};

struct registry_limits {
	uint32_t accounts, rooms, members, convs, streams, invites;
};

struct registry {
	struct registry_limits limits;
	bool loading; /* out of storage: counters come with the records */
	struct account *accounts_id, *accounts_name, *accounts_local,
	    *accounts_skeleton;
	struct room *rooms_id, *rooms_name, *rooms_local, *rooms_skeleton;
	struct device *devices;
	struct member *members;
	struct conv *convs_num, *convs_pair;
	struct stream *streams;
	struct invite *invites;
	struct ban *bans;
	struct shard_state shards[256];
	struct dirty dirty; /* head of the list */
	struct tombstone *tombstones;
	uint32_t next_local, next_conv;
};

enum err registry_init(struct registry *r,
    const struct registry_limits *limits) MUST_USE;
void registry_fini(struct registry *r);

/* ---- look-ups: borrowed, NULL when there is none ------------------------- */

struct account *registry_account(struct registry *r, const struct id *id);
struct account *registry_account_named(struct registry *r, struct str name);
struct account *registry_account_local(struct registry *r, uint32_t local);
struct account *registry_account_like(struct registry *r, struct str skel);
struct room *registry_room(struct registry *r, const struct id *id);
struct room *registry_room_named(struct registry *r, struct str name);
struct room *registry_room_local(struct registry *r, uint32_t local);
struct room *registry_room_like(struct registry *r, struct str skel);
struct device *registry_device_token(struct registry *r,
    const uint8_t hash[static 32]);
struct device *registry_device(struct account *a, uint32_t num);
struct member *registry_member(struct registry *r, const struct room *room,
    const struct account *a);
struct conv *registry_conv(struct registry *r, uint32_t num);
/* The conversation of owner with peer, NULL when they never talked. */
struct conv *registry_conv_between(struct registry *r,
    const struct account *owner, const struct account *peer);
struct stream *registry_stream(struct registry *r, const struct account *a,
    uint32_t device, uint64_t stream);
struct invite *registry_invite(struct registry *r,
    const uint8_t hash[static 32]);
/* The ban that matches an account name or an address, or NULL. */
struct ban *registry_banned(struct registry *r, struct str name_or_address);

bool account_blocks(const struct account *a, const struct id *other);
struct cursor *device_cursor(struct device *d, uint32_t log);
/* Sets or adds; NULL: no memory. */
struct cursor *device_cursor_set(struct device *d, uint32_t log, uint64_t seq);

/* False: there was none. */
bool device_cursor_drop(struct device *d, uint32_t log);
void device_free(struct device *d);

/* c has a message that waits for a device of its owner. */
void conv_wait(struct conv *c);

/* ---- changes ------------------------------------------------------------- */

/*
 * A conversation that is not durable yet: made at submit, its record goes
 * with the first entry that uses it.  ERR_NOMEM.
 */
enum err registry_conv_make(struct registry *r, struct conv **out,
    struct account *owner, struct account *peer, struct room *room) MUST_USE;

/* Likewise a send stream; it stays when its first entry fails. */
enum err registry_stream_make(struct registry *r, struct stream **out,
    struct device *d, uint64_t stream, struct conv *conv) MUST_USE;

/* The stream has ended (the horizon, its device is gone).  ERR_NOMEM: it is
 * still there. */
enum err registry_stream_remove(struct registry *r, struct stream *s) MUST_USE;

/* Without a tombstone. */
void registry_invite_remove(struct registry *r, struct invite *i);

/* New numbers for objects that are about to be submitted. */
uint32_t registry_take_local(struct registry *r);

/*
 * An object, whole, out of the journal or out of storage; value.p NULL
 * removes it.  Members of the record that are absent leave what is there.
 * ERR_CORRUPT: it cannot be decoded or refers to what does not exist.
 * ERR_NOMEM: a part of it may have been taken.
 */
enum err registry_put(struct registry *r, uint32_t kind, struct str key,
    struct str value) MUST_USE;

void registry_touch(struct registry *r, struct dirty *d);

/* Off the list, when it is on it: the object is going. */
void registry_forget_dirty(struct dirty *d);

/* The record of an object that is gone is to be removed.  Without it the
 * object would be back after a restart: ERR_NOMEM must not be ignored. */
enum err registry_tombstone(struct registry *r, uint32_t kind,
    struct str key) MUST_USE;

/* Walks the list; d NULL: the first.  NULL at the end. */
struct dirty *registry_dirty_after(struct registry *r, struct dirty *d);

/* All changes are on their way to storage: empties list and tombstones. */
void registry_clean(struct registry *r);

/*
 * The record of a dirty object as it is now, appended to out; key gets the
 * key.  In encode.c.
 */
#define REGISTRY_KEY_MAX 80
enum err record_encode(struct registry *r, const struct dirty *d,
    struct bytes *out, char key[static REGISTRY_KEY_MAX],
    size_t *key_len) MUST_USE;

#endif
