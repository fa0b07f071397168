#include "node/message/registry.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "node/message/record.h"

enum err
registry_init(struct registry *r, const struct registry_limits *limits)
{
	memset(r, 0, sizeof(*r));
	r->limits = *limits;
	r->dirty.next = r->dirty.prev = &r->dirty;
	r->next_local = 1;
	r->next_conv = 1;
	for (unsigned i = 0; i < 256; i++) {
		r->shards[i].dirty.kind = RECORD_SHARD;
		r->shards[i].epoch = 1;
	}
	return OK;
}

/* ---- the dirty list ------------------------------------------------------ */

void
registry_touch(struct registry *r, struct dirty *d)
{
	if (d->next != NULL)
		return;
	d->next = &r->dirty;
	d->prev = r->dirty.prev;
	r->dirty.prev->next = d;
	r->dirty.prev = d;
}

void
registry_forget_dirty(struct dirty *d)
{
	if (d->next == NULL)
		return;
	d->next->prev = d->prev;
	d->prev->next = d->next;
	d->next = d->prev = NULL;
}

struct dirty *
registry_dirty_after(struct registry *r, struct dirty *d)
{
	struct dirty *next = d == NULL ? r->dirty.next : d->next;

	return next == &r->dirty ? NULL : next;
}

void
registry_clean(struct registry *r)
{
	struct tombstone *t;

	while (r->dirty.next != &r->dirty)
		registry_forget_dirty(r->dirty.next);
	while ((t = r->tombstones) != NULL) {
		r->tombstones = t->next;
		free(t);
	}
}

/* ---- look-ups ------------------------------------------------------------ */

struct account *
registry_account(struct registry *r, const struct id *id)
{
	struct account *a;

	HASH_FIND(hh_id, r->accounts_id, id, sizeof(*id), a);
	return a;
}

struct account *
registry_account_named(struct registry *r, struct str name)
{
	struct account *a;

	HASH_FIND(hh_name, r->accounts_name, name.p, name.n, a);
	return a;
}

struct account *
registry_account_local(struct registry *r, uint32_t local)
{
	struct account *a;

	HASH_FIND(hh_local, r->accounts_local, &local, sizeof(local), a);
	return a;
}

struct account *
registry_account_like(struct registry *r, struct str skeleton)
{
	struct account *a;

	HASH_FIND(hh_skeleton, r->accounts_skeleton, skeleton.p, skeleton.n, a);
	return a;
}

struct room *
registry_room(struct registry *r, const struct id *id)
{
	struct room *room;

	HASH_FIND(hh_id, r->rooms_id, id, sizeof(*id), room);
	return room;
}

struct room *
registry_room_named(struct registry *r, struct str name)
{
	struct room *room;

	HASH_FIND(hh_name, r->rooms_name, name.p, name.n, room);
	return room;
}

struct room *
registry_room_local(struct registry *r, uint32_t local)
{
	struct room *room;

	HASH_FIND(hh_local, r->rooms_local, &local, sizeof(local), room);
	return room;
}

struct room *
registry_room_like(struct registry *r, struct str skeleton)
{
	struct room *room;

	HASH_FIND(hh_skeleton, r->rooms_skeleton, skeleton.p, skeleton.n, room);
	return room;
}

struct device *
registry_device_token(struct registry *r, const uint8_t hash[static 32])
{
	struct device *d;

	HASH_FIND(hh, r->devices, hash, 32, d);
	return d;
}

struct device *
registry_device(struct account *a, uint32_t num)
{
	for (struct device *d = a->devices; d != NULL; d = d->next)
		if (d->num == num)
			return d;
	return NULL;
}

struct member *
registry_member(struct registry *r, const struct room *room,
    const struct account *a)
{
	struct member *m;
	uint32_t pair[2] = { room->log.local, a->log.local };

	HASH_FIND(hh, r->members, pair, sizeof(pair), m);
	return m;
}

struct conv *
registry_conv(struct registry *r, uint32_t num)
{
	struct conv *c;

	HASH_FIND(hh_num, r->convs_num, &num, sizeof(num), c);
	return c;
}

struct conv *
registry_conv_between(struct registry *r, const struct account *owner,
    const struct account *peer)
{
	struct conv *c;
	uint32_t pair[2] = { owner->log.local, peer->log.local };

	HASH_FIND(hh_pair, r->convs_pair, pair, sizeof(pair), c);
	return c;
}

