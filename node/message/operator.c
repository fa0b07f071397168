/*
 * operator: what kithctl(8) changes: accounts, invites, bans, rooms.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/logger.h"
#include "crypto/token.h"
#include "crypto/wipe.h"
#include "node/message/handlers.h"

#define INVITE_SECONDS     (7ull * 86400)
#define INVITE_SECONDS_MAX (366ull * 86400)
#define INVITE_USES_MAX    1000000

/* ---- accounts ------------------------------------------------------------ */

/* {"account":...,"token":...}: the token when one was made. */
static void
done_account(struct message *m, struct pending *p, enum err err)
{
	struct account *a;
	struct bytes b;

	if (err != OK) {
		answer_error(m, &p->conn, p->id, err, NULL);
		return;
	}
	a = registry_account(&m->reg, &p->entry->event->h.target);
	bytes_init(&b, 2048);
	answer_begin(&b, p->id);
	format_account(m, &b, "account", a);
	if (p->device != 0)
		json_u64(&b, "device", p->device);
	if (p->extra.n > 0)
		json_str(&b, "token", (struct str){ p->extra.p, p->extra.n });
	answer_end(m, &b, &p->conn, 0);
	bytes_wipe(&b);
	log_notice("control", "%s account=%s", op_info(p->op)->name, a->name);
}

enum err
ctl_account_add(struct message *m, struct call *c)
{
	struct new_account n;
	struct pending *p;
	struct draft d;
	bool parked;
	enum err rc;

	if ((rc = new_account_check(m, &n, c->a->account)) != OK)
		return rc;
	if ((c->a->display.n > 0 && !display_valid(c->a->display)) ||
	    !name_valid(c->a->name))
		return ERR_INVALID;
	if (args_has(c->a, K(password))) {
		if (c->a->password.n < m->cfg.password_min)
			return ERR_INVALID;
		if (!c->r->hashed)
			return password_wait(m, c, false, NULL, STR_NONE,
			    c->a->password);
		if (c->r->hash == NULL)
			return ERR_INTERNAL;
	}
	rc = gate_pass(m, c, n.gate, &parked);
	if (rc != OK || parked)
		return rc;
	if ((p = pending_new(c, done_account)) == NULL)
		return ERR_NOMEM;
	n.operator= c->a->operator;
	n.display = c->a->display;
	draft_init(m, &d);
	rc = draft_account(m, &d, &n, c->r->hash);
	if (rc == OK) {
		/* A device name asks for a token right away. */
		if (args_has(c->a, K(name)))
			draft_device(m, &d, p, &n.id, 1, c->a->name);
		rc = submit_hold(m, p, n.gate);
	}
	if (rc == OK)
		rc = submit(m, &d, p);
	else
		pending_drop(m, p);
	draft_fini(&d);
	return rc;
}

/* The account of a request, when no change of it is under way. */
static enum err
ctl_account(struct message *m, struct call *c, struct account **a, bool *parked)
{
	enum err rc;

	*parked = false;
	if ((rc = find_account(m, c->a->account, a)) != OK)
		return rc;
	return gate_pass(m, c, account_gate(*a), parked);
}

static enum err
ctl_account_submit(struct message *m, struct call *c, struct account *a,
    const struct account_record *rec, bool drop_devices)
{
	struct pending *p;
	struct draft d;
	enum err rc;

	if ((p = pending_new(c, done_account)) == NULL)
		return ERR_NOMEM;
	draft_init(m, &d);
	draft_own(m, &d, a, EVENT_ACCOUNT);
	put_account(&d.puts, rec);
	if (drop_devices)
		devices_gone(&d, a, 0);
	rc = submit_own(m, &d, p, a);
	draft_fini(&d);
	return rc;
}

enum err
ctl_account_passwd(struct message *m, struct call *c)
{
	char hash[PASSWORD_HASH_MAX];
	struct account_record rec;
	struct account *a;
	bool parked;
	enum err rc;

	if (c->a->new.n < m->cfg.password_min)
		return ERR_INVALID;
	rc = ctl_account(m, c, &a, &parked);
	if (rc != OK || parked)
		return rc;
	if (!c->r->hashed)
		return password_wait(m, c, false, NULL, STR_NONE, c->a->new);
	if (c->r->hash == NULL)
		return ERR_INTERNAL;
	snprintf(hash, sizeof(hash), "%s", c->r->hash);
	account_record(a, &rec);
	rec.rec.password = hash;
	return ctl_account_submit(m, c, a, &rec, true);
}

enum err
ctl_account_token(struct message *m, struct call *c)
{
	struct account *a;
	struct pending *p;
	struct draft d;
	bool parked;
	enum err rc;

	if (c->a->name.n == 0 || !name_valid(c->a->name))
		return ERR_INVALID;
	rc = ctl_account(m, c, &a, &parked);
	if (rc != OK || parked)
		return rc;
	if (a->state != ACCOUNT_ACTIVE)
		return ERR_DISABLED;
	if (a->ndevices >= REGISTRY_DEVICES_MAX)
		return ERR_TOO_MANY;
	if ((p = pending_new(c, done_account)) == NULL)
		return ERR_NOMEM;
	draft_init(m, &d);
	draft_own(m, &d, a, EVENT_DEVICE);
	draft_device(m, &d, p, &a->id, a->next_device, c->a->name);
	rc = submit_own(m, &d, p, a);
	draft_fini(&d);
	return rc;
}

