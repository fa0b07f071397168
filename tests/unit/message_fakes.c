/*
 * message_fakes: stand-ins for the boxes around the message service.  They
 * keep the promises of the headers, and assert that the service does.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/message_world.h"

volatile unsigned world_own;

/* Other threads, and the test, have memory. */
static void *
own_realloc(void *old, size_t n)
{
	void *p;

	world_own++;
	p = realloc(old, n);
	world_own--;
	assert(p != NULL);
	return p;
}

static void *
own_zeros(size_t n)
{
	return memset(own_realloc(NULL, n), 0, n);
}

/* Room for one more. */
#define GROW(v, n, cap)                                                        \
	do {                                                                   \
		if ((n) == (cap)) {                                            \
			(cap) = (cap) == 0 ? 64 : (cap)*2;                     \
			(v) = own_realloc((v), (cap) * sizeof(*(v)));          \
		}                                                              \
	} while (0)

static void
list_add(struct channel_item **head, struct channel_item **tail,
    struct channel_item *it)
{
	it->next = NULL;
	if (*tail != NULL)
		(*tail)->next = it;
	else
		*head = it;
	*tail = it;
}

static struct channel_item *
list_take(struct channel_item **head, struct channel_item **tail)
{
	struct channel_item *it = *head;

	if (it == NULL)
		return NULL;
	if ((*head = it->next) == NULL)
		*tail = NULL;
	it->next = NULL;
	return it;
}

/* ---- queue --------------------------------------------------------------- */

struct queue *
queue_fake(void)
{
	struct queue *q = own_zeros(sizeof(*q));

	q->next = 1;
	q->term = 1;
	return q;
}

void
queue_free(struct queue *q)
{
	for (size_t i = 0; i < q->njournal; i++)
		free(q->journal[i].p);
	free(q->journal);
	free(q->flying);
	free(q);
}

uint64_t
queue_next_index(const struct queue *q)
{
	return q->next;
}

uint32_t
queue_term(const struct queue *q)
{
	return q->term;
}

enum err
queue_room(struct queue *q, uint64_t n, uint64_t bytes)
{
	(void)n;
	(void)bytes;
	if (q->unavailable)
		return ERR_QUEUE_UNAVAILABLE;
	return q->full ? ERR_QUEUE_FULL : OK;
}

bool
queue_pressed(struct queue *q)
{
	return q->pressed;
}

enum err
queue_submit(struct queue *q, struct queue_item *it)
{
	enum err rc = queue_room(q, 1, it->data.n);

	if (rc != OK)
		return rc;
	assert(it->type == QUEUE_ENTRY && it->term == q->term);
	assert(it->index == q->next && it->data.n > 0);
	q->next++;
	q->submitted++;
	GROW(q->flying, q->nflying, q->flying_cap);
	q->flying[q->nflying++] = it;
	return OK;
}

void
queue_flush(struct queue *q)
{
	(void)q;
}

void
queue_trim(struct queue *q, uint64_t index)
{
	assert(index >= q->trimmed);
	q->trimmed = index;
}

void
queue_stats(struct queue *q, struct queue_stats *out)
{
	memset(out, 0, sizeof(*out));
	out->available = !q->unavailable;
	out->committed = q->njournal;
}

static void
journal_add(struct queue *q, const struct queue_item *it)
{
	struct journalled *j;

	if (q->forgetful)
		return;
	GROW(q->journal, q->njournal, q->journal_cap);
	j = &q->journal[q->njournal++];
	j->index = it->index;
	j->n = it->data.n;
	j->p = own_realloc(NULL, j->n);
	memcpy(j->p, it->data.p, j->n);
}

/* The first n of what is flying, with err, linked; NULL: none. */
static struct channel_item *
bring_back(struct queue *q, size_t n, enum err err)
{
	struct channel_item *head = NULL, *tail = NULL;

	if (n > q->nflying)
		n = q->nflying;
	for (size_t i = 0; i < n; i++) {
		struct queue_item *it = q->flying[i];

		it->err = err == OK && it->term != q->term ? ERR_NOSPACE : err;
		if (it->err == OK)
			journal_add(q, it);
		list_add(&head, &tail, &it->link);
	}
	q->nflying -= n;
	if (n > 0)
		memmove(q->flying, q->flying + n,
		    q->nflying * sizeof(q->flying[0]));
	return head;
}

