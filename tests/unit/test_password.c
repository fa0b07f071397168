#include "tests/unit/crypto_test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/channel.h"
#include "crypto/password.h"

/* The cheapest there is: these tests are not about cost. */
static const struct password_cost cheap = { 1, 8 };
static const struct password_cost dearer = { 2, 16 };

/* "password" with "somesalt", from test.c of the reference implementation
 * (phc-winner-argon2). */
static const char known[] = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ"
			    "$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

/* What libsodium is made to do. */
static bool memory_is_out;
static atomic_int verifications;
static char verified[PASSWORD_HASH_MAX];
static int threads_left = -1; /* that can still be made; -1: any */

int __real_crypto_pwhash_argon2id_str(char *out, const char *passwd,
    unsigned long long n, unsigned long long ops, size_t mem);
int __wrap_crypto_pwhash_argon2id_str(char *out, const char *passwd,
    unsigned long long n, unsigned long long ops, size_t mem);
int __real_crypto_pwhash_argon2id_str_verify(const char *str,
    const char *passwd, unsigned long long n);
int __wrap_crypto_pwhash_argon2id_str_verify(const char *str,
    const char *passwd, unsigned long long n);
int __real_pthread_create(pthread_t *t, const pthread_attr_t *attr,
    void *(*start)(void *), void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr,
    void *(*start)(void *), void *arg);

int
__wrap_crypto_pwhash_argon2id_str(char *out, const char *passwd,
    unsigned long long n, unsigned long long ops, size_t mem)
{
	if (memory_is_out) {
		errno = ENOMEM;
		return -1;
	}
	return __real_crypto_pwhash_argon2id_str(out, passwd, n, ops, mem);
}

int
__wrap_crypto_pwhash_argon2id_str_verify(const char *str, const char *passwd,
    unsigned long long n)
{
	if (atomic_fetch_add(&verifications, 1) == 0)
		memcpy(verified, str, sizeof(verified));
	if (memory_is_out) {
		errno = ENOMEM;
		return -1;
	}
	return __real_crypto_pwhash_argon2id_str_verify(str, passwd, n);
}

int
__wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr,
    void *(*start)(void *), void *arg)
{
	if (threads_left == 0)
		return EAGAIN;
	if (threads_left > 0)
		threads_left--;
	return __real_pthread_create(t, attr, start, arg);
}

static void
password_verifies_against_its_hash_only(void **state)
{
	char hash[PASSWORD_HASH_MAX], again[PASSWORD_HASH_MAX];

	(void)state;
	assert_int_equal(password_hash(hash, STR("secret"), cheap), OK);
	assert_int_equal(password_hash(again, STR("secret"), cheap), OK);
	assert_string_not_equal(hash, again);
	assert_memory_equal(hash, "$argon2id$v=19$m=8,t=1,p=1$", 27);
	assert_int_equal(password_verify(hash, STR("secret")), OK);
	assert_int_equal(password_verify(hash, STR("Secret")), ERR_CREDENTIALS);
	assert_int_equal(password_verify(hash, STR("secret ")),
	    ERR_CREDENTIALS);
	assert_int_equal(password_verify(hash, STR_NONE), ERR_CREDENTIALS);
	assert_int_equal(password_hash(hash, STR_NONE, cheap), OK);
	assert_int_equal(password_verify(hash, STR_NONE), OK);
	assert_int_equal(password_hash(hash, STR("a\0b"), cheap), OK);
	assert_int_equal(password_verify(hash, STR("a\0b")), OK);
	assert_int_equal(password_verify(hash, STR("a")), ERR_CREDENTIALS);
}

static void
hash_of_the_reference_implementation_verifies(void **state)
{
	(void)state;
	assert_int_equal(password_verify(known, STR("password")), OK);
	assert_int_equal(password_verify(known, STR("passwore")),
	    ERR_CREDENTIALS);
}

