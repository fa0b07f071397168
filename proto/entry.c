#include "proto/entry.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/wire.h"

/* ---- encoding ------------------------------------------------------------ */

static void
put_place(struct wire_out *o, const struct place *p)
{
	wire_put_u64(o, 1, p->conv);
	wire_put_u64(o, 2, p->epoch);
	wire_put_u64(o, 3, p->seq);
	wire_put_u64(o, 4, p->ord);
}

static void
put_shard(struct wire_out *o, const struct shard_place *s)
{
	wire_put_u64(o, 1, s->shard);
	wire_put_u64(o, 2, s->epoch);
	wire_put_u64(o, 3, s->seq);
	wire_put_bytes(o, 4, s->hash, sizeof(s->hash));
}

static void
put_put(struct wire_out *o, const struct put *p)
{
	wire_put_u64(o, 1, p->kind);
	wire_put_bytes(o, 2, p->key.p, p->key.n);
	if (p->value.p != NULL)
		wire_put_bytes(o, 3, p->value.p, p->value.n);
}

/* A message inside the message: its size goes before it. */
#define PUT_INSIDE(o, num, put, item)                                          \
	do {                                                                   \
		struct wire_out inside_ = { NULL, 0 };                         \
		put(&inside_, item);                                           \
		wire_put_head(o, num, inside_.n);                              \
		put(o, item);                                                  \
	} while (0)

/* Entry of kith.proto. */
static void
put_entry(struct wire_out *o, const struct entry_draft *d)
{
	const struct event *ev = d->event;

	wire_put_u64(o, 1, d->index);
	if (ev != NULL) {
		wire_put_bytes(o, 2, ev->header_bytes.p, ev->header_bytes.n);
		if (!ev->erased) {
			wire_put_bytes(o, 3, ev->salt, EVENT_SALT_LEN);
			wire_put_bytes(o, 4, ev->body_bytes.p,
			    ev->body_bytes.n);
		}
	}
	for (uint32_t i = 0; i < d->nplaces; i++)
		PUT_INSIDE(o, 5, put_place, &d->places[i]);
	for (uint32_t i = 0; i < d->nshards; i++)
		PUT_INSIDE(o, 6, put_shard, &d->shards[i]);
	for (uint32_t i = 0; i < d->nputs; i++)
		PUT_INSIDE(o, 7, put_put, &d->puts[i]);
}

/* ---- decoding ------------------------------------------------------------ */

static bool
read_place(struct place *p, struct str s)
{
	struct wire_in in = wire_in(s);
	struct wire_field f;
	unsigned seen = 0;
	enum wire_read got;

	while ((got = wire_next(&in, &f)) == WIRE_FIELD) {
		if ((f.num == 1 && !wire_u32(&f, &p->conv)) ||
		    (f.num == 2 && !wire_u32(&f, &p->epoch)) ||
		    (f.num == 3 && !wire_u64(&f, &p->seq)) ||
		    (f.num == 4 && !wire_u32(&f, &p->ord)))
			return false;
		if (f.num <= 4)
			seen |= 1u << f.num;
	}
	return got == WIRE_END && seen == 0x1e;
}

static bool
read_shard(struct shard_place *s, struct str bytes)
{
	struct wire_in in = wire_in(bytes);
	struct wire_field f;
	unsigned seen = 0;
	enum wire_read got;

	while ((got = wire_next(&in, &f)) == WIRE_FIELD) {
		if ((f.num == 1 && !wire_u32(&f, &s->shard)) ||
		    (f.num == 2 && !wire_u32(&f, &s->epoch)) ||
		    (f.num == 3 && !wire_u64(&f, &s->seq)) ||
		    (f.num == 4 && !wire_fixed(&f, s->hash, sizeof(s->hash))))
			return false;
		if (f.num <= 4)
			seen |= 1u << f.num;
	}
	return got == WIRE_END && seen == 0x1e && s->shard < 256;
}

static bool
read_put(struct put *p, struct str bytes)
{
	struct wire_in in = wire_in(bytes);
	struct wire_field f;
	unsigned seen = 0;
	enum wire_read got;

	while ((got = wire_next(&in, &f)) == WIRE_FIELD) {
		if ((f.num == 1 && !wire_u32(&f, &p->kind)) ||
		    (f.num == 2 && !wire_bytes(&f, &p->key)) ||
		    (f.num == 3 && !wire_bytes(&f, &p->value)))
			return false;
		if (f.num <= 3)
			seen |= 1u << f.num;
	}
	return got == WIRE_END && (seen & 6) == 6;
}

/* The event's three fields, on their way to event_decode. */
struct event_parts {
	struct str header, salt, body;
};

static bool
entry_field(struct entry *e, struct event_parts *parts,
    const struct wire_field *f)
{
	if (f->num >= 5 && f->num <= 7 && f->type != WIRE_BYTES)
		return false;
	switch (f->num) {
	case 1:
		return wire_u64(f, &e->index);
	case 2:
		return wire_bytes(f, &parts->header);
	case 3:
		return wire_bytes(f, &parts->salt);
	case 4:
		return wire_bytes(f, &parts->body);
	case 5:
		return e->nplaces < ENTRY_PLACES &&
		       read_place(&e->places[e->nplaces++], f->s);
	case 6:
		return e->nshards < ENTRY_SHARDS &&
		       read_shard(&e->shards[e->nshards++], f->s);
	case 7:
		/* There is room: they were counted. */
		return read_put(&e->puts[e->nputs++], f->s);
	}
	return true;
}

