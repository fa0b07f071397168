#include "cli/kith.h"

#include <getopt.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <config.h>

#include "crypto/init.h"

const struct command commands[] = {
	{ "login", "ACCOUNT [DEVICE]", "log in; the token is kept", 1, 2,
	    cmd_login, NULL, { NULL } },
	{ "register", "ACCOUNT [INVITE-FILE]", "make an account", 1, 2,
	    cmd_register, NULL, { NULL } },
	{ "logout", "", "end this device", 0, 0, cmd_logout, NULL, { NULL } },
	{ "passwd", "", "change the password, end all other devices", 0, 0,
	    cmd_passwd, NULL, { NULL } },
	{ "recovery", "", "make the recovery phrase, once", 0, 0, cmd_recovery,
	    NULL, { NULL } },
	{ "recover", "ACCOUNT [DEVICE]", "set a new password by the phrase", 1,
	    2, cmd_recover, NULL, { NULL } },
	{ "deactivate", "", "end the account for good", 0, 0, cmd_deactivate,
	    NULL, { NULL } },
	{ "send", "WHERE [TEXT...]", "say TEXT, or standard input", 1, INT_MAX,
	    cmd_send, NULL, { NULL } },
	{ "edit", "WHERE EVENT TEXT", "replace one's own message", 3, 3,
	    cmd_edit, NULL, { NULL } },
	{ "redact", "WHERE EVENT [REASON]", "erase a message", 2, 3, cmd_redact,
	    NULL, { NULL } },
	{ "react", "WHERE EVENT EMOJI", "react; with --remove take it back", 3,
	    3, cmd_react, NULL, { NULL } },
	{ "read", "[WHERE]", "show what is unread and mark it as read", 0, 1,
	    cmd_read, NULL, { NULL } },
	{ "follow", "[WHERE]", "show what comes, until interrupted", 0, 1,
	    cmd_follow, NULL, { NULL } },
	{ "chat", "[WHERE]", "talk", 0, 1, cmd_chat, NULL, { NULL } },
	{ "history", "WHERE", "show what was said", 1, 1, cmd_history, NULL,
	    { NULL } },
	{ "conversations", "", "list conversations and what is unread", 0, 0,
	    cmd_conversations, NULL, { NULL } },
	{ "rooms", "[SEARCH]", "list public rooms", 0, 1, cmd_rooms, NULL,
	    { NULL } },
	{ "create", "ROOM [ACCESS]", "make a room: public, private, invite", 1,
	    2, NULL, "create", { "room", "access?" } },
	{ "join", "ROOM", "join a room", 1, 1, NULL, "join", { "room" } },
	{ "leave", "ROOM", "leave a room", 1, 1, NULL, "leave", { "room" } },
	{ "invite", "ROOM ACCOUNT", "invite into a room", 2, 2, NULL, "invite",
	    { "room", "account" } },
	{ "members", "ROOM", "list members", 1, 1, cmd_members, NULL,
	    { NULL } },
	{ "kick", "ROOM ACCOUNT [REASON]", "remove from a room", 2, 3, NULL,
	    "kick", { "room", "account", "reason?" } },
	{ "ban", "ROOM ACCOUNT [REASON]", "remove and keep out", 2, 3, NULL,
	    "ban", { "room", "account", "reason?" } },
	{ "unban", "ROOM ACCOUNT", "let in again", 2, 2, NULL, "unban",
	    { "room", "account" } },
	{ "mute", "ROOM ACCOUNT [SECONDS]", "let only read", 2, 3, NULL, "mute",
	    { "room", "account", "#seconds?" } },
	{ "unmute", "ROOM ACCOUNT", "let talk again", 2, 2, NULL, "unmute",
	    { "room", "account" } },
	{ "role", "ROOM ACCOUNT ROLE", "owner, moderator or member", 3, 3, NULL,
	    "role", { "room", "account", "role" } },
	{ "topic", "ROOM TOPIC", "set the topic", 2, 2, NULL, "topic",
	    { "room", "topic" } },
	{ "retention", "ROOM DAYS", "keep messages so long, 0 for ever", 2, 2,
	    NULL, "configure", { "room", "#retention" } },
	{ "access", "ROOM ACCESS [HISTORY]",
	    "who may join; who sees old messages: all, joined", 2, 3, NULL,
	    "configure", { "room", "access", "history?" } },
	{ "close", "ROOM [REASON]", "end a room", 1, 2, NULL, "close",
	    { "room", "reason?" } },
	{ "devices", "", "list one's devices", 0, 0, cmd_devices, NULL,
	    { NULL } },
	{ "revoke", "DEVICE", "end another device, by number", 1, 1, NULL,
	    "revoke", { "#device" } },
	{ "profile", "[ACCOUNT]", "show an account", 0, 1, cmd_profile, NULL,
	    { NULL } },
	{ "display", "NAME", "set one's display name", 1, 1, NULL, "profile",
	    { "display" } },
	{ "block", "ACCOUNT", "let nothing from them arrive", 1, 1, NULL,
	    "block", { "account" } },
	{ "unblock", "ACCOUNT", "let it arrive again", 1, 1, NULL, "unblock",
	    { "account" } },
	{ "blocks", "", "list blocked accounts", 0, 0, cmd_blocks, NULL,
	    { NULL } },
	{ "presence", "STATUS", "online, away, busy, offline", 1, 1, NULL,
	    "presence", { "status" } },
	{ "status", "", "is the server there, am I logged in", 0, 0, cmd_status,
	    NULL, { NULL } },
	{ NULL, NULL, NULL, 0, 0, NULL, NULL, { NULL } },
};

