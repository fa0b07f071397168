#include "tests/unit/message_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/logger.h"
#include "base/prng.h"
#include "crypto/init.h"

#define FLUSHES 2000 /* a service that wants more spins */

/* ---- the clocks ---------------------------------------------------------- */

static uint64_t clock_ms = 1000;

struct mono __wrap_mono_now(void);
uint64_t __wrap_wall_ms(void);

struct mono
__wrap_mono_now(void)
{
	return (struct mono){ clock_ms * 1000000 };
}

uint64_t
__wrap_wall_ms(void)
{
	return 1760000000000ull + clock_ms;
}

/* ---- no chance ----------------------------------------------------------- */

static struct prng chance;

void __wrap_random_bytes(void *p, size_t n);
void __wrap_sign_keypair(uint8_t *pk, uint8_t *sk);

void
__wrap_random_bytes(void *p, size_t n)
{
	uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)prng_u64(&chance);
}

void
__wrap_sign_keypair(uint8_t *pk, uint8_t *sk)
{
	uint8_t seed[SIGN_SEED_LEN];

	__wrap_random_bytes(seed, sizeof(seed));
	sign_keypair_seed(pk, sk, seed);
}

void
world_seed(uint64_t seed)
{
	prng_seed(&chance, seed);
	clock_ms = 1000;
}

void
world_advance(struct world *w, uint64_t ms)
{
	clock_ms += ms;
	message_tick(w->m);
}

/* ---- deliveries ---------------------------------------------------------- */

static struct conn *
conn_find(struct world *w, unsigned worker, const struct deliver *d)
{
	for (struct conn *c = w->conns; c != NULL; c = c->next)
		if (c->ref.worker == worker && c->ref.slot == d->slot &&
		    c->ref.gen == d->gen)
			return c;
	return NULL;
}

static void
id_text(char *out, size_t n, uint64_t id)
{
	snprintf(out, n, "%llu", (unsigned long long)id);
}

static void
take_answer(struct conn *c, json_t *o)
{
	char key[24];
	json_t *list;

	id_text(key, sizeof(key),
	    (uint64_t)json_integer_value(json_object_get(o, "id")));
	list = json_object_get(c->answers, key);
	if (list == NULL) {
		list = json_array();
		json_object_set_new(c->answers, key, list);
	}
	json_array_append(list, o);
}

static void
conn_error(struct conn *c, const char *what, json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT);
	char *have = json_dumps(c->have, JSON_COMPACT);

	print_error("%s: %s: %s (has %s)\n", c->name, what, text, have);
	free(text);
	free(have);
	fail();
}

static bool
is_own(struct conn *c, json_t *o, const char *kind)
{
	const char *from = text_of(o, "from");
	size_t n = strlen(c->name);

	return strcmp(text_of(o, "kind"), kind) == 0 &&
	       strncmp(from, c->name, n) == 0 && from[n] == '@';
}

/* Positions of a log come without holes, or with a gap that says so. */
static void
take_event(struct conn *c, json_t *o)
{
	const char *log = text_of(o, "log");
	json_t *have = json_object_get(c->have, log);
	int64_t seq = seq_of(o);

	if (log[0] == '#' && is_own(c, o, "join"))
		have = NULL;
	if (have != NULL && seq > json_integer_value(have) + 1)
		conn_error(c, "a hole in the feed", o);
	if (have != NULL && seq <= json_integer_value(have)) {
		c->again++;
		return; /* as a client does */
	}
	json_object_set_new(c->have, log, json_integer(seq));
	json_array_append(c->events, o);
}

static void
take_gap(struct conn *c, json_t *o)
{
	json_t *have = json_object_get(c->have, text_of(o, "log"));
	int64_t from = number_of(o, "from"), to = number_of(o, "to");

	if (to < from || (have != NULL && from > json_integer_value(have) + 1))
		conn_error(c, "a wrong gap", o);
	if (have == NULL || to > json_integer_value(have))
		json_object_set_new(c->have, text_of(o, "log"),
		    json_integer(to));
	json_array_append(c->pushes, o);
}

