#include "node/cache/cache.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "node/table.h"

/* A ring of items; capacity is a power of two. */
struct window {
	uint32_t log;
	uint32_t cap, head, n;
	uint64_t first; /* position of the oldest item */
	struct item {
		struct entry *entry;
		uint32_t place;
	} * items;
	struct window *newer, *older; /* by use */
	UT_hash_handle hh;
};

struct cache {
	uint64_t budget, bytes, applied;
	uint32_t per_log;
	struct window *windows;
	struct window *newest, *oldest;
	uint64_t entries, room, hits, misses, evicted;
};

#define WINDOW_MIN 4 /* items that there is room for */

struct cache *
cache_new(uint64_t budget_bytes, uint32_t per_log)
{
	struct cache *c;

	assert(per_log > 0);
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	c->budget = budget_bytes;
	c->per_log = per_log;
	return c;
}

static struct item *
window_at(const struct window *w, uint32_t i)
{
	assert(i < w->n);
	return &w->items[(w->head + i) & (w->cap - 1)];
}

static void
use_unlink(struct cache *c, struct window *w)
{
	if (w->newer != NULL)
		w->newer->older = w->older;
	else
		c->newest = w->older;
	if (w->older != NULL)
		w->older->newer = w->newer;
	else
		c->oldest = w->newer;
}

static void
use_link(struct cache *c, struct window *w)
{
	w->newer = NULL;
	w->older = c->newest;
	if (c->newest != NULL)
		c->newest->newer = w;
	else
		c->oldest = w;
	c->newest = w;
}

static void
use_touch(struct cache *c, struct window *w)
{
	if (c->newest == w)
		return;
	use_unlink(c, w);
	use_link(c, w);
}

static struct window *
window_find(struct cache *c, uint32_t log)
{
	struct window *w;

	HASH_FIND(hh, c->windows, &log, sizeof(log), w);
	return w;
}

/* What an item costs: an entry in two logs is counted in both. */
static uint64_t
item_cost(const struct entry *e)
{
	return sizeof(struct item) + entry_size(e);
}

static void
window_pop(struct cache *c, struct window *w)
{
	struct item *it = window_at(w, 0);

	c->bytes -= item_cost(it->entry);
	c->entries--;
	entry_unref(it->entry);
	w->head = (w->head + 1) & (w->cap - 1);
	w->n--;
	w->first++;
}

static void
window_clear(struct cache *c, struct window *w)
{
	while (w->n > 0)
		window_pop(c, w);
}

static void
window_free(struct cache *c, struct window *w)
{
	window_clear(c, w);
	use_unlink(c, w);
	HASH_DELETE(hh, c->windows, w);
	c->room -= w->cap;
	free(w->items);
	free(w);
}

static struct window *
window_new(struct cache *c, uint32_t log)
{
	struct window *w;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		return NULL;
	w->log = log;
	HASH_ADD(hh, c->windows, log, sizeof(w->log), w);
	if (table_failed(w, hh)) {
		free(w);
		return NULL;
	}
	use_link(c, w);
	return w;
}

static enum err
window_resize(struct cache *c, struct window *w, uint32_t cap)
{
	struct item *items;

	if ((items = calloc(cap, sizeof(*items))) == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < w->n; i++)
		items[i] = *window_at(w, i);
	free(w->items);
	c->room += cap;
	c->room -= w->cap;
	w->items = items;
	w->cap = cap;
	w->head = 0;
	return OK;
}

/*
 * A log that was long while storage stood still gives its memory back; when
 * there is none for the smaller copy, later.
 */
static void
window_fit(struct cache *c, struct window *w)
{
	uint32_t cap = w->cap;

	while (cap > WINDOW_MIN && w->n <= cap / 4)
		cap /= 2;
	if (cap < w->cap)
		(void)window_resize(c, w, cap);
}

/* Drops applied entries from the front while the window is over per_log. */
static void
window_trim(struct cache *c, struct window *w)
{
	while (
	    w->n > c->per_log && window_at(w, 0)->entry->index <= c->applied) {
		window_pop(c, w);
		c->evicted++;
	}
	window_fit(c, w);
}

/*
 * Evicts from the least recently used log on.  A log whose oldest entry is
 * not applied yet is passed over, at most `tries' of them a call, so that a
 * stuck storage does not make each put walk all logs.
 */
static void
cache_shrink(struct cache *c)
{
	struct window *w = c->oldest, *next;
	int tries = 8;

	while (c->bytes > c->budget && w != NULL && tries > 0) {
		next = w->newer;
		if (w->n > 0 && window_at(w, 0)->entry->index > c->applied) {
			tries--;
			w = next;
			continue;
		}
		while (c->bytes > c->budget && w->n > 0 &&
		       window_at(w, 0)->entry->index <= c->applied) {
			window_pop(c, w);
			c->evicted++;
		}
		if (w->n == 0)
			window_free(c, w);
		else
			window_fit(c, w);
		w = next;
	}
}

