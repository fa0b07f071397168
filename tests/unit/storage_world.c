/*
 * storage_world: see storage_world.h.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/logger.h"
#include "base/mono.h"
#include "tests/unit/storage_world.h"

#define WAIT_MS 120000 /* under sanitizers, beside other things */

/* ---- files ------------------------------------------------------------------
 */

void
world_clean(const char *dir)
{
	char path[1024];
	struct dirent *e;
	DIR *d = opendir(dir);

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		(void)unlink(path);
	}
	(void)closedir(d);
	(void)rmdir(dir);
}

const char *
world_dir(const char *name)
{
	static char dir[256];
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(dir, sizeof(dir), "%s/kith-storage-%ld-%s",
	    tmp != NULL ? tmp : "/tmp", (long)getpid(), name);
	world_clean(dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	return dir;
}

/* The file whole, and its size. */
static char *
slurp(const char *path, size_t *n)
{
	FILE *f = fopen(path, "r");
	size_t size;
	char *p;

	*n = 0;
	if (f == NULL)
		return NULL;
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	size = (size_t)ftell(f);
	p = malloc(size + 1);
	assert_non_null(p);
	rewind(f);
	*n = fread(p, 1, size, f);
	(void)fclose(f);
	return p;
}

unsigned char *
world_texts(const struct world *w)
{
	static const char *const names[] = { "history.db", "history.db-wal" };
	unsigned char *seen = calloc(w->n + 1, 1);
	char path[512], *p, *hit, kind[8];
	unsigned long long idx;
	size_t n, i;

	assert_non_null(seen);
	for (i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", w->dir, names[i]);
		if ((p = slurp(path, &n)) == NULL)
			continue;
		p[n] = '\0';
		for (hit = p; (hit = memmem(hit, n - (size_t)(hit - p),
				   "<text ", 6)) != NULL;
		     hit++) {
			if (sscanf(hit, "<text %llu %7[a-z]>", &idx, kind) ==
				2 &&
			    idx >= 1 && idx <= w->n)
				seen[idx - 1] |=
				    strcmp(kind, "begins") == 0 ? 1 : 2;
		}
		free(p);
	}
	return seen;
}

/* ---- the history
 * ------------------------------------------------------------- */

void
world_init(struct world *w, const char *dir, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	w->seed = seed;
	w->text_max = 400;
	w->dir = strdup(dir);
	assert_non_null(w->dir);
	w->limits = storage_limits_default;
	w->limits.retry_ms = 20;
	w->limits.erase_ms = 20;
	logger_set_level(LOG_L_ALERT);
}

void
world_fini(struct world *w)
{
	uint64_t i;
	char *dir = (char *)(uintptr_t)w->dir;

	world_close(w);
	for (i = 0; i < WORLD_CONVS; i++)
		free(w->convs[i].p);
	for (i = 0; i < w->n; i++) {
		entry_unref(w->entries[i]);
		free(w->events[i].text);
	}
	free(w->entries);
	free(w->events);
	world_clean(w->dir);
	free(dir);
}

static char *
make_text(struct world *w, struct prng *r, uint64_t idx, size_t *len)
{
	size_t n = prng_below(r, w->text_max), i;
	char *text = malloc(n + 64);

	assert_non_null(text);
	/* Often short, sometimes up to the longest. */
	if (prng_below(r, 4) != 0)
		n %= 120;
	*len = (size_t)sprintf(text, "<text %llu begins>",
	    (unsigned long long)idx);
	for (i = 0; i < n; i++)
		text[(*len)++] = (char)('a' + prng_below(r, 26));
	*len += (size_t)sprintf(text + *len, "<text %llu ends>",
	    (unsigned long long)idx);
	return text;
}

static void
add_place(struct world *w, struct entry_draft *d, struct place *places,
    struct shard_place *shards, uint32_t conv, uint64_t idx)
{
	struct world_conv *c = &w->convs[conv];
	struct place place = { .conv = conv + 1,
		.epoch = 1 + conv % 3,
		.seq = c->n + 1,
		.ord = (uint32_t)(c->n / 2) };

	if ((c->n & (c->n - 1)) == 0) {
		c->p =
		    realloc(c->p, (c->n > 0 ? 2 * c->n : 1) * sizeof(c->p[0]));
		assert_non_null(c->p);
	}
	c->p[c->n++] = (struct world_pointer){ place.seq, idx, place, false };
	c->last_idx = idx;
	places[d->nplaces++] = place;
	shards[d->nshards] = (struct shard_place){ .shard = conv * 11,
		.epoch = 1,
		.seq = ++w->shard_seq[conv * 11] };
	d->nshards++;
}

static void
add_event(struct world *w, struct prng *r, struct entry_draft *d, uint64_t idx)
{
	struct world_event *we = &w->events[idx - 1];
	struct event_header h = { .kind = EVENT_MESSAGE,
		.device = 1,
		.stream = 5,
		.number = idx };
	struct event_body body = { .remove = false };
	uint8_t salt[EVENT_SALT_LEN];
	size_t i;

	memset(h.author.b, (int)(idx % 251), ID_LEN);
	memset(h.target.b, (int)(idx % 241), ID_LEN);
	/* Now and then the clock goes back a little. */
	h.time_ms = UINT64_C(1700000000000) + idx * 10;
	if (idx % 17 == 0)
		h.time_ms -= 35;
	for (i = 0; i < sizeof(salt); i++)
		salt[i] = (uint8_t)prng_below(r, 256);
	we->text = make_text(w, r, idx, &we->text_len);
	body.text = (struct str){ we->text, we->text_len };
	assert_int_equal(event_new(&d->event, &h, &body, salt), OK);
	we->exists = true;
	we->id = d->event->id;
	we->nplaces = d->nplaces;
	memcpy(we->places, d->places, d->nplaces * sizeof(d->places[0]));
}

static void
grow_one(struct world *w)
{
	struct prng r;
	struct place places[ENTRY_PLACES];
	struct shard_place shards[ENTRY_SHARDS];
	struct entry_draft d = { .places = places, .shards = shards };
	uint64_t idx = w->n + 1;
	uint32_t conv, n;

	if (w->n == w->cap) {
		w->cap = w->cap > 0 ? 2 * w->cap : 64;
		w->entries =
		    realloc(w->entries, w->cap * sizeof(w->entries[0]));
		w->events = realloc(w->events, w->cap * sizeof(w->events[0]));
		assert_non_null(w->entries);
		assert_non_null(w->events);
	}
	memset(&w->events[w->n], 0, sizeof(w->events[0]));
	prng_seed(&r, w->seed * 1000003 + idx);
	d.index = idx;
	if (prng_below(&r, 10) > 0) {
		conv = (uint32_t)prng_below(&r, WORLD_CONVS);
		for (n = 1 + (uint32_t)prng_below(&r, 3); n > 0; n--)
			add_place(w, &d, places, shards,
			    (conv + n * 5) % WORLD_CONVS, idx);
		add_event(w, &r, &d, idx);
	}
	assert_int_equal(entry_new(&w->entries[w->n], &d), OK);
	event_unref(d.event);
	w->n++;
}

void
world_grow(struct world *w, uint64_t n)
{
	while (w->n < n)
		grow_one(w);
}

/* Record of the conversation as of its last entry not after `upto'. */
static size_t
record_of(const struct world *w, uint32_t conv, uint64_t upto, char *out)
{
	const struct world_conv *c = &w->convs[conv];
	size_t n = c->n;

	while (n > 0 && c->p[n - 1].idx > upto)
		n--;
	if (n == 0)
		return 0;
	/* Of a changing length. */
	return (size_t)sprintf(out, "conv %u head %zu%.*s", conv + 1, n,
	    (int)(n % 40), "########################################");
}

static struct str
record_key(uint32_t conv, char key[4])
{
	key[0] = key[1] = key[2] = 0;
	key[3] = (char)(conv + 1);
	return (struct str){ key, 4 };
}

/* One conversation's record is gone whenever its head is a multiple of 3. */
static bool
record_gone(uint32_t conv, const char *value)
{
	unsigned head = 0;

	(void)sscanf(value, "conv %*u head %u", &head);
	return conv == 2 && head % 3 == 0;
}

struct storage_batch *
world_batch(struct world *w, uint64_t from, uint64_t to)
{
	struct storage_batch *b = storage_batch_new();
	char key[4], value[128];
	uint32_t conv;
	uint64_t i;
	size_t n;

	assert_non_null(b);
	world_grow(w, to);
	for (i = from; i <= to; i++)
		assert_int_equal(storage_batch_entry(b, w->entries[i - 1]), OK);
	for (conv = 0; conv < WORLD_CONVS; conv++) {
		if ((n = record_of(w, conv, to, value)) == 0)
			continue;
		assert_int_equal(
		    storage_batch_put(b, WORLD_KIND, record_key(conv, key),
			record_gone(conv, value) ? STR_NONE
						 : (struct str){ value, n }),
		    OK);
	}
	return b;
}

/* ---- storage
 * ----------------------------------------------------------------- */

enum err
world_try_open(struct world *w)
{
	enum err err;

	if ((err = storage_open(&w->s, w->dir, 2)) != OK) {
		w->s = NULL;
		return err;
	}
	storage_tune(w->s, &w->limits);
	w->done = channel_new(2 * STORAGE_QUEUE, NULL, NULL);
	w->reads = channel_new(2 * STORAGE_QUEUE, NULL, NULL);
	assert_non_null(w->done);
	assert_non_null(w->reads);
	return OK;
}

void
world_open(struct world *w)
{
	assert_int_equal(world_try_open(w), OK);
	assert_int_equal(storage_start(w->s, w->done, w->reads), OK);
}

static bool
collect(struct world *w, enum err want)
{
	struct channel_item *it, *next;
	bool any = false;

	for (it = channel_wait(w->done, 10); it != NULL; it = next) {
		next = it->next;
		assert_int_equal(((struct storage_batch *)(void *)it)->err,
		    want);
		storage_batch_free((struct storage_batch *)(void *)it);
		any = true;
	}
	return any;
}

void
world_close(struct world *w)
{
	if (w->s == NULL)
		return;
	storage_stop(w->s);
	while (storage_pending(w->s) > 0 || channel_count(w->done) > 0)
		(void)collect(w, OK);
	storage_free(w->s);
	w->s = NULL;
	channel_free(w->done);
	channel_free(w->reads);
}

void
world_send(struct world *w, struct storage_batch *b)
{
	assert_int_equal(storage_apply(w->s, b), OK);
}

bool
world_wait_ms(struct world *w, enum err want, unsigned ms)
{
	struct mono until = mono_add_ms(mono_now(), ms);

	while (storage_pending(w->s) > 0 || channel_count(w->done) > 0) {
		(void)collect(w, want);
		if (!mono_before(mono_now(), until))
			return false;
	}
	return true;
}

void
world_wait(struct world *w, enum err want)
{
	assert_true(world_wait_ms(w, want, WAIT_MS));
}

void
world_apply(struct world *w, uint64_t n, uint64_t batch)
{
	uint64_t from, to;

	for (from = storage_applied(w->s) + 1; from <= n; from = to + 1) {
		to = from + batch - 1 < n ? from + batch - 1 : n;
		world_send(w, world_batch(w, from, to));
		if (storage_pending(w->s) > 100)
			world_wait(w, OK);
	}
	world_wait(w, OK);
}

void
world_until(struct world *w, bool (*holds)(const struct storage_stats *))
{
	struct mono until = mono_add_ms(mono_now(), WAIT_MS);
	const struct timespec pause = { 0, 2000000 };
	struct storage_stats st;

	for (;;) {
		storage_stats(w->s, &st);
		if (holds(&st))
			return;
		assert_true(mono_before(mono_now(), until));
		(void)nanosleep(&pause, NULL);
	}
}

bool
world_merged(const struct storage_stats *st)
{
	return st->tail_pointers == 0;
}

bool
world_settled(const struct storage_stats *st)
{
	return !st->removing;
}

void
world_erase(struct world *w, uint64_t idx)
{
	struct storage_batch *b = storage_batch_new();

	assert_non_null(b);
	assert_int_equal(storage_batch_erase(b, &w->events[idx - 1].id), OK);
	w->events[idx - 1].erased = true;
	world_send(w, b);
}

void
world_expire(struct world *w, uint32_t conv, uint64_t seq)
{
	struct storage_batch *b = storage_batch_new();
	size_t i;

	assert_non_null(b);
	assert_int_equal(storage_batch_expire(b, conv + 1, seq), OK);
	for (i = 0; i < w->convs[conv].n && i < seq; i++)
		w->convs[conv].p[i].gone = true;
	world_send(w, b);
}

/* ---- reading
 * ------------------------------------------------------------------ */

static struct storage_read *
answer(struct world *w, struct storage_read *r)
{
	struct channel_item *it;

	assert_int_equal(storage_read(w->s, r), OK);
	it = channel_wait(w->reads, WAIT_MS);
	assert_ptr_equal(it, &r->link);
	assert_null(it->next);
	return r;
}

static void
set_convs(struct storage_read *r, const uint32_t *convs, size_t n)
{
	r->nconvs = n;
	r->convs = malloc((n + 1) * sizeof(convs[0]));
	assert_non_null(r->convs);
	if (n > 0)
		memcpy(r->convs, convs, n * sizeof(convs[0]));
}

struct storage_read *
world_read(struct world *w, enum storage_read_type type, const uint32_t *convs,
    size_t nconvs, uint64_t seq, uint32_t limit)
{
	struct storage_read *r = storage_read_new();

	assert_non_null(r);
	r->type = type;
	r->seq = seq;
	r->time_ms = seq;
	r->limit = limit;
	set_convs(r, convs, nconvs);
	return answer(w, r);
}

struct storage_read *
world_find(struct world *w, const struct event_id *id, const uint32_t *convs,
    size_t nconvs)
{
	struct storage_read *r = storage_read_new();

	assert_non_null(r);
	r->type = STORAGE_EVENT;
	r->id = *id;
	set_convs(r, convs, nconvs);
	return answer(w, r);
}

void
world_check_entry(struct world *w, const struct entry *e, uint32_t conv)
{
	const struct world_event *we = &w->events[e->index - 1];
	const struct place *at = &e->places[0];
	const struct world_pointer *p;

	assert_true(e->index <= w->n);
	assert_true(we->exists);
	assert_int_equal(e->nplaces, 1);
	assert_int_equal(at->conv, conv + 1);
	assert_true(at->seq >= 1 && at->seq <= w->convs[conv].n);
	p = &w->convs[conv].p[at->seq - 1];
	assert_false(p->gone);
	assert_int_equal(p->idx, e->index);
	assert_int_equal(p->place.epoch, at->epoch);
	assert_int_equal(p->place.ord, at->ord);
	assert_true(event_id_eq(&e->event->id, &we->id));
	assert_int_equal(e->event->erased, we->erased);
	if (we->erased) {
		assert_int_equal(e->event->body.text.n, 0);
		return;
	}
	assert_int_equal(e->event->body.text.n, we->text_len);
	assert_memory_equal(e->event->body.text.p, we->text, we->text_len);
}

/* The seqs of conv that are there up to index n, ascending. */
static size_t
there(const struct world *w, uint32_t conv, uint64_t n, uint64_t *seqs)
{
	const struct world_conv *c = &w->convs[conv];
	size_t count = 0, i;

	for (i = 0; i < c->n && c->p[i].idx <= n; i++)
		if (!c->p[i].gone)
			seqs[count++] = c->p[i].seq;
	return count;
}

static void
check_page(struct world *w, struct storage_read *r, uint32_t conv,
    const uint64_t *seqs, size_t n, bool more)
{
	size_t i;

	assert_int_equal(r->err, OK);
	assert_int_equal(r->nentries, n);
	assert_int_equal(r->more, more);
	for (i = 0; i < n; i++) {
		assert_int_equal(r->entries[i]->places[0].seq, seqs[i]);
		world_check_entry(w, r->entries[i], conv);
	}
	storage_read_free(r);
}

void
world_check_pages(struct world *w, uint32_t conv, uint32_t limit)
{
	uint64_t *seqs = malloc((w->convs[conv].n + 1) * sizeof(*seqs)), seq;
	uint64_t applied = storage_applied(w->s);
	size_t n, below, upto, k;
	uint32_t num = conv + 1;

	assert_non_null(seqs);
	n = there(w, conv, applied, seqs);
	for (seq = 0; seq <= w->convs[conv].n + 2; seq++) {
		for (below = 0; below < n && seqs[below] < seq;)
			below++;
		k = below < limit ? below : limit;
		check_page(w,
		    world_read(w, STORAGE_BEFORE, &num, 1, seq, limit), conv,
		    seqs + (below - k), k, below > k);
		for (upto = below; upto < n && seqs[upto] <= seq;)
			upto++;
		k = n - upto < limit ? n - upto : limit;
		check_page(w, world_read(w, STORAGE_AFTER, &num, 1, seq, limit),
		    conv, seqs + upto, k, n - upto > k);
	}
	k = n < limit ? n : limit;
	check_page(w, world_read(w, STORAGE_BEFORE, &num, 1, UINT64_MAX, limit),
	    conv, seqs + (n - k), k, n > k);
	check_page(w, world_read(w, STORAGE_AFTER, &num, 1, UINT64_MAX, limit),
	    conv, seqs, 0, false);
	free(seqs);
}

static void
check_conv(struct world *w, uint32_t conv, uint64_t n)
{
	uint64_t *seqs = malloc((w->convs[conv].n + 1) * sizeof(*seqs));
	uint32_t num = conv + 1;
	uint64_t after = 0;
	size_t count, at, k;

	assert_non_null(seqs);
	count = there(w, conv, n, seqs);
	for (at = 0;; at += k) {
		k = count - at < 100 ? count - at : 100;
		check_page(w, world_read(w, STORAGE_AFTER, &num, 1, after, 100),
		    conv, seqs + at, k, count - at > k);
		if (k < 100)
			break;
		after = seqs[at + k - 1];
	}
	free(seqs);
}

static void
check_event(struct world *w, uint64_t idx)
{
	const struct world_event *we = &w->events[idx - 1];
	struct storage_read *r;
	uint32_t i, left = 0;
	const struct world_pointer *p;

	if (!we->exists)
		return;
	for (i = 0; i < we->nplaces; i++) {
		p = &w->convs[we->places[i].conv - 1].p[we->places[i].seq - 1];
		left += !p->gone;
		r = world_find(w, &we->id, &we->places[i].conv, 1);
		assert_int_equal(r->err, p->gone ? ERR_NOTFOUND : OK);
		assert_int_equal(r->nentries, !p->gone);
		if (!p->gone)
			world_check_entry(w, r->entries[0],
			    we->places[i].conv - 1);
		storage_read_free(r);
	}
	r = world_find(w, &we->id, NULL, 0);
	assert_int_equal(r->err, left > 0 ? OK : ERR_NOTFOUND);
	storage_read_free(r);
}

void
world_check(struct world *w, uint64_t n)
{
	uint32_t conv;
	uint64_t idx;

	assert_int_equal(storage_applied(w->s), n);
	for (conv = 0; conv < WORLD_CONVS; conv++)
		check_conv(w, conv, n);
	for (idx = 1; idx <= n; idx += 1 + n / 500)
		check_event(w, idx);
}

struct seen {
	struct world *w;
	uint64_t upto;
	bool conv[WORLD_CONVS];
	uint32_t last;
};

static enum err
see(void *arg, uint32_t kind, struct str key, struct str value)
{
	struct seen *seen = arg;
	uint32_t conv = (uint32_t)(uint8_t)key.p[3] - 1;
	char want[128];
	size_t n;

	assert_int_equal(kind, WORLD_KIND);
	assert_int_equal(key.n, 4);
	assert_true(conv < WORLD_CONVS);
	assert_false(seen->conv[conv]);
	assert_true(conv + 1 > seen->last);
	seen->last = conv + 1;
	seen->conv[conv] = true;
	n = record_of(seen->w, conv, seen->upto, want);
	assert_int_equal(value.n, n);
	assert_memory_equal(value.p, want, n);
	return OK;
}

void
world_check_records(struct world *w, uint64_t n)
{
	struct seen seen = { .w = w, .upto = n };
	char want[128];
	uint32_t conv;

	assert_int_equal(world_try_open(w), OK);
	assert_int_equal(storage_applied(w->s), n);
	assert_int_equal(storage_load(w->s, see, &seen), OK);
	for (conv = 0; conv < WORLD_CONVS; conv++)
		assert_int_equal(seen.conv[conv],
		    record_of(w, conv, n, want) > 0 &&
			!record_gone(conv, want));
	world_close(w);
}

void
world_verify(const struct world *w, enum err want)
{
	char path[512];
	struct bytes report;
	enum err err;

	(void)snprintf(path, sizeof(path), "%s/history.db", w->dir);
	bytes_init(&report, 65536);
	err = storage_verify(path, &report);
	if (err != want)
		print_error("%.*s", (int)report.n, report.p);
	assert_int_equal(err, want);
	bytes_fini(&report);
}
