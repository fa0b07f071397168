/*
 * account: making accounts, and what a person sets about their own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/box.h"
#include "crypto/random.h"
#include "crypto/sign.h"
#include "crypto/wipe.h"
#include "node/message/handlers.h"

/* ---- a new account ------------------------------------------------------- */

enum err
new_account_check(struct message *m, struct new_account *n, struct str text)
{
	char skeleton[ADDRESS_SKELETON_MAX];
	struct str name;
	enum err rc;

	memset(n, 0, sizeof(*n));
	if ((rc = address_parse(&n->address, text, m->realm)) != OK)
		return rc;
	if (n->address.kind != ADDRESS_ACCOUNT)
		return ERR_ADDRESS;
	if (!str_eq(address_realm(&n->address), m->realm))
		return ERR_REALM;
	name = address_local(&n->address);
	if ((rc = address_skeleton(skeleton, sizeof(skeleton), name)) != OK)
		return rc;
	/* Of all names that look like it. */
	n->gate = gate_key(GATE_NAME, skeleton, strlen(skeleton));
	if (registry_account_named(&m->reg, name) != NULL)
		return ERR_EXISTS;
	if (registry_account_like(&m->reg, str_of(skeleton)) != NULL)
		return ERR_LOOKALIKE;
	if (HASH_CNT(hh_id, m->reg.accounts_id) >= m->reg.limits.accounts ||
	    HASH_CNT(hh_num, m->reg.convs_num) >= m->reg.limits.convs)
		return ERR_FULL;
	return OK;
}

/* The account's secret key is kept sealed under the node's. */
static enum err
account_keys(struct message *m, struct new_account *n,
    uint8_t sealed[static SIGN_SECRET_LEN + BOX_OVERHEAD])
{
	uint8_t pk[SIGN_PUBLIC_LEN], sk[SIGN_SECRET_LEN], key[BOX_KEY_LEN];
	uint8_t salt[GENESIS_SALT_LEN];
	enum err rc;

	sign_keypair(pk, sk);
	random_bytes(salt, sizeof(salt));
	rc = genesis_account(&n->genesis, pk, NULL, salt, m->now_ms, m->realm);
	if (rc == OK) {
		n->id = n->genesis.id;
		identity_derive(m->parts.node, "kith account keys 1", key);
		box_seal(sealed, key, PART(n->id.b, ID_LEN),
		    PART(sk, sizeof(sk)));
	}
	secret_wipe(sk, sizeof(sk));
	secret_wipe(key, sizeof(key));
	return rc;
}

enum err
draft_account(struct message *m, struct draft *d, struct new_account *n,
    const char *password)
{
	uint8_t sealed[SIGN_SECRET_LEN + BOX_OVERHEAD];
	Kith__AccountRecord rec = KITH__ACCOUNT_RECORD__INIT;
	struct account_record wrap;
	char hash[PASSWORD_HASH_MAX] = "", display[DISPLAY_MAX + 1];
	enum err rc;

	if ((rc = account_keys(m, n, sealed)) != OK)
		return rc;
	d->has_event = true;
	d->h.kind = EVENT_ACCOUNT;
	d->h.author = d->h.target = n->id;
	d->h.time_ms = m->now_ms;
	if (password != NULL)
		snprintf(hash, sizeof(hash), "%s", password);
	rec.id = record_data(n->id.b, ID_LEN);
	rec.name = n->address.local;
	rec.genesis = record_data(n->genesis.bytes, n->genesis.len);
	rec.secret = record_data(sealed, sizeof(sealed));
	rec.password = hash;
	rec.created_ms = m->now_ms;
	rec.next_device = 1;
	rec.has_operator_ = rec.operator_ = n->operator;
	rec.has_local = true;
	rec.local = draft_local(d);
	if (n->display.n > 0) {
		if ((rc = display_enforce(display, n->display)) != OK)
			return rc;
		rec.display = display;
	}
	wrap.rec = rec;
	put_account(&d->puts, &wrap);
	draft_new_log(m, d, &n->id);
	return OK;
}

/* ---- devices ------------------------------------------------------------- */

enum err
op_devices(struct message *m, struct call *c)
{
	struct bytes b;

	bytes_init(&b, 1 << 20);
	answer_begin(&b, c->rq->rq.id);
	json_array(&b, "devices");
	for (const struct device *d = c->account->devices; d != NULL;
	     d = d->next) {
		json_item_object(&b);
		json_u64(&b, "device", d->num);
		json_cstr(&b, "name", d->name);
		json_u64(&b, "created", d->created_ms);
		json_u64(&b, "seen", d->seen_ms);
		if (d == c->device)
			json_bool(&b, "current", true);
		json_object_end(&b);
	}
	json_array_end(&b);
	answer_end(m, &b, &c->rq->conn, 0);
	bytes_fini(&b);
	return OK;
}

enum err
op_revoke(struct message *m, struct call *c)
{
	struct pending *p;
	struct device *dev;
	struct draft d;
	bool parked;
	enum err rc;

	rc = gate_pass(m, c, account_gate(c->account), &parked);
	if (rc != OK || parked)
		return rc;
	if (c->a->device > UINT32_MAX ||
	    (dev = registry_device(c->account, (uint32_t)c->a->device)) == NULL)
		return ERR_NOTFOUND;
	if (dev == c->device)
		return ERR_INVALID; /* that is logout */
	if ((p = pending_new(c, done_ok)) == NULL)
		return ERR_NOMEM;
	draft_init(m, &d);
	draft_own(m, &d, c->account, EVENT_DEVICE);
	d.body.device = dev->num;
	d.body.revoked = true;
	put_device_gone(&d.puts, dev);
	rc = submit_own(m, &d, p, c->account);
	draft_fini(&d);
	return rc;
}

