/*
 * room: making rooms, what they are like, and lists of them.
 */
#include <stdlib.h>
#include <string.h>

#include "crypto/random.h"
#include "node/message/handlers.h"
#include "proto/genesis.h"

#define RETENTION_DAYS_MAX 36500

static enum err
access_parse(struct str text, uint32_t *out)
{
	for (uint32_t i = ROOM_PUBLIC; i <= ROOM_INVITE; i++)
		if (str_eq(text, str_of(access_name(i)))) {
			*out = i;
			return OK;
		}
	return ERR_INVALID;
}

static enum err
history_parse(struct str text, uint32_t *out)
{
	for (uint32_t i = ROOM_HISTORY_ALL; i <= ROOM_HISTORY_JOINED; i++)
		if (str_eq(text, str_of(history_name(i)))) {
			*out = i;
			return OK;
		}
	return ERR_INVALID;
}

enum err
role_parse(struct str text, uint32_t *out)
{
	for (uint32_t i = ROLE_MEMBER; i <= ROLE_OWNER; i++)
		if (str_eq(text, str_of(role_name(i)))) {
			*out = i;
			return OK;
		}
	return ERR_INVALID;
}

/* The settings of a request over those in rec. */
static enum err
settings_read(const struct args *a, Kith__RoomRecord *rec)
{
	enum err rc;

	if (args_has(a, K(access)) &&
	    (rc = access_parse(a->access, &rec->access)) != OK)
		return rc;
	if (args_has(a, K(history)) &&
	    (rc = history_parse(a->history, &rec->history)) != OK)
		return rc;
	if (args_has(a, K(retention))) {
		if (a->retention > RETENTION_DAYS_MAX)
			return ERR_INVALID;
		rec->retention_days = (uint32_t)a->retention;
	}
	return topic_valid(a->topic) ? OK : ERR_INVALID;
}

static void
settings_body(const Kith__RoomRecord *rec, struct str topic,
    struct event_body *body)
{
	body->access = rec->access;
	body->history = rec->history;
	body->retention_days = rec->retention_days;
	body->topic = topic;
}

/* ---- create -------------------------------------------------------------- */

struct new_room {
	struct address address;
	struct genesis genesis;
	struct id id;
	uint64_t gate;
	char topic[1024 + 1];
	Kith__RoomRecord rec;
	Kith__MemberRecord owner;
};

static enum err
create_check(struct message *m, struct call *c, struct new_room *n,
    bool *parked)
{
	char skeleton[ADDRESS_SKELETON_MAX];
	struct str name;
	enum err rc;

	if ((rc = address_parse(&n->address, c->a->room, m->realm)) != OK)
		return rc;
	if (n->address.kind != ADDRESS_ROOM)
		return ERR_ADDRESS;
	if (!str_eq(address_realm(&n->address), m->realm))
		return ERR_REALM;
	name = address_local(&n->address);
	if ((rc = address_skeleton(skeleton, sizeof(skeleton), name)) != OK)
		return rc;
	/* Of all names that look like it. */
	n->gate = gate_key(GATE_ROOM_NAME, skeleton, strlen(skeleton));
	rc = gate_pass(m, c, n->gate, parked);
	if (rc != OK || *parked)
		return rc;
	if (registry_room_named(&m->reg, name) != NULL)
		return ERR_EXISTS;
	if (registry_room_like(&m->reg, str_of(skeleton)) != NULL)
		return ERR_LOOKALIKE;
	if (HASH_CNT(hh_id, m->reg.rooms_id) >= m->reg.limits.rooms ||
	    c->account->njoined >= m->cfg.max_rooms_account ||
	    HASH_COUNT(m->reg.members) >= m->reg.limits.members ||
	    HASH_CNT(hh_num, m->reg.convs_num) >= m->reg.limits.convs)
		return ERR_FULL;
	return OK;
}

static enum err
create_records(struct message *m, const struct call *c, struct new_room *n,
    struct draft *d)
{
	struct str name = address_local(&n->address);
	uint8_t salt[GENESIS_SALT_LEN];
	enum err rc;

