/*
 * show: lists and pages.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/kith.h"

/* Logs in and asks; *ok gets a reference. */
static int
ask(struct app *a, json_t *request, json_t **ok)
{
	int rc = a->client != NULL ? EXIT_OK : app_login(a, false);

	*ok = NULL;
	if (rc != EXIT_OK) {
		json_decref(request);
		return rc;
	}
	return app_request(a, request, ok);
}

/*
 * All pages of a list: each item of member `list' goes to print, or as it is
 * with --json.  Takes request.
 */
static int
list_all(struct app *a, json_t *request, const char *list,
    void (*print)(const json_t *item))
{
	json_t *ok, *item, *cursor = NULL;
	size_t i;
	int rc;

	do {
		json_t *page = json_deep_copy(request);

		if (cursor != NULL)
			(void)json_object_set_new(page, "cursor", cursor);
		cursor = NULL;
		if ((rc = ask(a, page, &ok)) == EXIT_OK) {
			json_array_foreach(json_object_get(ok, list), i, item)
			{
				if (a->json)
					app_print_json(item);
				else
					print(item);
			}
			cursor = json_incref(json_object_get(ok, "cursor"));
		}
		json_decref(ok);
	} while (rc == EXIT_OK && cursor != NULL);
	json_decref(request);
	return rc;
}

static void
column(const char *text, int width)
{
	app_print_text(text);
	printf("%*s", width > (int)strlen(text) ? width - (int)strlen(text) : 1,
	    "");
}

/* ---- lists --------------------------------------------------------------- */

static void
print_conversation(const json_t *v)
{
	column(app_str(v, "with"), 32);
	printf("%6d unread  ", (int)app_int(v, "unread"));
	if (json_is_true(json_object_get(v, "invited")))
		fputs("(invited) ", stdout);
	app_print_text(app_str(v, "topic"));
	app_print_text(app_str(v, "display"));
	fputc('\n', stdout);
}

int
cmd_conversations(struct app *a, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return list_all(a, json_pack("{s:s}", "op", "conversations"),
	    "conversations", print_conversation);
}

static void
print_room(const json_t *v)
{
	column(app_str(v, "room"), 32);
	printf("%6d members  ", (int)app_int(v, "members"));
	app_print_text(app_str(v, "topic"));
	fputc('\n', stdout);
}

int
cmd_rooms(struct app *a, int argc, char **argv)
{
	json_t *request = json_pack("{s:s}", "op", "rooms");

	if (argc > 0)
		(void)json_object_set_new(request, "search",
		    json_string(argv[0]));
	return list_all(a, request, "rooms", print_room);
}

static void
print_member(const json_t *v)
{
	column(app_str(v, "account"), 32);
	column(app_str(v, "role"), 10);
	column(app_str(v, "state"), 8);
	if (json_is_true(json_object_get(v, "muted")))
		fputs("muted ", stdout);
	app_print_text(app_str(v, "display"));
	fputc('\n', stdout);
}

int
cmd_members(struct app *a, int argc, char **argv)
{
	(void)argc;
	return list_all(a,
	    json_pack("{s:s, s:s}", "op", "members", "room", argv[0]),
	    "members", print_member);
}

static void
print_device(const json_t *v)
{
	printf("%4d  ", (int)app_int(v, "device"));
	column(app_str(v, "name"), 24);
	printf("seen %s%s\n", app_time(app_int(v, "seen")),
	    json_is_true(json_object_get(v, "current")) ? "  (this one)" : "");
}

int
cmd_devices(struct app *a, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return list_all(a, json_pack("{s:s}", "op", "devices"), "devices",
	    print_device);
}

static void
print_string(const json_t *v)
{
	const char *s = json_string_value(v);

	app_print_text(s != NULL ? s : "");
	fputc('\n', stdout);
}

int
cmd_blocks(struct app *a, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return list_all(a, json_pack("{s:s}", "op", "blocks"), "accounts",
	    print_string);
}

/* ---- single things ------------------------------------------------------- */

