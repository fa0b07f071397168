#include "node/gateway/tls.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/err.h>

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

/* ---- the BIO ------------------------------------------------------------- */

static int
bio_read(BIO *bio, char *buf, int len)
{
	struct tls *t = BIO_get_data(bio);
	size_t n = t->n < (size_t)len ? t->n : (size_t)len;

	BIO_clear_retry_flags(bio);
	if (n == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	memcpy(buf, t->in, n);
	t->in += n;
	t->n -= n;
	return (int)n;
}

static int
bio_write(BIO *bio, const char *buf, int len)
{
	struct tls *t = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (len <= 0)
		return 0;
	return output_add(t->pool, &t->wire, buf, (size_t)len) ? len : -1;
}

static long
bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	(void)bio;
	(void)num;
	(void)ptr;
	return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

static void
method_make(void)
{
	method =
	    BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "gateway");
	if (method == NULL)
		return;
	BIO_meth_set_read(method, bio_read);
	BIO_meth_set_write(method, bio_write);
	BIO_meth_set_ctrl(method, bio_ctrl);
}

/* ---- contexts ------------------------------------------------------------ */

/* RFC 7301: whoever speaks ALPN must offer HTTP/1.1. */
static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen,
    const unsigned char *in, unsigned inlen, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *selected;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&selected, outlen, ours, sizeof(ours) - 1, in,
		inlen) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = selected;
	return SSL_TLSEXT_ERR_OK;
}

static enum err
key_mode(const char *path, char *what, size_t what_len)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		snprintf(what, what_len, "%s: %s", path, strerror(errno));
		return ERR_INVALID;
	}
	if ((st.st_mode & S_IROTH) != 0) {
		snprintf(what, what_len, "%s: %s", path, err_text(ERR_MODE));
		return ERR_MODE;
	}
	return OK;
}

static enum err
complain(char *what, size_t what_len, const char *path)
{
	char why[256];

	ERR_error_string_n(ERR_get_error(), why, sizeof(why));
	ERR_clear_error();
	snprintf(what, what_len, "%s: %s", path, why);
	return ERR_INVALID;
}

static void
context_options(SSL_CTX *ctx)
{
	static const unsigned char id[] = "kith";

	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx,
	    SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
		SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS |
				  SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Resumption by tickets: the state is the client's to keep. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1);
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
}

enum err
tls_context(SSL_CTX **out, const char *certificate, const char *key, char *what,
    size_t what_len)
{
	SSL_CTX *ctx;
	enum err rc;

	pthread_once(&method_once, method_make);
	if ((rc = key_mode(key, what, what_len)) != OK)
		return rc;
	ERR_clear_error();
	if (method == NULL ||
	    (ctx = SSL_CTX_new(TLS_server_method())) == NULL) {
		snprintf(what, what_len, "%s", err_text(ERR_NOMEM));
		return ERR_NOMEM;
	}
	context_options(ctx);
	if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1)
		rc = complain(what, what_len, certificate);
	else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
		 SSL_CTX_check_private_key(ctx) != 1)
		rc = complain(what, what_len, key);
	if (rc != OK) {
		SSL_CTX_free(ctx);
		return rc;
	}
	*out = ctx;
	return OK;
}

/* ---- connections --------------------------------------------------------- */

struct tls *
tls_new(SSL_CTX *ctx, struct output_pool *pool)
{
	struct tls *t;
	BIO *bio;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		return NULL;
	t->pool = pool;
	t->ssl = SSL_new(ctx);
	bio = t->ssl != NULL ? BIO_new(method) : NULL;
	if (bio == NULL) {
		SSL_free(t->ssl);
		free(t);
		ERR_clear_error();
		return NULL;
	}
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	SSL_set_bio(t->ssl, bio, bio);
	SSL_set_accept_state(t->ssl);
	return t;
}

void
tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	SSL_free(t->ssl);
	output_free(t->pool, t->wire);
	free(t->plain);
	free(t);
}

void
tls_feed(struct tls *t, const char *p, size_t n)
{
	t->in = p;
	t->n = n;
}

size_t
tls_rest(struct tls *t)
{
	size_t n = t->n;

	t->in = NULL;
	t->n = 0;
	return n;
}

enum tls_result
tls_read(struct tls *t, char *buf, size_t cap, size_t *n)
{
	int r;

	ERR_clear_error();
	if (SSL_read_ex(t->ssl, buf, cap, n) == 1)
		return TLS_DATA;
	r = SSL_get_error(t->ssl, 0);
	ERR_clear_error();
	if (r == SSL_ERROR_WANT_READ)
		return TLS_MORE;
	return r == SSL_ERROR_ZERO_RETURN ? TLS_END : TLS_BAD;
}

bool
tls_write(struct tls *t, const char *p, size_t n)
{
	size_t written;

	ERR_clear_error();
	while (n > 0) {
		if (SSL_write_ex(t->ssl, p, n, &written) != 1) {
			ERR_clear_error();
			return false;
		}
		p += written;
		n -= written;
	}
	return true;
}

void
tls_end(struct tls *t)
{
	ERR_clear_error();
	if (SSL_is_init_finished(t->ssl))
		(void)SSL_shutdown(t->ssl);
	ERR_clear_error();
}
