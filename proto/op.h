/*
 * op: the operations of kith.v1 and of the control socket, as two tables.
 *
 * A request is a flat JSON object; OP_KEYS lists every member that any
 * operation knows, OP_TABLE the operations with the members they require and
 * allow.  The reader (proto/json.h) fills struct args from it, the manual is
 * tested against it, kith and kithctl complete from it.
 *
 * Limits     are bytes after unescaping; numbers are at most 2^53 - 1.
 */
#ifndef PROTO_OP_H
#define PROTO_OP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define OP_ID_MAX   ((1ull << 53) - 1)
#define OP_STRS_MAX 32

/*
 * X(member, type, limit); at most 64 rows.  STRS: array of strings; the one
 * that there is stands last, so that most requests need not hold its room.
 */
#define OP_KEYS(X)                                                             \
	X(account, STR, 320)                                                   \
	X(to, STR, 320)                                                        \
	X(room, STR, 320)                                                      \
	X(log, STR, 320)                                                       \
	X(token, STR, 128)                                                     \
	X(password, STR, 1024)                                                 \
	X(new, STR, 1024)                                                      \
	X(invite, STR, 128)                                                    \
	X(name, STR, 256)                                                      \
	X(display, STR, 256)                                                   \
	X(text, STR, 65536)                                                    \
	X(topic, STR, 1024)                                                    \
	X(reason, STR, 1024)                                                   \
	X(emoji, STR, 64)                                                      \
	X(event, STR, 32)                                                      \
	X(reply, STR, 32)                                                      \
	X(key, STR, 128)                                                       \
	X(signature, STR, 256)                                                 \
	X(search, STR, 256)                                                    \
	X(cursor, STR, 512)                                                    \
	X(access, STR, 16)                                                     \
	X(history, STR, 16)                                                    \
	X(role, STR, 16)                                                       \
	X(status, STR, 16)                                                     \
	X(level, STR, 16)                                                      \
	X(pattern, STR, 320)                                                   \
	X(device, U64, 0)                                                      \
	X(stream, U64, 0)                                                      \
	X(number, U64, 0)                                                      \
	X(seq, U64, 0)                                                         \
	X(before, U64, 0)                                                      \
	X(after, U64, 0)                                                       \
	X(limit, U64, 0)                                                       \
	X(seconds, U64, 0)                                                     \
	X(retention, U64, 0)                                                   \
	X(time, U64, 0)                                                        \
	X(uses, U64, 0)                                                        \
	X(live, BOOL, 0)                                                       \
	X(states, BOOL, 0)                                                     \
	X(presence, BOOL, 0)                                                   \
	X(on, BOOL, 0)                                                         \
	X(remove, BOOL, 0)                                                     \
	X(operator, BOOL, 0)                                                   \
	X(mentions, STRS, 320)

enum op_key {
#define X(member, type, limit) KEY_##member,
	OP_KEYS(X)
#undef X
	    KEY_COUNT
};

#define K(member) (1ull << KEY_##member)

/* Flags. */
#define OP_OPEN     1u  /* allowed before the client has authenticated */
#define OP_SILENT   2u  /* has no answer; the id may be missing */
#define OP_PASSWORD 4u  /* costs a password hash: limited for each address */
#define OP_CONTROL  8u  /* only on the control socket */
#define OP_WRITE    16u /* makes an event */

#define K_SEND (K(to) | K(stream) | K(number))

