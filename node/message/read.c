/*
 * read: pages of logs out of cache and storage, as one.
 *
 * The cache holds a window up to the head of a log, and at least everything
 * that storage has not applied; so what is older than the window is in
 * storage, and the two never miss anything between them.
 */
#include <assert.h>
#include <stdlib.h>

#include "node/message/service.h"

#define PAGE_MAX     200
#define PAGE_DEFAULT 50
#define PAGE_BYTES   ((size_t)1 << 20) /* and one event, before escaping */

enum reading_type {
	READ_FOR_CALL,    /* run rq again with what was found */
	READ_FOR_FEED,    /* a feed has asked: read_feed */
	READ_FOR_HISTORY, /* answer a page: read_page */
	READ_FOR_EXPIRY,  /* retention */
};

/* What a storage_read was for; its arg. */
struct reading {
	enum reading_type type;
	struct request *rq;
	struct gate *gate; /* CALL: kept closed meanwhile, or NULL */
	struct conn_ref conn;
	uint32_t log, conv;
	uint64_t after, floor;
	uint64_t head;    /* FEED: of the log, when it was asked */
	uint64_t applied; /* what storage had for certain then */
	uint32_t days;    /* EXPIRY: retention of the room then */
	bool before;      /* HISTORY: direction */
	int limit;
	struct page *newer; /* HISTORY: found in the cache, or NULL */
};

/* Entries of a page, with a reference each. */
struct page {
	size_t n;
	struct page_item {
		struct entry *entry;
		uint32_t place;
	} items[PAGE_MAX];
};

static void
page_free(struct page *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n; i++)
		entry_unref(p->items[i].entry);
	free(p);
}

static struct reading *
reading_new(struct message *m, enum reading_type type)
{
	struct reading *rd = calloc(1, sizeof(*rd));

	if (rd == NULL)
		return NULL;
	rd->type = type;
	rd->applied = m->applied_index;
	return rd;
}

static void
reading_free(struct message *m, struct reading *rd)
{
	if (rd->rq != NULL) {
		m->waiting--;
		request_free(rd->rq);
	}
	page_free(rd->newer);
	if (rd->gate != NULL)
		gate_release(m, rd->gate);
	free(rd);
}

static enum err
reading_submit(struct message *m, struct storage_read *r, struct reading *rd)
{
	enum err rc;

	r->arg = rd;
	if ((rc = storage_read(m->parts.storage, r)) != OK) {
		storage_read_free(r);
		rd->rq = NULL;
		reading_free(m, rd);
		return rc;
	}
	if (rd->rq != NULL)
		m->waiting++;
	return OK;
}

enum err
read_for_call(struct message *m, struct storage_read *r, struct request *rq,
    uint64_t hold)
{
	struct reading *rd;

	if ((rd = reading_new(m, READ_FOR_CALL)) == NULL) {
		storage_read_free(r);
		return ERR_NOMEM;
	}
	rd->rq = rq;
	if (hold != 0 && (rd->gate = gate_hold(m, hold)) == NULL) {
		free(rd);
		storage_read_free(r);
		return ERR_NOMEM;
	}
	return reading_submit(m, r, rd);
}

enum err
read_for_expiry(struct message *m, struct storage_read *r, uint32_t days)
{
	struct reading *rd;

	if ((rd = reading_new(m, READ_FOR_EXPIRY)) == NULL) {
		storage_read_free(r);
		return ERR_NOMEM;
	}
	rd->days = days;
	return reading_submit(m, r, rd);
}

static struct storage_read *
read_of_conv(enum storage_read_type type, uint32_t conv, uint64_t seq,
    uint32_t limit)
{
	struct storage_read *r;

	if ((r = storage_read_new()) == NULL)
		return NULL;
	if ((r->convs = malloc(sizeof(*r->convs))) == NULL) {
		storage_read_free(r);
		return NULL;
	}
	r->convs[0] = conv;
	r->nconvs = 1;
	r->type = type;
	r->seq = seq;
	r->limit = limit;
	return r;
}

/* ---- feeds --------------------------------------------------------------- */

