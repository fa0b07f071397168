/*
 * merge: puts positions, ids and records of many transactions where they
 * belong, in the order of their keys.
 *
 * In parts, each a transaction, between which batches are applied.  A merge
 * that was broken off is done again from its start: what it wrote is written
 * again, or stands unseen below newer rows of `staged'.  Only its last part
 * moves the merged-through index and deletes the staged rows.
 */
#include <assert.h>
#include <string.h>

#include "base/logger.h"
#include "node/storage/writer.h"

#define BOX "storage"

bool
merge_due(const struct writer *w)
{
	const struct storage_limits *l = &w->sh->limits;

	if (w->merge.active)
		return true;
	/* Positions can expire only once they are in the database. */
	if (w->expiring && !expire_due(w))
		return true;
	return w->tail->npointers >= l->merge_pointers ||
	       w->fold.bytes >= l->merge_memory ||
	       w->staged_bytes >= l->merge_bytes ||
	       w->staged_rows >= l->merge_rows;
}

/*
 * The tail becomes one run, so that the merge is through with all of it, and
 * what comes meanwhile stays apart from it.
 */
static enum err
merge_begin(struct writer *w)
{
	struct merge *m = &w->merge;
	struct tail *empty = NULL, *t;
	enum err err;

	assert(!m->active);
	m->since = mono_now();
	m->pointers_at = m->keys_at = m->puts_at = 0;
	if ((err = tail_flatten(&m->run, w->tail, &w->scratch)) != OK)
		return err;
	if (m->run->last < w->applied)
		m->run->last = w->applied; /* entries without an event */
	if (w->fold_stale) {
		fold_free(&w->fold);
		if ((err = fold_load(&w->fold, &w->db)) != OK)
			goto fail;
		w->fold_stale = false;
	}
	if ((err = fold_sort(&w->fold)) != OK)
		goto fail;
	if ((empty = tail_new()) == NULL ||
	    (t = tail_with(empty, m->run, 0, &w->scratch)) == NULL) {
		err = ERR_NOMEM;
		goto fail;
	}
	tail_unref(empty);
	writer_publish(w, t);
	m->fold = w->fold;
	m->staged_last = w->staged_last;
	/* Now of what comes from here on. */
	memset(&w->fold, 0, sizeof(w->fold));
	w->staged_bytes = w->staged_rows = 0;
	m->active = true;
	return OK;
fail:
	tail_unref(empty);
	run_unref(m->run);
	m->run = NULL;
	return err;
}

void
merge_abort(struct writer *w)
{
	struct merge *m = &w->merge;

	if (!m->active)
		return;
	fold_free(&m->fold);
	run_unref(m->run);
	m->run = NULL;
	m->active = false;
}

/* How many of p, from the first, are of one conversation. */
static size_t
same_conv(const struct pointer *p, size_t n)
{
	size_t i;

	for (i = 1; i < n && p[i].at.conv == p[0].at.conv;)
		i++;
	return i;
}

static enum err
merge_pointers(struct writer *w, uint32_t *rows)
{
	struct merge *m = &w->merge;
	sqlite3_stmt *st = w->db.st[DB_PLACE_PUT];
	uint8_t chunk[CHUNK_MAX];
	const struct pointer *p;
	size_t n, len;
	enum err err;

	for (; *rows > 0 && m->pointers_at < m->run->npointers; --*rows) {
		p = m->run->pointers + m->pointers_at;
		n = same_conv(p, m->run->npointers - m->pointers_at);
		n = chunk_pack(chunk, &len, p, n);
		db_bind(st, 1, p->at.conv);
		db_bind(st, 2, p->at.seq);
		db_bind_blob(st, 3, chunk, len);
		if ((err = db_run(&w->db, DB_PLACE_PUT)) != OK)
			return err;
		m->pointers_at += n;
	}
	return OK;
}

static enum err
merge_keys(struct writer *w, uint32_t *rows)
{
	struct merge *m = &w->merge;
	sqlite3_stmt *st = w->db.st[DB_ID_PUT];
	enum err err;

	for (; *rows > 0 && m->keys_at < m->run->nkeys; --*rows) {
		db_bind(st, 1, m->run->keys[m->keys_at].key);
		db_bind(st, 2, m->run->keys[m->keys_at].index);
		if ((err = db_run(&w->db, DB_ID_PUT)) != OK)
			return err;
		m->keys_at++;
	}
	return OK;
}

static enum err
merge_puts(struct writer *w, uint32_t *rows)
{
	struct merge *m = &w->merge;
	const struct storage_put *put;
	enum db_statement which;
	enum err err;

	for (; *rows > 0 && m->puts_at < m->fold.n; --*rows) {
		put = &m->fold.rec[m->puts_at++].put;
		which = put->value.p == NULL ? DB_RECORD_DELETE : DB_RECORD_PUT;
		db_bind(w->db.st[which], 1, put->kind);
		db_bind_blob(w->db.st[which], 2, put->key.p, put->key.n);
		if (put->value.p != NULL) {
			db_bind_blob(w->db.st[which], 3, put->value.p,
			    put->value.n);
			db_bind(w->db.st[which], 4,
			    record_sum(put->kind, put->key, put->value));
		}
		if ((err = db_run(&w->db, which)) != OK)
			return err;
	}
	return OK;
}

/* In the last transaction. */
static enum err
merge_last(struct writer *w)
{
	struct merge *m = &w->merge;
	enum err err;

	db_bind(w->db.st[DB_STAGED_DELETE], 1, m->staged_last);
	if ((err = db_run(&w->db, DB_STAGED_DELETE)) != OK)
		return err;
	return db_meta_put(&w->db, "merged", m->run->last);
}

static void
merge_end(struct writer *w, struct tail *t)
{
	struct merge *m = &w->merge;
	struct shared *sh = w->sh;
	uint64_t us = mono_us_between(m->since, mono_now());

	w->merged = m->run->last;
	log_debug(BOX, "merged events=%zu pointers=%zu records=%zu us=%llu",
	    m->run->nkeys, m->run->npointers, m->fold.n,
	    (unsigned long long)us);
	merge_abort(w);
	writer_publish(w, t);
	scratch_free(&w->scratch); /* it was for all of the tail */
	atomic_fetch_add(&sh->merges, 1);
	atomic_fetch_add(&sh->merge_us_sum, us);
	atomic_store(&sh->merge_us_last, us);
}

enum err
merge_step(struct writer *w)
{
	struct merge *m = &w->merge;
	uint32_t rows = w->sh->limits.step_rows;
	struct tail *t = NULL;
	bool last;
	enum err err;

	if (!m->active && (err = merge_begin(w)) != OK)
		return err;
	if ((err = db_run(&w->db, DB_BEGIN_WRITE)) != OK ||
	    (err = merge_pointers(w, &rows)) != OK ||
	    (err = merge_keys(w, &rows)) != OK ||
	    (err = merge_puts(w, &rows)) != OK)
		return err;
	if ((last = rows > 0)) {
		if ((t = tail_without(w->tail, m->run->last)) == NULL)
			return ERR_NOMEM;
		err = merge_last(w);
	}
	if (err != OK || (err = db_run(&w->db, DB_COMMIT)) != OK) {
		tail_unref(t);
		return err;
	}
	if (last)
		merge_end(w, t);
	return OK;
}