/* ---- profile ------------------------------------------------------------- */

static void
answer_profile(struct message *m, const struct call *c, const struct account *a)
{
	char id[2 * ID_LEN + 1];
	struct bytes b;

	hex_encode(id, a->id.b, ID_LEN);
	bytes_init(&b, 2048);
	answer_begin(&b, c->rq->rq.id);
	format_account(m, &b, "account", a);
	json_cstr(&b, "key", id);
	if (a->display != NULL)
		json_cstr(&b, "display", a->display);
	if (a->state != ACCOUNT_ACTIVE)
		json_bool(&b, "disabled", true);
	answer_end(m, &b, &c->rq->conn, 0);
	bytes_fini(&b);
}

/* Submits a changed record of the caller's account with an event. */
static enum err
account_change(struct message *m, struct call *c, enum event_kind kind,
    const struct account_record *rec, struct draft *d)
{
	struct pending *p;

	if ((p = pending_new(c, done_ok)) == NULL)
		return ERR_NOMEM;
	draft_own(m, d, c->account, kind);
	put_account(&d->puts, rec);
	return submit_own(m, d, p, c->account);
}

enum err
op_profile(struct message *m, struct call *c)
{
	struct account_record rec;
	struct account *a = c->account;
	char display[DISPLAY_MAX + 1];
	struct draft d;
	bool parked;
	enum err rc;

	if (args_has(c->a, K(account)) &&
	    (rc = find_account(m, c->a->account, &a)) != OK)
		return rc;
	if (!args_has(c->a, K(display))) {
		answer_profile(m, c, a);
		return OK;
	}
	if (a != c->account)
		return ERR_FORBIDDEN;
	if ((rc = display_enforce(display, c->a->display)) != OK)
		return rc;
	rc = gate_pass(m, c, account_gate(a), &parked);
	if (rc != OK || parked)
		return rc;
	account_record(a, &rec);
	rec.rec.display = display;
	draft_init(m, &d);
	d.body.display = str_of(display);
	rc = account_change(m, c, EVENT_PROFILE, &rec, &d);
	draft_fini(&d);
	return rc;
}

/* The name stays taken for ever: nobody else can become this account. */
enum err
op_deactivate(struct message *m, struct call *c)
{
	struct account_record rec;
	struct draft d;
	bool parked;
	enum err rc;

	if (!password_checked(c, c->account))
		return password_wait(m, c, true, c->account->password,
		    c->a->password, STR_NONE);
	if (!c->r->password_ok)
		return ERR_CREDENTIALS;
	rc = gate_pass(m, c, account_gate(c->account), &parked);
	if (rc != OK || parked)
		return rc;
	account_record(c->account, &rec);
	rec.rec.state = ACCOUNT_DEACTIVATED;
	draft_init(m, &d);
	devices_gone(&d, c->account, 0);
	rc = account_change(m, c, EVENT_ACCOUNT, &rec, &d);
	draft_fini(&d);
	return rc;
}

/* ---- blocking ------------------------------------------------------------ */

/* Block and unblock; doing it again changes nothing and is fine. */
enum err
op_block(struct message *m, struct call *c)
{
	bool block = c->rq->rq.op == OP_BLOCK;
	char subject[ADDRESS_ROOM_FOR];
	struct account_record rec;
	struct account *a;
	struct draft d;
	size_t n = 0;
	bool parked;
	enum err rc;

	if ((rc = find_account(m, c->a->account, &a)) != OK)
		return rc;
	if (a == c->account)
		return ERR_INVALID;
	rc = gate_pass(m, c, account_gate(c->account), &parked);
	if (rc != OK || parked)
		return rc;
	if (account_blocks(c->account, &a->id) == block) {
		answer_ok(m, &c->rq->conn, c->rq->rq.id, 0);
		return OK;
	}
	if (block && c->account->nblocked >= REGISTRY_BLOCKED_MAX)
		return ERR_TOO_MANY;
	account_record(c->account, &rec);
	if (block) {
		rec.blocked[rec.rec.n_blocked++] = record_data(a->id.b, ID_LEN);
	} else {
		for (size_t i = 0; i < rec.rec.n_blocked; i++)
			if (memcmp(rec.blocked[i].data, a->id.b, ID_LEN) != 0)
				rec.blocked[n++] = rec.blocked[i];
		rec.rec.n_blocked = n;
	}
	draft_init(m, &d);
	d.body.subject = account_address(m, a, subject);
	rc =
	    account_change(m, c, block ? EVENT_BLOCK : EVENT_UNBLOCK, &rec, &d);
	draft_fini(&d);
	return rc;
}

enum err
op_blocks(struct message *m, struct call *c)
{
	char text[ADDRESS_ROOM_FOR];
	struct account *a;
	struct bytes b;

	bytes_init(&b, 1 << 20);
	answer_begin(&b, c->rq->rq.id);
	json_array(&b, "accounts");
	for (uint32_t i = 0; i < c->account->nblocked; i++)
		if ((a = registry_account(&m->reg, &c->account->blocked[i])) !=
		    NULL)
			json_item_str(&b, account_address(m, a, text));
	json_array_end(&b);
	answer_end(m, &b, &c->rq->conn, 0);
	bytes_fini(&b);
	return OK;
}