	random_bytes(salt, sizeof(salt));
	kith__room_record__init(&n->rec);
	n->rec.access = ROOM_PUBLIC;
	n->rec.retention_days = m->cfg.default_retention_days;
	if ((rc = settings_read(c->a, &n->rec)) != OK)
		return rc;
	rc = genesis_room(&n->genesis, identity_public(m->parts.node), salt,
	    m->now_ms, m->realm, name);
	if (rc != OK)
		return rc;
	n->id = n->genesis.id;
	n->rec.id = record_data(n->id.b, ID_LEN);
	n->rec.name = n->address.local;
	n->rec.genesis = record_data(n->genesis.bytes, n->genesis.len);
	n->rec.created_ms = m->now_ms;
	n->rec.has_local = true;
	n->rec.local = draft_local(d);
	if (args_has(c->a, K(topic))) {
		memcpy(n->topic, c->a->topic.p, c->a->topic.n);
		n->topic[c->a->topic.n] = '\0';
		n->rec.topic = n->topic;
	}
	kith__member_record__init(&n->owner);
	n->owner.room = n->rec.id;
	n->owner.account = record_data(c->account->id.b, ID_LEN);
	n->owner.state = MEMBER_JOINED;
	n->owner.role = ROLE_OWNER;
	n->owner.has_joined_seq = n->owner.has_read_seq = true;
	n->owner.joined_seq = n->owner.read_seq = 1;
	return OK;
}

static void
done_created(struct message *m, struct pending *p, enum err err)
{
	struct room *room;
	struct bytes b;

	if (err != OK) {
		answer_error(m, &p->conn, p->id, err, NULL);
		return;
	}
	room = registry_room(&m->reg, &p->entry->event->h.target);
	bytes_init(&b, 1024);
	answer_begin(&b, p->id);
	format_room(m, &b, "room", room);
	format_pos(&b, p->entry->places[0].epoch, p->entry->places[0].seq);
	answer_end(m, &b, &p->conn, 0);
	bytes_fini(&b);
}

/*
 * The room is not in the registry before the commit, so its first entry has
 * its place made by hand: position 1 of the log that the entry creates.
 */
enum err
op_create(struct message *m, struct call *c)
{
	struct new_room n;
	struct pending *p;
	struct draft d;
	bool parked;
	enum err rc;

	if ((rc = create_check(m, c, &n, &parked)) != OK || parked)
		return rc;
	draft_init(m, &d);
	if ((rc = create_records(m, c, &n, &d)) != OK)
		goto out;
	draft_event(m, &d, c, EVENT_ROOM, &n.id);
	settings_body(&n.rec, c->a->topic, &d.body);
	put_room(&d.puts, &n.rec);
	put_member(&d.puts, &n.owner);
	draft_new_log(m, &d, &n.id);
	rc = draft_mailbox(m, &d, c->account, c->account);
	if (rc == OK && (p = pending_new(c, done_created)) == NULL)
		rc = ERR_NOMEM;
	if (rc != OK)
		goto out;
	rc = submit_hold(m, p, n.gate);
	if (rc == OK)
		rc = submit(m, &d, p);
	else
		pending_free(p);
out:
	draft_fini(&d);
	return rc;
}

/* ---- changes ------------------------------------------------------------- */

static enum err
owned_room(struct message *m, struct call *c, enum member_role role,
    struct room **room, bool *parked)
{
	struct member *mem;
	enum err rc;

	*parked = false;
	if ((rc = find_room(m, c->a->room, room)) != OK)
		return rc;
	if ((*room)->closed)
		return ERR_NOTFOUND;
	if (!topic_valid(c->a->reason))
		return ERR_INVALID;
	rc = gate_pass(m, c, room_gate(*room), parked);
	if (rc != OK || *parked)
		return rc;
	mem = registry_member(&m->reg, *room, c->account);
	if (mem == NULL || mem->state != MEMBER_JOINED)
		return ERR_NOT_MEMBER;
	return mem->role >= role ? OK : ERR_FORBIDDEN;
}