static void
limits_of_length_and_cost_are_kept(void **state)
{
	static const struct password_cost bad[] = {
		{ 0, 65536 },
		{ PASSWORD_PASSES_MAX + 1, 65536 },
		{ 1, PASSWORD_KIB_MIN - 1 },
		{ 1, PASSWORD_KIB_MAX + 1 },
	};
	char hash[PASSWORD_HASH_MAX], text[PASSWORD_MAX + 1] = { 0 };
	struct password_pool *pool;

	(void)state;
	assert_int_equal(
	    password_hash(hash, (struct str){ text, PASSWORD_MAX }, cheap), OK);
	assert_int_equal(
	    password_verify(hash, (struct str){ text, PASSWORD_MAX }), OK);
	assert_int_equal(
	    password_hash(hash, (struct str){ text, PASSWORD_MAX + 1 }, cheap),
	    ERR_TOO_LARGE);
	assert_int_equal(
	    password_verify(hash, (struct str){ text, PASSWORD_MAX + 1 }),
	    ERR_TOO_LARGE);
	assert_true(password_cost_ok(PASSWORD_COST_DEFAULT));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(password_cost_ok(bad[i]));
		assert_int_equal(password_hash(hash, STR("x"), bad[i]),
		    ERR_INVALID);
		assert_int_equal(password_pool_start(&pool, 1, 1, bad[i]),
		    ERR_INVALID);
	}
	assert_int_equal(password_pool_start(&pool, 0, 1, cheap), ERR_INVALID);
	assert_int_equal(
	    password_pool_start(&pool, PASSWORD_THREADS_MAX + 1, 1, cheap),
	    ERR_INVALID);
	assert_int_equal(password_pool_start(&pool, 1, 0, cheap), ERR_INVALID);
}

static void
no_hash_can_name_an_unbounded_cost(void **state)
{
#define TAIL                                                                   \
	"$c29tZXNhbHQxMjM0NTY3OA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	static const char *const bad[] = {
		"",
		"$",
		"password",
		"$argon2id$v=19$m=8,t=1,p=1",
		"$argon2id$v=19$m=8,t=1,p=1$",
		"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQxMjM0NTY3OA",
		"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQxMjM0NTY3OA$",
		"$argon2id$v=19$m=8,t=1,p=1$!!!!$!!!!",
		"$argon2id$v=19$m=4294967295,t=1,p=1" TAIL,
		"$argon2id$v=19$m=1048577,t=1,p=1" TAIL,
		"$argon2id$v=19$m=99999999999999999999999,t=1,p=1" TAIL,
		"$argon2id$v=19$m=8,t=65,p=1" TAIL,
		"$argon2id$v=19$m=8,t=4294967295,p=1" TAIL,
		"$argon2id$v=19$m=64,t=1,p=2" TAIL,
		"$argon2id$v=19$m=8,t=0,p=1" TAIL,
		"$argon2id$v=19$m=,t=1,p=1" TAIL,
		"$argon2id$v=19$m=-8,t=1,p=1" TAIL,
		"$argon2id$v=16$m=8,t=1,p=1" TAIL,
		"$argon2i$v=19$m=8,t=3,p=1" TAIL,
		"$argon2id$v=19$m=8,t=1,p=1" TAIL TAIL TAIL,
	};
#undef TAIL

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(password_verify(bad[i], STR("password")),
		    ERR_CORRUPT);
		/* Not all of these are recognized, nor need they be. */
		(void)password_needs_rehash(bad[i], cheap);
	}
}

static void
rehash_is_due_when_the_cost_is_another(void **state)
{
	char hash[PASSWORD_HASH_MAX];

	(void)state;
	assert_int_equal(password_hash(hash, STR("secret"), cheap), OK);
	assert_false(password_needs_rehash(hash, cheap));
	assert_true(password_needs_rehash(hash, dearer));
	assert_true(
	    password_needs_rehash(hash, (struct password_cost){ 2, 8 }));
	assert_true(
	    password_needs_rehash(hash, (struct password_cost){ 1, 16 }));
	assert_true(password_needs_rehash("", cheap));
}

