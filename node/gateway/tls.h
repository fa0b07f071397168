/*
 * tls: TLS 1.2 and 1.3 by OpenSSL, without a socket.
 *
 * OpenSSL reads and writes through a BIO whose source is what the worker has
 * just read and whose sink is the connection's output: a memory BIO would keep
 * a copy of both for as long as the connection lives.
 *
 * Ownership  what tls_feed is given is borrowed until tls_rest.
 * Threads    a context may be shared, a struct tls is its worker's.
 */
#ifndef NODE_GATEWAY_TLS_H
#define NODE_GATEWAY_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>

#include "base/err.h"
#include "node/gateway/output.h"

/*
 * A context with the certificate chain and the key of these PEM files.
 * ERR_MODE: others can read the key; ERR_INVALID: what says what is wrong;
 * ERR_NOMEM.  Freed with SSL_CTX_free.
 */
enum err tls_context(SSL_CTX **out, const char *certificate, const char *key,
    char *what, size_t what_len) MUST_USE;

struct held;
struct tls {
	SSL *ssl;
	const char *in; /* borrowed */
	size_t n;
	struct output_pool *pool;
	struct output *wire; /* what the socket is to get */
	struct held *plain;  /* the connection's: read and not yet looked at */
};

/* NULL when out of memory. */
struct tls *tls_new(SSL_CTX *ctx, struct output_pool *pool) MUST_USE;
void tls_free(struct tls *t); /* NULL is allowed */

void tls_feed(struct tls *t, const char *p, size_t n);
size_t tls_rest(struct tls *t);

enum tls_result {
	TLS_DATA,
	TLS_MORE, /* wants more bytes; it may have something to write */
	TLS_END,  /* the peer has said that it ends */
	TLS_BAD   /* alert written where there is one: close */
};
enum tls_result tls_read(struct tls *t, char *buf, size_t cap, size_t *n);

/* Into t->wire, all of it.  False: the connection is lost. */
bool tls_write(struct tls *t, const char *p, size_t n) MUST_USE;

/* Says that nothing more follows. */
void tls_end(struct tls *t);

#endif
