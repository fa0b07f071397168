/*
 * inspect: what kithctl(8) shows.
 */
#include <stdlib.h>
#include <string.h>

#include "base/logger.h"
#include "node/message/handlers.h"
#include <config.h>

static void
begin(struct bytes *b, const struct call *c)
{
	bytes_init(b, 8 << 20);
	answer_begin(b, c->rq->rq.id);
}

static enum err
end(struct message *m, struct bytes *b, const struct call *c)
{
	answer_end(m, b, &c->rq->conn, 0);
	bytes_fini(b);
	return OK;
}

enum err
ctl_status(struct message *m, struct call *c)
{
	struct notify_stats n;
	struct queue_stats q;
	const char *why;
	bool ready = message_ready(m, &why);
	struct bytes b;

	notify_stats(m->parts.notify, &n);
	queue_stats(m->parts.queue, &q);
	begin(&b, c);
	json_cstr(&b, "version", PACKAGE_VERSION);
	json_str(&b, "realm", m->realm);
	json_bool(&b, "ready", ready);
	if (why != NULL)
		json_cstr(&b, "why", why);
	json_u64(&b, "accounts", HASH_CNT(hh_id, m->reg.accounts_id));
	json_u64(&b, "rooms", HASH_CNT(hh_id, m->reg.rooms_id));
	json_u64(&b, "sessions", n.sessions);
	json_u64(&b, "committed", q.committed);
	json_u64(&b, "queue_entries", q.entries);
	json_u64(&b, "storage_lag",
	    m->next_index - 1 - m->npending - m->applied_index);
	return end(m, &b, c);
}

/* ---- accounts and rooms -------------------------------------------------- */

static const char *
account_state_name(enum account_state state)
{
	static const char *const names[] = { "active", "disabled",
		"deactivated" };

	return names[state];
}

