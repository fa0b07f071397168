#include "tests/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAULTS_MS 20000  /* then it heals */
#define QUIET_MS  600000 /* and has so long to finish */

/* ---- time and chance ----------------------------------------------------- */

uint64_t
sim_below(struct sim *s, uint64_t n)
{
	return prng_below(&s->rng, n);
}

bool
sim_one_in(struct sim *s, uint32_t n)
{
	return n != 0 && !s->healed && prng_below(&s->rng, n) == 0;
}

void *
sim_grow(void *p, uint32_t n, uint32_t *cap, size_t size)
{
	if (n < *cap)
		return p;
	*cap = *cap == 0 ? 16 : *cap * 2;
	if ((p = realloc(p, *cap * size)) == NULL)
		abort();
	return p;
}

static bool
earlier(const struct occasion *a, const struct occasion *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

void
sim_at(struct sim *s, uint64_t delay_ns, struct occasion what)
{
	uint32_t i = s->nheap, up;

	what.at_ns = s->now_ns + delay_ns;
	what.order = s->order++;
	s->heap = sim_grow(s->heap, s->nheap, &s->heap_cap, sizeof(*s->heap));
	s->nheap++;
	for (; i > 0; i = up) {
		up = (i - 1) / 2;
		if (!earlier(&what, &s->heap[up]))
			break;
		s->heap[i] = s->heap[up];
	}
	s->heap[i] = what;
}

static struct occasion
next_occasion(struct sim *s)
{
	struct occasion first = s->heap[0], last = s->heap[--s->nheap];
	uint32_t i = 0, child;

	while ((child = 2 * i + 1) < s->nheap) {
		if (child + 1 < s->nheap &&
		    earlier(&s->heap[child + 1], &s->heap[child]))
			child++;
		if (!earlier(&s->heap[child], &last))
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	s->heap[i] = last;
	return first;
}

/* ---- telling ------------------------------------------------------------- */

void
sim_fail(struct sim *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
	sim_trace(s, "FAILED: %s", s->why);
	longjmp(s->out, 1);
}

void
sim_trace(struct sim *s, const char *fmt, ...)
{
	va_list ap;

	if (!s->trace)
		return;
	printf("%10.3f ms  ", (double)s->now_ns / 1e6);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

/* ---- small things shared ------------------------------------------------- */

struct id
sim_log_id(const struct sim *s, uint32_t log)
{
	return log < ACCOUNTS ? s->account_ids[log]
			      : s->room_ids[log - ACCOUNTS];
}

/* Texts are a number and padding. */
uint64_t
sim_text_of(const struct event *ev)
{
	return strtoull(ev->body.text.p, NULL, 10);
}

void
sim_mark_of(struct unplaced_mark *m, const struct event *ev)
{
	uint8_t digest[EVENT_HASH_LEN];

	memset(m, 0, sizeof(*m));
	m->stream[0] = (uint8_t)ev->h.device;
	m->stream[1] = (uint8_t)ev->h.stream;
	m->number = ev->h.number;
	event_body_digest(digest, ev);
	memcpy(m->content, digest, sizeof(m->content));
}

const struct place *
entry_place(const struct entry *e, uint32_t log)
{
	for (uint32_t i = 0; i < e->nplaces; i++)
		if (e->places[i].conv == log + 1)
			return &e->places[i];
	return NULL;
}

void
history_add(struct history *h, struct entry *e)
{
	if (h->n == h->cap) {
		h->cap = h->cap == 0 ? 64 : h->cap * 2;
		h->at = realloc(h->at, h->cap * sizeof(struct entry *));
		if (h->at == NULL)
			abort();
	}
	h->at[h->n++] = entry_ref(e);
}

void
history_free(struct history *h)
{
	for (uint64_t i = 0; i < h->n; i++)
		entry_unref(h->at[i]);
	free(h->at);
	memset(h, 0, sizeof(*h));
}

/* ---- running ------------------------------------------------------------- */

static void
crash(struct sim *s)
{
	/* Killed: the page cache lives on.  Power lost: it does not. */
	bool power = sim_below(s, 2) == 0;

	if (s->healed)
		return;
	sim_at(s, MS(1 + sim_below(s, 2 * s->crash_ms)),
	    (struct occasion){ .type = AT_CRASH });
	sim_trace(s, "node: %s", power ? "power lost" : "killed");
	s->crashes++;
	node_crash(s);
	disk_crash(s, power);
	sim_at(s, MS(sim_below(s, 500)),
	    (struct occasion){ .type = AT_START, .life = s->node.life });
}

static void
happen(struct sim *s, struct occasion *o)
{
	bool stale_node = o->life != s->node.life;
	bool stale_disk = o->life != s->disk.life;

	switch (o->type) {
	case AT_PACKET:
		net_arrive(s, o->packet);
		break;
	case AT_COMMIT:
		if (!stale_disk)
			disk_commit_done(s);
		break;
	case AT_REOPEN:
		if (!stale_disk)
			disk_reopen(s);
		break;
	case AT_RESULT:
		if (!stale_disk)
			disk_result(s, o->packet, o->device);
		break;
	case AT_STORED:
		if (!stale_node)
			node_stored(s);
		break;
	case AT_START:
		if (!stale_node)
			node_start(s);
		break;
	case AT_OPENED:
		if (!stale_node)
			node_opened(s);
		break;
	case AT_CRASH:
		crash(s);
		break;
	case AT_TICK:
		if (!stale_node)
			node_tick(s);
		break;
	case AT_CONNECT:
		device_connect(s, o->device);
		break;
	case AT_BREAK:
		if (s->healed)
			break;
		net_break(s, (uint32_t)sim_below(s, DEVICES));
		sim_at(s, MS(1 + sim_below(s, 2 * s->break_ms)),
		    (struct occasion){ .type = AT_BREAK });
		break;
	case AT_WRITE:
		device_write(s, (uint32_t)sim_below(s, DEVICES));
		break;
	case AT_ACT:
		device_act(s, o->device);
		break;
	case AT_HEAL:
		sim_trace(s, "healed");
		s->healed = true;
		break;
	}
}

/* Seeds differ in what goes wrong, and how often. */
static void
draw(struct sim *s)
{
	static const uint32_t one_in[] = { 0, 3, 10, 30, 100 };

	s->loss = one_in[sim_below(s, 5)];
	s->fail_commit = one_in[sim_below(s, 5)] * 3;
	s->break_ms =
	    sim_below(s, 3) == 0 ? 0 : 200 + (uint32_t)sim_below(s, 5000);
	s->crash_ms =
	    sim_below(s, 4) == 0 ? 0 : 500 + (uint32_t)sim_below(s, 8000);
	s->delay_us = 100 + (uint32_t)sim_below(s, 100000);
	s->texts = 50 + (uint32_t)sim_below(s, 250);
}

static void
begin(struct sim *s)
{
	for (uint32_t i = 0; i < LOGS; i++) {
		struct id *id = i < ACCOUNTS ? &s->account_ids[i]
					     : &s->room_ids[i - ACCOUNTS];

		memset(id, 0, sizeof(*id));
		id->b[0] = (uint8_t)sim_below(s, 4); /* some share a shard */
		id->b[1] = (uint8_t)(i + 1);
	}
	for (uint32_t i = 0; i < DEVICES; i++)
		device_init(s, i);
	for (uint32_t i = 0; i < s->texts; i++)
		sim_at(s, MS(sim_below(s, FAULTS_MS + 1000)),
		    (struct occasion){ .type = AT_WRITE });
	sim_at(s, 0, (struct occasion){ .type = AT_START });
	sim_at(s, MS(FAULTS_MS), (struct occasion){ .type = AT_HEAL });
	if (s->break_ms > 0)
		sim_at(s, MS(s->break_ms),
		    (struct occasion){ .type = AT_BREAK });
	if (s->crash_ms > 0)
		sim_at(s, MS(s->crash_ms),
		    (struct occasion){ .type = AT_CRASH });
}

bool
sim_run(struct sim *s, uint64_t seed, enum mutation m, bool trace)
{
	memset(s, 0, sizeof(*s));
	s->seed = seed;
	s->mutation = m;
	s->trace = trace;
	prng_seed(&s->rng, seed);
	draw(s);
	if (setjmp(s->out) != 0)
		return false;
	begin(s);
	while (!(s->healed && s->next_text >= s->texts && check_quiet(s))) {
		struct occasion o = next_occasion(s);

		s->now_ns = o.at_ns;
		s->packet = o.packet;
		if (s->now_ns > MS(FAULTS_MS + QUIET_MS))
			sim_fail(s, "not everything has arrived in the end");
		s->steps++;
		happen(s, &o);
		packet_free(s->packet);
		s->packet = NULL;
	}
	check_history(s);
	return true;
}

uint64_t
sim_digest(const struct sim *s)
{
	uint64_t d = s->steps * 31 + s->now_ns;

	for (uint32_t i = 0; i < LOGS; i++)
		for (unsigned k = 0; k < 8; k++)
			d = d * 131 + s->node.heads[i].durable.chain[k];
	return d;
}

void
sim_free(struct sim *s)
{
	for (uint32_t i = 0; i < s->nheap; i++)
		packet_free(s->heap[i].packet);
	free(s->heap);
	packet_free(s->packet);
	entry_unref(s->reading);
	node_forget(&s->node);
	disk_free(&s->disk);
	for (uint32_t i = 0; i < DEVICES; i++)
		device_free(&s->devices[i]);
	for (uint32_t i = 0; i < LOGS; i++)
		history_free(&s->truth[i]);
	free(s->acked);
}
