/*
 * staged: see staged.h.
 */
#include <assert.h>
#include <stdlib.h>

#include "crypto/shorthash.h"
#include "node/storage/pack.h"
#include "node/storage/staged.h"

void
staged_begin(struct bytes *b)
{
	static const char sum[STAGED_EMPTY];

	bytes_reset(b);
	bytes_add(b, sum, sizeof(sum));
}

static void
add_number(struct bytes *b, uint64_t v)
{
	uint8_t buf[PACK_MAX];

	bytes_add(b, buf, (size_t)(pack_u64(buf, v) - buf));
}

void
staged_add(struct bytes *b, const struct storage_put *put)
{
	add_number(b, put->kind);
	add_number(b, put->key.n);
	bytes_add_str(b, put->key);
	add_number(b, put->value.p == NULL ? 0 : put->value.n + 1);
	if (put->value.p != NULL)
		bytes_add_str(b, put->value);
}

enum err
staged_flush(struct db *db, struct bytes *b)
{
	enum err err = OK;

	if (b->failed)
		return ERR_NOMEM;
	if (b->n > STAGED_EMPTY) {
		sum_store((uint8_t *)b->p, sum_bytes(0, b->p + 8, b->n - 8));
		db_bind_blob(db->st[DB_STAGED_PUT], 1, b->p, b->n);
		err = db_run(db, DB_STAGED_PUT);
	}
	staged_begin(b);
	return err;
}

int
fold_cmp(uint32_t kind_a, struct str key_a, uint32_t kind_b, struct str key_b)
{
	size_t n = key_a.n < key_b.n ? key_a.n : key_b.n;
	int c;

	if (kind_a != kind_b)
		return kind_a < kind_b ? -1 : 1;
	if (n > 0 && (c = memcmp(key_a.p, key_b.p, n)) != 0)
		return c;
	return key_a.n < key_b.n ? -1 : key_a.n > key_b.n;
}

static int
folded_cmp(const void *a, const void *b)
{
	const struct folded *x = a, *y = b;

	return fold_cmp(x->put.kind, x->put.key, y->put.kind, y->put.key);
}

static uint32_t *
fold_slot(const struct fold *f, uint32_t kind, struct str key)
{
	size_t i = (size_t)shorthash(key.p, key.n) + kind;
	const struct storage_put *put;

	for (;; i++) {
		i &= f->nslots - 1;
		if (f->slots[i] == 0)
			return &f->slots[i];
		put = &f->rec[f->slots[i] - 1].put;
		if (fold_cmp(put->kind, put->key, kind, key) == 0)
			return &f->slots[i];
	}
}

static enum err
fold_index(struct fold *f, size_t nslots)
{
	uint32_t *slots;
	size_t i;

	if ((slots = calloc(nslots, sizeof(*slots))) == NULL)
		return ERR_NOMEM;
	free(f->slots);
	f->slots = slots;
	f->nslots = nslots;
	for (i = 0; i < f->n; i++)
		*fold_slot(f, f->rec[i].put.kind, f->rec[i].put.key) =
		    (uint32_t)i + 1;
	return OK;
}

/* Room for one more record and its slot. */
static enum err
fold_room(struct fold *f)
{
	size_t cap = f->cap > 0 ? 2 * f->cap : 512;
	struct folded *rec;

	if (f->n < f->cap)
		return OK;
	if ((rec = realloc(f->rec, cap * sizeof(*rec))) == NULL)
		return ERR_NOMEM;
	f->rec = rec;
	if (fold_index(f, 4 * cap) != OK)
		return ERR_NOMEM;
	f->cap = cap;
	return OK;
}

