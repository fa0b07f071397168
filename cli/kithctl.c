/*
 * kithctl: for operators, over the control socket.  One table of commands,
 * each an operation of proto/op.h.
 */
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <config.h>

#include "cli/ctl.h"
#include "crypto/wipe.h"

#define EXIT_USAGE 2

/* Keys: `?' optional, `#' a number; "member=value" is fixed. */
struct command {
	const char *words, *usage, *help, *op;
	const char *keys[4];
};

static const struct command commands[] = {
	{ "status", "", "how the node is", "status", { NULL } },
	{ "account add", "NAME [--operator] [--no-password]",
	    "make an account; --many FILE --tokens FILE for many",
	    "account-add", { "account" } },
	{ "account passwd", "NAME", "set the password, end all devices",
	    "account-passwd", { "account" } },
	{ "account token", "NAME DEVICE", "make a device and print its token",
	    "account-token", { "account", "name" } },
	{ "account disable", "NAME", "lock out, until enabled",
	    "account-disable", { "account" } },
	{ "account enable", "NAME", "let in again", "account-disable",
	    { "account", "remove=true" } },
	{ "account remove", "NAME", "end for good; the name stays taken",
	    "account-remove", { "account" } },
	{ "account operator", "NAME on|off", "tell of alerts or not",
	    "account-operator", { "account", "!on" } },
	{ "account list", "[SEARCH]", "list accounts", "account-list",
	    { "search?" } },
	{ "invite add", "[USES [SECONDS]]", "make an invite and print it",
	    "invite-add", { "#uses?", "#seconds?" } },
	{ "invite list", "", "list invites", "invite-list", { NULL } },
	{ "invite revoke", "KEY", "end an invite", "invite-revoke", { "key" } },
	{ "room list", "[SEARCH]", "list all rooms", "room-list",
	    { "search?" } },
	{ "room close", "ROOM [REASON]", "end a room", "room-close",
	    { "room", "reason?" } },
	{ "ban", "PATTERN [REASON]",
	    "keep an account or address out; * at the end", "server-ban",
	    { "pattern", "reason?" } },
	{ "unban", "PATTERN", "let in again", "server-unban", { "pattern" } },
	{ "bans", "", "list bans", "server-bans", { NULL } },
	{ "sessions", "[NAME]", "list connections", "sessions",
	    { "account?" } },
	{ "session close", "NAME [DEVICE]", "close connections",
	    "session-close", { "account", "#device?" } },
	{ "queue", "", "the journal", "queue", { NULL } },
	{ "cache", "", "the cache", "cache", { NULL } },
	{ "storage", "", "the history", "storage", { NULL } },
	{ "log level", "[LEVEL]", "show or set", "log-level", { "level?" } },
	{ "reload", "", "read the configuration again", "reload", { NULL } },
	{ "doctor", "", "look for what is wrong", "doctor", { NULL } },
	{ "stop", "", "stop the node in order", "stop", { NULL } },
	{ NULL, NULL, NULL, NULL, { NULL } },
};

static struct {
	const char *socket, *many, *tokens, *password_file;
	bool json, operator, no_password;
} opt = { .socket = "/var/lib/kithd/control.sock" };

static void
usage(FILE *f)
{
	fputs("usage: kithctl [options] COMMAND [ARGUMENT...]\n\n", f);
	for (const struct command *c = commands; c->words != NULL; c++)
		fprintf(f, "  %-17s %-34s %s\n", c->words, c->usage, c->help);
	fputs(
	    "\noptions:\n"
	    "  -s, --socket FILE      of kithd (/var/lib/kithd/control.sock)\n"
	    "  --json                 the answer as JSON\n"
	    "  --operator             with account add: told of alerts\n"
	    "  --no-password          with account add: print a token instead\n"
	    "  --many FILE            with account add: a name a line\n"
	    "  --tokens FILE          where their tokens go, mode 0600\n"
	    "  --password-file FILE   a password is its first line\n"
	    "  --help, --version\n"
	    "See kithctl(8).\n",
	    f);
}

/* ---- requests ------------------------------------------------------------ */

