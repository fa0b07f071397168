/*
 * The message service without memory: the n-th allocation of a session fails,
 * and the ones after it.  Answers may be errors or missing, and what has been
 * journalled but cannot be remembered ends the process in the one place that
 * says so; else nothing is lost, leaks or crashes, and a restart finds the
 * same.
 *
 * MESSAGE_MEMORY_STEP=1 fails each one; by default one of some.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/message_world.h"

#define ENDED 42 /* exit code: by abort, as documented */
#define STEP  5

/* ---- memory -------------------------------------------------------------- */

static uint64_t count;             /* allocations of the service's so far */
static uint64_t fail_from, fail_n; /* which of them fail; 0: none */
static int64_t live;               /* not freed */

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *s);
char *__wrap_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
char *__wrap_strndup(const char *s, size_t n);
void __real_free(void *p);
void __wrap_free(void *p);
void __wrap_abort(void) __attribute__((noreturn));

static bool
fails(void)
{
	if (world_own > 0 || fail_from == 0)
		return false;
	count++;
	return count >= fail_from && count < fail_from + fail_n;
}

static void *
counted(void *p)
{
	live += p != NULL;
	return p;
}

void *
__wrap_malloc(size_t n)
{
	return fails() ? NULL : counted(__real_malloc(n));
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : counted(__real_calloc(n, size));
}

void *
__wrap_realloc(void *p, size_t n)
{
	void *q = fails() ? NULL : __real_realloc(p, n);

	live += p == NULL && q != NULL;
	return q;
}

void *
__wrap_reallocarray(void *p, size_t n, size_t size)
{
	void *q = fails() ? NULL : __real_reallocarray(p, n, size);

	live += p == NULL && q != NULL;
	return q;
}

char *
__wrap_strdup(const char *s)
{
	return fails() ? NULL : counted(__real_strdup(s));
}

char *
__wrap_strndup(const char *s, size_t n)
{
	return counted(__real_strndup(s, n)); /* identity's */
}

void
__wrap_free(void *p)
{
	live -= p != NULL;
	__real_free(p);
}

/* Only the service's own call comes here; assert has the C library's. */
void
__wrap_abort(void)
{
	_exit(ENDED);
}

/* ---- a session ----------------------------------------------------------- */

struct cast {
	struct world *w;
	char *token[2];
	struct conn *a, *b;
	char *first; /* event of a message */
};

static void
cast_init(struct cast *k)
{
	struct world *w;

	world_seed(7);
	w = k->w = world_new(NULL);
	cache_free(w->cache);
	w->cache_per_log = 4;
	w->cache = w->m->parts.cache = cache_new(w->cache_budget, 4);
	k->token[0] = account_token(w, "alice");
	k->token[1] = account_token(w, "bob");
	k->a = resume(w, "alice", k->token[0], "'states':true");
	k->b = resume(w, "bob", k->token[1], "'states':true");
	(void)done(k->a, "create", "'room':'#r'");
	(void)done(k->b, "join", "'room':'#r'");
	k->first = strdup(text_of(
	    done(k->a, "send", "'to':'bob','stream':1,'number':1,'text':'m1'"),
	    "event"));
	for (unsigned i = 2; i <= 8; i++)
		(void)done(k->a, "send",
		    "'to':'bob','stream':1,'number':%u,'text':'x'", i);
	world_advance(w, 1200);
	world_settle(w);
	(void)done(k->a, "send",
	    "'to':'bob','stream':1,'number':9,"
	    "'text':'x'");
}

static void
cast_fini(struct cast *k)
{
	world_free(k->w);
	free(k->token[0]);
	free(k->token[1]);
	free(k->first);
}

static void
rest(struct cast *k, uint64_t ms)
{
	world_settle(k->w);
	world_advance(k->w, ms);
	world_settle(k->w);
}

