/*
 * auth: who is it?  Logging in and out, registering, changing and recovering
 * a password.  A login makes a device with a token of its own; only the
 * token's hash is kept.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/logger.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "crypto/token.h"
#include "crypto/wipe.h"
#include "node/message/handlers.h"
#include <config.h>

#define RECOVER_SKEW_MS (10 * 60 * 1000)

/* ---- answers ------------------------------------------------------------- */

static void
format_welcome(struct message *m, struct bytes *b, const struct device *d)
{
	format_account(m, b, "account", d->account);
	json_u64(b, "device", d->num);
	json_str(b, "realm", m->realm);
	json_cstr(b, "version", PACKAGE_VERSION);
	json_u64(b, "time", m->now_ms);
	json_bool(b, "degraded", m->degraded);
}

/* Nobody has seen the token of d: it is of no use. */
static void
token_lost(struct message *m, struct device *d)
{
	struct account *a = d->account;
	struct pending *p;
	struct draft draft;
	enum err rc = ERR_NOMEM;

	draft_init(m, &draft);
	draft_own(m, &draft, a, EVENT_DEVICE);
	draft.body.device = d->num;
	draft.body.revoked = true;
	put_device_gone(&draft.puts, d);
	if ((p = pending_new(NULL, NULL)) != NULL)
		rc = submit_own(m, &draft, p, a);
	draft_fini(&draft);
	if (rc != OK)
		log_info("message", "unused device stays account=%s device=%u",
		    a->name, d->num);
}

static void
done_login(struct message *m, struct pending *p, enum err err)
{
	struct session *s = notify_find(m->parts.notify, &p->conn);
	struct device *d;
	struct bytes b;

	if (s != NULL)
		s->entering = false;
	if (err != OK) {
		answer_error(m, &p->conn, p->id, err, NULL);
		return;
	}
	d = registry_device(
	    registry_account(&m->reg, &p->entry->event->h.target), p->device);
	if (d == NULL)
		return;
	if (s == NULL || s->closing || s->account != NULL) {
		token_lost(m, d);
		return;
	}
	session_login(m, s, d);
	bytes_init(&b, 2048);
	answer_begin(&b, p->id);
	json_str(&b, "token", (struct str){ p->extra.p, p->extra.n });
	format_welcome(m, &b, d);
	answer_end(m, &b, &p->conn, DELIVER_AUTHENTICATED);
	bytes_wipe(&b);
	log_info("message", "login account=%s device=%u", d->account->name,
	    d->num);
}

/* ---- a new device -------------------------------------------------------- */

/*
 * Puts a device with a fresh token for the account `id' into the draft; the
 * token's text goes to p->extra for the answer.
 */
void
draft_device(struct message *m, struct draft *d, struct pending *p,
    const struct id *id, uint32_t num, struct str name)
{
	Kith__DeviceRecord rec = KITH__DEVICE_RECORD__INIT;
	char token[TOKEN_TEXT_LEN + 1], text[257];
	uint8_t hash[TOKEN_HASH_LEN];

	token_make(token, hash, TOKEN_DEVICE);
	bytes_add(&p->extra, token, TOKEN_TEXT_LEN);
	secret_wipe(token, sizeof(token));
	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	rec.account = record_data(id->b, ID_LEN);
	rec.device = num;
	rec.name = text;
	rec.token_hash = record_data(hash, sizeof(hash));
	rec.created_ms = rec.seen_ms = m->now_ms;
	put_device(&d->puts, &rec);
	p->device = num;
	d->body.device = num;
	d->body.device_name = name;
}

void
devices_gone(struct draft *d, const struct account *a, uint32_t but)
{
	for (const struct device *dev = a->devices; dev != NULL;
	     dev = dev->next)
		if (dev->num != but)
			put_device_gone(&d->puts, dev);
}

static enum err
login_allowed(struct message *m, const struct call *c, struct account *a)
{
	if (a->state != ACCOUNT_ACTIVE)
		return ERR_DISABLED;
	if (registry_banned(&m->reg, str_of(a->name)) != NULL ||
	    (c->s != NULL &&
		registry_banned(&m->reg, str_of(c->s->address)) != NULL))
		return ERR_BANNED;
	return OK;
}

