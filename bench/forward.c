/*
 * forward: what a message costs at least: a bare libuv loop that passes bytes
 * from one connection on to others and neither parses, checks nor stores.
 *
 *     forward PORT
 *
 * Prints "ready" when it listens on 127.0.0.1.  The few lines a client says
 * before its connection becomes a pipe stand in drv_raw.c.  A source is not
 * read while a copy of what it sent waits in one of its targets, so memory is
 * bounded by one read for each target.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define USERS_MAX    65536
#define READ_MAX     65536
#define BACKLOG      512
#define LINE_MAX_LEN 32

struct link {
	uv_tcp_t tcp;
	unsigned user;
	struct link *to;  /* a pipe to one connection */
	bool to_room;     /* a pipe to all members */
	unsigned waiting; /* copies that its targets have not written */
	char line[LINE_MAX_LEN];
	size_t line_len;
};

/* Bytes that a target could not take at once. */
struct copy {
	uv_write_t req;
	struct link *source;
	char data[];
};

static uv_loop_t *loop;
static struct link *users[USERS_MAX], *members[USERS_MAX];
static unsigned nmembers;
static char input[READ_MAX];

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf);

static void
die(const char *what, int rc)
{
	fprintf(stderr, "forward: %s: %s\n", what, uv_strerror(rc));
	exit(1);
}

/* One loop, one read at a time: a single buffer does for all. */
static void
on_alloc(uv_handle_t *h, size_t size, uv_buf_t *buf)
{
	(void)h;
	(void)size;
	*buf = uv_buf_init(input, sizeof(input));
}

/*
 * A link is not freed before the process ends: copies and pipes may still
 * name it, and a run has only as many as it has connections.
 */
static void
link_close(struct link *l)
{
	if (uv_is_closing((uv_handle_t *)&l->tcp))
		return;
	for (unsigned i = 0; i < nmembers; i++)
		if (members[i] == l)
			members[i--] = members[--nmembers];
	if (l->user < USERS_MAX && users[l->user] == l)
		users[l->user] = NULL;
	uv_close((uv_handle_t *)&l->tcp, NULL);
}

static void
on_written(uv_write_t *req, int status)
{
	struct copy *c = req->data;
	struct link *source = c->source;

	(void)status;
	free(c);
	if (--source->waiting == 0 &&
	    !uv_is_closing((uv_handle_t *)&source->tcp))
		uv_read_start((uv_stream_t *)&source->tcp, on_alloc, on_read);
}

static void
forward(struct link *source, struct link *target, const char *p, size_t n)
{
	uv_buf_t buf = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);
	struct copy *c;
	int rc;

	if (uv_is_closing((uv_handle_t *)&target->tcp))
		return;
	rc = uv_try_write((uv_stream_t *)&target->tcp, &buf, 1);
	if (rc == (int)n)
		return;
	if (rc < 0 && rc != UV_EAGAIN) {
		link_close(target);
		return;
	}
	if (rc > 0) {
		p += rc;
		n -= (size_t)rc;
	}
	if ((c = malloc(sizeof(*c) + n)) == NULL)
		die("malloc", UV_ENOMEM);
	memcpy(c->data, p, n);
	c->req.data = c;
	c->source = source;
	buf = uv_buf_init(c->data, (unsigned)n);
	rc =
	    uv_write(&c->req, (uv_stream_t *)&target->tcp, &buf, 1, on_written);
	if (rc != 0)
		die("uv_write", rc);
	if (source->waiting++ == 0)
		uv_read_stop((uv_stream_t *)&source->tcp);
}

static void
pass_on(struct link *l, const char *p, size_t n)
{
	if (l->to != NULL)
		forward(l, l->to, p, n);
	else
		for (unsigned i = nmembers; i-- > 0;)
			forward(l, members[i], p, n);
}

static void
say_ok(struct link *l)
{
	forward(l, l, "ok\n", 3);
}

/* False: no such command. */
static bool
command(struct link *l, const char *line)
{
	unsigned user;

	if (sscanf(line, "id %u", &user) == 1 && user < USERS_MAX) {
		l->user = user;
		users[user] = l;
		say_ok(l);
	} else if (sscanf(line, "to %u", &user) == 1 && user < USERS_MAX &&
		   users[user] != NULL) {
		l->to = users[user];
	} else if (strcmp(line, "room") == 0) {
		l->to_room = true;
	} else if (strcmp(line, "join") == 0 && nmembers < USERS_MAX) {
		members[nmembers++] = l;
		say_ok(l);
	} else {
		return false;
	}
	return true;
}

/* Takes lines from p until l is a pipe; returns the bytes used, 0: close. */
static size_t
commands(struct link *l, const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n && l->to == NULL && !l->to_room; i++) {
		if (p[i] != '\n') {
			if (l->line_len == sizeof(l->line) - 1)
				return 0;
			l->line[l->line_len++] = p[i];
			continue;
		}
		l->line[l->line_len] = '\0';
		l->line_len = 0;
		if (!command(l, l->line))
			return 0;
	}
	return i;
}

static void
on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct link *l = s->data;
	size_t used = 0;

	if (n < 0) {
		link_close(l);
		return;
	}
	if (n == 0)
		return;
	if (l->to == NULL && !l->to_room &&
	    (used = commands(l, buf->base, (size_t)n)) == 0) {
		link_close(l);
		return;
	}
	if (used < (size_t)n)
		pass_on(l, buf->base + used, (size_t)n - used);
}

static void
on_connection(uv_stream_t *listener, int status)
{
	struct link *l;

	if (status != 0 || (l = calloc(1, sizeof(*l))) == NULL)
		return;
	l->user = USERS_MAX;
	uv_tcp_init(loop, &l->tcp);
	l->tcp.data = l;
	if (uv_accept(listener, (uv_stream_t *)&l->tcp) != 0) {
		link_close(l);
		return;
	}
	uv_tcp_nodelay(&l->tcp, 1);
	uv_read_start((uv_stream_t *)&l->tcp, on_alloc, on_read);
}

int
main(int argc, char **argv)
{
	struct sockaddr_in addr;
	uv_tcp_t listener;
	char *end;
	long port;
	int rc;

	port = argc == 2 ? strtol(argv[1], &end, 10) : 0;
	if (port < 1 || port > 65535 || *end != '\0') {
		fprintf(stderr, "usage: forward PORT\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	loop = uv_default_loop();
	uv_ip4_addr("127.0.0.1", (int)port, &addr);
	uv_tcp_init(loop, &listener);
	if ((rc = uv_tcp_bind(&listener, (struct sockaddr *)&addr, 0)) != 0 ||
	    (rc = uv_listen((uv_stream_t *)&listener, BACKLOG,
		 on_connection)) != 0)
		die("listen", rc);
	puts("ready");
	fflush(stdout);
	return uv_run(loop, UV_RUN_DEFAULT);
}
