/*
 * verify: reads a whole database through.
 *
 * SQLite checks its own structure; every row of ours has a sum; every event
 * is hashed again; and what the events say of their places must be what the
 * tables place and event_id say, which is compared by sums over both, so that
 * the largest database takes one pass and no memory.
 */
#include <string.h>

#include "node/storage/pack.h"
#include "node/storage/page.h"
#include "node/storage/pointer.h"
#include "node/storage/schema.h"
#include "node/storage/staged.h"
#include "node/storage/storage.h"

#define PROBLEMS_MAX 20

struct verify {
	struct db db;
	struct bytes *report;
	unsigned problems;
	uint64_t applied, merged;
	uint64_t events, erased, pointers, records;
	/* order-independent sums: as the events say, as the tables say */
	uint64_t places_said, places_found, ids_said, ids_found;
};

static void
problem(struct verify *v, const char *what, uint64_t where)
{
	if (v->problems++ < PROBLEMS_MAX)
		bytes_addf(v->report, "%s at %llu\n", what,
		    (unsigned long long)where);
}

static uint64_t
place_sum(uint64_t idx, const struct place *at)
{
	return sum_add(
	    sum_add(sum_add(sum_add(sum_add(1, idx), at->conv), at->seq),
		at->epoch),
	    at->ord);
}

static uint64_t
id_sum(uint64_t key, uint64_t idx)
{
	return sum_add(sum_add(2, key), idx);
}

/* A statement that ended early is damage, but not an error of ours. */
static enum err
ended(struct verify *v, enum db_statement which, const char *what, enum err err)
{
	db_reset(&v->db, which);
	if (err == ERR_CORRUPT)
		problem(v, what, 0);
	return err == ERR_NOTFOUND || err == ERR_CORRUPT ? OK : err;
}

static enum err
check_structure(struct verify *v)
{
	sqlite3_stmt *st;
	const char *text;
	enum err err;

	err = db_err(sqlite3_prepare_v2(v->db.sql, "PRAGMA integrity_check(20)",
	    -1, &st, NULL));
	while (err == OK && (err = db_err(sqlite3_step(st))) == OK) {
		text = (const char *)sqlite3_column_text(st, 0);
		if (text == NULL || strcmp(text, "ok") == 0)
			break;
		bytes_addf(v->report, "SQLite: %s\n", text);
		v->problems++;
	}
	(void)sqlite3_finalize(st);
	if (err == ERR_CORRUPT)
		problem(v, "SQLite cannot read it", 0);
	return err == ERR_CORRUPT ? OK : err;
}

static void
check_event(struct verify *v, const struct stored *ev, uint64_t *last)
{
	struct event *event;
	uint32_t i;

	if (ev->index <= *last || ev->index > v->applied)
		problem(v, "an event out of order", ev->index);
	*last = ev->index;
	v->events++;
	v->erased += ev->erased;
	if (event_decode(&event, ev->header, ev->salt, ev->body) != OK) {
		problem(v, "a damaged event", ev->index);
		return;
	}
	if (image_key(&event->id) != ev->key)
		problem(v, "an event under another id", ev->index);
	event_unref(event);
	if (ev->index > v->merged)
		return;
	for (i = 0; i < ev->nplaces; i++)
		v->places_said += place_sum(ev->index, &ev->places[i]);
	v->ids_said += id_sum(ev->key, ev->index);
}

static enum err
check_pages(struct verify *v)
{
	struct image im;
	struct stored ev;
	uint64_t last = 0;
	size_t at;
	bool end = false;
	enum err err;

	image_init(&im);
	db_bind(v->db.st[DB_PAGE_FROM], 1, 0);
	err = db_row(&v->db, DB_PAGE_FROM);
	while (err == OK && !end) {
		if ((err = page_walk(&v->db, &im, &end)) != OK)
			break;
		if (im.first <= last && last > 0)
			problem(v, "rows of pages that overlap", im.first);
		for (at = 0; (err = image_next(&im, &at, &ev)) == OK;) {
			if (ev.index < im.first)
				problem(v, "an event in a wrong row", ev.index);
			check_event(v, &ev, &last);
		}
		if (err == ERR_NOTFOUND)
			err = OK;
	}
	image_fini(&im);
	return ended(v, DB_PAGE_FROM, "a damaged row of page", err);
}

