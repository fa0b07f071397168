/*
 * apply: takes batches into the database.
 *
 * Of a transaction of 8,192 events with two places each over 10,000 mailboxes
 * nearly all is appended: events to `page', the changed records to a row of
 * `staged'; places and ids only go into the tail, in memory.  Measured with
 * bench/storage, CPU an event: this 2.6 us (of which 1.5 for 2.5 records of
 * 300 bytes), merging 1.4, checkpoints 1.4; for 100 mailboxes 1.1, 0.8, 0.4.
 * With a row of SQLite for each event, place and record, as it was tried
 * first, events and places alone were 7.9 us, more as the table grew.
 */
#include <assert.h>

#include "base/logger.h"
#include "node/storage/lookup.h"
#include "node/storage/page.h"
#include "node/storage/writer.h"

#define LAST_INDEX (INT64_MAX / IMAGE_PARTS - 1)

/* The image that is being filled; it is w->image. */
struct append {
	bool open, fresh, dirty;
};

static enum err
append_save(struct writer *w, struct append *a)
{
	enum err err;

	if (!a->dirty)
		return OK;
	if ((err = page_save(&w->db, &w->image, a->fresh)) == OK)
		a->fresh = a->dirty = false;
	return err;
}

static enum err
append_event(struct writer *w, struct append *a, const struct entry *e)
{
	struct image *im = &w->image;
	size_t need = image_need(e);
	enum err err;

	if (!a->open) { /* the last one in the database goes on */
		err = page_load(&w->db, LAST_INDEX, im);
		if (err != OK && err != ERR_NOTFOUND)
			return err;
		a->open = err == OK;
	}
	if (!a->open || im->parts > 1 || im->used + need > image_size(im)) {
		if ((err = append_save(w, a)) != OK ||
		    (err = image_reset(im, e->index,
			 (unsigned)((need + IMAGE_ROOM - 1) / IMAGE_ROOM))) !=
			OK)
			return err;
		a->open = a->fresh = true;
	}
	image_add(im, e);
	a->dirty = true;
	return OK;
}

static enum err
apply_entries(struct writer *w, struct append *a, struct run *run,
    const struct storage_batch *b, uint64_t *applied)
{
	const struct entry *e;
	enum err err;
	size_t i;
	uint32_t k;

	for (i = 0; i < b->nentries; i++) {
		e = b->entries[i];
		if (e->index <= *applied)
			continue;
		assert(e->index == *applied + 1);
		*applied = e->index;
		if (e->event == NULL)
			continue;
		if ((err = append_event(w, a, e)) != OK)
			return err;
		run_add(run, e->index, image_key(&e->event->id), e->places,
		    e->nplaces);
		for (k = 0; k < e->nshards; k++)
			run_add_shard(run, e->index, e->shards[k].shard,
			    e->shards[k].epoch, e->shards[k].seq);
	}
	return OK;
}

static enum err
flush_row(struct writer *w)
{
	enum err err;

	if (w->row.n <= STAGED_EMPTY && !w->row.failed)
		return OK;
	w->staged_bytes += w->row.n;
	w->staged_rows++;
	if ((err = staged_flush(&w->db, &w->row)) == OK)
		w->staged_last = (uint64_t)sqlite3_last_insert_rowid(w->db.sql);
	return err;
}

/*
 * Records of a batch that was applied before may be older than what is there:
 * they are left out.  A batch without entries is no older than any other.
 */
static bool
puts_are_old(const struct storage_batch *b, uint64_t applied)
{
	return b->nentries > 0 && b->applied <= applied;
}

static enum err
apply_puts(struct writer *w, const struct storage_batch *b, uint64_t applied)
{
	enum err err;
	size_t i;

	if (puts_are_old(b, applied))
		return OK;
	for (i = 0; i < b->nputs; i++) {
		staged_add(&w->row, &b->puts[i]);
		if ((w->row.n >= STAGED_ROW || w->row.failed) &&
		    (err = flush_row(w)) != OK)
			return err;
	}
	return OK;
}

static enum err
apply_erasure(struct writer *w, const struct run *run,
    const struct event_id *id)
{
	struct stored ev;
	enum err err;

	err = lookup_event(&w->db, w->tail, run, id, &w->image, &ev, NULL);
	if (err == ERR_NOTFOUND) /* expired */
		return OK;
	if (err != OK || ev.erased)
		return err;
	image_erase(&w->image, &ev);
	return page_save(&w->db, &w->image, false);
}

