/*
 * service: the life of the message service, and what happens by the clock.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/logger.h"
#include "node/message/service.h"

static struct registry_limits
limits_of(const struct message_config *cfg)
{
	return (struct registry_limits){ .accounts = cfg->max_accounts,
		.rooms = cfg->max_rooms,
		.members = cfg->max_members,
		.convs = cfg->max_convs,
		.streams = cfg->max_streams,
		.invites = cfg->max_invites };
}

struct message *
message_new(const struct message_config *cfg)
{
	struct registry_limits limits = limits_of(cfg);
	struct message *m;

	if ((m = calloc(1, sizeof(*m))) == NULL)
		return NULL;
	if (registry_init(&m->reg, &limits) != OK) {
		free(m);
		return NULL;
	}
	m->cfg = *cfg;
	m->realm = str_of(cfg->realm);
	bytes_init(&m->scratch, 1 << 20);
	m->now_ms = wall_ms();
	m->now = mono_now();
	return m;
}

void
message_configure(struct message *m, const struct message_config *cfg)
{
	m->cfg = *cfg;
	m->realm = str_of(cfg->realm);
	m->reg.limits = limits_of(cfg);
}

enum err
message_load_record(void *arg, uint32_t kind, struct str key, struct str value)
{
	struct message *m = arg;
	enum err rc;

	m->reg.loading = true;
	rc = registry_put(&m->reg, kind, key, value);
	m->reg.loading = false;
	if (rc != OK)
		log_alert("message", "record refused kind=%u why=%s", kind,
		    err_code(rc));
	return rc;
}

enum err
message_replay(void *arg, uint64_t index, struct str data)
{
	struct message *m = arg;
	struct entry *e = NULL;
	enum err rc;

	/* What was loaded came out of storage: nothing of it is news. */
	if (m->next_index == 0)
		registry_clean(&m->reg);
	rc = entry_decode(&e, data);
	if (rc == OK && e->index != index)
		rc = ERR_CORRUPT;
	else if (rc == OK && (rc = apply_entry(m, e)) == OK &&
		 (rc = batch_add(m, e)) == OK)
		rc = publish_cached(m, e);
	entry_unref(e);
	if (rc != OK)
		log_alert("message", "entry refused index=%llu why=%s",
		    (unsigned long long)index, err_code(rc));
	m->next_index = index + 1;
	return rc;
}

void
message_prepare(struct message *m, struct cache *cache, struct storage *storage)
{
	m->parts.cache = cache;
	m->parts.storage = storage;
	m->handed_index = m->applied_index = storage_applied(storage);
	cache_applied(cache, m->applied_index);
}

enum err
message_start(struct message *m, const struct message_parts *parts)
{
	if (m->next_index == 0)
		registry_clean(&m->reg);
	m->parts = *parts;
	m->next_index = queue_next_index(parts->queue);
	m->term = queue_term(parts->queue);
	m->started = true;
	markers_tell(m); /* nobody: what was replayed is no news */
	return OK;
}

bool
message_flush(struct message *m)
{
	queue_flush(m->parts.queue);
	return notify_flush(m->parts.notify);
}

void
message_turn(struct message *m)
{
	m->now_ms = wall_ms();
	m->now = mono_now();
}

void
message_tick(struct message *m)
{
	message_turn(m);
	batch_tick(m);
	cursors_tick(m);
	direct_tick(m);
	alert_flush(m);
	expire_tick(m);
	erasures_tick(m);
	notify_tick(m->parts.notify, m->now);
	storage_watch(m);
}

bool
message_drained(struct message *m)
{
	m->stopping = true;
	return m->npending == 0 && m->waiting == 0;
}

bool
message_ready(struct message *m, const char **why)
{
	*why = NULL;
	if (m->stopping)
		*why = "stopping";
	else if (m->degraded)
		*why = err_code(m->degraded_why);
	else if (queue_room(m->parts.queue, 1, 1024) != OK)
		*why = "queue-full";
	return *why == NULL;
}

void
message_free(struct message *m)
{
	struct gate *g, *next;
	struct request *rq;
	struct pending *p;

	if (m == NULL)
		return;
	HASH_ITER(hh, m->gates, g, next)
	{
		HASH_DELETE(hh, m->gates, g);
		while ((rq = g->head) != NULL) {
			g->head = (struct request *)rq->link.next;
			request_free(rq);
		}
		free(g);
	}
	while ((p = m->pending) != NULL) {
		m->pending = p->next;
		pending_free(p);
	}
	for (size_t i = 0; i < m->ncommitted; i++)
		entry_unref(m->committed[i]);
	free(m->committed);
	erasures_free_all(m);
	direct_free_all(m);
	ephemeral_free_all(m);
	alert_free_all(m);
	bytes_fini(&m->scratch);
	registry_fini(&m->reg);
	free(m);
}
