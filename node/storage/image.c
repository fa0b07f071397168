/*
 * image: see image.h.
 */
#include <assert.h>
#include <stdlib.h>

#include "node/storage/image.h"
#include "node/storage/pack.h"

#define FLAG_ERASED 1

_Static_assert(IMAGE_PARTS *(size_t)IMAGE_ROOM > ENTRY_MAX + 1024,
    "the largest entry fits");

uint64_t
image_key(const struct event_id *id)
{
	uint64_t k;

	memcpy(&k, id->b, sizeof(k));
	return be64toh(k) & INT64_MAX;
}

void
image_init(struct image *im)
{
	memset(im, 0, sizeof(*im));
}

void
image_fini(struct image *im)
{
	free(im->p);
	image_init(im);
}

enum err
image_reset(struct image *im, uint64_t first, unsigned parts)
{
	size_t size = parts * (size_t)IMAGE_ROOM;
	uint8_t *p;

	assert(parts > 0 && parts <= IMAGE_PARTS);
	if (size > im->cap) {
		if ((p = realloc(im->p, 2 * size)) == NULL)
			return ERR_NOMEM;
		im->p = p;
		im->cap = size;
	}
	memset(im->p, 0, size);
	im->first = first;
	im->parts = parts;
	im->used = 0;
	return OK;
}

enum err
image_extend(struct image *im)
{
	size_t size = image_size(im);
	uint8_t *p;

	if (im->parts == IMAGE_PARTS)
		return ERR_CORRUPT;
	if (size + IMAGE_ROOM > im->cap) {
		if ((p = realloc(im->p, 4 * size)) == NULL)
			return ERR_NOMEM;
		im->p = p;
		im->cap = 2 * size;
	}
	memset(im->p + size, 0, IMAGE_ROOM);
	im->parts++;
	return OK;
}

/* Of the event without its length. */
static size_t
stored_len(const struct stored *ev)
{
	size_t n;
	uint32_t i;

	n = pack_len(ev->index) + 8 + 1 + 1 + pack_len(ev->header.n) +
	    ev->header.n + pack_len(ev->salt.n) + ev->salt.n + ev->body.n;
	for (i = 0; i < ev->nplaces; i++)
		n += pack_len(ev->places[i].conv) +
		     pack_len(ev->places[i].epoch) +
		     pack_len(ev->places[i].seq) + pack_len(ev->places[i].ord);
	for (i = 0; i < ev->nshards; i++)
		n += pack_len(ev->shards[i].conv) +
		     pack_len(ev->shards[i].epoch) +
		     pack_len(ev->shards[i].seq);
	return n;
}

static uint8_t *
stored_view(uint8_t *p, struct str s)
{
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return p + s.n;
}

static void
stored_write(uint8_t *p, const struct stored *ev, size_t len)
{
	uint8_t *end;
	uint64_t key = htobe64(ev->key);
	uint32_t i;

	p = pack_u64(p, len);
	end = p + len;
	p = pack_u64(p, ev->index);
	memcpy(p, &key, 8);
	p += 8;
	*p++ = ev->erased ? FLAG_ERASED : 0;
	*p++ = (uint8_t)(ev->nplaces | ev->nshards << 4);
	for (i = 0; i < ev->nplaces; i++) {
		p = pack_u64(p, ev->places[i].conv);
		p = pack_u64(p, ev->places[i].epoch);
		p = pack_u64(p, ev->places[i].seq);
		p = pack_u64(p, ev->places[i].ord);
	}
	for (i = 0; i < ev->nshards; i++) {
		p = pack_u64(p, ev->shards[i].conv);
		p = pack_u64(p, ev->shards[i].epoch);
		p = pack_u64(p, ev->shards[i].seq);
	}
	p = pack_u64(p, ev->header.n);
	p = stored_view(p, ev->header);
	p = pack_u64(p, ev->salt.n);
	p = stored_view(p, ev->salt);
	p = stored_view(p, ev->body);
	assert(p == end);
}

static void
stored_of(struct stored *ev, const struct entry *e)
{
	const struct event *event = e->event;
	uint32_t i;

	ev->index = e->index;
	ev->key = image_key(&event->id);
	ev->erased = event->erased;
	ev->nplaces = e->nplaces;
	memcpy(ev->places, e->places, e->nplaces * sizeof(e->places[0]));
	ev->nshards = e->nshards;
	for (i = 0; i < e->nshards; i++)
		ev->shards[i] = (struct place){ .conv = e->shards[i].shard,
			.epoch = e->shards[i].epoch,
			.seq = e->shards[i].seq };
	ev->header = event->header_bytes;
	if (event->erased) {
		ev->salt = ev->body = STR_NONE;
	} else {
		ev->salt = (struct str){ (const char *)event->salt,
			sizeof(event->salt) };
		ev->body = event->body_bytes;
	}
}

size_t
image_need(const struct entry *e)
{
	struct stored ev;
	size_t len;

	stored_of(&ev, e);
	len = stored_len(&ev);
	return pack_len(len) + len;
}

void
image_add(struct image *im, const struct entry *e)
{
	struct stored ev;
	size_t len;

	stored_of(&ev, e);
	len = stored_len(&ev);
	assert(im->used + pack_len(len) + len <= image_size(im));
	stored_write(im->p + im->used, &ev, len);
	im->used += pack_len(len) + len;
}

