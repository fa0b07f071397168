/*
 * accept: new connections, and where they go.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/gateway/conn.h"

#define ACCEPT_TURN 64 /* in one turn, so that the others get theirs */

/* An answer where there is a language for it, then the end. */
static void
refuse(struct worker *w, int fd, unsigned listener, unsigned status)
{
	struct bytes *b = &w->scratch;
	char ignored[4096];

	counter_add(&w->counters.refused, 1);
	if (!w->gateway->listeners[listener].tls) {
		bytes_reset(b);
		http_answer(b, status, NULL, STR_NONE, false, false);
		/* What is unread when it is closed would cost the answer. */
		(void)recv(fd, ignored, sizeof(ignored), MSG_DONTWAIT);
		(void)send(fd, b->p, b->n, MSG_DONTWAIT | MSG_NOSIGNAL);
		(void)shutdown(fd, SHUT_WR);
	}
	close(fd);
}

static void
limit_warn(struct worker *w, const char *what)
{
	uint32_t left_out;

	if (log_allowed(&w->log_limit, mono_now(), 10, &left_out))
		log_warning("gateway", "%s worker=%u left_out=%u", what,
		    w->index, left_out);
}

/* Undoes what accepting has counted. */
static void
uncount(struct worker *w)
{
	balance_leave(w->gateway->balance, w->index);
	atomic_fetch_sub(&w->gateway->connections, 1);
}

void
accept_take(struct worker *w, struct incoming *in)
{
	struct gateway *g = w->gateway;
	struct limit_address *address = NULL;
	enum err rc = OK;

	if (w->stopping)
		rc = ERR_CLOSED;
	else if (!g->listeners[in->listener].proxy)
		rc = limit_open(g->limit, &in->ip,
		    w->settings->max_connections_address, mono_now(), &address);
	if (rc != OK) {
		uncount(w);
		if (rc == ERR_TOO_MANY) {
			counter_add(&w->counters.refused_address, 1);
			limit_warn(w, "an address has too many connections");
		}
		refuse(w, in->fd, in->listener, rc == ERR_TOO_MANY ? 429 : 503);
	} else if (!conn_start(w, in->fd, in->listener, &in->ip, address)) {
		uncount(w);
		if (address != NULL)
			limit_close(g->limit, address, mono_now());
		refuse(w, in->fd, in->listener, 503);
	}
	free(in);
}

static void
hand_over(struct worker *w, struct incoming *in)
{
	struct gateway *g = w->gateway;
	int to;

	if (atomic_fetch_add(&g->connections, 1) >=
	    w->settings->max_connections) {
		limit_warn(w, "there are as many connections as allowed");
		to = BALANCE_NOWHERE;
	} else {
		to = balance_place(g->balance, w->index, mono_now());
		if (to == BALANCE_NOWHERE)
			limit_warn(w, "overloaded, connections are shed");
	}
	if (to == BALANCE_NOWHERE) {
		atomic_fetch_sub(&g->connections, 1);
		refuse(w, in->fd, in->listener, 503);
		free(in);
	} else if ((unsigned)to == w->index) {
		accept_take(w, in);
	} else if (channel_push(g->workers[to]->incoming, &in->link) != OK) {
		balance_leave(g->balance, (unsigned)to);
		atomic_fetch_sub(&g->connections, 1);
		refuse(w, in->fd, in->listener, 503);
		free(in);
	}
}

static struct in6_addr
address_of(const struct sockaddr_storage *ss)
{
	struct in6_addr ip = { 0 };

	if (ss->ss_family == AF_INET6)
		return ((const struct sockaddr_in6 *)(const void *)ss)
		    ->sin6_addr;
	ip.s6_addr[10] = ip.s6_addr[11] = 0xff;
	memcpy(ip.s6_addr + 12,
	    &((const struct sockaddr_in *)(const void *)ss)->sin_addr, 4);
	return ip;
}

/* False: there is none, for now. */
static bool
accept_one(struct accepting *a)
{
	struct worker *w = a->worker;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct incoming *in;
	int fd;

	fd = accept4(a->fd, (struct sockaddr *)&ss, &len,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		if (errno == EAGAIN || errno == EINTR)
			return false;
		/* Out of descriptors, say: the listener stays readable, so it
		 * is left alone for a tick. */
		if (errno != ECONNABORTED && errno != EPROTO) {
			limit_warn(w, strerror(errno));
			accept_pause(w, true);
			return false;
		}
		return true;
	}
	if ((in = malloc(sizeof(*in))) == NULL) {
		close(fd);
		return true;
	}
	in->fd = fd;
	in->listener = a->listener;
	in->ip = address_of(&ss);
	hand_over(w, in);
	return true;
}

static void
on_readable(uv_poll_t *p, int status, int events)
{
	struct accepting *a = p->data;

	(void)events;
	if (status != 0)
		return;
	for (int i = 0; i < ACCEPT_TURN; i++)
		if (!accept_one(a))
			break;
}

void
accept_start(struct worker *w)
{
	for (unsigned i = 0; i < w->naccepting; i++) {
		struct accepting *a = &w->accepting[i];

		a->worker = w;
		a->poll.data = a;
		uv_poll_init(&w->loop, &a->poll, a->fd);
		uv_poll_start(&a->poll, UV_READABLE, on_readable);
	}
}

void
accept_pause(struct worker *w, bool pause)
{
	if (w->accept_paused == pause || w->stopping)
		return;
	w->accept_paused = pause;
	for (unsigned i = 0; i < w->naccepting; i++) {
		if (pause)
			uv_poll_stop(&w->accepting[i].poll);
		else
			uv_poll_start(&w->accepting[i].poll, UV_READABLE,
			    on_readable);
	}
}

static void
on_closed(uv_handle_t *h)
{
	struct accepting *a = h->data;

	close(a->fd);
	a->fd = -1;
}

void
accept_stop(struct worker *w)
{
	for (unsigned i = 0; i < w->naccepting; i++)
		uv_close((uv_handle_t *)&w->accepting[i].poll, on_closed);
}
