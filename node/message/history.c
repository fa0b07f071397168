/*
 * history: what was said, and which conversations there are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/message/handlers.h"

#define LIST_MAX 200

/* Positions below *floor are not for this reader. */
static enum err
history_rights(struct message *m, const struct call *c, struct room *room,
    struct account *peer, struct conv **conv, uint64_t *floor)
{
	struct member *mem;

	*floor = 0;
	if (room == NULL) {
		*conv = registry_conv_between(&m->reg, c->account, peer);
		return OK;
	}
	mem = registry_member(&m->reg, room, c->account);
	if (mem != NULL && mem->state == MEMBER_BANNED)
		return ERR_BANNED;
	if (mem == NULL || mem->state != MEMBER_JOINED)
		return ERR_NOT_MEMBER;
	if (room->history == ROOM_HISTORY_JOINED)
		*floor = mem->joined_seq;
	*conv = room->conv;
	return OK;
}

enum err
op_history(struct message *m, struct call *c)
{
	struct account *peer;
	struct room *room;
	struct conv *conv;
	struct bytes b;
	uint64_t floor;
	enum err rc;

	if ((rc = find_target(m, c->a->to, &peer, &room)) != OK ||
	    (rc = history_rights(m, c, room, peer, &conv, &floor)) != OK)
		return rc;
	if (conv != NULL)
		return read_page(m, c, conv, floor);
	bytes_init(&b, 256);
	answer_begin(&b, c->rq->rq.id);
	json_array(&b, "events");
	json_array_end(&b);
	json_bool(&b, "more", false);
	answer_end(m, &b, &c->rq->conn, 0);
	bytes_fini(&b);
	return OK;
}

/* ---- conversations ------------------------------------------------------- */

/* One line of the list: a direct conversation or a room. */
struct line {
	const struct conv *conv; /* of a mailbox; or */
	const struct member *member;
	uint64_t order; /* the conv's number: stable over pages */
};

static int
line_compare(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	return x->order < y->order ? -1 : x->order > y->order;
}

static void
format_conv(struct message *m, struct bytes *b, const struct conv *c)
{
	format_account(m, b, "with", c->peer);
	if (c->peer->display != NULL)
		json_cstr(b, "display", c->peer->display);
	json_u64(b, "unread",
	    c->incoming > c->read_incoming ? c->incoming - c->read_incoming
					   : 0);
	format_pos(b, c->log->epoch, c->head);
	json_u64(b, "read", c->read_seq);
	json_u64(b, "delivered",
	    c->told > c->delivered ? c->told : c->delivered);
	json_u64(b, "peer_read", c->peer_read);
}

static void
format_membership(struct message *m, struct bytes *b, const struct member *mem)
{
	const struct room *room = mem->room;
	uint64_t ord = room->conv != NULL ? room->conv->ord.durable : 0;

	format_room(m, b, "with", room);
	json_u64(b, "unread", ord > mem->read_ord ? ord - mem->read_ord : 0);
	format_pos(b, room->log.epoch, room->log.head.durable);
	json_u64(b, "read", mem->read_seq);
	json_cstr(b, "role", role_name(mem->role));
	if (room->topic != NULL)
		json_cstr(b, "topic", room->topic);
	json_u64(b, "members", room->njoined);
	if (mem->muted_until_ms > m->now_ms)
		json_bool(b, "muted", true);
	if (mem->state == MEMBER_INVITED)
		json_bool(b, "invited", true);
}

static size_t
collect_lines(const struct account *a, uint64_t after, struct line *lines)
{
	size_t n = 0;

	for (const struct conv *c = a->convs; c != NULL; c = c->next)
		if (c->peer != a && c->durable && c->num > after)
			lines[n++] =
			    (struct line){ .conv = c, .order = c->num };
	for (const struct member *mem = a->memberships; mem != NULL;
	     mem = mem->account_next)
		if ((mem->state == MEMBER_JOINED ||
			mem->state == MEMBER_INVITED) &&
		    !mem->room->closed && mem->room->conv != NULL &&
		    mem->room->conv->num > after)
			lines[n++] = (struct line){ .member = mem,
				.order = mem->room->conv->num };
	return n;
}

/* The page size that a request asks for, at most LIST_MAX. */
enum err
list_limit(const struct args *a, size_t *limit)
{
	*limit = args_has(a, K(limit)) ? a->limit : LIST_MAX;
	return *limit == 0 || *limit > LIST_MAX ? ERR_INVALID : OK;
}

enum err
op_conversations(struct message *m, struct call *c)
{
	const struct account *a = c->account;
	struct line *lines;
	struct bytes b;
	uint64_t after = 0;
	size_t n, i, limit;
	enum err rc;

	if ((rc = list_limit(c->a, &limit)) != OK ||
	    (rc = cursor_number(c->a->cursor, &after)) != OK)
		return rc;
	lines = calloc(a->nconvs + a->nmemberships + 1, sizeof(*lines));
	if (lines == NULL)
		return ERR_NOMEM;
	n = collect_lines(a, after, lines);
	qsort(lines, n, sizeof(*lines), line_compare);
	bytes_init(&b, 4 << 20);
	answer_begin(&b, c->rq->rq.id);
	json_array(&b, "conversations");
	for (i = 0; i < n && i < limit; i++) {
		json_item_object(&b);
		if (lines[i].conv != NULL)
			format_conv(m, &b, lines[i].conv);
		else
			format_membership(m, &b, lines[i].member);
		json_object_end(&b);
	}
	json_array_end(&b);
	if (i < n)
		cursor_give(&b, lines[i - 1].order);
	answer_end(m, &b, &c->rq->conn, 0);
	bytes_fini(&b);
	free(lines);
	return OK;
}

/* ---- cursors of lists: decimal numbers to clients' eyes opaque ----------- */

enum err
cursor_number(struct str text, uint64_t *out)
{
	uint64_t v = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9' || i > 18)
			return ERR_INVALID;
		v = v * 10 + (uint64_t)(text.p[i] - '0');
	}
	*out = v;
	return OK;
}

void
cursor_give(struct bytes *b, uint64_t v)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)v);

	json_str(b, "cursor", (struct str){ text, (size_t)n });
}
