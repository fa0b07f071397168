#include "cli/client.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wslay/wslay.h>

#include "base/bytes.h"
#include "base/mono.h"
#include "crypto/random.h"

#define HEAD_MAX 8192

struct client {
	int fd;
	SSL_CTX *tls_ctx;
	SSL *tls;
	wslay_event_context_ptr ws;
	struct client_options options;
	uint64_t next_id, waiting; /* id of the request that waits */
	json_t *answer;
	bool closed, would_block;
	char error_text[512];
	char rest[HEAD_MAX]; /* bytes read behind the HTTP head */
	size_t nrest, rest_at;
};

static char message[512];

/* ---- bytes in and out ---------------------------------------------------- */

static bool
wait_for(int fd, short events, struct mono end)
{
	struct pollfd p = { .fd = fd, .events = events };
	uint64_t left = mono_ms_between(mono_now(), end);
	int rc;

	do
		rc = poll(&p, 1, left > 600000 ? 600000 : (int)left);
	while (rc < 0 && errno == EINTR);
	return rc > 0;
}

/* >0 bytes, 0 nothing now, -1 the end. */
static ssize_t
raw_read(struct client *c, void *p, size_t n)
{
	ssize_t got;
	int e;

	if (c->tls == NULL) {
		do
			got = recv(c->fd, p, n, 0);
		while (got < 0 && errno == EINTR);
		if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return 0;
		return got <= 0 ? -1 : got;
	}
	e = SSL_read(c->tls, p, n > 65536 ? 65536 : (int)n);
	if (e > 0)
		return e;
	e = SSL_get_error(c->tls, e);
	return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static ssize_t
raw_write(struct client *c, const void *p, size_t n)
{
	ssize_t put;
	int e;

	if (c->tls == NULL) {
		do
			put = send(c->fd, p, n, MSG_NOSIGNAL);
		while (put < 0 && errno == EINTR);
		if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return 0;
		return put <= 0 ? -1 : put;
	}
	e = SSL_write(c->tls, p, n > 65536 ? 65536 : (int)n);
	if (e > 0)
		return e;
	e = SSL_get_error(c->tls, e);
	return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static enum err
write_all(struct client *c, const char *p, size_t n, struct mono end)
{
	ssize_t put;

	while (n > 0) {
		if ((put = raw_write(c, p, n)) < 0)
			return ERR_CLOSED;
		p += put;
		n -= (size_t)put;
		if (put == 0 && !wait_for(c->fd, POLLOUT, end))
			return ERR_TIMEOUT;
	}
	return OK;
}

/* ---- wslay --------------------------------------------------------------- */

static ssize_t
ws_recv(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags,
    void *arg)
{
	struct client *c = arg;
	ssize_t n;

	(void)flags;
	if (c->rest_at < c->nrest) {
		if (len > c->nrest - c->rest_at)
			len = c->nrest - c->rest_at;
		memcpy(buf, c->rest + c->rest_at, len);
		c->rest_at += len;
		return (ssize_t)len;
	}
	if ((n = raw_read(c, buf, len)) > 0)
		return n;
	if (n == 0) {
		wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	c->closed = true;
	wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

static ssize_t
ws_send(wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags,
    void *arg)
{
	struct client *c = arg;
	ssize_t n = raw_write(c, data, len);

	(void)flags;
	if (n > 0)
		return n;
	wslay_event_set_error(ctx,
	    n == 0 ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
	c->closed = c->closed || n < 0;
	return -1;
}

static int
ws_mask(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, void *arg)
{
	(void)ctx;
	(void)arg;
	random_bytes(buf, len);
	return 0;
}

static void
ws_message(wslay_event_context_ptr ctx,
    const struct wslay_event_on_msg_recv_arg *m, void *arg)
{
	struct client *c = arg;
	json_t *json;

	(void)ctx;
	if (m->opcode == WSLAY_CONNECTION_CLOSE) {
		c->closed = true;
		return;
	}
	if (m->opcode != WSLAY_TEXT_FRAME)
		return;
	json = json_loadb((const char *)m->msg, m->msg_length,
	    JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(json)) {
		c->closed = true;
	} else if (json_object_get(json, "push") != NULL) {
		if (c->options.push != NULL)
			c->options.push(c->options.arg, json);
	} else if (c->waiting != 0 && c->answer == NULL &&
		   (uint64_t)json_integer_value(json_object_get(json, "id")) ==
		       c->waiting) {
		c->answer = json_incref(json);
	}
	json_decref(json);
}

static bool
pump(struct client *c)
{
	if (wslay_event_want_write(c->ws) && wslay_event_send(c->ws) != 0)
		c->closed = true;
	if (!c->closed && wslay_event_recv(c->ws) != 0)
		c->closed = true;
	if (!c->closed && wslay_event_want_write(c->ws) &&
	    wslay_event_send(c->ws) != 0)
		c->closed = true;
	return !c->closed;
}

/* ---- connecting ---------------------------------------------------------- */

struct place {
	bool tls;
	char host[256], port[8];
};

static bool
url_parse(const char *url, struct place *p)
{
	const char *end, *colon;
	size_t n;

	memset(p, 0, sizeof(*p));
	if (strncmp(url, "wss://", 6) == 0) {
		p->tls = true;
		url += 6;
	} else if (strncmp(url, "ws://", 5) == 0) {
		url += 5;
	} else {
		return false;
	}
	end = url + strcspn(url, "/");
	if (*url == '[') {
		const char *close = memchr(url, ']', (size_t)(end - url));

		if (close == NULL)
			return false;
		colon = close + 1 < end && close[1] == ':' ? close + 1 : NULL;
		n = (size_t)(close - url) - 1;
		url++;
	} else {
		colon = memchr(url, ':', (size_t)(end - url));
		n = (size_t)((colon != NULL ? colon : end) - url);
	}
	if (n == 0 || n >= sizeof(p->host))
		return false;
	memcpy(p->host, url, n);
	snprintf(p->port, sizeof(p->port), "%s", p->tls ? "7443" : "7440");
	if (colon != NULL) {
		n = (size_t)(end - colon) - 1;
		if (n == 0 || n >= sizeof(p->port))
			return false;
		memcpy(p->port, colon + 1, n);
		p->port[n] = '\0';
	}
	return true;
}

static bool
is_loopback(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof(in));
		return ntohl(in.sin_addr.s_addr) >> 24 == 127;
	} else {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof(in6));
		return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
	}
}

static int
connect_one(const struct addrinfo *ai, struct mono end)
{
	int fd, e = 0, one = 1;
	socklen_t n = sizeof(e);

	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	if (fd < 0)
		return -1;
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) != 0 &&
	    (errno != EINPROGRESS || !wait_for(fd, POLLOUT, end) ||
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n) != 0 || e != 0)) {
		if (e != 0)
			errno = e;
		(void)close(fd);
		return -1;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static enum err
tcp_open(struct client *c, const struct place *p, struct mono end,
    const char **why)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *ai;
	int rc;

	*why = message;
	if ((rc = getaddrinfo(p->host, p->port, &hints, &list)) != 0) {
		snprintf(message, sizeof(message), "%s: %s", p->host,
		    gai_strerror(rc));
		return ERR_NOTFOUND;
	}
	snprintf(message, sizeof(message), "%s: no address", p->host);
	for (ai = list; ai != NULL && c->fd < 0; ai = ai->ai_next) {
		if (!p->tls && !is_loopback(ai->ai_addr)) {
			snprintf(message, sizeof(message),
			    "%s: ws:// is for this machine only, use wss://",
			    p->host);
			continue;
		}
		if ((c->fd = connect_one(ai, end)) < 0)
			snprintf(message, sizeof(message), "%s port %s: %s",
			    p->host, p->port,
			    errno == EINPROGRESS ? "timed out"
						 : strerror(errno));
	}
	freeaddrinfo(list);
	return c->fd >= 0 ? OK : ERR_CLOSED;
}

