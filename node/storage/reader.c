/*
 * reader: see reader.h.
 */
#include <stdlib.h>

#include "base/logger.h"
#include "node/storage/page.h"
#include "node/storage/reader.h"

#define BOX           "storage"
#define TIME_POINTERS 65536 /* of one conversation that one read looks at */

static bool
in_convs(const struct storage_read *r, uint32_t conv)
{
	size_t i;

	for (i = 0; i < r->nconvs; i++)
		if (r->convs[i] == conv)
			return true;
	return false;
}

/* Takes the reference to event (or NULL: only the place). */
static enum err
give(struct storage_read *r, uint64_t idx, struct event *event,
    const struct place *place)
{
	enum err err;

	err = entry_stored(&r->entries[r->nentries], idx, event, place);
	event_unref(event);
	if (err == OK)
		r->nentries++;
	return err;
}

static enum err
make_room(struct storage_read *r, size_t n)
{
	r->entries = calloc(n > 0 ? n : 1, sizeof(*r->entries));
	return r->entries != NULL ? OK : ERR_NOMEM;
}

/*
 * The event that p points at.  ERR_NOTFOUND when it is not there or has no
 * such place (any more): the tail may still know what an expiry, already in
 * the snapshot, has taken out.
 */
static enum err
load(struct reader *rd, const struct pointer *p, struct event **out)
{
	struct stored ev;
	enum err err = ERR_NOTFOUND;
	uint32_t i;

	if (rd->image_good && rd->image.first <= p->index)
		err = image_find(&rd->image, p->index, &ev);
	if (err == ERR_NOTFOUND) {
		err = page_load(&rd->db, p->index, &rd->image);
		rd->image_good = err == OK;
		if (err != OK)
			return err;
		err = image_find(&rd->image, p->index, &ev);
	}
	if (err != OK)
		return err;
	for (i = 0; i < ev.nplaces; i++)
		if (ev.places[i].conv == p->at.conv)
			break;
	if (i == ev.nplaces)
		return ERR_NOTFOUND;
	err = event_decode(out, ev.header, ev.salt, ev.body);
	return err == ERR_MALFORMED || err == ERR_SIGNATURE ? ERR_CORRUPT : err;
}

static enum err
read_found(struct reader *rd, struct storage_read *r)
{
	const struct found *f = &rd->found;
	struct event *event;
	enum err err;
	size_t i;

	if ((err = make_room(r, f->n)) != OK)
		return err;
	for (i = 0; i < f->n; i++) {
		err = load(rd, &f->p[i], &event);
		if (err == OK)
			err = give(r, f->p[i].index, event, &f->p[i].at);
		if (err != OK && err != ERR_NOTFOUND)
			return err;
	}
	return OK;
}

static enum err
read_page(struct reader *rd, struct tail *t, struct storage_read *r)
{
	bool before = r->type == STORAGE_BEFORE;
	struct found *f = &rd->found;
	size_t limit = r->limit, i;
	enum err err;

	if (limit > STORAGE_READ_MAX)
		limit = STORAGE_READ_MAX;
	/* One more than asked for tells whether there are further ones. */
	for (i = 0; i < r->nconvs; i++) {
		err = before ? lookup_before(f, &rd->db, t, r->convs[i], r->seq,
				   limit + 1)
			     : lookup_after(f, &rd->db, t, r->convs[i], r->seq,
				   limit + 1);
		if (err != OK)
			return err;
		if (i + 1 == r->nconvs || f->n > 8 * (limit + 1))
			(before ? found_last : found_first)(f, limit + 1);
	}
	r->more = f->n > limit;
	(before ? found_last : found_first)(f, limit);
	return read_found(rd, r);
}

static enum err
read_event(struct reader *rd, struct tail *t, struct storage_read *r)
{
	struct stored ev;
	struct event *event;
	enum err err;
	uint32_t i;

	rd->image_good = false;
	if ((err = make_room(r, 1)) != OK ||
	    (err = lookup_event(&rd->db, t, NULL, &r->id, &rd->image, &ev,
		 &event)) != OK)
		return err;
	for (i = 0; i < ev.nplaces; i++)
		if (r->nconvs == 0 || in_convs(r, ev.places[i].conv))
			return give(r, ev.index, event, &ev.places[i]);
	event_unref(event);
	return ERR_NOTFOUND;
}

