/*
 * The message service: who may come in, accounts, devices, invites, and
 * connections that go at the wrong moment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/message_world.h"

static int
setup(void **state)
{
	*state = world_new(NULL);
	return 0;
}

static int
teardown(void **state)
{
	world_free(*state);
	return 0;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#define LOGIN "'account':'%s','password':'%s','name':'pc'"

static struct conn *
registered(struct world *w, const char *name)
{
	struct conn *c = world_connect(w, name);

	(void)done(c, "register", LOGIN, name, "secret");
	(void)done(c, "feed", NONE);
	return c;
}

static size_t
devices(struct conn *c)
{
	return json_array_size(
	    json_object_get(done(c, "devices", NONE), "devices"));
}

/* ---- coming in ----------------------------------------------------------- */

static void
nothing_without_a_login(void **state)
{
	struct world *w = *state;
	struct conn *c = world_connect(w, "nobody");

	refused(c, "unauthenticated", "devices", NONE);
	refused(c, "unauthenticated", "send",
	    "'to':'bob','stream':1,'number':1,'text':'x'");
	refused(c, "bad-credentials", "resume", "'token':'kd_x'");
	refused(c, "bad-credentials", "login", LOGIN, "bob", "wrong");
	assert_false(c->authenticated);
}

static void
registering_logging_in_and_resuming(void **state)
{
	struct world *w = *state;
	struct conn *a = registered(w, "alice"), *b, *c;
	char *token;

	assert_true(a->authenticated);
	b = world_connect(w, "alice");
	refused(b, "bad-credentials", "login", LOGIN, "alice", "wrong");
	token = strdup(
	    text_of(done(b, "login", LOGIN, "alice", "secret"), "token"));
	c = resume(w, "alice", token, "");
	assert_int_equal(devices(c), 2);
	refused(c, "invalid", "resume", "'token':'%s'", token);
	refused(c, "invalid", "login", LOGIN, "alice", "secret");
	free(token);
	refused(world_connect(w, "x"), "exists", "register", LOGIN, "Alice",
	    "secret");
	refused(world_connect(w, "x"), "invalid", "register", LOGIN, "bo",
	    "abc");
	world_restart(w, false);
}

/* The second one must not find the session taken: that was an abort. */
static void
two_logins_at_once_on_a_connection(void **state)
{
	struct world *w = *state;
	struct conn *c;
	uint64_t first, second;

	(void)registered(w, "alice");
	(void)registered(w, "bob");
	c = world_connect(w, "alice");
	first = ask(c, "login", LOGIN, "alice", "secret");
	second = ask(c, "login", LOGIN, "bob", "secret");
	world_settle(w);
	(void)ok(c, first);
	assert_string_not_equal(refusal(c, second), "ok");
	assert_string_equal(text_of(done(c, "profile", NONE), "account"),
	    "alice@example.org");
}

static void
resuming_while_a_login_commits(void **state)
{
	struct world *w = *state;
	char *token = account_token(w, "bob");
	struct conn *c;
	uint64_t first, second;

	(void)registered(w, "alice");
	c = world_connect(w, "alice");
	first = ask(c, "login", LOGIN, "alice", "secret");
	w->hold_commits = true;
	world_settle(w);
	second = ask(c, "resume", "'token':'%s'", token);
	w->hold_commits = false;
	world_settle(w);
	(void)ok(c, first);
	assert_string_not_equal(refusal(c, second), "ok");
	free(token);
}

/* A token that nobody has seen is of no use to anybody. */
static void
a_login_whose_connection_breaks_leaves_no_device(void **state)
{
	struct world *w = *state;
	struct conn *a = registered(w, "alice"), *c;

	for (int i = 0; i < 3; i++) {
		c = world_connect(w, "alice");
		(void)ask(c, "login", LOGIN, "alice", "secret");
		w->hold_commits = true;
		world_settle(w);
		conn_break(c);
		w->hold_commits = false;
		world_settle(w);
	}
	assert_int_equal(devices(a), 1);
	world_restart(w, false);
}