static enum err
room_change_submit(struct message *m, struct call *c, struct room *room,
    enum event_kind kind, const Kith__RoomRecord *rec, struct draft *d)
{
	struct pending *p;
	enum err rc;

	draft_event(m, d, c, kind, &room->id);
	d->body.reason = c->a->reason;
	put_room(&d->puts, rec);
	if ((rc = draft_room(m, d, room)) != OK)
		return rc;
	if ((p = pending_new(c, done_placed)) == NULL)
		return ERR_NOMEM;
	if ((rc = submit_hold(m, p, room_gate(room))) != OK) {
		pending_free(p);
		return rc;
	}
	return submit(m, d, p);
}

enum err
op_configure(struct message *m, struct call *c)
{
	Kith__RoomRecord rec;
	struct room *room;
	struct draft d;
	bool parked;
	enum err rc;

	rc = owned_room(m, c, ROLE_OWNER, &room, &parked);
	if (rc != OK || parked)
		return rc;
	room_record(room, &rec);
	if ((rc = settings_read(c->a, &rec)) != OK)
		return rc;
	draft_init(m, &d);
	settings_body(&rec, STR_NONE, &d.body);
	rc = room_change_submit(m, c, room, EVENT_ROOM, &rec, &d);
	draft_fini(&d);
	return rc;
}

enum err
op_topic(struct message *m, struct call *c)
{
	Kith__RoomRecord rec;
	struct room *room;
	struct draft d;
	char topic[1024 + 1];
	bool parked;
	enum err rc;

	if (!topic_valid(c->a->topic) || c->a->topic.n >= sizeof(topic))
		return ERR_INVALID;
	rc = owned_room(m, c, ROLE_MODERATOR, &room, &parked);
	if (rc != OK || parked)
		return rc;
	room_record(room, &rec);
	memcpy(topic, c->a->topic.p, c->a->topic.n);
	topic[c->a->topic.n] = '\0';
	rec.topic = topic;
	draft_init(m, &d);
	d.body.topic = c->a->topic;
	rc = room_change_submit(m, c, room, EVENT_TOPIC, &rec, &d);
	draft_fini(&d);
	return rc;
}

enum err
room_close(struct message *m, struct call *c, struct room *room)
{
	Kith__RoomRecord rec;
	struct draft d;
	enum err rc;

	room_record(room, &rec);
	rec.has_closed = rec.closed = true;
	draft_init(m, &d);
	rc = room_change_submit(m, c, room, EVENT_CLOSED, &rec, &d);
	draft_fini(&d);
	return rc;
}

enum err
op_close(struct message *m, struct call *c)
{
	struct room *room;
	bool parked;
	enum err rc;

	rc = owned_room(m, c, ROLE_OWNER, &room, &parked);
	if (rc != OK || parked)
		return rc;
	return room_close(m, c, room);
}

/* ---- lists --------------------------------------------------------------- */

void
format_room_line(struct message *m, struct bytes *b, const struct room *room)
{
	format_room(m, b, "room", room);
	if (room->topic != NULL)
		json_cstr(b, "topic", room->topic);
	json_cstr(b, "access", access_name(room->access));
	json_cstr(b, "history", history_name(room->history));
	json_u64(b, "retention", room->retention_days);
	json_u64(b, "members", room->njoined);
}

