#include "node/queue/queue.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/logger.h"
#include "node/queue/journal.h"

#define RETRY_MS     1000
#define ENTRY_LENGTH 4 /* bytes before each entry */

struct queue {
	struct queue_config cfg;
	struct journal journal; /* the thread's after start */
	struct channel *in;     /* items on their way to it */
	struct channel *done;
	struct channel_list unflushed; /* the owner's */
	pthread_t thread;
	bool started, pressed;
	uint64_t submitted_index; /* the owner's: last submitted */
	atomic_bool available;
	atomic_uint term;
	atomic_ullong trim_to, inflight, disk_bytes;
	atomic_bool held;
	uint8_t *frame; /* the thread's buffer of a commit */
	size_t frame_cap;
	pthread_mutex_t mutex; /* of stats */
	struct queue_stats stats;
};

enum err
queue_open(struct queue **out, const struct queue_config *cfg, uint64_t applied,
    enum err (*replay)(void *arg, uint64_t index, struct str data), void *arg)
{
	struct queue *q;
	enum err rc;

	if ((q = calloc(1, sizeof(*q))) == NULL)
		return ERR_NOMEM;
	pthread_mutex_init(&q->mutex, NULL);
	q->cfg = *cfg;
	atomic_init(&q->term, 1);
	atomic_init(&q->trim_to, applied);
	rc = journal_open(&q->journal, cfg, applied, replay, arg);
	if (rc == OK) {
		journal_reserve(&q->journal);
		rc = journal_roll(&q->journal, 0);
		if (rc != OK)
			log_alert("queue", "no segment can be opened why=%s",
			    err_code(rc));
	}
	q->frame_cap = segment_frame_size(cfg->batch_bytes);
	if (rc == OK && (q->frame = malloc(q->frame_cap)) == NULL)
		rc = ERR_NOMEM;
	if (rc == OK && (q->in = channel_new(SIZE_MAX, NULL, NULL)) == NULL)
		rc = ERR_NOMEM;
	if (rc != OK) {
		queue_free(q);
		return rc;
	}
	q->submitted_index = q->journal.next_index - 1;
	atomic_store(&q->available, true);
	atomic_store(&q->disk_bytes, journal_disk_bytes(&q->journal));
	q->stats.durable_index = q->submitted_index;
	*out = q;
	return OK;
}

uint64_t
queue_next_index(const struct queue *q)
{
	return q->submitted_index + 1;
}

uint32_t
queue_term(const struct queue *q)
{
	return atomic_load(&q->term);
}

/* ---- limits, the owner's side ---------------------------------------------
 */

static uint64_t
entries_held(struct queue *q)
{
	uint64_t trimmed = atomic_load(&q->trim_to);

	return q->submitted_index > trimmed ? q->submitted_index - trimmed : 0;
}

/* Segments of which some entry is not in storage yet, and one to come. */
static uint64_t
bytes_held(struct queue *q)
{
	return atomic_load(&q->disk_bytes);
}

enum err
queue_room(struct queue *q, uint64_t n, uint64_t bytes)
{
	if (!atomic_load(&q->available))
		return ERR_QUEUE_UNAVAILABLE;
	if (entries_held(q) + n > q->cfg.max_entries ||
	    bytes_held(q) + q->cfg.segment_bytes >
		q->cfg.max_bytes + q->cfg.reserve_bytes ||
	    atomic_load(&q->inflight) + bytes > q->cfg.max_inflight)
		return ERR_QUEUE_FULL;
	return OK;
}

bool
queue_pressed(struct queue *q)
{
	uint64_t parts = q->pressed ? 2 : 3; /* quarters: hysteresis */

	q->pressed =
	    entries_held(q) > q->cfg.max_entries / 4 * parts ||
	    bytes_held(q) > q->cfg.max_bytes / 4 * parts ||
	    atomic_load(&q->inflight) > q->cfg.max_inflight / 4 * parts;
	return q->pressed;
}

