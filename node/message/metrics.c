/*
 * metrics: the Prometheus text, format 0.0.4, of the boxes that main drives.
 */
#include <string.h>

#include "node/message/service.h"

static void
head(struct bytes *b, const char *name, const char *type, const char *help)
{
	bytes_addf(b, "# HELP kith_%s %s\n# TYPE kith_%s %s\n", name, help,
	    name, type);
}

static void
value(struct bytes *b, const char *name, const char *type, const char *help,
    uint64_t v)
{
	head(b, name, type, help);
	bytes_addf(b, "kith_%s %llu\n", name, (unsigned long long)v);
}

static void
gauge(struct bytes *b, const char *name, const char *help, uint64_t v)
{
	value(b, name, "gauge", help, v);
}

static void
counter(struct bytes *b, const char *name, const char *help, uint64_t v)
{
	value(b, name, "counter", help, v);
}

/* Buckets of powers of two in microseconds; hist[i] counts below 2^i. */
static void
histogram(struct bytes *b, const char *name, const char *help,
    const uint64_t hist[static 24], uint64_t sum_us)
{
	uint64_t total = 0;

	head(b, name, "histogram", help);
	for (unsigned i = 0; i < 24; i++) {
		total += hist[i];
		bytes_addf(b, "kith_%s_bucket{le=\"%.6f\"} %llu\n", name,
		    (double)(1u << i) / 1e6, (unsigned long long)total);
	}
	bytes_addf(b, "kith_%s_bucket{le=\"+Inf\"} %llu\n", name,
	    (unsigned long long)total);
	bytes_addf(b, "kith_%s_sum %.6f\nkith_%s_count %llu\n", name,
	    (double)sum_us / 1e6, name, (unsigned long long)total);
}

static void
metrics_queue(struct message *m, struct bytes *b)
{
	struct queue_stats q;

	queue_stats(m->parts.queue, &q);
	gauge(b, "queue_available", "1 while the queue can commit",
	    q.available);
	gauge(b, "queue_entries", "entries that storage has not taken over",
	    q.entries);
	gauge(b, "queue_bytes", "bytes of these entries", q.bytes);
	gauge(b, "queue_inflight_bytes", "bytes not committed yet",
	    q.inflight_bytes);
	gauge(b, "queue_disk_bytes", "size of the journal on disk",
	    q.disk_bytes);
	counter(b, "queue_committed_total", "entries committed", q.committed);
	counter(b, "queue_commits_total", "commits (fdatasync)", q.commits);
	counter(b, "queue_failures_total", "commits that failed", q.failures);
	histogram(b, "queue_commit_seconds", "time of a commit",
	    q.commit_us_hist, q.commit_us_sum);
}

static void
metrics_storage(struct message *m, struct bytes *b)
{
	struct storage_stats s;

	storage_stats(m->parts.storage, &s);
	gauge(b, "storage_lag_entries", "entries committed and not applied",
	    m->next_index - 1 - m->npending - m->applied_index);
	gauge(b, "storage_failing", "1 while storage cannot write", s.failing);
	gauge(b, "storage_bytes", "size of the database", s.db_bytes);
	gauge(b, "storage_wal_bytes", "size of its write-ahead log",
	    s.wal_bytes);
	counter(b, "storage_batches_total", "batches applied", s.batches);
	counter(b, "storage_failures_total", "attempts that failed",
	    s.failures);
	counter(b, "storage_reads_total", "pages read", s.reads);
}

static void
metrics_cache(struct message *m, struct bytes *b)
{
	struct cache_stats c;

	cache_stats(m->parts.cache, &c);
	gauge(b, "cache_bytes", "memory of cached entries", c.bytes);
	gauge(b, "cache_entries", "cached places", c.entries);
	counter(b, "cache_hits_total", "look-ups without storage", c.hits);
	counter(b, "cache_misses_total", "look-ups that read storage",
	    c.misses);
	counter(b, "cache_evicted_total", "places evicted", c.evicted);
}