static enum err
tls_open(struct client *c, const struct place *p, struct mono end,
    const char **why)
{
	struct in6_addr any;
	bool numeric = inet_pton(AF_INET, p->host, &any) == 1 ||
		       inet_pton(AF_INET6, p->host, &any) == 1;
	X509_VERIFY_PARAM *param;
	int rc, e;

	*why = message;
	c->tls_ctx = SSL_CTX_new(TLS_client_method());
	if (c->tls_ctx == NULL || (c->tls = SSL_new(c->tls_ctx)) == NULL)
		return ERR_NOMEM;
	SSL_CTX_set_min_proto_version(c->tls_ctx, TLS1_2_VERSION);
	(void)SSL_CTX_set_default_verify_paths(c->tls_ctx);
	SSL_set_verify(c->tls, SSL_VERIFY_PEER, NULL);
	SSL_set_mode(c->tls, SSL_MODE_ENABLE_PARTIAL_WRITE |
				 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	param = SSL_get0_param(c->tls);
	if (numeric) {
		(void)X509_VERIFY_PARAM_set1_ip_asc(param, p->host);
	} else {
		(void)X509_VERIFY_PARAM_set1_host(param, p->host, 0);
		(void)SSL_set_tlsext_host_name(c->tls, p->host);
	}
	(void)SSL_set_fd(c->tls, c->fd);
	while ((rc = SSL_connect(c->tls)) != 1) {
		e = SSL_get_error(c->tls, rc);
		if ((e == SSL_ERROR_WANT_READ &&
			wait_for(c->fd, POLLIN, end)) ||
		    (e == SSL_ERROR_WANT_WRITE &&
			wait_for(c->fd, POLLOUT, end)))
			continue;
		snprintf(message, sizeof(message), "%s: TLS: %s", p->host,
		    SSL_get_verify_result(c->tls) != X509_V_OK
			? X509_verify_cert_error_string(
			      SSL_get_verify_result(c->tls))
			: "handshake failed");
		return ERR_SIGNATURE;
	}
	return OK;
}

static void
base64(char *out, const uint8_t *p, size_t n)
{
	(void)EVP_EncodeBlock((unsigned char *)out, p, (int)n);
}

/* RFC 6455, section 4.2.2: the proof that the server speaks WebSocket. */
static void
accept_of(char out[static 32], const char *key)
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char sha[20];
	unsigned n = sizeof(sha);
	char text[96];

	snprintf(text, sizeof(text), "%s%s", key, guid);
	(void)EVP_Digest(text, strlen(text), sha, &n, EVP_sha1(), NULL);
	base64(out, sha, sizeof(sha));
}