static void
take_frame(struct conn *c, const struct frame *f)
{
	const char *text = f->data + FRAME_HEADER;
	size_t n = f->off + f->len - FRAME_HEADER;
	json_error_t error;
	json_t *o = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
	const char *kind;

	if (!json_is_object(o)) {
		print_error("%s: no JSON: %.*s\n", c->name, (int)n, text);
		fail();
	}
	kind = json_string_value(json_object_get(o, "push"));
	if (kind == NULL)
		take_answer(c, o);
	else if (strcmp(kind, "event") == 0)
		take_event(c, o);
	else if (strcmp(kind, "gap") == 0)
		take_gap(c, o);
	else
		json_array_append(c->pushes, o);
	json_decref(o);
}

static void
miss(struct conn *c, const struct frame *f)
{
	for (size_t i = 0; i < c->nmissed; i++)
		if (c->missed[i].log == f->log)
			return;
	assert_true(c->nmissed < 64);
	c->missed[c->nmissed++] = (struct gateway_missed){ f->log, f->seq };
}

static void
say(struct conn *c, enum gateway_event event)
{
	struct request *rq;

	world_own++;
	rq = request_new((const char *)c->missed,
	    event == GATEWAY_DRAINED ? c->nmissed * sizeof(c->missed[0]) : 0);
	world_own--;
	rq->event = event;
	rq->conn = c->ref;
	if (event == GATEWAY_DRAINED) {
		rq->missed = (void *)rq->text;
		rq->nmissed = c->nmissed;
	}
	message_request(c->w->m, rq);
}

/* What the gateway does with a frame of the feed for a slow reader. */
static bool
feed_takes(struct conn *c, const struct frame *f)
{
	if (c->feed == FEED_ON && c->room == 0)
		c->feed = FEED_SUSPENDED;
	if (c->feed != FEED_ON) {
		miss(c, f);
		return false;
	}
	if (c->room != UINT64_MAX)
		c->room--;
	return true;
}

static void
deliver(void *arg, unsigned worker, const struct deliver *d)
{
	struct world *w = arg;
	struct conn *c;

	w->frames++;
	if (d->frame != NULL && d->frame->len > w->widest)
		w->widest = d->frame->len;
	c = w->quiet ? NULL : conn_find(w, worker, d);
	world_own++;
	if (c != NULL && c->open && !c->closing) {
		if ((d->flags & DELIVER_SUSPENDED) != 0 &&
		    c->feed == FEED_SUSPENDED)
			c->feed = FEED_STOPPED;
		if ((d->flags & DELIVER_AUTHENTICATED) != 0)
			c->authenticated = true;
		if (d->frame != NULL &&
		    (d->frame->log == 0 || feed_takes(c, d->frame)))
			take_frame(c, d->frame);
		if ((d->flags & DELIVER_CLOSE) != 0)
			c->closing = true;
	}
	if (d->frame != NULL)
		frame_unref(d->frame);
	world_own--;
}

/* The gateway tells of feeds that it has suspended. */
static void
tell_suspended(struct world *w)
{
	for (struct conn *c = w->conns; c != NULL; c = c->next)
		if (c->open && c->feed == FEED_SUSPENDED && !c->told) {
			c->told = true;
			say(c, GATEWAY_SUSPENDED);
		}
}

void
conn_drain(struct conn *c, uint64_t room)
{
	if (c->feed != FEED_STOPPED) {
		print_error("%s: main did not say DELIVER_SUSPENDED\n",
		    c->name);
		fail();
	}
	c->feed = FEED_ON;
	c->told = false;
	c->room = room;
	say(c, GATEWAY_DRAINED);
	c->nmissed = 0;
}

/* ---- running ------------------------------------------------------------- */

void
world_flush(struct world *w)
{
	unsigned n = 0;

	while (message_flush(w->m)) {
		tell_suspended(w);
		if (++n == FLUSHES)
			fail_msg("the service asks to be called for ever");
	}
	tell_suspended(w);
	(void)message_flush(w->m);
}

void
world_commit(struct world *w, size_t n)
{
	world_flush(w);
	message_turn(w->m);
	message_queue_done(w->m, queue_commit(w->queue, n));
	world_flush(w);
}

void
world_fail(struct world *w, size_t late)
{
	world_flush(w);
	message_queue_done(w->m, queue_fail(w->queue, ERR_NOSPACE, late));
	world_flush(w);
}

void
world_recover(struct world *w)
{
	message_queue_done(w->m, queue_late(w->queue, ERR_NOSPACE));
	message_queue_done(w->m, queue_recover(w->queue));
	world_flush(w);
}