enum err
queue_submit(struct queue *q, struct queue_item *it)
{
	enum err rc;

	if (it->data.n + ENTRY_LENGTH > q->cfg.batch_bytes)
		return ERR_TOO_LARGE;
	if ((rc = queue_room(q, 1, it->data.n)) != OK)
		return rc;
	atomic_fetch_add(&q->inflight, it->data.n);
	q->submitted_index = it->index;
	channel_list_add(&q->unflushed, &it->link);
	return OK;
}

void
queue_flush(struct queue *q)
{
	/* The channel is unbounded: queue_room is the bound. */
	if (channel_push_list(q->in, &q->unflushed) != OK)
		log_warning("queue", "flushed after stop");
}

void
queue_trim(struct queue *q, uint64_t index)
{
	atomic_store(&q->trim_to, index);
}

void
queue_hold(struct queue *q, bool hold)
{
	atomic_store(&q->held, hold);
}

/* ---- the thread ---------------------------------------------------------- */

static void
note_commit(struct queue *q, uint64_t n, uint64_t us)
{
	struct queue_stats *s = &q->stats;
	unsigned i = 0;

	while (i < 23 && (1ull << i) <= us)
		i++;
	pthread_mutex_lock(&q->mutex);
	s->committed += n;
	s->commits++;
	s->durable_index = q->journal.next_index - 1;
	s->commit_us_sum += us;
	s->commit_us_last = us;
	if (us > s->commit_us_max)
		s->commit_us_max = us;
	s->commit_us_hist[i]++;
	s->segments = q->journal.nsegments;
	pthread_mutex_unlock(&q->mutex);
	atomic_store(&q->disk_bytes, journal_disk_bytes(&q->journal));
}

/* Sends n items from `it' on back with err; returns what follows them. */
static struct channel_item *
give_back(struct queue *q, struct channel_item *it, size_t n, enum err err)
{
	struct channel_list list = { 0 };
	struct mono now = mono_now();
	struct channel_item *next;
	uint64_t bytes = 0;

	for (; n > 0 && it != NULL; it = next, n--) {
		struct queue_item *item = (struct queue_item *)it;

		next = it->next;
		item->err = err;
		item->committed = now;
		bytes += item->data.n;
		channel_list_add(&list, it);
	}
	atomic_fetch_sub(&q->inflight, bytes);
	if (channel_push_list(q->done, &list) != OK)
		log_warning("queue", "items came back after the end");
	return it;
}

static void
tell(struct queue *q, enum queue_item_type type, enum err err)
{
	struct queue_item *it = calloc(1, sizeof(*it));

	if (it == NULL) {
		log_alert("queue", "out of memory");
		abort();
	}
	it->type = type;
	it->err = err;
	it->term = atomic_load(&q->term);
	it->index = q->journal.next_index;
	channel_push_reserved(q->done, &it->link);
}

static void
fail(struct queue *q, enum err why)
{
	atomic_store(&q->available, false);
	atomic_fetch_add(&q->term, 1);
	pthread_mutex_lock(&q->mutex);
	q->stats.failures++;
	q->stats.why = why;
	pthread_mutex_unlock(&q->mutex);
	log_alert("queue", "commit failed index=%" PRIu64 " why=%s",
	    q->journal.next_index, err_code(why));
}

/* Fills the frame with as many items as fit; returns how many. */
static size_t
gather(struct queue *q, const struct channel_item *it, size_t *payload)
{
	uint8_t *p = q->frame + SEGMENT_FRAME;
	size_t n = 0, at = 0;

	for (; it != NULL; it = it->next) {
		const struct queue_item *item = (const struct queue_item *)it;
		uint32_t len = (uint32_t)item->data.n;

		if (segment_frame_size(at + ENTRY_LENGTH + len) > q->frame_cap)
			break;
		assert(item->index == q->journal.next_index + n);
		p[at] = (uint8_t)len;
		p[at + 1] = (uint8_t)(len >> 8);
		p[at + 2] = (uint8_t)(len >> 16);
		p[at + 3] = (uint8_t)(len >> 24);
		memcpy(p + at + ENTRY_LENGTH, item->data.p, len);
		at += ENTRY_LENGTH + len;
		n++;
	}
	*payload = at;
	return n;
}