struct frame *
gap_frame(struct message *m, const struct log_state *log, uint64_t from,
    uint64_t to)
{
	struct account *owner = registry_account_local(&m->reg, log->local);
	struct room *room = registry_room_local(&m->reg, log->local);
	struct bytes b;
	struct frame *f;

	bytes_init(&b, 1024);
	json_object(&b);
	json_cstr(&b, "push", "gap");
	if (owner != NULL)
		format_account(m, &b, "log", owner);
	else if (room != NULL)
		format_room(m, &b, "log", room);
	json_u64(&b, "from", from);
	json_u64(&b, "to", to);
	json_object_end(&b);
	f = b.failed ? NULL : frame_new((struct str){ b.p, b.n });
	bytes_fini(&b);
	return f;
}

/* The item for what was found at place, with a gap where it does not follow
 * `last'.  False: no memory. */
static bool
feed_item(struct message *m, const struct log_state *log, uint64_t last,
    const struct cache_item *found, struct notify_item *out)
{
	out->seq = found->place->seq;
	out->gap = NULL;
	if (out->seq > last + 1 &&
	    (out->gap = gap_frame(m, log, last + 1, out->seq - 1)) == NULL)
		return false;
	out->frame = publish_frame(m, found->entry, found->place, log->local);
	if (out->frame != NULL)
		return true;
	if (out->gap != NULL)
		frame_unref(out->gap);
	return false;
}

/*
 * Formats what was found and hands it to the feed.  Nothing found: nothing of
 * what lies after `after' is left.
 */
static void
feed_items(struct message *m, const struct conn_ref *conn,
    const struct log_state *log, uint64_t after, const struct cache_item *found,
    size_t n)
{
	struct notify_item items[NOTIFY_FETCH];
	uint64_t head = log->head.durable, last = after;
	enum err rc = OK;
	size_t k = 0;

	assert(n <= NOTIFY_FETCH);
	for (; k < n; last = items[k++].seq)
		if (!feed_item(m, log, last, &found[k], &items[k]))
			break;
	if (n == 0 && head > after) {
		items[0] = (struct notify_item){ .seq = head,
			.gap = gap_frame(m, log, after + 1, head) };
		k = items[0].gap != NULL;
	}
	if (k == 0 && head > after)
		rc = ERR_NOMEM;
	notify_fed(m->parts.notify, conn, log->local, after, items, k, head,
	    rc);
}

/* The conversations of a mailbox that moved after `after'. */
static enum err
moved_convs(struct storage_read *r, const struct account *owner, uint64_t after)
{
	size_t n = 0;

	r->convs = malloc((owner->nconvs + 1) * sizeof(*r->convs));
	if (r->convs == NULL)
		return ERR_NOMEM;
	for (struct conv *c = owner->convs; c != NULL; c = c->next)
		if (c->head > after)
			r->convs[n++] = c->num;
	r->nconvs = n;
	return OK;
}

static struct storage_read *
feed_question(const struct account *owner, const struct room *room,
    uint64_t after)
{
	struct storage_read *r;

	if (room != NULL)
		return read_of_conv(STORAGE_AFTER,
		    room->conv != NULL ? room->conv->num : 0, after,
		    NOTIFY_FETCH);
	if ((r = storage_read_new()) == NULL)
		return NULL;
	r->type = STORAGE_AFTER;
	r->seq = after;
	r->limit = NOTIFY_FETCH;
	if (moved_convs(r, owner, after) == OK)
		return r;
	storage_read_free(r);
	return NULL;
}

static enum err
feed_from_storage(struct message *m, const struct conn_ref *conn,
    const struct log_state *log, uint64_t after)
{
	struct storage_read *r;
	struct reading *rd;

	r = feed_question(registry_account_local(&m->reg, log->local),
	    registry_room_local(&m->reg, log->local), after);
	if (r == NULL)
		return ERR_NOMEM;
	if ((rd = reading_new(m, READ_FOR_FEED)) == NULL) {
		storage_read_free(r);
		return ERR_NOMEM;
	}
	rd->conn = *conn;
	rd->log = log->local;
	rd->after = after;
	rd->head = log->head.durable;
	return reading_submit(m, r, rd);
}

