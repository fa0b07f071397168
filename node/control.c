#include "node/control.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/logger.h"
#include "proto/json.h"

struct client {
	uv_pipe_t pipe;
	struct control *control;
	uint32_t slot, gen;
	unsigned unanswered;
	bool closing, paused;
	char *in; /* CONTROL_LINE */
	size_t n;
};

struct control {
	uv_loop_t *loop;
	uv_pipe_t listener;
	struct message *message;
	char *path;
	uint32_t next_gen;
	struct client *clients[CONTROL_CLIENTS];
};

struct answer {
	uv_write_t req;
	struct client *client;
	size_t n;
	char text[];
};

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf);

static void
on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct client *cl = h->data;

	(void)suggested;
	*buf = uv_buf_init(cl->in + cl->n, (unsigned)(CONTROL_LINE - cl->n));
}

static void
on_client_closed(uv_handle_t *h)
{
	struct client *cl = h->data;

	cl->control->clients[cl->slot] = NULL;
	free(cl->in);
	free(cl);
}

static void
client_close(struct client *cl)
{
	if (cl->closing)
		return;
	cl->closing = true;
	uv_close((uv_handle_t *)&cl->pipe, on_client_closed);
}

/* ---- answers ------------------------------------------------------------- */

static void
on_written(uv_write_t *req, int status)
{
	struct answer *a = req->data;

	if (status != 0)
		client_close(a->client);
	free(a);
}

static void
client_write(struct client *cl, struct str text)
{
	struct answer *a;
	uv_buf_t buf;

	if (cl->closing)
		return;
	if ((a = malloc(sizeof(*a) + text.n + 1)) == NULL) {
		client_close(cl);
		return;
	}
	a->client = cl;
	a->n = text.n + 1;
	memcpy(a->text, text.p, text.n);
	a->text[text.n] = '\n';
	a->req.data = a;
	buf = uv_buf_init(a->text, (unsigned)a->n);
	if (uv_write(&a->req, (uv_stream_t *)&cl->pipe, &buf, 1, on_written) !=
	    0) {
		free(a);
		client_close(cl);
	}
}

void
control_answer(struct control *c, const struct conn_ref *conn, struct str text)
{
	struct client *cl;

	assert(conn->slot < CONTROL_CLIENTS);
	cl = c->clients[conn->slot];
	if (cl == NULL || cl->gen != conn->gen)
		return;
	cl->unanswered--;
	client_write(cl, text);
	if (cl->paused && cl->unanswered < CONTROL_UNANSWERED / 2 &&
	    !cl->closing) {
		cl->paused = false;
		uv_read_start((uv_stream_t *)&cl->pipe, on_alloc, on_read);
	}
}

/* ---- requests ------------------------------------------------------------ */

static void
client_refuse(struct client *cl, uint64_t id, enum err err, const char *what)
{
	struct bytes b;

	bytes_init(&b, 1024);
	json_object(&b);
	if (id != 0)
		json_u64(&b, "id", id);
	json_object_in(&b, "error");
	json_cstr(&b, "code", err_code(err));
	json_cstr(&b, "text", what != NULL ? what : err_text(err));
	json_object_end(&b);
	json_object_end(&b);
	client_write(cl, (struct str){ b.p, b.n });
	bytes_fini(&b);
}

static void
client_line(struct client *cl, const char *line, size_t n)
{
	const char *what = NULL;
	struct request *rq;
	enum err rc;

	if ((rq = request_new(line, n)) == NULL) {
		client_refuse(cl, 0, ERR_NOMEM, NULL);
		return;
	}
	rq->event = GATEWAY_REQUEST;
	rq->conn = (struct conn_ref){ CONN_CONTROL, cl->slot, cl->gen };
	rq->accepted = mono_now();
	rc = json_read(&rq->rq, rq->text, n, true, &what);
	if (rc == OK && rq->rq.id == 0)
		rc = ERR_INVALID;
	if (rc != OK) {
		client_refuse(cl, rq->rq.id, rc, what);
		request_free(rq);
		return;
	}
	cl->unanswered++;
	message_turn(cl->control->message);
	message_request(cl->control->message, rq);
}