static void
want_of_memory_is_no_wrong_password(void **state)
{
	char hash[PASSWORD_HASH_MAX];

	(void)state;
	assert_int_equal(password_hash(hash, STR("secret"), cheap), OK);
	memory_is_out = true;
	assert_int_equal(password_verify(hash, STR("secret")), ERR_NOMEM);
	assert_int_equal(password_hash(hash, STR("secret"), cheap), ERR_NOMEM);
	memory_is_out = false;
}

static void
dummy_is_a_hash_of_no_password(void **state)
{
	char a[PASSWORD_HASH_MAX], b[PASSWORD_HASH_MAX];

	(void)state;
	password_dummy(a, dearer);
	password_dummy(b, dearer);
	assert_string_not_equal(a, b);
	assert_false(password_needs_rehash(a, dearer));
	assert_int_equal(password_verify(a, STR("")), ERR_CREDENTIALS);
	assert_int_equal(password_verify(a, STR("secret")), ERR_CREDENTIALS);
}

/* The pool: jobs come back over a channel, as in the node. */

static void
send_back(struct password_job *job)
{
	channel_push_reserved(job->arg, &job->item);
}

static struct password_job *
wait_for_job(struct channel *ch)
{
	struct channel_item *it = channel_wait(ch, 60000);

	assert_non_null(it);
	assert_null(it->next);
	return (struct password_job *)(void *)it;
}

/* Submits a job and waits for it. */
static struct password_job *
run(struct password_pool *pool, struct channel *ch, const char *stored,
    struct str password, struct str fresh, bool renew)
{
	struct password_job *job = password_job_new(send_back, ch);

	assert_non_null(job);
	if (password.p != NULL)
		assert_int_equal(password_job_check(job, stored, password), OK);
	if (fresh.p != NULL)
		assert_int_equal(password_job_make(job, fresh), OK);
	job->renew = renew;
	assert_int_equal(password_pool_submit(pool, job), OK);
	assert_ptr_equal(wait_for_job(ch), job);
	return job;
}

struct fixture {
	struct password_pool *pool;
	struct channel *ch;
	char hash[PASSWORD_HASH_MAX]; /* of "secret" */
};

static int
set_up(void **state)
{
	static struct fixture f;

	memory_is_out = false;
	f.ch = channel_new(16, NULL, NULL);
	if (f.ch == NULL || password_hash(f.hash, STR("secret"), cheap) != OK ||
	    password_pool_start(&f.pool, 2, 4, cheap) != OK)
		return -1;
	verifications = 0;
	*state = &f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	password_pool_stop(f->pool);
	channel_free(f->ch);
	return 0;
}

static void
pool_checks_passwords(void **state)
{
	struct fixture *f = *state;
	struct password_job *job;

	job = run(f->pool, f->ch, f->hash, STR("secret"), STR_NONE, true);
	assert_int_equal(job->rc, OK);
	assert_string_equal(job->hash, "");
	password_job_free(job);
	job = run(f->pool, f->ch, f->hash, STR("wrong"), STR_NONE, true);
	assert_int_equal(job->rc, ERR_CREDENTIALS);
	assert_string_equal(job->hash, "");
	password_job_free(job);
	job = run(f->pool, f->ch, "no hash", STR("wrong"), STR_NONE, true);
	assert_int_equal(job->rc, ERR_CORRUPT);
	password_job_free(job);
}

static void
pool_makes_hashes(void **state)
{
	struct fixture *f = *state;
	struct password_job *job;

	job = run(f->pool, f->ch, NULL, STR_NONE, STR("new"), false);
	assert_int_equal(job->rc, OK);
	assert_int_equal(password_verify(job->hash, STR("new")), OK);
	password_job_free(job);
}

