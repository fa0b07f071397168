/*
 * storage: opening, the threads, and what the owner calls.
 */
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/logger.h"
#include "node/storage/inside.h"
#include "node/storage/reader.h"
#include "node/storage/staged.h"
#include "node/storage/writer.h"

#define BOX "storage"

const struct storage_limits storage_limits_default = {
	.group_entries = 32768,
	.merge_pointers = 512 * 1024,
	.merge_memory = 32 << 20,
	.merge_bytes = 128 << 20,
	.merge_rows = 4096,
	.step_rows = 8192,
	.expire_pointers = 1024,
	.wal_pages = (64 << 20) / DB_PAGE,
	.erase_ms = 2000,
	.retry_ms = 1000,
};

struct storage {
	struct shared sh;
	struct writer writer;
	pthread_t writer_thread;
	struct reader *readers;
	unsigned nreaders;
	bool started;
	uint64_t handed; /* highest index handed over */
};

/* ---- shared -----------------------------------------------------------------
 */

struct tail *
shared_tail(struct shared *sh)
{
	struct tail *t;

	(void)pthread_mutex_lock(&sh->lock);
	t = tail_ref(sh->tail);
	(void)pthread_mutex_unlock(&sh->lock);
	return t;
}

void
shared_publish(struct shared *sh, struct tail *t)
{
	struct tail *old;

	(void)pthread_mutex_lock(&sh->lock);
	old = sh->tail;
	sh->tail = t;
	(void)pthread_mutex_unlock(&sh->lock);
	tail_unref(old);
}

/* ---- opening ----------------------------------------------------------------
 */

enum err
storage_open(struct storage **out, const char *dir, unsigned readers)
{
	struct storage *s;
	enum err err = ERR_NOMEM;
	int n;

	assert(readers > 0);
	/* Our connections are each of one thread; the counting of memory
	 * would be a lock that they share. */
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return ERR_NOMEM;
	s->sh.limits = storage_limits_default;
	(void)pthread_mutex_init(&s->sh.lock, NULL);
	(void)pthread_cond_init(&s->sh.reads_wait, NULL);
	n = snprintf(s->sh.path, sizeof(s->sh.path), "%s/history.db", dir);
	if (n < 0 || (size_t)n + 32 > sizeof(s->sh.path)) {
		err = ERR_INVALID;
		goto fail;
	}
	s->sh.batches = channel_new(STORAGE_QUEUE, NULL, NULL);
	s->readers = calloc(readers, sizeof(s->readers[0]));
	if (s->sh.batches == NULL || s->readers == NULL)
		goto fail;
	s->nreaders = readers;
	if ((err = writer_open(&s->writer, &s->sh)) != OK)
		goto fail;
	s->handed = s->writer.applied;
	*out = s;
	return OK;
fail:
	storage_free(s);
	return err;
}

void
storage_tune(struct storage *s, const struct storage_limits *limits)
{
	assert(!s->started);
	s->sh.limits = *limits;
}

void
storage_free(struct storage *s)
{
	if (s == NULL)
		return;
	assert(!s->started);
	writer_close(&s->writer);
	tail_unref(s->sh.tail);
	channel_free(s->sh.batches);
	free(s->readers);
	free(s->sh.backup);
	(void)pthread_cond_destroy(&s->sh.reads_wait);
	(void)pthread_mutex_destroy(&s->sh.lock);
	free(s);
}

uint64_t
storage_applied(const struct storage *s)
{
	return atomic_load(&s->sh.applied);
}

/* The table and the staged rows, both in order, the latter being newer. */
static enum err
load_merged(struct db *db, const struct fold *f,
    enum err (*record)(void *, uint32_t, struct str, struct str), void *arg)
{
	struct storage_put row;
	const struct storage_put *put;
	bool has_row = true;
	enum err err;
	size_t i = 0;
	int c;

	for (;;) {
		if (has_row) {
			err = db_row(db, DB_RECORD_ALL);
			if (err != OK && err != ERR_NOTFOUND)
				return err;
			has_row = err == OK;
			if (has_row && (err = record_read(db, &row)) != OK)
				return err;
		}
		do {
			put = i < f->n ? &f->rec[i].put : NULL;
			if (put == NULL && !has_row)
				return OK;
			c = put == NULL ? 1
			    : !has_row  ? -1
				       : fold_cmp(put->kind, put->key, row.kind,
					     row.key);
			if (c <= 0)
				i++;
			else
				put = &row;
			if (put->value.p != NULL &&
			    (err = record(arg, put->kind, put->key,
				 put->value)) != OK)
				return err;
		} while (c < 0);
	}
}

enum err
storage_load(struct storage *s,
    enum err (
	*record)(void *arg, uint32_t kind, struct str key, struct str value),
    void *arg)
{
	struct fold *f = &s->writer.fold;
	enum err err;

	assert(!s->started);
	if ((err = fold_sort(f)) == OK) {
		err = load_merged(&s->writer.db, f, record, arg);
		db_reset(&s->writer.db, DB_RECORD_ALL);
	}
	if (err == ERR_CORRUPT)
		log_alert(BOX,
		    "a record is damaged path=%s: stop, keep a copy"
		    " of the file, and restore a backup (kithctl restore)",
		    s->sh.path);
	return err;
}

/* ---- threads ----------------------------------------------------------------
 */

static enum err
start_thread(pthread_t *t, const char *name, void *(*run)(void *), void *arg)
{
	if (pthread_create(t, NULL, run, arg) != 0)
		return ERR_NOMEM;
	(void)pthread_setname_np(*t, name);
	return OK;
}

