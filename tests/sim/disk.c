/*
 * The journal, as node/queue makes it, over a disk that forgets.
 *
 * What was written and not synced is lost in part when the power goes, and
 * stays, not synced, when only the process is killed.  A commit that failed
 * leaves its segment as it is: the next one begins at the last durable index
 * and supersedes what the old one has from there on.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

#define REOPEN_MS 1000

static struct segment *
last_segment(struct disk *d)
{
	return &d->segments[d->nsegments - 1];
}

static void
add_segment(struct disk *d, uint64_t start, bool synced)
{
	d->segments =
	    realloc(d->segments, (d->nsegments + 1) * sizeof(d->segments[0]));
	if (d->segments == NULL)
		abort();
	d->segments[d->nsegments++] =
	    (struct segment){ .start = start, .header_synced = synced };
}

static void
add_record(struct segment *g, uint64_t index, struct entry *e)
{
	g->records = sim_grow(g->records, g->n, &g->cap, sizeof(g->records[0]));
	g->records[g->n++] = (struct record){ index, entry_ref(e), false };
}

static void
cut_segment(struct segment *g, uint32_t n)
{
	while (g->n > n)
		entry_unref(g->records[--g->n].entry);
	if (g->synced > n)
		g->synced = n;
}

static void
free_segment(struct segment *g)
{
	cut_segment(g, 0);
	free(g->records);
}

/* ---- committing ---------------------------------------------------------- */

static void
start_commit(struct sim *s)
{
	struct disk *d = &s->disk;
	struct segment *g = last_segment(d);
	/* A sync takes a third of a millisecond, now and then fifty. */
	uint64_t us = 100 + sim_below(s, 500);

	if (d->busy || d->failed || d->nwaiting == 0)
		return;
	if (sim_below(s, 30) == 0)
		us = 1000 + sim_below(s, 50000);
	d->busy = true;
	d->committing = d->nwaiting;
	for (uint32_t i = 0; i < d->nwaiting; i++)
		add_record(g, d->waiting[i].index, d->waiting[i].entry);
	sim_at(s, us * 1000,
	    (struct occasion){ .type = AT_COMMIT, .life = d->life });
}

/* Results take a moment to reach the node, and keep their order. */
static void
tell(struct sim *s, struct packet p, uint32_t term)
{
	struct disk *d = &s->disk;
	uint64_t at = s->now_ns + 1000 + sim_below(s, 200000);
	struct packet *copy = malloc(sizeof(*copy));

	if (copy == NULL)
		abort();
	*copy = p;
	if (at <= d->result_ns)
		at = d->result_ns + 1;
	d->result_ns = at;
	sim_at(s, at - s->now_ns,
	    (struct occasion){ .type = AT_RESULT,
		.life = d->life,
		.device = term,
		.packet = copy });
}

/* The first n that wait come back. */
static void
give_back(struct sim *s, uint32_t n, bool ok)
{
	struct disk *d = &s->disk;

	for (uint32_t i = 0; i < n; i++) {
		tell(s,
		    (struct packet){ .type = P_ANSWER,
			.number = d->waiting[i].index,
			.answer = ok ? A_OK : A_LATER },
		    0);
		entry_unref(d->waiting[i].entry);
	}
	d->nwaiting -= n;
	memmove(d->waiting, d->waiting + n,
	    d->nwaiting * sizeof(d->waiting[0]));
}

/* From the node; e is referenced. */
void
disk_submit(struct sim *s, struct entry *e, uint32_t term)
{
	struct disk *d = &s->disk;

	if (d->failed || term != d->term) {
		tell(s,
		    (struct packet){ .type = P_ANSWER,
			.number = e->index,
			.answer = A_LATER },
		    0);
		return;
	}
	d->waiting = sim_grow(d->waiting, d->nwaiting, &d->waiting_cap,
	    sizeof(d->waiting[0]));
	d->waiting[d->nwaiting++] =
	    (struct submitted){ e->index, term, entry_ref(e) };
	start_commit(s);
}

static void
fail_all(struct sim *s)
{
	struct disk *d = &s->disk;

	s->failures++;
	sim_trace(s, "disk: a commit fails after index %llu",
	    (unsigned long long)d->durable);
	d->failed = true;
	d->term++;
	give_back(s, d->nwaiting, false);
	tell(s, (struct packet){ .type = P_HELLO, .number = d->durable + 1 },
	    d->term);
	sim_at(s, MS(REOPEN_MS),
	    (struct occasion){ .type = AT_REOPEN, .life = d->life });
}

