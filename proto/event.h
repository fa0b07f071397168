/*
 * event: one immutable thing that happened.
 *
 * The header is hashed into the id and never changes; the body can be erased,
 * together with the salt, and the id still verifies, because the header holds
 * only the body's salted hash.  Encoding: EventHeader and EventBody of
 * kith.proto; hashes cover the exact bytes.
 *
 * Ownership  reference-counted; event_new and event_decode return one
 *            reference.  All views point into the event's own memory.
 * Threads    immutable after it was made, except for the count (atomic): may
 *            be read by any thread that holds a reference.
 * Limits     EVENT_TEXT_MAX bytes of text, EVENT_BODY_MAX in all.
 */
#ifndef PROTO_EVENT_H
#define PROTO_EVENT_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "proto/id.h"

#define EVENT_TEXT_MAX     65536
#define EVENT_BODY_MAX     (EVENT_TEXT_MAX + 16384)
#define EVENT_MENTIONS_MAX 32
#define EVENT_SALT_LEN     16
#define EVENT_HASH_LEN     32

/* Values are stored: never change or reuse one. */
#define EVENT_KINDS(X)                                                         \
	X(EVENT_MESSAGE, 1, "message")                                         \
	X(EVENT_EDIT, 2, "edit")                                               \
	X(EVENT_REDACT, 3, "redact")                                           \
	X(EVENT_REACT, 4, "react")                                             \
	X(EVENT_READ, 5, "read")                                               \
	X(EVENT_JOIN, 6, "join")                                               \
	X(EVENT_LEAVE, 7, "leave")                                             \
	X(EVENT_INVITE, 8, "invite")                                           \
	X(EVENT_KICK, 9, "kick")                                               \
	X(EVENT_BAN, 10, "ban")                                                \
	X(EVENT_UNBAN, 11, "unban")                                            \
	X(EVENT_MUTE, 12, "mute")                                              \
	X(EVENT_UNMUTE, 13, "unmute")                                          \
	X(EVENT_ROLE, 14, "role")                                              \
	X(EVENT_TOPIC, 15, "topic")                                            \
	X(EVENT_ROOM, 16, "room")                                              \
	X(EVENT_CLOSED, 17, "closed")                                          \
	X(EVENT_ACCOUNT, 18, "account")                                        \
	X(EVENT_DEVICE, 19, "device")                                          \
	X(EVENT_BLOCK, 20, "block")                                            \
	X(EVENT_UNBLOCK, 21, "unblock")                                        \
	X(EVENT_PROFILE, 22, "profile")                                        \
	X(EVENT_ALERT, 23, "alert")

enum event_kind {
#define X(constant, value, name) constant = value,
	EVENT_KINDS(X)
#undef X
};

/* The name in kith-protocol(7), or NULL for a number that is no kind. */
const char *event_kind_name(uint32_t kind);

/* Counts for unread and ord: what a person would call a message. */
static inline bool
event_kind_counts(enum event_kind kind)
{
	return kind == EVENT_MESSAGE;
}

/* All of it optional: STR_NONE, 0, false and nmentions 0 are absent. */
struct event_body {
	struct str text;
	struct str emoji, reason, subject, topic, display, device_name;
	struct str mentions[EVENT_MENTIONS_MAX];
	size_t nmentions;
	bool has_reply, remove, revoked;
	struct event_id reply;
	uint64_t seconds, seq;
	uint32_t role, access, history, retention_days, device;
	uint32_t ord; /* read marker: messages up to seq */
};

struct event_header {
	enum event_kind kind;
	struct id author;
	uint32_t device;
	struct id target;
	uint64_t stream, number; /* 0: no send stream */
	uint64_t time_ms;
	bool has_refers;
	struct event_id refers;
};

struct event {
	atomic_uint refs;
	struct event_id id;
	struct event_header h;
	struct event_body body; /* all absent when erased */
	bool erased;
	uint8_t body_hash[EVENT_HASH_LEN];
	uint8_t salt[EVENT_SALT_LEN];
	struct str header_bytes, body_bytes; /* the exact encodings */
};

/*
 * Makes an event; borrows everything during the call.  The salt is random, of
 * the caller.  ERR_TOO_LARGE: over EVENT_TEXT_MAX or EVENT_BODY_MAX;
 * ERR_MALFORMED: a string is not UTF-8, so that nothing is made that
 * event_decode would refuse; ERR_NOMEM.  Views of ev->body that were absent
 * may have a p that is not NULL: look at n.
 */
enum err event_new(struct event **out, const struct event_header *h,
    const struct event_body *body,
    const uint8_t salt[static EVENT_SALT_LEN]) MUST_USE;

/*
 * From the stored or received bytes, which are copied.  salt and body absent
 * (n == 0): erased.  ERR_MALFORMED: not an event, of a kind or version
 * unknown, over a limit; ERR_SIGNATURE: the body does not match the hash.
 */
enum err event_decode(struct event **out, struct str header, struct str salt,
    struct str body) MUST_USE;

/*
 * Equal for two sends that say the same: over the kind, the event referred to
 * and the body, but neither salt nor time.  Author, stream and number are not
 * in it: who compares has found the first by them.  An erased event has
 * nothing left to compare: look at ev->erased first.
 */
void event_body_digest(uint8_t out[static EVENT_HASH_LEN],
    const struct event *ev);

struct event *event_ref(struct event *ev);
void event_unref(struct event *ev); /* NULL is allowed */

/* Bytes of memory it takes, for budgets. */
size_t event_size(const struct event *ev);

#endif