static enum err
head_read(struct client *c, char *head, struct mono end)
{
	size_t n = 0;
	char *stop;
	ssize_t got;

	for (;;) {
		if ((got = raw_read(c, head + n, HEAD_MAX - 1 - n)) < 0)
			return ERR_CLOSED;
		n += (size_t)got;
		head[n] = '\0';
		if ((stop = strstr(head, "\r\n\r\n")) != NULL)
			break;
		if (n == HEAD_MAX - 1)
			return ERR_TOO_LARGE;
		if (got == 0 && !wait_for(c->fd, POLLIN, end))
			return ERR_TIMEOUT;
	}
	stop += 4;
	c->nrest = n - (size_t)(stop - head);
	memcpy(c->rest, stop, c->nrest);
	*stop = '\0';
	return OK;
}

static enum err
upgrade(struct client *c, const struct place *p, struct mono end,
    const char **why)
{
	char request[1024], head[HEAD_MAX], key[32], want[32];
	uint8_t nonce[16];
	enum err rc;

	*why = "the server does not answer";
	random_bytes(nonce, sizeof(nonce));
	base64(key, nonce, sizeof(nonce));
	accept_of(want, key);
	snprintf(request, sizeof(request),
	    "GET /v1/ws HTTP/1.1\r\nHost: %s:%s\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
	    "Sec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Protocol: kith.v1\r\n\r\n",
	    p->host, p->port, key);
	if ((rc = write_all(c, request, strlen(request), end)) != OK ||
	    (rc = head_read(c, head, end)) != OK)
		return rc;
	if (strncmp(head, "HTTP/1.1 101", 12) != 0 ||
	    strcasestr(head, "kith.v1") == NULL || strstr(head, want) == NULL) {
		*why = "it is no kith server";
		return ERR_UNSUPPORTED;
	}
	return OK;
}