static void
talk(struct cast *k)
{
	struct conn *a = k->a, *b = k->b;

	(void)ask(a, "send",
	    "'to':'bob','stream':2,'number':1,'text':'hi',"
	    "'mentions':['bob','carol@else.example']");
	(void)ask(a, "send", "'to':'bob','stream':2,'number':1,'text':'hi'");
	(void)ask(a, "send", "'to':'#r','stream':3,'number':1,'text':'hi'");
	(void)ask(a, "send", "'to':'alice','stream':4,'number':1,'text':'me'");
	(void)ask(a, "send", "'to':'bob','stream':1,'number':2,'text':'x'");
	(void)ask(a, "edit",
	    "'to':'bob','stream':1,'number':10,'event':'%s',"
	    "'text':'y'",
	    k->first);
	(void)ask(b, "react",
	    "'to':'alice','stream':1,'number':1,"
	    "'event':'%s','emoji':'\xe2\x9d\xa4'",
	    k->first);
	rest(k, 300);
	(void)ask(a, "redact",
	    "'to':'bob','stream':5,'number':1,"
	    "'event':'%s'",
	    k->first);
	tell(b, "ack", "'log':'bob','seq':5");
	tell(b, "ack", "'log':'#r','seq':2");
	(void)ask(b, "read", "'to':'alice','seq':3");
	(void)ask(b, "history", "'to':'alice','limit':5");
	(void)ask(b, "history", "'to':'alice','after':1");
	(void)ask(b, "conversations", NONE);
	(void)ask(b, "typing", "'to':'#r','on':true");
	(void)ask(b, "watch", "'account':'alice'");
	(void)ask(a, "presence", "'status':'away'");
	(void)ask(a, "stream", "'stream':1");
	rest(k, 1200);
}

static void
rooms(struct cast *k)
{
	struct conn *a = k->a, *b = k->b;

	(void)ask(a, "create", "'room':'#s','topic':'t','access':'invite'");
	(void)ask(a, "topic", "'room':'#r','topic':'x'");
	(void)ask(b, "send", "'to':'#r','stream':6,'number':1,'text':'late'");
	rest(k, 0);
	(void)ask(a, "invite", "'room':'#s','account':'bob'");
	(void)ask(a, "mute", "'room':'#r','account':'bob'");
	(void)ask(a, "role", "'room':'#r','account':'bob','role':'owner'");
	(void)ask(a, "configure", "'room':'#r','retention':1");
	(void)ask(a, "kick", "'room':'#r','account':'bob'");
	rest(k, 0);
	(void)ask(b, "join", "'room':'#s'");
	(void)ask(b, "join", "'room':'#r'");
	(void)ask(a, "members", "'room':'#r'");
	(void)ask(a, "rooms", NONE);
	(void)ask(a, "close", "'room':'#s'");
	rest(k, 300);
}

static void
come_and_go(struct cast *k)
{
	struct world *w = k->w;
	struct conn *c = world_connect(w, "carol"), *d;

	(void)ask(c, "register",
	    "'account':'carol','password':'secret','name':'pc'");
	rest(k, 0);
	d = world_connect(w, "carol");
	(void)ask(d, "login",
	    "'account':'carol','password':'secret','name':'pc'");
	rest(k, 0);
	(void)ask(d, "feed", "'limit':1");
	(void)ask(d, "devices", NONE);
	(void)ask(d, "profile", "'display':'Carol'");
	(void)ask(d, "block", "'account':'bob'");
	(void)ask(d, "blocks", NONE);
	(void)ask(d, "passwd", "'password':'secret','new':'other'");
	rest(k, 0);
	(void)ask(d, "logout", NONE);
	rest(k, 0);
	if (c->open)
		conn_break(c);
	conn_break(k->b);
	rest(k, 0);
	k->b = world_connect(w, "bob");
	(void)ask(k->b, "resume", "'token':'%s'", k->token[1]);
	rest(k, 0);
}