enum err
ctl_account_disable(struct message *m, struct call *c)
{
	struct account_record rec;
	struct account *a;
	bool parked;
	enum err rc;

	rc = ctl_account(m, c, &a, &parked);
	if (rc != OK || parked)
		return rc;
	if (a->state == ACCOUNT_DEACTIVATED)
		return ERR_DISABLED;
	account_record(a, &rec);
	rec.rec.state = c->a->remove ? ACCOUNT_ACTIVE : ACCOUNT_DISABLED;
	return ctl_account_submit(m, c, a, &rec, !c->a->remove);
}

enum err
ctl_account_remove(struct message *m, struct call *c)
{
	struct account_record rec;
	struct account *a;
	char none[1] = "";
	bool parked;
	enum err rc;

	rc = ctl_account(m, c, &a, &parked);
	if (rc != OK || parked)
		return rc;
	account_record(a, &rec);
	rec.rec.state = ACCOUNT_DEACTIVATED;
	rec.rec.password = none;
	return ctl_account_submit(m, c, a, &rec, true);
}

enum err
ctl_account_operator(struct message *m, struct call *c)
{
	struct account_record rec;
	struct account *a;
	bool parked;
	enum err rc;

	rc = ctl_account(m, c, &a, &parked);
	if (rc != OK || parked)
		return rc;
	account_record(a, &rec);
	rec.rec.has_operator_ = rec.rec.operator_ = c->a->on;
	return ctl_account_submit(m, c, a, &rec, false);
}

/* ---- invites ------------------------------------------------------------- */

static void
done_invite(struct message *m, struct pending *p, enum err err)
{
	struct bytes b;

	if (err != OK) {
		answer_error(m, &p->conn, p->id, err, NULL);
		return;
	}
	bytes_init(&b, 1024);
	answer_begin(&b, p->id);
	json_str(&b, "invite", (struct str){ p->extra.p, p->extra.n });
	answer_end(m, &b, &p->conn, 0);
	bytes_wipe(&b);
}

enum err
ctl_invite_add(struct message *m, struct call *c)
{
	Kith__InviteRecord rec = KITH__INVITE_RECORD__INIT;
	char token[TOKEN_TEXT_LEN + 1];
	uint8_t hash[TOKEN_HASH_LEN];
	uint64_t seconds = INVITE_SECONDS, uses = 1;
	struct pending *p;
	struct draft d;
	enum err rc;

	if (args_has(c->a, K(seconds)))
		seconds = c->a->seconds;
	if (args_has(c->a, K(uses)))
		uses = c->a->uses;
	if (seconds == 0 || seconds > INVITE_SECONDS_MAX || uses == 0 ||
	    uses > INVITE_USES_MAX)
		return ERR_INVALID;
	if (HASH_COUNT(m->reg.invites) >= m->reg.limits.invites)
		return ERR_FULL;
	if ((p = pending_new(c, done_invite)) == NULL)
		return ERR_NOMEM;
	token_make(token, hash, TOKEN_INVITE);
	bytes_add(&p->extra, token, TOKEN_TEXT_LEN);
	secret_wipe(token, sizeof(token));
	rec.token_hash = record_data(hash, sizeof(hash));
	rec.expires_ms = m->now_ms + seconds * 1000;
	rec.uses = (uint32_t)uses;
	draft_init(m, &d);
	put_invite(&d.puts, &rec);
	rc = submit(m, &d, p);
	draft_fini(&d);
	return rc;
}

/* Invites are shown by the beginning of their hash: the token is a secret. */
enum err
ctl_invite_list(struct message *m, struct call *c)
{
	struct invite *i, *next;
	char key[2 * 32 + 1];
	uint64_t after, n = 0;
	struct bytes b;
	size_t limit, shown = 0;
	enum err rc;

	if ((rc = list_limit(c->a, &limit)) != OK ||
	    (rc = cursor_number(c->a->cursor, &after)) != OK)
		return rc;
	bytes_init(&b, 1 << 20);
	answer_begin(&b, c->rq->rq.id);
	json_array(&b, "invites");
	HASH_ITER(hh, m->reg.invites, i, next)
	{
		if (n++ < after)
			continue;
		if (shown++ == limit)
			break;
		hex_encode(key, i->token_hash, 32);
		json_item_object(&b);
		json_str(&b, "key", (struct str){ key, 16 });
		json_u64(&b, "uses", i->uses);
		json_u64(&b, "expires", i->expires_ms);
		if (i->expires_ms < m->now_ms)
			json_bool(&b, "expired", true);
		json_object_end(&b);
	}
	json_array_end(&b);
	if (shown > limit)
		cursor_give(&b, after + limit);
	answer_end(m, &b, &c->rq->conn, 0);
	bytes_fini(&b);
	return OK;
}