/* How many of argv the words of c take; 0: it is another command. */
static int
words_match(const struct command *c, int argc, char **argv)
{
	const char *space = strchr(c->words, ' ');
	size_t n =
	    space != NULL ? (size_t)(space - c->words) : strlen(c->words);

	if (argc < 1 || strlen(argv[0]) != n ||
	    strncmp(argv[0], c->words, n) != 0)
		return 0;
	if (space == NULL)
		return 1;
	return argc > 1 && strcmp(argv[1], space + 1) == 0 ? 2 : 0;
}

static bool
put_argument(json_t *request, const char *key, const char *value)
{
	char name[32], *end;
	unsigned long long v;

	snprintf(name, sizeof(name), "%s", key + (*key == '#' || *key == '!'));
	name[strcspn(name, "?=")] = '\0';
	if (*key == '!') {
		(void)json_object_set_new(request, name,
		    json_boolean(strcmp(value, "on") == 0));
		return strcmp(value, "on") == 0 || strcmp(value, "off") == 0;
	}
	if (*key != '#') {
		return json_object_set_new(request, name, json_string(value)) ==
		       0;
	}
	v = strtoull(value, &end, 10);
	(void)json_object_set_new(request, name, json_integer((json_int_t)v));
	return *value >= '0' && *value <= '9' && *end == '\0' && v < 1ull << 53;
}

/* NULL: the arguments do not fit. */
static json_t *
request_of(const struct command *c, int argc, char **argv)
{
	json_t *request = json_pack("{s:s}", "op", c->op);
	int at = 0;

	for (int i = 0; i < 4 && c->keys[i] != NULL; i++) {
		const char *key = c->keys[i];

		if (strchr(key, '=') != NULL) {
			char name[32];

			snprintf(name, sizeof(name), "%s", key);
			name[strcspn(name, "=")] = '\0';
			(void)json_object_set_new(request, name, json_true());
		} else if (at < argc) {
			if (!put_argument(request, key, argv[at++]))
				goto bad;
		} else if (strchr(key, '?') == NULL) {
			goto bad;
		}
	}
	if (at == argc)
		return request;
bad:
	json_decref(request);
	fprintf(stderr, "usage: kithctl %s %s\n", c->words, c->usage);
	return NULL;
}

