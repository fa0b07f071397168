/*
 * chat: talking in a terminal.  One line is edited (libedit) while messages
 * that come are written above it.
 *
 * A line without a slash is said in the current conversation.  What the
 * server could not store stays in the outbox and is repeated by itself.
 */
#include <errno.h>
#include <histedit.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mono.h"
#include "cli/kith.h"
#include "cli/outbox.h"

#define NAMES_MAX  1000
#define SEND_MS    3000 /* how long a line may wait before it is kept */
#define REPEAT_MS  5000 /* what is kept is tried again so often */
#define BACKOFF_MS 60000

struct chat {
	struct app *app;
	EditLine *el;
	History *history;
	char with[320]; /* the current conversation, or empty */
	char last_event[32];
	json_t *heads, *acks, *names, *kept;
	bool editing, quit, degraded;
	struct mono repeat_at, connect_at;
	unsigned backoff_ms;
};

static struct chat chat; /* libedit's callbacks carry no argument */

/* ---- writing above the line ---------------------------------------------- */

static void
above(void)
{
	if (chat.editing)
		fputs("\r\033[K", stdout);
}

static void
below(void)
{
	(void)fflush(stdout);
	if (chat.editing)
		(void)el_set(chat.el, EL_REFRESH);
}

static void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void
note(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	above();
	fputs("-- ", stdout);
	app_print_text(text);
	fputc('\n', stdout);
	below();
}

static void
name_seen(const char *name)
{
	if (*name != '\0' && json_object_size(chat.names) < NAMES_MAX)
		(void)json_object_set_new(chat.names, name, json_true());
}

/* ---- what the server pushes ---------------------------------------------- */

static void
on_event(json_t *m)
{
	const char *log = app_str(m, "log");
	json_int_t seq =
	    json_integer_value(json_array_get(json_object_get(m, "pos"), 1));

	if (seq <= app_int(chat.heads, log))
		return;
	(void)json_object_set_new(chat.heads, log, json_integer(seq));
	(void)json_object_set_new(chat.acks, log, json_integer(seq));
	name_seen(event_with(m, chat.app->account));
	name_seen(app_str(m, "from"));
	snprintf(chat.last_event, sizeof(chat.last_event), "%s",
	    app_str(m, "event"));
	if (event_is_copy(m, chat.app->account))
		return;
	above();
	(void)event_print(m, chat.app->account, true);
	below();
}

static void
on_state(json_t *m)
{
	if (strcmp(app_str(m, "state"), "read") == 0)
		note("%s has read it", app_str(m, "with"));
}

static void
on_queue(json_t *m)
{
	chat.degraded = strcmp(app_str(m, "state"), "degraded") == 0;
	if (chat.degraded)
		note("the server cannot store messages now: direct messages "
		     "go straight to who is connected, the rest is kept here "
		     "and repeated");
	else
		note("the server stores messages again");
	chat.repeat_at = mono_now();
}

static void
on_direct(json_t *m)
{
	above();
	(void)event_print(m, chat.app->account, true);
	below();
	if (client_cast(chat.app->client,
		json_pack("{s:s, s:s}", "op", "direct", "event",
		    app_str(m, "event"))) != OK)
		note("connection lost");
}

static void
on_push(void *arg, json_t *m)
{
	const char *kind = app_str(m, "push");

	(void)arg;
	if (strcmp(kind, "event") == 0)
		on_event(m);
	else if (strcmp(kind, "direct") == 0)
		on_direct(m);
	else if (strcmp(kind, "state") == 0)
		on_state(m);
	else if (strcmp(kind, "queue") == 0)
		on_queue(m);
	else if (strcmp(kind, "gap") == 0)
		note("older messages of %s: /history", app_str(m, "log"));
	else if (strcmp(kind, "typing") == 0 &&
		 json_is_true(json_object_get(m, "on")))
		note("%s is typing", app_str(m, "from"));
	else if (strcmp(kind, "bye") == 0)
		note("the server says: %s", app_str(m, "text"));
}

static void
acknowledge(void)
{
	const char *log;
	json_t *seq;

	json_object_foreach(chat.acks, log,
	    seq) if (client_cast(chat.app->client,
			 json_pack("{s:s, s:s, s:I}", "op", "ack", "log", log,
			     "seq", json_integer_value(seq))) != OK) return;
	(void)json_object_clear(chat.acks);
}

/* ---- the connection ------------------------------------------------------ */

static void
lost(void)
{
	note("connection lost; trying again");
	client_close(chat.app->client);
	chat.app->client = NULL;
	chat.connect_at = mono_add_ms(mono_now(), chat.backoff_ms);
}

static void
reconnect(void)
{
	if (mono_before(mono_now(), chat.connect_at))
		return;
	if (app_again(chat.app, true) == EXIT_OK) {
		chat.backoff_ms = 1000;
		chat.repeat_at = mono_now();
		note("connected again");
		return;
	}
	client_close(chat.app->client);
	chat.app->client = NULL;
	chat.backoff_ms =
	    chat.backoff_ms * 2 > BACKOFF_MS ? BACKOFF_MS : chat.backoff_ms * 2;
	chat.connect_at = mono_add_ms(mono_now(), chat.backoff_ms);
}