/* The invite whose hash begins with key; ERR_INVALID: that is not one. */
static enum err
invite_find(struct message *m, struct str key, struct invite **out)
{
	char hex[2 * 32 + 1];
	struct invite *i, *next;

	*out = NULL;
	if (key.n < 8 || key.n > 64)
		return ERR_INVALID;
	HASH_ITER(hh, m->reg.invites, i, next)
	{
		hex_encode(hex, i->token_hash, 32);
		if (memcmp(hex, key.p, key.n) != 0)
			continue;
		if (*out != NULL)
			return ERR_INVALID;
		*out = i;
	}
	return *out != NULL ? OK : ERR_NOTFOUND;
}

/* A registration that uses it up comes first; later ones find it gone. */
enum err
ctl_invite_revoke(struct message *m, struct call *c)
{
	struct invite *i;
	struct pending *p;
	struct draft d;
	uint64_t gate;
	bool parked;
	enum err rc;

	if ((rc = invite_find(m, c->a->key, &i)) != OK)
		return rc;
	gate = gate_key(GATE_INVITE, i->token_hash, sizeof(i->token_hash));
	if ((rc = gate_pass(m, c, gate, &parked)) != OK || parked)
		return rc;
	if ((p = pending_new(c, done_ok)) == NULL)
		return ERR_NOMEM;
	draft_init(m, &d);
	put_invite_gone(&d.puts, i);
	if ((rc = submit_hold(m, p, gate)) == OK)
		rc = submit(m, &d, p);
	else
		pending_drop(m, p);
	draft_fini(&d);
	return rc;
}

/* ---- bans from the server ------------------------------------------------ */

static bool
session_banned(void *arg, struct session *s)
{
	struct message *m = arg;
	struct account *a = s->account;

	if (a != NULL &&
	    (registry_banned(&m->reg, str_of(a->name)) != NULL ||
		registry_banned(&m->reg, str_of(s->address)) != NULL))
		session_bye(m, s, ERR_BANNED);
	return true;
}

static void
done_ban(struct message *m, struct pending *p, enum err err)
{
	if (err == OK)
		notify_each(m->parts.notify, session_banned, m);
	done_ok(m, p, err);
}

enum err
ctl_ban(struct message *m, struct call *c)
{
	Kith__BanRecord rec = KITH__BAN_RECORD__INIT;
	char pattern[REGISTRY_KEY_MAX + 1], reason[1025];
	struct pending *p;
	struct draft d;
	enum err rc;

	if (c->a->pattern.n == 0 || c->a->pattern.n > REGISTRY_KEY_MAX ||
	    str_eq(c->a->pattern, STR("*")) || !name_valid(c->a->pattern) ||
	    !text_valid(c->a->reason))
		return ERR_INVALID;
	if ((p = pending_new(c, done_ban)) == NULL)
		return ERR_NOMEM;
	memcpy(pattern, c->a->pattern.p, c->a->pattern.n);
	pattern[c->a->pattern.n] = '\0';
	memcpy(reason, c->a->reason.p != NULL ? c->a->reason.p : "",
	    c->a->reason.n);
	reason[c->a->reason.n] = '\0';
	rec.pattern = pattern;
	rec.reason = reason;
	rec.created_ms = m->now_ms;
	draft_init(m, &d);
	put_ban(&d.puts, &rec);
	rc = submit(m, &d, p);
	draft_fini(&d);
	return rc;
}

enum err
ctl_unban(struct message *m, struct call *c)
{
	struct pending *p;
	struct draft d;
	struct ban *b;
	enum err rc;

	HASH_FIND(hh, m->reg.bans, c->a->pattern.p, c->a->pattern.n, b);
	if (b == NULL)
		return ERR_NOTFOUND;
	if ((p = pending_new(c, done_ok)) == NULL)
		return ERR_NOMEM;
	draft_init(m, &d);
	put_ban_gone(&d.puts, b);
	rc = submit(m, &d, p);
	draft_fini(&d);
	return rc;
}

enum err
ctl_ban_list(struct message *m, struct call *c)
{
	struct ban *ban, *next;
	struct bytes b;

	bytes_init(&b, 8 << 20);
	answer_begin(&b, c->rq->rq.id);
	json_array(&b, "bans");
	HASH_ITER(hh, m->reg.bans, ban, next)
	{
		json_item_object(&b);
		json_cstr(&b, "pattern", ban->pattern);
		if (ban->reason != NULL)
			json_cstr(&b, "reason", ban->reason);
		json_u64(&b, "created", ban->created_ms);
		json_object_end(&b);
	}
	json_array_end(&b);
	answer_end(m, &b, &c->rq->conn, 0);
	bytes_fini(&b);
	return OK;
}

enum err
ctl_room_close(struct message *m, struct call *c)
{
	struct room *room;
	bool parked;
	enum err rc;

	if ((rc = find_room(m, c->a->room, &room)) != OK)
		return rc;
	if (room->closed)
		return ERR_NOTFOUND;
	rc = gate_pass(m, c, room_gate(room), &parked);
	if (rc != OK || parked)
		return rc;
	return room_close(m, c, room);
}
