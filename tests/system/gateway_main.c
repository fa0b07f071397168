/*
 * A gateway with a main that pretends: it lets everybody in, echoes, and has
 * a feed that never ends, so that the gateway can be tested on its own.
 *
 *   gateway_main KEY=VALUE ...
 *
 * prints one line of JSON with its ports and then takes commands, a line each,
 * on standard input: `stats', `press 0|1', `ready 0|1 WHY', `reload KEY=VALUE
 * ...', `stop'.  Each is answered by one line.
 *
 * With `fail=N' the Nth allocation of a worker fails.
 *
 * Operation send is an echo, unless `to' is one of these:
 *   feed     `stream' positions of `number' bytes follow on log 7
 *   notice   the same, but as notices, which have no position
 *   close    the connection is closed after the answer
 *   silence  nothing is answered
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "base/logger.h"
#include "crypto/shorthash.h"
#include "node/gateway/gateway.h"

#define FEED_LOG 7
#define BATCH    64
#define SLOTS    65536
#define WORKERS  64

struct session {
	struct session *next;
	struct conn_ref conn;
	uint64_t at, end; /* of the feed: next position, and the last one */
	size_t size;
	bool suspended;
};

static struct gateway *gateway;
static struct channel *requests;
static struct session *sessions[WORKERS][SLOTS];
static struct session *all;
static struct delivery *out[WORKERS];
static uint64_t nrequests, nacks, nclosed;
static uv_async_t async;
static uv_loop_t *loop;
static struct gateway_config cfg;
static struct gateway_listen listeners[3], metrics;
static uint32_t fail_at;
static _Atomic uint32_t allocations; /* by workers */
static uv_thread_t main_thread;
static char certificate_file[4096], key_file[4096];
static size_t capacity = 65536;

