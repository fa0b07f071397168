/*
 * gateway: main's side.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/gateway/listen.h"
#include "node/gateway/worker.h"

#define ADDRESSES_MAX 65536 /* known ones, at least; see limit.h */

struct settings *
gateway_settings(struct gateway *g)
{
	struct settings *s;

	pthread_mutex_lock(&g->lock);
	s = settings_ref(g->settings);
	pthread_mutex_unlock(&g->lock);
	return s;
}

/* ---- opening ------------------------------------------------------------- */

/* One address for `n' of the workers, as the next listener. */
static enum err
listener_open(struct gateway *g, const struct gateway_listen *l, unsigned n,
    bool metrics, char *what, size_t what_len)
{
	struct listener *li = &g->listeners[g->nlisteners];
	int fds[BALANCE_WORKERS];
	enum err rc;

	*li = (struct listener){ .tls = l->tls && !metrics,
		.proxy = l->proxy && !metrics,
		.metrics = metrics,
		.port = l->port };
	rc = listen_open(fds, n, l->host, &li->port, what, what_len);
	if (rc != OK)
		return rc;
	for (unsigned i = 0; i < n; i++)
		worker_listen(g->workers[i], fds[i], g->nlisteners);
	g->nlisteners++;
	return OK;
}

static enum err
listeners_open(struct gateway *g, const struct gateway_config *cfg, char *what,
    size_t what_len)
{
	enum err rc;

	if (cfg->nlisten > LISTEN_MAX) {
		snprintf(what, what_len, "more than %d listeners", LISTEN_MAX);
		return ERR_INVALID;
	}
	for (size_t i = 0; i < cfg->nlisten; i++)
		if ((rc = listener_open(g, &cfg->listen[i], g->nworkers, false,
			 what, what_len)) != OK)
			return rc;
	return cfg->metrics == NULL
		   ? OK
		   : listener_open(g, cfg->metrics, 1, true, what, what_len);
}

static enum err
parts_make(struct gateway *g, const struct gateway_config *cfg)
{
	uint32_t addresses = cfg->max_connections > ADDRESSES_MAX
				 ? cfg->max_connections
				 : ADDRESSES_MAX;

	g->limit = limit_new(addresses);
	g->balance = balance_new(cfg->workers, WORKER_LAG_MS, WORKER_TICK_MS);
	if (g->limit == NULL || g->balance == NULL)
		return ERR_NOMEM;
	for (; g->nworkers < cfg->workers; g->nworkers++) {
		g->workers[g->nworkers] = worker_new(g, g->nworkers);
		if (g->workers[g->nworkers] == NULL)
			return ERR_NOMEM;
	}
	return OK;
}

enum err
gateway_open(struct gateway **out, const struct gateway_config *cfg, char *what,
    size_t what_len)
{
	struct gateway *g;
	enum err rc;

	assert(cfg->workers > 0 && cfg->workers <= BALANCE_WORKERS);
	if ((g = calloc(1, sizeof(*g))) == NULL) {
		snprintf(what, what_len, "%s", err_text(ERR_NOMEM));
		return ERR_NOMEM;
	}
	pthread_mutex_init(&g->lock, NULL);
	snprintf(g->why, sizeof(g->why), "starting");
	if ((rc = settings_new(&g->settings, cfg, what, what_len)) != OK)
		goto fail;
	if ((rc = parts_make(g, cfg)) != OK) {
		snprintf(what, what_len, "%s", err_text(rc));
		goto fail;
	}
	if ((rc = listeners_open(g, cfg, what, what_len)) != OK)
		goto fail;
	*out = g;
	return OK;

fail:
	gateway_free(g);
	return rc;
}

enum err
gateway_start(struct gateway *g, struct channel *requests)
{
	g->requests = requests;
	g->started = true;
	while (g->nrunning < g->nworkers &&
	       worker_start(g->workers[g->nrunning]) == OK)
		g->nrunning++;
	if (g->nrunning == g->nworkers)
		return OK;
	gateway_stop(g, 0);
	return ERR_NOMEM;
}

void
gateway_stop(struct gateway *g, unsigned timeout_ms)
{
	if (!g->started || g->stopped)
		return;
	g->stopped = true;
	atomic_store(&g->stop_at, mono_add_ms(mono_now(), timeout_ms).ns);
	for (unsigned i = 0; i < g->nrunning; i++)
		uv_async_send(&g->workers[i]->async);
	for (unsigned i = 0; i < g->nrunning; i++)
		worker_join(g->workers[i]);
}