static void
change_of_password_needs_the_old_one(void **state)
{
	struct fixture *f = *state;
	struct password_job *job;

	job = run(f->pool, f->ch, f->hash, STR("wrong"), STR("new"), false);
	assert_int_equal(job->rc, ERR_CREDENTIALS);
	assert_string_equal(job->hash, "");
	password_job_free(job);
	job = run(f->pool, f->ch, f->hash, STR("secret"), STR("new"), true);
	assert_int_equal(job->rc, OK);
	assert_int_equal(password_verify(job->hash, STR("new")), OK);
	password_job_free(job);
}

/* Not by the clock: it is the same one call at the same cost. */
static void
unknown_account_costs_as_much_as_a_known_one(void **state)
{
	static const char *const none[] = { NULL, "" };
	struct fixture *f = *state;
	struct password_job *job;

	assert_int_equal(password_pool_configure(f->pool, dearer), OK);
	for (size_t i = 0; i < 2; i++) {
		verifications = 0;
		job = run(f->pool, f->ch, none[i], STR("secret"), STR("new"),
		    true);
		assert_int_equal(job->rc, ERR_CREDENTIALS);
		assert_string_equal(job->hash, "");
		assert_int_equal(verifications, 1);
		assert_memory_equal(verified, "$argon2id$v=19$m=16,t=2,p=1$",
		    28);
		assert_int_equal(strlen(verified), strlen(f->hash) + 1);
		password_job_free(job);
	}
}

static void
new_cost_renews_the_hash_at_the_next_check(void **state)
{
	struct fixture *f = *state;
	struct password_job *job;

	assert_int_equal(password_pool_configure(f->pool, dearer), OK);
	job = run(f->pool, f->ch, f->hash, STR("secret"), STR_NONE, false);
	assert_int_equal(job->rc, OK);
	assert_string_equal(job->hash, "");
	password_job_free(job);
	job = run(f->pool, f->ch, f->hash, STR("secret"), STR_NONE, true);
	assert_int_equal(job->rc, OK);
	assert_false(password_needs_rehash(job->hash, dearer));
	assert_int_equal(password_verify(job->hash, STR("secret")), OK);
	password_job_free(job);
	assert_int_equal(
	    password_pool_configure(f->pool, (struct password_cost){ 0, 0 }),
	    ERR_INVALID);
}

static void
pool_without_memory_says_so(void **state)
{
	struct fixture *f = *state;
	struct password_job *job;

	memory_is_out = true;
	job = run(f->pool, f->ch, f->hash, STR("secret"), STR_NONE, false);
	assert_int_equal(job->rc, ERR_NOMEM);
	password_job_free(job);
	job = run(f->pool, f->ch, NULL, STR_NONE, STR("new"), false);
	assert_int_equal(job->rc, ERR_NOMEM);
	assert_string_equal(job->hash, "");
	password_job_free(job);
	memory_is_out = false;
}

static void
too_long_passwords_are_refused_by_the_job(void **state)
{
	static const char text[PASSWORD_MAX + 1];
	struct str max = { text, PASSWORD_MAX }, over = { text, sizeof(text) };
	struct password_job *job = password_job_new(send_back, NULL);
	char stored[PASSWORD_HASH_MAX + 1];

	(void)state;
	assert_non_null(job);
	memset(stored, 'x', PASSWORD_HASH_MAX);
	stored[PASSWORD_HASH_MAX] = '\0';
	assert_int_equal(password_job_check(job, "", over), ERR_TOO_LARGE);
	assert_int_equal(password_job_make(job, over), ERR_TOO_LARGE);
	assert_int_equal(password_job_check(job, stored, max), ERR_TOO_LARGE);
	assert_int_equal(password_job_check(job, "", max), OK);
	assert_int_equal(password_job_make(job, max), OK);
	password_job_free(job);
	password_job_free(NULL);
}