/* ---- memory that runs out ------------------------------------------------ */

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
void *__real_reallocarray(void *p, size_t count, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_reallocarray(void *p, size_t count, size_t n);

static bool
fails(void)
{
	uv_thread_t self = uv_thread_self();

	return fail_at > 0 && !uv_thread_equal(&self, &main_thread) &&
	       atomic_fetch_add(&allocations, 1) + 1 == fail_at;
}

void *
__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *
__wrap_calloc(size_t count, size_t n)
{
	return fails() ? NULL : __real_calloc(count, n);
}

void *
__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

void *
__wrap_reallocarray(void *p, size_t count, size_t n)
{
	return fails() ? NULL : __real_reallocarray(p, count, n);
}

/* ---- configuration ------------------------------------------------------- */

static const struct number {
	const char *name;
	uint32_t *value;
} numbers[] = {
	{ "workers", &cfg.workers },
	{ "max_connections", &cfg.max_connections },
	{ "max_connections_address", &cfg.max_connections_address },
	{ "max_message", &cfg.max_message },
	{ "max_output", &cfg.max_output },
	{ "ops", &cfg.ops_per_second },
	{ "ops_burst", &cfg.ops_burst },
	{ "ops_address", &cfg.ops_address_per_second },
	{ "ops_address_burst", &cfg.ops_address_burst },
	{ "passwords", &cfg.passwords_per_minute },
	{ "request_ms", &cfg.request_timeout_ms },
	{ "login_ms", &cfg.login_timeout_ms },
	{ "ping_ms", &cfg.ping_ms },
	{ "idle_ms", &cfg.idle_ms },
	{ "fail", &fail_at },
};

static bool
configure(const char *arg)
{
	const char *value = strchr(arg, '=');
	size_t n;

	if (value == NULL)
		return false;
	n = (size_t)(value++ - arg);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (strncmp(arg, numbers[i].name, n) == 0 &&
		    numbers[i].name[n] == '\0') {
			*numbers[i].value = (uint32_t)strtoul(value, NULL, 10);
			return true;
		}
	if (strncmp(arg, "cert=", 5) == 0) {
		snprintf(certificate_file, sizeof(certificate_file), "%s",
		    value);
		cfg.tls_certificate = certificate_file;
	} else if (strncmp(arg, "key=", 4) == 0) {
		snprintf(key_file, sizeof(key_file), "%s", value);
		cfg.tls_key = key_file;
	} else if (strncmp(arg, "capacity=", 9) == 0) {
		capacity = strtoul(value, NULL, 10);
	} else {
		return false;
	}
	return true;
}

static void
defaults(void)
{
	static char local[] = "127.0.0.1";

	cfg = (struct gateway_config){ .workers = 1,
		.listen = listeners,
		.metrics = &metrics,
		.max_connections = 20000,
		.max_connections_address = 20000,
		.max_message = 131072,
		.max_output = 262144,
		.request_timeout_ms = 10000,
		.login_timeout_ms = 10000,
		.ping_ms = 30000,
		.idle_ms = 15000 };
	listeners[0] = (struct gateway_listen){ .host = local };
	listeners[1] = (struct gateway_listen){ .host = local, .proxy = true };
	listeners[2] = (struct gateway_listen){ .host = local, .tls = true };
	metrics = (struct gateway_listen){ .host = local };
}

/* ---- deliveries ---------------------------------------------------------- */

static void
deliver(const struct conn_ref *conn, struct frame *f, uint32_t flags)
{
	struct delivery *d = out[conn->worker];

	if (d == NULL)
		d = out[conn->worker] = calloc(1, sizeof(*d));
	assert(d != NULL);
	if (d->n == d->cap) {
		d->cap = d->cap == 0 ? 64 : 2 * d->cap;
		d->v = reallocarray(d->v, d->cap, sizeof(*d->v));
		assert(d->v != NULL);
	}
	d->v[d->n++] = (struct deliver){ conn->slot, conn->gen, f, flags };
}

static void
deliver_text(const struct conn_ref *conn, struct str text, uint32_t flags,
    struct mono accepted)
{
	struct frame *f = frame_new(text);

	assert(f != NULL);
	f->accepted = accepted;
	deliver(conn, f, flags);
}

static void
hand_over(void)
{
	for (unsigned i = 0; i < gateway_workers(gateway); i++)
		if (out[i] != NULL) {
			(void)gateway_deliver(gateway, i, out[i]);
			out[i] = NULL;
		}
}

/* ---- sessions and the feed ----------------------------------------------- */

static struct session *
session_of(const struct conn_ref *conn)
{
	struct session **s = &sessions[conn->worker][conn->slot];

	if (*s == NULL) {
		*s = calloc(1, sizeof(**s));
		assert(*s != NULL);
		(*s)->conn = *conn;
		(*s)->at = 1;
		(*s)->next = all;
		all = *s;
	}
	assert((*s)->conn.gen == conn->gen);
	return *s;
}

static void
session_gone(const struct conn_ref *conn)
{
	struct session **s = &sessions[conn->worker][conn->slot], **at;

	assert(*s != NULL && (*s)->conn.gen == conn->gen);
	for (at = &all; *at != *s; at = &(*at)->next)
		;
	*at = (*s)->next;
	free(*s);
	*s = NULL;
	nclosed++;
}

static void
push(struct session *s, uint64_t seq, bool feed)
{
	struct frame *f;
	struct bytes b;
	char *pad;

	bytes_init(&b, s->size + 256);
	json_object(&b);
	json_cstr(&b, "push", feed ? "event" : "notice");
	json_u64(&b, "seq", seq);
	pad = malloc(s->size + 1);
	assert(pad != NULL);
	memset(pad, 'x', s->size);
	json_str(&b, "text", (struct str){ pad, s->size });
	free(pad);
	json_object_end(&b);
	f = frame_new((struct str){ b.p, b.n });
	assert(f != NULL && !b.failed);
	bytes_fini(&b);
	if (feed) {
		f->log = FEED_LOG;
		f->seq = seq;
	}
	deliver(&s->conn, f, 0);
}

/* True: there is more to push. */
static bool
pump(void)
{
	bool more = false;

	for (struct session *s = all; s != NULL; s = s->next) {
		for (int i = 0; i < BATCH && s->at < s->end && !s->suspended;
		     i++)
			push(s, s->at++, true);
		more = more || (s->at < s->end && !s->suspended);
	}
	return more;
}

/* ---- operations ---------------------------------------------------------- */

static void
answer(const struct request *r, const char *key, struct str v, uint32_t flags)
{
	struct bytes b;

	bytes_init(&b, 1 << 20);
	json_object(&b);
	json_u64(&b, "id", r->rq.id);
	json_object_in(&b, "ok");
	json_str(&b, key, v);
	json_object_end(&b);
	json_object_end(&b);
	assert(!b.failed);
	deliver_text(&r->conn, (struct str){ b.p, b.n }, flags, r->accepted);
	bytes_fini(&b);
}

static void
operation(const struct request *r)
{
	const struct args *a = &r->rq.args;
	struct session *s = session_of(&r->conn);

	nrequests++;
	if ((op_info(r->rq.op)->flags & OP_OPEN) != 0) {
		assert(r->address[0] != '\0');
		answer(r, "address", str_of(r->address), DELIVER_AUTHENTICATED);
	} else if (r->rq.op == OP_ACK) {
		nacks++;
	} else if (r->rq.op != OP_SEND || str_eq(a->to, STR("close"))) {
		answer(r, "text", a->text,
		    r->rq.op == OP_SEND ? DELIVER_CLOSE : 0);
	} else if (str_eq(a->to, STR("feed"))) {
		s->size = a->number;
		s->end = s->at + a->stream;
		answer(r, "text", STR("feed"), 0);
	} else if (str_eq(a->to, STR("notice"))) {
		s->size = a->number;
		for (uint64_t i = 0; i < a->stream; i++)
			push(s, i, false);
	} else if (!str_eq(a->to, STR("silence"))) {
		answer(r, "text", a->text, 0);
	}
}

static void
request(struct request *r)
{
	struct session *s;

	assert(r->conn.worker < WORKERS && r->conn.slot < SLOTS);
	switch (r->event) {
	case GATEWAY_REQUEST:
		operation(r);
		break;
	case GATEWAY_SUSPENDED:
		session_of(&r->conn)->suspended = true;
		deliver(&r->conn, NULL, DELIVER_SUSPENDED);
		break;
	case GATEWAY_DRAINED:
		s = session_of(&r->conn);
		assert(s->suspended);
		s->suspended = false;
		for (size_t i = 0; i < r->nmissed; i++) {
			assert(r->missed[i].log == FEED_LOG);
			if (r->missed[i].seq < s->at)
				s->at = r->missed[i].seq;
		}
		break;
	case GATEWAY_CLOSED:
		session_gone(&r->conn);
		break;
	case GATEWAY_METRICS:
		deliver_text(&r->conn, STR("kith_pretended 1\n"), 0,
		    r->accepted);
		break;
	}
	request_free(r);
}

static void
on_async(uv_async_t *h)
{
	struct channel_item *it, *next;

	for (it = channel_drain(requests); it != NULL; it = next) {
		next = it->next;
		request((struct request *)(void *)it);
	}
	if (pump())
		uv_async_send(h);
	hand_over();
}

static void
wake(void *arg)
{
	(void)arg;
	uv_async_send(&async);
}

/* ---- commands ------------------------------------------------------------ */

static void
print_list(const char *name, const uint64_t *v, unsigned n)
{
	printf(",\"%s\":[", name);
	for (unsigned i = 0; i < n; i++)
		printf("%s%llu", i > 0 ? "," : "", (unsigned long long)v[i]);
	printf("]");
}

static void
print_stats(void)
{
	static struct gateway_stats s;
	char line[64] = "", kb[32] = "0";
	FILE *f = fopen("/proc/self/status", "r");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "VmRSS: %31s", kb) == 1)
			break;
	if (f != NULL)
		fclose(f);
	gateway_stats(gateway, &s);
	printf("{\"allocations\":%u,", atomic_load(&allocations));
	printf("\"rss_kb\":%s,\"requests\":%llu,\"acks\":%llu,\"closed\":%llu",
	    kb, (unsigned long long)nrequests, (unsigned long long)nacks,
	    (unsigned long long)nclosed);
