/*
 * member: who is in a room, and what moderators do.  Every change is an
 * event in the room and in the mailbox of the account it is about.
 */
#include <string.h>

#include "node/message/handlers.h"

/* A change of one membership on its way. */
struct change {
	struct room *room;
	struct account *subject;
	struct member *actor;  /* the caller's membership, or NULL */
	struct member *member; /* the subject's, or NULL */
	bool parked;
};

/*
 * Finds room and subject (the caller without `account'), and waits for
 * changes of the room under way.
 */
static enum err
change_begin(struct message *m, struct call *c, struct change *ch)
{
	enum err rc;

	memset(ch, 0, sizeof(*ch));
	if (!topic_valid(c->a->reason))
		return ERR_INVALID;
	if ((rc = find_room(m, c->a->room, &ch->room)) != OK)
		return rc;
	if (ch->room->closed)
		return ERR_NOTFOUND;
	ch->subject = c->account;
	if (args_has(c->a, K(account)) &&
	    (rc = find_account(m, c->a->account, &ch->subject)) != OK)
		return rc;
	rc = gate_pass(m, c, room_gate(ch->room), &ch->parked);
	if (rc != OK || ch->parked)
		return rc;
	ch->actor = registry_member(&m->reg, ch->room, c->account);
	ch->member = registry_member(&m->reg, ch->room, ch->subject);
	return OK;
}

static bool
joined(const struct member *mem)
{
	return mem != NULL && mem->state == MEMBER_JOINED;
}

static bool
is_in(const struct member *mem)
{
	return joined(mem) || (mem != NULL && mem->state == MEMBER_INVITED);
}

/* A moderator may act on members, an owner on all. */
static enum err
may_moderate(const struct change *ch)
{
	if (!joined(ch->actor))
		return ERR_NOT_MEMBER;
	if (ch->actor->role < ROLE_MODERATOR)
		return ERR_FORBIDDEN;
	if (ch->member != NULL && ch->member != ch->actor &&
	    ch->member->state == MEMBER_JOINED &&
	    ch->member->role >= ch->actor->role &&
	    ch->actor->role != ROLE_OWNER)
		return ERR_FORBIDDEN;
	return OK;
}

/* The record as it is now, or of a new member. */
static void
change_record(const struct change *ch, Kith__MemberRecord *rec)
{
	if (ch->member != NULL) {
		member_record(ch->member, rec);
		return;
	}
	kith__member_record__init(rec);
	rec->room = record_data(ch->room->id.b, ID_LEN);
	rec->account = record_data(ch->subject->id.b, ID_LEN);
	rec->role = ROLE_MEMBER;
}

/* Submits the event and the changed record (NULL: removed). */
static enum err
change_submit(struct message *m, struct call *c, struct change *ch,
    enum event_kind kind, const Kith__MemberRecord *rec, struct draft *d)
{
	struct pending *p;
	char subject[ADDRESS_ROOM_FOR];
	enum err rc;

	draft_event(m, d, c, kind, &ch->room->id);
	d->body.reason = c->a->reason;
	if (ch->subject != c->account)
		d->body.subject = account_address(m, ch->subject, subject);
	if (rec != NULL)
		put_member(&d->puts, rec);
	else if (ch->member != NULL)
		put_member_gone(&d->puts, ch->member);
	if ((rc = draft_room(m, d, ch->room)) != OK ||
	    (rc = draft_mailbox(m, d, ch->subject, ch->subject)) != OK)
		return rc;
	if ((p = pending_new(c, done_placed)) == NULL)
		return ERR_NOMEM;
	if ((rc = submit_hold(m, p, room_gate(ch->room))) != OK) {
		pending_free(p);
		return rc;
	}
	return submit(m, d, p);
}

static enum err
change_simple(struct message *m, struct call *c, struct change *ch,
    enum event_kind kind, const Kith__MemberRecord *rec)
{
	struct draft d;
	enum err rc;

	draft_init(m, &d);
	rc = change_submit(m, c, ch, kind, rec, &d);
	draft_fini(&d);
	return rc;
}

/* Invitations and bans are records too: a room has at most twice as many as
 * it may have members, and an account as it may have rooms. */
