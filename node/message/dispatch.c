/*
 * dispatch: from a request to the handler of its operation.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/logger.h"
#include "node/message/handlers.h"

/* Like OP_TABLE: a missing row is caught by the assertion below. */
static const handler handlers[OP_COUNT] = {
	[OP_RESUME] = op_resume,
	[OP_LOGIN] = op_login,
	[OP_REGISTER] = op_register,
	[OP_RECOVER] = op_recover,
	[OP_FEED] = op_feed,
	[OP_LOGOUT] = op_logout,
	[OP_PASSWD] = op_passwd,
	[OP_RECOVERY] = op_recovery,
	[OP_DEVICES] = op_devices,
	[OP_REVOKE] = op_revoke,
	[OP_PROFILE] = op_profile,
	[OP_DEACTIVATE] = op_deactivate,
	[OP_BLOCK] = op_block,
	[OP_UNBLOCK] = op_block,
	[OP_BLOCKS] = op_blocks,
	[OP_SEND] = op_post,
	[OP_EDIT] = op_post,
	[OP_REDACT] = op_post,
	[OP_REACT] = op_post,
	[OP_STREAM] = op_stream,
	[OP_READ] = op_read,
	[OP_ACK] = op_ack,
	[OP_DIRECT] = op_direct,
	[OP_HISTORY] = op_history,
	[OP_CONVERSATIONS] = op_conversations,
	[OP_ROOMS] = op_rooms,
	[OP_CREATE] = op_create,
	[OP_JOIN] = op_join,
	[OP_LEAVE] = op_leave,
	[OP_INVITE] = op_invite,
	[OP_KICK] = op_kick,
	[OP_BAN] = op_ban,
	[OP_UNBAN] = op_unban,
	[OP_MUTE] = op_mute,
	[OP_UNMUTE] = op_mute,
	[OP_ROLE] = op_role,
	[OP_TOPIC] = op_topic,
	[OP_CONFIGURE] = op_configure,
	[OP_MEMBERS] = op_members,
	[OP_CLOSE] = op_close,
	[OP_TYPING] = op_typing,
	[OP_PRESENCE] = op_presence,
	[OP_WATCH] = op_watch,
	[OP_PING] = op_ping,
	[OP_CTL_STATUS] = ctl_status,
	[OP_CTL_ACCOUNT_ADD] = ctl_account_add,
	[OP_CTL_ACCOUNT_PASSWD] = ctl_account_passwd,
	[OP_CTL_ACCOUNT_TOKEN] = ctl_account_token,
	[OP_CTL_ACCOUNT_DISABLE] = ctl_account_disable,
	[OP_CTL_ACCOUNT_REMOVE] = ctl_account_remove,
	[OP_CTL_ACCOUNT_OPERATOR] = ctl_account_operator,
	[OP_CTL_ACCOUNT_LIST] = ctl_account_list,
	[OP_CTL_INVITE_ADD] = ctl_invite_add,
	[OP_CTL_INVITE_LIST] = ctl_invite_list,
	[OP_CTL_INVITE_REVOKE] = ctl_invite_revoke,
	[OP_CTL_ROOM_LIST] = ctl_room_list,
	[OP_CTL_ROOM_CLOSE] = ctl_room_close,
	[OP_CTL_BAN] = ctl_ban,
	[OP_CTL_UNBAN] = ctl_unban,
	[OP_CTL_BAN_LIST] = ctl_ban_list,
	[OP_CTL_SESSIONS] = ctl_sessions,
	[OP_CTL_SESSION_CLOSE] = ctl_session_close,
	[OP_CTL_QUEUE] = ctl_queue,
	[OP_CTL_CACHE] = ctl_cache,
	[OP_CTL_STORAGE] = ctl_storage,
	[OP_CTL_LOG_LEVEL] = ctl_log_level,
	[OP_CTL_RELOAD] = ctl_reload,
	[OP_CTL_DOCTOR] = ctl_doctor,
	[OP_CTL_STOP] = ctl_stop,
};

/*
 * The operation budget of an account over all its connections: a bucket of
 * ops_burst that fills with ops_per_second.
 */