struct channel_item *
queue_commit(struct queue *q, size_t n)
{
	assert(!q->unavailable);
	return bring_back(q, n, OK);
}

void
queue_sync(struct queue *q, size_t n)
{
	size_t kept = 0;

	if (q->nflying == 0)
		return;
	q->next = q->flying[0]->index;
	for (size_t i = 0; i < q->nflying && kept < n; i++, kept++) {
		if (q->flying[i]->term != q->term)
			break;
		journal_add(q, q->flying[i]);
		q->next++;
	}
}

static struct channel_item *
notice(struct queue *q, enum queue_item_type type, enum err err)
{
	struct queue_item *it = own_zeros(sizeof(*it));

	it->type = type;
	it->err = err;
	it->term = q->term;
	it->index = q->next;
	return &it->link;
}

struct channel_item *
queue_fail(struct queue *q, enum err err, size_t late)
{
	struct channel_item *head, **end;
	size_t n = q->nflying > late ? q->nflying - late : 0;

	if (q->nflying > 0)
		q->next = q->flying[0]->index;
	q->term++;
	q->unavailable = true;
	head = bring_back(q, n, err);
	for (end = &head; *end != NULL; end = &(*end)->next)
		;
	*end = notice(q, QUEUE_FAILED, err);
	return head;
}

struct channel_item *
queue_late(struct queue *q, enum err err)
{
	size_t n = 0;

	while (n < q->nflying && q->flying[n]->term != q->term)
		n++;
	return bring_back(q, n, err);
}

struct channel_item *
queue_recover(struct queue *q)
{
	q->unavailable = false;
	return notice(q, QUEUE_RECOVERED, OK);
}

/* ---- storage: what main hands over --------------------------------------- */

struct storage_batch *
storage_batch_new(void)
{
	struct storage_batch *b = calloc(1, sizeof(*b));

	if (b != NULL)
		bytes_init(&b->memory, (size_t)1 << 30);
	return b;
}

void
storage_batch_free(struct storage_batch *b)
{
	if (b == NULL)
		return;
	for (size_t i = 0; i < b->nentries; i++)
		entry_unref(b->entries[i]);
	free(b->entries);
	free(b->puts);
	free(b->erasures);
	free(b->expires);
	bytes_wipe(&b->memory);
	free(b);
}

/* Like GROW, but may fail: main allocates these. */
#define GROW_OR(v, n, cap)                                                     \
	do {                                                                   \
		if ((n) == (cap)) {                                            \
			size_t cap_ = (cap) == 0 ? 64 : (cap)*2;               \
			void *p_ = realloc((v), cap_ * sizeof(*(v)));          \
			if (p_ == NULL)                                        \
				return ERR_NOMEM;                              \
			(v) = p_;                                              \
			(cap) = cap_;                                          \
		}                                                              \
	} while (0)

enum err
storage_batch_entry(struct storage_batch *b, struct entry *e)
{
	assert(b->nentries == 0 ||
	       e->index == b->entries[b->nentries - 1]->index + 1);
	GROW_OR(b->entries, b->nentries, b->entries_cap);
	b->entries[b->nentries++] = entry_ref(e);
	return OK;
}

enum err
storage_batch_put(struct storage_batch *b, uint32_t kind, struct str key,
    struct str value)
{
	GROW_OR(b->puts, b->nputs, b->puts_cap);
	bytes_add_str(&b->memory, key);
	if (value.p != NULL)
		bytes_add_str(&b->memory, value);
	if (b->memory.failed)
		return ERR_NOMEM;
	b->puts[b->nputs++] = (struct storage_put){ kind, { NULL, key.n },
		{ value.p != NULL ? "" : NULL, value.n } };
	return OK;
}

enum err
storage_batch_erase(struct storage_batch *b, const struct event_id *id)
{
	GROW_OR(b->erasures, b->nerasures, b->erasures_cap);
	b->erasures[b->nerasures++] = *id;
	return OK;
}

enum err
storage_batch_expire(struct storage_batch *b, uint32_t conv, uint64_t seq)
{
	GROW_OR(b->expires, b->nexpires, b->expires_cap);
	b->expires[b->nexpires++] = (struct storage_expire){ conv, seq };
	return OK;
}