static void
metrics_message(struct message *m, struct bytes *b)
{
	struct notify_stats n;

	notify_stats(m->parts.notify, &n);
	gauge(b, "sessions", "connections known to the message service",
	    n.sessions);
	gauge(b, "subscriptions", "logs followed by sessions", n.subs);
	gauge(b, "accounts", "accounts", HASH_CNT(hh_id, m->reg.accounts_id));
	gauge(b, "rooms", "rooms", HASH_CNT(hh_id, m->reg.rooms_id));
	gauge(b, "conversations", "conversations",
	    HASH_CNT(hh_num, m->reg.convs_num));
	gauge(b, "streams", "send streams", HASH_COUNT(m->reg.streams));
	gauge(b, "waiting", "requests that wait for a change or a read",
	    m->waiting);
	gauge(b, "pending", "entries submitted and not committed", m->npending);
	gauge(b, "degraded", "1 while messages are delivered directly",
	    m->degraded);
	counter(b, "published_total", "positions published to feeds",
	    n.published);
	counter(b, "deliveries_total", "frames handed to sessions' feeds",
	    n.deliveries);
	counter(b, "feed_fetches_total", "ranges read for feeds behind",
	    n.fetched);
	counter(b, "direct_total", "messages delivered directly",
	    m->stats.direct);
	counter(b, "alerts_total", "alerts begun", m->stats.alerts);
	histogram(b, "acknowledged_seconds",
	    "from reading a send to its acknowledgement",
	    m->stats.acked_us_hist, m->stats.acked_us_sum);
	head(b, "operations_total", "counter", "requests by operation");
	for (enum op op = OP_NONE + 1; op < OP_COUNT; op++)
		if (m->stats.ops[op] > 0)
			bytes_addf(b, "kith_operations_total{op=\"%s\"} %llu\n",
			    op_info(op)->name,
			    (unsigned long long)m->stats.ops[op]);
}

static void
metrics_gateway(struct message *m, struct bytes *b)
{
	static struct gateway_stats g; /* large; main's only */

	gateway_stats(m->parts.gateway, &g);
	head(b, "connections", "gauge", "client connections by worker");
	for (unsigned i = 0; i < g.workers; i++)
		bytes_addf(b, "kith_connections{worker=\"%u\"} %llu\n", i,
		    (unsigned long long)g.connections[i]);
	head(b, "connections_shed_total", "counter",
	    "connections refused by an overloaded worker");
	for (unsigned i = 0; i < g.workers; i++)
		bytes_addf(b,
		    "kith_connections_shed_total{worker=\"%u\"} %llu\n", i,
		    (unsigned long long)g.shed[i]);
	counter(b, "connections_accepted_total", "connections accepted",
	    g.accepted);
	counter(b, "connections_refused_total",
	    "connections over the limit of an address", g.refused_address);
	counter(b, "received_bytes_total", "bytes from clients", g.bytes_in);
	counter(b, "sent_bytes_total", "bytes to clients", g.bytes_out);
	counter(b, "sent_frames_total", "frames to clients", g.frames_out);
	counter(b, "feeds_suspended_total", "feeds of slow readers suspended",
	    g.suspended);
	counter(b, "half_open_total", "connections that answered no ping",
	    g.pings_lost);
	histogram(b, "pushed_seconds", "from reading a send to its push",
	    g.pushed_us_hist, g.pushed_us_sum);
	head(b, "errors_total", "counter", "errors answered by code");
	for (enum err e = OK + 1; e < ERR_COUNT; e++)
		if (m->stats.errors[e] + g.errors[e] > 0)
			bytes_addf(b, "kith_errors_total{code=\"%s\"} %llu\n",
			    err_code(e),
			    (unsigned long long)(m->stats.errors[e] +
						 g.errors[e]));
}

void
message_metrics(struct message *m, struct bytes *out)
{
	metrics_message(m, out);
	metrics_queue(m, out);
	metrics_storage(m, out);
	metrics_cache(m, out);
	metrics_gateway(m, out);
}