/* clang-format off */
#define X(name) printf(",\"" #name "\":%llu", (unsigned long long)s.name);
	X(accepted)
	X(refused)
	X(refused_address)
	X(bytes_in)
	X(bytes_out)
	X(frames_out)
	X(suspended)
	X(overflowed)
	X(pings_lost)
	X(timeouts)
	X(malformed)
	X(rate_limited)
	X(acks_merged)
	X(pushed_count)
	X(pushed_us_sum)
#undef X
	/* clang-format on */
	print_list("connections", s.connections, s.workers);
	print_list("sessions", s.sessions, s.workers);
	print_list("handed_over", s.handed_over, s.workers);
	print_list("shed", s.shed, s.workers);
	print_list("lag_us", s.lag_us, s.workers);
	printf("}\n");
}

static void
reload(char *args)
{
	char what[256] = "", *save, *word;
	enum err rc;

	for (word = strtok_r(args, " ", &save); word != NULL;
	     word = strtok_r(NULL, " ", &save))
		if (!configure(word))
			snprintf(what, sizeof(what), "unknown %s", word);
	rc = gateway_reload(gateway, &cfg, what, sizeof(what));
	printf("{\"code\":\"%s\"}\n", err_code(rc));
}

static void
command(char *line)
{
	if (strcmp(line, "stats") == 0) {
		print_stats();
	} else if (strncmp(line, "press ", 6) == 0) {
		gateway_press(gateway, line[6] == '1');
		printf("{}\n");
	} else if (strncmp(line, "ready ", 6) == 0) {
		gateway_ready(gateway, line[6] == '1', line + 7);
		printf("{}\n");
	} else if (strncmp(line, "reload", 6) == 0) {
		reload(line + 6);
	} else if (strcmp(line, "stop") == 0) {
		uv_stop(loop);
	} else {
		printf("{\"code\":\"unknown\"}\n");
	}
	fflush(stdout);
}