/* An event about a's account or devices, in its own mailbox. */
void
draft_own(struct message *m, struct draft *d, struct account *a,
    enum event_kind kind)
{
	d->has_event = true;
	d->h.kind = kind;
	d->h.author = d->h.target = a->id;
	d->h.time_ms = m->now_ms;
}

enum err
submit_own(struct message *m, struct draft *d, struct pending *p,
    struct account *a)
{
	enum err rc;

	if ((rc = draft_mailbox(m, d, a, a)) == OK)
		rc = submit_hold(m, p, account_gate(a));
	if (rc != OK) {
		pending_drop(m, p);
		return rc;
	}
	return submit(m, d, p);
}

static enum err
login_submit(struct message *m, struct call *c, struct account *a,
    const char *new_hash, bool drop_others)
{
	struct account_record rec;
	struct pending *p;
	struct draft d;
	enum err rc;

	if (!drop_others && a->ndevices >= REGISTRY_DEVICES_MAX)
		return ERR_TOO_MANY;
	if ((p = pending_new(c, done_login)) == NULL)
		return ERR_NOMEM;
	draft_init(m, &d);
	draft_own(m, &d, a, EVENT_DEVICE);
	if (new_hash != NULL) {
		char hash[PASSWORD_HASH_MAX];

		snprintf(hash, sizeof(hash), "%s", new_hash);
		account_record(a, &rec);
		rec.rec.password = hash;
		put_account(&d.puts, &rec);
	}
	if (drop_others)
		devices_gone(&d, a, 0);
	draft_device(m, &d, p, &a->id, a->next_device, c->a->name);
	rc = submit_own(m, &d, p, a);
	draft_fini(&d);
	c->s->entering = rc == OK;
	return rc;
}

enum err
op_login(struct message *m, struct call *c)
{
	struct account *a = NULL;
	bool parked;
	enum err rc;

	rc = find_account(m, c->a->account, &a);
	if (rc != OK && rc != ERR_NOTFOUND)
		return rc;
	if (c->a->name.n == 0 || !name_valid(c->a->name))
		return ERR_INVALID;
	/* An unknown account costs and says the same as a wrong password. */
	if (!password_checked(c, a))
		return password_wait(m, c, true, a != NULL ? a->password : NULL,
		    c->a->password, STR_NONE);
	if (!c->r->password_ok || a == NULL)
		return ERR_CREDENTIALS;
	if ((rc = login_allowed(m, c, a)) != OK)
		return rc;
	rc = gate_pass(m, c, account_gate(a), &parked);
	if (rc != OK || parked)
		return rc;
	return login_submit(m, c, a, c->r->hash, false);
}

enum err
op_resume(struct message *m, struct call *c)
{
	uint8_t hash[TOKEN_HASH_LEN];
	struct device *d;
	struct bytes b;
	enum err rc;

	if (token_hash(hash, TOKEN_DEVICE, c->a->token) != OK ||
	    (d = registry_device_token(&m->reg, hash)) == NULL)
		return ERR_CREDENTIALS;
	if ((rc = login_allowed(m, c, d->account)) != OK)
		return rc;
	session_login(m, c->s, d);
	bytes_init(&b, 2048);
	answer_begin(&b, c->rq->rq.id);
	format_welcome(m, &b, d);
	answer_end(m, &b, &c->rq->conn, DELIVER_AUTHENTICATED);
	bytes_fini(&b);
	if (args_has(c->a, K(live)) && !c->a->live)
		return OK;
	if ((rc = session_feed(m, c->s, c->a)) != OK)
		session_bye(m, c->s, rc);
	return OK;
}

enum err
op_feed(struct message *m, struct call *c)
{
	enum err rc;

	answer_ok(m, &c->rq->conn, c->rq->rq.id, 0);
	if ((rc = session_feed(m, c->s, c->a)) != OK)
		session_bye(m, c->s, rc);
	return OK;
}

/* ---- new accounts -------------------------------------------------------- */

static enum err
registration_allowed(struct message *m, const struct call *c,
    struct invite **invite)
{
	uint8_t hash[TOKEN_HASH_LEN];