/* A callback that holds its thread until the test lets it go. */
struct stall {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	unsigned arrived;
	bool open;
	bool clean; /* no byte of a password was left */
	sigset_t blocked;
	enum err rc;
};

static void
stand_still(struct password_job *job)
{
	static const char zero[PASSWORD_MAX];
	struct stall *s = job->arg;

	pthread_mutex_lock(&s->lock);
	s->arrived++;
	s->rc = job->rc;
	s->clean = memcmp(job->password, zero, sizeof(zero)) == 0 &&
		   memcmp(job->fresh, zero, sizeof(zero)) == 0;
	pthread_sigmask(SIG_SETMASK, NULL, &s->blocked);
	pthread_cond_broadcast(&s->cond);
	while (!s->open)
		pthread_cond_wait(&s->cond, &s->lock);
	pthread_mutex_unlock(&s->lock);
	password_job_free(job);
}

static void
submit_stalling(struct password_pool *pool, struct stall *s)
{
	struct password_job *job = password_job_new(stand_still, s);

	assert_non_null(job);
	assert_int_equal(password_job_check(job, NULL, STR("secret")), OK);
	assert_int_equal(password_job_make(job, STR("fresh")), OK);
	assert_int_equal(password_pool_submit(pool, job), OK);
}

static void
wait_for_arrivals(struct stall *s, unsigned n)
{
	pthread_mutex_lock(&s->lock);
	while (s->arrived < n)
		pthread_cond_wait(&s->cond, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

static void
let_go(struct stall *s)
{
	pthread_mutex_lock(&s->lock);
	s->open = true;
	pthread_cond_broadcast(&s->cond);
	pthread_mutex_unlock(&s->lock);
}

static void
full_pool_is_busy_and_leaves_the_job(void **state)
{
	/* Not on the stack: threads may look at it until the pool stops. */
	static struct stall s = { .lock = PTHREAD_MUTEX_INITIALIZER,
		.cond = PTHREAD_COND_INITIALIZER };
	struct fixture *f = *state;
	struct password_job *job;

	submit_stalling(f->pool, &s);
	submit_stalling(f->pool, &s);
	wait_for_arrivals(&s, 2);
	assert_true(s.clean);
	assert_true(sigismember(&s.blocked, SIGTERM));
	assert_int_equal(password_pool_count(f->pool), 2);
	for (int i = 0; i < 4; i++)
		submit_stalling(f->pool, &s);
	assert_int_equal(password_pool_count(f->pool), 6);

	job = password_job_new(send_back, f->ch);
	assert_non_null(job);
	assert_int_equal(password_job_make(job, STR("new")), OK);
	assert_int_equal(password_pool_submit(f->pool, job), ERR_BUSY);
	assert_int_equal(password_pool_count(f->pool), 6);
	let_go(&s);
	wait_for_arrivals(&s, 6);

	/* There is room again, and the job was not touched. */
	assert_int_equal(password_pool_submit(f->pool, job), OK);
	assert_ptr_equal(wait_for_job(f->ch), job);
	assert_int_equal(password_verify(job->hash, STR("new")), OK);
	password_job_free(job);
}

static void *
stop_pool(void *arg)
{
	password_pool_stop(arg);
	return NULL;
}

static void
stopping_ends_what_runs_and_gives_back_the_rest(void **state)
{
	struct stall s = { .lock = PTHREAD_MUTEX_INITIALIZER,
		.cond = PTHREAD_COND_INITIALIZER };
	struct password_pool *pool;
	struct password_job *job;
	struct channel *ch = channel_new(4, NULL, NULL);
	struct channel_item *it;
	pthread_t t;
	int n = 0;

	(void)state;
	assert_non_null(ch);
	assert_int_equal(password_pool_start(&pool, 1, 4, cheap), OK);
	submit_stalling(pool, &s);
	wait_for_arrivals(&s, 1);
	for (int i = 0; i < 3; i++) {
		job = password_job_new(send_back, ch);
		assert_non_null(job);
		assert_int_equal(password_job_make(job, STR("new")), OK);
		assert_int_equal(password_pool_submit(pool, job), OK);
	}
	assert_int_equal(pthread_create(&t, NULL, stop_pool, pool), 0);
	let_go(&s);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_int_equal(s.rc, ERR_CREDENTIALS);
	/* The thread may have taken some before it saw the end. */
	for (it = channel_drain(ch); it != NULL; n++) {
		job = (struct password_job *)(void *)it;
		it = it->next;
		assert_true(job->rc == ERR_CLOSED || job->rc == OK);
		assert_int_equal(job->rc == OK, job->hash[0] != '\0');
		password_job_free(job);
	}
	assert_int_equal(n, 3);
	channel_free(ch);
	password_pool_stop(NULL);
}

static void
pool_starts_whole_or_not_at_all(void **state)
{
	struct password_pool *pool = NULL;

	(void)state;
	for (int i = 0; i < 3; i++) {
		threads_left = i;
		assert_int_equal(password_pool_start(&pool, 3, 4, cheap),
		    ERR_NOMEM);
		assert_null(pool);
	}
	threads_left = -1;
}

#define SUBMITTERS 4
#define ROUNDS     50

static atomic_int passed, failed;

static void
count_job(struct password_job *job)
{
	atomic_fetch_add(job->rc == OK ? &passed : &failed, 1);
	password_job_free(job);
}

static void *
submit_many(void *arg)
{
	struct fixture *f = arg;
	struct password_job *job;

	for (int i = 0; i < ROUNDS; i++) {
		if ((job = password_job_new(count_job, NULL)) == NULL)
			abort();
		if (password_job_check(job, f->hash,
			i % 2 == 0 ? STR("secret") : STR("wrong")) != OK)
			abort();
		while (password_pool_submit(f->pool, job) != OK)
			sched_yield();
	}
	return NULL;
}

static void
jobs_of_many_threads_each_come_back_once(void **state)
{
	struct fixture *f = *state;
	pthread_t t[SUBMITTERS];

	passed = failed = 0;
	for (int i = 0; i < SUBMITTERS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, submit_many, f),
		    0);
	for (int i = 0; i < SUBMITTERS; i++) {
		assert_int_equal(pthread_join(t[i], NULL), 0);
		assert_int_equal(password_pool_configure(f->pool, cheap), OK);
	}
	while (password_pool_count(f->pool) > 0)
		sched_yield();
	assert_int_equal(passed, SUBMITTERS * ROUNDS / 2);
	assert_int_equal(failed, SUBMITTERS * ROUNDS / 2);
}

#define pool_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(password_verifies_against_its_hash_only),
		cmocka_unit_test(hash_of_the_reference_implementation_verifies),
		cmocka_unit_test(limits_of_length_and_cost_are_kept),
		cmocka_unit_test(no_hash_can_name_an_unbounded_cost),
		cmocka_unit_test(rehash_is_due_when_the_cost_is_another),
		cmocka_unit_test(want_of_memory_is_no_wrong_password),
		cmocka_unit_test(dummy_is_a_hash_of_no_password),
		pool_test(pool_checks_passwords),
		pool_test(pool_makes_hashes),
		pool_test(change_of_password_needs_the_old_one),
		pool_test(unknown_account_costs_as_much_as_a_known_one),
		pool_test(new_cost_renews_the_hash_at_the_next_check),
		pool_test(pool_without_memory_says_so),
		cmocka_unit_test(too_long_passwords_are_refused_by_the_job),
		pool_test(full_pool_is_busy_and_leaves_the_job),
		cmocka_unit_test(
		    stopping_ends_what_runs_and_gives_back_the_rest),
		cmocka_unit_test(pool_starts_whole_or_not_at_all),
		pool_test(jobs_of_many_threads_each_come_back_once),
	};

	return cmocka_run_group_tests(tests, start_crypto, NULL);
}