static void
feed_fetch(struct message *m, const struct conn_ref *conn,
    const struct log_state *log, uint64_t after)
{
	struct cache_item found[NOTIFY_FETCH];
	enum err rc;
	int n;

	n = cache_after(m->parts.cache, log->local, 0, after, found,
	    NOTIFY_FETCH);
	cache_count(m->parts.cache, n >= 0);
	if (n >= 0) {
		feed_items(m, conn, log, after, found, (size_t)n);
		return;
	}
	rc = feed_from_storage(m, conn, log, after);
	if (rc != OK)
		notify_fed(m->parts.notify, conn, log->local, after, NULL, 0,
		    log->head.durable, rc);
}

static struct log_state *
log_local(struct message *m, uint32_t local)
{
	struct account *a;
	struct room *room;

	if ((a = registry_account_local(&m->reg, local)) != NULL)
		return &a->log;
	room = registry_room_local(&m->reg, local);
	return room != NULL ? &room->log : NULL;
}

void
message_fetch(void *arg, struct session *s, uint32_t log, uint64_t after)
{
	struct message *m = arg;
	struct log_state *l = log_local(m, log);

	if (l != NULL)
		feed_fetch(m, &s->conn, l, after);
	else
		notify_fed(m->parts.notify, &s->conn, log, after, NULL, 0, 0,
		    OK);
}

/*
 * Storage has nothing after `after', and the cache does not reach down to it:
 * what lies between is gone.  Unless it went from the one to the other since
 * the question was asked; then it is asked again.
 */
static void
feed_beyond(struct message *m, const struct reading *rd,
    const struct log_state *log)
{
	struct cache_item found[NOTIFY_FETCH];
	uint64_t first = cache_first(m->parts.cache, rd->log);
	int n = 0;

	if (rd->applied != m->applied_index) {
		feed_fetch(m, &rd->conn, log, rd->after);
		return;
	}
	if (first != 0)
		n = cache_after(m->parts.cache, rd->log, 0,
		    first > rd->after ? first - 1 : rd->after, found,
		    NOTIFY_FETCH);
	feed_items(m, &rd->conn, log, rd->after, found, (size_t)n);
}

static void
feed_done(struct message *m, struct storage_read *r, struct reading *rd)
{
	const struct log_state *log = log_local(m, rd->log);
	struct cache_item found[NOTIFY_FETCH];
	size_t n = 0;

	if (r->err != OK) {
		notify_fed(m->parts.notify, &rd->conn, rd->log, rd->after, NULL,
		    0, log->head.durable, r->err);
		return;
	}
	/* What came after the question may be in conversations that it does
	 * not name. */
	while (n < r->nentries && n < NOTIFY_FETCH &&
	       r->entries[n]->places[0].seq <= rd->head) {
		found[n].entry = r->entries[n];
		found[n].place = &r->entries[n]->places[0];
		n++;
	}
	if (n == 0)
		feed_beyond(m, rd, log);
	else
		feed_items(m, &rd->conn, log, rd->after, found, n);
}

/* ---- pages --------------------------------------------------------------- */

/* What an event adds to an answer, before its text is escaped. */
static size_t
page_cost(const struct cache_item *it)
{
	return 512 + it->entry->event->body_bytes.n;
}

/*
 * Answers with those of the n items, ascending, that are not below floor, as
 * far as they fit: from the newest on with `before', else from the oldest on.
 */
static void
page_send(struct message *m, const struct request *rq,
    const struct cache_item *v, size_t n, uint64_t floor, bool before,
    bool more)
{
	size_t from = 0, to = n, size = 0, i;
	struct bytes b;

	while (from < to && v[from].place->seq < floor)
		from++;
	if (before && from < n && v[from].place->seq <= floor)
		more = false;
	for (i = 0; i < to - from; i++) {
		size += page_cost(before ? &v[to - 1 - i] : &v[from + i]);
		if (i > 0 && size > PAGE_BYTES)
			break;
	}
	more = more || i < to - from;
	if (before)
		from = to - i;
	else
		to = from + i;
	bytes_init(&b, 8 * PAGE_BYTES);
	answer_begin(&b, rq->rq.id);
	json_array(&b, "events");
	for (i = from; i < to; i++) {
		json_item_object(&b);
		format_event(m, &b, v[i].entry, v[i].place);
		json_object_end(&b);
	}
	json_array_end(&b);
	json_bool(&b, "more", more);
	answer_end(m, &b, &rq->conn, 0);
	bytes_fini(&b);
}