static bool
budget_take(struct message *m, struct account *a)
{
	uint64_t us, more;

	us = mono_us_between(a->budget_at, m->now);
	more = us >= 60000000 ? m->cfg.ops_burst
			      : us * m->cfg.ops_per_second / 1000000;
	if (a->budget_at.ns == 0)
		more = m->cfg.ops_burst;
	if (more > 0) {
		a->budget_at = m->now;
		a->budget = a->budget + more > m->cfg.ops_burst
				? m->cfg.ops_burst
				: a->budget + (uint32_t)more;
	}
	if (a->budget == 0)
		return false;
	a->budget--;
	return true;
}

/* Answered again only from the beginning on. */
static bool
is_first_run(const struct resumed *r)
{
	return !r->looked_up && !r->hashed && !r->waited;
}

static enum err
call_check(struct message *m, struct call *c, const struct op_info *info)
{
	if ((info->flags & OP_CONTROL) != 0)
		return OK;
	if (c->account == NULL) {
		if ((info->flags & OP_OPEN) == 0)
			return ERR_UNAUTHENTICATED;
		return c->s->entering ? ERR_BUSY : OK;
	}
	if ((info->flags & OP_OPEN) != 0)
		return ERR_INVALID; /* logged in already */
	if ((info->flags & OP_SILENT) == 0 && is_first_run(c->r) &&
	    !budget_take(m, c->account))
		return ERR_RATE;
	return OK;
}

/* False: the connection is gone, or ends, or there is no memory for it. */
static bool
call_session(struct message *m, struct call *c)
{
	const struct conn_ref *conn = &c->rq->conn;

	if (conn->worker == CONN_CONTROL)
		return true;
	/* What has waited must not bring back a connection that went. */
	if (is_first_run(c->r)) {
		c->s = notify_session(m->parts.notify, c->rq);
		if (c->s == NULL)
			answer_error(m, conn, c->rq->rq.id, ERR_NOMEM, NULL);
	} else {
		c->s = notify_find(m->parts.notify, conn);
	}
	if (c->s == NULL || c->s->closing)
		return false;
	c->account = c->s->account;
	c->device = c->s->device;
	return true;
}

void
call_run(struct message *m, struct request *rq, const struct resumed *resumed)
{
	const struct op_info *info = op_info(rq->rq.op);
	struct call c = { .rq = rq, .a = &rq->rq.args, .r = resumed };
	enum err rc;

	assert(handlers[rq->rq.op] != NULL);
	if (!call_session(m, &c)) {
		request_free(rq);
		return;
	}
	rc = m->stopping && (info->flags & OP_WRITE) != 0
		 ? ERR_CLOSED
		 : call_check(m, &c, info);
	if (rc == OK)
		rc = handlers[rq->rq.op](m, &c);
	if (rc != OK && (info->flags & OP_SILENT) == 0)
		answer_error(m, &rq->conn, rq->rq.id, rc, NULL);
	else if (rc != OK)
		m->stats.errors[rc]++;
	if (!c.kept)
		request_free(rq);
}

void
message_request(struct message *m, struct request *rq)
{
	static const struct resumed fresh;
	struct session *s;

	switch (rq->event) {
	case GATEWAY_REQUEST:
		m->stats.ops[rq->rq.op]++;
		call_run(m, rq, &fresh);
		return;
	case GATEWAY_SUSPENDED:
		notify_suspended(m->parts.notify, rq);
		break;
	case GATEWAY_DRAINED:
		notify_drained(m->parts.notify, rq);
		break;
	case GATEWAY_CLOSED:
		if ((s = notify_find(m->parts.notify, &rq->conn)) != NULL) {
			session_gone(m, s);
			notify_closed(m->parts.notify, s);
		}
		break;
	case GATEWAY_METRICS: {
		struct bytes b;

		bytes_init(&b, 1 << 20);
		message_metrics(m, &b);
		push_text(m, &rq->conn, &b, 0);
		break;
	}
	}
	request_free(rq);
}

void
message_drop_requests(struct channel_item *items)
{
	struct channel_item *next;

	for (; items != NULL; items = next) {
		next = items->next;
		request_free((struct request *)items);
	}
}
