#include "node/config.h"

#include <arpa/inet.h>
#include <confuse.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/address.h"

/*
 * libconfuse reports through a callback without an argument; reading happens
 * once at start and at SIGHUP, on main.
 */
static char *report;
static size_t report_len;

static void
report_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	int n;

	if (report_len == 0 || report[0] != '\0')
		return; /* the first one is the cause */
	n = snprintf(report, report_len,
	    "%s:%d: ", cfg->filename != NULL ? cfg->filename : "?", cfg->line);
	if (n > 0 && (size_t)n < report_len)
		vsnprintf(report + n, report_len - (size_t)n, fmt, ap);
}

/* ---- what values are allowed --------------------------------------------- */

struct number {
	const char *section, *key;
	long least, most;
};

static const struct number numbers[] = {
#define X(section, key, default_, least, most)                                 \
	{ #section, #key, (least), (most) },
	CONFIG_NUMBERS(X)
#undef X
};

static int
check_number(cfg_t *cfg, cfg_opt_t *opt)
{
	long v = cfg_opt_getnint(opt, 0);

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		const struct number *n = &numbers[i];

		if (strcmp(n->section, cfg_name(cfg)) != 0 ||
		    strcmp(n->key, cfg_opt_name(opt)) != 0)
			continue;
		if (v >= n->least && v <= n->most)
			return 0;
		cfg_error(cfg,
		    "%s.%s: expected a number from %ld to %ld, "
		    "found %ld",
		    n->section, n->key, n->least, n->most, v);
		return -1;
	}
	return 0;
}

static int
check_port(cfg_t *cfg, cfg_opt_t *opt)
{
	long v = cfg_opt_getnint(opt, 0);

	if (v >= 0 && v <= 65535)
		return 0;
	cfg_error(cfg, "port: expected 0 to 65535, found %ld", v);
	return -1;
}

static int
check_address(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *v = cfg_opt_getnstr(opt, 0);
	struct in6_addr a;

	if (v != NULL &&
	    (inet_pton(AF_INET, v, &a) == 1 || inet_pton(AF_INET6, v, &a) == 1))
		return 0;
	cfg_error(cfg,
	    "address: expected a numeric IPv4 or IPv6 address, "
	    "found '%s'",
	    v != NULL ? v : "");
	return -1;
}

static int
check_realm(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *v = cfg_opt_getnstr(opt, 0);
	struct address a;
	char text[ADDRESS_MAX + 8];

	snprintf(text, sizeof(text), "x@%s", v != NULL ? v : "");
	if (address_parse(&a, str_of(text), STR_NONE) == OK && v != NULL &&
	    str_eq(address_realm(&a), str_of(v)))
		return 0;
	cfg_error(cfg,
	    "realm: expected a lower-case domain name such as "
	    "example.org, found '%s'",
	    v != NULL ? v : "");
	return -1;
}

static int
check_word(cfg_t *cfg, cfg_opt_t *opt, const char *const *words)
{
	const char *v = cfg_opt_getnstr(opt, 0);
	char list[128] = "";

	for (size_t i = 0; words[i] != NULL; i++) {
		if (v != NULL && strcmp(v, words[i]) == 0)
			return 0;
		snprintf(list + strlen(list), sizeof(list) - strlen(list),
		    "%s%s", i > 0 ? ", " : "", words[i]);
	}
	cfg_error(cfg, "%s: expected one of %s, found '%s'", cfg_opt_name(opt),
	    list, v != NULL ? v : "");
	return -1;
}

static const char *const level_words[] = { "debug", "info", "notice", "warning",
	"alert", NULL };
static const char *const target_words[] = { "stderr", "syslog", NULL };
static const char *const registration_words[] = { "closed", "invite", "open",
	NULL };

static int
check_level(cfg_t *cfg, cfg_opt_t *opt)
{
	return check_word(cfg, opt, level_words);
}

static int
check_target(cfg_t *cfg, cfg_opt_t *opt)
{
	return check_word(cfg, opt, target_words);
}

static int
check_registration(cfg_t *cfg, cfg_opt_t *opt)
{
	return check_word(cfg, opt, registration_words);
}

/* ---- reading ------------------------------------------------------------- */

static unsigned
word_index(const char *const *words, const char *v)
{
	unsigned i = 0;

	while (words[i] != NULL && strcmp(words[i], v) != 0)
		i++;
	return i;
}

static char *
copy_of(const char *s)
{
	return s != NULL && *s != '\0' ? strdup(s) : NULL;
}

static char **
copy_list(cfg_t *sec, const char *key, size_t *n)
{
	char **v;

	*n = cfg_size(sec, key);
	if ((v = calloc(*n + 1, sizeof(char *))) == NULL) {
		*n = 0;
		return NULL;
	}
	for (size_t i = 0; i < *n; i++)
		v[i] = strdup(cfg_getnstr(sec, key, (unsigned)i));
	return v;
}

