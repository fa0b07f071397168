/*
 * proxy: the header of the PROXY protocol, version 2, which a proxy in front
 * puts before the bytes of a connection to say whose it is.
 *
 * Threads    none.
 * Limits     PROXY_MAX bytes with all its type-length-values.
 */
#ifndef NODE_GATEWAY_PROXY_H
#define NODE_GATEWAY_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <netinet/in.h>

#define PROXY_MAX 552 /* 16, two IPv6 addresses and ports, 500 of extras */

struct proxy {
	bool local;           /* the proxy's own connection: a health check */
	struct in6_addr from; /* unless local; IPv4 is mapped */
};

enum proxy_result {
	PROXY_MORE,
	PROXY_DONE,
	PROXY_BAD /* close without a word, as the specification asks */
};

/* p: all that has come so far.  *used: bytes of the header. */
enum proxy_result proxy_parse(const char *p, size_t n, struct proxy *out,
    size_t *used);

#endif
