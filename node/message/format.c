/*
 * format: events as clients see them, kith-protocol(7).
 */
#include <stdio.h>
#include <string.h>

#include "node/message/service.h"
#include "proto/json.h"

void
format_pos(struct bytes *b, uint32_t epoch, uint64_t seq)
{
	json_array(b, "pos");
	json_item_u64(b, epoch);
	json_item_u64(b, seq);
	json_array_end(b);
}

void
format_event_id(struct bytes *b, const char *key, const struct event_id *id)
{
	char text[EVENT_ID_TEXT];

	event_id_text(text, id);
	json_str(b, key, (struct str){ text, sizeof(text) });
}

static void
format_address(struct message *m, struct bytes *b, const char *key,
    const char *mark, const char *name)
{
	char text[ADDRESS_ROOM_FOR];
	size_t n = 0, len = strlen(name);

	if (*mark != '\0')
		text[n++] = *mark;
	memcpy(text + n, name, len);
	n += len;
	text[n++] = '@';
	memcpy(text + n, m->realm.p, m->realm.n);
	n += m->realm.n;
	json_str(b, key, (struct str){ text, n });
}

void
format_account(struct message *m, struct bytes *b, const char *key,
    const struct account *a)
{
	if (a != NULL)
		format_address(m, b, key, "", a->name);
}

void
format_room(struct message *m, struct bytes *b, const char *key,
    const struct room *room)
{
	format_address(m, b, key, "#", room->name);
}

/* The account or room that an id names; nothing for a stranger. */
static void
format_id(struct message *m, struct bytes *b, const char *key,
    const struct id *id)
{
	struct account *a;
	struct room *room;

	if ((a = registry_account(&m->reg, id)) != NULL)
		format_account(m, b, key, a);
	else if ((room = registry_room(&m->reg, id)) != NULL)
		format_room(m, b, key, room);
}

static void
format_conv_log(struct message *m, struct bytes *b, const struct conv *c)
{
	if (c->room != NULL)
		format_room(m, b, "log", c->room);
	else
		format_account(m, b, "log", c->owner);
}

static void
format_send(struct bytes *b, const struct event_header *h)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%u.%llu.%llu", h->device,
	    (unsigned long long)h->stream, (unsigned long long)h->number);

	json_str(b, "send", (struct str){ text, (size_t)n });
}

static void
format_optional(struct bytes *b, const char *key, struct str v)
{
	if (v.n > 0)
		json_str(b, key, v);
}

const char *
access_name(uint32_t access)
{
	static const char *const names[] = { "public", "private", "invite" };

	return access < 3 ? names[access] : "invite";
}

const char *
history_name(uint32_t history)
{
	return history == ROOM_HISTORY_JOINED ? "joined" : "all";
}

const char *
role_name(uint32_t role)
{
	static const char *const names[] = { "member", "moderator", "owner" };

	return role < 3 ? names[role] : "member";
}

/* The members of the body that a kind shows. */
static void
format_body(struct bytes *b, const struct event *ev)
{
	const struct event_body *body = &ev->body;

	switch (ev->h.kind) {
	case EVENT_MESSAGE:
	case EVENT_EDIT:
		json_str(b, "text", body->text);
		if (body->has_reply)
			format_event_id(b, "reply", &body->reply);
		if (body->nmentions > 0) {
			json_array(b, "mentions");
			for (size_t i = 0; i < body->nmentions; i++)
				json_item_str(b, body->mentions[i]);
			json_array_end(b);
		}
		break;
	case EVENT_REACT:
		json_str(b, "emoji", body->emoji);
		if (body->remove)
			json_bool(b, "remove", true);
		break;
	case EVENT_READ:
		json_u64(b, "seq", body->seq);
		break;
	case EVENT_ROLE:
		json_cstr(b, "role", role_name(body->role));
		break;
	case EVENT_MUTE:
		json_u64(b, "seconds", body->seconds);
		break;
	case EVENT_TOPIC:
		json_str(b, "topic", body->topic);
		break;
	case EVENT_ROOM:
		json_cstr(b, "access", access_name(body->access));
		json_cstr(b, "history", history_name(body->history));
		json_u64(b, "retention", body->retention_days);
		format_optional(b, "topic", body->topic);
		break;
	case EVENT_DEVICE:
		json_u64(b, "device", body->device);
		format_optional(b, "name", body->device_name);
		if (body->revoked)
			json_bool(b, "revoked", true);
		break;
	case EVENT_PROFILE:
		json_str(b, "display", body->display);
		break;
	case EVENT_ALERT:
		json_str(b, "text", body->text);
		break;
	case EVENT_REDACT:
	case EVENT_JOIN:
	case EVENT_LEAVE:
	case EVENT_INVITE:
	case EVENT_KICK:
	case EVENT_BAN:
	case EVENT_UNBAN:
	case EVENT_UNMUTE:
	case EVENT_CLOSED:
	case EVENT_ACCOUNT:
	case EVENT_BLOCK:
	case EVENT_UNBLOCK:
		break;
	}
	format_optional(b, "account", body->subject);
	format_optional(b, "reason", body->reason);
}

/* What an event says, wherever it is placed. */
static void
format_content(struct message *m, struct bytes *b, const struct event *ev)
{
	if (ev->h.stream != 0)
		format_send(b, &ev->h);
	if (ev->h.has_refers)
		format_event_id(b, "target", &ev->h.refers);
	if (event_erased(m, ev))
		json_bool(b, "erased", true);
	else
		format_body(b, ev);
}

void
format_unplaced(struct message *m, struct bytes *b, const struct event *ev,
    const struct account *from, const struct account *to)
{
	format_event_id(b, "event", &ev->id);
	json_u64(b, "time", ev->h.time_ms);
	json_cstr(b, "kind", event_kind_name(ev->h.kind));
	format_account(m, b, "from", from);
	format_account(m, b, "to", to);
	format_content(m, b, ev);
}

void
format_event(struct message *m, struct bytes *b, const struct entry *e,
    const struct place *place)
{
	const struct event *ev = e->event;
	const struct conv *c = registry_conv(&m->reg, place->conv);

	if (c != NULL)
		format_conv_log(m, b, c);
	format_pos(b, place->epoch, place->seq);
	format_event_id(b, "event", &ev->id);
	json_u64(b, "time", ev->h.time_ms);
	json_cstr(b, "kind", event_kind_name(ev->h.kind));
	format_id(m, b, "from", &ev->h.author);
	format_id(m, b, "to", &ev->h.target);
	format_content(m, b, ev);
}