static enum err
apply_expire(struct writer *w, const struct storage_expire *x, uint64_t idx)
{
	sqlite3_stmt *st = w->db.st[DB_EXPIRE_PUT];

	db_bind(st, 1, x->conv);
	db_bind(st, 2, idx);
	db_bind(st, 3, x->seq < INT64_MAX ? x->seq : INT64_MAX);
	return db_run(&w->db, DB_EXPIRE_PUT);
}

/* Erasures and expiries, once all events are there. */
static enum err
apply_removals(struct writer *w, const struct storage_batch *b,
    const struct run *run, uint64_t applied)
{
	enum err err;
	size_t i;

	for (i = 0; i < b->nerasures; i++)
		if ((err = apply_erasure(w, run, &b->erasures[i])) != OK)
			return err;
	for (i = 0; i < b->nexpires; i++)
		if ((err = apply_expire(w, &b->expires[i], applied)) != OK)
			return err;
	return OK;
}

static enum err
reserve(struct run *run, const struct storage_batch *b, unsigned n)
{
	size_t npointers = 0, nkeys = 0, i;

	for (; n > 0; n--, b = (const void *)b->link.next) {
		nkeys += b->nentries;
		for (i = 0; i < b->nentries; i++)
			npointers +=
			    b->entries[i]->nplaces + b->entries[i]->nshards;
	}
	return run_reserve(run, npointers, nkeys);
}

/* Inside the transaction. */
static enum err
apply_all(struct writer *w, unsigned n, struct run *run, uint64_t *applied)
{
	const struct storage_batch *b = w->head;
	struct append a = { false, false, false };
	enum err err;
	unsigned i;

	staged_begin(&w->row);
	for (i = 0; i < n; i++, b = (const void *)b->link.next)
		if ((err = apply_puts(w, b, *applied)) != OK ||
		    (err = apply_entries(w, &a, run, b, applied)) != OK)
			return err;
	if ((err = append_save(w, &a)) != OK || (err = flush_row(w)) != OK ||
	    (err = run_finish(run, &w->scratch)) != OK)
		return err;
	for (i = 0, b = w->head; i < n; i++, b = (const void *)b->link.next)
		if ((err = apply_removals(w, b, run, *applied)) != OK)
			return err;
	return db_meta_put(&w->db, "applied", *applied);
}

static bool
has_removals(const struct storage_batch *b, unsigned n, bool erasures)
{
	for (; n > 0; n--, b = (const void *)b->link.next)
		if ((erasures ? b->nerasures : b->nexpires) > 0)
			return true;
	return false;
}

/* After COMMIT; what does not fit into memory is read again for a merge. */
static void
fold_group(struct writer *w, unsigned n, uint64_t applied)
{
	const struct storage_batch *b = w->head;
	size_t i;

	for (; n > 0; n--, b = (const void *)b->link.next) {
		if (puts_are_old(b, applied))
			continue;
		for (i = 0; i < b->nputs && !w->fold_stale; i++)
			w->fold_stale = fold_put(&w->fold, &b->puts[i]) != OK;
		if (b->applied > applied)
			applied = b->applied;
	}
}

/* What must be known before COMMIT is done before it, so that nothing can
 * fail after it. */
enum err
apply_group(struct writer *w, unsigned n)
{
	struct run *run;
	struct tail *t = NULL;
	uint64_t applied = w->applied;
	enum err err;

	if ((run = run_new()) == NULL)
		return ERR_NOMEM;
	if ((err = reserve(run, w->head, n)) != OK ||
	    (err = db_run(&w->db, DB_BEGIN_WRITE)) != OK ||
	    (err = apply_all(w, n, run, &applied)) != OK)
		goto out;
	if (run->nkeys > 0 && (t = tail_with(w->tail, run,
				   w->merge.active ? w->merge.run->last : 0,
				   &w->scratch)) == NULL) {
		err = ERR_NOMEM;
		goto out;
	}
	if ((err = db_run(&w->db, DB_COMMIT)) != OK)
		goto out;
	fold_group(w, n, w->applied);
	w->applied = applied;
	if (t != NULL)
		writer_publish(w, t);
	t = NULL;
	if (has_removals(w->head, n, false) && !w->expiring) {
		w->expiring = true;
		w->expire_idx = applied;
	}
	if (has_removals(w->head, n, true))
		writer_erased(w);
	writer_removing(w);
out:
	run_unref(run);
	tail_unref(t);
	return err;
}
