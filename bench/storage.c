/*
 * storage: what an event costs the storage writer, for few and for many
 * mailboxes in one run, and what a page of history costs a reader.
 *
 * usage: storage [-d directory] [-n events] [-b batch] [-t body bytes]
 *                [-m mailboxes]...
 *
 * Each event has a place in two mailboxes and in their shards, and each batch
 * the records of what changed in it: account, conversation, send stream,
 * shard.  CPU is that of all threads but the one that makes the events.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/channel.h"
#include "base/logger.h"
#include "base/mono.h"
#include "base/prng.h"
#include "crypto/shorthash.h"
#include "node/storage/inside.h"
#include "proto/record.h"

#define UNDER_WAY 2 /* batches, as main hands them over */
#define READS     2000
#define PAGE      50
#define KINDS     4

struct mailbox {
	uint64_t seq;
	uint64_t touched; /* last batch in which it changed */
};

struct bench {
	struct storage *s;
	struct channel *done, *reads;
	struct prng rng;
	struct mailbox *boxes;
	uint32_t nboxes;
	uint64_t shard_seq[256], shard_touched[256];
	uint64_t index, batch;
	size_t body;
	uint64_t puts;
	double make_us; /* spent by this thread */
};

static double
cpu_us(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void
must(enum err err, const char *what)
{
	if (err == OK)
		return;
	(void)fprintf(stderr, "%s: %s\n", what, err_text(err));
	exit(1);
}

static struct id
box_id(uint32_t box)
{
	struct prng r;
	struct id id;
	uint64_t v;
	size_t i;

	prng_seed(&r, box);
	for (i = 0; i < sizeof(id.b); i += 8) {
		v = prng_u64(&r);
		memcpy(id.b + i, &v, 8);
	}
	return id;
}

static void
put(struct bench *b, struct storage_batch *sb, uint32_t kind,
    const struct id *id, size_t size)
{
	char value[512];

	memset(value, (int)b->batch, sizeof(value));
	must(storage_batch_put(sb, kind,
		 (struct str){ (const char *)id->b, sizeof(id->b) },
		 (struct str){ value, size }),
	    "put");
	b->puts++;
}

static void
touch(struct bench *b, struct storage_batch *sb, uint32_t box,
    const struct id *id, bool sender)
{
	if (b->boxes[box].touched != b->batch) {
		b->boxes[box].touched = b->batch;
		put(b, sb, RECORD_ACCOUNT, id, 350);
		put(b, sb, RECORD_CONV, id, 110);
		if (sender)
			put(b, sb, RECORD_STREAM, id, 200);
	}
	if (b->shard_touched[id->b[0]] != b->batch) {
		b->shard_touched[id->b[0]] = b->batch;
		put(b, sb, RECORD_SHARD, id, 45);
	}
}

static struct entry *
make_entry(struct bench *b, struct storage_batch *sb)
{
	static char text[65536];
	uint32_t boxes[2], i;
	struct id ids[2];
	struct place places[2];
	struct shard_place shards[2] = { { .epoch = 1 }, { .epoch = 1 } };
	uint8_t salt[EVENT_SALT_LEN];
	struct event_body body = { .text = { text, b->body } };
	struct event_header h = { .kind = EVENT_MESSAGE,
		.device = 1,
		.stream = 1 };
	struct entry_draft d = { .places = places,
		.nplaces = 2,
		.shards = shards,
		.nshards = 2 };
	struct event *ev;
	struct entry *e;

	if (text[0] == '\0')
		memset(text, 'x', sizeof(text));
	for (i = 0; i < 2; i++) {
		boxes[i] = (uint32_t)prng_below(&b->rng, b->nboxes);
		ids[i] = box_id(boxes[i]);
		places[i] = (struct place){ .conv = boxes[i] + 1,
			.epoch = 1,
			.seq = ++b->boxes[boxes[i]].seq };
		places[i].ord = (uint32_t)places[i].seq;
		shards[i].shard = ids[i].b[0];
		shards[i].seq = ++b->shard_seq[ids[i].b[0]];
		touch(b, sb, boxes[i], &ids[i], i == 0);
	}
	h.author = ids[0];
	h.target = ids[1];
	h.number = places[0].seq;
	h.time_ms = UINT64_C(1700000000000) + b->index / 100;
	memset(salt, (int)b->index, sizeof(salt));
	must(event_new(&ev, &h, &body, salt), "event");
	d.index = ++b->index;
	d.event = ev;
	must(entry_new(&e, &d), "entry");
	event_unref(ev);
	return e;
}

static struct storage_batch *
make_batch(struct bench *b, size_t n)
{
	double start = cpu_us(CLOCK_THREAD_CPUTIME_ID);
	struct storage_batch *sb = storage_batch_new();
	struct entry *e;
	size_t i;

	assert(sb != NULL);
	b->batch++;
	for (i = 0; i < n; i++) {
		e = make_entry(b, sb);
		must(storage_batch_entry(sb, e), "batch");
		entry_unref(e);
	}
	b->make_us += cpu_us(CLOCK_THREAD_CPUTIME_ID) - start;
	return sb;
}

static void
collect(struct bench *b, unsigned under_way)
{
	struct channel_item *it, *next;

	while (storage_pending(b->s) > under_way)
		for (it = channel_wait(b->done, 100); it != NULL; it = next) {
			next = it->next;
			must(((struct storage_batch *)(void *)it)->err,
			    "batch");
			storage_batch_free((struct storage_batch *)(void *)it);
		}
}

static void
read_pages(struct bench *b)
{
	struct storage_read *r;
	struct channel_item *it, *next;
	uint64_t entries = 0;
	struct mono start = mono_now();
	double cpu = cpu_us(CLOCK_PROCESS_CPUTIME_ID);
	unsigned i, back = 0;

	for (i = 0; i < READS; i++) {
		r = storage_read_new();
		assert(r != NULL);
		r->type = STORAGE_BEFORE;
		r->seq = UINT64_MAX;
		r->limit = PAGE;
		r->nconvs = 1;
		r->convs = malloc(sizeof(r->convs[0]));
		assert(r->convs != NULL);
		r->convs[0] = (uint32_t)prng_below(&b->rng, b->nboxes) + 1;
		must(storage_read(b->s, r), "read");
	}
	while (back < READS)
		for (it = channel_wait(b->reads, 100); it != NULL; it = next) {
			next = it->next;
			r = (struct storage_read *)(void *)it;
			must(r->err, "read");
			entries += r->nentries;
			storage_read_free(r);
			back++;
		}
	(void)printf("%9s  pages of %.1f events: %.0f us CPU, %.0f/s\n", "",
	    (double)entries / READS,
	    (cpu_us(CLOCK_PROCESS_CPUTIME_ID) - cpu) / READS,
	    READS * 1e6 / (double)mono_us_between(start, mono_now()));
}

static void
remove_db(const char *dir)
{
	static const char *const names[] = { "history.db", "history.db-wal",
		"history.db-shm" };
	char path[4096];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)unlink(path);
	}
}

