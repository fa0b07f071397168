/*
 * batch: what storage gets: the entries committed since the last batch, and
 * the records of all objects that changed, as they are now, which is their
 * state at the last of these entries.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/logger.h"
#include "node/message/service.h"

static void *
grown(void *v, size_t n, size_t *cap, size_t size)
{
	size_t want = *cap == 0 ? 1024 : *cap * 2;
	void *p;

	if (n < *cap)
		return v;
	if ((p = reallocarray(v, want, size)) == NULL)
		return NULL;
	*cap = want;
	return p;
}

enum err
batch_add(struct message *m, struct entry *e)
{
	struct entry **v = grown(m->committed, m->ncommitted, &m->committed_cap,
	    sizeof(struct entry *));

	if (v == NULL)
		return ERR_NOMEM;
	m->committed = v;
	if (m->ncommitted == 0)
		m->batch_since = m->now;
	m->committed[m->ncommitted++] = entry_ref(e);
	return OK;
}

/* Nothing leaves the lists of the registry before the batch is whole. */
static enum err
batch_records(struct message *m, struct storage_batch *b)
{
	char key[REGISTRY_KEY_MAX];
	struct bytes value;
	size_t key_len;
	enum err rc = OK;

	for (struct tombstone *t = m->reg.tombstones; t != NULL && rc == OK;
	     t = t->next)
		rc = storage_batch_put(b, t->kind,
		    (struct str){ t->key, t->len }, STR_NONE);
	bytes_init(&value, 1 << 20);
	for (struct dirty *d = registry_dirty_after(&m->reg, NULL);
	     d != NULL && rc == OK; d = registry_dirty_after(&m->reg, d)) {
		bytes_reset(&value);
		rc = record_encode(&m->reg, d, &value, key, &key_len);
		if (rc == OK)
			rc = storage_batch_put(b, d->kind,
			    (struct str){ key, key_len },
			    (struct str){ value.p, value.n });
	}
	bytes_wipe(&value);
	return rc;
}

void
batch_expire(struct message *m, uint32_t conv, uint64_t seq)
{
	m->expire.conv = conv;
	m->expire.seq = seq;
}

static enum err
batch_make(struct message *m, struct storage_batch **out)
{
	struct storage_batch *b;
	enum err rc = OK;

	if ((b = storage_batch_new()) == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < m->ncommitted && rc == OK; i++)
		rc = storage_batch_entry(b, m->committed[i]);
	if (rc == OK)
		rc = erasures_batch(m, b);
	if (rc == OK && m->expire.conv != 0)
		rc = storage_batch_expire(b, m->expire.conv, m->expire.seq);
	if (rc == OK)
		rc = batch_records(m, b);
	if (rc != OK) {
		storage_batch_free(b);
		return rc;
	}
	b->applied = m->ncommitted > 0 ? m->committed[m->ncommitted - 1]->index
				       : m->handed_index;
	*out = b;
	return OK;
}

static void
batch_hand_over(struct message *m)
{
	struct storage_batch *b;
	enum err rc;

	if (m->ncommitted == 0 && m->expire.conv == 0)
		return;
	if ((rc = batch_make(m, &b)) == OK &&
	    (rc = storage_apply(m->parts.storage, b)) != OK)
		storage_batch_free(b);
	if (rc != OK) {
		/* All of it is still there for the next tick. */
		log_warning("message", "no batch for storage why=%s",
		    err_code(rc));
		return;
	}
	registry_clean(&m->reg);
	for (size_t i = 0; i < m->ncommitted; i++) {
		m->handed_index = m->committed[i]->index;
		entry_unref(m->committed[i]);
	}
	m->ncommitted = 0;
	m->expire.conv = 0;
}

void
batch_tick(struct message *m)
{
	if ((m->ncommitted == 0 && m->expire.conv == 0) ||
	    storage_pending(m->parts.storage) >= BATCHES_UNDER_WAY)
		return;
	if (m->ncommitted >= BATCH_ENTRIES ||
	    mono_ms_between(m->batch_since, m->now) >= BATCH_MS)
		batch_hand_over(m);
}

void
message_hand_over_all(struct message *m)
{
	batch_hand_over(m);
}

void
message_batches_done(struct message *m, struct channel_item *items)
{
	struct storage_batch *b;

	while ((b = (struct storage_batch *)items) != NULL) {
		items = items->next;
		if (b->err == OK && b->applied > m->applied_index) {
			m->applied_index = b->applied;
			erasures_applied(m);
			cache_applied(m->parts.cache, b->applied);
			queue_trim(m->parts.queue, b->applied);
		}
		storage_batch_free(b);
	}
}

void
storage_watch(struct message *m)
{
	struct storage_stats st;
	bool pressed = queue_pressed(m->parts.queue);

	storage_stats(m->parts.storage, &st);
	message_alert(m, "storage", st.failing,
	    st.failing ? "history cannot be written, the queue keeps it"
		       : "history is written again");
	message_alert(m, "queue-pressed", pressed,
	    pressed ? "the queue is nearly full, clients are slowed"
		    : "the queue has room again");
	gateway_press(m->parts.gateway, pressed);
}