static struct page *
page_keep(const struct cache_item *v, int n)
{
	struct page *p;

	if ((p = malloc(sizeof(*p))) == NULL)
		return NULL;
	p->n = (size_t)n;
	for (int i = 0; i < n; i++)
		p->items[i] = (struct page_item){ entry_ref(v[i].entry),
			(uint32_t)(v[i].place - v[i].entry->places) };
	return p;
}

/* Takes what r must have; nnewer of newer are what the cache has. */
static enum err
page_from_storage(struct message *m, struct call *c, const struct reading *ask,
    struct storage_read *r, const struct cache_item *newer, int nnewer)
{
	struct reading *rd;
	enum err rc;

	if (r == NULL)
		return ERR_NOMEM;
	if ((rd = reading_new(m, READ_FOR_HISTORY)) == NULL) {
		storage_read_free(r);
		return ERR_NOMEM;
	}
	rd->conv = ask->conv;
	rd->log = ask->log;
	rd->after = ask->after;
	rd->floor = ask->floor;
	rd->before = ask->before;
	rd->limit = ask->limit;
	if (nnewer > 0 && (rd->newer = page_keep(newer, nnewer)) == NULL) {
		reading_free(m, rd);
		storage_read_free(r);
		return ERR_NOMEM;
	}
	rd->rq = c->rq;
	if ((rc = reading_submit(m, r, rd)) == OK)
		c->kept = true;
	return rc;
}

static enum err
page_after(struct message *m, struct call *c, const struct conv *conv,
    struct reading *ask)
{
	struct cache_item items[PAGE_MAX];
	uint64_t after = c->a->after;
	int n;

	if (after + 1 < ask->floor)
		after = ask->floor - 1;
	ask->after = after;
	n = cache_after(m->parts.cache, ask->log, conv->num, after, items,
	    ask->limit);
	cache_count(m->parts.cache, n >= 0);
	if (n < 0)
		return page_from_storage(m, c, ask,
		    read_of_conv(STORAGE_AFTER, conv->num, after,
			(uint32_t)ask->limit),
		    NULL, 0);
	page_send(m, c->rq, items, (size_t)n, ask->floor, false,
	    n > 0 && items[n - 1].place->seq < conv->head);
	return OK;
}

static enum err
page_before(struct message *m, struct call *c, const struct conv *conv,
    struct reading *ask)
{
	struct cache_item items[PAGE_MAX];
	const struct args *a = c->a;
	uint64_t before = args_has(a, K(before)) ? a->before : UINT64_MAX;
	uint64_t first = cache_first(m->parts.cache, ask->log);
	bool complete;
	int n;

	n = cache_before(m->parts.cache, ask->log, conv->num, before, items,
	    ask->limit, &complete);
	complete = complete || (n > 0 && items[0].place->seq <= ask->floor);
	cache_count(m->parts.cache, complete);
	if (complete) {
		page_send(m, c->rq, items, (size_t)n, ask->floor, true,
		    n == ask->limit && items[0].place->seq > 1);
		return OK;
	}
	if (first != 0 && first < before)
		before = first;
	ask->before = true;
	return page_from_storage(m, c, ask,
	    read_of_conv(STORAGE_BEFORE, conv->num, before,
		(uint32_t)(ask->limit - n)),
	    items, n);
}

/*
 * floor: positions below it are not for this reader (history since joining).
 */
enum err
read_page(struct message *m, struct call *c, struct conv *conv, uint64_t floor)
{
	const struct args *a = c->a;
	struct reading ask = { .conv = conv->num,
		.log = conv->log->local,
		.floor = floor,
		.limit = PAGE_DEFAULT };

	if (args_has(a, K(before) | K(after)))
		return ERR_INVALID;
	if (args_has(a, K(limit))) {
		if (a->limit == 0 || a->limit > PAGE_MAX)
			return ERR_INVALID;
		ask.limit = (int)a->limit;
	}
	if (m->waiting >= m->cfg.max_waiting)
		return ERR_BUSY;
	return args_has(a, K(after)) ? page_after(m, c, conv, &ask)
				     : page_before(m, c, conv, &ask);
}