void
world_apply(struct world *w)
{
	struct channel_item *it;

	while ((it = storage_apply_one(w->storage)) != NULL)
		message_batches_done(w->m, it);
	world_flush(w);
}

void
world_read(struct world *w)
{
	struct channel_item *it;

	while ((it = storage_read_one(w->storage)) != NULL)
		message_reads_done(w->m, it);
	world_flush(w);
}

static void
world_hash(struct world *w)
{
	while (pool_run_one(&w->pool))
		;
	message_passwords_done(w->m, channel_drain(w->passwords));
	world_flush(w);
}

static bool
busy(const struct world *w)
{
	return (!w->hold_commits && w->queue->nflying > 0 &&
		   !w->queue->unavailable) ||
	       (!w->hold_batches && w->storage->nbatches > 0) ||
	       (!w->hold_reads && w->storage->nreads > 0) ||
	       (!w->hold_passwords && w->pool.n > 0);
}

void
world_settle(struct world *w)
{
	world_flush(w);
	while (busy(w)) {
		if (!w->hold_passwords)
			world_hash(w);
		if (!w->hold_commits && !w->queue->unavailable)
			world_commit(w, SIZE_MAX);
		if (!w->hold_reads)
			world_read(w);
		if (!w->hold_batches)
			world_apply(w);
	}
}

/* ---- life ---------------------------------------------------------------- */

struct message_config
world_config(void)
{
	return (struct message_config){ .realm = "example.org",
		.registration = REGISTRATION_OPEN,
		.registrations_per_hour = 1000,
		.ops_per_second = 1000000,
		.ops_burst = 1000000,
		.typing_per_minute = 60,
		.max_accounts = 1000,
		.max_rooms = 100,
		.max_members = 10000,
		.max_convs = 10000,
		.max_streams = 10000,
		.max_invites = 100,
		.max_room_members = 500,
		.max_rooms_account = 50,
		.max_waiting = 1000,
		.password_min = 4,
		.stream_horizon_days = 30 };
}

static void
host_control(void *arg, const struct conn_ref *conn, struct str text)
{
	struct world *w = arg;
	json_t *o = json_loadb(text.p, text.n, 0, NULL);

	(void)conn;
	if (text.n == 0)
		o = json_object();
	assert_non_null(o);
	json_array_append_new(w->control, o);
}

static void
host_alert(void *arg, const char *what, bool begins, const char *text)
{
	struct world *w = arg;

	(void)what;
	(void)text;
	if (begins)
		w->alerts_begun++;
	else
		w->alerts_ended++;
}

static void
host_stop(void *arg)
{
	struct world *w = arg;

	w->stopped++;
}

static enum err
host_reload(void *arg, char *what, size_t len)
{
	(void)arg;
	snprintf(what, len, "no");
	return ERR_UNSUPPORTED;
}

static void
start(struct world *w)
{
	struct notify_source source = { w->m, message_fetch };
	struct message_parts parts = { .gateway = &w->gateway,
		.queue = w->queue,
		.storage = w->storage,
		.cache = w->cache,
		.passwords = &w->pool,
		.done_passwords = w->passwords,
		.node = w->node,
		.host = { .arg = w,
		    .control = host_control,
		    .stop = host_stop,
		    .reload = host_reload,
		    .alert = host_alert } };
	enum err rc;

	w->notify = notify_new(&w->gateway, &source);
	assert_non_null(w->notify);
	parts.notify = w->notify;
	rc = message_start(w->m, &parts);
	assert_int_equal(rc, OK);
	message_turn(w->m);
}

static void
make_service(struct world *w)
{
	w->cache = cache_new(w->cache_budget, w->cache_per_log);
	w->m = message_new(&w->cfg);
	assert_non_null(w->cache);
	assert_non_null(w->m);
	message_prepare(w->m, w->cache, w->storage);
}

/* One key for all worlds: making it costs. */
static struct identity *
node_key(void)
{
	char dir[] = "/tmp/kith-test-XXXXXX", path[64];
	struct identity *id = NULL;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/key", dir);
	assert_int_equal(identity_create(&id, path), OK);
	unlink(path);
	rmdir(dir);
	return id;
}