static void
a_password_changed_meanwhile_lets_nobody_in(void **state)
{
	struct world *w = *state;
	struct conn *a = registered(w, "alice"), *c = world_connect(w, "x");
	uint64_t passwd, login;

	/* Checked against the old one, then comes the change. */
	passwd = ask(a, "passwd", "'password':'secret','new':'another'");
	w->hold_commits = true;
	world_settle(w);
	login = ask(c, "login", LOGIN, "alice", "secret");
	world_settle(w);
	w->hold_commits = false;
	world_settle(w);
	(void)ok(a, passwd);
	assert_string_equal(refusal(c, login), "bad-credentials");
}

/* The hash was right when it was made, but no more when it came back. */
static void
a_password_checked_before_its_change_is_checked_again(void **state)
{
	struct world *w = *state;
	struct conn *a = registered(w, "alice"), *c = world_connect(w, "x");
	struct password_job *job;
	uint64_t passwd, login;

	login = ask(c, "login", LOGIN, "alice", "secret");
	/* Its job is done but has not come back. */
	assert_true(pool_run_one(&w->pool));
	job = (struct password_job *)channel_drain(w->passwords);
	assert_non_null(job);
	passwd = ask(a, "passwd", "'password':'secret','new':'another'");
	world_settle(w);
	(void)ok(a, passwd);
	message_passwords_done(w->m, &job->item);
	world_settle(w);
	assert_string_equal(refusal(c, login), "bad-credentials");
}

static void
changing_the_password_ends_the_other_devices(void **state)
{
	struct world *w = *state;
	struct conn *a = registered(w, "alice"), *b = world_connect(w, "alice");

	(void)done(b, "login", LOGIN, "alice", "secret");
	refused(a, "bad-credentials", "passwd",
	    "'password':'wrong','new':'another'");
	refused(a, "invalid", "passwd", "'password':'secret','new':'x'");
	(void)done(a, "passwd", "'password':'secret','new':'another'");
	assert_true(b->closing);
	assert_false(a->closing);
	assert_string_equal(text_of(push(b, "bye", 0), "code"),
	    "bad-credentials");
	refused(world_connect(w, "x"), "bad-credentials", "login", LOGIN,
	    "alice", "secret");
	(void)done(world_connect(w, "x"), "login", LOGIN, "alice", "another");
}

static void
logging_out_ends_the_device_and_the_connection(void **state)
{
	struct world *w = *state;
	char *token = account_token(w, "alice");
	struct conn *a = resume(w, "alice", token, "");
	uint64_t id = ask(a, "logout", NONE);

	(void)ask(a, "devices", NONE);
	(void)ask(a, "resume", "'token':'%s'", token);
	world_settle(w);
	(void)ok(a, id);
	assert_true(a->closing);
	(void)ask(a, "resume", "'token':'%s'", token);
	world_settle(w);
	refused(world_connect(w, "x"), "bad-credentials", "resume",
	    "'token':'%s'", token);
	free(token);
	world_restart(w, false);
}

/* ---- accounts that end --------------------------------------------------- */

static void
a_deactivated_account_hears_nothing_more(void **state)
{
	struct world *w = *state;
	struct conn *a = registered(w, "alice"), *bob = registered(w, "bob");
	size_t n;

	(void)done(bob, "create", "'room':'#r'");
	(void)done(a, "join", "'room':'#r'");
	refused(a, "bad-credentials", "deactivate", "'password':'wrong'");
	(void)done(a, "deactivate", "'password':'secret'");
	assert_true(a->closing);
	a->closing = false; /* whatever the gateway does */
	n = events(a, "", "");
	(void)done(bob, "send", "'to':'#r','stream':1,'number':1,'text':'x'");
	assert_int_equal(events(a, "", ""), n);
	refused(bob, "not-found", "send",
	    "'to':'alice','stream':2,'number':1,'text':'x'");
	refused(world_connect(w, "x"), "disabled", "login", LOGIN, "alice",
	    "secret");
	refused(world_connect(w, "x"), "exists", "register", LOGIN, "alice",
	    "secret");
	world_restart(w, false);
}

