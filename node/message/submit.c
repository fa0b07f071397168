/*
 * submit: from a draft to a pending entry in the queue.
 *
 * Everything that can fail happens before numbers are given; afterwards
 * positions, ords, chains and the stream's number are those that the entry
 * carries.  When a commit fails, all that is pending comes back with the
 * error and the numbers go back to the durable ones.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/logger.h"
#include "crypto/random.h"
#include "node/message/service.h"
#include "proto/chain.h"

void
draft_init(struct message *m, struct draft *d)
{
	d->m = m;
	memset(&d->h, 0, sizeof(d->h));
	memset(&d->body, 0, sizeof(d->body));
	d->has_event = false;
	d->submitted = false;
	d->nconvs = 0;
	d->new_conv = 0;
	d->new_local = 0;
	put_list_init(&d->puts);
}

/* Numbers that nobody got can be given again. */
void
draft_fini(struct draft *d)
{
	struct registry *r = &d->m->reg;

	if (!d->submitted && d->new_conv != 0 &&
	    d->new_conv + 1 == r->next_conv)
		r->next_conv--;
	if (!d->submitted && d->new_local != 0 &&
	    d->new_local + 1 == r->next_local)
		r->next_local--;
	put_list_fini(&d->puts);
}

uint32_t
draft_local(struct draft *d)
{
	assert(d->new_local == 0);
	d->new_local = registry_take_local(&d->m->reg);
	return d->new_local;
}

void
draft_event(struct message *m, struct draft *d, const struct call *c,
    enum event_kind kind, const struct id *target)
{
	d->has_event = true;
	d->h.kind = kind;
	if (c->account != NULL)
		d->h.author = c->account->id;
	else
		d->h.author = *target; /* an operator: on the node's behalf */
	d->h.device = c->device != NULL ? c->device->num : 0;
	d->h.target = *target;
	d->h.time_ms = m->now_ms;
}

static void
draft_conv(struct draft *d, struct conv *conv)
{
	assert(d->nconvs < ENTRY_PLACES);
	d->convs[d->nconvs++] = conv;
	if (!conv->durable)
		put_conv(&d->puts, conv);
}

enum err
draft_mailbox(struct message *m, struct draft *d, struct account *owner,
    struct account *peer)
{
	struct conv *conv = registry_conv_between(&m->reg, owner, peer);
	enum err rc;

	if (conv == NULL) {
		if (HASH_CNT(hh_num, m->reg.convs_num) >= m->reg.limits.convs)
			return ERR_FULL;
		rc = registry_conv_make(&m->reg, &conv, owner, peer, NULL);
		if (rc != OK)
			return rc;
	}
	draft_conv(d, conv);
	return OK;
}

enum err
draft_room(struct message *m, struct draft *d, struct room *room)
{
	struct conv *conv = room->conv;
	enum err rc;

	if (conv == NULL &&
	    (rc = registry_conv_make(&m->reg, &conv, NULL, NULL, room)) != OK)
		return rc;
	draft_conv(d, conv);
	return OK;
}

/*
 * The log of an account or room that this entry makes: position 1 of a
 * conversation whose number is taken here and known to nobody else yet.
 */
void
draft_new_log(struct message *m, struct draft *d, const struct id *id)
{
	Kith__ConvRecord rec = KITH__CONV_RECORD__INIT;

	assert(d->nconvs < ENTRY_PLACES && d->new_conv == 0);
	d->new_conv = m->reg.next_conv++;
	d->new_id = *id;
	d->convs[d->nconvs++] = NULL;
	rec.conv = d->new_conv;
	rec.log = rec.peer = record_data(id->b, ID_LEN);
	put_conv_record(&d->puts, &rec);
}

struct pending *
pending_new(const struct call *c, pending_done done)
{
	struct pending *p;

	if ((p = calloc(1, sizeof(*p))) == NULL)
		return NULL;
	p->done = done;
	bytes_init(&p->extra, 64 * 1024);
	if (c != NULL) {
		p->conn = c->rq->conn;
		p->id = c->rq->rq.id;
		p->op = c->rq->rq.op;
		p->accepted = c->rq->accepted;
		p->account = c->account;
	}
	return p;
}

void
pending_free(struct pending *p)
{
	if (p == NULL)
		return;
	entry_unref(p->entry);
	bytes_wipe(&p->extra);
	free(p);
}

