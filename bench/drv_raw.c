/* drv_raw.c - the forwarder of forward.c: the least that a message can cost.
 *
 * Lines: "id N" is answered "ok"; "to N" makes the connection a pipe to user N
 * from then on, "room" one to everybody who said "join" (answered "ok"). The
 * bodies go through as they are, a line each. */
#define _GNU_SOURCE
#include "loadgen.h"

#include <string.h>

enum { HELLO, UP, PIPE };    /* c->step */

static void hello(struct conn *c)
{
	lg_printf(c, "id %u\n", c->id);
}

static ssize_t input(struct conn *c, const char *p, size_t n)
{
	const char *eol = memchr(p, '\n', n);
	if (!eol)
		return 0;
	size_t len = (size_t)(eol - p);
	if (len > 2) {
		lg_message(c, p, len);
	} else if (c->step == HELLO) {
		c->step = UP;
		lg_ready(c);
	} else {
		lg_joined(c);
	}
	return (ssize_t)len + 1;
}

static void send_line(struct conn *c, const char *body, size_t len)
{
	lg_out(c, body, len);
	lg_out(c, "\n", 1);
}

static void send_dm(struct conn *c, unsigned to, const char *body, size_t len)
{
	if (c->step == UP) {
		c->step = PIPE;
		lg_printf(c, "to %u\n", to);
	}
	send_line(c, body, len);
}

static void join(struct conn *c)
{
	if (c->receiver)
		lg_printf(c, "join\n");
	else
		lg_joined(c);
}

static void send_room(struct conn *c, const char *body, size_t len)
{
	if (c->step == UP) {
		c->step = PIPE;
		lg_printf(c, "room\n");
	}
	send_line(c, body, len);
}

const struct driver raw_driver = {
	.name = "raw", .port = 7381, .hello = hello, .input = input,
	.send_dm = send_dm, .join = join, .send_room = send_room,
};
