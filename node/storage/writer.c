/*
 * writer: see writer.h.
 *
 * Failures  A transaction that fails is rolled back, and everything waits a
 *           second: the same batch comes first again.  When more than space
 *           or a lock was missing, the connection is opened anew, and the WAL
 *           has to go into the database before anything else, because what a
 *           failed fsync left in it is never synced a second time.
 * WAL       RESTART at limits.wal_pages, so that its blocks are used again;
 *           TRUNCATE after erasures and when space is short.  Eight times as
 *           long, and nothing is applied any more.
 */
#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/logger.h"
#include "node/storage/page.h"
#include "node/storage/schema.h"
#include "node/storage/writer.h"

#define BOX           "storage"
#define OVERFULL_TAIL 4 /* times the limit */
#define OVERFULL_WAL  8
#define BACKUP_PAGES  512 /* of one step: 2 MiB */

/* ---- the tail ---------------------------------------------------------------
 */

void
writer_publish(struct writer *w, struct tail *t)
{
	tail_unref(w->tail);
	w->tail = tail_ref(t);
	atomic_store(&w->sh->tail_pointers, t->npointers);
	shared_publish(w->sh, t);
}

static enum err
reload_image(struct writer *w, struct run *run)
{
	struct stored ev;
	enum err err;
	size_t at = 0;
	uint32_t i;

	while ((err = image_next(&w->image, &at, &ev)) == OK) {
		if (ev.index > w->applied)
			return ERR_CORRUPT;
		if (ev.index <= w->merged)
			continue;
		if ((err = run_reserve(run, ev.nplaces + ev.nshards, 1)) != OK)
			return err;
		run_add(run, ev.index, ev.key, ev.places, ev.nplaces);
		for (i = 0; i < ev.nshards; i++)
			run_add_shard(run, ev.index, ev.shards[i].conv,
			    ev.shards[i].epoch, ev.shards[i].seq);
	}
	return err == ERR_NOTFOUND ? OK : err;
}

/* Events above the merged index become a run. */
static enum err
reload_run(struct writer *w, struct run *run)
{
	uint64_t from = 0;
	bool end = false;
	enum err err;

	err = page_load(&w->db, w->merged + 1, &w->image);
	if (err == OK)
		from = w->image.first * IMAGE_PARTS;
	if (err != OK && err != ERR_NOTFOUND)
		return err;
	db_bind(w->db.st[DB_PAGE_FROM], 1, from);
	if ((err = db_row(&w->db, DB_PAGE_FROM)) == ERR_NOTFOUND)
		end = true;
	else if (err != OK)
		return err;
	while (!end)
		if ((err = page_walk(&w->db, &w->image, &end)) != OK ||
		    (err = reload_image(w, run)) != OK)
			return err;
	return run_finish(run, &w->scratch);
}

static enum err
reload_tail(struct writer *w)
{
	struct tail *empty = NULL, *t = NULL;
	struct run *run;
	enum err err;

	if ((run = run_new()) == NULL)
		return ERR_NOMEM;
	err = reload_run(w, run);
	db_reset(&w->db, DB_PAGE_FROM);
	if (err == OK &&
	    ((empty = tail_new()) == NULL ||
		(t = tail_with(empty, run, 0, &w->scratch)) == NULL))
		err = ERR_NOMEM;
	if (err == OK)
		writer_publish(w, t);
	tail_unref(empty);
	run_unref(run);
	return err;
}

static enum err
reload_marks(struct writer *w)
{
	sqlite3_stmt *st = w->db.st[DB_STAGED_SUMMARY];
	enum err err;

	w->applied = w->merged = 0;
	err = db_meta_get(&w->db, "applied", &w->applied);
	if (err == OK || err == ERR_NOTFOUND)
		err = db_meta_get(&w->db, "merged", &w->merged);
	if (err != OK && err != ERR_NOTFOUND)
		return err;
	if (w->merged > w->applied)
		return ERR_CORRUPT;
	if ((err = db_row(&w->db, DB_STAGED_SUMMARY)) == OK) {
		w->staged_rows = (uint64_t)sqlite3_column_int64(st, 0);
		w->staged_bytes = (uint64_t)sqlite3_column_int64(st, 1);
		w->staged_last = (uint64_t)sqlite3_column_int64(st, 2);
	}
	db_reset(&w->db, DB_STAGED_SUMMARY);
	if (err != OK)
		return err;
	fold_free(&w->fold);
	if ((err = fold_load(&w->fold, &w->db)) != OK)
		return err;
	w->fold_stale = false;
	atomic_store(&w->sh->applied, w->applied);
	return expire_reload(w);
}