enum err
storage_apply(struct storage *s, struct storage_batch *b)
{
	const char *p = b->memory.p;

	if (s->refuse_batches)
		return ERR_BUSY;
	for (size_t i = 0; i < b->nputs; i++) {
		b->puts[i].key.p = p;
		p += b->puts[i].key.n;
		if (b->puts[i].value.p == NULL)
			continue;
		b->puts[i].value.p = p;
		p += b->puts[i].value.n;
	}
	list_add(&s->batches, &s->batches_tail, &b->link);
	s->nbatches++;
	return OK;
}

unsigned
storage_pending(const struct storage *s)
{
	return s->nbatches;
}

/* ---- storage: what it keeps ---------------------------------------------- */

struct stored_record {
	UT_hash_handle hh;
	size_t n; /* of the value */
	size_t key_len;
	char *value;
	char key[4 + 128]; /* kind, big endian, then the key */
};

struct storage *
storage_fake(void)
{
	return own_zeros(sizeof(struct storage));
}

void
storage_free(struct storage *s)
{
	struct stored_record *r, *next;

	storage_forget_batches(s);
	for (size_t i = 0; i < s->nrows; i++)
		event_unref(s->rows[i].event);
	HASH_ITER(hh, s->records, r, next)
	{
		HASH_DELETE(hh, s->records, r);
		free(r->value);
		free(r);
	}
	free(s->rows);
	free(s->pointers);
	free(s);
}

uint64_t
storage_applied(const struct storage *s)
{
	return s->applied;
}

void
storage_stats(struct storage *s, struct storage_stats *out)
{
	memset(out, 0, sizeof(*out));
	out->applied = s->applied;
}

static void
keep_entry(struct storage *s, const struct entry *e)
{
	assert(e->index == s->applied + 1);
	s->applied = e->index;
	if (e->event == NULL)
		return;
	GROW(s->rows, s->nrows, s->rows_cap);
	s->rows[s->nrows++] = (struct stored){ e->index, event_ref(e->event) };
	for (uint32_t i = 0; i < e->nplaces; i++) {
		GROW(s->pointers, s->npointers, s->pointers_cap);
		s->pointers[s->npointers++] =
		    (struct pointer){ e->places[i], s->nrows - 1, false };
	}
}

static void
keep_record(struct storage *s, const struct storage_put *put)
{
	struct stored_record *r;
	char key[4 + 128] = { (char)(put->kind >> 24), (char)(put->kind >> 16),
		(char)(put->kind >> 8), (char)put->kind };
	size_t n = 4 + put->key.n;

	assert(n <= sizeof(key));
	memcpy(key + 4, put->key.p, put->key.n);
	HASH_FIND(hh, s->records, key, n, r);
	if (r != NULL) {
		HASH_DELETE(hh, s->records, r);
		free(r->value);
		free(r);
	}
	if (put->value.p == NULL)
		return;
	r = own_zeros(sizeof(*r));
	memcpy(r->key, key, n);
	r->key_len = n;
	r->n = put->value.n;
	r->value = own_realloc(NULL, r->n + 1);
	memcpy(r->value, put->value.p, r->n);
	world_own++;
	HASH_ADD(hh, s->records, key, n, r);
	world_own--;
}

static void
erase(struct storage *s, const struct event_id *id)
{
	struct event *ev;
	enum err rc;

	for (size_t i = 0; i < s->nrows; i++) {
		if (!event_id_eq(&s->rows[i].event->id, id))
			continue;
		world_own++;
		rc = event_decode(&ev, s->rows[i].event->header_bytes, STR_NONE,
		    STR_NONE);
		world_own--;
		assert(rc == OK);
		event_unref(s->rows[i].event);
		s->rows[i].event = ev;
	}
}

