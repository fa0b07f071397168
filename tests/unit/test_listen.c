/*
 * Listening sockets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/gateway/listen.h"

#define N 4

static char what[256];

static void
close_all(int *fds)
{
	for (int i = 0; i < N; i++)
		close(fds[i]);
}

static void
all_workers_share_a_port(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "::1" };
	struct sockaddr_storage ss;
	uint16_t port, seen;
	socklen_t len;
	int fds[N];

	(void)state;
	for (int h = 0; h < 2; h++) {
		port = 0;
		assert_int_equal(
		    listen_open(fds, N, hosts[h], &port, what, sizeof(what)),
		    OK);
		assert_int_not_equal(port, 0);
		for (int i = 0; i < N; i++) {
			len = sizeof(ss);
			assert_int_equal(
			    getsockname(fds[i], (struct sockaddr *)&ss, &len),
			    0);
			/* At the same place in both families. */
			seen = ((struct sockaddr_in *)(void *)&ss)->sin_port;
			assert_int_equal(ntohs(seen), port);
		}
		close_all(fds);
	}
}

static void
a_name_is_no_address(void **state)
{
	uint16_t port = 0;
	int fds[N];

	(void)state;
	assert_int_equal(
	    listen_open(fds, N, "localhost", &port, what, sizeof(what)),
	    ERR_INVALID);
	assert_string_equal(what, "localhost: not a numeric address");
}

/* Somebody who does not share has it: nothing stays open. */
static void
a_port_in_use_is_told(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM, 0), fds[N], probe;
	uint16_t port;

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	port = ntohs(in.sin_port);
	assert_int_equal(
	    listen_open(fds, N, "127.0.0.1", &port, what, sizeof(what)),
	    ERR_IO);
	assert_non_null(strstr(what, "127.0.0.1 port "));
	assert_non_null(strstr(what, "Address already in use"));
	probe = dup(fd);
	assert_int_equal(probe, fd + 1);
	close(probe);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_workers_share_a_port),
		cmocka_unit_test(a_name_is_no_address),
		cmocka_unit_test(a_port_in_use_is_told),
	};

	return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