/* ---- opening ----------------------------------------------------------------
 */

static int
count_wal(void *arg, sqlite3 *sql, const char *name, int pages)
{
	struct writer *w = arg;

	(void)sql;
	(void)name;
	w->wal_pages = (uint32_t)pages;
	return SQLITE_OK;
}

static enum err
connect(struct writer *w)
{
	enum err err;

	if ((err = db_open(&w->db, w->sh->path, DB_WRITER)) != OK ||
	    (err = schema_open(&w->db, w->sh->path, schema_migrations,
		 schema_version)) != OK ||
	    (err = db_prepare(&w->db)) != OK)
		return err;
	(void)sqlite3_wal_hook(w->db.sql, count_wal, w);
	return OK;
}

enum err
writer_open(struct writer *w, struct shared *sh)
{
	enum err err;

	memset(w, 0, sizeof(*w));
	w->sh = sh;
	bytes_init(&w->row, SIZE_MAX / 2);
	/* A WAL left by a crash may hold what was erased. */
	writer_erased(w);
	if ((err = connect(w)) == OK && (err = reload_marks(w)) == OK)
		err = reload_tail(w);
	if (err == ERR_CORRUPT)
		log_alert(BOX,
		    "the history is damaged path=%s text=%s: stop,"
		    " keep a copy of the file, and restore a backup"
		    " (kithctl restore)",
		    sh->path, db_text(&w->db));
	else if (err != OK && err != ERR_UNSUPPORTED)
		log_alert(BOX,
		    "cannot open the history path=%s err=%s"
		    " text=%s",
		    sh->path, err_code(err), db_text(&w->db));
	if (err != OK)
		writer_close(w);
	return err;
}

void
writer_close(struct writer *w)
{
	merge_abort(w);
	copy_abort(&w->copy);
	db_close(&w->db);
	image_fini(&w->image);
	image_fini(&w->other);
	bytes_fini(&w->row);
	scratch_free(&w->scratch);
	fold_free(&w->fold);
	tail_unref(w->tail);
	w->tail = NULL;
}

void
writer_removing(struct writer *w)
{
	atomic_store(&w->sh->removing, w->expiring || w->erased);
}

void
writer_erased(struct writer *w)
{
	if (!w->erased)
		w->erased_since = mono_now();
	w->erased = true;
}

/* ---- the WAL ----------------------------------------------------------------
 */

static enum err
checkpoint(struct writer *w, int mode)
{
	struct mono start = mono_now();
	enum err err;

	err = db_err(
	    sqlite3_wal_checkpoint_v2(w->db.sql, NULL, mode, NULL, NULL));
	if (err == OK) {
		w->wal_pages = 0;
		if (mode == SQLITE_CHECKPOINT_TRUNCATE)
			w->erased = false;
		writer_removing(w);
		atomic_store(&w->sh->checkpoint_us_last,
		    mono_us_between(start, mono_now()));
	}
	return err;
}

static bool
erase_due(const struct writer *w, struct mono now)
{
	return w->erased && !mono_before(now, mono_add_ms(w->erased_since,
						  w->sh->limits.erase_ms));
}

/*
 * A reader's snapshot may be in the way (ours are short): again a second
 * later, but the WAL does not grow without a limit.
 */