static enum err
member_fits(struct message *m, const struct change *ch)
{
	if (ch->member != NULL)
		return OK;
	if (ch->room->nmembers / 2 >= m->cfg.max_room_members ||
	    ch->subject->nmemberships / 2 >= m->cfg.max_rooms_account ||
	    HASH_COUNT(m->reg.members) >= m->reg.limits.members)
		return ERR_FULL;
	return OK;
}

static enum err
may_join(struct message *m, const struct call *c, const struct change *ch)
{
	if (ch->member != NULL && ch->member->state == MEMBER_BANNED)
		return ERR_BANNED;
	if (joined(ch->member))
		return ERR_EXISTS;
	if (ch->room->access != ROOM_PUBLIC &&
	    (ch->member == NULL || ch->member->state != MEMBER_INVITED))
		return ch->room->access == ROOM_PRIVATE ? ERR_NOTFOUND
							: ERR_FORBIDDEN;
	if (ch->room->njoined >= m->cfg.max_room_members ||
	    c->account->njoined >= m->cfg.max_rooms_account)
		return ERR_FULL;
	return member_fits(m, ch);
}

enum err
op_join(struct message *m, struct call *c)
{
	Kith__MemberRecord rec;
	struct change ch;
	enum err rc;

	if ((rc = change_begin(m, c, &ch)) != OK || ch.parked)
		return rc;
	if ((rc = may_join(m, c, &ch)) != OK)
		return rc;
	change_record(&ch, &rec);
	rec.state = MEMBER_JOINED;
	rec.has_joined_seq = rec.has_read_ord = rec.has_read_seq = true;
	rec.joined_seq = ch.room->log.head.given + 1;
	rec.read_seq = rec.joined_seq;
	rec.read_ord =
	    ch.room->conv != NULL ? (uint32_t)ch.room->conv->ord.given : 0;
	return change_simple(m, c, &ch, EVENT_JOIN, &rec);
}

/* The last owner cannot go: nobody could close the room. */
static bool
last_owner(const struct change *ch)
{
	const struct member *mem;

	if (ch->member->role != ROLE_OWNER)
		return false;
	for (mem = ch->room->members; mem != NULL; mem = mem->room_next)
		if (mem != ch->member && mem->state == MEMBER_JOINED &&
		    mem->role == ROLE_OWNER)
			return false;
	return true;
}

/* Gone from the list, but a mute outlasts leaving and coming back. */
static enum err
change_out(struct message *m, struct call *c, struct change *ch,
    enum event_kind kind)
{
	Kith__MemberRecord rec;

	if (ch->member->muted_until_ms <= m->now_ms)
		return change_simple(m, c, ch, kind, NULL);
	member_record(ch->member, &rec);
	rec.state = MEMBER_LEFT;
	rec.role = ROLE_MEMBER;
	return change_simple(m, c, ch, kind, &rec);
}

enum err
op_leave(struct message *m, struct call *c)
{
	struct change ch;
	enum err rc;

	if ((rc = change_begin(m, c, &ch)) != OK || ch.parked)
		return rc;
	if (!is_in(ch.member))
		return ERR_NOT_MEMBER;
	if (ch.member->state == MEMBER_JOINED && last_owner(&ch))
		return ERR_FORBIDDEN;
	return change_out(m, c, &ch, EVENT_LEAVE);
}

enum err
op_invite(struct message *m, struct call *c)
{
	Kith__MemberRecord rec;
	struct change ch;
	enum err rc;

	if ((rc = change_begin(m, c, &ch)) != OK || ch.parked)
		return rc;
	if (!joined(ch.actor))
		return ERR_NOT_MEMBER;
	if (ch.room->access == ROOM_INVITE && ch.actor->role < ROLE_MODERATOR)
		return ERR_FORBIDDEN;
	if (joined(ch.member))
		return ERR_EXISTS;
	if (ch.member != NULL && ch.member->state == MEMBER_BANNED)
		return ERR_BANNED;
	if (ch.subject->state != ACCOUNT_ACTIVE)
		return ERR_NOTFOUND;
	if (account_blocks(ch.subject, &c->account->id))
		return ERR_BLOCKED;
	if (ch.member != NULL && ch.member->state == MEMBER_INVITED)
		return ERR_EXISTS;
	if ((rc = member_fits(m, &ch)) != OK)
		return rc;
	change_record(&ch, &rec);
	rec.state = MEMBER_INVITED;
	return change_simple(m, c, &ch, EVENT_INVITE, &rec);
}