static void
on_stdin(uv_poll_t *p, int status, int events)
{
	static char buf[4096];
	static size_t n;
	ssize_t got;
	char *nl;

	(void)p;
	(void)status;
	(void)events;
	got = read(STDIN_FILENO, buf + n, sizeof(buf) - 1 - n);
	if (got <= 0) {
		uv_stop(loop);
		return;
	}
	n += (size_t)got;
	buf[n] = '\0';
	while ((nl = strchr(buf, '\n')) != NULL) {
		*nl = '\0';
		command(buf);
		n -= (size_t)(nl + 1 - buf);
		memmove(buf, nl + 1, n + 1);
	}
}

static void
close_handle(uv_handle_t *h, void *arg)
{
	(void)arg;
	uv_close(h, NULL);
}

/* After the workers have ended. */
static void
tidy(void)
{
	struct channel_item *it, *next;
	struct session *s;

	for (it = channel_drain(requests); it != NULL; it = next) {
		next = it->next;
		request_free((struct request *)(void *)it);
	}
	while ((s = all) != NULL) {
		all = s->next;
		free(s);
	}
	gateway_free(gateway);
	channel_free(requests);
	uv_walk(loop, close_handle, NULL);
	uv_run(loop, UV_RUN_DEFAULT);
	uv_loop_close(loop);
}

int
main(int argc, char **argv)
{
	char what[256];
	uv_poll_t in;

	logger_open("gateway_main", LOGGER_STDERR);
	logger_set_level(LOG_L_WARNING);
	shorthash_start();
	main_thread = uv_thread_self();
	defaults();
	for (int i = 1; i < argc; i++)
		if (!configure(argv[i])) {
			fprintf(stderr, "what is %s?\n", argv[i]);
			return 2;
		}
	cfg.nlisten = cfg.tls_certificate != NULL ? 3 : 2;
	loop = uv_default_loop();
	uv_async_init(loop, &async, on_async);
	uv_poll_init(loop, &in, STDIN_FILENO);
	uv_poll_start(&in, UV_READABLE, on_stdin);
	requests = channel_new(capacity, wake, NULL);
	assert(requests != NULL);
	if (gateway_open(&gateway, &cfg, what, sizeof(what)) != OK) {
		fprintf(stderr, "%s\n", what);
		channel_free(requests);
		return 1;
	}
	gateway_ready(gateway, true, "");
	if (gateway_start(gateway, requests) != OK)
		return 1;
	printf("{\"plain\":%u,\"proxy\":%u,\"tls\":%u,\"metrics\":%u}\n",
	    gateway_port(gateway, 0), gateway_port(gateway, 1),
	    cfg.nlisten == 3 ? gateway_port(gateway, 2) : 0u,
	    gateway_port(gateway, cfg.nlisten));
	fflush(stdout);
	uv_run(loop, UV_RUN_DEFAULT);
	gateway_stop(gateway, 2000);
	tidy();
	return 0;
}