struct world *
world_new(const struct message_config *cfg)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	assert_int_equal(crypto_start(), OK);
	shorthash_start();
	if (chance.s[0] == 0)
		world_seed(1);
	logger_open("test", LOGGER_STDERR);
	logger_set_level(
	    getenv("KITH_TEST_LOG") != NULL ? LOG_L_DEBUG : LOG_L_ALERT);
	w->cfg = cfg != NULL ? *cfg : world_config();
	w->cache_budget = 64 << 20;
	w->cache_per_log = 1024;
	w->queue = queue_fake();
	w->storage = storage_fake();
	w->gateway.deliver = deliver;
	w->gateway.arg = w;
	w->pool.capacity = 100;
	w->passwords = channel_new(1000, NULL, NULL);
	w->node = node_key();
	w->control = json_array();
	make_service(w);
	start(w);
	return w;
}

static void
drop_service(struct world *w)
{
	struct channel_item *it;

	/* As main does at the end: nothing stays out. */
	(void)message_drained(w->m);
	message_queue_done(w->m, queue_late(w->queue, ERR_CLOSED));
	w->queue->term++;
	message_queue_done(w->m, queue_late(w->queue, ERR_CLOSED));
	while ((it = storage_apply_one(w->storage)) != NULL)
		message_batches_done(w->m, it);
	while ((it = storage_read_one(w->storage)) != NULL)
		message_reads_done(w->m, it);
	while (pool_run_one(&w->pool))
		;
	message_passwords_done(w->m, channel_drain(w->passwords));
	notify_free(w->notify);
	message_free(w->m);
	cache_free(w->cache);
}

static void
conns_free(struct world *w)
{
	struct conn *c;

	while ((c = w->conns) != NULL) {
		w->conns = c->next;
		json_decref(c->answers);
		json_decref(c->pushes);
		json_decref(c->events);
		json_decref(c->have);
		free(c);
	}
}

void
world_free(struct world *w)
{
	drop_service(w);
	conns_free(w);
	queue_free(w->queue);
	storage_free(w->storage);
	channel_free(w->passwords);
	identity_free(w->node);
	json_decref(w->control);
	free(w);
}

/* ---- restart ------------------------------------------------------------- */

/* Every record of a registry, as lines in order. */
struct dump {
	char **line;
	size_t n, cap;
};

static void
dump_one(struct dump *d, struct registry *r, const struct dirty *what)
{
	char key[REGISTRY_KEY_MAX];
	struct bytes b;
	size_t key_len, cap;
	char *line;

	bytes_init(&b, 1 << 20);
	assert_int_equal(record_encode(r, what, &b, key, &key_len), OK);
	if (d->n == d->cap) {
		d->cap = d->cap == 0 ? 256 : d->cap * 2;
		d->line = realloc(d->line, d->cap * sizeof(char *));
		assert_non_null(d->line);
	}
	cap = 16 + 2 * key_len + 2 * b.n;
	line = malloc(cap);
	assert_non_null(line);
	snprintf(line, cap, "%02d ", (int)what->kind);
	hex_encode(line + 3, key, key_len);
	strcat(line, " ");
	hex_encode(line + strlen(line), b.p, b.n);
	d->line[d->n++] = line;
	bytes_fini(&b);
}

static int
line_compare(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

static void
dump_registry(struct dump *d, struct registry *r)
{
	struct account *a, *next_a;
	struct room *room, *next_room;
	struct member *mem, *next_mem;
	struct conv *c, *next_c;
	struct stream *s, *next_s;
	struct invite *i, *next_i;
	struct ban *b, *next_b;

	memset(d, 0, sizeof(*d));
	HASH_ITER(hh_id, r->accounts_id, a, next_a)
	{
		dump_one(d, r, &a->dirty);
		for (struct device *dev = a->devices; dev != NULL;
		     dev = dev->next) {
			dump_one(d, r, &dev->dirty);
			dump_one(d, r, &dev->cursors_dirty);
		}
	}
	HASH_ITER(hh_id, r->rooms_id, room, next_room)
	dump_one(d, r, &room->dirty);
	HASH_ITER(hh, r->members, mem, next_mem)
	dump_one(d, r, &mem->dirty);
	HASH_ITER(hh_num, r->convs_num, c, next_c)
	if (c->durable)
		dump_one(d, r, &c->dirty);
	HASH_ITER(hh, r->streams, s, next_s)
	if (sends_number(&s->sends) > 0)
		dump_one(d, r, &s->dirty);
	HASH_ITER(hh, r->invites, i, next_i)
	dump_one(d, r, &i->dirty);
	HASH_ITER(hh, r->bans, b, next_b)
	dump_one(d, r, &b->dirty);
	for (unsigned k = 0; k < 256; k++)
		dump_one(d, r, &r->shards[k].dirty);
	qsort(d->line, d->n, sizeof(char *), line_compare);
}

static void
dump_free(struct dump *d)
{
	for (size_t i = 0; i < d->n; i++)
		free(d->line[i]);
	free(d->line);
}

static void
compare(struct registry *old, struct registry *fresh)
{
	struct dump a, b;
	size_t n;

	dump_registry(&a, old);
	dump_registry(&b, fresh);
	n = a.n < b.n ? a.n : b.n;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(a.line[i], b.line[i]) == 0)
			continue;
		print_error("differs after a restart:\n old %s\n new %s\n",
		    a.line[i], b.line[i]);
		fail();
	}
	if (a.n != b.n) {
		print_error("objects: %zu, after a restart %zu: %s\n", a.n, b.n,
		    a.n > b.n ? a.line[n] : b.line[n]);
		fail();
	}
	dump_free(&a);
	dump_free(&b);
}