struct channel_item *
storage_apply_one(struct storage *s)
{
	struct channel_item *it = list_take(&s->batches, &s->batches_tail);
	struct storage_batch *b = (struct storage_batch *)it;

	if (b == NULL)
		return NULL;
	s->nbatches--;
	b->err = OK;
	assert(b->applied >= s->applied);
	for (size_t i = 0; i < b->nentries && !s->forgetful; i++)
		if (b->entries[i]->index > s->applied)
			keep_entry(s, b->entries[i]);
	for (size_t i = 0; i < b->nputs && !s->forgetful; i++)
		keep_record(s, &b->puts[i]);
	for (size_t i = 0; i < b->nerasures; i++)
		erase(s, &b->erasures[i]);
	for (size_t i = 0; i < b->nexpires; i++)
		for (size_t j = 0; j < s->npointers; j++)
			if (s->pointers[j].place.conv == b->expires[i].conv &&
			    s->pointers[j].place.seq <= b->expires[i].seq)
				s->pointers[j].gone = true;
	assert(s->forgetful || b->applied == s->applied);
	s->applied = b->applied;
	return it;
}

void
storage_forget_batches(struct storage *s)
{
	struct channel_item *it;

	while ((it = list_take(&s->batches, &s->batches_tail)) != NULL)
		storage_batch_free((struct storage_batch *)it);
	s->nbatches = 0;
}

static int
record_compare(const void *a, const void *b)
{
	struct stored_record *const *x = a, *const *y = b;
	int c = memcmp((*x)->key, (*y)->key, sizeof((*x)->key));

	return c != 0 ? c
		      : ((*x)->key_len > (*y)->key_len) -
			    ((*x)->key_len < (*y)->key_len);
}

size_t
storage_record_count(const struct storage *s)
{
	return HASH_COUNT(s->records);
}

enum err
storage_each(struct storage *s,
    enum err (*fn)(void *arg, uint32_t kind, struct str key, struct str value),
    void *arg)
{
	size_t n = 0, count = HASH_COUNT(s->records);
	struct stored_record **v, *r, *next;
	enum err rc = OK;

	v = own_zeros((count + 1) * sizeof(struct stored_record *));
	HASH_ITER(hh, s->records, r, next)
	v[n++] = r;
	qsort(v, n, sizeof(struct stored_record *), record_compare);
	for (size_t i = 0; i < n && rc == OK; i++)
		rc = fn(arg,
		    (uint32_t)(unsigned char)v[i]->key[2] << 8 |
			(unsigned char)v[i]->key[3],
		    (struct str){ v[i]->key + 4, v[i]->key_len - 4 },
		    (struct str){ v[i]->value, v[i]->n });
	free(v);
	return rc;
}

/* ---- storage: reads ------------------------------------------------------ */

struct storage_read *
storage_read_new(void)
{
	return calloc(1, sizeof(struct storage_read));
}

void
storage_read_free(struct storage_read *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->nentries; i++)
		entry_unref(r->entries[i]);
	free(r->entries);
	free(r->convs);
	free(r);
}

enum err
storage_read(struct storage *s, struct storage_read *r)
{
	if (s->refuse_reads)
		return ERR_BUSY;
	list_add(&s->reads, &s->reads_tail, &r->link);
	s->nreads++;
	s->reads_taken++;
	return OK;
}

static bool
wanted(const struct storage *s, const struct storage_read *r,
    const struct pointer *p)
{
	const struct event *ev = s->rows[p->row].event;
	bool in = r->nconvs == 0 && r->type == STORAGE_EVENT;

	for (size_t i = 0; i < r->nconvs && !in; i++)
		in = r->convs[i] == p->place.conv;
	if (!in || p->gone)
		return false;
	switch (r->type) {
	case STORAGE_BEFORE:
		return p->place.seq < r->seq;
	case STORAGE_AFTER:
		return p->place.seq > r->seq;
	case STORAGE_EVENT:
		return event_id_eq(&ev->id, &r->id);
	case STORAGE_TIME:
		return ev->h.time_ms < r->time_ms;
	}
	return false;
}

static int
pointer_compare(const void *a, const void *b)
{
	const struct pointer *const *x = a, *const *y = b;

	return ((*x)->place.seq > (*y)->place.seq) -
	       ((*x)->place.seq < (*y)->place.seq);
}

