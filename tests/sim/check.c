/*
 * What was promised (design, section 2), looked at from outside: by what the
 * devices were told, against what is there later.
 */
#include <string.h>

#include "tests/sim/sim.h"

/* ---- told to devices ----------------------------------------------------- */

void
check_ack(struct sim *s, const struct packet *p)
{
	s->acked =
	    sim_grow(s->acked, s->nacked, &s->acked_cap, sizeof(s->acked[0]));
	s->acked[s->nacked++] =
	    (struct acked){ .log = p->log, .seq = p->from, .text = p->text };
}

void
check_shown(struct sim *s, uint32_t device, const struct event *ev)
{
	struct device *d = &s->devices[device];
	uint64_t text = sim_text_of(ev);
	uint64_t *last = &d->last_shown[ev->h.device - 1][ev->h.stream - 1];

	if (text == 0 || text > TEXTS_MAX)
		sim_fail(s, "device %u is shown what nobody wrote", device);
	if (d->shown[text])
		sim_fail(s, "device %u shows text %llu twice", device,
		    (unsigned long long)text);
	if (text < *last)
		sim_fail(s, "device %u shows text %llu after %llu", device,
		    (unsigned long long)text, (unsigned long long)*last);
	*last = text;
	d->shown[text] = true;
}

/* Was it shown before it had a position?  Then it is not shown again. */
static bool
was_direct(struct sim *s, struct device *d, const struct event *ev)
{
	struct unplaced_mark m;

	sim_mark_of(&m, ev);
	if (s->mutation == MUT_BY_NUMBER)
		memset(m.content, 0, sizeof(m.content));
	return unplaced_placed(&d->unplaced, &m);
}

/* The copy's chain goes on, if need be in a new epoch behind its end. */
static void
extend_copy(struct sim *s, struct head *h, const struct place *p,
    const struct event *ev)
{
	struct epoch e = { p->epoch, { { 1 } } };
	uint64_t cut;

	if (p->seq != h->durable.seq + 1)
		sim_fail(s, "position %llu is delivered after %llu",
		    (unsigned long long)p->seq,
		    (unsigned long long)h->durable.seq);
	if (p->epoch > h->epoch.number &&
	    head_open(h, &e, &h->durable, NULL, &cut) != OK)
		sim_fail(s, "epoch %u does not open at a device", p->epoch);
	if (head_take(h, p->epoch, p->seq, &ev->id) != OK)
		sim_fail(s, "position %llu does not fit a device's copy",
		    (unsigned long long)p->seq);
}

void
check_delivered(struct sim *s, uint32_t device, uint32_t log, struct entry *e)
{
	struct device *d = &s->devices[device];
	const struct place *p = entry_place(e, log);
	const struct event *ev = e->event;
	uint32_t target = (uint32_t)ev->h.stream - 1;
	uint64_t text = sim_text_of(ev);
	uint64_t *last = &d->last_text[ev->h.device - 1][target];

	sim_trace(s, "device %u: log %u at %llu: text %llu, number %llu",
	    device, log, (unsigned long long)p->seq, (unsigned long long)text,
	    (unsigned long long)ev->h.number);
	extend_copy(s, &d->copies[log], p, ev);
	s->delivered++;
	if (p->seq == s->truth[log].n + 1)
		history_add(&s->truth[log], e);
	else if (!event_id_eq(&s->truth[log].at[p->seq - 1]->event->id,
		     &ev->id))
		sim_fail(s, "log %u has two events at position %llu", log,
		    (unsigned long long)p->seq);

	if (text <= *last)
		sim_fail(s, "device %u: text %llu comes after %llu", device,
		    (unsigned long long)text, (unsigned long long)*last);
	*last = text;
	if (!was_direct(s, d, ev))
		check_shown(s, device, ev);
}

/* ---- the node's history -------------------------------------------------- */

/* Once and in order, and the chain comes to the head. */
static void
check_log(struct sim *s, uint32_t log)
{
	const struct history *h = &s->node.history[log];
	uint64_t last[DEVICES][LOGS] = { { 0 } };
	struct epoch first = { 1, { { 1 } } };
	struct head copy;
	uint32_t epoch = s->node.heads[log].epoch.number;
	uint64_t cut;

	head_init(&copy, &first);
	for (uint64_t i = 0; i < h->n; i++) {
		const struct event *ev = h->at[i]->event;
		uint64_t text = sim_text_of(ev);
		uint64_t *before = &last[ev->h.device - 1][ev->h.stream - 1];

		extend_copy(s, &copy, entry_place(h->at[i], log), ev);
		if (text <= *before)
			sim_fail(s, "log %u has text %llu after %llu", log,
			    (unsigned long long)text,
			    (unsigned long long)*before);
		*before = text;
	}
	first.number = epoch;
	if (epoch > copy.epoch.number &&
	    head_open(&copy, &first, &copy.durable, NULL, &cut) != OK)
		sim_fail(s, "log %u: epoch %u does not open", log, epoch);
	if (memcmp(&copy.durable, &s->node.heads[log].durable,
		sizeof(copy.durable)) != 0)
		sim_fail(s, "log %u: its chain is not that of its head", log);
}

void
check_history(struct sim *s)
{
	for (uint32_t i = 0; i < LOGS; i++) {
		const struct history *h = &s->node.history[i];

		check_log(s, i);
		if (h->n < s->truth[i].n)
			sim_fail(s, "log %u ends at %llu, shown was %llu", i,
			    (unsigned long long)h->n,
			    (unsigned long long)s->truth[i].n);
		for (uint64_t k = 0; k < s->truth[i].n; k++)
			if (!event_id_eq(&h->at[k]->event->id,
				&s->truth[i].at[k]->event->id))
				sim_fail(s, "log %u: position %llu changed", i,
				    (unsigned long long)k + 1);
	}
	for (uint32_t i = 0; i < s->nacked; i++) {
		const struct acked *a = &s->acked[i];
		const struct history *h = &s->node.history[a->log];

		if (a->seq > h->n ||
		    sim_text_of(h->at[a->seq - 1]->event) != a->text)
			sim_fail(s, "text %llu was acknowledged and is gone",
			    (unsigned long long)a->text);
	}
}

/* ---- the end ------------------------------------------------------------- */

bool
check_quiet(struct sim *s)
{
	const struct node *n = &s->node;

	if (!n->up || n->degraded || n->npending > 0)
		return false;
	for (uint32_t i = 0; i < DEVICES; i++) {
		const struct device *d = &s->devices[i];

		for (uint32_t k = 0; k < LOGS; k++) {
			if (d->windows[k].n > 0)
				return false;
			if (k < ACCOUNTS && d->account != k)
				continue;
			if (d->copies[k].durable.seq != n->heads[k].durable.seq)
				return false;
			for (uint64_t p = 0; p < n->history[k].n; p++) {
				const struct event *ev =
				    n->history[k].at[p]->event;

				if (!d->shown[sim_text_of(ev)])
					sim_fail(s, "device %u misses a text",
					    i);
			}
		}
	}
	return true;
}
