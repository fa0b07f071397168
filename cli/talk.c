/*
 * talk: what one says: send, edit, redact, react, each through the outbox of
 * its conversation.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "cli/kith.h"
#include "cli/outbox.h"

#define TEXT_MAX 65536

/* Takes request. */
static int
say(struct app *a, const char *to, json_t *request)
{
	json_t *ok = NULL;
	json_int_t direct = 0;
	struct outbox o;
	int rc;

	(void)json_object_set_new(request, "to", json_string(to));
	if ((rc = app_login(a, false)) != EXIT_OK ||
	    (rc = outbox_open(&o, a, to)) != EXIT_OK) {
		json_decref(request);
		return rc;
	}
	if ((rc = outbox_add(&o, request)) == EXIT_OK)
		rc = outbox_flush(&o, a, a->timeout_ms, &ok, &direct);
	if (rc == EXIT_OK && a->json)
		app_print_json(ok);
	if (rc == EXIT_KEPT) {
		if (direct > 0)
			app_say("the server cannot store it now; %d devices "
				"have seen it; it is kept and repeated with "
				"the next send",
			    (int)direct);
		else
			app_say("the server cannot store it now; it is kept "
				"and repeated with the next send");
	}
	json_decref(ok);
	outbox_close(&o);
	return rc;
}

/* Arguments joined by spaces, or all of standard input. */
static bool
text_of(struct bytes *b, int argc, char **argv)
{
	char block[4096];
	size_t n;

	bytes_init(b, TEXT_MAX + 1);
	for (int i = 1; i < argc; i++) {
		if (i > 1)
			bytes_add_char(b, ' ');
		bytes_add_str(b, str_of(argv[i]));
	}
	if (argc == 1)
		while ((n = fread(block, 1, sizeof(block), stdin)) > 0)
			bytes_add(b, block, n);
	while (b->n > 0 && b->p[b->n - 1] == '\n')
		b->n--;
	if (b->failed || b->n > TEXT_MAX) {
		app_say("the text is longer than %d bytes", TEXT_MAX);
		return false;
	}
	if (b->n == 0)
		app_say("there is no text");
	return b->n > 0;
}

int
cmd_send(struct app *a, int argc, char **argv)
{
	json_t *request;
	struct bytes b;
	int rc = EXIT_USAGE;

	if (text_of(&b, argc, argv)) {
		request =
		    json_pack("{s:s, s:s%}", "op", "send", "text", b.p, b.n);
		if (request == NULL)
			app_say("the text is not UTF-8");
		else if (flags.reply != NULL)
			(void)json_object_set_new(request, "reply",
			    json_string(flags.reply));
		if (request != NULL)
			rc = say(a, argv[0], request);
	}
	bytes_fini(&b);
	return rc;
}

int
cmd_edit(struct app *a, int argc, char **argv)
{
	json_t *request = json_pack("{s:s, s:s, s:s}", "op", "edit", "event",
	    argv[1], "text", argv[2]);

	(void)argc;
	return request != NULL ? say(a, argv[0], request) : EXIT_USAGE;
}

int
cmd_redact(struct app *a, int argc, char **argv)
{
	json_t *request =
	    json_pack("{s:s, s:s}", "op", "redact", "event", argv[1]);

	if (request != NULL && argc > 2)
		(void)json_object_set_new(request, "reason",
		    json_string(argv[2]));
	return request != NULL ? say(a, argv[0], request) : EXIT_USAGE;
}

int
cmd_react(struct app *a, int argc, char **argv)
{
	json_t *request = json_pack("{s:s, s:s, s:s}", "op", "react", "event",
	    argv[1], "emoji", argv[2]);

	(void)argc;
	if (request != NULL && flags.remove)
		(void)json_object_set_new(request, "remove", json_true());
	return request != NULL ? say(a, argv[0], request) : EXIT_USAGE;
}