	*invite = NULL;
	if (c->s != NULL &&
	    registry_banned(&m->reg, str_of(c->s->address)) != NULL)
		return ERR_BANNED;
	if (m->cfg.registration == REGISTRATION_CLOSED)
		return ERR_REGISTRATION;
	if (args_has(c->a, K(invite))) {
		if (token_hash(hash, TOKEN_INVITE, c->a->invite) != OK ||
		    (*invite = registry_invite(&m->reg, hash)) == NULL ||
		    (*invite)->uses == 0 || (*invite)->expires_ms < m->now_ms)
			return ERR_REGISTRATION;
		return OK;
	}
	if (m->cfg.registration != REGISTRATION_OPEN)
		return ERR_REGISTRATION;
	if (mono_ms_between(m->hour_since, m->now) >= 3600000) {
		m->hour_since = m->now;
		m->registrations = 0;
	}
	return m->registrations < m->cfg.registrations_per_hour ? OK : ERR_RATE;
}

static void
invite_use(struct draft *d, const struct invite *i)
{
	Kith__InviteRecord rec;

	if (i == NULL)
		return;
	if (i->uses == 1) {
		put_invite_gone(&d->puts, i);
		return;
	}
	invite_record(i, &rec);
	rec.uses--;
	put_invite(&d->puts, &rec);
}

static enum err
register_submit(struct message *m, struct call *c, struct new_account *n,
    const struct invite *invite)
{
	struct pending *p;
	struct draft d;
	enum err rc;

	if ((p = pending_new(c, done_login)) == NULL)
		return ERR_NOMEM;
	draft_init(m, &d);
	rc = draft_account(m, &d, n, c->r->hash);
	if (rc == OK) {
		invite_use(&d, invite);
		draft_device(m, &d, p, &n->id, 1, c->a->name);
		rc = submit_hold(m, p, n->gate);
	}
	if (rc == OK && invite != NULL)
		rc = submit_hold(m, p,
		    gate_key(GATE_INVITE, invite->token_hash,
			sizeof(invite->token_hash)));
	if (rc == OK)
		rc = submit(m, &d, p);
	else
		pending_drop(m, p);
	draft_fini(&d);
	c->s->entering = rc == OK;
	if (rc == OK && invite == NULL)
		m->registrations++;
	return rc;
}

enum err
op_register(struct message *m, struct call *c)
{
	struct new_account n;
	struct invite *invite;
	bool parked;
	enum err rc;

	if ((rc = registration_allowed(m, c, &invite)) != OK)
		return rc;
	if (c->a->name.n == 0 || !name_valid(c->a->name) ||
	    c->a->password.n < m->cfg.password_min)
		return ERR_INVALID;
	if ((rc = new_account_check(m, &n, c->a->account)) != OK)
		return rc;
	if (registry_banned(&m->reg, address_local(&n.address)) != NULL)
		return ERR_BANNED;
	if (!c->r->hashed)
		return password_wait(m, c, false, NULL, STR_NONE,
		    c->a->password);
	if (c->r->hash == NULL)
		return ERR_INTERNAL;
	rc = gate_pass(m, c, n.gate, &parked);
	if (rc != OK || parked)
		return rc;
	if (invite != NULL &&
	    gate_closed(m, gate_key(GATE_INVITE, invite->token_hash,
			       sizeof(invite->token_hash))))
		return ERR_BUSY;
	return register_submit(m, c, &n, invite);
}

/* ---- leaving ------------------------------------------------------------- */

enum err
op_logout(struct message *m, struct call *c)
{
	struct pending *p;
	struct draft d;
	bool parked;
	enum err rc;

	rc = gate_pass(m, c, account_gate(c->account), &parked);
	if (rc != OK || parked)
		return rc;
	if ((p = pending_new(c, done_ok)) == NULL)
		return ERR_NOMEM;
	draft_init(m, &d);
	draft_own(m, &d, c->account, EVENT_DEVICE);
	d.body.device = c->device->num;
	d.body.revoked = true;
	put_device_gone(&d.puts, c->device);
	rc = submit_own(m, &d, p, c->account);
	draft_fini(&d);
	return rc;
}

/* ---- passwords ----------------------------------------------------------- */