enum err
submit_hold(struct message *m, struct pending *p, uint64_t key)
{
	struct gate *g;

	assert(p->ngates < sizeof(p->gates) / sizeof(p->gates[0]));
	if ((g = gate_hold(m, key)) == NULL)
		return ERR_NOMEM;
	p->gates[p->ngates++] = g;
	return OK;
}

void
submit_stream(struct pending *p, struct stream *s, uint64_t number)
{
	p->stream = s;
	p->number = number;
}

static void
pending_open_gates(struct message *m, struct pending *p)
{
	for (unsigned i = 0; i < p->ngates; i++)
		gate_release(m, p->gates[i]);
	p->ngates = 0;
}

void
pending_drop(struct message *m, struct pending *p)
{
	pending_open_gates(m, p);
	pending_free(p);
}

/* ---- numbers ------------------------------------------------------------- */

static struct shard_state *
draft_shard(struct message *m, const struct draft *d, uint32_t i, uint32_t *num)
{
	const struct conv *c = d->convs[i];

	if (c == NULL)
		*num = id_shard(&d->new_id);
	else
		*num = id_shard(c->room != NULL ? &c->room->id : &c->owner->id);
	return &m->reg.shards[*num];
}

static uint32_t
fill_places(const struct draft *d, struct place *places)
{
	for (uint32_t i = 0; i < d->nconvs; i++) {
		const struct conv *c = d->convs[i];

		if (c == NULL) {
			places[i] = (struct place){ d->new_conv, 1, 1,
				event_kind_counts(d->h.kind) };
			continue;
		}
		places[i].conv = c->num;
		places[i].epoch = c->log->epoch;
		places[i].seq = c->log->head.given + 1;
		places[i].ord =
		    (uint32_t)c->ord.given + event_kind_counts(d->h.kind);
	}
	return d->nconvs;
}

static uint32_t
fill_shards(struct message *m, const struct draft *d, const struct event *ev,
    struct shard_place *out)
{
	uint32_t n = 0, num;

	for (uint32_t i = 0; i < d->nconvs; i++) {
		struct shard_state *s = draft_shard(m, d, i, &num);
		uint32_t j;

		for (j = 0; j < n && out[j].shard != num; j++)
			;
		if (j < n)
			continue;
		out[n].shard = num;
		out[n].epoch = s->epoch;
		out[n].seq = s->seq.given + 1;
		chain_next(out[n].hash, s->hash_given, out[n].epoch, out[n].seq,
		    &ev->id);
		n++;
	}
	return n;
}

/* The numbers that e carries are given out. */
static void
numbers_give(struct message *m, const struct draft *d, const struct entry *e)
{
	for (uint32_t i = 0; i < e->nplaces; i++) {
		struct conv *c = d->convs[i];

		if (c == NULL)
			continue;
		c->log->head.given = e->places[i].seq;
		c->ord.given = e->places[i].ord;
		if (c->room != NULL)
			chain_next(c->log->chain_given, c->log->chain_given,
			    e->places[i].epoch, e->places[i].seq,
			    &e->event->id);
	}
	for (uint32_t i = 0; i < e->nshards; i++) {
		struct shard_state *s = &m->reg.shards[e->shards[i].shard];

		s->seq.given = e->shards[i].seq;
		memcpy(s->hash_given, e->shards[i].hash, 32);
	}
}

/* Everything given is taken back: p did not become durable. */
static void
numbers_take_back(struct message *m, struct pending *p)
{
	for (uint32_t i = 0; i < p->entry->nplaces; i++) {
		struct conv *c = p->convs[i];

		if (c == NULL)
			continue;
		c->log->head.given = c->log->head.durable;
		c->ord.given = c->ord.durable;
		memcpy(c->log->chain_given, c->log->chain, 32);
	}
	for (uint32_t i = 0; i < p->entry->nshards; i++) {
		struct shard_state *s =
		    &m->reg.shards[p->entry->shards[i].shard];

		s->seq.given = s->seq.durable;
		memcpy(s->hash_given, s->hash, 32);
	}
	if (p->stream != NULL)
		p->stream->given = sends_number(&p->stream->sends);
}

/* ---- submitting ---------------------------------------------------------- */

