/*
 * client: a connection to a kith node: TCP or TLS, WebSocket, requests and
 * pushes as JSON.
 *
 * One request at a time waits for its answer; pushes that come meanwhile go
 * to the push function.  What the server sends is bounded (CLIENT_FRAME_MAX)
 * and parsed strictly; anything else ends the connection.
 *
 * Ownership  JSON values are jansson's references: *takes* or *returns* is
 *            said where it applies.
 * Threads    none.
 */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

#define CLIENT_FRAME_MAX (8 << 20)

struct client;

struct client_options {
	const char *url; /* ws://HOST[:PORT] or wss://HOST[:PORT] */
	int timeout_ms;  /* for connecting and for each answer */
	void (*push)(void *arg, json_t *message); /* borrows message */
	void *arg;
};

/* On error *why (static or in a buffer of the module) says what failed.
 * Plain ws:// is taken for loopback addresses only. */
enum err client_open(struct client **out, const struct client_options *o,
    const char **why) MUST_USE;
void client_close(struct client *c); /* NULL is allowed */

/*
 * Sends request (takes it; "id" is added) and waits for its answer, of which
 * *ok gets the reference.  ERR_TIMEOUT, ERR_CLOSED: the connection cannot be
 * used any more; another error: the server's, client_error_text says more.
 */
enum err client_request(struct client *c, json_t *request,
    json_t **ok) MUST_USE;

/* What the server said with its last error. */
const char *client_error_text(const struct client *c);

/* Sends a request that has no answer; takes it. */
enum err client_cast(struct client *c, json_t *request) MUST_USE;

/* Handles pushes for up to timeout_ms (-1: until something comes).
 * ERR_TIMEOUT: nothing came; ERR_CLOSED. */
enum err client_wait(struct client *c, int timeout_ms) MUST_USE;

/* For poll(2); and whether something is buffered already. */
int client_fd(const struct client *c);
bool client_pending(const struct client *c);

#endif