struct stream *
registry_stream(struct registry *r, const struct account *a, uint32_t device,
    uint64_t stream)
{
	struct stream *s;
	struct stream_key key = { a->log.local, device, stream };

	HASH_FIND(hh, r->streams, &key, sizeof(key), s);
	return s;
}

struct invite *
registry_invite(struct registry *r, const uint8_t hash[static 32])
{
	struct invite *i;

	HASH_FIND(hh, r->invites, hash, 32, i);
	return i;
}

/*
 * Exact, or as a prefix where the pattern ends in `*'.  The list is an
 * operator's and short; it is walked at logins only.
 */
struct ban *
registry_banned(struct registry *r, struct str what)
{
	struct ban *b, *next;

	HASH_ITER(hh, r->bans, b, next)
	{
		size_t n = strlen(b->pattern);

		if (n > 0 && b->pattern[n - 1] == '*') {
			if (what.n >= n - 1 &&
			    memcmp(what.p, b->pattern, n - 1) == 0)
				return b;
		} else if (n == what.n && memcmp(what.p, b->pattern, n) == 0) {
			return b;
		}
	}
	return NULL;
}

bool
account_blocks(const struct account *a, const struct id *other)
{
	for (uint32_t i = 0; i < a->nblocked; i++)
		if (id_eq(&a->blocked[i], other))
			return true;
	return false;
}