enum err
cache_put(struct cache *c, uint32_t log, struct entry *e, unsigned place)
{
	struct window *w;
	struct item *it;
	uint64_t seq;
	enum err rc;

	assert(place < e->nplaces);
	seq = e->places[place].seq;
	if ((w = window_find(c, log)) == NULL &&
	    (w = window_new(c, log)) == NULL)
		return ERR_NOMEM;
	if (w->n > 0 && seq != w->first + w->n)
		window_clear(c, w);
	if (w->n == w->cap &&
	    (rc = window_resize(c, w, w->cap == 0 ? WINDOW_MIN : w->cap * 2)) !=
		OK)
		return rc;
	if (w->n == 0)
		w->first = seq;
	w->n++;
	it = window_at(w, w->n - 1);
	it->entry = entry_ref(e);
	it->place = place;
	c->bytes += item_cost(e);
	c->entries++;
	use_touch(c, w);
	window_trim(c, w);
	cache_shrink(c);
	return OK;
}

void
cache_applied(struct cache *c, uint64_t index)
{
	assert(index >= c->applied);
	c->applied = index;
	cache_shrink(c);
}

void
cache_forget(struct cache *c, uint32_t log)
{
	struct window *w = window_find(c, log);

	if (w != NULL)
		window_free(c, w);
}

void
cache_forget_upto(struct cache *c, uint32_t log, uint64_t seq)
{
	struct window *w = window_find(c, log);

	while (w != NULL && w->n > 0 && w->first <= seq &&
	       window_at(w, 0)->entry->index <= c->applied)
		window_pop(c, w);
}

uint64_t
cache_first(struct cache *c, uint32_t log)
{
	struct window *w = window_find(c, log);

	return w == NULL || w->n == 0 ? 0 : w->first;
}

static void
item_out(const struct item *it, struct cache_item *out)
{
	out->entry = it->entry;
	out->place = &it->entry->places[it->place];
}

int
cache_after(struct cache *c, uint32_t log, uint32_t conv, uint64_t after,
    struct cache_item *out, int n)
{
	struct window *w = window_find(c, log);
	uint32_t i;
	int found = 0;

	if (w == NULL || w->n == 0 || after < w->first - 1)
		return -1;
	use_touch(c, w);
	if (after - (w->first - 1) >= w->n)
		return 0;
	for (i = (uint32_t)(after + 1 - w->first); i < w->n && found < n; i++) {
		struct item *it = window_at(w, i);

		if (conv == 0 || it->entry->places[it->place].conv == conv)
			item_out(it, &out[found++]);
	}
	return found;
}

int
cache_before(struct cache *c, uint32_t log, uint32_t conv, uint64_t before,
    struct cache_item *out, int n, bool *complete)
{
	struct window *w = window_find(c, log);
	int found = 0;

	*complete = false;
	if (w == NULL || w->n == 0 || n <= 0)
		return 0;
	use_touch(c, w);
	for (uint32_t i = w->n; i > 0 && found < n; i--) {
		struct item *it = window_at(w, i - 1);
		const struct place *p = &it->entry->places[it->place];

		if (p->seq >= before || (conv != 0 && p->conv != conv))
			continue;
		item_out(it, &out[n - 1 - found++]);
	}
	if (found > 0 && found < n)
		memmove(out, out + (n - found), (size_t)found * sizeof(*out));
	*complete = found == n || w->first <= 1;
	return found;
}

bool
cache_find(struct cache *c, uint32_t log, const struct event_id *id,
    struct cache_item *out)
{
	struct window *w = window_find(c, log);

	if (w == NULL)
		return false;
	for (uint32_t i = w->n; i > 0; i--) {
		struct item *it = window_at(w, i - 1);

		if (it->entry->event != NULL &&
		    event_id_eq(&it->entry->event->id, id)) {
			item_out(it, out);
			return true;
		}
	}
	return false;
}

void
cache_replace(struct cache *c, uint32_t log, struct entry *e)
{
	struct window *w = window_find(c, log);

	if (w == NULL)
		return;
	for (uint32_t i = w->n; i > 0; i--) {
		struct item *it = window_at(w, i - 1);

		if (it->entry->index != e->index)
			continue;
		assert(it->place < e->nplaces);
		c->bytes -= item_cost(it->entry);
		c->bytes += item_cost(e);
		entry_unref(it->entry);
		it->entry = entry_ref(e);
		return;
	}
}

void
cache_count(struct cache *c, bool hit)
{
	if (hit)
		c->hits++;
	else
		c->misses++;
}

void
cache_stats(const struct cache *c, struct cache_stats *out)
{
	*out = (struct cache_stats){ .budget = c->budget,
		.bytes = c->bytes,
		.entries = c->entries,
		.room = c->room,
		.logs = HASH_COUNT(c->windows),
		.hits = c->hits,
		.misses = c->misses,
		.evicted = c->evicted };
}

void
cache_free(struct cache *c)
{
	if (c == NULL)
		return;
	while (c->oldest != NULL)
		window_free(c, c->oldest);
	free(c);
}
