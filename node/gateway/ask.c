/*
 * ask: requests to main, and the answers that need no main.
 */
#include <arpa/inet.h>
#include <string.h>

#include "node/gateway/conn.h"
#include "proto/json.h"

static void
address_text(char *out, size_t cap, const struct in6_addr *ip)
{
	if (IN6_IS_ADDR_V4MAPPED(ip))
		inet_ntop(AF_INET, ip->s6_addr + 12, out, (socklen_t)cap);
	else
		inet_ntop(AF_INET6, ip, out, (socklen_t)cap);
}

static void
identify(struct conn *c, struct request *r, enum gateway_event event)
{
	struct worker *w = conn_worker(c);

	r->event = event;
	r->conn = (struct conn_ref){ w->index, c->slot, c->gen };
	r->accepted = w->now;
}

struct request *
conn_event(struct conn *c, enum gateway_event event, size_t n)
{
	struct request *r = request_take(conn_worker(c)->pool, n);

	if (r != NULL)
		identify(c, r, event);
	return r;
}

static void
refuse(struct conn *c, uint64_t id, enum err err, const char *what)
{
	struct worker *w = conn_worker(c);
	struct bytes *b = &w->scratch;

	counter_add(&w->counters.errors[err], 1);
	bytes_reset(b);
	json_object(b);
	if (id != 0)
		json_u64(b, "id", id);
	json_object_in(b, "error");
	json_cstr(b, "code", err_code(err));
	json_cstr(b, "text", what != NULL ? what : err_text(err));
	json_object_end(b);
	json_object_end(b);
	conn_text(c, (struct str){ b->p, b->n });
	if (err != ERR_MALFORMED)
		return;
	counter_add(&w->counters.malformed, 1);
	if (++c->malformed == CONN_MALFORMED_MAX && conn_live(c))
		conn_bye(c, ERR_MALFORMED, WS_POLICY);
}

/* What can be told without main. */
static enum err
admit(struct conn *c, const struct request *r)
{
	const struct op_info *info = op_info(r->rq.op);
	struct worker *w = conn_worker(c);

	if (!c->authenticated && (info->flags & OP_OPEN) == 0)
		return ERR_UNAUTHENTICATED;
	if ((info->flags & OP_PASSWORD) != 0 &&
	    !limit_password(c->address, &w->settings->passwords, w->now)) {
		counter_add(&w->counters.rate_limited, 1);
		return ERR_RATE;
	}
	return OK;
}

/*
 * Acknowledgements are cumulative: of those that wait together for main only
 * the newest of a log matters.
 */
static bool
merge_ack(struct conn *c, struct request *r)
{
	struct worker *w = conn_worker(c);
	struct args *last;

	if (r->rq.op != OP_ACK)
		return false;
	if (c->ack != NULL && c->ack_turn == w->turn) {
		last = &c->ack->rq.args;
		if (str_eq(last->log, r->rq.args.log)) {
			if (last->seq < r->rq.args.seq)
				last->seq = r->rq.args.seq;
			counter_add(&w->counters.acks_merged, 1);
			return true;
		}
	}
	c->ack = r;
	c->ack_turn = w->turn;
	return false;
}

void
conn_request(struct conn *c, const char *p, size_t n)
{
	struct worker *w = conn_worker(c);
	const char *what = NULL;
	struct request *r;
	enum err rc;

	if ((r = conn_event(c, GATEWAY_REQUEST, n)) == NULL) {
		conn_bye(c, ERR_NOMEM, WS_INTERNAL);
		return;
	}
	if (n > 0)
		memcpy(r->text, p, n);
	rc = json_read(&r->rq, r->text, n, false, &what);
	if (rc == OK)
		rc = admit(c, r);
	if (rc != OK) {
		refuse(c, r->rq.id, rc, what);
		request_free(r);
		return;
	}
	if (merge_ack(c, r)) {
		request_free(r);
		return;
	}
	if (!c->authenticated)
		address_text(r->address, sizeof(r->address), &c->ip);
	c->known = true;
	if ((op_info(r->rq.op)->flags & OP_SILENT) == 0)
		c->asked++;
	worker_request(w, r);
}