static enum err
care_for_wal(struct writer *w, struct mono now)
{
	uint32_t limit = w->sh->limits.wal_pages;
	bool truncate = erase_due(w, now);
	enum err err;

	if ((w->wal_pages < limit && !truncate) ||
	    (mono_before(now, w->wal_at) &&
		w->wal_pages < OVERFULL_WAL * limit))
		return OK;
	err = checkpoint(w,
	    truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_RESTART);
	if (err != ERR_BUSY)
		return err;
	w->wal_at = mono_add_ms(mono_now(), w->sh->limits.retry_ms);
	return w->wal_pages < OVERFULL_WAL * limit ? OK : ERR_BUSY;
}

/* ---- backup -----------------------------------------------------------------
 */

static void
backup_end(struct writer *w, enum err err)
{
	struct backup_job *job = w->backup;

	if (job == NULL)
		return;
	copy_abort(&w->copy);
	w->backup = NULL;
	if (err != OK)
		log_warning(BOX, "backup failed path=%s err=%s", job->path,
		    err_code(err));
	job->finished(job->arg, err);
	free(job);
}

static void
backup_take(struct writer *w)
{
	struct shared *sh = w->sh;
	enum err err;

	if (w->backup != NULL)
		return;
	(void)pthread_mutex_lock(&sh->lock);
	w->backup = sh->backup;
	sh->backup = NULL;
	(void)pthread_mutex_unlock(&sh->lock);
	if (w->backup != NULL &&
	    (err = copy_begin(&w->copy, &w->db, w->backup->path)) != OK)
		backup_end(w, err);
}

/* Its failure is no failure of ours. */
static void
backup_step(struct writer *w)
{
	enum err err;
	bool done;

	backup_take(w);
	if (w->backup == NULL)
		return;
	err = copy_step(&w->copy, BACKUP_PAGES, &done);
	if (err != OK || done)
		backup_end(w, err);
}

/* ---- failure and recovery ---------------------------------------------------
 */

static void
fail(struct writer *w, const char *what, enum err err)
{
	struct shared *sh = w->sh;

	if (!w->failing || atomic_load(&sh->why) != (int)err)
		log_alert(BOX, "%s failed err=%s code=%d text=%s", what,
		    err_code(err),
		    w->db.sql != NULL ? sqlite3_extended_errcode(w->db.sql) : 0,
		    db_text(&w->db));
	db_rollback(&w->db);
	merge_abort(w);
	w->failing = true;
	w->broken = w->broken || (err != ERR_BUSY && err != ERR_NOSPACE);
	w->retry_at = mono_add_ms(mono_now(), sh->limits.retry_ms);
	atomic_store(&sh->why, (int)err);
	atomic_store(&sh->failing, true);
	atomic_fetch_add(&sh->failures, 1);
}

static enum err
recover(struct writer *w)
{
	enum err err;

	if (w->broken) {
		backup_end(w, ERR_IO);
		db_close(&w->db);
		if ((err = connect(w)) != OK ||
		    (err = checkpoint(w, SQLITE_CHECKPOINT_TRUNCATE)) != OK ||
		    (err = reload_marks(w)) != OK)
			return err;
		if ((err = reload_tail(w)) == OK)
			w->broken = false;
		return err;
	}
	/* What the WAL occupies may be what is missing. */
	err = checkpoint(w, SQLITE_CHECKPOINT_TRUNCATE);
	if (err != OK && err != ERR_BUSY && err != ERR_NOSPACE)
		return err;
	return reload_marks(w);
}

static void
recovered(struct writer *w)
{
	if (!w->failing)
		return;
	log_notice(BOX, "works again");
	w->failing = false;
	atomic_store(&w->sh->failing, false);
}

/* ---- batches ----------------------------------------------------------------
 */

static void
take_batches(struct writer *w, unsigned long wait_ms)
{
	struct channel_item *it = channel_wait(w->sh->batches, wait_ms);

	while (it != NULL) {
		struct storage_batch *b = (struct storage_batch *)(void *)it;

		it = it->next;
		b->link.next = NULL;
		if (w->last != NULL)
			w->last->link.next = &b->link;
		else
			w->head = b;
		w->last = b;
	}
}

