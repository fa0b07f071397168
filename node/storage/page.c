/*
 * page: see page.h.
 */
#include <assert.h>

#include "node/storage/pack.h"
#include "node/storage/page.h"

/* Copies the row of st into its part of im; col is data. */
static enum err
page_part(struct image *im, unsigned part, sqlite3_stmt *st, int col)
{
	uint64_t n = im->first * IMAGE_PARTS + part;
	const uint8_t *p = sqlite3_column_blob(st, col);

	if (p == NULL || sqlite3_column_bytes(st, col) != IMAGE_ROW ||
	    sum_load(p) != sum_bytes(n, p + 8, IMAGE_ROOM))
		return ERR_CORRUPT;
	memcpy(im->p + part * (size_t)IMAGE_ROOM, p + 8, IMAGE_ROOM);
	return OK;
}

enum err
page_load(struct db *db, uint64_t idx, struct image *im)
{
	sqlite3_stmt *at = db->st[DB_PAGE_AT], *get = db->st[DB_PAGE_GET];
	uint64_t n;
	unsigned part, parts;
	enum err err;

	db_bind(at, 1, idx * IMAGE_PARTS + IMAGE_PARTS - 1);
	if ((err = db_row(db, DB_PAGE_AT)) != OK)
		goto out;
	n = (uint64_t)sqlite3_column_int64(at, 0);
	parts = (unsigned)(n % IMAGE_PARTS) + 1;
	if ((err = image_reset(im, n / IMAGE_PARTS, parts)) != OK ||
	    (err = page_part(im, parts - 1, at, 1)) != OK)
		goto out;
	for (part = 0; part + 1 < parts; part++) {
		db_bind(get, 1, im->first * IMAGE_PARTS + part);
		if ((err = db_row(db, DB_PAGE_GET)) == ERR_NOTFOUND)
			err = ERR_CORRUPT;
		if (err == OK)
			err = page_part(im, part, get, 0);
		db_reset(db, DB_PAGE_GET);
		if (err != OK)
			goto out;
	}
	err = image_measure(im);
out:
	db_reset(db, DB_PAGE_AT);
	return err;
}

enum err
page_save(struct db *db, const struct image *im, bool fresh)
{
	enum db_statement which = fresh ? DB_PAGE_NEW : DB_PAGE_SET;
	uint8_t row[IMAGE_ROW];
	const uint8_t *p = im->p;
	uint64_t n = im->first * IMAGE_PARTS;
	unsigned part;
	enum err err;

	for (part = 0; part < im->parts; part++, n++, p += IMAGE_ROOM) {
		sum_store(row, sum_bytes(n, p, IMAGE_ROOM));
		memcpy(row + 8, p, IMAGE_ROOM);
		db_bind(db->st[which], 1, n);
		db_bind_blob(db->st[which], 2, row, sizeof(row));
		if ((err = db_run(db, which)) != OK)
			return err;
	}
	return OK;
}

enum err
page_delete(struct db *db, const struct image *im)
{
	unsigned part;
	enum err err;

	for (part = 0; part < im->parts; part++) {
		db_bind(db->st[DB_PAGE_DELETE], 1,
		    im->first * IMAGE_PARTS + part);
		if ((err = db_run(db, DB_PAGE_DELETE)) != OK)
			return err;
	}
	return OK;
}

enum err
page_walk(struct db *db, struct image *im, bool *end)
{
	sqlite3_stmt *st = db->st[DB_PAGE_FROM];
	uint64_t n = (uint64_t)sqlite3_column_int64(st, 0);
	enum err err;

	if (n % IMAGE_PARTS != 0)
		return ERR_CORRUPT;
	if ((err = image_reset(im, n / IMAGE_PARTS, 1)) != OK)
		return err;
	for (;;) {
		if ((err = page_part(im, im->parts - 1, st, 1)) != OK)
			return err;
		if ((err = db_row(db, DB_PAGE_FROM)) != OK ||
		    (uint64_t)sqlite3_column_int64(st, 0) != n + im->parts)
			break;
		if ((err = image_extend(im)) != OK)
			return err;
	}
	*end = err == ERR_NOTFOUND;
	return err == OK || *end ? image_measure(im) : err;
}