/* Key and value into r's memory, with some room for the value to grow. */
static enum err
folded_set(struct fold *f, struct folded *r, const struct storage_put *put)
{
	size_t need = put->key.n + put->value.n + 1;
	char *mem;

	if (need > r->cap) {
		need += need / 8;
		if ((mem = malloc(need)) == NULL)
			return ERR_NOMEM;
		if (put->key.n > 0)
			memcpy(mem, put->key.p, put->key.n);
		free(r->mem);
		f->bytes += need - r->cap;
		r->mem = mem;
		r->cap = need;
	}
	r->put.kind = put->kind;
	r->put.key = (struct str){ r->mem, put->key.n };
	r->put.value = STR_NONE;
	if (put->value.p != NULL) {
		assert(r->mem != NULL);
		if (put->value.n > 0)
			memcpy(r->mem + put->key.n, put->value.p, put->value.n);
		r->put.value =
		    (struct str){ r->mem + put->key.n, put->value.n };
	}
	return OK;
}

enum err
fold_put(struct fold *f, const struct storage_put *put)
{
	uint32_t *slot;
	enum err err;

	if ((err = fold_room(f)) != OK)
		return err;
	slot = fold_slot(f, put->kind, put->key);
	if (*slot != 0)
		return folded_set(f, &f->rec[*slot - 1], put);
	f->rec[f->n].mem = NULL;
	f->rec[f->n].cap = 0;
	if ((err = folded_set(f, &f->rec[f->n], put)) == OK)
		*slot = (uint32_t)++f->n;
	return err;
}

enum err
fold_sort(struct fold *f)
{
	if (f->n < 2)
		return OK;
	qsort(f->rec, f->n, sizeof(f->rec[0]), folded_cmp);
	return fold_index(f, f->nslots);
}

static struct str
view(struct unpack *u, uint64_t n)
{
	const uint8_t *p = unpack_bytes(u, n);

	return (struct str){ (const char *)p, p != NULL ? (size_t)n : 0 };
}

static enum err
fold_row(struct fold *f, const uint8_t *row, size_t n)
{
	struct unpack u;
	struct storage_put put;
	uint64_t len;
	enum err err;

	if (row == NULL || n < STAGED_EMPTY ||
	    sum_load(row) != sum_bytes(0, row + 8, n - 8))
		return ERR_CORRUPT;
	u = (struct unpack){ row + 8, row + n, false };
	while (u.p != u.end) {
		put.kind = unpack_u32(&u);
		put.key = view(&u, unpack_u64(&u));
		put.value = STR_NONE;
		if ((len = unpack_u64(&u)) > 0)
			put.value = view(&u, len - 1);
		if (u.bad)
			return ERR_CORRUPT;
		if ((err = fold_put(f, &put)) != OK)
			return err;
	}
	return OK;
}

enum err
fold_load(struct fold *f, struct db *db)
{
	sqlite3_stmt *st = db->st[DB_STAGED_ALL];
	enum err err;

	memset(f, 0, sizeof(*f));
	while ((err = db_row(db, DB_STAGED_ALL)) == OK)
		if ((err = fold_row(f, sqlite3_column_blob(st, 0),
			 (size_t)sqlite3_column_bytes(st, 0))) != OK)
			break;
	db_reset(db, DB_STAGED_ALL);
	if (err == ERR_NOTFOUND)
		return OK;
	fold_free(f);
	return err;
}

void
fold_free(struct fold *f)
{
	size_t i;

	for (i = 0; i < f->n; i++)
		free(f->rec[i].mem);
	free(f->rec);
	free(f->slots);
	memset(f, 0, sizeof(*f));
}

uint64_t
record_sum(uint32_t kind, struct str key, struct str value)
{
	return sum_bytes(sum_bytes(kind, key.p, key.n), value.p, value.n);
}

static struct str
column_str(sqlite3_stmt *st, int col)
{
	const char *p = sqlite3_column_blob(st, col);

	return (struct str){ p != NULL ? p : "",
		(size_t)sqlite3_column_bytes(st, col) };
}

enum err
record_read(struct db *db, struct storage_put *put)
{
	sqlite3_stmt *st = db->st[DB_RECORD_ALL];

	put->kind = (uint32_t)sqlite3_column_int64(st, 0);
	put->key = column_str(st, 1);
	put->value = column_str(st, 2);
	if ((uint64_t)sqlite3_column_int64(st, 3) !=
	    record_sum(put->kind, put->key, put->value))
		return ERR_CORRUPT;
	return OK;
}