static void
give_back(struct writer *w, unsigned n, enum err err)
{
	struct storage_batch *b;

	for (; n > 0; n--) {
		b = w->head;
		assert(b != NULL);
		w->head = (struct storage_batch *)(void *)b->link.next;
		if (w->head == NULL)
			w->last = NULL;
		b->err = err;
		if (b->own) {
			storage_batch_free(b);
			continue;
		}
		atomic_fetch_add(&w->sh->batches_done, err == OK);
		atomic_fetch_sub(&w->sh->pending, 1);
		channel_push_reserved(w->sh->done, &b->link);
	}
}

/* How many batches make the next group. */
static unsigned
group(const struct writer *w)
{
	const struct storage_batch *b = w->head;
	size_t entries = 0;
	unsigned n = 0;

	for (; b != NULL; b = (const void *)b->link.next) {
		entries += b->nentries;
		if (n > 0 && entries > w->sh->limits.group_entries)
			break;
		n++;
	}
	return n;
}

static enum err
apply_next(struct writer *w)
{
	struct shared *sh = w->sh;
	struct mono start = mono_now();
	/* Short of space, a little at a time. */
	unsigned n = w->failing ? 1 : group(w);
	uint64_t us;
	enum err err;

	if ((err = apply_group(w, n)) != OK)
		return err;
	us = mono_us_between(start, mono_now());
	atomic_store(&sh->applied, w->applied);
	atomic_fetch_add(&sh->apply_us_sum, us);
	atomic_store(&sh->apply_us_last, us);
	give_back(w, n, OK);
	return OK;
}

/* ---- the thread -------------------------------------------------------------
 */

/* More than this must not pile up behind a merge that does not come along. */
static bool
overfull(const struct writer *w)
{
	return w->tail->npointers >=
	       OVERFULL_TAIL * (uint64_t)w->sh->limits.merge_pointers;
}

static bool
backup_waits(struct writer *w)
{
	bool waits;

	(void)pthread_mutex_lock(&w->sh->lock);
	waits = w->backup != NULL || w->sh->backup != NULL;
	(void)pthread_mutex_unlock(&w->sh->lock);
	return waits;
}

static unsigned long
wait_ms(struct writer *w)
{
	struct mono now = mono_now(), at;

	if (w->failing)
		return mono_ms_between(now, w->retry_at) + 1;
	if (w->head != NULL || merge_due(w) || expire_due(w) || backup_waits(w))
		return 0;
	if (w->erased) {
		at = mono_add_ms(w->erased_since, w->sh->limits.erase_ms);
		if (mono_before(at, w->wal_at))
			at = w->wal_at;
		return mono_ms_between(now, at) + 1;
	}
	return ULONG_MAX;
}

/* One round: a group of batches, and a part of whatever else is due. */
static void
turn(struct writer *w)
{
	const char *what = "opening";
	enum err err = OK;

	if (w->failing)
		err = recover(w);
	if (err == OK && w->head != NULL && !overfull(w)) {
		what = "applying";
		err = apply_next(w);
	}
	if (err == OK) {
		what = "checkpoint";
		err = care_for_wal(w, mono_now());
	}
	if (err == OK && merge_due(w)) {
		what = "merging";
		err = merge_step(w);
	}
	if (err == OK && expire_due(w)) {
		what = "expiring";
		err = expire_step(w);
	}
	if (err != OK)
		fail(w, what, err);
	else
		recovered(w);
	if (err == OK)
		backup_step(w);
}

/* The end: what can be applied still is, once more after a failure. */
static void
give_up(struct writer *w)
{
	while (w->head != NULL && !w->failing)
		turn(w);
	if (w->head != NULL && recover(w) == OK) {
		while (w->head != NULL && apply_next(w) == OK)
			;
		db_rollback(&w->db);
	}
	while (w->head != NULL)
		give_back(w, 1, (enum err)atomic_load(&w->sh->why));
	backup_take(w);
	backup_end(w, ERR_CLOSED);
}

void *
writer_thread(void *arg)
{
	struct writer *w = arg;

	while (!shared_stopping(w->sh)) {
		take_batches(w, wait_ms(w));
		if (!w->failing || !mono_before(mono_now(), w->retry_at))
			turn(w);
	}
	take_batches(w, 0); /* the channel is closed */
	give_up(w);
	return NULL;
}