enum err
client_open(struct client **out, const struct client_options *o,
    const char **why)
{
	static const struct wslay_event_callbacks callbacks = {
		.recv_callback = ws_recv,
		.send_callback = ws_send,
		.genmask_callback = ws_mask,
		.on_msg_recv_callback = ws_message,
	};
	struct mono end = mono_add_ms(mono_now(), (uint64_t)o->timeout_ms);
	struct client *c;
	struct place p;
	enum err rc;

	*why = "out of memory";
	(void)signal(SIGPIPE, SIG_IGN);
	if (!url_parse(o->url, &p)) {
		*why = "expected ws://HOST:PORT or wss://HOST:PORT";
		return ERR_INVALID;
	}
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return ERR_NOMEM;
	c->fd = -1;
	c->options = *o;
	rc = tcp_open(c, &p, end, why);
	if (rc == OK && p.tls)
		rc = tls_open(c, &p, end, why);
	if (rc == OK)
		rc = upgrade(c, &p, end, why);
	if (rc == OK &&
	    wslay_event_context_client_init(&c->ws, &callbacks, c) != 0)
		rc = ERR_NOMEM;
	if (rc != OK) {
		client_close(c);
		return rc;
	}
	wslay_event_config_set_max_recv_msg_length(c->ws, CLIENT_FRAME_MAX);
	*out = c;
	return OK;
}

void
client_close(struct client *c)
{
	if (c == NULL)
		return;
	if (c->ws != NULL) {
		if (!c->closed) {
			(void)wslay_event_queue_close(c->ws,
			    WSLAY_CODE_NORMAL_CLOSURE, NULL, 0);
			(void)wslay_event_send(c->ws);
		}
		wslay_event_context_free(c->ws);
	}
	SSL_free(c->tls);
	SSL_CTX_free(c->tls_ctx);
	if (c->fd >= 0)
		(void)close(c->fd);
	json_decref(c->answer);
	free(c);
}

/* ---- talking ------------------------------------------------------------- */

enum err
client_cast(struct client *c, json_t *request)
{
	struct wslay_event_msg msg = { .opcode = WSLAY_TEXT_FRAME };
	char *text = json_dumps(request, JSON_COMPACT);

	json_decref(request);
	if (text == NULL)
		return ERR_NOMEM;
	msg.msg = (const uint8_t *)text;
	msg.msg_length = strlen(text);
	if (wslay_event_queue_msg(c->ws, &msg) != 0 ||
	    wslay_event_send(c->ws) != 0)
		c->closed = true;
	explicit_bzero(text, msg.msg_length);
	free(text);
	return c->closed ? ERR_CLOSED : OK;
}

enum err
client_wait(struct client *c, int timeout_ms)
{
	struct mono end = timeout_ms < 0
			      ? MONO_NEVER
			      : mono_add_ms(mono_now(), (uint64_t)timeout_ms);
	short events = POLLIN;

	if (wslay_event_want_write(c->ws))
		events |= POLLOUT;
	if (!client_pending(c) && !wait_for(c->fd, events, end))
		return ERR_TIMEOUT;
	return pump(c) ? OK : ERR_CLOSED;
}

static enum err
answer_take(struct client *c, json_t **ok)
{
	json_t *error = json_object_get(c->answer, "error");
	const char *code, *text;
	enum err rc = OK;

	if (error != NULL) {
		code = json_string_value(json_object_get(error, "code"));
		text = json_string_value(json_object_get(error, "text"));
		rc = err_from_code(code != NULL ? code : "");
		snprintf(c->error_text, sizeof(c->error_text), "%s",
		    text != NULL ? text : err_text(rc));
		if (rc == OK)
			rc = ERR_INTERNAL;
	} else {
		*ok = json_incref(json_object_get(c->answer, "ok"));
		if (*ok == NULL)
			rc = ERR_MALFORMED;
	}
	json_decref(c->answer);
	c->answer = NULL;
	return rc;
}

enum err
client_request(struct client *c, json_t *request, json_t **ok)
{
	struct mono end =
	    mono_add_ms(mono_now(), (uint64_t)c->options.timeout_ms);
	enum err rc;

	*ok = NULL;
	c->waiting = ++c->next_id;
	(void)json_object_set_new(request, "id",
	    json_integer((json_int_t)c->waiting));
	if ((rc = client_cast(c, request)) != OK)
		return rc;
	while (c->answer == NULL) {
		uint64_t left = mono_ms_between(mono_now(), end);

		if (left == 0)
			return ERR_TIMEOUT;
		rc = client_wait(c, (int)left);
		if (rc != OK && c->answer == NULL)
			return rc;
	}
	c->waiting = 0;
	return answer_take(c, ok);
}

const char *
client_error_text(const struct client *c)
{
	return c->error_text;
}

int
client_fd(const struct client *c)
{
	return c->fd;
}

bool
client_pending(const struct client *c)
{
	return c->rest_at < c->nrest ||
	       (c->tls != NULL && SSL_pending(c->tls) > 0);
}