/* They are in the order of their logs: where log is, or would be. */
static uint32_t
cursor_at(const struct device *d, uint32_t log)
{
	uint32_t from = 0, to = d->ncursors;

	while (from < to) {
		uint32_t mid = from + (to - from) / 2;

		if (d->cursors[mid].log < log)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

struct cursor *
device_cursor(struct device *d, uint32_t log)
{
	uint32_t i = cursor_at(d, log);

	return i < d->ncursors && d->cursors[i].log == log ? &d->cursors[i]
							   : NULL;
}

struct cursor *
device_cursor_set(struct device *d, uint32_t log, uint64_t seq)
{
	struct cursor *c;

	if ((c = device_cursor(d, log)) != NULL) {
		c->seq = seq;
		return c;
	}
	if (d->ncursors == d->cursors_cap) {
		uint32_t cap = d->cursors_cap == 0 ? 2 : d->cursors_cap * 2;

		if ((c = reallocarray(d->cursors, cap, sizeof(*c))) == NULL)
			return NULL;
		d->cursors = c;
		d->cursors_cap = cap;
	}
	c = &d->cursors[cursor_at(d, log)];
	memmove(c + 1, c, (size_t)(d->cursors + d->ncursors - c) * sizeof(*c));
	d->ncursors++;
	c->log = log;
	c->seq = seq;
	return c;
}

bool
device_cursor_drop(struct device *d, uint32_t log)
{
	struct cursor *c = device_cursor(d, log);

	if (c == NULL)
		return false;
	d->ncursors--;
	memmove(c, c + 1, (size_t)(d->cursors + d->ncursors - c) * sizeof(*c));
	return true;
}

void
device_free(struct device *d)
{
	free(d->name);
	free(d->cursors);
	free(d);
}

void
conv_wait(struct conv *c)
{
	if (c->waiting)
		return;
	c->waiting = true;
	c->wait_next = c->owner->conv_waiting;
	c->owner->conv_waiting = c;
}

/* ---- conversations and streams ------------------------------------------- */

uint32_t
registry_take_local(struct registry *r)
{
	return r->next_local++;
}

enum err
registry_conv_make(struct registry *r, struct conv **out, struct account *owner,
    struct account *peer, struct room *room)
{
	struct conv *c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return ERR_NOMEM;
	c->dirty.kind = RECORD_CONV;
	c->num = r->next_conv++;
	c->owner = owner;
	c->peer = peer;
	c->room = room;
	c->log = room != NULL ? &room->log : &owner->log;
	HASH_ADD(hh_num, r->convs_num, num, sizeof(c->num), c);
	if (table_failed(c, hh_num)) {
		free(c);
		return ERR_NOMEM;
	}
	if (room != NULL) {
		room->conv = c;
	} else {
		c->pair.log = owner->log.local;
		c->pair.peer = peer->log.local;
		HASH_ADD(hh_pair, r->convs_pair, pair, sizeof(c->pair), c);
		if (table_failed(c, hh_pair)) {
			HASH_DELETE(hh_num, r->convs_num, c);
			free(c);
			return ERR_NOMEM;
		}
		c->next = owner->convs;
		owner->convs = c;
		owner->nconvs++;
	}
	*out = c;
	return OK;
}

enum err
registry_stream_make(struct registry *r, struct stream **out, struct device *d,
    uint64_t stream, struct conv *conv)
{
	struct stream *s;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return ERR_NOMEM;
	s->dirty.kind = RECORD_STREAM;
	s->device = d;
	s->conv = conv;
	s->key.account = d->account->log.local;
	s->key.device = d->num;
	s->key.stream = stream;
	sends_init(&s->sends);
	HASH_ADD(hh, r->streams, key, sizeof(s->key), s);
	if (table_failed(s, hh)) {
		free(s);
		return ERR_NOMEM;
	}
	if ((s->device_next = d->streams) != NULL)
		s->device_next->device_prev = s;
	d->streams = s;
	d->nstreams++;
	*out = s;
	return OK;
}

enum err
registry_stream_remove(struct registry *r, struct stream *s)
{
	char key[REGISTRY_KEY_MAX];
	enum err rc;

	rc = registry_tombstone(r, RECORD_STREAM,
	    (struct str){ key, record_stream_key(s, key) });
	if (rc != OK)
		return rc;
	registry_forget_dirty(&s->dirty);
	HASH_DELETE(hh, r->streams, s);
	if (s->device_prev != NULL)
		s->device_prev->device_next = s->device_next;
	else
		s->device->streams = s->device_next;
	if (s->device_next != NULL)
		s->device_next->device_prev = s->device_prev;
	s->device->nstreams--;
	sends_fini(&s->sends);
	free(s);
	return OK;
}

enum err
registry_tombstone(struct registry *r, uint32_t kind, struct str key)
{
	struct tombstone *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return ERR_NOMEM;
	assert(key.n <= sizeof(t->key));
	t->kind = kind;
	t->len = (uint32_t)key.n;
	memcpy(t->key, key.p, key.n);
	t->next = r->tombstones;
	r->tombstones = t;
	return OK;
}

/* ---- the end ------------------------------------------------------------- */

static void
account_free(struct account *a)
{
	struct conv *c, *next_conv;
	struct device *d, *next_device;

	for (c = a->convs; c != NULL; c = next_conv) {
		next_conv = c->next;
		free(c);
	}
	for (d = a->devices; d != NULL; d = next_device) {
		next_device = d->next;
		device_free(d);
	}
	free(a->name);
	free(a->display);
	free(a->skeleton);
	bytes_fini(&a->genesis);
	bytes_wipe(&a->secret);
	if (a->password != NULL)
		explicit_bzero(a->password, strlen(a->password));
	free(a->password);
	free(a->blocked);
	free(a);
}

static void
room_free(struct room *room)
{
	free(room->conv);
	free(room->name);
	free(room->topic);
	free(room->skeleton);
	bytes_fini(&room->genesis);
	free(room);
}

void
registry_fini(struct registry *r)
{
	struct account *a, *next_a;
	struct room *room, *next_room;
	struct member *m, *next_m;
	struct stream *s, *next_s;
	struct invite *i, *next_i;
	struct ban *b, *next_b;

	registry_clean(r);
	HASH_CLEAR(hh_num, r->convs_num);
	HASH_CLEAR(hh_pair, r->convs_pair);
	HASH_CLEAR(hh, r->devices);
	HASH_ITER(hh, r->streams, s, next_s)
	{
		HASH_DELETE(hh, r->streams, s);
		sends_fini(&s->sends);
		free(s);
	}
	HASH_ITER(hh, r->members, m, next_m)
	{
		HASH_DELETE(hh, r->members, m);
		free(m);
	}
	HASH_ITER(hh, r->invites, i, next_i)
	{
		HASH_DELETE(hh, r->invites, i);
		free(i);
	}
	HASH_ITER(hh, r->bans, b, next_b)
	{
		HASH_DELETE(hh, r->bans, b);
		free(b->pattern);
		free(b->reason);
		free(b);
	}
	HASH_CLEAR(hh_name, r->rooms_name);
	HASH_CLEAR(hh_local, r->rooms_local);
	HASH_CLEAR(hh_skeleton, r->rooms_skeleton);
	HASH_ITER(hh_id, r->rooms_id, room, next_room)
	{
		HASH_DELETE(hh_id, r->rooms_id, room);
		room_free(room);
	}
	HASH_CLEAR(hh_name, r->accounts_name);
	HASH_CLEAR(hh_local, r->accounts_local);
	HASH_CLEAR(hh_skeleton, r->accounts_skeleton);
	HASH_ITER(hh_id, r->accounts_id, a, next_a)
	{
		HASH_DELETE(hh_id, r->accounts_id, a);
		account_free(a);
	}
}