/* ---- saying things ------------------------------------------------------- */

/* Everything kept for `to', and request (takes it; may be NULL). */
static void
flush(const char *to, json_t *request)
{
	json_t *ok = NULL;
	json_int_t direct = 0;
	struct outbox o;
	int rc;

	if ((rc = outbox_open(&o, chat.app, to)) == EXIT_OK &&
	    (request == NULL || (rc = outbox_add(&o, request)) == EXIT_OK)) {
		rc = chat.app->client != NULL
			 ? outbox_flush(&o, chat.app,
			       chat.degraded ? 0 : SEND_MS, &ok, &direct)
			 : EXIT_KEPT;
		if (rc == EXIT_KEPT) {
			(void)json_object_set_new(chat.kept, to, json_true());
			if (request != NULL && direct > 0)
				note("delivered directly to %d devices, to be "
				     "stored later",
				    (int)direct);
			else if (request != NULL)
				note("kept here, to be sent later");
		} else {
			(void)json_object_del(chat.kept, to);
		}
	}
	json_decref(ok);
	outbox_close(&o);
}

static void
repeat_kept(void)
{
	const char *to;
	json_t *v;
	void *next;

	if (mono_before(mono_now(), chat.repeat_at) || chat.app->client == NULL)
		return;
	chat.repeat_at = mono_add_ms(mono_now(), REPEAT_MS);
	if (chat.degraded)
		return;
	json_object_foreach_safe(chat.kept, next, to, v)
	{
		char copy[320];

		snprintf(copy, sizeof(copy), "%s", to);
		flush(copy, NULL);
	}
}

static void
say(const char *text)
{
	if (chat.with[0] == '\0') {
		note("with whom? /with NAME or /with '#room'");
		return;
	}
	flush(chat.with, json_pack("{s:s, s:s, s:s}", "op", "send", "to",
			     chat.with, "text", text));
}

static void
with(const char *name)
{
	snprintf(chat.with, sizeof(chat.with), "%s", name);
	name_seen(name);
}

/* ---- commands ------------------------------------------------------------ */

static void
ask(json_t *request, void (*done)(const json_t *ok))
{
	json_t *ok = NULL;

	if (chat.app->client == NULL) {
		note("not connected");
		json_decref(request);
		return;
	}
	if (app_request(chat.app, request, &ok) == EXIT_OK && done != NULL)
		done(ok);
	json_decref(ok);
}

static void
show_history(const json_t *ok)
{
	json_t *event;
	size_t i;

	above();
	json_array_foreach(json_object_get(ok, "events"), i, event)(void)
	    event_print(event, chat.app->account, false);
	below();
}

static void
show_members(const json_t *ok)
{
	json_t *v;
	size_t i;

	json_array_foreach(json_object_get(ok, "members"), i, v)
	{
		name_seen(app_str(v, "account"));
		note("%s %s", app_str(v, "account"), app_str(v, "role"));
	}
}

static void
show_conversations(const json_t *ok)
{
	json_t *v;
	size_t i;

	json_array_foreach(json_object_get(ok, "conversations"), i, v)
	{
		name_seen(app_str(v, "with"));
		if (app_int(v, "unread") > 0)
			note("%s: %d unread", app_str(v, "with"),
			    (int)app_int(v, "unread"));
	}
}

static void
mark_read(void)
{
	const char *log = chat.with[0] == '#' ? chat.with : chat.app->account;
	json_int_t seq = app_int(chat.heads, log);

	if (seq == 0 || chat.with[0] == '\0')
		return;
	ask(json_pack("{s:s, s:s, s:I}", "op", "read", "to", chat.with, "seq",
		seq),
	    NULL);
}

static void
help(void)
{
	note("/with NAME  /join ROOM  /leave  /create ROOM  /members  "
	     "/history  /read  /react EMOJI  /redact EVENT  /edit EVENT TEXT  "
	     "/unread  /quit");
}

static void
command(char *line)
{
	char *arg = line + strcspn(line, " ");

	while (*arg == ' ')
		*arg++ = '\0';
	if (strcmp(line, "/quit") == 0) {
		chat.quit = true;
	} else if (strcmp(line, "/with") == 0) {
		with(arg);
	} else if (strcmp(line, "/join") == 0 || strcmp(line, "/create") == 0) {
		ask(json_pack("{s:s, s:s}", "op", line + 1, "room", arg), NULL);
		with(arg);
	} else if (strcmp(line, "/leave") == 0) {
		ask(json_pack("{s:s, s:s}", "op", "leave", "room", chat.with),
		    NULL);
	} else if (strcmp(line, "/members") == 0) {
		ask(json_pack("{s:s, s:s}", "op", "members", "room", chat.with),
		    show_members);
	} else if (strcmp(line, "/history") == 0) {
		ask(json_pack("{s:s, s:s}", "op", "history", "to", chat.with),
		    show_history);
	} else if (strcmp(line, "/unread") == 0) {
		ask(json_pack("{s:s}", "op", "conversations"),
		    show_conversations);
	} else if (strcmp(line, "/read") == 0) {
		mark_read();
	} else if (strcmp(line, "/react") == 0) {
		flush(chat.with,
		    json_pack("{s:s, s:s, s:s, s:s}", "op", "react", "to",
			chat.with, "event", chat.last_event, "emoji", arg));
	} else if (strcmp(line, "/redact") == 0) {
		flush(chat.with, json_pack("{s:s, s:s, s:s}", "op", "redact",
				     "to", chat.with, "event", arg));
	} else if (strcmp(line, "/edit") == 0) {
		char *text = arg + strcspn(arg, " ");

		if (*text != '\0')
			*text++ = '\0';
		flush(chat.with,
		    json_pack("{s:s, s:s, s:s, s:s}", "op", "edit", "to",
			chat.with, "event", arg, "text", text));
	} else {
		help();
	}
}

