/*
 * listen: the listening sockets, one of each for every worker.
 */
#ifndef NODE_GATEWAY_LISTEN_H
#define NODE_GATEWAY_LISTEN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Opens n sockets that share an address and a port (SO_REUSEPORT), so that
 * the kernel spreads connections over them; *port 0: any, told.  ERR_INVALID,
 * ERR_IO: what says which and why, and none is open.
 */
enum err listen_open(int *fds, unsigned n, const char *host, uint16_t *port,
    char *what, size_t what_len) MUST_USE;

#endif