static enum err
make_entry(struct message *m, struct draft *d, struct entry **out)
{
	struct place places[ENTRY_PLACES];
	struct shard_place shards[ENTRY_SHARDS];
	struct entry_draft ed = { .index = m->next_index,
		.places = places,
		.shards = shards };
	uint8_t salt[EVENT_SALT_LEN];
	struct event *ev = NULL;
	enum err rc;

	if (!put_list_close(&d->puts))
		return ERR_TOO_LARGE;
	if (d->has_event) {
		random_bytes(salt, sizeof(salt));
		if ((rc = event_new(&ev, &d->h, &d->body, salt)) != OK)
			return rc;
		ed.event = ev;
		ed.nplaces = fill_places(d, places);
		ed.nshards = fill_shards(m, d, ev, shards);
	}
	ed.puts = d->puts.v;
	ed.nputs = d->puts.n;
	rc = entry_new(out, &ed);
	event_unref(ev);
	return rc;
}

enum err
submit(struct message *m, struct draft *d, struct pending *p)
{
	enum err rc;

	if (m->degraded) {
		rc = ERR_QUEUE_UNAVAILABLE;
		goto fail;
	}
	if ((rc = make_entry(m, d, &p->entry)) != OK)
		goto fail;
	p->item.type = QUEUE_ENTRY;
	p->item.term = m->term;
	p->item.index = p->entry->index;
	p->item.data = p->entry->bytes;
	p->item.submitted = m->now;
	if ((rc = queue_submit(m->parts.queue, &p->item)) != OK)
		goto fail;
	numbers_give(m, d, p->entry);
	memcpy(p->convs, d->convs, sizeof(p->convs));
	d->submitted = true;
	if (p->stream != NULL)
		p->stream->given = p->number;
	m->next_index++;
	p->next = NULL;
	if (m->pending_tail != NULL)
		m->pending_tail->next = p;
	else
		m->pending = p;
	m->pending_tail = p;
	m->npending++;
	return OK;

fail:
	pending_open_gates(m, p);
	pending_free(p);
	return rc;
}

/* ---- coming back --------------------------------------------------------- */

static struct pending *
pending_pop(struct message *m)
{
	struct pending *p = m->pending;

	m->pending = p->next;
	if (m->pending == NULL)
		m->pending_tail = NULL;
	m->npending--;
	return p;
}

/* A device goes: neither its sessions nor what it has under way, here or on
 * the list of cursors, may name it any more. */
static void
device_detach(struct message *m, struct device *d, const struct conn_ref *asker)
{
	struct session *s, *next;

	for (s = d->account->sessions; s != NULL; s = next) {
		next = s->peer_next;
		if (s->device != d)
			continue;
		/* Who asked for it is answered before it is closed. */
		if (memcmp(&s->conn, asker, sizeof(s->conn)) == 0)
			session_end(m, s);
		else
			session_bye(m, s, ERR_CREDENTIALS);
	}
	for (struct pending *p = m->pending; p != NULL; p = p->next)
		if (p->stream != NULL && p->stream->device == d)
			p->stream = NULL;
	cursor_forget(m, d);
}

static void
detach_revoked(struct message *m, const struct pending *p)
{
	const struct entry *e = p->entry;
	struct device *d;

	for (uint32_t i = 0; i < e->nputs; i++) {
		if (e->puts[i].kind != RECORD_DEVICE ||
		    e->puts[i].value.p != NULL)
			continue;
		if ((d = record_device(&m->reg, e->puts[i].key)) != NULL)
			device_detach(m, d, &p->conn);
	}
}

static enum err
committed_apply(struct message *m, struct entry *e)
{
	enum err rc;

	if ((rc = apply_entry(m, e)) == OK && (rc = batch_add(m, e)) == OK)
		rc = publish_cached(m, e);
	return rc;
}

static void
committed(struct message *m, struct pending *p)
{
	detach_revoked(m, p);
	/* The journal holds it now, so nothing below may undo it.  The reducer
	 * can fail only for lack of memory. */
	if (committed_apply(m, p->entry) != OK) {
		log_alert("message", "out of memory index=%llu: restart",
		    (unsigned long long)p->entry->index);
		abort();
	}
	m->stats.committed++;
	publish_entry(m, p->entry, p->accepted);
	markers_tell(m);
	if (p->done != NULL)
		p->done(m, p, OK);
	pending_open_gates(m, p);
	pending_free(p);
}

