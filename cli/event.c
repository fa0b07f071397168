/*
 * event: events as lines for people.
 */
#include <stdio.h>
#include <string.h>

#include "cli/kith.h"

const char *
event_with(const json_t *event, const char *self)
{
	const char *to = app_str(event, "to");

	return *to == '#' || strcmp(to, self) != 0 ? to
						   : app_str(event, "from");
}

bool
event_is_copy(const json_t *event, const char *self)
{
	return strcmp(app_str(event, "log"), self) == 0 &&
	       *app_str(event, "to") == '#' &&
	       strcmp(app_str(event, "kind"), "invite") != 0;
}

/* "alice" of one's own realm, the whole address of another. */
static void
print_name(const char *address, const char *self)
{
	const char *realm = strchr(self, '@'), *at = strchr(address, '@');

	if (realm != NULL && at != NULL && strcmp(realm, at) == 0)
		printf("%.*s", (int)(at - address), address);
	else
		app_print_text(address);
}

/* What is said about kinds that have no text of their own. */
static const char *
verb_of(const char *kind)
{
	static const struct {
		const char *kind, *verb;
	} verbs[] = {
		{ "join", "joined" },
		{ "leave", "left" },
		{ "invite", "invited" },
		{ "kick", "removed" },
		{ "ban", "banned" },
		{ "unban", "let in again" },
		{ "mute", "muted" },
		{ "unmute", "unmuted" },
		{ "role", "gave a role to" },
		{ "topic", "set the topic:" },
		{ "room", "configured the room" },
		{ "closed", "closed the room" },
		{ "redact", "erased a message" },
		{ "react", "reacted" },
		{ "edit", "corrected:" },
	};

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].kind, kind) == 0)
			return verbs[i].verb;
	return NULL;
}

bool
event_print(const json_t *event, const char *self, bool where)
{
	const char *kind = app_str(event, "kind"), *verb = verb_of(kind);
	const char *direct = app_str(event, "push");
	bool said = strcmp(kind, "message") == 0;
	bool alert = strcmp(kind, "alert") == 0;

	if (!said && !alert && verb == NULL)
		return false;
	printf("%s ", app_time(app_int(event, "time")));
	if (where) {
		print_name(event_with(event, self), self);
		fputs("  ", stdout);
	}
	if (alert) {
		fputs("ALERT ", stdout);
	} else {
		print_name(app_str(event, "from"), self);
		fputs(said ? ": " : " ", stdout);
	}
	if (json_is_true(json_object_get(event, "erased"))) {
		fputs("(erased)", stdout);
	} else {
		if (verb != NULL)
			printf("%s ", verb);
		print_name(app_str(event, "account"), self);
		app_print_text(app_str(event, "role"));
		app_print_text(app_str(event, "topic"));
		app_print_text(app_str(event, "emoji"));
		app_print_text(app_str(event, "text"));
		if (*app_str(event, "reason") != '\0') {
			fputs(" (", stdout);
			app_print_text(app_str(event, "reason"));
			fputs(")", stdout);
		}
	}
	if (strcmp(direct, "direct") == 0)
		fputs("  [delivered directly, not stored yet]", stdout);
	fputc('\n', stdout);
	return true;
}