enum err
op_passwd(struct message *m, struct call *c)
{
	struct account_record rec;
	char hash[PASSWORD_HASH_MAX];
	struct pending *p;
	struct draft d;
	bool parked;
	enum err rc;

	if (c->a->new.n < m->cfg.password_min)
		return ERR_INVALID;
	if (!password_checked(c, c->account))
		return password_wait(m, c, true, c->account->password,
		    c->a->password, c->a->new);
	if (!c->r->password_ok || c->r->hash == NULL)
		return ERR_CREDENTIALS;
	rc = gate_pass(m, c, account_gate(c->account), &parked);
	if (rc != OK || parked)
		return rc;
	if ((p = pending_new(c, done_ok)) == NULL)
		return ERR_NOMEM;
	draft_init(m, &d);
	draft_own(m, &d, c->account, EVENT_ACCOUNT);
	snprintf(hash, sizeof(hash), "%s", c->r->hash);
	account_record(c->account, &rec);
	rec.rec.password = hash;
	put_account(&d.puts, &rec);
	devices_gone(&d, c->account, c->device->num);
	rc = submit_own(m, &d, p, c->account);
	draft_fini(&d);
	return rc;
}

enum err
op_recovery(struct message *m, struct call *c)
{
	uint8_t key[SIGN_PUBLIC_LEN];
	struct account_record rec;
	struct pending *p;
	struct draft d;
	bool parked;
	enum err rc;

	if (hex_decode(key, sizeof(key), c->a->key) != OK)
		return ERR_INVALID;
	if (c->account->has_recovery)
		return ERR_EXISTS;
	if (!password_checked(c, c->account))
		return password_wait(m, c, true, c->account->password,
		    c->a->password, STR_NONE);
	if (!c->r->password_ok)
		return ERR_CREDENTIALS;
	rc = gate_pass(m, c, account_gate(c->account), &parked);
	if (rc != OK || parked)
		return rc;
	if ((p = pending_new(c, done_ok)) == NULL)
		return ERR_NOMEM;
	draft_init(m, &d);
	draft_own(m, &d, c->account, EVENT_ACCOUNT);
	account_record(c->account, &rec);
	rec.rec.has_recovery = true;
	rec.rec.recovery = record_data(key, sizeof(key));
	put_account(&d.puts, &rec);
	rc = submit_own(m, &d, p, c->account);
	draft_fini(&d);
	return rc;
}

/* time (BE64), hash of the new password, account as it stands in the request:
 * kith-protocol(7). */
static enum err
recover_proof(struct message *m, const struct call *c, const struct account *a)
{
	uint8_t key[SIGN_PUBLIC_LEN], sig[SIGN_LEN];
	uint8_t msg[8 + HASH_LEN + 320];
	uint64_t t = c->a->time;
	size_t n = 8 + HASH_LEN + c->a->account.n;

	if (hex_decode(key, sizeof(key), c->a->key) != OK ||
	    hex_decode(sig, sizeof(sig), c->a->signature) != OK ||
	    n > sizeof(msg))
		return ERR_INVALID;
	if (t + RECOVER_SKEW_MS < m->now_ms || t > m->now_ms + RECOVER_SKEW_MS)
		return ERR_TOO_OLD;
	if (a == NULL || !a->has_recovery ||
	    !secret_equal(key, a->recovery, sizeof(key)))
		return ERR_CREDENTIALS;
	for (unsigned i = 0; i < 8; i++)
		msg[i] = (uint8_t)(t >> (56 - 8 * i));
	hash256(msg + 8, "kith recover 1", PARTS(PART_STR(c->a->new)));
	memcpy(msg + 8 + HASH_LEN, c->a->account.p, c->a->account.n);
	return sign_verify(sig, key, "kith recover 1", PART(msg, n));
}

enum err
op_recover(struct message *m, struct call *c)
{
	struct account *a = NULL;
	bool parked;
	enum err rc;

	rc = find_account(m, c->a->account, &a);
	if (rc != OK && rc != ERR_NOTFOUND)
		return rc;
	if (c->a->new.n < m->cfg.password_min || c->a->name.n == 0 ||
	    !name_valid(c->a->name))
		return ERR_INVALID;
	if ((rc = recover_proof(m, c, a)) != OK)
		return rc;
	if ((rc = login_allowed(m, c, a)) != OK)
		return rc;
	if (!c->r->hashed)
		return password_wait(m, c, false, NULL, STR_NONE, c->a->new);
	if (c->r->hash == NULL)
		return ERR_INTERNAL;
	rc = gate_pass(m, c, account_gate(a), &parked);
	if (rc != OK || parked)
		return rc;
	return login_submit(m, c, a, c->r->hash, true);
}
