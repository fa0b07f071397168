/*
 * lookup: see lookup.h.
 */
#include <stdlib.h>
#include <string.h>

#include "node/storage/lookup.h"
#include "node/storage/page.h"

/* ---- by id --------------------------------------------------------------- */

/* Is the event idx the one with this id?  Keys are only half of an id. */
static enum err
try_index(struct db *db, uint64_t idx, const struct event_id *id,
    struct image *im, struct stored *ev, struct event **out)
{
	struct event *event;
	enum err err;

	if ((err = page_load(db, idx, im)) != OK ||
	    (err = image_find(im, idx, ev)) != OK)
		return err;
	err = event_decode(&event, ev->header, ev->salt, ev->body);
	if (err == ERR_MALFORMED || err == ERR_SIGNATURE)
		return ERR_CORRUPT;
	if (err != OK)
		return err;
	if (!event_id_eq(&event->id, id)) {
		event_unref(event);
		return ERR_NOTFOUND;
	}
	if (out != NULL)
		*out = event;
	else
		event_unref(event);
	return OK;
}

/* The first of r's keys that is not below key. */
static size_t
key_seek(const struct run *r, uint64_t key)
{
	size_t lo = 0, hi = r->nkeys, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (r->keys[mid].key < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static enum err
try_run(struct db *db, const struct run *r, const struct event_id *id,
    struct image *im, struct stored *ev, struct event **out)
{
	uint64_t key = image_key(id);
	enum err err = ERR_NOTFOUND;
	size_t i;

	for (i = key_seek(r, key);
	     err == ERR_NOTFOUND && i < r->nkeys && r->keys[i].key == key; i++)
		err = try_index(db, r->keys[i].index, id, im, ev, out);
	return err;
}

enum err
lookup_event(struct db *db, const struct tail *t, const struct run *newest,
    const struct event_id *id, struct image *im, struct stored *ev,
    struct event **out)
{
	enum err err = ERR_NOTFOUND;
	uint64_t idx;
	unsigned i;

	if (newest != NULL)
		err = try_run(db, newest, id, im, ev, out);
	for (i = t->nruns; err == ERR_NOTFOUND && i-- > 0;)
		err = try_run(db, t->runs[i], id, im, ev, out);
	if (err != ERR_NOTFOUND)
		return err;
	db_bind(db->st[DB_ID_GET], 1, image_key(id));
	while ((err = db_row(db, DB_ID_GET)) == OK) {
		idx = (uint64_t)sqlite3_column_int64(db->st[DB_ID_GET], 0);
		if ((err = try_index(db, idx, id, im, ev, out)) != ERR_NOTFOUND)
			break;
	}
	db_reset(db, DB_ID_GET);
	return err;
}

/*
 * The event with the greatest id, not the last one that is older: an event
 * made while the clock stood in the past must not make all that came before
 * it look old.
 */
enum err
lookup_time(struct db *db, const struct tail *t, uint64_t time_ms,
    uint64_t *idx)
{
	sqlite3_stmt *st = db->st[DB_ID_BELOW];
	struct event_key best = { 0, 0 };
	uint64_t key = time_ms < UINT64_C(1) << 47 ? time_ms << 16 : INT64_MAX;
	const struct run *r;
	enum err err;
	size_t at;
	unsigned i;

	for (i = 0; i < t->nruns; i++) {
		r = t->runs[i];
		if ((at = key_seek(r, key)) > 0 &&
		    r->keys[at - 1].key >= best.key)
			best = r->keys[at - 1];
	}
	db_bind(st, 1, key);
	err = db_row(db, DB_ID_BELOW);
	if (err == OK && (uint64_t)sqlite3_column_int64(st, 0) > best.key)
		best.index = (uint64_t)sqlite3_column_int64(st, 1);
	db_reset(db, DB_ID_BELOW);
	*idx = best.index;
	return err == ERR_NOTFOUND ? OK : err;
}

/* ---- by position ----------------------------------------------------------
 */

void
found_free(struct found *f)
{
	free(f->p);
	memset(f, 0, sizeof(*f));
}

static enum err
found_room(struct found *f, size_t n)
{
	struct pointer *p;
	size_t cap = 2 * f->cap > f->n + n ? 2 * f->cap : f->n + n;

	if (f->n + n <= f->cap)
		return OK;
	if ((p = realloc(f->p, cap * sizeof(*p))) == NULL)
		return ERR_NOMEM;
	f->p = p;
	f->cap = cap;
	return OK;
}

static int
seq_cmp(const void *a, const void *b)
{
	const struct pointer *x = a, *y = b;

	if (x->at.seq != y->at.seq)
		return x->at.seq < y->at.seq ? -1 : 1;
	return x->at.conv < y->at.conv ? -1 : x->at.conv > y->at.conv;
}

static void
found_sort(struct found *f)
{
	size_t i, n = 0;

	if (f->n > 1)
		qsort(f->p, f->n, sizeof(f->p[0]), seq_cmp);
	for (i = 0; i < f->n; i++)
		if (n == 0 || f->p[n - 1].at.seq != f->p[i].at.seq ||
		    f->p[n - 1].at.conv != f->p[i].at.conv)
			f->p[n++] = f->p[i];
	f->n = n;
}

void
found_first(struct found *f, size_t limit)
{
	found_sort(f);
	if (f->n > limit)
		f->n = limit;
}

void
found_last(struct found *f, size_t limit)
{
	found_sort(f);
	if (f->n > limit) {
		memmove(f->p, f->p + (f->n - limit), limit * sizeof(f->p[0]));
		f->n = limit;
	}
}

/* Appends those of the chunk on which the statement stands that are above
 * after and below before; column 0 is the first seq, 1 the data. */
static enum err
found_chunk(struct found *f, sqlite3_stmt *st, uint32_t conv, uint64_t after,
    uint64_t before)
{
	size_t n, i;
	struct pointer chunk[CHUNK_POINTERS];
	enum err err;

	if ((err = chunk_unpack(chunk, &n, conv,
		 (uint64_t)sqlite3_column_int64(st, 0),
		 sqlite3_column_blob(st, 1),
		 (size_t)sqlite3_column_bytes(st, 1))) != OK ||
	    (err = found_room(f, n)) != OK)
		return err;
	for (i = 0; i < n; i++)
		if (chunk[i].at.seq > after && chunk[i].at.seq < before)
			f->p[f->n++] = chunk[i];
	return OK;
}

/* Where the chunk begins in which seq could stand: itself when there is
 * none. */
static enum err
chunk_start(struct db *db, uint32_t conv, uint64_t seq, uint64_t *start)
{
	sqlite3_stmt *st = db->st[DB_PLACE_START];
	enum err err;

	db_bind(st, 1, conv);
	db_bind(st, 2, seq);
	if ((err = db_row(db, DB_PLACE_START)) == OK)
		*start = sqlite3_column_type(st, 0) == SQLITE_NULL
			     ? seq
			     : (uint64_t)sqlite3_column_int64(st, 0);
	db_reset(db, DB_PLACE_START);
	return err;
}

enum err
lookup_after(struct found *f, struct db *db, const struct tail *t,
    uint32_t conv, uint64_t seq, size_t limit)
{
	sqlite3_stmt *st = db->st[DB_PLACE_FROM];
	size_t had = f->n, at, n;
	uint64_t start;
	const struct run *r;
	enum err err;
	unsigned i;

	if (seq >= INT64_MAX)
		return OK;
	if ((err = chunk_start(db, conv, seq, &start)) != OK)
		return err;
	db_bind(st, 1, conv);
	db_bind(st, 2, start);
	while (f->n - had < limit && (err = db_row(db, DB_PLACE_FROM)) == OK)
		if ((err = found_chunk(f, st, conv, seq, UINT64_MAX)) != OK)
			break;
	db_reset(db, DB_PLACE_FROM);
	if (err != OK && err != ERR_NOTFOUND)
		return err;
	for (i = 0; i < t->nruns; i++) {
		r = t->runs[i];
		at = run_seek(r, conv, seq + 1);
		for (n = 0; n < limit && at + n < r->npointers &&
			    r->pointers[at + n].at.conv == conv;)
			n++;
		if ((err = found_room(f, n)) != OK)
			return err;
		if (n > 0)
			memcpy(f->p + f->n, r->pointers + at,
			    n * sizeof(f->p[0]));
		f->n += n;
	}
	return OK;
}

enum err
lookup_before(struct found *f, struct db *db, const struct tail *t,
    uint32_t conv, uint64_t seq, size_t limit)
{
	sqlite3_stmt *st = db->st[DB_PLACE_BEFORE];
	size_t had = f->n, at, n;
	const struct run *r;
	enum err err = OK;
	unsigned i;

	if (seq > INT64_MAX)
		seq = INT64_MAX;
	db_bind(st, 1, conv);
	db_bind(st, 2, seq);
	while (f->n - had < limit && (err = db_row(db, DB_PLACE_BEFORE)) == OK)
		if ((err = found_chunk(f, st, conv, 0, seq)) != OK)
			break;
	db_reset(db, DB_PLACE_BEFORE);
	if (err != OK && err != ERR_NOTFOUND)
		return err;
	for (i = 0; i < t->nruns; i++) {
		r = t->runs[i];
		at = run_seek(r, conv, seq);
		for (n = 0; n < limit && n < at &&
			    r->pointers[at - n - 1].at.conv == conv;)
			n++;
		if ((err = found_room(f, n)) != OK)
			return err;
		if (n > 0)
			memcpy(f->p + f->n, r->pointers + (at - n),
			    n * sizeof(f->p[0]));
		f->n += n;
	}
	return OK;
}
