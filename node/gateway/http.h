/*
 * http: the requests of HTTP/1.1 that the gateway knows, without a socket.
 *
 * Parsed by libhttp-parser as the bytes come; kept is only what decides the
 * answer, so a struct http is small and lent to a connection while a request
 * is incomplete.  Bodies are refused: nothing here takes one.
 *
 * Threads    none.
 * Limits     HTTP_BYTES and HTTP_HEADERS of a request.
 */
#ifndef NODE_GATEWAY_HTTP_H
#define NODE_GATEWAY_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <http_parser.h>

#include "base/bytes.h"

#define HTTP_BYTES   8192
#define HTTP_HEADERS 64
#define HTTP_VALUE   512 /* bytes of a header that matters here */

enum http_header {
	HTTP_OTHER,
	HTTP_HOST,
	HTTP_ORIGIN,
	HTTP_CONNECTION,
	HTTP_UPGRADE,
	HTTP_KEY,
	HTTP_VERSION,
	HTTP_PROTOCOL
};

struct http {
	http_parser parser;
	uint32_t bytes, headers;
	unsigned status; /* 0, or what to answer to a bad request */
	bool done, in_value;
	enum http_header header; /* the one being read */
	char name[32];
	size_t nname;
	char value[HTTP_VALUE];
	size_t nvalue;
	/* What was found. */
	char url[HTTP_VALUE], host[HTTP_VALUE], origin[HTTP_VALUE];
	size_t nurl, nhost, norigin;
	char key[24];
	unsigned hosts, origins, keys, versions;
	bool key_ok, version_ok;
	bool connection_upgrade, upgrade_websocket, protocol_kith;
};

void http_init(struct http *h);

enum http_result {
	HTTP_MORE,
	HTTP_DONE, /* a whole request: http_route, http_init for the next */
	HTTP_BAD   /* answer h->status and close */
};

/* *used: how much of p belonged to the request; the rest is what follows. */
enum http_result http_feed(struct http *h, const char *p, size_t n,
    size_t *used);

enum http_target {
	HTTP_T_NONE, /* status says why */
	HTTP_T_WEBSOCKET,
	HTTP_T_HEALTHZ,
	HTTP_T_READYZ,
	HTTP_T_METRICS
};

/* Which resources are there, and from which pages a WebSocket may come. */
struct http_policy {
	bool metrics; /* the listener for the monitoring */
	char *const *origins;
	size_t norigins;
};

/* Decides about a request that is DONE.  With HTTP_T_NONE, *status is the
 * error.  */
enum http_target http_route(const struct http *h,
    const struct http_policy *policy, unsigned *status);

/* Of a request that is DONE. */
bool http_keep_alive(const struct http *h);
bool http_head(const struct http *h);

/* The answer to an upgrade, section 4.2.2 of RFC 6455. */
void http_switch(const struct http *h, struct bytes *out);

/*
 * Another answer; with the sentence of the status when body is STR_NONE and
 * it is an error.  head: without the body itself.
 */
void http_answer(struct bytes *out, unsigned status, const char *type,
    struct str body, bool head, bool keep_alive);

#endif