static void
usage(FILE *f)
{
	fputs("usage: kith [options] COMMAND [ARGUMENT...]\n\n", f);
	for (const struct command *c = commands; c->name != NULL; c++)
		fprintf(f, "  %-13s %-24s %s\n", c->name, c->usage, c->help);
	fputs("\noptions:\n"
	      "  --server URL           ws://127.0.0.1:7440, wss://HOST\n"
	      "  --token-file FILE      instead of ~/.config/kith/token\n"
	      "  --password-file FILE   a secret is its first line\n"
	      "  --timeout SECONDS      to connect and for an answer (30)\n"
	      "  --limit N, --before SEQ, --after SEQ   pages of history\n"
	      "  --reply EVENT          with send\n"
	      "  --remove               with react\n"
	      "  --no-mark              read without marking as read\n"
	      "  --json                 one JSON value a line\n"
	      "  --help, --version\n"
	      "See kith(1).\n",
	    f);
}

static const struct command *
find(const char *name)
{
	for (const struct command *c = commands; c->name != NULL; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

static const char *
default_token_file(void)
{
	static char path[4096];
	const char *file = getenv("KITH_TOKEN_FILE");
	const char *config = getenv("XDG_CONFIG_HOME");
	const char *home = getenv("HOME");

	if (file != NULL && *file != '\0')
		return file;
	if (config != NULL && *config == '/')
		snprintf(path, sizeof(path), "%s/kith/token", config);
	else
		snprintf(path, sizeof(path), "%s/.config/kith/token",
		    home != NULL ? home : "");
	return path;
}

bool
number_parse(const char *text, json_int_t *out)
{
	char *end;
	unsigned long long v = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || v >= 1ull << 53)
		return false;
	*out = (json_int_t)v;
	return true;
}

/* A command that is one operation. */
static int
run_op(struct app *a, const struct command *c, int argc, char **argv)
{
	json_t *request = json_pack("{s:s}", "op", c->op), *ok;
	json_int_t v;
	int rc;

	for (int i = 0; i < argc; i++) {
		char key[32];
		const char *k = c->keys[i];
		bool number = *k == '#';

		snprintf(key, sizeof(key), "%s", k + number);
		key[strcspn(key, "?")] = '\0';
		if (!number) {
			(void)json_object_set_new(request, key,
			    json_string(argv[i]));
		} else if (number_parse(argv[i], &v)) {
			(void)json_object_set_new(request, key,
			    json_integer(v));
		} else {
			app_say("%s: expected a number", argv[i]);
			json_decref(request);
			return EXIT_USAGE;
		}
	}
	if ((rc = app_login(a, false)) != EXIT_OK) {
		json_decref(request);
		return rc;
	}
	if ((rc = app_request(a, request, &ok)) == EXIT_OK && a->json)
		app_print_json(ok);
	json_decref(ok);
	return rc;
}

struct flags flags;

enum {
	OPT_SERVER = 256,
	OPT_TOKEN,
	OPT_PASSWORD,
	OPT_TIMEOUT,
	OPT_LIMIT,
	OPT_BEFORE,
	OPT_AFTER,
	OPT_REPLY,
	OPT_REMOVE,
	OPT_NO_MARK,
	OPT_JSON,
	OPT_HELP,
	OPT_VERSION
};

static const struct option longs[] = {
	{ "server", required_argument, NULL, OPT_SERVER },
	{ "token-file", required_argument, NULL, OPT_TOKEN },
	{ "password-file", required_argument, NULL, OPT_PASSWORD },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "limit", required_argument, NULL, OPT_LIMIT },
	{ "before", required_argument, NULL, OPT_BEFORE },
	{ "after", required_argument, NULL, OPT_AFTER },
	{ "reply", required_argument, NULL, OPT_REPLY },
	{ "remove", no_argument, NULL, OPT_REMOVE },
	{ "no-mark", no_argument, NULL, OPT_NO_MARK },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

/* An exit code, or -1 to go on. */
static int
option(struct app *a, int ch)
{
	json_int_t v = 0;

	if ((ch == OPT_TIMEOUT || ch == OPT_LIMIT || ch == OPT_BEFORE ||
		ch == OPT_AFTER) &&
	    !number_parse(optarg, &v)) {
		app_say("%s: expected a number", optarg);
		return EXIT_USAGE;
	}
	switch (ch) {
	case OPT_SERVER:
		a->server = optarg;
		return -1;
	case OPT_TOKEN:
		a->token_file = optarg;
		return -1;
	case OPT_PASSWORD:
		a->password_file = optarg;
		return -1;
	case OPT_TIMEOUT:
		a->timeout_ms = v > 3600 ? 3600000 : (int)v * 1000;
		return -1;
	case OPT_LIMIT:
		flags.limit = v;
		return -1;
	case OPT_BEFORE:
		flags.before = v;
		return -1;
	case OPT_AFTER:
		flags.after = v;
		flags.has_after = true;
		return -1;
	case OPT_REPLY:
		flags.reply = optarg;
		return -1;
	case OPT_REMOVE:
		flags.remove = true;
		return -1;
	case OPT_NO_MARK:
		flags.no_mark = true;
		return -1;
	case OPT_JSON:
		a->json = true;
		return -1;
	case OPT_HELP:
		usage(stdout);
		return EXIT_OK;
	case OPT_VERSION:
		puts("kith " PACKAGE_VERSION);
		return EXIT_OK;
	default:
		usage(stderr);
		return EXIT_USAGE;
	}
}

int
main(int argc, char **argv)
{
	struct app a = { .token_file = default_token_file(),
		.timeout_ms = 30000 };
	const struct command *c;
	int ch, rc;

	(void)setlocale(LC_ALL, "");
	while ((ch = getopt_long(argc, argv, "h", longs, NULL)) != -1)
		if ((rc = option(&a, ch == 'h' ? OPT_HELP : ch)) >= 0)
			return rc;
	argc -= optind;
	argv += optind;
	if (argc == 0) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if ((c = find(argv[0])) == NULL) {
		app_say("%s: there is no such command, see kith --help",
		    argv[0]);
		return EXIT_USAGE;
	}
	if (argc - 1 < c->min || argc - 1 > c->max) {
		fprintf(stderr, "usage: kith %s %s\n", c->name, c->usage);
		return EXIT_USAGE;
	}
	if (crypto_start() != OK) {
		app_say("no randomness");
		return EXIT_FAILED;
	}
	rc = c->run != NULL ? c->run(&a, argc - 1, argv + 1)
			    : run_op(&a, c, argc - 1, argv + 1);
	app_close(&a);
	return rc;
}