static void
listen_of(cfg_t *sec, struct gateway_listen *l)
{
	l->host = strdup(cfg_getstr(sec, "address"));
	l->port = (uint16_t)cfg_getint(sec, "port");
	l->tls = cfg_getbool(sec, "tls");
	l->proxy = cfg_getbool(sec, "proxy");
}

static void
fill(struct config *c, cfg_t *cfg)
{
	cfg_t *gateway = cfg_getsec(cfg, "gateway");
	cfg_t *log = cfg_getsec(cfg, "log"), *alert = cfg_getsec(cfg, "alert");

	c->realm = copy_of(cfg_getstr(cfg, "realm"));
	c->data = copy_of(cfg_getstr(cfg, "data"));
	c->user = copy_of(cfg_getstr(cfg, "user"));
	c->control = copy_of(cfg_getstr(cfg, "control"));
	c->log_level =
	    (enum log_level)word_index(level_words, cfg_getstr(log, "level"));
	c->log_target = (enum logger_target)word_index(target_words,
	    cfg_getstr(log, "target"));
	c->registration = (enum registration)word_index(registration_words,
	    cfg_getstr(cfg, "registration"));
	c->nlisten = cfg_size(cfg, "listen");
	c->listen = calloc(c->nlisten + 1, sizeof(*c->listen));
	for (size_t i = 0; i < c->nlisten; i++)
		listen_of(cfg_getnsec(cfg, "listen", (unsigned)i),
		    &c->listen[i]);
	c->has_metrics = cfg_size(cfg, "metrics") > 0;
	if (c->has_metrics) {
		cfg_t *m = cfg_getsec(cfg, "metrics");

		c->metrics.host = strdup(cfg_getstr(m, "address"));
		c->metrics.port = (uint16_t)cfg_getint(m, "port");
	}
	c->tls_certificate = copy_of(cfg_getstr(gateway, "certificate"));
	c->tls_key = copy_of(cfg_getstr(gateway, "key"));
	c->origins = copy_list(gateway, "origins", &c->norigins);
	c->operators = copy_list(alert, "operators", &c->noperators);
	c->alert_command = copy_of(cfg_getstr(alert, "command"));
	c->alert_webhook = copy_of(cfg_getstr(alert, "webhook"));
#define X(section, key, default_, least, most)                                 \
	c->section##_##key =                                                   \
	    (uint32_t)cfg_getint(cfg_getsec(cfg, #section), #key);
	CONFIG_NUMBERS(X)
#undef X
}

/* What no single value shows. */
static enum err
check_whole(const struct config *c, char *what, size_t len)
{
	const char *msg = NULL;
	bool tls = false;

	for (size_t i = 0; i < c->nlisten; i++)
		tls = tls || c->listen[i].tls;
	if (c->realm == NULL)
		msg = "realm: is missing; expected a domain name, for "
		      "example: realm = \"example.org\"";
	else if (c->nlisten == 0)
		msg = "listen: is missing; expected at least one section, for "
		      "example: listen { address = \"127.0.0.1\" port = 7440 }";
	else if (tls && (c->tls_certificate == NULL || c->tls_key == NULL))
		msg = "gateway: a listener with tls needs certificate and key";
	else if (c->queue_max_bytes < 4 * c->queue_segment)
		msg = "queue: max_bytes must be at least four segments";
	if (msg == NULL)
		return OK;
	snprintf(what, len, "%s: %s", c->path, msg);
	return ERR_INVALID;
}

/* ---- the grammar --------------------------------------------------------- */

#define NUMBER(section, key, default_, least, most)                            \
	CFG_INT(#key, (default_), CFGF_NONE),

static char no_words[] = "{}"; /* libconfuse wants it without const */

static cfg_opt_t listen_opts[] = { CFG_STR("address", "127.0.0.1", CFGF_NONE),
	CFG_INT("port", 7440, CFGF_NONE), CFG_BOOL("tls", cfg_false, CFGF_NONE),
	CFG_BOOL("proxy", cfg_false, CFGF_NONE), CFG_END() };
static cfg_opt_t metrics_opts[] = { CFG_STR("address", "127.0.0.1", CFGF_NONE),
	CFG_INT("port", 7441, CFGF_NONE), CFG_END() };
static cfg_opt_t log_opts[] = { CFG_STR("level", "notice", CFGF_NONE),
	CFG_STR("target", "stderr", CFGF_NONE), CFG_END() };
static cfg_opt_t alert_opts[] = { CFG_STR_LIST("operators", no_words,
				      CFGF_NONE),
	CFG_STR("command", "", CFGF_NONE), CFG_STR("webhook", "", CFGF_NONE),
	CFG_END() };
static cfg_opt_t gateway_opts[] = { CFG_STR("certificate", "", CFGF_NONE),
	CFG_STR("key", "", CFGF_NONE),
	CFG_STR_LIST("origins", no_words, CFGF_NONE),
	CONFIG_GATEWAY(NUMBER) CFG_END() };
static cfg_opt_t account_opts[] = { CONFIG_ACCOUNT(NUMBER) CFG_END() };
static cfg_opt_t password_opts[] = { CONFIG_PASSWORD(NUMBER) CFG_END() };
static cfg_opt_t limits_opts[] = { CONFIG_LIMITS(NUMBER) CFG_END() };
static cfg_opt_t rooms_opts[] = { CONFIG_ROOMS(NUMBER) CFG_END() };
static cfg_opt_t queue_opts[] = { CONFIG_QUEUE(NUMBER) CFG_END() };
static cfg_opt_t storage_opts[] = { CONFIG_STORAGE(NUMBER) CFG_END() };
static cfg_opt_t cache_opts[] = { CONFIG_CACHE(NUMBER) CFG_END() };
static cfg_opt_t top_opts[] = { CFG_STR("realm", "", CFGF_NONE),
	CFG_STR("data", "/var/lib/kithd", CFGF_NONE),
	CFG_STR("user", "", CFGF_NONE), CFG_STR("control", "", CFGF_NONE),
	CFG_STR("registration", "invite", CFGF_NONE),
	CFG_SEC("listen", listen_opts, CFGF_MULTI),
	CFG_SEC("metrics", metrics_opts, CFGF_MULTI),
	CFG_SEC("log", log_opts, CFGF_NONE),
	CFG_SEC("alert", alert_opts, CFGF_NONE),
	CFG_SEC("gateway", gateway_opts, CFGF_NONE),
	CFG_SEC("account", account_opts, CFGF_NONE),
	CFG_SEC("password", password_opts, CFGF_NONE),
	CFG_SEC("limits", limits_opts, CFGF_NONE),
	CFG_SEC("rooms", rooms_opts, CFGF_NONE),
	CFG_SEC("queue", queue_opts, CFGF_NONE),
	CFG_SEC("storage", storage_opts, CFGF_NONE),
	CFG_SEC("cache", cache_opts, CFGF_NONE), CFG_END() };

static cfg_t *
parser(void)
{
	cfg_t *cfg = cfg_init(top_opts, CFGF_NONE);
	char path[64];

	if (cfg == NULL)
		return NULL;
	cfg_set_error_function(cfg, report_error);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		snprintf(path, sizeof(path), "%s|%s", numbers[i].section,
		    numbers[i].key);
		cfg_set_validate_func(cfg, path, check_number);
	}
	cfg_set_validate_func(cfg, "realm", check_realm);
	cfg_set_validate_func(cfg, "registration", check_registration);
	cfg_set_validate_func(cfg, "log|level", check_level);
	cfg_set_validate_func(cfg, "log|target", check_target);
	cfg_set_validate_func(cfg, "listen|port", check_port);
	cfg_set_validate_func(cfg, "listen|address", check_address);
	cfg_set_validate_func(cfg, "metrics|port", check_port);
	cfg_set_validate_func(cfg, "metrics|address", check_address);
	return cfg;
}

enum err
config_read(struct config *out, const char *path, char *what, size_t len)
{
	struct config c;
	enum err rc = OK;
	cfg_t *cfg;
	int parsed;

	memset(&c, 0, sizeof(c));
	report = what;
	report_len = len;
	what[0] = '\0';
	if ((cfg = parser()) == NULL)
		return ERR_NOMEM;
	parsed = cfg_parse(cfg, path);
	if (parsed == CFG_FILE_ERROR) {
		rc = err_from_errno(errno);
		snprintf(what, len, "%s: %s", path, strerror(errno));
	} else if (parsed != CFG_SUCCESS) {
		rc = ERR_INVALID;
		if (what[0] == '\0')
			snprintf(what, len, "%s: cannot be parsed", path);
	} else {
		fill(&c, cfg);
		c.path = strdup(path);
		rc = check_whole(&c, what, len);
	}
	cfg_free(cfg);
	report_len = 0;
	if (rc == OK)
		*out = c;
	else
		config_free(&c);
	return rc;
}

void
config_free(struct config *c)
{
	for (size_t i = 0; i < c->nlisten; i++)
		free(c->listen[i].host);
	for (size_t i = 0; i < c->norigins; i++)
		free(c->origins[i]);
	for (size_t i = 0; i < c->noperators; i++)
		free(c->operators[i]);
	free(c->listen);
	free(c->origins);
	free(c->operators);
	free(c->metrics.host);
	free(c->path);
	free(c->realm);
	free(c->data);
	free(c->user);
	free(c->control);
	free(c->tls_certificate);
	free(c->tls_key);
	free(c->alert_command);
	free(c->alert_webhook);
	memset(c, 0, sizeof(*c));
}

/* ---- what the boxes take ------------------------------------------------- */

/* A list that is only read: C has no conversion for the inner const. */
static const char *const *
list_of(char **v)
{
	union {
		char **in;
		const char *const *out;
	} u = { .in = v };

	return u.out;
}

void
config_gateway(const struct config *c, struct gateway_config *out)
{
	unsigned workers = c->gateway_workers;

	if (workers == 0) {
		long n = sysconf(_SC_NPROCESSORS_ONLN);

		workers = n < 1 ? 1 : n > 8 ? 8 : (unsigned)n;
	}
	*out = (struct gateway_config){ .workers = workers,
		.listen = c->listen,
		.nlisten = c->nlisten,
		.metrics = c->has_metrics ? &c->metrics : NULL,
		.tls_certificate = c->tls_certificate,
		.tls_key = c->tls_key,
		.origins = list_of(c->origins),
		.norigins = c->norigins,
		.max_connections = c->gateway_max_connections,
		.max_connections_address = c->gateway_max_connections_address,
		.max_message = c->gateway_max_message,
		.max_output = c->gateway_max_output,
		.ops_per_second = c->gateway_operations_per_second,
		.ops_burst = c->gateway_operations_burst,
		.ops_address_per_second =
		    c->gateway_address_operations_per_second,
		.ops_address_burst = c->gateway_address_operations_burst,
		.passwords_per_minute = c->gateway_passwords_per_minute,
		.request_timeout_ms = c->gateway_request_timeout * 1000,
		.login_timeout_ms = c->gateway_login_timeout * 1000,
		.ping_ms = c->gateway_ping_interval * 1000,
		.idle_ms = c->gateway_idle_timeout * 1000 };
}

void
config_message(const struct config *c, struct message_config *out)
{
	*out = (struct message_config){ .realm = c->realm,
		.registration = c->registration,
		.registrations_per_hour = c->account_registrations_per_hour,
		.ops_per_second = c->account_operations_per_second,
		.ops_burst = c->account_operations_burst,
		.typing_per_minute = c->account_typing_per_minute,
		.max_accounts = c->limits_accounts,
		.max_rooms = c->limits_rooms,
		.max_members = c->limits_members,
		.max_convs = c->limits_conversations,
		.max_streams = c->limits_streams,
		.max_invites = c->limits_invites,
		.max_room_members = c->limits_room_members,
		.max_rooms_account = c->limits_account_rooms,
		.max_waiting = c->limits_waiting,
		.default_retention_days = c->rooms_retention,
		.password_min = c->account_password_length,
		.stream_horizon_days = c->account_stream_horizon,
		.operators = list_of(c->operators),
		.noperators = c->noperators };
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
same_listeners(const struct config *a, const struct config *b)
{
	if (a->nlisten != b->nlisten || a->has_metrics != b->has_metrics)
		return false;
	for (size_t i = 0; i < a->nlisten; i++)
		if (!same_text(a->listen[i].host, b->listen[i].host) ||
		    a->listen[i].port != b->listen[i].port ||
		    a->listen[i].tls != b->listen[i].tls ||
		    a->listen[i].proxy != b->listen[i].proxy)
			return false;
	return !a->has_metrics ||
	       (same_text(a->metrics.host, b->metrics.host) &&
		   a->metrics.port == b->metrics.port);
}

const char *
config_restart_needed(const struct config *a, const struct config *b)
{
	if (!same_text(a->realm, b->realm))
		return "realm";
	if (!same_text(a->data, b->data))
		return "data";
	if (!same_text(a->user, b->user))
		return "user";
	if (!same_text(a->control, b->control))
		return "control";
	if (!same_listeners(a, b))
		return "listen";
	if (a->log_target != b->log_target)
		return "log.target";
	if (a->gateway_workers != b->gateway_workers)
		return "gateway.workers";
	if (!same_text(a->alert_command, b->alert_command) ||
	    !same_text(a->alert_webhook, b->alert_webhook))
		return "alert";
#define X(section, key, default_, least, most)                                 \
	if (a->section##_##key != b->section##_##key)                          \
		return #section "." #key;
	CONFIG_PASSWORD(X)
	CONFIG_QUEUE(X)
	CONFIG_STORAGE(X)
	CONFIG_CACHE(X)
#undef X
	return NULL;
}