static void
answer_read(struct storage *s, struct storage_read *r)
{
	const struct pointer **v;
	size_t n = 0, from = 0, limit = r->limit;

	v = own_zeros((s->npointers + 1) * sizeof(struct pointer *));
	for (size_t i = 0; i < s->npointers; i++)
		if (wanted(s, r, &s->pointers[i]))
			v[n++] = &s->pointers[i];
	qsort(v, n, sizeof(struct pointer *), pointer_compare);
	r->more = n > limit;
	if (n > limit && (r->type == STORAGE_BEFORE || r->type == STORAGE_TIME))
		from = n - limit;
	if (n > limit)
		n = limit;
	r->entries = own_zeros((n + 1) * sizeof(struct entry *));
	world_own++;
	for (size_t i = 0; i < n; i++) {
		const struct pointer *p = v[from + i];
		enum err rc =
		    entry_stored(&r->entries[i], s->rows[p->row].index,
			r->type == STORAGE_TIME ? NULL : s->rows[p->row].event,
			&p->place);

		assert(rc == OK);
	}
	world_own--;
	r->nentries = n;
	free(v);
}

struct channel_item *
storage_read_one(struct storage *s)
{
	struct channel_item *it = list_take(&s->reads, &s->reads_tail);
	struct storage_read *r = (struct storage_read *)it;

	if (r == NULL)
		return NULL;
	s->nreads--;
	r->err = s->read_err;
	if (r->err == OK)
		answer_read(s, r);
	return it;
}

/* ---- gateway ------------------------------------------------------------- */

unsigned
gateway_workers(const struct gateway *g)
{
	(void)g;
	return WORLD_WORKERS;
}

bool
gateway_deliver(struct gateway *g, unsigned worker, struct delivery *d)
{
	assert(worker < WORLD_WORKERS);
	for (size_t i = 0; i < d->n; i++)
		g->deliver(g->arg, worker, &d->v[i]);
	g->delivered += d->n;
	free(d->v);
	free(d);
	return !g->congested[worker];
}

size_t
gateway_backlog(struct gateway *g, unsigned worker)
{
	return g->congested[worker] ? 1 : 0;
}

void
gateway_press(struct gateway *g, bool pressed)
{
	(void)g;
	(void)pressed;
}

void
gateway_stats(struct gateway *g, struct gateway_stats *out)
{
	(void)g;
	memset(out, 0, sizeof(*out));
	out->workers = WORLD_WORKERS;
}

/* ---- passwords: the hash of `pw' is "fake:pw" ---------------------------- */

struct password_job *
password_job_new(void (*fn)(struct password_job *), void *arg)
{
	struct password_job *job = calloc(1, sizeof(*job));

	if (job != NULL) {
		job->done = fn;
		job->arg = arg;
	}
	return job;
}

void
password_job_free(struct password_job *job)
{
	free(job);
}

enum err
password_job_check(struct password_job *job, const char *stored,
    struct str password)
{
	if (stored != NULL)
		memcpy(job->stored, stored, strlen(stored) + 1);
	memcpy(job->password, password.p, password.n);
	job->password_len = password.n;
	job->check = true;
	return OK;
}

enum err
password_job_make(struct password_job *job, struct str password)
{
	memcpy(job->fresh, password.p, password.n);
	job->fresh_len = password.n;
	job->make = true;
	return OK;
}

enum err
password_pool_submit(struct password_pool *pool, struct password_job *job)
{
	if (pool->n == pool->capacity)
		return ERR_BUSY;
	pool->n++;
	list_add(&pool->jobs, &pool->tail, &job->item);
	return OK;
}

bool
pool_run_one(struct password_pool *pool)
{
	struct channel_item *it = list_take(&pool->jobs, &pool->tail);
	struct password_job *job = (struct password_job *)it;

	if (job == NULL)
		return false;
	pool->n--;
	job->rc = OK;
	if (job->check &&
	    (strncmp(job->stored, "fake:", 5) != 0 ||
		strlen(job->stored) != 5 + job->password_len ||
		memcmp(job->stored + 5, job->password, job->password_len) != 0))
		job->rc = ERR_CREDENTIALS;
	if (job->rc == OK && job->make) {
		assert(job->fresh_len < sizeof(job->hash) - 6);
		memcpy(job->hash, "fake:", 5);
		memcpy(job->hash + 5, job->fresh, job->fresh_len);
		job->hash[5 + job->fresh_len] = '\0';
	}
	job->done(job);
	return true;
}