static void
a_revoked_session_gets_nothing_more(void **state)
{
	struct world *w = *state;
	struct conn *a = registered(w, "alice"), *b = world_connect(w, "alice");
	char *token;
	size_t n;

	token = strdup(
	    text_of(done(b, "login", LOGIN, "alice", "secret"), "token"));
	(void)done(b, "feed", NONE);
	(void)done(a, "revoke", "'device':2");
	assert_true(b->closing);
	b->closing = false;
	n = events(b, "", "");
	(void)done(a, "profile", "'display':'A'");
	assert_int_equal(events(b, "", ""), n);
	(void)ask(b, "login", LOGIN, "alice", "secret");
	world_settle(w);
	assert_int_equal(devices(a), 1);
	refused(a, "not-found", "revoke", "'device':2");
	refused(a, "invalid", "revoke", "'device':1");
	refused(world_connect(w, "x"), "bad-credentials", "resume",
	    "'token':'%s'", token);
	free(token);
}

static void
operators_disable_and_enable(void **state)
{
	struct world *w = *state;
	struct conn *a = registered(w, "alice");

	(void)control(w, "account-disable", "'account':'alice'");
	assert_true(a->closing);
	refused(world_connect(w, "x"), "disabled", "login", LOGIN, "alice",
	    "secret");
	(void)control(w, "account-disable", "'account':'alice','remove':true");
	(void)done(world_connect(w, "x"), "login", LOGIN, "alice", "secret");
	(void)control(w, "account-passwd", "'account':'alice','new':'another'");
	refused(world_connect(w, "x"), "bad-credentials", "login", LOGIN,
	    "alice", "secret");
	(void)control(w, "account-remove", "'account':'alice'");
	control_refused(w, "disabled", "account-disable",
	    "'account':'alice','remove':true");
	control_refused(w, "not-found", "account-remove", "'account':'bob'");
	world_restart(w, false);
}

static void
server_bans_end_sessions_and_keep_people_out(void **state)
{
	struct world *w = *state;
	char *token = account_token(w, "bob");
	struct conn *b = resume(w, "bob", token, ""), *other;

	(void)control(w, "server-ban", "'pattern':'bo*','reason':'spam'");
	assert_true(b->closing);
	refused(world_connect(w, "x"), "banned", "resume", "'token':'%s'",
	    token);
	refused(world_connect(w, "x"), "banned", "register", LOGIN, "bonny",
	    "secret");
	assert_int_equal(json_array_size(json_object_get(
			     control(w, "server-bans", NONE), "bans")),
	    1);
	(void)control(w, "server-unban", "'pattern':'bo*'");
	control_refused(w, "not-found", "server-unban", "'pattern':'bo*'");
	control_refused(w, "not-found", "server-unban", "'pattern':''");
	(void)resume(w, "bob", token, "");
	free(token);
	(void)control(w, "server-ban", "'pattern':'192.0.2.*'");
	other = world_connect(w, "x");
	refused(other, "banned", "register", LOGIN, "carol", "secret");
	world_restart(w, false);
}

/* ---- names --------------------------------------------------------------- */

static void
look_alikes_are_refused_even_in_flight(void **state)
{
	struct world *w = *state;
	struct conn *a = world_connect(w, "bill"),
		    *b = world_connect(w, "bi1l");
	uint64_t first = ask(a, "register", LOGIN, "bill", "secret");
	uint64_t second = ask(b, "register", LOGIN, "bi1l", "secret");

	w->hold_commits = true;
	world_settle(w);
	w->hold_commits = false;
	world_settle(w);
	(void)ok(a, first);
	assert_string_equal(refusal(b, second), "look-alike");
	(void)done(a, "create", "'room':'#bill'");
	first = ask(a, "create", "'room':'#modern'");
	second = ask(a, "create", "'room':'#rnodern'");
	world_settle(w);
	(void)ok(a, first);
	assert_string_equal(refusal(a, second), "look-alike");
	control_refused(w, "look-alike", "account-add", "'account':'bi1l'");
}

static void
a_name_can_be_taken_once_at_a_time(void **state)
{
	struct world *w = *state;
	struct conn *a = world_connect(w, "alice"),
		    *b = world_connect(w, "alice");
	uint64_t first = ask(a, "register", LOGIN, "alice", "secret");
	uint64_t second = ask(b, "register", LOGIN, "alice", "secret");

	world_settle(w);
	(void)ok(a, first);
	assert_string_equal(refusal(b, second), "exists");
}