/* What follows in the cache, to at most `limit' in all; -1: it was not yet in
 * storage and is no more in the cache: ask again. */
static int
page_extend(struct message *m, const struct reading *rd, struct cache_item *v,
    int n)
{
	uint64_t last = n > 0 ? v[n - 1].place->seq : rd->after;
	uint64_t first = cache_first(m->parts.cache, rd->log);
	int k;

	if (n == rd->limit)
		return n;
	if (first == 0 || first > last + 1) {
		/* Between them may be what was applied meanwhile. */
		if (rd->applied != m->applied_index)
			return n > 0 ? n : -1;
		if (first == 0)
			return n;
		last = first - 1;
	}
	k = cache_after(m->parts.cache, rd->log, rd->conv, last, v + n,
	    rd->limit - n);
	return k > 0 ? n + k : n;
}

static void
page_again(struct message *m, struct reading *rd)
{
	struct reading *next = reading_new(m, READ_FOR_HISTORY);
	struct storage_read *r = read_of_conv(STORAGE_AFTER, rd->conv,
	    rd->after, (uint32_t)rd->limit);
	struct request *rq = rd->rq;
	enum err rc = ERR_NOMEM;

	m->waiting--;
	rd->rq = NULL;
	if (next != NULL && r != NULL) {
		next->conv = rd->conv;
		next->log = rd->log;
		next->after = rd->after;
		next->floor = rd->floor;
		next->limit = rd->limit;
		next->rq = rq;
		rc = reading_submit(m, r, next);
	} else {
		storage_read_free(r);
		free(next);
	}
	if (rc == OK)
		return;
	answer_error(m, &rq->conn, rq->rq.id, rc, NULL);
	request_free(rq);
}

static void
page_done(struct message *m, struct storage_read *r, struct reading *rd)
{
	const struct conv *conv = registry_conv(&m->reg, rd->conv);
	struct cache_item v[PAGE_MAX];
	int n = 0;

	if (r->err != OK) {
		answer_error(m, &rd->rq->conn, rd->rq->rq.id, r->err, NULL);
		return;
	}
	for (size_t i = 0; i < r->nentries && n < rd->limit; i++)
		v[n++] = (struct cache_item){ r->entries[i],
			&r->entries[i]->places[0] };
	if (rd->before) {
		for (size_t i = 0; rd->newer != NULL && i < rd->newer->n; i++)
			v[n++] = (struct cache_item){
				rd->newer->items[i].entry,
				&rd->newer->items[i]
				     .entry->places[rd->newer->items[i].place]
			};
		page_send(m, rd->rq, v, (size_t)n, rd->floor, true, r->more);
		return;
	}
	if ((n = page_extend(m, rd, v, n)) < 0)
		page_again(m, rd);
	else
		page_send(m, rd->rq, v, (size_t)n, rd->floor, false,
		    n > 0 && v[n - 1].place->seq < conv->head);
}

/* ---- coming back --------------------------------------------------------- */

static void
call_found(struct message *m, struct storage_read *r, struct reading *rd)
{
	struct resumed resumed = { .looked_up = true };
	struct request *rq = rd->rq;

	if (r->err == OK && r->nentries > 0)
		resumed.found = r->entries[0];
	rd->rq = NULL;
	m->waiting--;
	if (r->err != OK && r->err != ERR_NOTFOUND) {
		answer_error(m, &rq->conn, rq->rq.id, r->err, NULL);
		request_free(rq);
		return;
	}
	call_run(m, rq, &resumed);
}

void
message_reads_done(struct message *m, struct channel_item *items)
{
	struct storage_read *r;
	struct reading *rd;

	while ((r = (struct storage_read *)items) != NULL) {
		items = items->next;
		rd = r->arg;
		switch (rd->type) {
		case READ_FOR_CALL:
			call_found(m, r, rd);
			break;
		case READ_FOR_FEED:
			feed_done(m, r, rd);
			break;
		case READ_FOR_HISTORY:
			page_done(m, r, rd);
			break;
		case READ_FOR_EXPIRY:
			expiry_found(m, r, rd->days);
			break;
		}
		reading_free(m, rd);
		storage_read_free(r);
	}
}