static void
fail_and_recover(struct cast *k)
{
	struct world *w = k->w;
	json_t *o;

	(void)ask(k->a, "send", "'to':'bob','stream':2,'number':2,'text':'q'");
	world_fail(w, 0);
	(void)ask(k->a, "send", "'to':'bob','stream':2,'number':3,'text':'q'");
	world_flush(w);
	if ((o = push(k->b, "direct", 0)) != NULL)
		tell(k->b, "direct", "'event':'%s'", text_of(o, "event"));
	world_advance(w, 2100);
	world_recover(w);
	(void)ask(k->a, "send", "'to':'bob','stream':2,'number':2,'text':'q'");
	rest(k, 50);
	control_start(w, "invite-add", NONE);
	control_start(w, "server-ban", "'pattern':'x*','reason':'r'");
	control_start(w, "account-add", "'account':'dave','name':'pc'");
	control_start(w, "status", NONE);
	control_start(w, "account-list", NONE);
	control_start(w, "sessions", NONE);
	rest(k, 20000);
	rest(k, 300);
}

static void
session(struct cast *k)
{
	talk(k);
	rooms(k);
	come_and_go(k);
	fail_and_recover(k);
}

/* With memory again it goes on, and nothing that was told is lost. */
static void
afterwards(struct cast *k)
{
	struct conn *a, *b;

	rest(k, 2000);
	rest(k, 2000);
	a = resume(k->w, "alice", k->token[0], "");
	b = resume(k->w, "bob", k->token[1], "");
	(void)done(a, "send",
	    "'to':'bob','stream':77,'number':1,"
	    "'text':'after'");
	assert_string_equal(
	    text_of(event(b, "", "message", events(b, "", "message") - 1),
		"text"),
	    "after");
	assert_int_equal(k->w->m->waiting, 0);
	assert_int_equal(k->w->m->npending, 0);
	assert_int_equal(HASH_COUNT(k->w->m->gates), 0);
	world_restart(k->w, false);
}

static uint64_t
run(uint64_t from, uint64_t n)
{
	int64_t before = live;
	struct cast k;

	cast_init(&k);
	count = 0;
	fail_from = from;
	fail_n = n;
	session(&k);
	fail_from = 0;
	afterwards(&k);
	cast_fini(&k);
	if (live != before)
		fail_msg("allocation %llu fails: %lld leak",
		    (unsigned long long)from, (long long)(live - before));
	return count;
}

/* ---- all of them --------------------------------------------------------- */

/* One process for many, until one of them ends it. */
static void
run_all(uint64_t n, uint64_t step, unsigned *ended)
{
	volatile uint64_t *at = mmap(NULL, sizeof(*at), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t total = run(UINT64_MAX, 0);
	int status;
	pid_t pid;

	assert_ptr_not_equal(at, MAP_FAILED);
	print_message("%llu allocations, %llu fail, each %lluth\n",
	    (unsigned long long)total, (unsigned long long)n,
	    (unsigned long long)step);
	for (*at = 1; *at <= total; *at += step) {
		if ((pid = fork()) == 0) {
			for (; *at <= total; *at += step)
				(void)run(*at, n);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			break;
		if (!WIFEXITED(status) || WEXITSTATUS(status) != ENDED)
			fail_msg("allocation %llu fails: status %x",
			    (unsigned long long)*at, (unsigned)status);
		(*ended)++;
	}
	munmap((void *)(uintptr_t)at, sizeof(*at));
}

static uint64_t
step_of(uint64_t otherwise)
{
	const char *s = getenv("MESSAGE_MEMORY_STEP");

	return s != NULL ? strtoull(s, NULL, 10) : otherwise;
}

static void
one_allocation_fails(void **state)
{
	unsigned ended = 0;

	(void)state;
	run_all(1, step_of(STEP), &ended);
	print_message("%u ended the process, as documented\n", ended);
}

static void
many_allocations_fail(void **state)
{
	unsigned ended = 0;

	(void)state;
	run_all(40, step_of(4 * STEP + 1), &ended);
	print_message("%u ended the process, as documented\n", ended);
}

/* MESSAGE_MEMORY_AT=n is for a look at one of them. */
int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_allocation_fails),
		cmocka_unit_test(many_allocations_fail),
	};
	const char *at = getenv("MESSAGE_MEMORY_AT");

	if (at != NULL) {
		(void)run(strtoull(at, NULL, 10), 1);
		return 0;
	}
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