static void
the_tables_may_be_full_but_never_too_full_to_start(void **state)
{
	struct world *w;
	struct message_config cfg = world_config();
	struct conn *a, *b, *c;
	uint64_t first, second;

	(void)state;
	cfg.max_convs = 3;
	cfg.max_accounts = 4;
	w = world_new(&cfg);
	a = registered(w, "alice");
	(void)registered(w, "bob");
	/* One is left, and two want it. */
	b = world_connect(w, "carol");
	c = world_connect(w, "dave");
	first = ask(b, "register", LOGIN, "carol", "secret");
	second = ask(c, "register", LOGIN, "dave", "secret");
	world_settle(w);
	(void)ok(b, first);
	(void)refusal(c, second);
	refused(world_connect(w, "x"), "full", "register", LOGIN, "erin",
	    "secret");
	refused(a, "full", "send",
	    "'to':'bob','stream':1,'number':1,"
	    "'text':'x'");
	/* Smaller limits than what there is already: it must start. */
	w->cfg.max_convs = 1;
	w->cfg.max_accounts = 1;
	w->cfg.max_streams = 0;
	world_restart(w, true);
	world_free(w);
}

static void
a_device_has_so_many_streams_and_a_replay_no_limit(void **state)
{
	struct world *w = *state;
	char *token = account_token(w, "alice");
	struct conn *a = resume(w, "alice", token, "");

	for (unsigned i = 1; i <= REGISTRY_STREAMS_MAX; i++)
		(void)ask(a, "send",
		    "'to':'alice','stream':%u,'number':1,"
		    "'text':'x'",
		    i);
	world_settle(w);
	refused(a, "too-many", "send",
	    "'to':'alice','stream':%u,"
	    "'number':1,'text':'x'",
	    REGISTRY_STREAMS_MAX + 1);
	/* They are in storage; they end here, new ones come, and a crash
	 * before storage has heard of it. */
	world_advance(w, 300);
	world_settle(w);
	w->storage->refuse_batches = true;
	world_advance(w, 31ull * 86400000);
	for (int i = 0; i < 40; i++)
		world_advance(w, 11000);
	for (unsigned i = 1; i <= 5; i++)
		(void)ask(a, "send",
		    "'to':'alice','stream':%u,'number':1,"
		    "'text':'x'",
		    5000 + i);
	world_settle(w);
	w->storage->refuse_batches = false;
	world_crash(w, 0);
	a = resume(w, "alice", token, "");
	assert_int_equal(
	    number_of(done(a, "stream", "'stream':5005"), "number"), 1);
	free(token);
}

/* ---- invites ------------------------------------------------------------- */

static void
an_invite_lets_in_as_many_as_it_says(void **state)
{
	struct world *w = *state;
	const char *invite;
	struct conn *b, *c;
	uint64_t first, second;

	w->m->cfg.registration = REGISTRATION_INVITE;
	refused(world_connect(w, "x"), "registration-closed", "register", LOGIN,
	    "alice", "secret");
	refused(world_connect(w, "x"), "registration-closed", "register",
	    LOGIN ",'invite':'ki_x'", "alice", "secret");
	invite = text_of(control(w, "invite-add", "'uses':2"), "invite");
	(void)done(world_connect(w, "alice"), "register",
	    LOGIN ",'invite':'%s'", "alice", "secret", invite);
	/* One use is left, and two want it. */
	b = world_connect(w, "bob");
	c = world_connect(w, "carol");
	first =
	    ask(b, "register", LOGIN ",'invite':'%s'", "bob", "secret", invite);
	second = ask(c, "register", LOGIN ",'invite':'%s'", "carol", "secret",
	    invite);
	world_settle(w);
	(void)ok(b, first);
	assert_string_not_equal(refusal(c, second), "ok");
	refused(world_connect(w, "x"), "registration-closed", "register",
	    LOGIN ",'invite':'%s'", "dave", "secret", invite);
	world_restart(w, false);
}

