#include "proto/follower.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void
follower_init(struct follower *f, uint32_t epoch, uint64_t at, uint32_t hold,
    uint32_t range)
{
	assert(hold > 0 && range > 0);
	memset(f, 0, sizeof(*f));
	f->epoch = f->head_epoch = epoch;
	f->at = f->head = at;
	f->hold = hold;
	f->range = range;
	f->pause_ms = FOLLOWER_RETRY_MS_MIN;
}

void
follower_fini(struct follower *f)
{
	assert(f->n == 0 && f->ndropped == 0);
	free(f->items);
	f->items = NULL;
	f->cap = 0;
}

static void
forget_asked(struct follower *f)
{
	memset(&f->asked, 0, sizeof(f->asked));
	f->pause_ms = FOLLOWER_RETRY_MS_MIN;
}

void
follower_connected(struct follower *f)
{
	f->connected = true;
	forget_asked(f);
}

void
follower_lost(struct follower *f)
{
	f->connected = false;
	forget_asked(f);
}

/* ---- what is held -------------------------------------------------------- */

static bool
grow(struct follower *f)
{
	uint32_t cap = f->cap == 0 ? 8 : f->cap * 2;
	struct follower_item *items;

	if (cap > f->hold)
		cap = f->hold;
	if ((items = realloc(f->items, cap * sizeof(*items))) == NULL)
		return false;
	f->items = items;
	f->cap = cap;
	return true;
}