/*
 * The events older than time_ms are those up to one index.  A conversation's
 * pointers are looked at from its start, where those that are to go are, so
 * that the work is not more than that of the expiry that follows.
 */
static enum err
read_time(struct reader *rd, struct tail *t, struct storage_read *r)
{
	struct found *f = &rd->found;
	const struct pointer *old;
	uint64_t idx, after;
	enum err err;
	size_t i, seen, k;

	if ((err = make_room(r, r->nconvs)) != OK ||
	    (err = lookup_time(&rd->db, t, r->time_ms, &idx)) != OK)
		return err;
	for (i = 0; i < r->nconvs; i++) {
		struct pointer last = { .index = 0 };

		for (after = seen = 0; seen < TIME_POINTERS;) {
			f->n = 0;
			err = lookup_after(f, &rd->db, t, r->convs[i], after,
			    STORAGE_READ_MAX);
			if (err != OK)
				return err;
			found_first(f, STORAGE_READ_MAX);
			old = NULL;
			for (k = 0; k < f->n && f->p[k].index <= idx; k++)
				old = &f->p[k];
			if (old != NULL)
				last = *old;
			if (k < STORAGE_READ_MAX)
				break;
			after = last.at.seq;
			seen += k;
		}
		if (last.index != 0 &&
		    (err = give(r, last.index, NULL, &last.at)) != OK)
			return err;
	}
	return OK;
}

static enum err
read_one(struct reader *rd, struct storage_read *r)
{
	struct tail *t;
	enum err err;

	if (rd->db.sql == NULL &&
	    ((err = db_open(&rd->db, rd->sh->path, DB_READER)) != OK ||
		(err = db_prepare(&rd->db)) != OK)) {
		db_close(&rd->db);
		return err;
	}
	t = shared_tail(rd->sh); /* before the snapshot: lookup.h */
	rd->found.n = 0;
	rd->image_good = false;
	if ((err = db_run(&rd->db, DB_BEGIN)) == OK) {
		switch (r->type) {
		case STORAGE_BEFORE:
		case STORAGE_AFTER:
			err = read_page(rd, t, r);
			break;
		case STORAGE_EVENT:
			err = read_event(rd, t, r);
			break;
		case STORAGE_TIME:
			err = read_time(rd, t, r);
			break;
		}
	}
	db_rollback(&rd->db);
	tail_unref(t);
	return err;
}

/* Nothing half: on an error the result is empty. */
static void
drop_result(struct storage_read *r)
{
	while (r->nentries > 0)
		entry_unref(r->entries[--r->nentries]);
	r->more = false;
}

static struct storage_read *
next_read(struct shared *sh)
{
	struct channel_item *it;

	(void)pthread_mutex_lock(&sh->lock);
	while (sh->reads.head == NULL && !sh->stopping)
		(void)pthread_cond_wait(&sh->reads_wait, &sh->lock);
	if ((it = sh->reads.head) != NULL) {
		if ((sh->reads.head = it->next) == NULL)
			sh->reads.tail = NULL;
		sh->reads.count--;
	}
	(void)pthread_mutex_unlock(&sh->lock);
	return (struct storage_read *)(void *)it;
}

void *
reader_thread(void *arg)
{
	struct reader *rd = arg;
	struct shared *sh = rd->sh;
	struct storage_read *r;

	image_init(&rd->image);
	while ((r = next_read(sh)) != NULL) {
		r->err = read_one(rd, r);
		if (r->err != OK)
			drop_result(r);
		if (r->err != OK && r->err != ERR_NOTFOUND) {
			log_warning(BOX, "read failed err=%s text=%s",
			    err_code(r->err), db_text(&rd->db));
			db_close(&rd->db); /* and again with the next read */
		}
		atomic_fetch_add(&sh->reads_done, 1);
		atomic_fetch_sub(&sh->pending_reads, 1);
		channel_push_reserved(sh->done_reads, &r->link);
	}
	db_close(&rd->db);
	image_fini(&rd->image);
	found_free(&rd->found);
	return NULL;
}
