/*
 * err: one table of everything that can go wrong outside the program.
 *
 * Each row is a constant, the stable code that clients, operators and logs
 * see, and a sentence.  The codes are part of kith-protocol(7): they are
 * never renamed.  Bugs are assertions, not errors.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#ifdef NDEBUG
#error "kith keeps its assertions: build without NDEBUG"
#endif

#define MUST_USE __attribute__((warn_unused_result))

#define ERR_TABLE(X)                                                           \
	X(OK, "ok", "done")                                                    \
	/* the machine */                                                      \
	X(ERR_NOMEM, "no-memory", "the server is out of memory")               \
	X(ERR_IO, "io-error", "reading or writing failed")                     \
	X(ERR_NOSPACE, "disk-full", "the disk is full")                        \
	X(ERR_READONLY, "read-only", "the file system is read-only")           \
	X(ERR_CORRUPT, "corrupt", "stored data is damaged")                    \
	X(ERR_LOCKED, "locked", "another process is using it")                 \
	X(ERR_MODE, "bad-mode", "the file can be read by others")              \
	X(ERR_CLOSED, "closed", "it is closed")                                \
	X(ERR_TIMEOUT, "timeout", "it took too long")                          \
	X(ERR_INTERNAL, "internal", "the server could not do this")            \
	/* limits */                                                           \
	X(ERR_FULL, "full", "a limit of the server is reached")                \
	X(ERR_QUEUE_FULL, "queue-full", "the queue is full, repeat later")     \
	X(ERR_QUEUE_UNAVAILABLE, "queue-unavailable",                          \
	    "the queue cannot store anything now, keep it and repeat later")   \
	X(ERR_BUSY, "busy", "too much is under way, repeat later")             \
	X(ERR_RATE, "rate-limited", "too many requests, slow down")            \
	X(ERR_TOO_LARGE, "too-large", "it is larger than allowed")             \
	X(ERR_TOO_MANY, "too-many", "there are as many as allowed already")    \
	/* input */                                                            \
	X(ERR_MALFORMED, "malformed", "it is not well-formed")                 \
	X(ERR_INVALID, "invalid", "a value is missing or not allowed")         \
	X(ERR_UNKNOWN_OP, "unknown-op", "there is no such operation")          \
	X(ERR_UNSUPPORTED, "unsupported", "this version does not support it")  \
	X(ERR_ADDRESS, "bad-address", "it is not a valid address")             \
	X(ERR_LOOKALIKE, "look-alike", "the name looks like an existing one")  \
	X(ERR_SIGNATURE, "bad-signature", "the signature does not verify")     \
	/* rights */                                                           \
	X(ERR_UNAUTHENTICATED, "unauthenticated", "log in first")              \
	X(ERR_CREDENTIALS, "bad-credentials",                                  \
	    "account, password or token is wrong or no longer valid")          \
	X(ERR_FORBIDDEN, "forbidden", "you may not do this")                   \
	X(ERR_DISABLED, "disabled", "the account is disabled")                 \
	X(ERR_BANNED, "banned", "you are banned there")                        \
	X(ERR_MUTED, "muted", "you are muted there")                           \
	X(ERR_BLOCKED, "blocked", "the recipient does not accept it from you") \
	X(ERR_NOT_MEMBER, "not-member", "you are not a member of the room")    \
	X(ERR_REGISTRATION, "registration-closed",                             \
	    "registration needs a valid invite or is closed")                  \
	/* things */                                                           \
	X(ERR_NOTFOUND, "not-found", "there is no such thing")                 \
	X(ERR_EXISTS, "exists", "it exists already")                           \
	X(ERR_REALM, "unknown-realm", "this realm cannot be reached")          \
	/* order and time */                                                   \
	X(ERR_NUMBER_REUSED, "number-reused",                                  \
	    "the number was used for something else")                          \
	X(ERR_OUT_OF_ORDER, "out-of-order", "a number before it is missing")   \
	X(ERR_TOO_OLD, "too-old", "it is older than what is remembered")       \
	X(ERR_GAP, "gap", "positions are missing")                             \
	X(ERR_EPOCH, "epoch", "the epoch is not the current one")

enum err {
#define X(constant, code, sentence) constant,
	ERR_TABLE(X)
#undef X
	    ERR_COUNT
};

/* The stable code, as in kith-protocol(7).  Static. */
const char *err_code(enum err e);

/* A sentence for people, without a full stop.  Static. */
const char *err_text(enum err e);

/* The constant that has this code; ERR_INTERNAL for a stranger. */
enum err err_from_code(const char *code);

/* What errno says about the machine: ENOSPC, EROFS, ENOMEM, else ERR_IO. */
enum err err_from_errno(int saved_errno);

#endif