static enum err
read_entry(struct entry *e)
{
	struct event_parts parts = { STR_NONE, STR_NONE, STR_NONE };
	struct wire_in in = wire_in(e->bytes);
	struct wire_field f;
	enum wire_read got;

	while ((got = wire_next(&in, &f)) == WIRE_FIELD)
		if (!entry_field(e, &parts, &f))
			return ERR_MALFORMED;
	if (got == WIRE_BAD || e->index == 0)
		return ERR_MALFORMED;
	if (parts.header.p != NULL)
		return event_decode(&e->event, parts.header, parts.salt,
		    parts.body);
	if (parts.salt.p != NULL || parts.body.p != NULL || e->nplaces > 0)
		return ERR_MALFORMED;
	return OK;
}

/* ---- making -------------------------------------------------------------- */

/* Puts and encoded bytes follow the struct in the same allocation. */
static struct entry *
allocate(uint32_t nputs, size_t nbytes)
{
	size_t room = nputs * sizeof(struct put);
	struct entry *e = malloc(sizeof(*e) + room + nbytes);

	_Static_assert(sizeof(struct entry) % _Alignof(struct put) == 0,
	    "puts after the entry");
	if (e == NULL)
		return NULL;
	memset(e, 0, sizeof(*e) + room);
	atomic_init(&e->refs, 1);
	if (nputs > 0)
		e->puts = (struct put *)(e + 1);
	if (nbytes > 0)
		e->bytes = (struct str){ (char *)(e + 1) + room, nbytes };
	return e;
}

/* The writable start of e->bytes. */
static char *
bytes_of(struct entry *e, uint32_t nputs)
{
	return (char *)(e + 1) + nputs * sizeof(struct put);
}

/* Points the puts of e at their copies in e->bytes. */
static bool
find_puts(struct entry *e)
{
	struct wire_in in = wire_in(e->bytes);
	struct wire_field f;

	while (wire_next(&in, &f) == WIRE_FIELD)
		if (f.num == 7 && !read_put(&e->puts[e->nputs++], f.s))
			return false;
	return true;
}

enum err
entry_new(struct entry **out, const struct entry_draft *d)
{
	struct wire_out o = { NULL, 0 };
	struct entry *e;

	assert(d->index > 0);
	assert(d->nplaces <= ENTRY_PLACES && d->nshards <= ENTRY_SHARDS);
	assert(d->event != NULL || d->nplaces == 0);

	if (d->nputs > ENTRY_PUTS)
		return ERR_TOO_LARGE;
	put_entry(&o, d);
	if (o.n > ENTRY_MAX)
		return ERR_TOO_LARGE;
	if ((e = allocate(d->nputs, o.n)) == NULL)
		return ERR_NOMEM;

	o = (struct wire_out){ bytes_of(e, d->nputs), 0 };
	put_entry(&o, d);
	assert(o.n == e->bytes.n);
	e->index = d->index;
	e->event = d->event != NULL ? event_ref(d->event) : NULL;
	e->nplaces = d->nplaces;
	e->nshards = d->nshards;
	if (d->nplaces > 0)
		memcpy(e->places, d->places, d->nplaces * sizeof(e->places[0]));
	if (d->nshards > 0)
		memcpy(e->shards, d->shards, d->nshards * sizeof(e->shards[0]));
	if (d->nputs > 0 && !find_puts(e))
		assert(!"what was put can be read");
	*out = e;
	return OK;
}

enum err
entry_stored(struct entry **out, uint64_t index, struct event *ev,
    const struct place *place)
{
	struct entry *e = allocate(0, 0);

	if (e == NULL)
		return ERR_NOMEM;
	e->index = index;
	e->event = ev != NULL ? event_ref(ev) : NULL;
	e->nplaces = 1;
	e->places[0] = *place;
	*out = e;
	return OK;
}

enum err
entry_erased(struct entry **out, const struct entry *e, struct event *ev)
{
	struct entry *copy = allocate(0, 0);

	if (copy == NULL)
		return ERR_NOMEM;
	copy->index = e->index;
	copy->event = event_ref(ev);
	copy->nplaces = e->nplaces;
	copy->nshards = e->nshards;
	memcpy(copy->places, e->places, sizeof(e->places));
	memcpy(copy->shards, e->shards, sizeof(e->shards));
	*out = copy;
	return OK;
}

/* ERR_MALFORMED: not an encoding, or more than ENTRY_PUTS. */
static enum err
count_puts(struct str bytes, uint32_t *n)
{
	struct wire_in in = wire_in(bytes);
	struct wire_field f;
	enum wire_read got;

	*n = 0;
	while ((got = wire_next(&in, &f)) == WIRE_FIELD)
		if (f.num == 7 && ++*n > ENTRY_PUTS)
			return ERR_MALFORMED;
	return got == WIRE_END ? OK : ERR_MALFORMED;
}

enum err
entry_decode(struct entry **out, struct str bytes)
{
	struct entry *e;
	uint32_t nputs;
	enum err rc;

	if (bytes.n == 0 || bytes.n > ENTRY_MAX)
		return ERR_MALFORMED;
	if ((rc = count_puts(bytes, &nputs)) != OK)
		return rc;
	if ((e = allocate(nputs, bytes.n)) == NULL)
		return ERR_NOMEM;
	memcpy(bytes_of(e, nputs), bytes.p, bytes.n);
	if ((rc = read_entry(e)) != OK) {
		entry_unref(e);
		return rc;
	}
	*out = e;
	return OK;
}

/* ---- counting ------------------------------------------------------------ */

struct entry *
entry_ref(struct entry *e)
{
	atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
	return e;
}

void
entry_unref(struct entry *e)
{
	if (e == NULL ||
	    atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) != 1)
		return;
	event_unref(e->event);
	free(e);
}

size_t
entry_size(const struct entry *e)
{
	return sizeof(*e) + e->nputs * sizeof(struct put) + e->bytes.n +
	       (e->event != NULL ? event_size(e->event) : 0);
}