void
gateway_free(struct gateway *g)
{
	if (g == NULL)
		return;
	assert(!g->started || g->stopped);
	for (unsigned i = 0; i < g->nworkers; i++)
		worker_free(g->workers[i]);
	limit_free(g->limit);
	balance_free(g->balance);
	settings_unref(g->settings);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

/* ---- while it runs ------------------------------------------------------- */

uint16_t
gateway_port(const struct gateway *g, size_t i)
{
	return i < g->nlisteners ? g->listeners[i].port : 0;
}

unsigned
gateway_workers(const struct gateway *g)
{
	return g->nworkers;
}

size_t
gateway_backlog(struct gateway *g, unsigned worker)
{
	return g->stopped ? 0
			  : atomic_load_explicit(&g->workers[worker]->backlog,
				memory_order_relaxed);
}

bool
gateway_deliver(struct gateway *g, unsigned worker, struct delivery *d)
{
	struct worker *w = g->workers[worker];
	uint64_t before;

	if (g->stopped) {
		for (size_t i = 0; i < d->n; i++)
			if (d->v[i].frame != NULL)
				frame_unref(d->v[i].frame);
		free(d->v);
		free(d);
		return true;
	}
	before =
	    atomic_fetch_add_explicit(&w->backlog, d->n, memory_order_relaxed);
	channel_push_reserved(w->deliveries, &d->link);
	return before <= WORKER_BACKLOG;
}

static void
wake_all(struct gateway *g)
{
	if (!g->started || g->stopped)
		return;
	for (unsigned i = 0; i < g->nworkers; i++)
		uv_async_send(&g->workers[i]->async);
}

void
gateway_press(struct gateway *g, bool pressed)
{
	if (atomic_load(&g->pressed) == pressed)
		return;
	atomic_store(&g->pressed, pressed);
	if (!pressed)
		wake_all(g);
}

void
gateway_ready(struct gateway *g, bool ready, const char *why)
{
	pthread_mutex_lock(&g->lock);
	g->ready = ready;
	snprintf(g->why, sizeof(g->why), "%s", why != NULL ? why : "");
	pthread_mutex_unlock(&g->lock);
}

enum err
gateway_reload(struct gateway *g, const struct gateway_config *cfg, char *what,
    size_t what_len)
{
	struct settings *fresh, *old;
	enum err rc;

	if ((rc = settings_new(&fresh, cfg, what, what_len)) != OK)
		return rc;
	if (fresh->tls == NULL && g->settings->tls != NULL) {
		/* Listeners stay, so what they need stays. */
		SSL_CTX_up_ref(g->settings->tls);
		fresh->tls = g->settings->tls;
	}
	pthread_mutex_lock(&g->lock);
	old = g->settings;
	g->settings = fresh;
	pthread_mutex_unlock(&g->lock);
	settings_unref(old);
	atomic_fetch_add(&g->settings_version, 1);
	wake_all(g);
	return OK;
}

/* ---- numbers ------------------------------------------------------------- */

static uint64_t
get(const _Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

static void
worker_stats(const struct worker *w, struct gateway_stats *out)
{
	const struct worker_counters *c = &w->counters;
	struct balance_stats b;

	balance_stats(w->gateway->balance, w->index, &b);
	out->connections[w->index] = b.connections;
	out->shed[w->index] = b.shed;
	out->handed_over[w->index] = b.handed_over;
	out->lag_us[w->index] = b.lag_us;
	out->sessions[w->index] = get(&c->sessions);
	out->accepted += get(&c->accepted);
	out->refused += get(&c->refused);
	out->refused_address += get(&c->refused_address);
	out->bytes_in += get(&c->bytes_in);
	out->bytes_out += get(&c->bytes_out);
	out->frames_out += get(&c->frames_out);
	out->suspended += get(&c->suspended);
	out->overflowed += get(&c->overflowed);
	out->pings_lost += get(&c->pings_lost);
	out->timeouts += get(&c->timeouts);
	out->malformed += get(&c->malformed);
	out->rate_limited += get(&c->rate_limited);
	out->acks_merged += get(&c->acks_merged);
	out->pushed_us_sum += get(&c->pushed_us_sum);
	out->pushed_count += get(&c->pushed_count);
	for (int i = 0; i < HIST_BUCKETS; i++)
		out->pushed_us_hist[i] += get(&c->pushed_us_hist[i]);
	for (int i = 0; i < ERR_COUNT; i++)
		out->errors[i] += get(&c->errors[i]);
}

void
gateway_stats(struct gateway *g, struct gateway_stats *out)
{
	memset(out, 0, sizeof(*out));
	out->workers = g->nworkers;
	for (unsigned i = 0; i < g->nworkers; i++)
		worker_stats(g->workers[i], out);
}
