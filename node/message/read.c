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
	bool before;                   /* HISTORY: direction */
	struct entry *newer[PAGE_MAX]; /* HISTORY: found in the cache */
	uint32_t newer_place[PAGE_MAX];
	size_t nnewer;
};

static void
reading_free(struct message *m, struct reading *rd)
{
	if (rd->rq != NULL) {
		m->waiting--;
		request_free(rd->rq);
	}
	for (size_t i = 0; i < rd->nnewer; i++)
		entry_unref(rd->newer[i]);
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

	if ((rd = calloc(1, sizeof(*rd))) == NULL) {
		storage_read_free(r);
		return ERR_NOMEM;
	}
	rd->type = READ_FOR_CALL;
	rd->rq = rq;
	if (hold != 0 && (rd->gate = gate_hold(m, hold)) == NULL) {
		free(rd);
		storage_read_free(r);
		return ERR_NOMEM;
	}
	return reading_submit(m, r, rd);
}

enum err
read_for_expiry(struct message *m, struct storage_read *r)
{
	struct reading *rd;

	if ((rd = calloc(1, sizeof(*rd))) == NULL) {
		storage_read_free(r);
		return ERR_NOMEM;
	}
	rd->type = READ_FOR_EXPIRY;
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

static struct frame *
gap_frame(struct message *m, const struct account *owner,
    const struct room *room, uint64_t from, uint64_t to)
{
	struct bytes b;
	struct frame *f;

	bytes_init(&b, 1024);
	json_object(&b);
	json_cstr(&b, "push", "gap");
	if (owner != NULL)
		format_account(m, &b, "log", owner);
	else
		format_room(m, &b, "log", room);
	json_u64(&b, "from", from);
	json_u64(&b, "to", to);
	json_object_end(&b);
	f = b.failed ? NULL : frame_new((struct str){ b.p, b.n });
	bytes_fini(&b);
	return f;
}

/* Formats what was found and hands it to the feed. */
static void
feed_items(struct message *m, const struct conn_ref *conn, uint32_t log,
    uint64_t after, const struct cache_item *found, size_t n)
{
	struct account *owner = registry_account_local(&m->reg, log);
	struct room *room =
	    owner != NULL ? NULL : registry_room_local(&m->reg, log);
	struct notify_item items[NOTIFY_FETCH];
	struct frame *gap = NULL;
	uint64_t head, to;
	size_t k = 0;

	if (owner == NULL && room == NULL)
		return;
	assert(n <= NOTIFY_FETCH);
	head = owner != NULL ? owner->log.head.durable : room->log.head.durable;
	for (; k < n; k++) {
		items[k].seq = found[k].place->seq;
		items[k].frame =
		    publish_frame(m, found[k].entry, found[k].place, log);
		if (items[k].frame == NULL)
			break;
	}
	to = n > 0 ? found[0].place->seq - 1 : head;
	if (to > after)
		gap = gap_frame(m, owner, room, after + 1, to);
	notify_fed(m->parts.notify, conn, log, items, k, head, gap,
	    k < n && k == 0 ? ERR_NOMEM : OK);
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

static enum err
feed_from_storage(struct message *m, struct session *s,
    const struct account *owner, const struct room *room, uint32_t log,
    uint64_t after)
{
	struct storage_read *r;
	struct reading *rd;
	enum err rc;

	if (room != NULL) {
		r = read_of_conv(STORAGE_AFTER,
		    room->conv != NULL ? room->conv->num : 0, after,
		    NOTIFY_FETCH);
		if (r == NULL)
			return ERR_NOMEM;
	} else {
		if ((r = storage_read_new()) == NULL)
			return ERR_NOMEM;
		r->type = STORAGE_AFTER;
		r->seq = after;
		r->limit = NOTIFY_FETCH;
		if ((rc = moved_convs(r, owner, after)) != OK) {
			storage_read_free(r);
			return rc;
		}
	}
	if ((rd = calloc(1, sizeof(*rd))) == NULL) {
		storage_read_free(r);
		return ERR_NOMEM;
	}
	rd->type = READ_FOR_FEED;
	rd->conn = s->conn;
	rd->log = log;
	rd->after = after;
	return reading_submit(m, r, rd);
}

void
read_feed(struct message *m, struct session *s, struct log_state *log,
    struct account *owner, struct room *room, uint64_t after)
{
	struct cache_item found[NOTIFY_FETCH];
	uint64_t head = log->head.durable, from = after;
	enum err rc;
	int n;

	if (s->limit > 0 && head > s->limit && after < head - s->limit)
		after = head - s->limit;
	n = cache_after(m->parts.cache, log->local, 0, after, found,
	    NOTIFY_FETCH);
	cache_count(m->parts.cache, n >= 0);
	if (n >= 0) {
		feed_items(m, &s->conn, log->local, from, found, (size_t)n);
		return;
	}
	rc = feed_from_storage(m, s, owner, room, log->local, after);
	if (rc != OK)
		notify_fed(m->parts.notify, &s->conn, log->local, NULL, 0, head,
		    NULL, rc);
}

static void
feed_done(struct message *m, struct storage_read *r, struct reading *rd)
{
	struct cache_item found[NOTIFY_FETCH];
	struct account *owner = registry_account_local(&m->reg, rd->log);
	uint64_t head = 0;
	size_t n = 0;
	struct room *room;

	if (owner != NULL)
		head = owner->log.head.durable;
	else if ((room = registry_room_local(&m->reg, rd->log)) != NULL)
		head = room->log.head.durable;
	if (r->err != OK) {
		notify_fed(m->parts.notify, &rd->conn, rd->log, NULL, 0, head,
		    NULL, r->err);
		return;
	}
	for (; n < r->nentries && n < NOTIFY_FETCH; n++) {
		found[n].entry = r->entries[n];
		found[n].place = &r->entries[n]->places[0];
	}
	/* Nothing older than the window is left in storage. */
	if (n == 0) {
		int k = cache_after(m->parts.cache, rd->log, 0,
		    cache_first(m->parts.cache, rd->log) == 0
			? rd->after
			: cache_first(m->parts.cache, rd->log) - 1,
		    found, NOTIFY_FETCH);
		n = k > 0 ? (size_t)k : 0;
	}
	feed_items(m, &rd->conn, rd->log, rd->after, found, n);
}

/* ---- pages --------------------------------------------------------------- */

static void
page_begin(struct bytes *b, uint64_t id)
{
	bytes_init(b, 32u << 20);
	answer_begin(b, id);
	json_array(b, "events");
}

static void
page_item(struct message *m, struct bytes *b, const struct entry *e,
    const struct place *place, uint64_t floor)
{
	if (place->seq < floor)
		return;
	json_item_object(b);
	format_event(m, b, e, place);
	json_object_end(b);
}

static void
page_end(struct message *m, struct bytes *b, const struct conn_ref *conn,
    bool more)
{
	json_array_end(b);
	json_bool(b, "more", more);
	answer_end(m, b, conn, 0);
	bytes_fini(b);
}

static enum err
page_answer(struct message *m, struct call *c, const struct cache_item *items,
    int n, uint64_t floor, bool more)
{
	struct bytes b;

	page_begin(&b, c->rq->rq.id);
	for (int i = 0; i < n; i++)
		page_item(m, &b, items[i].entry, items[i].place, floor);
	page_end(m, &b, &c->rq->conn, more);
	cache_count(m->parts.cache, true);
	return OK;
}

static enum err
page_from_storage(struct message *m, struct call *c, struct conv *conv,
    struct storage_read *r, bool before, uint64_t floor,
    const struct cache_item *newer, int nnewer)
{
	struct reading *rd;
	enum err rc;

	if (r == NULL || (rd = calloc(1, sizeof(*rd))) == NULL) {
		storage_read_free(r);
		return ERR_NOMEM;
	}
	cache_count(m->parts.cache, false);
	rd->type = READ_FOR_HISTORY;
	rd->rq = c->rq;
	rd->conv = conv->num;
	rd->before = before;
	rd->floor = floor;
	for (int i = 0; i < nnewer; i++) {
		rd->newer[i] = entry_ref(newer[i].entry);
		rd->newer_place[i] =
		    (uint32_t)(newer[i].place - newer[i].entry->places);
	}
	rd->nnewer = (size_t)nnewer;
	if ((rc = reading_submit(m, r, rd)) == OK)
		c->kept = true;
	return rc;
}

/*
 * floor: positions below it are not for this reader (history since joining).
 */
enum err
read_page(struct message *m, struct call *c, struct conv *conv, uint64_t floor)
{
	struct cache_item items[PAGE_MAX];
	const struct args *a = c->a;
	uint32_t log = conv->log->local;
	uint64_t before, after;
	bool complete;
	int n, limit = PAGE_DEFAULT;

	if (args_has(a, K(before) | K(after)))
		return ERR_INVALID;
	if (args_has(a, K(limit))) {
		if (a->limit == 0 || a->limit > PAGE_MAX)
			return ERR_INVALID;
		limit = (int)a->limit;
	}
	if (m->waiting >= m->cfg.max_waiting)
		return ERR_BUSY;
	if (args_has(a, K(after))) {
		after = a->after + 1 < floor ? floor - 1 : a->after;
		n = cache_after(m->parts.cache, log, conv->num, after, items,
		    limit);
		if (n >= 0)
			return page_answer(m, c, items, n, floor,
			    n == limit && items[n - 1].place->seq < conv->head);
		return page_from_storage(m, c, conv,
		    read_of_conv(STORAGE_AFTER, conv->num, after,
			(uint32_t)limit),
		    false, floor, NULL, 0);
	}
	before = args_has(a, K(before)) ? a->before : UINT64_MAX;
	n = cache_before(m->parts.cache, log, conv->num, before, items, limit,
	    &complete);
	if (complete || (n > 0 && items[0].place->seq <= floor))
		return page_answer(m, c, items, n, floor,
		    n == limit && items[0].place->seq > floor &&
			items[0].place->seq > 1);
	if (cache_first(m->parts.cache, log) != 0 &&
	    cache_first(m->parts.cache, log) < before)
		before = cache_first(m->parts.cache, log);
	return page_from_storage(m, c, conv,
	    read_of_conv(STORAGE_BEFORE, conv->num, before,
		(uint32_t)(limit - n)),
	    true, floor, items, n);
}

static void
page_done(struct message *m, struct storage_read *r, struct reading *rd)
{
	struct conv *conv = registry_conv(&m->reg, rd->conv);
	struct bytes b;
	uint64_t last = 0;
	bool more = r->more;

	if (r->err != OK) {
		answer_error(m, &rd->rq->conn, rd->rq->rq.id, r->err, NULL);
		return;
	}
	page_begin(&b, rd->rq->rq.id);
	for (size_t i = 0; i < r->nentries; i++) {
		page_item(m, &b, r->entries[i], &r->entries[i]->places[0],
		    rd->floor);
		last = r->entries[i]->places[0].seq;
	}
	for (size_t i = 0; i < rd->nnewer; i++)
		page_item(m, &b, rd->newer[i],
		    &rd->newer[i]->places[rd->newer_place[i]], rd->floor);
	if (!rd->before && conv != NULL && last < conv->head)
		more = r->nentries > 0 || more;
	if (rd->before && r->nentries > 0 &&
	    r->entries[0]->places[0].seq <= rd->floor)
		more = false;
	page_end(m, &b, &rd->rq->conn, more);
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
			expiry_found(m, r);
			break;
		}
		reading_free(m, rd);
		storage_read_free(r);
	}
}