/* They are to be journalled again. */
static void
cursors_back(struct message *m, const struct entry *e)
{
	struct device *d;

	for (uint32_t i = 0; i < e->nputs; i++)
		if (e->puts[i].kind == RECORD_CURSORS &&
		    (d = record_device(&m->reg, e->puts[i].key)) != NULL)
			cursor_moved(m, d);
}

static void
failed(struct message *m, struct pending *p)
{
	enum err why = p->item.err;

	numbers_take_back(m, p);
	cursors_back(m, p->entry);
	if (p->id != 0 && p->entry->event != NULL &&
	    direct_send(m, &p->conn, p->id, p->entry->event) == OK)
		p->id = 0;
	if (p->done != NULL)
		p->done(m, p,
		    why == ERR_QUEUE_FULL ? why : ERR_QUEUE_UNAVAILABLE);
	pending_open_gates(m, p);
	pending_free(p);
}

static void
degrade(struct message *m, enum err why)
{
	if (m->degraded)
		return;
	m->degraded = true;
	m->degraded_why = why;
	log_alert("message", "queue failed why=%s", err_code(why));
	sessions_tell(m, STR("{\"push\":\"queue\",\"state\":\"degraded\"}"));
	message_alert(m, "queue", true, "the queue cannot store messages");
}

/* Only after the last straggler of the old term has come back. */
static void
recover(struct message *m)
{
	if (!m->recovering || m->pending != NULL)
		return;
	m->recovering = false;
	m->degraded = false;
	log_notice("message", "queue recovered index=%llu",
	    (unsigned long long)m->next_index);
	sessions_tell(m, STR("{\"push\":\"queue\",\"state\":\"ok\"}"));
	message_alert(m, "queue", false, "the queue stores messages again");
}

static void
queue_state(struct message *m, const struct queue_item *it)
{
	switch (it->type) {
	case QUEUE_FAILED:
		m->term = it->term;
		m->next_index = it->index;
		m->recovering = false;
		degrade(m, it->err);
		break;
	case QUEUE_RECOVERED:
		m->term = it->term;
		m->next_index = it->index;
		m->recovering = true;
		break;
	case QUEUE_ENTRY:
		break;
	}
}

void
message_queue_done(struct message *m, struct channel_item *items)
{
	struct queue_item *it;
	struct pending *p;

	while ((it = (struct queue_item *)items) != NULL) {
		items = items->next;
		if (it->type != QUEUE_ENTRY) {
			queue_state(m, it);
			free(it);
			continue;
		}
		p = pending_pop(m);
		assert(&p->item == it);
		if (it->err == OK) {
			committed(m, p);
			continue;
		}
		degrade(m, it->err);
		failed(m, p);
	}
	recover(m);
}

void
done_ok(struct message *m, struct pending *p, enum err err)
{
	struct session *s = NULL;

	if (p->id == 0)
		return;
	if (err != OK) {
		answer_error(m, &p->conn, p->id, err, NULL);
		return;
	}
	if (p->conn.worker != CONN_CONTROL)
		s = notify_find(m->parts.notify, &p->conn);
	answer_ok(m, &p->conn, p->id,
	    s != NULL && s->closing ? DELIVER_CLOSE : 0);
}

void
done_placed(struct message *m, struct pending *p, enum err err)
{
	const struct event *ev = p->entry->event;
	struct bytes b;
	uint64_t us;
	unsigned i = 0;

	if (p->id == 0)
		return;
	if (err != OK) {
		answer_error(m, &p->conn, p->id, err, NULL);
		return;
	}
	bytes_init(&b, 512);
	answer_begin(&b, p->id);
	format_event_id(&b, "event", &ev->id);
	format_pos(&b, p->entry->places[0].epoch, p->entry->places[0].seq);
	json_u64(&b, "time", ev->h.time_ms);
	json_cstr(&b, "durable", "home");
	answer_end(m, &b, &p->conn, 0);
	bytes_fini(&b);
	us = mono_us_between(p->accepted, m->now);
	m->stats.acked_us_sum += us;
	m->stats.acked_us_count++;
	while (i < 23 && (1ull << i) <= us)
		i++;
	m->stats.acked_us_hist[i]++;
}