/* The registration under way must not bring it back. */
static void
a_revoked_invite_stays_revoked(void **state)
{
	struct world *w = *state;
	struct conn *b = world_connect(w, "bob");
	json_t *list;
	char *invite, key[17];
	uint64_t id;

	w->m->cfg.registration = REGISTRATION_INVITE;
	invite =
	    strdup(text_of(control(w, "invite-add", "'uses':5"), "invite"));
	list = json_object_get(control(w, "invite-list", NONE), "invites");
	snprintf(key, sizeof(key), "%s",
	    text_of(json_array_get(list, 0), "key"));
	id =
	    ask(b, "register", LOGIN ",'invite':'%s'", "bob", "secret", invite);
	w->hold_commits = true;
	world_settle(w);
	w->hold_commits = false;
	(void)control(w, "invite-revoke", "'key':'%s'", key);
	(void)ok(b, id);
	list = json_object_get(control(w, "invite-list", NONE), "invites");
	assert_int_equal(json_array_size(list), 0);
	control_refused(w, "not-found", "invite-revoke", "'key':'%s'", key);
	/* The other way round. */
	invite[0] = 'x';
	free(invite);
	invite =
	    strdup(text_of(control(w, "invite-add", "'uses':5"), "invite"));
	list = json_object_get(control(w, "invite-list", NONE), "invites");
	snprintf(key, sizeof(key), "%s",
	    text_of(json_array_get(list, 0), "key"));
	control_start(w, "invite-revoke", "'key':'%s'", key);
	b = world_connect(w, "carol");
	id = ask(b, "register", LOGIN ",'invite':'%s'", "carol", "secret",
	    invite);
	world_settle(w);
	assert_string_not_equal(refusal(b, id), "ok");
	list = json_object_get(control(w, "invite-list", NONE), "invites");
	assert_int_equal(json_array_size(list), 0);
	free(invite);
	world_restart(w, false);
}

static void
expired_invites_make_room(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < w->cfg.max_invites; i++)
		(void)control(w, "invite-add", "'seconds':60");
	control_refused(w, "full", "invite-add", NONE);
	for (int i = 0; i < 10; i++)
		world_advance(w, 20000);
	world_settle(w);
	(void)control(w, "invite-add", NONE);
	world_advance(w, 300);
	world_settle(w);
	world_restart(w, false);
}

static void
registrations_are_rationed(void **state)
{
	struct world *w = *state;

	w->m->cfg.registrations_per_hour = 2;
	(void)registered(w, "alice");
	(void)registered(w, "bob");
	refused(world_connect(w, "x"), "rate-limited", "register", LOGIN,
	    "carol", "secret");
	world_advance(w, 3600001);
	(void)registered(w, "carol");
}

/* ---- connections that go ------------------------------------------------- */

/*
 * A request that waits at a gate when its connection breaks must not make a
 * session for the connection that has the slot by then: that was an abort.
 */
static void
a_request_whose_connection_is_gone_is_dropped(void **state)
{
	struct world *w = *state;
	struct conn *owner = registered(w, "alice"), *bob, *next;
	char *token = account_token(w, "bob");

	(void)done(owner, "create", "'room':'#r'");
	bob = resume(w, "bob", token, "");
	(void)done(bob, "join", "'room':'#r'");
	w->hold_commits = true;
	(void)ask(owner, "topic", "'room':'#r','topic':'t'");
	(void)ask(bob, "send", "'to':'#r','stream':1,'number':1,'text':'x'");
	(void)ask(bob, "send", "'to':'#r','stream':1,'number':2,'text':'y'");
	world_settle(w);
	conn_break(bob);
	w->hold_commits = false;
	world_settle(w);
	assert_int_equal(w->m->waiting, 0);
	/* The slot is used again. */
	do
		next = world_connect(w, "bob");
	while (next->ref.worker != bob->ref.worker);
	assert_int_equal(next->ref.slot, bob->ref.slot);
	(void)done(next, "resume", "'token':'%s'", token);
	assert_int_equal(events(next, "#r@example.org", "message"), 0);
	free(token);
}

static void
a_password_job_outlives_its_connection(void **state)
{
	struct world *w = *state;
	struct conn *c;

	(void)registered(w, "alice");
	c = world_connect(w, "alice");
	(void)ask(c, "login", LOGIN, "alice", "secret");
	conn_break(c);
	world_settle(w);
	assert_int_equal(w->m->waiting, 0);
	assert_int_equal(w->m->npending, 0);
}

static void
a_busy_password_pool_refuses(void **state)
{
	struct world *w = *state;

	w->pool.capacity = 0;
	refused(world_connect(w, "x"), "busy", "register", LOGIN, "alice",
	    "secret");
	assert_int_equal(w->m->waiting, 0);
}

