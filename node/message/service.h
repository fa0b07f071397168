/*
 * service: what the files of the message service share.  Private to the box.
 *
 * A request becomes a call; a handler (one for each operation, handlers.h)
 * checks it and answers, or submits a draft, or parks the call until
 * something that it needs is there (gate, history, password).
 */
#ifndef NODE_MESSAGE_SERVICE_H
#define NODE_MESSAGE_SERVICE_H

#include "node/message/message.h"
#include "node/message/record.h"
#include "node/message/registry.h"
#include "proto/address.h"
#include "proto/genesis.h"
#include "proto/json.h"

#define BATCH_ENTRIES     8192 /* handed to storage at once, at the most */
#define BATCH_MS          250  /* and how long it may wait for more */
#define BATCHES_UNDER_WAY 2

/* Room for any address of this realm, and for a corrupt one. */
#define ADDRESS_ROOM_FOR (ADDRESS_LOCAL_MAX + ADDRESS_REALM_MAX + 3)
#define CURSORS_MS       1000

struct message;
struct pending;

/*
 * A key that at most one change at a time may hold: a room, an account, a
 * name about to be taken, a send stream.  Requests that come meanwhile wait
 * in order.
 */
struct gate {
	uint64_t key;
	uint32_t held; /* by how many changes or look-ups */
	struct request *head, *tail;
	UT_hash_handle hh;
};

enum gate_kind {
	GATE_ACCOUNT,
	GATE_ROOM,
	GATE_NAME,
	GATE_ROOM_NAME,
	GATE_STREAM,
	GATE_INVITE,
	GATE_BAN
};

/* What a parked request comes back with. */
struct resumed {
	struct entry *found; /* of the history look-up, or NULL */
	struct place place;  /* of found, in the conversation asked for */
	bool looked_up;
	bool waited; /* at a gate, and is run from the beginning */
	bool hashed; /* the password pool has answered */
	bool password_ok;
	const char *checked; /* what it was checked against */
	const char *hash;    /* of a new password */
};

struct call {
	struct request *rq;
	const struct args *a;
	struct session *s;       /* NULL: the control socket */
	struct account *account; /* the session's, NULL before login */
	struct device *device;
	const struct resumed *r; /* never NULL */
	bool kept;               /* somebody took rq */
};

/* What becomes of an event on this node, before it is submitted. */
struct draft {
	struct message *m;
	struct event_header h;
	struct event_body body;
	bool has_event, submitted;
	struct conv *convs[ENTRY_PLACES]; /* NULL: the log made by it */
	uint32_t nconvs;
	uint32_t new_conv;
	struct id new_id;
	uint32_t new_local;
	struct put_list puts;
};

typedef void (
    *pending_done)(struct message *m, struct pending *p, enum err err);

/* A submitted entry.  item first: the queue gives it back. */
struct pending {
	struct queue_item item;
	struct pending *next; /* in the order of submission */
	struct entry *entry;
	struct conv *convs[ENTRY_PLACES];
	struct conn_ref conn; /* who is to be answered; id 0: nobody */
	uint64_t id;
	enum op op;
	struct mono accepted;
	struct stream *stream;
	uint64_t number;
	struct gate *gates[3];
	unsigned ngates;
	pending_done done;  /* answers; after everything was applied */
	struct bytes extra; /* for the answer, e.g. a token; wiped */
	struct account *account;
	struct room *room;
	uint32_t device;
};

struct message {
	struct message_config cfg;
	struct message_parts parts;
	struct registry reg;
	struct str realm;
	bool started, degraded, recovering, stopping;
	enum err degraded_why;
	uint64_t now_ms; /* wall clock of this turn */
	struct mono now;
	uint64_t next_index;
	uint32_t term;
	struct pending *pending, *pending_tail;
	uint64_t npending;
	struct bytes scratch;
	struct gate *gates;
	uint32_t waiting; /* requests in gates and look-ups */
	/* the next batch for storage */
	struct entry **committed;
	size_t ncommitted, committed_cap;
	struct erasure *erasures;     /* not yet applied by storage */
	struct storage_expire expire; /* conv 0: none */
	struct mono batch_since, cursors_since, second_since;
	struct device *moved;                 /* devices whose cursors moved */
	struct conv *moved_convs;             /* whose owners are to be told */
	uint64_t handed_index, applied_index; /* to and by storage */
	struct direct *directs;
	struct alert *alerts;
	uint32_t registrations; /* in this hour */
	struct mono hour_since;
	struct mono expire_since;
	uint32_t expire_next, expire_bucket;
	struct {
		uint64_t ops[OP_COUNT], errors[ERR_COUNT];
		uint64_t committed, direct, acked_us_sum, acked_us_count;
		uint64_t acked_us_hist[24];
		uint64_t alerts;
	} stats;
};