/* As main does: the records, then the journal above what they contain. */
static void
load(struct world *w)
{
	uint64_t applied = storage_applied(w->storage);
	struct queue *q = w->queue;

	assert_int_equal(storage_each(w->storage, message_load_record, w->m),
	    OK);
	for (size_t i = 0; i < q->njournal; i++) {
		struct journalled *j = &q->journal[i];

		if (j->index > applied)
			assert_int_equal(message_replay(w->m, j->index,
					     (struct str){ j->p, j->n }),
			    OK);
	}
}

/* What devices have stored and when they were seen is journalled once a
 * second; what is not is forgotten, and may be. */
static void
journal_cursors(struct world *w)
{
	bool refuse = w->storage->refuse_batches;

	w->storage->refuse_batches = true;
	world_advance(w, CURSORS_MS + 100);
	world_settle(w);
	w->storage->refuse_batches = refuse;
}

static void
restart(struct world *w, bool go_on, bool comparing, size_t synced)
{
	struct message *old = w->m;
	struct notify *old_notify = w->notify;
	struct cache *old_cache = w->cache;
	struct world rest;

	if (comparing)
		journal_cursors(w);
	if (go_on) {
		storage_forget_batches(w->storage);
		queue_sync(w->queue, synced);
	}
	make_service(w);
	load(w);
	if (comparing)
		compare(&old->reg, &w->m->reg);
	if (!go_on) {
		message_free(w->m);
		cache_free(w->cache);
		w->m = old;
		w->cache = old_cache;
		return;
	}
	/* What is in flight is lost, and nobody is connected. */
	rest = *w;
	rest.m = old;
	rest.notify = old_notify;
	rest.cache = old_cache;
	rest.quiet = true;
	for (struct conn *c = w->conns; c != NULL; c = c->next)
		c->open = false;
	drop_service(&rest);
	w->queue->unavailable = false;
	w->pool = rest.pool;
	start(w);
}

void
world_restart(struct world *w, bool go_on)
{
	restart(w, go_on, true, 0);
}

void
world_crash(struct world *w, size_t n)
{
	restart(w, true, false, n);
}

/* ---- clients ------------------------------------------------------------- */

struct conn *
world_connect(struct world *w, const char *name)
{
	struct conn *c;

	world_own++;
	c = calloc(1, sizeof(*c));
	world_own--;
	assert_non_null(c);
	c->w = w;
	c->name = name;
	c->ref.worker = w->next_worker++ % WORLD_WORKERS;
	c->ref.slot = w->next_slot[c->ref.worker]++;
	c->ref.gen = ++w->next_gen;
	/* Slots are used again, as by the gateway: the lowest free one. */
	for (uint32_t slot = 0; slot < c->ref.slot; slot++) {
		struct conn *o = w->conns;

		while (o != NULL && (!o->open || o->ref.slot != slot ||
					o->ref.worker != c->ref.worker))
			o = o->next;
		if (o == NULL) {
			c->ref.slot = slot;
			w->next_slot[c->ref.worker]--;
			break;
		}
	}
	c->open = true;
	c->room = UINT64_MAX;
	c->answers = json_object();
	c->pushes = json_array();
	c->events = json_array();
	c->have = json_object();
	c->next = w->conns;
	w->conns = c;
	return c;
}

void
conn_break(struct conn *c)
{
	assert_true(c->open);
	c->open = false;
	say(c, GATEWAY_CLOSED);
}