static int
room_compare(const void *a, const void *b)
{
	struct room *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/*
 * Rooms that want accepts, by name, after the name `cursor'.  The list is
 * sorted anew for each page: rooms are few and the request is rationed.
 */
enum err
room_list(struct message *m, struct call *c,
    bool (*want)(const struct call *c, const struct room *room),
    void (*format)(struct message *m, struct bytes *b, const struct room *room))
{
	struct room *room, *next, **v;
	struct str after = c->a->cursor;
	struct bytes b;
	size_t n = 0, i, limit;
	enum err rc;

	if ((rc = list_limit(c->a, &limit)) != OK)
		return rc;
	v = calloc(HASH_CNT(hh_id, m->reg.rooms_id) + 1, sizeof(struct room *));
	if (v == NULL)
		return ERR_NOMEM;
	HASH_ITER(hh_id, m->reg.rooms_id, room, next)
	{
		struct str name = str_of(room->name);

		if (!want(c, room) || !list_matches(c->a->search, name) ||
		    !str_after(name, after))
			continue;
		v[n++] = room;
	}
	qsort(v, n, sizeof(struct room *), room_compare);
	bytes_init(&b, 4 << 20);
	answer_begin(&b, c->rq->rq.id);
	json_array(&b, "rooms");
	for (i = 0; i < n && i < limit; i++) {
		json_item_object(&b);
		format(m, &b, v[i]);
		json_object_end(&b);
	}
	json_array_end(&b);
	if (i < n)
		json_cstr(&b, "cursor", v[i - 1]->name);
	answer_end(m, &b, &c->rq->conn, 0);
	bytes_fini(&b);
	free(v);
	return OK;
}

static bool
room_is_public(const struct call *c, const struct room *room)
{
	(void)c;
	return room->access == ROOM_PUBLIC && !room->closed;
}

enum err
op_rooms(struct message *m, struct call *c)
{
	return room_list(m, c, room_is_public, format_room_line);
}

static int
member_compare(const void *a, const void *b)
{
	struct member *const *x = a, *const *y = b;

	return strcmp((*x)->account->name, (*y)->account->name);
}

static const char *
member_state_name(enum member_state state)
{
	static const char *const names[] = { "left", "joined", "invited",
		"banned" };

	return names[state];
}

static void
format_member(struct message *m, struct bytes *b, const struct member *mem)
{
	format_account(m, b, "account", mem->account);
	if (mem->account->display != NULL)
		json_cstr(b, "display", mem->account->display);
	json_cstr(b, "role", role_name(mem->role));
	json_cstr(b, "state", member_state_name(mem->state));
	if (mem->muted_until_ms > m->now_ms)
		json_bool(b, "muted", true);
}

/* Bans and invites are for moderators to see. */
static size_t
members_collect(struct room *room, const struct member *reader,
    struct str after, struct member **v)
{
	struct member *mem;
	size_t n = 0;

	for (mem = room->members; mem != NULL; mem = mem->room_next) {
		if (mem->state == MEMBER_LEFT ||
		    (mem->state != MEMBER_JOINED &&
			reader->role < ROLE_MODERATOR))
			continue;
		if (str_after(str_of(mem->account->name), after))
			v[n++] = mem;
	}
	qsort(v, n, sizeof(struct member *), member_compare);
	return n;
}

static size_t
members_count(const struct room *room)
{
	size_t n = 0;

	for (const struct member *mem = room->members; mem != NULL;
	     mem = mem->room_next)
		n++;
	return n;
}

enum err
op_members(struct message *m, struct call *c)
{
	struct member *reader, **v;
	struct room *room;
	struct bytes b;
	size_t n, i, limit;
	enum err rc;

	if ((rc = list_limit(c->a, &limit)) != OK ||
	    (rc = find_room(m, c->a->room, &room)) != OK)
		return rc;
	reader = registry_member(&m->reg, room, c->account);
	if (reader == NULL || reader->state != MEMBER_JOINED)
		return ERR_NOT_MEMBER;
	v = calloc(members_count(room) + 1, sizeof(struct member *));
	if (v == NULL)
		return ERR_NOMEM;
	n = members_collect(room, reader, c->a->cursor, v);
	bytes_init(&b, 1 << 20);
	answer_begin(&b, c->rq->rq.id);
	json_array(&b, "members");
	for (i = 0; i < n && i < limit; i++) {
		json_item_object(&b);
		format_member(m, &b, v[i]);
		json_object_end(&b);
	}
	json_array_end(&b);
	json_u64(&b, "joined", room->njoined);
	if (i < n)
		json_cstr(&b, "cursor", v[i - 1]->account->name);
	answer_end(m, &b, &c->rq->conn, 0);
	bytes_fini(&b);
	free(v);
	return OK;
}