/* ---- what an account keeps ----------------------------------------------- */

static void
profiles_and_blocks(void **state)
{
	struct world *w = *state;
	struct conn *a = registered(w, "alice"), *b = registered(w, "bob");
	json_t *o;

	(void)done(a, "profile", "'display':'  Alice   B  '");
	o = done(b, "profile", "'account':'alice'");
	assert_string_equal(text_of(o, "display"), "Alice B");
	refused(a, "forbidden", "profile", "'account':'bob','display':'x'");
	refused(a, "invalid", "profile", "'display':'  '");
	(void)done(a, "block", "'account':'bob'");
	(void)done(a, "block", "'account':'bob'");
	refused(a, "invalid", "block", "'account':'alice'");
	refused(b, "blocked", "send",
	    "'to':'alice','stream':1,'number':1,'text':'x'");
	refused(b, "blocked", "typing", "'to':'alice','on':true");
	refused(b, "blocked", "watch", "'account':'alice'");
	o = json_object_get(done(a, "blocks", NONE), "accounts");
	assert_int_equal(json_array_size(o), 1);
	world_restart(w, false);
	(void)done(a, "unblock", "'account':'bob'");
	(void)done(b, "send",
	    "'to':'alice','stream':1,'number':1,"
	    "'text':'x'");
	world_restart(w, false);
}

static void
who_is_blocked_sees_no_presence(void **state)
{
	struct world *w = *state;
	struct conn *a = registered(w, "alice"), *b = registered(w, "bob");

	(void)done(b, "watch", "'account':'alice'");
	(void)done(a, "presence", "'status':'online'");
	assert_int_equal(pushes(b, "presence"), 2);
	(void)done(a, "block", "'account':'bob'");
	(void)done(a, "presence", "'status':'away'");
	assert_int_equal(pushes(b, "presence"), 2);
	conn_break(a);
	world_flush(w);
	assert_int_equal(pushes(b, "presence"), 2);
}

static void
a_recovery_key_is_set_once(void **state)
{
	struct world *w = *state;
	struct conn *a = registered(w, "alice");
	char key[65], sig[129];

	memset(key, '1', 64);
	key[64] = '\0';
	memset(sig, '0', 128);
	sig[128] = '\0';
	(void)done(a, "recovery", "'password':'secret','key':'%s'", key);
	refused(a, "exists", "recovery", "'password':'secret','key':'%s'", key);
	refused(world_connect(w, "x"), "bad-signature", "recover",
	    "'account':'alice','new':'another','name':'pc','key':'%s',"
	    "'time':%llu,'signature':'%s'",
	    key, (unsigned long long)wall_ms(), sig);
	refused(world_connect(w, "x"), "too-old", "recover",
	    "'account':'alice','new':'another','name':'pc','key':'%s',"
	    "'time':1,'signature':'%s'",
	    key, sig);
	key[0] = '2';
	refused(world_connect(w, "x"), "bad-credentials", "recover",
	    "'account':'alice','new':'another','name':'pc','key':'%s',"
	    "'time':%llu,'signature':'%s'",
	    key, (unsigned long long)wall_ms(), sig);
	refused(world_connect(w, "x"), "bad-credentials", "recover",
	    "'account':'nobody','new':'another','name':'pc','key':'%s',"
	    "'time':%llu,'signature':'%s'",
	    key, (unsigned long long)wall_ms(), sig);
	world_restart(w, false);
}

static void
operations_are_rationed(void **state)
{
	struct world *w;
	struct message_config cfg = world_config();
	struct conn *a;

	(void)state;
	cfg.ops_per_second = 10;
	cfg.ops_burst = 5;
	w = world_new(&cfg);
	a = client(w, "alice");
	for (int i = 0; i < 5; i++)
		(void)done(a, "ping", NONE);
	refused(a, "rate-limited", "ping", NONE);
	world_advance(w, 250);
	(void)done(a, "ping", NONE);
	(void)done(a, "ping", NONE);
	refused(a, "rate-limited", "ping", NONE);
	world_free(w);
}