/* ---- dispatch.c ---------------------------------------------------------- */

void call_run(struct message *m, struct request *rq,
    const struct resumed *resumed);

/* ---- answer.c ------------------------------------------------------------ */

/* {"id":N,"ok":{ is begun in b; answer_end closes it and sends. */
void answer_begin(struct bytes *b, uint64_t id);
void answer_end(struct message *m, struct bytes *b, const struct conn_ref *conn,
    uint32_t flags);
void answer_ok(struct message *m, const struct conn_ref *conn, uint64_t id,
    uint32_t flags);
void answer_error(struct message *m, const struct conn_ref *conn, uint64_t id,
    enum err err, const char *why);
/* Pushes what b holds, unless it does not hold all of it; frees b. */
void push_text(struct message *m, const struct conn_ref *conn, struct bytes *b,
    uint32_t flags);
void answer_text(struct message *m, const struct conn_ref *conn,
    struct str text, uint32_t flags);

/* ---- gate.c -------------------------------------------------------------- */

uint64_t gate_key(enum gate_kind kind, const void *p, size_t n);
/* Is it held, or does anybody wait? */
bool gate_closed(struct message *m, uint64_t key);
/* Takes rq to the end of the line.  ERR_BUSY: too many wait; not taken. */
enum err gate_wait(struct message *m, uint64_t key,
    struct request *rq) MUST_USE;
/* NULL: no memory. */
struct gate *gate_hold(struct message *m, uint64_t key);
/* Lets those who wait go on. */
void gate_release(struct message *m, struct gate *g);
uint64_t room_gate(const struct room *room);
uint64_t account_gate(const struct account *a);
/* Parks the call when the gate is closed; *parked then, and return OK. */
enum err gate_pass(struct message *m, struct call *c, uint64_t key,
    bool *parked) MUST_USE;

/* ---- submit.c ------------------------------------------------------------ */

void draft_init(struct message *m, struct draft *d);
void draft_fini(struct draft *d);
/* The event header of something the call's account does to target. */
void draft_event(struct message *m, struct draft *d, const struct call *c,
    enum event_kind kind, const struct id *target);
/* Adds a place; makes the conversation when there is none. */
/* ERR_FULL: there are as many conversations as may be. */
enum err draft_mailbox(struct message *m, struct draft *d,
    struct account *owner, struct account *peer) MUST_USE;
enum err draft_room(struct message *m, struct draft *d,
    struct room *room) MUST_USE;

/* The number of the log of an account or room that the entry makes. */
uint32_t draft_local(struct draft *d);
void draft_new_log(struct message *m, struct draft *d, const struct id *id);

/* A pending that answers c.  NULL: no memory.  c may be NULL. */
struct pending *pending_new(const struct call *c, pending_done done) MUST_USE;
void pending_free(struct pending *p);
/* Not submitted after all: opens its gates and frees it. */
void pending_drop(struct message *m, struct pending *p);

/*
 * Takes p, on OK; on error it is freed as well.  The gates named stay held
 * until the outcome is known.
 */
enum err submit(struct message *m, struct draft *d, struct pending *p) MUST_USE;
enum err submit_hold(struct message *m, struct pending *p,
    uint64_t key) MUST_USE;

/* The stream h is taken with number by p. */
void submit_stream(struct pending *p, struct stream *s, uint64_t number);

/* Answers with event, pos and time: the usual pending_done. */
void done_placed(struct message *m, struct pending *p, enum err err);
/* Answers with {}; closes the connection when its device is gone. */
void done_ok(struct message *m, struct pending *p, enum err err);

/* ---- apply.c ------------------------------------------------------------- */

/* The reducer: what e means for the registry.  Replay and commit alike. */
enum err apply_entry(struct message *m, const struct entry *e) MUST_USE;

/* ---- batch.c ------------------------------------------------------------- */

enum err batch_add(struct message *m, struct entry *e) MUST_USE;
/* Pointers of conv up to seq go with the next batch. */
void batch_expire(struct message *m, uint32_t conv, uint64_t seq);
void batch_tick(struct message *m);
/* Alerts when storage cannot write or the journal fills up. */
void storage_watch(struct message *m);

/* ---- erase.c ------------------------------------------------------------- */

/* The event is redacted by the entry at index. */
enum err batch_erase(struct message *m, const struct event_id *id,
    uint64_t index) MUST_USE;