enum err
op_kick(struct message *m, struct call *c)
{
	struct change ch;
	enum err rc;

	if ((rc = change_begin(m, c, &ch)) != OK || ch.parked)
		return rc;
	if ((rc = may_moderate(&ch)) != OK)
		return rc;
	if (ch.member == ch.actor)
		return ERR_INVALID;
	if (!is_in(ch.member))
		return ERR_NOTFOUND;
	return change_out(m, c, &ch, EVENT_KICK);
}

enum err
op_ban(struct message *m, struct call *c)
{
	Kith__MemberRecord rec;
	struct change ch;
	enum err rc;

	if ((rc = change_begin(m, c, &ch)) != OK || ch.parked)
		return rc;
	if ((rc = may_moderate(&ch)) != OK)
		return rc;
	if (ch.member == ch.actor)
		return ERR_INVALID;
	if (ch.member != NULL && ch.member->state == MEMBER_BANNED)
		return ERR_EXISTS;
	if ((rc = member_fits(m, &ch)) != OK)
		return rc;
	change_record(&ch, &rec);
	rec.state = MEMBER_BANNED;
	rec.role = ROLE_MEMBER;
	return change_simple(m, c, &ch, EVENT_BAN, &rec);
}

enum err
op_unban(struct message *m, struct call *c)
{
	struct change ch;
	enum err rc;

	if ((rc = change_begin(m, c, &ch)) != OK || ch.parked)
		return rc;
	if ((rc = may_moderate(&ch)) != OK)
		return rc;
	if (ch.member == NULL || ch.member->state != MEMBER_BANNED)
		return ERR_NOTFOUND;
	return change_simple(m, c, &ch, EVENT_UNBAN, NULL);
}

/* Mute and unmute. */
enum err
op_mute(struct message *m, struct call *c)
{
	bool mute = c->rq->rq.op == OP_MUTE;
	Kith__MemberRecord rec;
	struct change ch;
	struct draft d;
	enum err rc;

	if ((rc = change_begin(m, c, &ch)) != OK || ch.parked)
		return rc;
	if ((rc = may_moderate(&ch)) != OK)
		return rc;
	if (ch.member == ch.actor)
		return ERR_INVALID;
	if (ch.member == NULL || ch.member->state == MEMBER_BANNED)
		return ERR_NOTFOUND;
	change_record(&ch, &rec);
	rec.has_muted_until_ms = true;
	if (!mute)
		rec.muted_until_ms = 0;
	else if (c->a->seconds == 0 || c->a->seconds > 400ull * 86400)
		rec.muted_until_ms = UINT64_MAX;
	else
		rec.muted_until_ms = m->now_ms + c->a->seconds * 1000;
	draft_init(m, &d);
	d.body.seconds = c->a->seconds;
	rc = change_submit(m, c, &ch, mute ? EVENT_MUTE : EVENT_UNMUTE, &rec,
	    &d);
	draft_fini(&d);
	return rc;
}

enum err
op_role(struct message *m, struct call *c)
{
	Kith__MemberRecord rec;
	struct change ch;
	struct draft d;
	uint32_t role;
	enum err rc;

	if ((rc = role_parse(c->a->role, &role)) != OK)
		return rc;
	if ((rc = change_begin(m, c, &ch)) != OK || ch.parked)
		return rc;
	if (!joined(ch.actor))
		return ERR_NOT_MEMBER;
	if (ch.actor->role != ROLE_OWNER)
		return ERR_FORBIDDEN;
	if (!joined(ch.member))
		return ERR_NOTFOUND;
	if (role != ROLE_OWNER && last_owner(&ch))
		return ERR_FORBIDDEN;
	change_record(&ch, &rec);
	rec.role = role;
	draft_init(m, &d);
	d.body.role = role;
	rc = change_submit(m, c, &ch, EVENT_ROLE, &rec, &d);
	draft_fini(&d);
	return rc;
}
