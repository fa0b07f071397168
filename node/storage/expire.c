/*
 * expire: takes old positions out, and the events that no conversation has
 * any more.
 *
 * A batch only notes what is to go (table expire).  Once those positions are
 * in the database, they go in parts of bounded size.  An event stands with
 * its places, so it tells by itself when the last one is gone.  Positions in
 * shard logs stay and then lead to nothing.
 *
 * Rows of `page' are overwritten in place, and freed as whole pages, which
 * secure_delete=ON clears: see image.h.
 */
#include <stdlib.h>
#include <string.h>

#include "node/storage/lookup.h"
#include "node/storage/page.h"
#include "node/storage/writer.h"

struct job {
	uint32_t conv;
	uint64_t seq, idx; /* positions up to seq of events up to idx */
};

bool
expire_due(const struct writer *w)
{
	return w->expiring && !w->merge.active && w->expire_idx <= w->merged;
}

/* ---- positions -------------------------------------------------------------
 */

static enum err
put_chunks(struct writer *w, const struct pointer *p, size_t n)
{
	sqlite3_stmt *st = w->db.st[DB_PLACE_PUT];
	uint8_t chunk[CHUNK_MAX];
	size_t packed, len;
	enum err err;

	for (; n > 0; p += packed, n -= packed) {
		packed = chunk_pack(chunk, &len, p, n);
		db_bind(st, 1, p->at.conv);
		db_bind(st, 2, p->at.seq);
		db_bind_blob(st, 3, chunk, len);
		if ((err = db_run(&w->db, DB_PLACE_PUT)) != OK)
			return err;
	}
	return OK;
}

static enum err
delete_chunk(struct writer *w, uint32_t conv, uint64_t first)
{
	sqlite3_stmt *st = w->db.st[DB_PLACE_DELETE];

	db_bind(st, 1, conv);
	db_bind(st, 2, first);
	return db_run(&w->db, DB_PLACE_DELETE);
}

/* The first chunk from seq `from' on.  ERR_NOTFOUND. */
static enum err
first_chunk(struct writer *w, const struct job *job, uint64_t from,
    uint64_t *first, struct pointer p[static CHUNK_POINTERS], size_t *n)
{
	sqlite3_stmt *st = w->db.st[DB_PLACE_FROM];
	enum err err;

	db_bind(st, 1, job->conv);
	db_bind(st, 2, from);
	if ((err = db_row(&w->db, DB_PLACE_FROM)) == OK) {
		*first = (uint64_t)sqlite3_column_int64(st, 0);
		err = chunk_unpack(p, n, job->conv, *first,
		    sqlite3_column_blob(st, 1),
		    (size_t)sqlite3_column_bytes(st, 1));
	}
	db_reset(&w->db, DB_PLACE_FROM);
	return err;
}

/*
 * Takes pointers of the job out of the table, until there are `limit' in
 * dead, which holds CHUNK_POINTERS more.  *done: there are no further ones.
 */
static enum err
take_pointers(struct writer *w, const struct job *job, struct pointer *dead,
    size_t *ndead, size_t limit, bool *done)
{
	struct pointer p[CHUNK_POINTERS];
	uint64_t first = 0, from = 0;
	size_t n, i, kept;
	enum err err;

	*ndead = 0;
	*done = false;
	while (*ndead < limit) {
		err = first_chunk(w, job, from, &first, p, &n);
		if (err == ERR_NOTFOUND || (err == OK && first > job->seq)) {
			*done = true;
			return OK;
		}
		if (err != OK)
			return err;
		if (n == 0)
			return ERR_CORRUPT;
		from = p[n - 1].at.seq + 1;
		for (i = kept = 0; i < n; i++) {
			if (p[i].at.seq <= job->seq && p[i].index <= job->idx)
				dead[(*ndead)++] = p[i];
			else
				p[kept++] = p[i];
		}
		if (kept == n)
			continue;
		if ((err = delete_chunk(w, job->conv, first)) != OK ||
		    (err = put_chunks(w, p, kept)) != OK)
			return err;
	}
	return OK;
}

/* ---- events ----------------------------------------------------------------
 */

/*
 * Writes the image back; an empty one goes, and one that fits behind the one
 * before it is put there, so that what stays behind takes no more room than
 * it needs.
 */
