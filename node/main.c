/*
 * kithd: builds the boxes of the picture in dependency order and hands each
 * what it needs.  Read node_open from top to bottom: it is the picture.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/logger.h"
#include "crypto/identity.h"
#include "crypto/init.h"
#include "crypto/password.h"
#include "crypto/shorthash.h"
#include "node/alerter.h"
#include "node/background.h"
#include "node/cache/cache.h"
#include "node/config.h"
#include "node/control.h"
#include "node/gateway/gateway.h"
#include "node/loop.h"
#include "node/message/message.h"
#include "node/notify/notify.h"
#include "node/queue/queue.h"
#include "node/sandbox.h"
#include "node/storage/storage.h"
#include <config.h>

#define DRAIN_MS 10000

/* The process: one node, and what was asked of it. */
struct node {
	struct config config;
	int lock;
	struct identity *identity, *realm;
	struct loop *loop;
	struct gateway *gateway;
	struct storage *storage;
	struct queue *queue;
	struct cache *cache;
	struct notify *notify;
	struct password_pool *passwords;
	struct message *message;
	struct control *control;
	struct alerter *alerter;
	bool first_start, foreground;
};

static void fatal(const char *fmt, ...) __attribute__((noreturn))
__attribute__((format(printf, 1, 2)));

/* Only before the loop starts.  To stderr and, if it is open, the log. */
static void
fatal(const char *fmt, ...)
{
	va_list ap;

	fputs("kithd: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static char *
path_in(const struct node *n, const char *name)
{
	char *p;

	if (asprintf(&p, "%s/%s", n->config.data, name) < 0)
		fatal("out of memory");
	return p;
}

static char *
control_path(const struct node *n)
{
	char *p;

	if (n->config.control == NULL)
		return path_in(n, "control.sock");
	if ((p = strdup(n->config.control)) == NULL)
		fatal("out of memory");
	return p;
}

/* ---- the data directory -------------------------------------------------- */

static void
data_open(struct node *n)
{
	char *path = path_in(n, "lock"), *journal = path_in(n, "journal");

	if (mkdir(n->config.data, 0700) != 0 && errno != EEXIST)
		fatal("%s: cannot make the data directory: %s", n->config.data,
		    strerror(errno));
	if (mkdir(journal, 0700) != 0 && errno != EEXIST)
		fatal("%s: %s", journal, strerror(errno));
	n->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (n->lock < 0)
		fatal("%s: %s", path, strerror(errno));
	if (flock(n->lock, LOCK_EX | LOCK_NB) != 0)
		fatal("%s: another kithd runs on this data directory",
		    n->config.data);
	free(path);
	free(journal);
}

static struct identity *
key_open(struct node *n, const char *name)
{
	char *path = path_in(n, name);
	struct identity *id = NULL;
	enum err rc;

	rc = identity_load(&id, path);
	if (rc == ERR_NOTFOUND) {
		rc = identity_create(&id, path);
		n->first_start = true;
	}
	if (rc != OK)
		fatal("%s: %s; see kithd(8), FILES", path, err_text(rc));
	free(path);
	return id;
}

/* ---- the boxes ----------------------------------------------------------- */

static void
gateway_make(struct node *n)
{
	struct gateway_config gc;
	char what[512] = "";

	config_gateway(&n->config, &gc);
	if (gateway_open(&n->gateway, &gc, what, sizeof(what)) != OK)
		fatal("gateway: %s", what);
}

static void
storage_make(struct node *n)
{
	enum err rc;

	rc = storage_open(&n->storage, n->config.data,
	    n->config.storage_readers);
	if (rc != OK)
		fatal("storage: %s", err_text(rc));
}

static void
message_make(struct node *n)
{
	struct message_config mc;
	enum err rc;

	config_message(&n->config, &mc);
	n->cache = cache_new((uint64_t)n->config.cache_memory << 20,
	    n->config.cache_per_log);
	n->message = message_new(&mc);
	if (n->cache == NULL || n->message == NULL)
		fatal("out of memory");
	message_prepare(n->message, n->cache, n->storage);
	rc = storage_load(n->storage, message_load_record, n->message);
	if (rc != OK)
		fatal("storage: the records cannot be loaded: %s",
		    err_text(rc));
}

static void
queue_make(struct node *n)
{
	char *dir = path_in(n, "journal");
	struct queue_config qc = { .dir = dir,
		.segment_bytes = (uint64_t)n->config.queue_segment << 20,
		.max_bytes = (uint64_t)n->config.queue_max_bytes << 20,
		.max_entries = n->config.queue_max_entries,
		.max_inflight = (uint64_t)n->config.queue_max_inflight << 20,
		.reserve_bytes = (uint64_t)n->config.queue_reserve << 20,
		.batch_bytes = 4 << 20 };
	enum err rc;

	rc = queue_open(&n->queue, &qc, storage_applied(n->storage),
	    message_replay, n->message);
	if (rc != OK)
		fatal("queue: %s: %s", dir, err_text(rc));
	free(dir);
}

static void
host_control(void *arg, const struct conn_ref *conn, struct str text)
{
	struct node *n = arg;

	control_answer(n->control, conn, text);
}

static void
host_alert(void *arg, const char *what, bool begins, const char *text)
{
	struct node *n = arg;

	alerter_send(n->alerter, what, begins, text);
}

static void
host_stop(void *arg)
{
	struct node *n = arg;

	loop_stop(n->loop);
}

static enum err
node_reload(void *arg, char *what, size_t len)
{
	struct node *n = arg;
	struct gateway_config gc;
	struct message_config mc;
	struct config fresh;
	const char *restart;
	enum err rc;

	rc = config_read(&fresh, n->config.path, what, len);
	if (rc != OK)
		return rc;
	if ((restart = config_restart_needed(&n->config, &fresh)) != NULL) {
		snprintf(what, len, "%s: a change of %s needs a restart",
		    n->config.path, restart);
		config_free(&fresh);
		return ERR_UNSUPPORTED;
	}
	config_gateway(&fresh, &gc);
	if ((rc = gateway_reload(n->gateway, &gc, what, len)) != OK) {
		config_free(&fresh);
		return rc;
	}
	config_message(&fresh, &mc);
	message_configure(n->message, &mc);
	logger_set_level(fresh.log_level);
	config_free(&n->config);
	n->config = fresh;
	log_notice("main", "reloaded file=%s", n->config.path);
	return OK;
}

static void
on_reload(void *arg)
{
	char what[512] = "";

	(void)sd_notify(0, "RELOADING=1");
	if (node_reload(arg, what, sizeof(what)) != OK)
		log_warning("main", "not reloaded why=\"%s\"", what);
	(void)sd_notify(0, "READY=1");
}

static void
on_stopping(void *arg)
{
	struct node *n = arg;

	(void)sd_notify(0, "STOPPING=1");
	gateway_ready(n->gateway, false, "stopping");
}

static void
on_tick(void *arg)
{
	struct node *n = arg;
	const char *why;
	bool ready = message_ready(n->message, &why);

	gateway_ready(n->gateway, ready, why);
	(void)sd_notify(0, "WATCHDOG=1");
}

static void
message_wire(struct node *n)
{
	struct notify_source source = { n->message, message_fetch };
	struct message_parts parts = { .gateway = n->gateway,
		.queue = n->queue,
		.storage = n->storage,
		.cache = n->cache,
		.passwords = n->passwords,
		.done_passwords = loop_channels(n->loop)->passwords,
		.node = n->identity,
		.host = { .arg = n,
		    .control = host_control,
		    .alert = host_alert,
		    .stop = host_stop,
		    .reload = node_reload } };

	if ((n->notify = notify_new(n->gateway, &source)) == NULL)
		fatal("out of memory");
	parts.notify = n->notify;
	if (message_start(n->message, &parts) != OK)
		fatal("out of memory");
}

static void
start(struct node *n)
{
	const struct loop_channels *ch = loop_channels(n->loop);
	const char *const readable[] = { n->config.path,
		n->config.tls_certificate, n->config.tls_key, NULL };

	sandbox_enter(n->config.data, readable);
	control_start(n->control, n->message);
	if (storage_start(n->storage, ch->batches, ch->reads) != OK ||
	    queue_start(n->queue, ch->queue) != OK ||
	    gateway_start(n->gateway, ch->requests) != OK)
		fatal("threads cannot be started");
}

/* The picture, from the outside in; what needs root comes first. */
static void
node_open(struct node *n)
{
	struct password_cost cost = { n->config.password_passes,
		n->config.password_memory << 10 };
	char *path, what[512];

	if (loop_new(&n->loop) != OK)
		fatal("out of memory");
	gateway_make(n);
	if (sandbox_user(n->config.user, n->config.data, what, sizeof(what)) !=
	    OK)
		fatal("%s", what);
	data_open(n);
	if (alerter_start(&n->alerter, n->config.alert_command,
		n->config.alert_webhook) != OK)
		fatal("the alerter cannot be started");
	n->identity = key_open(n, "node.key");
	n->realm = key_open(n, "realm.key");
	storage_make(n);
	message_make(n);
	queue_make(n);
	path = control_path(n);
	if (control_open(&n->control, loop_uv(n->loop), path) != OK)
		fatal("%s: the control socket cannot be made: %s", path,
		    strerror(errno));
	free(path);
	if (password_pool_start(&n->passwords, n->config.password_threads,
		n->config.password_waiting, cost) != OK)
		fatal("the password threads cannot be started");
	message_wire(n);
}

static void
node_close(struct node *n)
{
	gateway_stop(n->gateway, 2000);
	control_close(n->control);
	queue_stop(n->queue);
	message_turn(n->message);
	message_queue_done(n->message,
	    channel_drain(loop_channels(n->loop)->queue));
	message_hand_over_all(n->message);
	storage_stop(n->storage);
	message_batches_done(n->message,
	    channel_drain(loop_channels(n->loop)->batches));
	message_reads_done(n->message,
	    channel_drain(loop_channels(n->loop)->reads));
	password_pool_stop(n->passwords);
	message_passwords_done(n->message,
	    channel_drain(loop_channels(n->loop)->passwords));
	message_drop_requests(channel_drain(loop_channels(n->loop)->requests));
	notify_free(n->notify);
	message_free(n->message);
	cache_free(n->cache);
	queue_free(n->queue);
	storage_free(n->storage);
	gateway_free(n->gateway);
	loop_free(n->loop);
	control_free(n->control);
	alerter_stop(n->alerter);
	identity_free(n->identity);
	identity_free(n->realm);
	config_free(&n->config);
	close(n->lock);
}

/* ---- the command line ---------------------------------------------------- */

static void
usage(FILE *f)
{
	fputs("usage: kithd [-dn] [-f file]\n"
	      "       kithd -V | -h\n"
	      "  -f file  configuration (default " SYSCONFDIR "/kithd.conf)\n"
	      "  -d       stay in the foreground, log to stderr\n"
	      "  -n       check the configuration only\n"
	      "  -V       print the version\n"
	      "See kithd(8) and kithd.conf(5).\n",
	    f);
}

static void
limits_raise(const struct config *c)
{
	struct rlimit rl;
	rlim_t want = c->gateway_max_connections + 256u;

	if (getrlimit(RLIMIT_NOFILE, &rl) != 0 || rl.rlim_cur >= want)
		return;
	rl.rlim_cur = want;
	if (rl.rlim_max < want)
		rl.rlim_max = want;
	if (setrlimit(RLIMIT_NOFILE, &rl) == 0)
		return;
	(void)getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = rl.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &rl);
	log_warning("main",
	    "open files limited to %llu, gateway.max_connections=%u wants %llu",
	    (unsigned long long)rl.rlim_cur, c->gateway_max_connections,
	    (unsigned long long)want);
}

static void
say_ready(const struct node *n)
{
	for (size_t i = 0; i < n->config.nlisten; i++)
		log_notice("main", "listening address=%s port=%u tls=%d",
		    n->config.listen[i].host, gateway_port(n->gateway, i),
		    n->config.listen[i].tls);
	if (n->config.has_metrics)
		log_notice("main", "metrics address=%s port=%u",
		    n->config.metrics.host,
		    gateway_port(n->gateway, n->config.nlisten));
	if (n->first_start)
		log_notice("main",
		    "first start: keys made in %s; next: kithctl account add "
		    "NAME --operator, then kith login",
		    n->config.data);
	log_notice("main", "ready realm=%s version=" PACKAGE_VERSION,
	    n->config.realm);
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	const char *file = SYSCONFDIR "/kithd.conf";
	static struct node n;
	struct loop_hooks hooks = { &n, on_reload, on_stopping, on_tick };
	char what[512];
	bool check = false;
	int ch;

	while ((ch = getopt_long(argc, argv, "df:hnV", longs, NULL)) != -1)
		switch (ch) {
		case 'd':
			n.foreground = true;
			break;
		case 'f':
			file = optarg;
			break;
		case 'n':
			check = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		case 'V':
			puts("kithd " PACKAGE_VERSION);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	if (optind != argc) {
		usage(stderr);
		return 2;
	}
	if (config_read(&n.config, file, what, sizeof(what)) != OK)
		fatal("%s", what);
	if (check) {
		printf("%s: configuration ok\n", file);
		config_free(&n.config);
		return 0;
	}
	logger_open("kithd",
	    n.foreground ? LOGGER_STDERR : n.config.log_target);
	logger_set_level(n.config.log_level);
	if (crypto_start() != OK)
		fatal("libsodium cannot be initialized");
	shorthash_start();
	sandbox_process();
	limits_raise(&n.config);
	if (!n.foreground && background_fork() != OK)
		fatal("fork: %s", strerror(errno));
	node_open(&n);
	start(&n);
	on_tick(&n);
	say_ready(&n);
	background_ready();
	(void)sd_notify(0, "READY=1");
	loop_run(n.loop, n.message, &hooks, DRAIN_MS);
	node_close(&n);
	log_notice("main", "stopped");
	return 0;
}