/* Where (epoch, seq) stands or would stand. */
static uint32_t
find(const struct follower *f, uint32_t epoch, uint64_t seq)
{
	uint32_t lo = 0, hi = f->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const struct follower_item *it = &f->items[mid];

		if (it->epoch < epoch || (it->epoch == epoch && it->seq < seq))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static enum follower_verdict
hold(struct follower *f, uint32_t epoch, uint64_t seq, void *item)
{
	uint32_t i = find(f, epoch, seq);

	if (i < f->n && f->items[i].epoch == epoch && f->items[i].seq == seq)
		return FOLLOWER_DROP;
	if (f->n + f->ndropped == f->hold ||
	    (f->n + f->ndropped == f->cap && !grow(f)))
		return FOLLOWER_NO_ROOM;
	memmove(&f->items[i + 1], &f->items[i],
	    (f->n + f->ndropped - i) * sizeof(f->items[0]));
	f->items[i] = (struct follower_item){ epoch, seq, item };
	f->n++;
	return FOLLOWER_HOLD;
}

/* Item i is void: it goes to the front of those to be handed back. */
static void
drop(struct follower *f, uint32_t i)
{
	struct follower_item it = f->items[i];

	f->n--;
	memmove(&f->items[i], &f->items[i + 1],
	    (f->n - i) * sizeof(f->items[0]));
	f->items[f->n] = it;
	f->ndropped++;
}

/* Will it never be taken? */
static bool
is_void(const struct follower *f, uint32_t epoch, uint64_t seq)
{
	if (epoch < f->epoch)
		return true;
	if (epoch == f->epoch && seq <= f->at)
		return true;
	return f->newer != 0 && f->fork_known && epoch < f->newer &&
	       seq > f->fork;
}

static void
drop_void(struct follower *f)
{
	for (uint32_t i = f->n; i-- > 0;)
		if (is_void(f, f->items[i].epoch, f->items[i].seq))
			drop(f, i);
}

void *
follower_dropped(struct follower *f)
{
	if (f->ndropped == 0)
		return NULL;
	f->ndropped--;
	return f->items[f->n + f->ndropped].item;
}

/* ---- epochs -------------------------------------------------------------- */

/* Epoch `epoch' is there: which is the next one above ours? */
static void
note_epoch(struct follower *f, uint32_t epoch)
{
	if (epoch <= f->epoch || (f->newer != 0 && f->newer <= epoch))
		return;
	f->newer = epoch;
	f->fork_known = false;
}

/* Ours is another one now: which is the next above it? */
static void
look_for_newer(struct follower *f)
{
	f->newer = 0;
	f->fork_known = false;
	note_epoch(f, f->head_epoch);
	for (uint32_t i = 0; i < f->n; i++)
		note_epoch(f, f->items[i].epoch);
}

/* Has the next epoch been reached? */
static void
enter_epoch(struct follower *f)
{
	if (f->newer == 0 || !f->fork_known || f->at != f->fork)
		return;
	f->epoch = f->newer;
	f->newer = 0; /* its fork makes nothing void any more */
	forget_asked(f);
	drop_void(f);
	look_for_newer(f);
}

uint64_t
follower_open(struct follower *f, uint32_t epoch, uint64_t fork)
{
	uint64_t cut = 0;

	if (epoch <= f->epoch)
		return 0;
	note_epoch(f, epoch);
	if (f->newer != epoch)
		return 0; /* one between comes first */
	if (fork < f->at) {
		cut = f->at - fork;
		f->at = fork;
	}
	f->fork = fork;
	f->fork_known = true;
	forget_asked(f);
	drop_void(f);
	enter_epoch(f);
	return cut;
}

/* ---- arriving ------------------------------------------------------------ */

static void
advance(struct follower *f, uint64_t to)
{
	f->at = to;
	if (f->head_epoch == f->epoch && f->head < to)
		f->head = to;
	enter_epoch(f);
}

enum follower_verdict
follower_recv(struct follower *f, uint32_t epoch, uint64_t seq, void *item,
    struct mono now)
{
	assert(item != NULL);

	if (is_void(f, epoch, seq) || seq == 0)
		return FOLLOWER_DROP;
	follower_head(f, epoch, seq);
	if (epoch != f->epoch || seq != f->at + 1)
		return hold(f, epoch, seq, item);
	/* It comes on: give it time before asking again. */
	f->pause_ms = FOLLOWER_RETRY_MS_MIN;
	f->retry = mono_add_ms(now, f->pause_ms);
	advance(f, seq);
	return FOLLOWER_TAKE;
}

void *
follower_ready(struct follower *f)
{
	void *item;

	/* The one at hand may just have been taken otherwise. */
	while (f->n > 0 && is_void(f, f->items[0].epoch, f->items[0].seq))
		drop(f, 0);
	if (f->n == 0 || f->items[0].epoch != f->epoch ||
	    f->items[0].seq != f->at + 1)
		return NULL;
	item = f->items[0].item;
	f->n--;
	memmove(&f->items[0], &f->items[1],
	    (f->n + f->ndropped) * sizeof(f->items[0]));
	advance(f, f->at + 1);
	return item;
}

void
follower_head(struct follower *f, uint32_t epoch, uint64_t seq)
{
	note_epoch(f, epoch);
	if (epoch > f->head_epoch ||
	    (epoch == f->head_epoch && seq > f->head)) {
		f->head_epoch = epoch;
		f->head = seq;
	}
}

void
follower_skip(struct follower *f, uint32_t epoch, uint64_t seq)
{
	if (epoch < f->epoch || (epoch == f->epoch && seq <= f->at))
		return;
	follower_head(f, epoch, seq);
	forget_asked(f);
	if (epoch > f->epoch) {
		f->epoch = epoch;
		f->newer = 0;
		f->at = seq;
		drop_void(f);
		look_for_newer(f);
	} else {
		advance(f, seq);
		drop_void(f);
	}
}

void
follower_reset(struct follower *f, uint32_t epoch, uint64_t at)
{
	f->ndropped += f->n;
	f->n = 0;
	f->epoch = f->head_epoch = epoch;
	f->at = f->head = at;
	f->newer = 0;
	f->fork_known = false;
	forget_asked(f);
}

/* ---- asking -------------------------------------------------------------- */

/* The first thing that is missing. */
static bool
missing(const struct follower *f, struct follower_ask *ask)
{
	uint64_t to = f->head_epoch == f->epoch ? f->head : f->at;

	memset(ask, 0, sizeof(*ask));
	if (f->newer != 0) {
		if (!f->fork_known) {
			ask->epoch = f->newer;
			return true;
		}
		to = f->fork;
	}
	if (f->n > 0 && f->items[0].epoch == f->epoch && f->items[0].seq <= to)
		to = f->items[0].seq - 1;
	if (to <= f->at)
		return false;
	if (to - f->at > f->range)
		to = f->at + f->range;
	ask->from = f->at + 1;
	ask->to = to;
	return true;
}

/* Is what is missing under way? */
static bool
under_way(const struct follower *f, const struct follower_ask *want)
{
	if (want->epoch != 0)
		return f->asked.epoch == want->epoch;
	return f->asked.epoch == 0 && want->from >= f->asked.from &&
	       want->from <= f->asked.to;
}

bool
follower_next(struct follower *f, struct mono now, struct follower_ask *ask)
{
	if (!f->connected || !missing(f, ask))
		return false;
	if (under_way(f, ask)) {
		if (mono_before(now, f->retry))
			return false;
		if ((f->pause_ms *= 2) > FOLLOWER_RETRY_MS_MAX)
			f->pause_ms = FOLLOWER_RETRY_MS_MAX;
	} else {
		f->pause_ms = FOLLOWER_RETRY_MS_MIN;
	}
	f->asked = *ask;
	f->retry = mono_add_ms(now, f->pause_ms);
	return true;
}

struct mono
follower_deadline(const struct follower *f)
{
	struct follower_ask want;

	if (!f->connected || !missing(f, &want))
		return MONO_NEVER;
	return under_way(f, &want) ? f->retry : (struct mono){ 0 };
}