/* X(constant, name, required, optional, flags) */
#define OP_TABLE(X)                                                            \
	X(OP_RESUME, "resume", K(token),                                       \
	    K(live) | K(states) | K(presence) | K(limit), OP_OPEN)             \
	X(OP_LOGIN, "login", K(account) | K(password) | K(name), 0,            \
	    OP_OPEN | OP_PASSWORD | OP_WRITE)                                  \
	X(OP_REGISTER, "register", K(account) | K(password) | K(name),         \
	    K(invite), OP_OPEN | OP_PASSWORD | OP_WRITE)                       \
	X(OP_RECOVER, "recover",                                               \
	    K(account) | K(new) | K(name) | K(key) | K(time) | K(signature),   \
	    0, OP_OPEN | OP_PASSWORD | OP_WRITE)                               \
	X(OP_FEED, "feed", 0, K(states) | K(presence) | K(limit), 0)           \
	X(OP_LOGOUT, "logout", 0, 0, OP_WRITE)                                 \
	X(OP_PASSWD, "passwd", K(password) | K(new), 0,                        \
	    OP_PASSWORD | OP_WRITE)                                            \
	X(OP_RECOVERY, "recovery", K(password) | K(key), 0,                    \
	    OP_PASSWORD | OP_WRITE)                                            \
	X(OP_DEVICES, "devices", 0, 0, 0)                                      \
	X(OP_REVOKE, "revoke", K(device), 0, OP_WRITE)                         \
	X(OP_PROFILE, "profile", 0, K(account) | K(display), OP_WRITE)         \
	X(OP_DEACTIVATE, "deactivate", K(password), 0, OP_PASSWORD | OP_WRITE) \
	X(OP_BLOCK, "block", K(account), 0, OP_WRITE)                          \
	X(OP_UNBLOCK, "unblock", K(account), 0, OP_WRITE)                      \
	X(OP_BLOCKS, "blocks", 0, 0, 0)                                        \
	X(OP_SEND, "send", K_SEND | K(text), K(reply) | K(mentions), OP_WRITE) \
	X(OP_EDIT, "edit", K_SEND | K(event) | K(text), K(mentions), OP_WRITE) \
	X(OP_REDACT, "redact", K_SEND | K(event), K(reason), OP_WRITE)         \
	X(OP_REACT, "react", K_SEND | K(event) | K(emoji), K(remove),          \
	    OP_WRITE)                                                          \
	X(OP_STREAM, "stream", K(stream), 0, 0)                                \
	X(OP_READ, "read", K(to) | K(seq), 0, OP_WRITE)                        \
	X(OP_ACK, "ack", K(log) | K(seq), 0, OP_SILENT)                        \
	X(OP_DIRECT, "direct", K(event), 0, OP_SILENT)                         \
	X(OP_HISTORY, "history", K(to), K(before) | K(after) | K(limit), 0)    \
	X(OP_CONVERSATIONS, "conversations", 0, K(cursor) | K(limit), 0)       \
	X(OP_ROOMS, "rooms", 0, K(search) | K(cursor) | K(limit), 0)           \
	X(OP_CREATE, "create", K(room),                                        \
	    K(access) | K(history) | K(retention) | K(topic), OP_WRITE)        \
	X(OP_JOIN, "join", K(room), 0, OP_WRITE)                               \
	X(OP_LEAVE, "leave", K(room), 0, OP_WRITE)                             \
	X(OP_INVITE, "invite", K(room) | K(account), 0, OP_WRITE)              \
	X(OP_KICK, "kick", K(room) | K(account), K(reason), OP_WRITE)          \
	X(OP_BAN, "ban", K(room) | K(account), K(reason), OP_WRITE)            \
	X(OP_UNBAN, "unban", K(room) | K(account), K(reason), OP_WRITE)        \
	X(OP_MUTE, "mute", K(room) | K(account), K(seconds) | K(reason),       \
	    OP_WRITE)                                                          \
	X(OP_UNMUTE, "unmute", K(room) | K(account), K(reason), OP_WRITE)      \
	X(OP_ROLE, "role", K(room) | K(account) | K(role), 0, OP_WRITE)        \
	X(OP_TOPIC, "topic", K(room) | K(topic), 0, OP_WRITE)                  \
	X(OP_CONFIGURE, "configure", K(room),                                  \
	    K(access) | K(history) | K(retention), OP_WRITE)                   \
	X(OP_MEMBERS, "members", K(room), K(cursor) | K(limit), 0)             \
	X(OP_CLOSE, "close", K(room), K(reason), OP_WRITE)                     \
	X(OP_TYPING, "typing", K(to) | K(on), 0, 0)                            \
	X(OP_PRESENCE, "presence", K(status), 0, 0)                            \
	X(OP_WATCH, "watch", K(account), K(remove), 0)                         \
	X(OP_PING, "ping", 0, 0, 0)                                            \
	/* kithctl(8) */                                                       \
	X(OP_CTL_STATUS, "status", 0, 0, OP_CONTROL)                           \
	X(OP_CTL_ACCOUNT_ADD, "account-add", K(account),                       \
	    K(password) | K(display) | K(operator) | K(name),                  \
	    OP_CONTROL | OP_WRITE)                                             \
	X(OP_CTL_ACCOUNT_PASSWD, "account-passwd", K(account) | K(new), 0,     \
	    OP_CONTROL | OP_WRITE)                                             \
	X(OP_CTL_ACCOUNT_TOKEN, "account-token", K(account) | K(name), 0,      \
	    OP_CONTROL | OP_WRITE)                                             \
	X(OP_CTL_ACCOUNT_DISABLE, "account-disable", K(account), K(remove),    \
	    OP_CONTROL | OP_WRITE)                                             \
	X(OP_CTL_ACCOUNT_REMOVE, "account-remove", K(account), 0,              \
	    OP_CONTROL | OP_WRITE)                                             \
	X(OP_CTL_ACCOUNT_OPERATOR, "account-operator", K(account) | K(on), 0,  \
	    OP_CONTROL | OP_WRITE)                                             \
	X(OP_CTL_ACCOUNT_LIST, "account-list", 0,                              \
	    K(search) | K(cursor) | K(limit), OP_CONTROL)                      \
	X(OP_CTL_INVITE_ADD, "invite-add", 0, K(uses) | K(seconds),            \
	    OP_CONTROL | OP_WRITE)                                             \
	X(OP_CTL_INVITE_LIST, "invite-list", 0, K(cursor) | K(limit),          \
	    OP_CONTROL)                                                        \
	X(OP_CTL_INVITE_REVOKE, "invite-revoke", K(key), 0,                    \
	    OP_CONTROL | OP_WRITE)                                             \
	X(OP_CTL_ROOM_LIST, "room-list", 0, K(search) | K(cursor) | K(limit),  \
	    OP_CONTROL)                                                        \
	X(OP_CTL_ROOM_CLOSE, "room-close", K(room), K(reason),                 \
	    OP_CONTROL | OP_WRITE)                                             \
	X(OP_CTL_BAN, "server-ban", K(pattern), K(reason),                     \
	    OP_CONTROL | OP_WRITE)                                             \
	X(OP_CTL_UNBAN, "server-unban", K(pattern), 0, OP_CONTROL | OP_WRITE)  \
	X(OP_CTL_BAN_LIST, "server-bans", 0, 0, OP_CONTROL)                    \
	X(OP_CTL_SESSIONS, "sessions", 0, K(account) | K(cursor) | K(limit),   \
	    OP_CONTROL)                                                        \
	X(OP_CTL_SESSION_CLOSE, "session-close", K(account), K(device),        \
	    OP_CONTROL)                                                        \
	X(OP_CTL_QUEUE, "queue", 0, 0, OP_CONTROL)                             \
	X(OP_CTL_CACHE, "cache", 0, 0, OP_CONTROL)                             \
	X(OP_CTL_STORAGE, "storage", 0, 0, OP_CONTROL)                         \
	X(OP_CTL_LOG_LEVEL, "log-level", 0, K(level), OP_CONTROL)              \
	X(OP_CTL_RELOAD, "reload", 0, 0, OP_CONTROL)                           \
	X(OP_CTL_DOCTOR, "doctor", 0, 0, OP_CONTROL)                           \
	X(OP_CTL_STOP, "stop", 0, 0, OP_CONTROL)