/* ---- the editor ---------------------------------------------------------- */

static char *
prompt(EditLine *el)
{
	static char text[340];

	(void)el;
	snprintf(text, sizeof(text), "%s> ", chat.with);
	return text;
}

/* Completes the word before the cursor with a name, an address or a room. */
static unsigned char
complete(EditLine *el, int ch)
{
	const LineInfo *li = el_line(el);
	const char *word = li->cursor, *name;
	json_t *v;

	(void)ch;
	while (word > li->buffer && word[-1] != ' ')
		word--;
	json_object_foreach(chat.names, name, v)
	{
		size_t n = (size_t)(li->cursor - word);

		if (n == 0 || strncmp(name, word, n) != 0)
			continue;
		if (el_insertstr(el, name + n) == 0 &&
		    el_insertstr(el, " ") == 0)
			return CC_REFRESH;
	}
	return CC_ERROR;
}

static void
server_turn(void)
{
	enum err rc;

	if (chat.app->client == NULL) {
		reconnect();
		return;
	}
	rc = client_wait(chat.app->client, 0);
	if (rc == OK || rc == ERR_TIMEOUT)
		acknowledge();
	else
		lost();
}

/* Reads a character of the person's, and serves the server meanwhile. */
static int
getch(EditLine *el, char *out)
{
	struct pollfd p[2];
	ssize_t n;

	(void)el;
	for (;;) {
		bool up = chat.app->client != NULL;

		p[0] = (struct pollfd){ STDIN_FILENO, POLLIN, 0 };
		p[1] = (struct pollfd){ up ? client_fd(chat.app->client) : -1,
			POLLIN, 0 };
		if (poll(p, 2,
			up && client_pending(chat.app->client) ? 0 : 1000) <
			0 &&
		    errno != EINTR)
			return -1;
		server_turn();
		repeat_kept();
		if ((p[0].revents & (POLLIN | POLLHUP)) == 0)
			continue;
		n = read(STDIN_FILENO, out, 1);
		return (int)n;
	}
}

static void
editor_open(void)
{
	HistEvent ev;

	chat.history = history_init();
	(void)history(chat.history, &ev, H_SETSIZE, 200);
	chat.el = el_init("kith", stdin, stdout, stderr);
	(void)el_set(chat.el, EL_PROMPT, prompt);
	(void)el_set(chat.el, EL_EDITOR, "emacs");
	(void)el_set(chat.el, EL_HIST, history, chat.history);
	(void)el_set(chat.el, EL_ADDFN, "complete", "complete a name",
	    complete);
	(void)el_set(chat.el, EL_BIND, "^I", "complete", NULL);
	(void)el_set(chat.el, EL_GETCFN, getch);
	(void)el_set(chat.el, EL_SIGNAL, 1);
}

static void
loop(void)
{
	const char *got;
	HistEvent ev;
	int n;

	while (!chat.quit) {
		chat.editing = true;
		got = el_gets(chat.el, &n);
		chat.editing = false;
		if (got == NULL || n <= 0)
			return;
		char line[65536];

		snprintf(line, sizeof(line), "%s", got);
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '\0')
			continue;
		(void)history(chat.history, &ev, H_ENTER, got);
		if (line[0] == '/')
			command(line);
		else
			say(line);
	}
}

int
cmd_chat(struct app *a, int argc, char **argv)
{
	int rc;

	memset(&chat, 0, sizeof(chat));
	chat.app = a;
	chat.backoff_ms = 1000;
	chat.heads = json_object();
	chat.acks = json_object();
	chat.names = json_object();
	chat.kept = json_object();
	a->push = on_push;
	if (argc > 0)
		with(argv[0]);
	if ((rc = app_login(a, true)) == EXIT_OK) {
		editor_open();
		note("you are %s; /help lists commands", a->account);
		ask(json_pack("{s:s}", "op", "conversations"),
		    show_conversations);
		loop();
		el_end(chat.el);
		history_end(chat.history);
	}
	json_decref(chat.heads);
	json_decref(chat.acks);
	json_decref(chat.names);
	json_decref(chat.kept);
	return rc;
}