int
cmd_profile(struct app *a, int argc, char **argv)
{
	json_t *request = json_pack("{s:s}", "op", "profile"), *ok;
	int rc;

	if (argc > 0)
		(void)json_object_set_new(request, "account",
		    json_string(argv[0]));
	if ((rc = ask(a, request, &ok)) == EXIT_OK) {
		if (a->json) {
			app_print_json(ok);
		} else {
			print_string(json_object_get(ok, "account"));
			print_string(json_object_get(ok, "display"));
			printf("key %s\n", app_str(ok, "key"));
		}
	}
	json_decref(ok);
	return rc;
}

int
cmd_status(struct app *a, int argc, char **argv)
{
	json_t *ok;
	int rc;

	(void)argc;
	(void)argv;
	if ((rc = ask(a, json_pack("{s:s}", "op", "ping"), &ok)) == EXIT_OK) {
		if (a->json)
			printf("{\"account\":\"%s\",\"server\":\"%s\"}\n",
			    a->account, a->url);
		else
			printf("%s at %s\n", a->account, a->url);
	}
	json_decref(ok);
	return rc;
}

/* ---- history ------------------------------------------------------------- */

static void
print_event(const struct app *a, const json_t *event)
{
	if (a->json)
		app_print_json(event);
	else
		(void)event_print(event, a->account, false);
}

int
cmd_history(struct app *a, int argc, char **argv)
{
	json_t *request =
	    json_pack("{s:s, s:s}", "op", "history", "to", argv[0]);
	json_t *ok, *event;
	size_t i;
	int rc;

	(void)argc;
	if (flags.limit > 0)
		(void)json_object_set_new(request, "limit",
		    json_integer(flags.limit));
	if (flags.before > 0)
		(void)json_object_set_new(request, "before",
		    json_integer(flags.before));
	if (flags.has_after)
		(void)json_object_set_new(request, "after",
		    json_integer(flags.after));
	if ((rc = ask(a, request, &ok)) == EXIT_OK)
		json_array_foreach(json_object_get(ok, "events"), i, event)
		    print_event(a, event);
	json_decref(ok);
	return rc;
}

/* What came after the marker, in pages; then the marker moves. */
static int
read_one(struct app *a, const char *with, json_int_t after)
{
	json_t *ok, *event;
	json_int_t last = after;
	bool more = true;
	size_t i;
	int rc = EXIT_OK;

	while (more && rc == EXIT_OK) {
		rc = ask(a,
		    json_pack("{s:s, s:s, s:I, s:i}", "op", "history", "to",
			with, "after", last, "limit", 200),
		    &ok);
		more = json_is_true(json_object_get(ok, "more"));
		json_array_foreach(json_object_get(ok, "events"), i, event)
		{
			print_event(a, event);
			last = json_integer_value(
			    json_array_get(json_object_get(event, "pos"), 1));
		}
		json_decref(ok);
	}
	if (rc != EXIT_OK || last == after || flags.no_mark)
		return rc;
	rc = ask(a,
	    json_pack("{s:s, s:s, s:I}", "op", "read", "to", with, "seq", last),
	    &ok);
	json_decref(ok);
	return rc;
}

static bool
wanted(const json_t *v, int argc, char **argv)
{
	const char *with = app_str(v, "with");
	size_t n;

	if (argc == 0)
		return app_int(v, "unread") > 0;
	n = strlen(argv[0]);
	return strncmp(with, argv[0], n) == 0 &&
	       (with[n] == '\0' || with[n] == '@');
}

int
cmd_read(struct app *a, int argc, char **argv)
{
	json_t *ok, *v;
	size_t i;
	int rc;

	rc = ask(a, json_pack("{s:s}", "op", "conversations"), &ok);
	if (rc == EXIT_OK)
		json_array_foreach(json_object_get(ok, "conversations"), i, v)
		{
			if (!wanted(v, argc, argv))
				continue;
			if (!a->json) {
				fputs("-- ", stdout);
				print_string(json_object_get(v, "with"));
			}
			if ((rc = read_one(a, app_str(v, "with"),
				 app_int(v, "read"))) != EXIT_OK)
				break;
		}
	json_decref(ok);
	return rc;
}