static void
client_lines(struct client *cl)
{
	size_t at = 0;
	char *nl;

	while (!cl->closing &&
	       (nl = memchr(cl->in + at, '\n', cl->n - at)) != NULL) {
		client_line(cl, cl->in + at, (size_t)(nl - (cl->in + at)));
		at = (size_t)(nl - cl->in) + 1;
	}
	memmove(cl->in, cl->in + at, cl->n - at);
	cl->n -= at;
	explicit_bzero(cl->in + cl->n, at); /* passwords */
	if (cl->n == CONTROL_LINE) {
		client_refuse(cl, 0, ERR_TOO_LARGE, NULL);
		client_close(cl);
	}
}

static void
on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct client *cl = s->data;

	(void)buf;
	if (n < 0) {
		client_close(cl);
		return;
	}
	cl->n += (size_t)n;
	client_lines(cl);
	if (cl->unanswered >= CONTROL_UNANSWERED && !cl->closing) {
		cl->paused = true;
		uv_read_stop(s);
	}
}

static void
on_refused_closed(uv_handle_t *h)
{
	struct client *cl = h->data;

	free(cl->in);
	free(cl);
}

static void
on_connection(uv_stream_t *s, int status)
{
	struct control *c = s->data;
	struct client *cl;
	uint32_t slot = 0;

	if (status != 0)
		return;
	while (slot < CONTROL_CLIENTS && c->clients[slot] != NULL)
		slot++;
	cl = calloc(1, sizeof(*cl));
	if (cl != NULL)
		cl->in = malloc(CONTROL_LINE);
	if (cl == NULL || cl->in == NULL) {
		free(cl);
		return;
	}
	cl->control = c;
	cl->pipe.data = cl;
	uv_pipe_init(c->loop, &cl->pipe, 0);
	if (slot == CONTROL_CLIENTS) {
		/* Accepted and closed: it must not stay in the backlog. */
		log_warning("control", "too many connections max=%d",
		    CONTROL_CLIENTS);
		cl->slot = 0;
		cl->closing = true;
		(void)uv_accept(s, (uv_stream_t *)&cl->pipe);
		uv_close((uv_handle_t *)&cl->pipe, on_refused_closed);
		return;
	}
	cl->slot = slot;
	cl->gen = ++c->next_gen;
	c->clients[slot] = cl;
	if (uv_accept(s, (uv_stream_t *)&cl->pipe) != 0 ||
	    uv_read_start((uv_stream_t *)&cl->pipe, on_alloc, on_read) != 0)
		client_close(cl);
}

enum err
control_open(struct control **out, uv_loop_t *loop, const char *path)
{
	struct control *c;
	mode_t old;
	int rc;

	if ((c = calloc(1, sizeof(*c))) == NULL ||
	    (c->path = strdup(path)) == NULL) {
		free(c);
		return ERR_NOMEM;
	}
	c->loop = loop;
	uv_pipe_init(loop, &c->listener, 0);
	c->listener.data = c;
	/* The lock of the data directory is ours, so a socket is stale. */
	(void)unlink(path);
	old = umask(0177);
	rc = uv_pipe_bind(&c->listener, path);
	umask(old);
	*out = c;
	return rc == 0 ? OK : err_from_errno(-rc);
}

void
control_start(struct control *c, struct message *m)
{
	c->message = m;
	(void)uv_listen((uv_stream_t *)&c->listener, 16, on_connection);
}

void
control_close(struct control *c)
{
	if (!uv_is_closing((uv_handle_t *)&c->listener))
		uv_close((uv_handle_t *)&c->listener, NULL);
	for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
		if (c->clients[i] != NULL)
			client_close(c->clients[i]);
	(void)unlink(c->path);
}

void
control_free(struct control *c)
{
	if (c == NULL)
		return;
	free(c->path);
	free(c);
}