static struct channel_item *
commit_some(struct queue *q, struct channel_item *it)
{
	struct mono began = mono_now();
	size_t n, payload;
	enum err rc = OK;

	n = gather(q, it, &payload);
	assert(n > 0);
	if (!journal_fits(&q->journal, payload))
		rc = journal_roll(&q->journal, payload);
	if (rc == OK)
		rc =
		    journal_append(&q->journal, q->frame, payload, (uint32_t)n);
	if (rc == OK)
		note_commit(q, n, mono_us_between(began, mono_now()));
	else
		fail(q, rc);
	it = give_back(q, it, n, rc);
	if (rc != OK)
		tell(q, QUEUE_FAILED, rc);
	return it;
}

static void
trim(struct queue *q)
{
	if (atomic_load(&q->held) ||
	    !journal_trim(&q->journal, atomic_load(&q->trim_to)))
		return;
	atomic_store(&q->disk_bytes, journal_disk_bytes(&q->journal));
}

static void
recover(struct queue *q)
{
	enum err rc;

	trim(q);
	if ((rc = journal_roll(&q->journal, 0)) != OK) {
		pthread_mutex_lock(&q->mutex);
		q->stats.why = rc;
		pthread_mutex_unlock(&q->mutex);
		return;
	}
	journal_reserve(&q->journal);
	atomic_store(&q->available, true);
	log_notice("queue", "commits again index=%" PRIu64,
	    q->journal.next_index);
	tell(q, QUEUE_RECOVERED, OK);
}

static void *
queue_run(void *arg)
{
	struct queue *q = arg;
	struct mono retry = mono_now();
	struct channel_item *it;
	bool stop = false;

	(void)pthread_setname_np(pthread_self(), "kith-queue");
	while (!stop) {
		it = channel_wait(q->in, RETRY_MS / 4);
		stop = it == NULL && channel_closed(q->in);
		while (it != NULL) {
			struct queue_item *item = (struct queue_item *)it;

			if (item->term != atomic_load(&q->term) ||
			    !atomic_load(&q->available))
				it = give_back(q, it, 1, ERR_QUEUE_UNAVAILABLE);
			else
				it = commit_some(q, it);
		}
		trim(q);
		if (!atomic_load(&q->available) && !stop &&
		    mono_ms_between(retry, mono_now()) >= RETRY_MS) {
			retry = mono_now();
			recover(q);
		}
	}
	return NULL;
}

enum err
queue_start(struct queue *q, struct channel *done)
{
	q->done = done;
	if (pthread_create(&q->thread, NULL, queue_run, q) != 0)
		return ERR_NOMEM;
	q->started = true;
	return OK;
}

void
queue_stats(struct queue *q, struct queue_stats *out)
{
	uint64_t trimmed = atomic_load(&q->trim_to);

	pthread_mutex_lock(&q->mutex);
	*out = q->stats;
	pthread_mutex_unlock(&q->mutex);
	out->available = atomic_load(&q->available);
	out->trimmed_index = trimmed;
	out->entries =
	    out->durable_index > trimmed ? out->durable_index - trimmed : 0;
	out->disk_bytes = atomic_load(&q->disk_bytes);
	out->bytes = out->disk_bytes;
	out->inflight_bytes = atomic_load(&q->inflight);
}

void
queue_stop(struct queue *q)
{
	queue_flush(q);
	channel_close(q->in);
	if (q->started)
		(void)pthread_join(q->thread, NULL);
	q->started = false;
}

void
queue_free(struct queue *q)
{
	if (q == NULL)
		return;
	channel_free(q->in);
	journal_close(&q->journal);
	pthread_mutex_destroy(&q->mutex);
	free(q->frame);
	free(q);
}