static void
unpack_places(struct unpack *u, struct place *places, uint32_t n, bool ord)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		places[i].conv = unpack_u32(u);
		places[i].epoch = unpack_u32(u);
		places[i].seq = unpack_u64(u);
		places[i].ord = ord ? unpack_u32(u) : 0;
	}
}

static struct str
unpack_str(struct unpack *u, uint64_t n)
{
	const uint8_t *p = unpack_bytes(u, n);

	if (p == NULL || n == 0)
		return STR_NONE;
	return (struct str){ (const char *)p, (size_t)n };
}

/* The event whose bytes, without the length, are in u. */
static enum err
stored_read(struct unpack *u, struct stored *ev)
{
	const uint8_t *p;
	uint64_t key;
	uint8_t flags, counts;

	ev->index = unpack_u64(u);
	if ((p = unpack_bytes(u, 10)) == NULL)
		return ERR_CORRUPT;
	memcpy(&key, p, 8);
	ev->key = be64toh(key);
	flags = p[8];
	counts = p[9];
	ev->nplaces = counts & 15;
	ev->nshards = counts >> 4;
	if (flags > FLAG_ERASED || ev->key > INT64_MAX ||
	    ev->nplaces > ENTRY_PLACES || ev->nshards > ENTRY_SHARDS)
		return ERR_CORRUPT;
	unpack_places(u, ev->places, ev->nplaces, true);
	unpack_places(u, ev->shards, ev->nshards, false);
	ev->header = unpack_str(u, unpack_u64(u));
	ev->salt = unpack_str(u, unpack_u64(u));
	ev->body = unpack_str(u, (uint64_t)(u->end - u->p));
	ev->erased = flags & FLAG_ERASED;
	if (ev->erased) /* zeros */
		ev->salt = ev->body = STR_NONE;
	return u->bad ? ERR_CORRUPT : OK;
}

/*
 * The bytes of the event at *at, without its length: only what is needed to
 * pass over it.
 */
static enum err
image_step(const struct image *im, size_t *at, struct unpack *out)
{
	struct unpack u = { im->p + *at, im->p + im->used, false };
	uint64_t len;

	if (u.p == u.end)
		return ERR_NOTFOUND;
	len = unpack_u64(&u);
	out->p = unpack_bytes(&u, len);
	if (u.bad || len == 0)
		return ERR_CORRUPT;
	out->end = u.p;
	out->bad = false;
	*at = (size_t)(u.p - im->p);
	return OK;
}

enum err
image_measure(struct image *im)
{
	struct unpack u = { im->p, im->p + image_size(im), false };
	uint64_t len;

	im->used = 0;
	while (u.p != u.end && *u.p != 0) {
		len = unpack_u64(&u);
		(void)unpack_bytes(&u, len);
		if (u.bad)
			return ERR_CORRUPT;
		im->used = (size_t)(u.p - im->p);
	}
	return OK;
}

enum err
image_next(const struct image *im, size_t *at, struct stored *ev)
{
	struct unpack u;
	enum err err;
	size_t from = *at;

	if ((err = image_step(im, at, &u)) != OK)
		return err;
	ev->at = from;
	ev->len = *at - from;
	return stored_read(&u, ev);
}

enum err
image_find(const struct image *im, uint64_t idx, struct stored *ev)
{
	struct unpack u, peek;
	enum err err;
	size_t at = 0, from;
	uint64_t found;

	do {
		from = at;
		if ((err = image_step(im, &at, &u)) != OK)
			return err;
		peek = u;
		found = unpack_u64(&peek);
		if (found > idx)
			return ERR_NOTFOUND;
	} while (found != idx);
	ev->at = from;
	ev->len = at - from;
	return stored_read(&u, ev);
}

/* Where in the image a view of it points. */
static void
image_clear(struct image *im, struct str view)
{
	if (view.n > 0)
		memset(im->p + (view.p - (const char *)im->p), 0, view.n);
}

void
image_erase(struct image *im, const struct stored *ev)
{
	struct unpack u = { im->p + ev->at, im->p + ev->at + ev->len, false };

	image_clear(im, ev->salt);
	image_clear(im, ev->body);
	(void)unpack_u64(&u); /* length */
	(void)unpack_u64(&u); /* index */
	im->p[u.p + 8 - im->p] |= FLAG_ERASED;
}

void
image_unplace(struct image *im, struct stored *ev, uint32_t conv)
{
	uint8_t *scratch = im->p + image_size(im);
	size_t len, n = 0, end = ev->at + ev->len, gone;
	uint32_t i, kept = 0;

	for (i = 0; i < ev->nplaces; i++)
		if (ev->places[i].conv != conv)
			ev->places[kept++] = ev->places[i];
	if (kept == ev->nplaces)
		return;
	ev->nplaces = kept;
	if (kept > 0) {
		len = stored_len(ev);
		n = pack_len(len) + len;
		stored_write(scratch, ev, len);
		memcpy(im->p + ev->at, scratch, n);
		memset(scratch, 0, n);
	}
	gone = ev->len - n;
	memmove(im->p + ev->at + n, im->p + end, im->used - end);
	im->used -= gone;
	memset(im->p + im->used, 0, gone);
}

void
image_join(struct image *im, const struct image *from)
{
	assert(im->used + from->used <= image_size(im));
	memcpy(im->p + im->used, from->p, from->used);
	im->used += from->used;
}