static struct request *
request_of(const char *op, uint64_t id, bool is_control, const char *fmt,
    va_list ap)
{
	static char text[1 << 17];
	struct request *rq;
	const char *what = "";
	size_t n, more;
	enum err rc;

	n = (size_t)snprintf(text, sizeof(text), "{\"op\":\"%s\"", op);
	if (id != 0)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
		    ",\"id\":%llu", (unsigned long long)id);
	text[n] = ',';
	more = (size_t)vsnprintf(text + n + 1, sizeof(text) - n - 1, fmt, ap);
	n += more > 0 ? more + 1 : 0;
	assert_true(n + 1 < sizeof(text));
	text[n++] = '}';
	for (size_t i = 0; i < n; i++)
		if (text[i] == '\'')
			text[i] = '"';
	rq = request_new(text, n);
	assert_non_null(rq);
	rc = json_read(&rq->rq, rq->text, rq->n, is_control, &what);
	if (rc != OK)
		fail_msg("%.*s: %s: %s", (int)n, text, err_code(rc), what);
	rq->accepted = mono_now();
	return rq;
}

static uint64_t
vask(struct conn *c, const char *op, bool silent, const char *fmt, va_list ap)
{
	uint64_t id = silent ? 0 : ++c->next_id;
	struct request *rq;

	world_own++;
	rq = request_of(op, id, false, fmt, ap);
	world_own--;
	rq->conn = c->ref;
	if (!c->authenticated)
		snprintf(rq->address, sizeof(rq->address), "192.0.2.%u",
		    c->ref.slot + 1);
	message_request(c->w->m, rq);
	return id;
}

uint64_t
ask(struct conn *c, const char *op, const char *fmt, ...)
{
	va_list ap;
	uint64_t id;

	va_start(ap, fmt);
	id = vask(c, op, false, fmt, ap);
	va_end(ap);
	return id;
}

void
tell(struct conn *c, const char *op, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vask(c, op, true, fmt, ap);
	va_end(ap);
}

static json_t *
answers(struct conn *c, uint64_t id)
{
	char key[24];

	world_flush(c->w);
	id_text(key, sizeof(key), id);
	return json_object_get(c->answers, key);
}

bool
unanswered(struct conn *c, uint64_t id)
{
	return answers(c, id) == NULL;
}

static json_t *
the_answer(struct conn *c, uint64_t id)
{
	json_t *list = answers(c, id);

	if (json_array_size(list) != 1)
		fail_msg("%s: %zu answers to %llu", c->name,
		    json_array_size(list), (unsigned long long)id);
	return json_array_get(list, 0);
}

static const char *
error_of(json_t *answer)
{
	return json_string_value(
	    json_object_get(json_object_get(answer, "error"), "code"));
}

json_t *
ok(struct conn *c, uint64_t id)
{
	json_t *o = the_answer(c, id), *v = json_object_get(o, "ok");

	if (v == NULL)
		fail_msg("%s: request %llu refused: %s", c->name,
		    (unsigned long long)id, error_of(o));
	return v;
}

const char *
refusal(struct conn *c, uint64_t id)
{
	const char *code = error_of(the_answer(c, id));

	return code != NULL ? code : "ok";
}

json_t *
done(struct conn *c, const char *op, const char *fmt, ...)
{
	va_list ap;
	uint64_t id;

	va_start(ap, fmt);
	id = vask(c, op, false, fmt, ap);
	va_end(ap);
	world_settle(c->w);
	return ok(c, id);
}

void
refused(struct conn *c, const char *code, const char *op, const char *fmt, ...)
{
	va_list ap;
	uint64_t id;

	va_start(ap, fmt);
	id = vask(c, op, false, fmt, ap);
	va_end(ap);
	world_settle(c->w);
	assert_string_equal(refusal(c, id), code);
}

static void
control_ask(struct world *w, const char *op, const char *fmt, va_list ap)
{
	struct request *rq;

	world_own++;
	rq = request_of(op, 1, true, fmt, ap);
	world_own--;
	rq->conn.worker = CONN_CONTROL;
	message_request(w->m, rq);
}

void
control_start(struct world *w, const char *op, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	control_ask(w, op, fmt, ap);
	va_end(ap);
}