static enum err
put_back(struct writer *w)
{
	struct image *im = &w->image, *prev = &w->other;
	enum err err;

	if (im->used == 0)
		return page_delete(&w->db, im);
	if (im->parts == 1 && im->first > 0) {
		err = page_load(&w->db, im->first - 1, prev);
		if (err != OK && err != ERR_NOTFOUND)
			return err;
		if (err == OK && prev->parts == 1 &&
		    prev->used + im->used <= image_size(prev)) {
			image_join(prev, im);
			if ((err = page_save(&w->db, prev, false)) != OK)
				return err;
			return page_delete(&w->db, im);
		}
	}
	return page_save(&w->db, im, false);
}

static enum err
unplace(struct writer *w, struct stored *ev, uint32_t conv)
{
	sqlite3_stmt *st = w->db.st[DB_ID_DELETE];

	image_unplace(&w->image, ev, conv);
	if (ev->nplaces > 0)
		return OK;
	db_bind(st, 1, ev->key);
	db_bind(st, 2, ev->index);
	return db_run(&w->db, DB_ID_DELETE);
}

static int
index_cmp(const void *a, const void *b)
{
	const struct pointer *x = a, *y = b;

	return x->index < y->index ? -1 : x->index > y->index;
}

static enum err
take_events(struct writer *w, struct pointer *dead, size_t n)
{
	struct stored ev;
	enum err err = OK;
	bool open = false;
	size_t i;

	if (n > 1)
		qsort(dead, n, sizeof(*dead), index_cmp);
	for (i = 0; i < n; i++) {
		if (open) {
			err = image_find(&w->image, dead[i].index, &ev);
			if (err == ERR_NOTFOUND) {
				open = false;
				if ((err = put_back(w)) != OK)
					return err;
			}
		}
		if (!open) {
			err = page_load(&w->db, dead[i].index, &w->image);
			if (err == OK)
				err = image_find(&w->image, dead[i].index, &ev);
			if (err == ERR_NOTFOUND)
				continue; /* was not there already */
			open = true;
		}
		if (err != OK || (err = unplace(w, &ev, dead[i].at.conv)) != OK)
			return err;
	}
	return open ? put_back(w) : OK;
}

/* ---- jobs ------------------------------------------------------------------
 */

static enum err
first_job(struct writer *w, struct job *job)
{
	sqlite3_stmt *st = w->db.st[DB_EXPIRE_FIRST];
	enum err err;

	if ((err = db_row(&w->db, DB_EXPIRE_FIRST)) == OK) {
		job->conv = (uint32_t)sqlite3_column_int64(st, 0);
		job->idx = (uint64_t)sqlite3_column_int64(st, 1);
		job->seq = (uint64_t)sqlite3_column_int64(st, 2);
	}
	db_reset(&w->db, DB_EXPIRE_FIRST);
	return err;
}

enum err
expire_reload(struct writer *w)
{
	struct job job;
	enum err err = first_job(w, &job);

	w->expiring = err == OK;
	writer_removing(w);
	if (err == OK)
		w->expire_idx = job.idx;
	return err == ERR_NOTFOUND ? OK : err;
}

static enum err
expire_part(struct writer *w, const struct job *job, struct pointer *dead)
{
	size_t n;
	bool done;
	enum err err;

	err = take_pointers(w, job, dead, &n, w->sh->limits.expire_pointers,
	    &done);
	if (err != OK || (err = take_events(w, dead, n)) != OK || !done)
		return err;
	db_bind(w->db.st[DB_EXPIRE_DELETE], 1, job->conv);
	db_bind(w->db.st[DB_EXPIRE_DELETE], 2, job->idx);
	return db_run(&w->db, DB_EXPIRE_DELETE);
}

enum err
expire_step(struct writer *w)
{
	struct pointer *dead;
	struct job job;
	enum err err;

	err = first_job(w, &job);
	if (err != OK || job.idx > w->merged)
		return expire_reload(w);
	dead = calloc(w->sh->limits.expire_pointers + CHUNK_POINTERS,
	    sizeof(*dead));
	if (dead == NULL)
		return ERR_NOMEM;
	if ((err = db_exec(&w->db, "PRAGMA secure_delete = ON")) == OK &&
	    (err = db_run(&w->db, DB_BEGIN_WRITE)) == OK &&
	    (err = expire_part(w, &job, dead)) == OK)
		err = db_run(&w->db, DB_COMMIT);
	free(dead);
	if (db_exec(&w->db, "PRAGMA secure_delete = FAST") != OK || err != OK)
		return err;
	writer_erased(w);
	return expire_reload(w);
}