static void
report(struct bench *b, uint64_t events, double us, double cpu)
{
	struct storage_stats st;
	double n = (double)events;

	storage_stats(b->s, &st);
	(void)printf("%9u  %.0f events/s, %.2f us CPU an event, %.2f records"
		     " an event, %.0f bytes an event\n",
	    b->nboxes, n * 1e6 / us, cpu / n, (double)b->puts / n,
	    (double)st.db_bytes / n);
	(void)printf("%9s  applying %.2f us an event (elapsed), %llu merges"
		     " of %.0f ms, last checkpoint %.0f ms, WAL %.0f MiB\n",
	    "", (double)st.apply_us_sum / n, (unsigned long long)st.merges,
	    st.merges > 0 ? (double)st.merge_us_sum / 1e3 / (double)st.merges
			  : 0.0,
	    (double)st.checkpoint_us_last / 1e3,
	    (double)st.wal_bytes / 1048576.0);
}

static void
run(const char *dir, uint32_t nboxes, uint64_t events, size_t batch,
    size_t body)
{
	struct bench b = { .nboxes = nboxes, .body = body };
	struct mono start;
	double cpu, own, us;
	uint64_t left;

	remove_db(dir);
	prng_seed(&b.rng, 1);
	b.boxes = calloc(nboxes, sizeof(*b.boxes));
	b.done = channel_new(STORAGE_QUEUE, NULL, NULL);
	b.reads = channel_new(STORAGE_QUEUE, NULL, NULL);
	assert(b.boxes != NULL && b.done != NULL && b.reads != NULL);
	must(storage_open(&b.s, dir, 2), "open");
	must(storage_start(b.s, b.done, b.reads), "start");
	start = mono_now();
	cpu = cpu_us(CLOCK_PROCESS_CPUTIME_ID);
	own = cpu_us(CLOCK_THREAD_CPUTIME_ID);
	for (left = events; left >= batch; left -= batch) {
		must(storage_apply(b.s, make_batch(&b, batch)), "apply");
		collect(&b, UNDER_WAY - 1);
	}
	collect(&b, 0);
	us = (double)mono_us_between(start, mono_now());
	own = cpu_us(CLOCK_THREAD_CPUTIME_ID) - own;
	cpu = cpu_us(CLOCK_PROCESS_CPUTIME_ID) - cpu - own;
	report(&b, events - left, us, cpu);
	read_pages(&b);
	storage_stop(b.s);
	storage_free(b.s);
	channel_free(b.done);
	channel_free(b.reads);
	free(b.boxes);
	remove_db(dir);
}

int
main(int argc, char **argv)
{
	const char *dir = "bench-storage.tmp";
	uint64_t events = 1000000;
	size_t batch = 8192, body = 100, n = 0, i;
	uint32_t boxes[8] = { 100, 10000 };
	int c;

	while ((c = getopt(argc, argv, "d:n:b:t:m:")) != -1) {
		switch (c) {
		case 'd':
			dir = optarg;
			break;
		case 'n':
			events = strtoull(optarg, NULL, 10);
			break;
		case 'b':
			batch = strtoull(optarg, NULL, 10);
			break;
		case 't':
			body = strtoull(optarg, NULL, 10);
			break;
		case 'm':
			if (n < 8)
				boxes[n++] =
				    (uint32_t)strtoul(optarg, NULL, 10);
			break;
		default:
			return 2;
		}
	}
	if (n == 0)
		n = 2;
	shorthash_start();
	logger_set_level(LOG_L_NOTICE);
	(void)mkdir(dir, 0700);
	(void)printf("mailboxes  %llu events of %zu bytes of text, batches of"
		     " %zu\n",
	    (unsigned long long)events, body, batch);
	for (i = 0; i < n; i++)
		run(dir, boxes[i], events, batch, body);
	(void)rmdir(dir);
	return 0;
}