static bool
password_read(char *out, size_t size)
{
	struct termios old, quiet;
	bool tty = opt.password_file == NULL && isatty(STDIN_FILENO), got;
	FILE *f =
	    opt.password_file != NULL ? fopen(opt.password_file, "re") : stdin;

	if (f == NULL)
		return false;
	if (tty && tcgetattr(STDIN_FILENO, &old) == 0) {
		quiet = old;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		fputs("password: ", stderr);
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	got = fgets(out, (int)size, f) != NULL;
	if (tty) {
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
		fputc('\n', stderr);
	}
	if (got)
		out[strcspn(out, "\r\n")] = '\0';
	if (f != stdin)
		(void)fclose(f);
	return got && out[0] != '\0';
}

/* What a command needs beyond its arguments. */
static bool
complete(json_t *request, const char *op)
{
	char password[1025];
	const char *member =
	    strcmp(op, "account-add") == 0 ? "password" : "new";

	if (strcmp(op, "account-add") != 0 && strcmp(op, "account-passwd") != 0)
		return true;
	if (strcmp(op, "account-add") == 0 && opt.operator)
		(void)json_object_set_new(request, "operator", json_true());
	if (strcmp(op, "account-add") == 0 && opt.no_password) {
		(void)json_object_set_new(request, "name",
		    json_string("kithctl"));
		return true;
	}
	if (!password_read(password, sizeof(password))) {
		fprintf(stderr, "kithctl: no password given\n");
		return false;
	}
	(void)json_object_set_new(request, member, json_string(password));
	secret_wipe(password, sizeof(password));
	return true;
}

/* ---- output -------------------------------------------------------------- */

static void
print_value(const json_t *v)
{
	char *text;

	if (json_is_string(v)) {
		/* The server has refused control characters in names. */
		fputs(json_string_value(v), stdout);
		return;
	}
	text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
	fputs(text != NULL ? text : "", stdout);
	free(text);
}

static void
print_item(const json_t *item)
{
	const char *key;
	json_t *v;
	bool first = true;

	json_object_foreach((json_t *)(uintptr_t)item, key, v)
	{
		printf("%s%s=", first ? "" : " ", key);
		print_value(v);
		first = false;
	}
	fputc('\n', stdout);
}

/* Scalars as "key value", lists as a line an item.  False: a check of the
 * doctor failed. */
static bool
print_answer(json_t *ok)
{
	const char *key;
	json_t *v, *item;
	bool good = true;
	size_t i;

	json_object_foreach(ok, key, v)
	{
		if (strcmp(key, "cursor") == 0)
			continue;
		if (!json_is_array(v) || strcmp(key, "pos") == 0) {
			printf("%-18s ", key);
			print_value(v);
			fputc('\n', stdout);
			continue;
		}
		json_array_foreach(v, i, item)
		{
			print_item(item);
			if (json_is_false(json_object_get(item, "ok")))
				good = false;
		}
	}
	return good;
}

/* All pages of a list. */
static int
run(struct ctl *c, json_t *request)
{
	json_t *ok, *cursor;
	int rc = 0;

	for (;;) {
		if (!ctl_request(c, json_deep_copy(request), &ok)) {
			rc = 1;
			break;
		}
		if (opt.json) {
			char *text = json_dumps(ok, JSON_COMPACT);

			puts(text != NULL ? text : "");
			free(text);
		} else if (!print_answer(ok)) {
			rc = 1;
		}
		cursor = json_incref(json_object_get(ok, "cursor"));
		json_decref(ok);
		if (cursor == NULL)
			break;
		(void)json_object_set_new(request, "cursor", cursor);
	}
	json_decref(request);
	return rc;
}

static int
command_run(const struct command *c, int argc, char **argv)
{
	struct ctl ctl = { .json = opt.json };
	json_t *request = NULL;
	int rc = 1;

	if (opt.many == NULL) {
		if ((request = request_of(c, argc, argv)) == NULL)
			return EXIT_USAGE;
		if (!complete(request, c->op)) {
			json_decref(request);
			return EXIT_USAGE;
		}
	} else if (strcmp(c->op, "account-add") != 0 || opt.tokens == NULL) {
		fprintf(stderr, "kithctl: --many goes with account add and "
				"--tokens FILE\n");
		return EXIT_USAGE;
	}
	if (ctl_open(&ctl, opt.socket))
		rc = opt.many != NULL ? ctl_add_many(&ctl, opt.many, opt.tokens)
				      : run(&ctl, request);
	else
		json_decref(request);
	ctl_close(&ctl);
	return rc;
}

int
main(int argc, char **argv)
{
	enum {
		JSON = 256,
		OPERATOR,
		NO_PASSWORD,
		MANY,
		TOKENS,
		PASSWORD,
		OPT_VERSION
	};
	static const struct option longs[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, JSON },
		{ "operator", no_argument, NULL, OPERATOR },
		{ "no-password", no_argument, NULL, NO_PASSWORD },
		{ "many", required_argument, NULL, MANY },
		{ "tokens", required_argument, NULL, TOKENS },
		{ "password-file", required_argument, NULL, PASSWORD },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, OPT_VERSION },
		{ NULL, 0, NULL, 0 },
	};
	int ch, n;

	while ((ch = getopt_long(argc, argv, "hs:", longs, NULL)) != -1)
		switch (ch) {
		case 's':
			opt.socket = optarg;
			break;
		case JSON:
			opt.json = true;
			break;
		case OPERATOR:
			opt.operator= true;
			break;
		case NO_PASSWORD:
			opt.no_password = true;
			break;
		case MANY:
			opt.many = optarg;
			break;
		case TOKENS:
			opt.tokens = optarg;
			break;
		case PASSWORD:
			opt.password_file = optarg;
			break;
		case 'h':
			usage(stdout);
			return 0;
		case OPT_VERSION:
			puts("kithctl " PACKAGE_VERSION);
			return 0;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	argc -= optind;
	argv += optind;
	for (const struct command *c = commands; c->words != NULL; c++)
		if ((n = words_match(c, argc, argv)) > 0)
			return command_run(c, argc - n, argv + n);
	usage(stderr);
	return EXIT_USAGE;
}