static void
operators_see_accounts_rooms_and_sessions(void **state)
{
	struct world *w = *state;
	struct conn *a = registered(w, "alice");
	json_t *o;

	free(account_token(w, "bob"));
	free(account_token(w, "carol"));
	(void)done(a, "create", "'room':'#r'");
	o = control(w, "account-list", "'limit':2");
	assert_int_equal(json_array_size(json_object_get(o, "accounts")), 2);
	o = control(w, "account-list", "'limit':2,'cursor':'%s'",
	    text_of(o, "cursor"));
	assert_int_equal(json_array_size(json_object_get(o, "accounts")), 1);
	assert_null(json_object_get(o, "cursor"));
	o = control(w, "account-list", "'search':'aro'");
	assert_int_equal(json_array_size(json_object_get(o, "accounts")), 1);
	o = control(w, "room-list", NONE);
	assert_int_equal(json_array_size(json_object_get(o, "rooms")), 1);
	o = control(w, "sessions", NONE);
	assert_int_equal(json_array_size(json_object_get(o, "sessions")), 1);
	(void)control(w, "status", NONE);
	(void)control(w, "queue", NONE);
	(void)control(w, "cache", NONE);
	(void)control(w, "storage", NONE);
	(void)control(w, "doctor", NONE);
	control_refused(w, "invalid", "log-level", "'level':'loud'");
	control_refused(w, "unsupported", "reload", NONE);
	o = control(w, "session-close", "'account':'alice'");
	assert_int_equal(number_of(o, "closed"), 1);
	assert_true(a->closing);
	(void)control(w, "stop", NONE);
	assert_int_equal(w->stopped, 1);
}

static void
alerts_reach_the_operators_mailboxes_once(void **state)
{
	struct world *w = *state;
	struct conn *a = client(w, "alice"), *b = client(w, "bob"), *c;
	static const char *const names[] = { "carol" };

	c = client(w, "carol");
	w->m->cfg.operators = names;
	w->m->cfg.noperators = 1;
	(void)control(w, "account-operator", "'account':'alice','on':true");
	world_fail(w, 0);
	world_advance(w, 50);
	world_recover(w);
	world_advance(w, 50);
	world_settle(w);
	world_advance(w, 50);
	world_settle(w);
	assert_int_equal(events(a, "", "alert"), 2);
	assert_int_equal(events(c, "", "alert"), 2);
	assert_int_equal(events(b, "", "alert"), 0);
	assert_int_equal(w->alerts_begun, 1);
	assert_int_equal(w->alerts_ended, 1);
	world_restart(w, false);
}

/* A name or pattern picks cases. */
int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(nothing_without_a_login),
		CASE(registering_logging_in_and_resuming),
		CASE(two_logins_at_once_on_a_connection),
		CASE(resuming_while_a_login_commits),
		CASE(a_login_whose_connection_breaks_leaves_no_device),
		CASE(a_password_changed_meanwhile_lets_nobody_in),
		CASE(a_password_checked_before_its_change_is_checked_again),
		CASE(changing_the_password_ends_the_other_devices),
		CASE(logging_out_ends_the_device_and_the_connection),
		CASE(a_deactivated_account_hears_nothing_more),
		CASE(a_revoked_session_gets_nothing_more),
		CASE(operators_disable_and_enable),
		CASE(server_bans_end_sessions_and_keep_people_out),
		CASE(look_alikes_are_refused_even_in_flight),
		CASE(a_name_can_be_taken_once_at_a_time),
		CASE(the_tables_may_be_full_but_never_too_full_to_start),
		CASE(a_device_has_so_many_streams_and_a_replay_no_limit),
		CASE(an_invite_lets_in_as_many_as_it_says),
		CASE(a_revoked_invite_stays_revoked),
		CASE(expired_invites_make_room),
		CASE(registrations_are_rationed),
		CASE(a_request_whose_connection_is_gone_is_dropped),
		CASE(a_password_job_outlives_its_connection),
		CASE(a_busy_password_pool_refuses),
		CASE(profiles_and_blocks),
		CASE(who_is_blocked_sees_no_presence),
		CASE(a_recovery_key_is_set_once),
		CASE(operations_are_rationed),
		CASE(operators_see_accounts_rooms_and_sessions),
		CASE(alerts_reach_the_operators_mailboxes_once),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
