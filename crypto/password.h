/*
 * password: argon2id (RFC 9106) of passwords, and a bounded pool of threads
 * on which it runs, because one hash takes a good part of a second and as
 * much memory as its cost says.
 *
 * A hash is the usual text "$argon2id$v=19$m=65536,t=2,p=1$salt$hash", so it
 * carries the cost at which it was made.
 *
 * The pool      takes jobs: check a password, make a hash, or both (a change
 *               of password).  A check for an account that does not exist
 *               costs the same as one at the current cost, and fails.
 * Ownership     a job is the pool's from password_pool_submit until its done
 *               is called.  It holds copies of the passwords, which are wiped
 *               before done is called, and by password_job_free.
 * Threads       submit, configure and count from any thread.  done runs on a
 *               thread of the pool (or, at stop, on the one that stops): it
 *               should do no more than push job->item on a channel.
 * Limits        `capacity' jobs wait, then ERR_BUSY; `threads' run, each with
 *               memory_kib of memory.
 */
#ifndef CRYPTO_PASSWORD_H
#define CRYPTO_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/channel.h"
#include "base/err.h"

#define PASSWORD_MAX         1024 /* bytes of a password */
#define PASSWORD_HASH_MAX    128  /* bytes of a hash, with NUL */
#define PASSWORD_PASSES_MIN  1
#define PASSWORD_PASSES_MAX  64
#define PASSWORD_KIB_MIN     8
#define PASSWORD_KIB_MAX     (1024 * 1024)
#define PASSWORD_THREADS_MAX 16

/* Time (t) and memory (m, KiB) of argon2id; p is 1. */
struct password_cost {
	uint32_t passes;
	uint32_t memory_kib;
};

/* libsodium's `interactive': 64 MiB, 0.08 to 0.3 s. */
#define PASSWORD_COST_DEFAULT ((struct password_cost){ 2, 65536 })

/* Whether it is between the limits above. */
bool password_cost_ok(struct password_cost cost);

/* ERR_NOMEM; ERR_TOO_LARGE: over PASSWORD_MAX; ERR_INVALID: the cost. */
enum err password_hash(char out[static PASSWORD_HASH_MAX], struct str password,
    struct password_cost cost) MUST_USE;

/*
 * ERR_CREDENTIALS: it is another password; ERR_CORRUPT: hash is no argon2id
 * hash within the limits above; ERR_NOMEM; ERR_TOO_LARGE.
 */
enum err password_verify(const char *hash, struct str password) MUST_USE;

/* Whether hash was made at another cost (or is no hash at all). */
bool password_needs_rehash(const char *hash, struct password_cost cost);

/* A well-formed hash of nothing: verifying against it takes as long as
 * against a real one and ends with ERR_CREDENTIALS. */
void password_dummy(char out[static PASSWORD_HASH_MAX],
    struct password_cost cost);

struct password_job {
	struct channel_item item; /* first; the receiver's after done */
	void (*done)(struct password_job *job);
	void *arg; /* of whoever made it */

	/*
	 * Out.  OK: what was to be checked was right, what was to be made is
	 * in hash.  Else the errors of password_verify and password_hash, or
	 * ERR_CLOSED: the pool stopped first.
	 */
	enum err rc;
	char hash[PASSWORD_HASH_MAX]; /* "": none was made */

	/* In: also make a hash when one checked right needs a rehash.  That it
	 * cannot be made (memory) does not fail the check. */
	bool renew;

	/* The module's own. */
	bool check, make;
	char stored[PASSWORD_HASH_MAX];
	size_t password_len, fresh_len;
	char password[PASSWORD_MAX], fresh[PASSWORD_MAX];
};

/* Returns a job (free with password_job_free), or NULL: out of memory. */
struct password_job *password_job_new(void (*done)(struct password_job *),
    void *arg) MUST_USE;

/* Wipes and frees.  NULL is allowed. */
void password_job_free(struct password_job *job);

/*
 * Check password against stored; NULL or "": there is no such account or it
 * has no password.  Copies both.  ERR_TOO_LARGE.
 */
enum err password_job_check(struct password_job *job, const char *stored,
    struct str password) MUST_USE;

/* Make a hash of password, if the check, if any, is right.  Copies it.
 * ERR_TOO_LARGE. */
enum err password_job_make(struct password_job *job,
    struct str password) MUST_USE;

struct password_pool;

/*
 * Threads started here have all signals blocked.  ERR_INVALID: no or more than
 * PASSWORD_THREADS_MAX threads, no capacity, or a cost beyond the limits.
 * ERR_NOMEM.
 */
enum err password_pool_start(struct password_pool **pool, unsigned threads,
    size_t capacity, struct password_cost cost) MUST_USE;

/* Ends what runs, gives back what waits with ERR_CLOSED, frees the pool.
 * Nobody submits any more.  NULL is allowed. */
void password_pool_stop(struct password_pool *pool);

/* Takes job.  ERR_BUSY: too many wait; it stays the caller's. */
enum err password_pool_submit(struct password_pool *pool,
    struct password_job *job) MUST_USE;

/* For jobs that start from now on.  ERR_INVALID: beyond the limits. */
enum err password_pool_configure(struct password_pool *pool,
    struct password_cost cost) MUST_USE;

/* Jobs that wait or run; for metrics. */
size_t password_pool_count(struct password_pool *pool);

#endif