static int
account_compare(const void *a, const void *b)
{
	struct account *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

enum err
ctl_account_list(struct message *m, struct call *c)
{
	struct account *a, *next, **v;
	size_t n = 0, i, limit;
	struct bytes b;
	enum err rc;

	if ((rc = list_limit(c->a, &limit)) != OK)
		return rc;
	v = calloc(HASH_CNT(hh_id, m->reg.accounts_id) + 1,
	    sizeof(struct account *));
	if (v == NULL)
		return ERR_NOMEM;
	HASH_ITER(hh_id, m->reg.accounts_id, a, next)
	{
		struct str name = str_of(a->name);

		if (list_matches(c->a->search, name) &&
		    str_after(name, c->a->cursor))
			v[n++] = a;
	}
	qsort(v, n, sizeof(struct account *), account_compare);
	begin(&b, c);
	json_array(&b, "accounts");
	for (i = 0; i < n && i < limit; i++) {
		json_item_object(&b);
		format_account(m, &b, "account", v[i]);
		if (v[i]->display != NULL)
			json_cstr(&b, "display", v[i]->display);
		json_cstr(&b, "state", account_state_name(v[i]->state));
		json_bool(&b, "operator", v[i]->operator);
		json_bool(&b, "password", v[i]->password[0] != '\0');
		json_u64(&b, "devices", v[i]->ndevices);
		json_u64(&b, "created", v[i]->created_ms);
		json_object_end(&b);
	}
	json_array_end(&b);
	if (i < n)
		json_cstr(&b, "cursor", v[i - 1]->name);
	free(v);
	return end(m, &b, c);
}

static bool
room_any(const struct call *c, const struct room *room)
{
	(void)c;
	(void)room;
	return true;
}

static void
format_room_full(struct message *m, struct bytes *b, const struct room *room)
{
	format_room_line(m, b, room);
	json_bool(b, "closed", room->closed);
	json_u64(b, "created", room->created_ms);
	format_pos(b, room->log.epoch, room->log.head.durable);
}

enum err
ctl_room_list(struct message *m, struct call *c)
{
	return room_list(m, c, room_any, format_room_full);
}

/* ---- sessions ------------------------------------------------------------ */

struct list_args {
	struct message *m;
	struct bytes *b;
	const struct account *only;
	uint64_t at, after;
	size_t shown, limit;
};

static bool
session_item(void *arg, struct session *s)
{
	struct list_args *l = arg;
	const struct account *a = s->account;
	const struct device *d = s->device;

	if (a == NULL || (l->only != NULL && a != l->only) ||
	    l->at++ < l->after)
		return true;
	if (l->shown++ == l->limit)
		return false;
	json_item_object(l->b);
	format_account(l->m, l->b, "account", a);
	json_u64(l->b, "device", d->num);
	json_cstr(l->b, "name", d->name);
	json_cstr(l->b, "address", s->address);
	json_bool(l->b, "live", s->live);
	json_bool(l->b, "suspended", s->suspended);
	json_u64(l->b, "logs", s->nsubs);
	json_u64(l->b, "pushed", s->pushed);
	json_u64(l->b, "seconds", mono_ms_between(s->since, l->m->now) / 1000);
	json_object_end(l->b);
	return true;
}

enum err
ctl_sessions(struct message *m, struct call *c)
{
	struct account *only = NULL;
	struct list_args l = { .m = m };
	struct bytes b;
	enum err rc;

	if (args_has(c->a, K(account)) &&
	    (rc = find_account(m, c->a->account, &only)) != OK)
		return rc;
	if ((rc = list_limit(c->a, &l.limit)) != OK ||
	    (rc = cursor_number(c->a->cursor, &l.after)) != OK)
		return rc;
	l.only = only;
	l.b = &b;
	begin(&b, c);
	json_array(&b, "sessions");
	notify_each(m->parts.notify, session_item, &l);
	json_array_end(&b);
	if (l.shown > l.limit)
		cursor_give(&b, l.after + l.limit);
	return end(m, &b, c);
}

static void
close_one(struct message *m, struct session *s, void *arg)
{
	uint64_t *n = arg;

	session_bye(m, s, ERR_CLOSED);
	(*n)++;
}

enum err
ctl_session_close(struct message *m, struct call *c)
{
	struct account *a;
	struct bytes b;
	uint64_t n = 0;
	enum err rc;

	if ((rc = find_account(m, c->a->account, &a)) != OK)
		return rc;
	if (c->a->device > UINT32_MAX)
		return ERR_NOTFOUND;
	sessions_of(m, a, (uint32_t)c->a->device, close_one, &n);
	begin(&b, c);
	json_u64(&b, "closed", n);
	return end(m, &b, c);
}

/* ---- boxes --------------------------------------------------------------- */

enum err
ctl_queue(struct message *m, struct call *c)
{
	struct queue_stats q;
	struct bytes b;

	queue_stats(m->parts.queue, &q);
	begin(&b, c);
	json_bool(&b, "available", q.available);
	if (!q.available)
		json_cstr(&b, "why", err_code(q.why));
	json_u64(&b, "entries", q.entries);
	json_u64(&b, "bytes", q.bytes);
	json_u64(&b, "inflight_bytes", q.inflight_bytes);
	json_u64(&b, "disk_bytes", q.disk_bytes);
	json_u64(&b, "segments", q.segments);
	json_u64(&b, "committed", q.committed);
	json_u64(&b, "commits", q.commits);
	json_u64(&b, "failures", q.failures);
	json_u64(&b, "durable_index", q.durable_index);
	json_u64(&b, "trimmed_index", q.trimmed_index);
	json_u64(&b, "commit_us_last", q.commit_us_last);
	json_u64(&b, "commit_us_max", q.commit_us_max);
	json_u64(&b, "commit_us_mean",
	    q.commits > 0 ? q.commit_us_sum / q.commits : 0);
	return end(m, &b, c);
}

enum err
ctl_cache(struct message *m, struct call *c)
{
	struct cache_stats s;
	struct bytes b;

	cache_stats(m->parts.cache, &s);
	begin(&b, c);
	json_u64(&b, "budget", s.budget);
	json_u64(&b, "bytes", s.bytes);
	json_u64(&b, "entries", s.entries);
	json_u64(&b, "logs", s.logs);
	json_u64(&b, "hits", s.hits);
	json_u64(&b, "misses", s.misses);
	json_u64(&b, "evicted", s.evicted);
	return end(m, &b, c);
}

enum err
ctl_storage(struct message *m, struct call *c)
{
	struct storage_stats s;
	struct bytes b;

	storage_stats(m->parts.storage, &s);
	begin(&b, c);
	json_bool(&b, "failing", s.failing);
	if (s.failing)
		json_cstr(&b, "why", err_code(s.why));
	json_u64(&b, "applied_index", s.applied);
	json_u64(&b, "lag", m->next_index - 1 - m->npending - m->applied_index);
	json_u64(&b, "batches", s.batches);
	json_u64(&b, "failures", s.failures);
	json_u64(&b, "reads", s.reads);
	json_u64(&b, "database_bytes", s.db_bytes);
	json_u64(&b, "wal_bytes", s.wal_bytes);
	json_u64(&b, "apply_us_last", s.apply_us_last);
	json_u64(&b, "checkpoint_us_last", s.checkpoint_us_last);
	return end(m, &b, c);
}

/* ---- the daemon ---------------------------------------------------------- */

enum err
ctl_log_level(struct message *m, struct call *c)
{
	enum log_level level;
	struct bytes b;
	char name[17];
	enum err rc;

	if (args_has(c->a, K(level))) {
		memcpy(name, c->a->level.p, c->a->level.n);
		name[c->a->level.n] = '\0';
		if ((rc = logger_level_parse(name, &level)) != OK)
			return rc;
		logger_set_level(level);
		log_notice("control", "log level=%s", name);
	}
	begin(&b, c);
	json_cstr(&b, "level", logger_level_name(logger_level()));
	return end(m, &b, c);
}

enum err
ctl_reload(struct message *m, struct call *c)
{
	char what[512] = "";
	enum err rc;

	rc = m->parts.host.reload(m->parts.host.arg, what, sizeof(what));
	if (rc == OK)
		answer_ok(m, &c->rq->conn, c->rq->rq.id, 0);
	else
		answer_error(m, &c->rq->conn, c->rq->rq.id, rc, what);
	return OK;
}

enum err
ctl_stop(struct message *m, struct call *c)
{
	answer_ok(m, &c->rq->conn, c->rq->rq.id, 0);
	m->parts.host.stop(m->parts.host.arg);
	return OK;
}

/* One check of the doctor. */
static void
check(struct bytes *b, const char *name, bool good, const char *advice)
{
	json_item_object(b);
	json_cstr(b, "check", name);
	json_bool(b, "ok", good);
	if (!good)
		json_cstr(b, "advice", advice);
	json_object_end(b);
}

enum err
ctl_doctor(struct message *m, struct call *c)
{
	struct storage_stats s;
	struct queue_stats q;
	struct cache_stats k;
	bool operators = false;
	struct account *a, *next;
	struct bytes b;

	storage_stats(m->parts.storage, &s);
	queue_stats(m->parts.queue, &q);
	cache_stats(m->parts.cache, &k);
	HASH_ITER(hh_id, m->reg.accounts_id, a, next)
	operators = operators || (a->operator&& a->state == ACCOUNT_ACTIVE);
	begin(&b, c);
	json_array(&b, "checks");
	check(&b, "the queue can commit", q.available,
	    "look at the disk of the data directory: space, mount, kernel log");
	check(&b, "the queue has room", !queue_pressed(m->parts.queue),
	    "storage does not keep up: kithctl storage, faster disk");
	check(&b, "commits take less than 20 ms",
	    q.commits == 0 || q.commit_us_sum / q.commits < 20000,
	    "the disk is slow to sync: put the data directory on another");
	check(&b, "history is written", !s.failing,
	    "look at the disk of the data directory");
	check(&b, "history keeps up",
	    m->next_index - m->applied_index < 1000000,
	    "kithctl storage: wait, or give it a faster disk");
	check(&b, "someone is told of alerts", operators,
	    "kithctl account operator NAME on");
	check(&b, "the cache fits the work",
	    k.hits + k.misses < 10000 || k.hits > k.misses * 4,
	    "raise cache.memory in kithd.conf");
	json_array_end(&b);
	return end(m, &b, c);
}
