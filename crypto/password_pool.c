/*
 * The jobs wait in one list for whichever thread is free first.  A channel
 * (base/channel.h) has one receiver, so the list has its own lock; it uses
 * the channel's links, with which a job goes on to its owner's channel.
 */
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/password.h"
#include "crypto/wipe.h"

struct password_pool {
	pthread_mutex_t lock; /* guards what follows, up to threads */
	pthread_cond_t work;
	struct channel_list waiting;
	size_t running;
	bool closing;
	struct password_cost cost;
	size_t capacity;
	unsigned nthreads;
	pthread_t threads[PASSWORD_THREADS_MAX];
};

struct password_job *
password_job_new(void (*done)(struct password_job *), void *arg)
{
	struct password_job *job = calloc(1, sizeof(*job));

	if (job != NULL) {
		job->done = done;
		job->arg = arg;
	}
	return job;
}

static void
wipe_passwords(struct password_job *job)
{
	secret_wipe(job->password, sizeof(job->password));
	secret_wipe(job->fresh, sizeof(job->fresh));
	job->password_len = job->fresh_len = 0;
}

void
password_job_free(struct password_job *job)
{
	if (job == NULL)
		return;
	secret_wipe(job, sizeof(*job));
	free(job);
}

enum err
password_job_check(struct password_job *job, const char *stored,
    struct str password)
{
	if (stored == NULL)
		stored = "";
	if (password.n > PASSWORD_MAX || strlen(stored) >= PASSWORD_HASH_MAX)
		return ERR_TOO_LARGE;
	memcpy(job->stored, stored, strlen(stored) + 1);
	if (password.n > 0)
		memcpy(job->password, password.p, password.n);
	job->password_len = password.n;
	job->check = true;
	return OK;
}

enum err
password_job_make(struct password_job *job, struct str password)
{
	if (password.n > PASSWORD_MAX)
		return ERR_TOO_LARGE;
	if (password.n > 0)
		memcpy(job->fresh, password.p, password.n);
	job->fresh_len = password.n;
	job->make = true;
	return OK;
}

/* Leaves job->hash empty unless it is whole. */
static enum err
make_hash(struct password_job *job, struct str password,
    struct password_cost cost)
{
	enum err rc = password_hash(job->hash, password, cost);

	if (rc != OK)
		job->hash[0] = '\0';
	return rc;
}

static enum err
job_run(struct password_job *job, struct password_cost cost)
{
	struct str password = { job->password, job->password_len };
	struct str fresh = { job->fresh, job->fresh_len };
	enum err rc;

	if (job->check) {
		if (job->stored[0] == '\0')
			password_dummy(job->stored, cost);
		rc = password_verify(job->stored, password);
		if (rc != OK)
			return rc;
	}
	if (job->make)
		return make_hash(job, fresh, cost);
	if (job->check && job->renew &&
	    password_needs_rehash(job->stored, cost) &&
	    make_hash(job, password, cost) != OK)
		return OK; /* at the next login, then */
	return OK;
}

/* Gives job back to its owner; it may be gone when this returns. */
static void
job_end(struct password_job *job, enum err rc)
{
	wipe_passwords(job);
	job->rc = rc;
	job->done(job);
}

static struct password_job *
take_first(struct channel_list *l)
{
	struct channel_item *it = l->head;

	if (it == NULL)
		return NULL;
	l->head = it->next;
	if (l->head == NULL)
		l->tail = NULL;
	l->count--;
	it->next = NULL;
	return (struct password_job *)(void *)it;
}

static void *
pool_thread(void *arg)
{
	struct password_pool *pool = arg;
	struct password_cost cost;
	struct password_job *job;

	pthread_mutex_lock(&pool->lock);
	for (;;) {
		while (!pool->closing && pool->waiting.head == NULL)
			pthread_cond_wait(&pool->work, &pool->lock);
		if (pool->closing || (job = take_first(&pool->waiting)) == NULL)
			break;
		pool->running++;
		cost = pool->cost;
		pthread_mutex_unlock(&pool->lock);

		job_end(job, job_run(job, cost));

		pthread_mutex_lock(&pool->lock);
		pool->running--;
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* Signals are for the main thread's loop. */
static int
start_thread(struct password_pool *pool)
{
	sigset_t all, old;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&pool->threads[pool->nthreads], NULL,
	    pool_thread, pool);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error == 0) {
		pthread_setname_np(pool->threads[pool->nthreads], "password");
		pool->nthreads++;
	}
	return error;
}

enum err
password_pool_start(struct password_pool **out, unsigned threads,
    size_t capacity, struct password_cost cost)
{
	struct password_pool *pool;

	if (threads == 0 || threads > PASSWORD_THREADS_MAX || capacity == 0 ||
	    !password_cost_ok(cost))
		return ERR_INVALID;
	if ((pool = calloc(1, sizeof(*pool))) == NULL)
		return ERR_NOMEM;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	pool->capacity = capacity;
	pool->cost = cost;
	for (unsigned i = 0; i < threads; i++) {
		if (start_thread(pool) != 0) {
			password_pool_stop(pool);
			return ERR_NOMEM;
		}
	}
	*out = pool;
	return OK;
}

void
password_pool_stop(struct password_pool *pool)
{
	struct password_job *job;

	if (pool == NULL)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->closing = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->nthreads; i++)
		pthread_join(pool->threads[i], NULL);
	while ((job = take_first(&pool->waiting)) != NULL)
		job_end(job, ERR_CLOSED);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

enum err
password_pool_submit(struct password_pool *pool, struct password_job *job)
{
	enum err rc = ERR_BUSY;

	assert(job->done != NULL);
	pthread_mutex_lock(&pool->lock);
	if (pool->waiting.count < pool->capacity) {
		job->hash[0] = '\0';
		channel_list_add(&pool->waiting, &job->item);
		pthread_cond_signal(&pool->work);
		rc = OK;
	}
	pthread_mutex_unlock(&pool->lock);
	return rc;
}

enum err
password_pool_configure(struct password_pool *pool, struct password_cost cost)
{
	if (!password_cost_ok(cost))
		return ERR_INVALID;
	pthread_mutex_lock(&pool->lock);
	pool->cost = cost;
	pthread_mutex_unlock(&pool->lock);
	return OK;
}

size_t
password_pool_count(struct password_pool *pool)
{
	size_t n;

	pthread_mutex_lock(&pool->lock);
	n = pool->waiting.count + pool->running;
	pthread_mutex_unlock(&pool->lock);
	return n;
}
