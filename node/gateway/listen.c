/*
 * listen: the listening sockets, one of each for every worker.
 */
#include "node/gateway/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096 /* the kernel cuts it to net.core.somaxconn */

static bool
address_parse(struct sockaddr_storage *ss, socklen_t *len, const char *host,
    uint16_t port)
{
	struct sockaddr_in *in = (void *)ss;
	struct sockaddr_in6 *in6 = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		*len = sizeof(*in);
		return true;
	}
	if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		*len = sizeof(*in6);
		return true;
	}
	return false;
}

static uint16_t
port_of(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0)
		return 0;
	return ss.ss_family == AF_INET6
		   ? ntohs(((struct sockaddr_in6 *)(void *)&ss)->sin6_port)
		   : ntohs(((struct sockaddr_in *)(void *)&ss)->sin_port);
}

/* -1: errno says why. */
static int
listen_socket(const struct sockaddr_storage *ss, socklen_t len)
{
	int fd, on = 1, saved;

	fd = socket(ss->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0 &&
	    (ss->ss_family != AF_INET6 ||
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) ==
		    0) &&
	    bind(fd, (const struct sockaddr *)ss, len) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

enum err
listen_open(int *fds, unsigned n, const char *host, uint16_t *port, char *what,
    size_t what_len)
{
	struct sockaddr_storage ss;
	socklen_t len;
	unsigned i;

	if (!address_parse(&ss, &len, host, *port)) {
		snprintf(what, what_len, "%s: not a numeric address", host);
		return ERR_INVALID;
	}
	for (i = 0; i < n; i++) {
		if ((fds[i] = listen_socket(&ss, len)) < 0)
			break;
		/* The kernel has chosen one: the others share it. */
		*port = port_of(fds[i]);
		(void)address_parse(&ss, &len, host, *port);
	}
	if (i == n)
		return OK;
	snprintf(what, what_len, "%s port %u: %s", host, *port,
	    strerror(errno));
	while (i > 0)
		close(fds[--i]);
	return ERR_IO;
}