/* Ends the first n readers and, if told so, the writer. */
static void
end_threads(struct storage *s, unsigned n, bool writer)
{
	unsigned i;

	(void)pthread_mutex_lock(&s->sh.lock);
	s->sh.stopping = true;
	(void)pthread_cond_broadcast(&s->sh.reads_wait);
	(void)pthread_mutex_unlock(&s->sh.lock);
	channel_close(s->sh.batches);
	for (i = 0; i < n; i++)
		(void)pthread_join(s->readers[i].thread, NULL);
	if (writer)
		(void)pthread_join(s->writer_thread, NULL);
}

enum err
storage_start(struct storage *s, struct channel *done,
    struct channel *done_reads)
{
	sigset_t all, old;
	unsigned i;
	enum err err;

	assert(!s->started);
	s->sh.done = done;
	s->sh.done_reads = done_reads;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, &old);
	err = start_thread(&s->writer_thread, "storage", writer_thread,
	    &s->writer);
	for (i = 0; err == OK && i < s->nreaders; i++) {
		s->readers[i].sh = &s->sh;
		err = start_thread(&s->readers[i].thread, "history",
		    reader_thread, &s->readers[i]);
		if (err != OK)
			end_threads(s, i, true);
	}
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	s->started = err == OK;
	return err;
}

void
storage_stop(struct storage *s)
{
	if (!s->started)
		return;
	end_threads(s, s->nreaders, true);
	s->started = false;
}

/* ---- what the owner hands over ----------------------------------------------
 */

enum err
storage_apply(struct storage *s, struct storage_batch *b)
{
	enum err err;

	if (atomic_load(&s->sh.pending) >= STORAGE_QUEUE)
		return ERR_BUSY;
	if (b->nentries > 0) {
		/* A gap would be lost without anybody noticing. */
		assert(b->entries[0]->index <= s->handed + 1);
	}
	storage_batch_seal(b);
	atomic_fetch_add(&s->sh.pending, 1);
	if ((err = channel_push(s->sh.batches, &b->link)) != OK) {
		atomic_fetch_sub(&s->sh.pending, 1);
		return err == ERR_FULL ? ERR_BUSY : err;
	}
	if (b->applied > s->handed)
		s->handed = b->applied;
	return OK;
}

enum err
storage_read(struct storage *s, struct storage_read *r)
{
	if (atomic_load(&s->sh.pending_reads) >= STORAGE_QUEUE)
		return ERR_BUSY;
	if (!s->started)
		return ERR_CLOSED;
	atomic_fetch_add(&s->sh.pending_reads, 1);
	(void)pthread_mutex_lock(&s->sh.lock);
	channel_list_add(&s->sh.reads, &r->link);
	(void)pthread_cond_signal(&s->sh.reads_wait);
	(void)pthread_mutex_unlock(&s->sh.lock);
	return OK;
}

unsigned
storage_pending(const struct storage *s)
{
	return atomic_load(&s->sh.pending);
}

enum err
storage_backup(struct storage *s, const char *path,
    void (*finished)(void *arg, enum err err), void *arg)
{
	struct backup_job *job;
	struct storage_batch *wake;
	enum err err = ERR_NOMEM;

	job = calloc(1, sizeof(*job));
	wake = storage_batch_new();
	if (job == NULL || wake == NULL)
		goto fail;
	if (strlen(path) >= sizeof(job->path)) {
		err = ERR_INVALID;
		goto fail;
	}
	memcpy(job->path, path, strlen(path) + 1);
	job->finished = finished;
	job->arg = arg;
	(void)pthread_mutex_lock(&s->sh.lock);
	if (s->sh.backup == NULL) {
		s->sh.backup = job;
		job = NULL;
	}
	(void)pthread_mutex_unlock(&s->sh.lock);
	if (job != NULL) {
		err = ERR_BUSY;
		goto fail;
	}
	wake->own = true;
	if (channel_push(s->sh.batches, &wake->link) != OK)
		storage_batch_free(wake); /* it is awake, then */
	return OK;
fail:
	free(job);
	storage_batch_free(wake);
	return err;
}

/* ---- figures ----------------------------------------------------------------
 */

static uint64_t
size_of(const char *path, const char *suffix)
{
	char name[PATH_MAX + 8];
	struct stat st;

	(void)snprintf(name, sizeof(name), "%s%s", path, suffix);
	return stat(name, &st) == 0 ? (uint64_t)st.st_size : 0;
}

void
storage_stats(struct storage *s, struct storage_stats *out)
{
	struct shared *sh = &s->sh;

	*out = (struct storage_stats){
		.applied = atomic_load(&sh->applied),
		.batches = atomic_load(&sh->batches_done),
		.failures = atomic_load(&sh->failures),
		.reads = atomic_load(&sh->reads_done),
		.failing = atomic_load(&sh->failing),
		.removing = atomic_load(&sh->removing),
		.why = (enum err)atomic_load(&sh->why),
		.db_bytes = size_of(sh->path, ""),
		.wal_bytes = size_of(sh->path, "-wal"),
		.apply_us_sum = atomic_load(&sh->apply_us_sum),
		.apply_us_last = atomic_load(&sh->apply_us_last),
		.checkpoint_us_last = atomic_load(&sh->checkpoint_us_last),
		.merges = atomic_load(&sh->merges),
		.merge_us_sum = atomic_load(&sh->merge_us_sum),
		.merge_us_last = atomic_load(&sh->merge_us_last),
		.tail_pointers = atomic_load(&sh->tail_pointers),
	};
	if (!out->failing)
		out->why = OK;
}