static json_t *
vcontrol(struct world *w, const char *op, const char *fmt, va_list ap)
{
	size_t n = json_array_size(w->control);

	control_ask(w, op, fmt, ap);
	world_settle(w);
	assert_int_equal(json_array_size(w->control), n + 1);
	return json_array_get(w->control, n);
}

json_t *
control(struct world *w, const char *op, const char *fmt, ...)
{
	va_list ap;
	json_t *o;

	va_start(ap, fmt);
	o = vcontrol(w, op, fmt, ap);
	va_end(ap);
	if (json_object_get(o, "ok") == NULL)
		fail_msg("%s refused: %s", op, error_of(o));
	return json_object_get(o, "ok");
}

void
control_refused(struct world *w, const char *code, const char *op,
    const char *fmt, ...)
{
	va_list ap;
	const char *why;

	va_start(ap, fmt);
	why = error_of(vcontrol(w, op, fmt, ap));
	va_end(ap);
	assert_string_equal(why != NULL ? why : "ok", code);
}

char *
account_token(struct world *w, const char *name)
{
	json_t *o =
	    control(w, "account-add", "'account':'%s','name':'pc'", name);

	return strdup(text_of(o, "token"));
}

char *
device_token(struct world *w, const char *name)
{
	json_t *o =
	    control(w, "account-token", "'account':'%s','name':'phone'", name);

	return strdup(text_of(o, "token"));
}

struct conn *
resume(struct world *w, const char *name, const char *token, const char *args)
{
	struct conn *c = world_connect(w, name);

	(void)done(c, "resume", "'token':'%s'%s%s", token,
	    *args != '\0' ? "," : "", args);
	return c;
}

struct conn *
client(struct world *w, const char *name)
{
	char *token = account_token(w, name);
	struct conn *c = resume(w, name, token, "'states':true");

	free(token);
	return c;
}

/* ---- looking ------------------------------------------------------------- */

const char *
text_of(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

int64_t
number_of(json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	return json_is_integer(v) ? json_integer_value(v) : -1;
}

int64_t
seq_of(json_t *o)
{
	json_t *pos = json_object_get(o, "pos");

	return json_array_size(pos) == 2
		   ? json_integer_value(json_array_get(pos, 1))
		   : -1;
}

static json_t *
nth_event(struct conn *c, const char *log, const char *kind, size_t n,
    size_t *count)
{
	size_t i;
	json_t *o;

	*count = 0;
	json_array_foreach(c->events, i, o)
	{
		if ((*log != '\0' && strcmp(text_of(o, "log"), log) != 0) ||
		    (*kind != '\0' && strcmp(text_of(o, "kind"), kind) != 0))
			continue;
		if ((*count)++ == n)
			return o;
	}
	return NULL;
}

size_t
events(struct conn *c, const char *log, const char *kind)
{
	size_t n;

	(void)nth_event(c, log, kind, SIZE_MAX, &n);
	return n;
}

json_t *
event(struct conn *c, const char *log, const char *kind, size_t n)
{
	size_t count;
	json_t *o = nth_event(c, log, kind, n, &count);

	if (o == NULL)
		fail_msg("%s: no event %s/%s %zu, only %zu", c->name, log, kind,
		    n, count);
	return o;
}

json_t *
push(struct conn *c, const char *kind, size_t n)
{
	size_t i;
	json_t *o;

	json_array_foreach(c->pushes, i,
	    o) if (strcmp(text_of(o, "push"), kind) == 0 && n-- == 0) return o;
	return NULL;
}

size_t
pushes(struct conn *c, const char *kind)
{
	size_t n = 0;

	while (push(c, kind, n) != NULL)
		n++;
	return n;
}

void
world_count(struct world *w, struct world_count *out)
{
	struct registry *r = &w->m->reg;

	memset(out, 0, sizeof(*out));
	out->accounts = HASH_CNT(hh_id, r->accounts_id);
	out->devices = HASH_COUNT(r->devices);
	out->rooms = HASH_CNT(hh_id, r->rooms_id);
	out->members = HASH_COUNT(r->members);
	out->convs = HASH_CNT(hh_num, r->convs_num);
	out->streams = HASH_COUNT(r->streams);
	out->invites = HASH_COUNT(r->invites);
	out->bans = HASH_COUNT(r->bans);
	for (struct tombstone *t = r->tombstones; t != NULL; t = t->next)
		out->tombstones++;
	out->gates = HASH_COUNT(w->m->gates);
	out->waiting = w->m->waiting;
}