/* Is it erased, or about to be? */
bool event_erased(struct message *m, const struct event *ev);
/* Those not handed over yet go with b. */
enum err erasures_batch(struct message *m, struct storage_batch *b) MUST_USE;
/* After applied_index has moved. */
void erasures_applied(struct message *m);
void erasures_tick(struct message *m);
void erasures_free_all(struct message *m);

/* ---- publish.c ----------------------------------------------------------- */

/* Into the cache, which with storage must have everything: after ERR_NOMEM
 * there is no going on. */
enum err publish_cached(struct message *m, struct entry *e) MUST_USE;
/* To the feeds; accepted: of its request. */
void publish_entry(struct message *m, struct entry *e, struct mono accepted);
/* A frame of one position; NULL: no memory. */
struct frame *publish_frame(struct message *m, const struct entry *e,
    const struct place *place, uint32_t log) MUST_USE;

/* ---- format.c ------------------------------------------------------------ */

/* Members of an event as seen at place (no braces). */
void format_event(struct message *m, struct bytes *b, const struct entry *e,
    const struct place *place);
/* The same without a place: delivered directly. */
void format_unplaced(struct message *m, struct bytes *b, const struct event *ev,
    const struct account *from, const struct account *to);
void format_account(struct message *m, struct bytes *b, const char *key,
    const struct account *a);
void format_room(struct message *m, struct bytes *b, const char *key,
    const struct room *room);
void format_log(struct message *m, struct bytes *b, const char *key,
    const struct log_state *log);
void format_pos(struct bytes *b, uint32_t epoch, uint64_t seq);
void format_event_id(struct bytes *b, const char *key,
    const struct event_id *id);

/* Names of kith-protocol(7); static. */
const char *access_name(uint32_t access);
const char *history_name(uint32_t history);
const char *role_name(uint32_t role);

/* ---- read.c -------------------------------------------------------------- */

/* Hands r to storage.  Takes r always, rq on OK.  hold: see find_event. */
enum err read_for_call(struct message *m, struct storage_read *r,
    struct request *rq, uint64_t hold) MUST_USE;
/* Takes r; the result goes to expiry_found. */
enum err read_for_expiry(struct message *m, struct storage_read *r,
    uint32_t days) MUST_USE;
/* Tells a client that positions of a log will not come; NULL: no memory. */
struct frame *gap_frame(struct message *m, const struct log_state *log,
    uint64_t from, uint64_t to) MUST_USE;
/* A page of conv, answered to c; c->kept when it takes longer. */
enum err read_page(struct message *m, struct call *c, struct conv *conv,
    uint64_t floor) MUST_USE;

/* ---- lookup.c ------------------------------------------------------------ */

/* The account or room behind an address of a request; ERR_ADDRESS,
 * ERR_REALM (another one), ERR_NOTFOUND. */
enum err find_account(struct message *m, struct str text,
    struct account **out) MUST_USE;
enum err find_room(struct message *m, struct str text,
    struct room **out) MUST_USE;
/* Either: a room or, when it is none, an account. */
enum err find_target(struct message *m, struct str text,
    struct account **account, struct room **room) MUST_USE;

/*
 * The event `id' in conv, or the one at position seq: from the cache at once,
 * else the call is parked, with the gate `hold' (0: none) kept closed, and run
 * again with r->looked_up.  ERR_NOTFOUND.
 */
enum err find_event(struct message *m, struct call *c, struct conv *conv,
    struct str id, uint64_t hold, struct cache_item *out,
    bool *parked) MUST_USE;
enum err find_at(struct message *m, struct call *c, struct conv *conv,
    uint64_t seq, uint64_t hold, struct cache_item *out, bool *parked) MUST_USE;

/* "name@realm" of a, written to out (ADDRESS_ROOM_FOR). */
struct str account_address(struct message *m, const struct account *a,
    char *out);

/* ---- lists --------------------------------------------------------------- */

enum err list_limit(const struct args *a, size_t *limit) MUST_USE;
enum err cursor_number(struct str text, uint64_t *out) MUST_USE;
void cursor_give(struct bytes *b, uint64_t v);
/* Does name contain what is searched for (nothing: yes)? */
bool list_matches(struct str search, struct str name);
/* Is name after the cursor, byte by byte? */
bool str_after(struct str name, struct str cursor);

/* ---- auth.c, account.c, password.c -------------------------------------- */

/* An event about a's account or devices, in its own mailbox. */
void draft_own(struct message *m, struct draft *d, struct account *a,
    enum event_kind kind);
/* Submits it with a's gate held.  Takes p, on error too. */
enum err submit_own(struct message *m, struct draft *d, struct pending *p,
    struct account *a) MUST_USE;
/* All devices of a but number `but' (0: all) are revoked. */
void devices_gone(struct draft *d, const struct account *a, uint32_t but);
/* A device with a fresh token for the account `id'; the token's text goes
 * to p->extra, for the answer. */