static enum err
check_places(struct verify *v)
{
	sqlite3_stmt *st = v->db.st[DB_PLACE_ALL];
	struct pointer p[CHUNK_POINTERS], last = { .index = 0 };
	size_t n, i;
	enum err err;

	while ((err = db_row(&v->db, DB_PLACE_ALL)) == OK) {
		err = chunk_unpack(p, &n, (uint32_t)sqlite3_column_int64(st, 0),
		    (uint64_t)sqlite3_column_int64(st, 1),
		    sqlite3_column_blob(st, 2),
		    (size_t)sqlite3_column_bytes(st, 2));
		if (err != OK)
			break;
		for (i = 0; i < n; last = p[i++]) {
			if (pointer_cmp(&last, &p[i]) >= 0)
				problem(v, "a position out of order",
				    p[i].at.seq);
			v->pointers++;
			/* Shard logs may point at what has expired; what is
			 * not merged may be there in part. */
			if (p[i].at.conv < POINTER_SHARD &&
			    p[i].index <= v->merged)
				v->places_found +=
				    place_sum(p[i].index, &p[i].at);
		}
	}
	return ended(v, DB_PLACE_ALL, "a damaged row of place", err);
}

static enum err
check_ids(struct verify *v)
{
	sqlite3_stmt *st = v->db.st[DB_ID_ALL];
	uint64_t idx;
	enum err err;

	while ((err = db_row(&v->db, DB_ID_ALL)) == OK) {
		idx = (uint64_t)sqlite3_column_int64(st, 1);
		if (idx <= v->merged)
			v->ids_found +=
			    id_sum((uint64_t)sqlite3_column_int64(st, 0), idx);
	}
	return ended(v, DB_ID_ALL, "a damaged row of event_id", err);
}

static enum err
check_records(struct verify *v)
{
	struct storage_put put;
	struct fold f;
	enum err err;

	while ((err = db_row(&v->db, DB_RECORD_ALL)) == OK &&
	       (err = record_read(&v->db, &put)) == OK)
		v->records++;
	if ((err = ended(v, DB_RECORD_ALL, "a damaged record", err)) != OK)
		return err;
	err = fold_load(&f, &v->db);
	if (err == OK)
		fold_free(&f);
	return ended(v, DB_STAGED_ALL, "a damaged row of staged", err);
}

static enum err
check_marks(struct verify *v)
{
	enum err err;

	err = db_meta_get(&v->db, "applied", &v->applied);
	if (err == OK)
		err = db_meta_get(&v->db, "merged", &v->merged);
	if (v->merged > v->applied)
		problem(v, "merged beyond applied", v->merged);
	return ended(v, DB_META_GET, "a damaged mark", err);
}

/* Whether it is ours, and of a version whose tables we know. */
static enum err
check_kind(struct verify *v)
{
	int64_t application, version;
	enum err err;

	if ((err = db_number(&v->db, "PRAGMA application_id", &application)) !=
		OK ||
	    (err = db_number(&v->db, "PRAGMA user_version", &version)) != OK)
		return err;
	if (application != SCHEMA_APPLICATION || version <= 0) {
		bytes_addf(v->report, "not a history of kith\n");
		return ERR_CORRUPT;
	}
	if (version == (int64_t)schema_version)
		return OK;
	bytes_addf(v->report, "schema %lld, this program knows %u\n",
	    (long long)version, schema_version);
	return ERR_UNSUPPORTED;
}

static enum err
verify(struct verify *v, const char *path)
{
	enum err err;

	if ((err = db_open(&v->db, path, DB_INSPECT)) != OK ||
	    (err = check_kind(v)) != OK || (err = check_structure(v)) != OK ||
	    (err = db_prepare(&v->db)) != OK || (err = check_marks(v)) != OK ||
	    (err = check_pages(v)) != OK || (err = check_places(v)) != OK ||
	    (err = check_ids(v)) != OK || (err = check_records(v)) != OK)
		return err;
	if (v->places_said != v->places_found)
		problem(v, "events and positions differ, applied", v->applied);
	if (v->ids_said != v->ids_found)
		problem(v, "events and ids differ, applied", v->applied);
	if (v->problems > PROBLEMS_MAX)
		bytes_addf(v->report, "and more, %u in all\n", v->problems);
	if (v->problems > 0)
		return ERR_CORRUPT;
	bytes_addf(v->report,
	    "good: applied %llu, events %llu (erased %llu), positions %llu,"
	    " records %llu\n",
	    (unsigned long long)v->applied, (unsigned long long)v->events,
	    (unsigned long long)v->erased, (unsigned long long)v->pointers,
	    (unsigned long long)v->records);
	return OK;
}

enum err
storage_verify(const char *path, struct bytes *report)
{
	struct verify v;
	enum err err;

	memset(&v, 0, sizeof(v));
	v.report = report;
	err = verify(&v, path);
	if (err != OK && v.problems == 0)
		bytes_addf(report, "%s: %s\n", err_text(err), db_text(&v.db));
	db_close(&v.db);
	return err;
}