void
disk_commit_done(struct sim *s)
{
	struct disk *d = &s->disk;
	struct segment *g = last_segment(d);
	bool failed = sim_one_in(s, s->fail_commit);

	d->busy = false;
	if (failed && s->mutation != MUT_SYNC_AGAIN) {
		fail_all(s);
		return;
	}
	d->durable = d->waiting[d->committing - 1].index;
	/* The kernel may have marked the pages clean that it could not write.
	 */
	for (uint32_t i = g->synced; i < g->n; i++)
		g->records[i].lost = failed;
	g->header_synced = true;
	g->synced = g->n; /* what waited since is not written yet */
	give_back(s, d->committing, true);
	start_commit(s);
}

/* A new segment at the last durable index, if the disk lets us. */
void
disk_reopen(struct sim *s)
{
	struct disk *d = &s->disk;

	add_segment(d, d->durable + 1, false);
	if (sim_one_in(s, s->fail_commit)) {
		sim_at(s, MS(REOPEN_MS),
		    (struct occasion){ .type = AT_REOPEN, .life = d->life });
		return;
	}
	last_segment(d)->header_synced = true;
	d->failed = false;
	sim_trace(s, "disk: goes on at index %llu",
	    (unsigned long long)d->durable + 1);
	tell(s, (struct packet){ .type = P_WELCOME }, 0);
}

void
disk_result(struct sim *s, const struct packet *r, uint32_t term)
{
	if (r->type == P_ANSWER)
		node_committed(s, r->number, r->answer == A_OK);
	else if (r->type == P_HELLO)
		node_failed(s, term, r->number);
	else
		node_recovered(s);
}

/* ---- crash and start ----------------------------------------------------- */

void
disk_crash(struct sim *s, bool power)
{
	struct disk *d = &s->disk;

	for (uint32_t i = 0; i < d->nsegments; i++) {
		struct segment *g = &d->segments[i];
		uint32_t unsynced;
		bool writing = d->busy && i == d->nsegments - 1;

		for (uint32_t k = 0; power && k < g->n; k++)
			if (g->records[k].lost)
				cut_segment(g, k);
		unsynced = g->n - g->synced;
		/* The write itself may have got only so far. */
		if (unsynced > 0 && (power || writing))
			cut_segment(g,
			    g->synced + (uint32_t)sim_below(s, unsynced + 1));
		if (power && !g->header_synced && sim_below(s, 2) == 0) {
			free_segment(g);
			memmove(g, g + 1, (--d->nsegments - i) * sizeof(*g));
			i--;
		}
	}
	for (uint32_t i = 0; i < d->nwaiting; i++)
		entry_unref(d->waiting[i].entry);
	d->nwaiting = 0;
	store_free(d->staged);
	d->staged = NULL;
	d->busy = d->failed = false;
	d->life++;
	d->result_ns = 0;
}

/* What counts, as one segment, synced. */
void
disk_open(struct sim *s)
{
	struct disk *d = &s->disk;
	struct segment all = { .start = 1, .header_synced = true };

	for (uint32_t i = 0; i < d->nsegments; i++) {
		struct segment *g = &d->segments[i];

		if (s->mutation != MUT_NO_SUPERSEDE && g->start - 1 < all.n)
			cut_segment(&all, (uint32_t)(g->start - 1));
		for (uint32_t k = 0; k < g->n; k++) {
			if (g->records[k].index != all.n + 1)
				continue;
			add_record(&all, all.n + 1, g->records[k].entry);
			if (k < g->synced && all.synced == all.n - 1)
				all.synced = all.n;
		}
		free_segment(g);
	}
	if (s->mutation != MUT_NO_OPEN_SYNC)
		all.synced = all.n;
	d->nsegments = 0;
	add_segment(d, 1, true);
	d->segments[0] = all;
	d->durable = all.n;
	d->term++;
}

void
disk_replay(struct sim *s, void (*take)(struct sim *s, struct entry *e))
{
	struct segment *g = last_segment(&s->disk);
	uint64_t from = s->disk.store != NULL ? s->disk.store->applied : 0;

	for (uint64_t i = from; i < g->n; i++) {
		struct entry *e;

		/* As it would be read: out of bytes. */
		if (entry_decode(&e, g->records[i].entry->bytes) != OK)
			sim_fail(s, "entry %llu cannot be read",
			    (unsigned long long)i + 1);
		s->reading = e;
		take(s, e);
		s->reading = NULL;
		entry_unref(e);
	}
}

void
store_free(struct store *st)
{
	if (st == NULL)
		return;
	for (uint32_t i = 0; i < LOGS; i++)
		history_free(&st->history[i]);
	free(st);
}

void
disk_free(struct disk *d)
{
	for (uint32_t i = 0; i < d->nsegments; i++)
		free_segment(&d->segments[i]);
	free(d->segments);
	for (uint32_t i = 0; i < d->nwaiting; i++)
		entry_unref(d->waiting[i].entry);
	free(d->waiting);
	store_free(d->store);
	store_free(d->staged);
}