void draft_device(struct message *m, struct draft *d, struct pending *p,
    const struct id *id, uint32_t num, struct str name);

/* An account about to be made. */
struct new_account {
	struct address address;
	struct genesis genesis;
	struct id id;
	uint64_t gate; /* of its name */
	struct str display;
	bool operator;
};

/* Is the name free, and may there be one more? */
enum err new_account_check(struct message *m, struct new_account *n,
    struct str text) MUST_USE;
/* Keys, id and record of n into d, with an event in its own mailbox;
 * password: a hash, or NULL for none. */
enum err draft_account(struct message *m, struct draft *d,
    struct new_account *n, const char *password) MUST_USE;

/*
 * Parks the call until password was checked against stored (with `check';
 * stored NULL: no such account) and a hash of fresh was made (fresh.n > 0);
 * it is run again with r->hashed.
 */
enum err password_wait(struct message *m, struct call *c, bool check,
    const char *stored, struct str password, struct str fresh) MUST_USE;

/* It was, and against the hash that a (NULL: nobody) still has. */
bool password_checked(const struct call *c, const struct account *a);

/* ---- room.c -------------------------------------------------------------- */

enum err role_parse(struct str text, uint32_t *out) MUST_USE;
void format_room_line(struct message *m, struct bytes *b,
    const struct room *room);
enum err room_list(struct message *m, struct call *c,
    bool (*want)(const struct call *c, const struct room *room),
    void (*format)(struct message *m, struct bytes *b,
	const struct room *room)) MUST_USE;
enum err room_close(struct message *m, struct call *c,
    struct room *room) MUST_USE;

/* ---- sessions.c ---------------------------------------------------------- */

/* Binds s to the device: subscribes nothing yet. */
void session_login(struct message *m, struct session *s, struct device *d);
/* Subscribes to mailbox and rooms from the device's cursors on. */
enum err session_feed(struct message *m, struct session *s,
    const struct args *a) MUST_USE;
void session_gone(struct message *m, struct session *s);
/* Nothing more is done on its behalf; somebody closes it. */
void session_end(struct message *m, struct session *s);
/* Runs fn for each session of a (of device num, when not 0). */
void sessions_of(struct message *m, const struct account *a, uint32_t num,
    void (*fn)(struct message *m, struct session *s, void *arg), void *arg);
/* Says bye and closes. */
void session_bye(struct message *m, struct session *s, enum err why);
/* The device has stored more: to be journalled. */
void cursor_moved(struct message *m, struct device *d);
void cursor_forget(struct message *m, struct device *d);
/* The same text to everybody who is logged in. */
void sessions_tell(struct message *m, struct str text);
void cursors_tick(struct message *m);

/* ---- marker.c ------------------------------------------------------------ */

/* Parts of the reducer, see apply.c.  Something said directly has its places:
 * it waits for the recipient's devices. */
void marker_sent(struct message *m, const struct entry *e);
/* The owner of c has said something: what came before was read. */
void marker_answered(struct message *m, struct conv *c);
/* Somebody has read c up to seq. */
void marker_read(struct message *m, struct conv *c, uint64_t seq);
/* The cursors of the device of that key have been journalled. */
void marker_stored(struct message *m, struct str key);
/* Those whose messages have come further are told. */
void markers_tell(struct message *m);

/* ---- expire.c ------------------------------------------------------------ */

/* Retention of rooms, the end of silent streams, old invites. */
void expire_tick(struct message *m);
void expiry_found(struct message *m, struct storage_read *r, uint32_t days);

/* ---- ephemeral.c --------------------------------------------------------- */

void ephemeral_session_gone(struct message *m, struct session *s);
/* Those whom a has blocked watch it no more. */
void ephemeral_blocked(struct message *m, struct account *a);
void ephemeral_free_all(struct message *m);

/* ---- direct.c ------------------------------------------------------------ */

/*
 * The queue cannot store ev, a direct message: deliver it to the peer's
 * connected devices and answer (conn, id) when they have confirmed.
 * ERR_QUEUE_UNAVAILABLE: none is connected; not answered.
 */
enum err direct_send(struct message *m, const struct conn_ref *conn,
    uint64_t id, const struct event *ev) MUST_USE;
void direct_tick(struct message *m);
void direct_session_gone(struct message *m, const struct session *s);
void direct_free_all(struct message *m);

/* ---- alert.c ------------------------------------------------------------- */

void alert_flush(struct message *m);
void alert_free_all(struct message *m);

/* ---- handlers ------------------------------------------------------------ */

typedef enum err (*handler)(struct message *m, struct call *c);

#endif