enum op {
	OP_NONE, /* not a request */
#define X(constant, name, required, optional, flags) constant,
	OP_TABLE(X)
#undef X
	    OP_COUNT
};

struct op_info {
	const char *name;
	uint64_t required, optional;
	unsigned flags;
};

/* The row of the table; op is a real one.  Static. */
const struct op_info *op_info(enum op op);

/* OP_NONE for a stranger. */
enum op op_find(struct str name);

/* KEY_COUNT for a stranger. */
enum op_key op_key_find(struct str name);

const char *op_key_name(enum op_key key);

/*
 * The members of a request.  A member that is not in `present' is empty, 0 or
 * false (of an absent array only n is set).  Strings point into the buffer
 * that was read (unescaped in place).
 */
struct args {
	uint64_t present; /* K(member) of each that was there */
#define ARG_STR  struct str
#define ARG_U64  uint64_t
#define ARG_BOOL bool
#define ARG_STRS                                                               \
	struct {                                                               \
		size_t n;                                                      \
		struct str v[OP_STRS_MAX];                                     \
	}
#define X(member, type, limit) ARG_##type member;
	OP_KEYS(X)
#undef X
};

static inline bool
args_has(const struct args *a, uint64_t keys)
{
	return (a->present & keys) == keys;
}

#endif
