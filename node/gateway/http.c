#include "node/gateway/http.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>
#include <openssl/sha.h>

#define PROTOCOL "kith.v1"

static const struct known {
	const char *name;
	enum http_header header;
} known[] = {
	{ "host", HTTP_HOST },
	{ "origin", HTTP_ORIGIN },
	{ "connection", HTTP_CONNECTION },
	{ "upgrade", HTTP_UPGRADE },
	{ "sec-websocket-key", HTTP_KEY },
	{ "sec-websocket-version", HTTP_VERSION },
	{ "sec-websocket-protocol", HTTP_PROTOCOL },
};

/* ---- the parser's callbacks ---------------------------------------------- */

/* The first refusal counts; what is returned stops the parser. */
static int
refuse(struct http *h, unsigned status)
{
	if (h->status == 0)
		h->status = status;
	return -1;
}

/* Whether a list, RFC 9110 section 5.6.1, has the token; case is ignored. */
static bool
has_token(struct str list, const char *token, bool exact)
{
	size_t len = strlen(token), n;
	const char *end;

	while (list.n > 0) {
		end = memchr(list.p, ',', list.n);
		n = end != NULL ? (size_t)(end - list.p) : list.n;
		struct str item = { list.p, n };

		list.p += end != NULL ? n + 1 : n;
		list.n -= end != NULL ? n + 1 : n;
		while (item.n > 0 && (*item.p == ' ' || *item.p == '\t')) {
			item.p++;
			item.n--;
		}
		while (item.n > 0 && (item.p[item.n - 1] == ' ' ||
					 item.p[item.n - 1] == '\t'))
			item.n--;
		if (item.n == len &&
		    (exact ? memcmp(item.p, token, len)
			   : strncasecmp(item.p, token, len)) == 0)
			return true;
	}
	return false;
}

/* Base64 of 16 bytes, section 4.1 of RFC 6455. */
static bool
key_ok(struct str v)
{
	if (v.n != 24 || v.p[22] != '=' || v.p[23] != '=')
		return false;
	for (size_t i = 0; i < 22; i++) {
		char c = v.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			(c >= '0' && c <= '9') || c == '+' || c == '/'))
			return false;
	}
	return true;
}

static void
keep(char *to, size_t *n, struct str v)
{
	memcpy(to, v.p, v.n);
	*n = v.n;
}

/* A header is complete. */
static void
header_end(struct http *h)
{
	struct str v = { h->value, h->nvalue };

	switch (h->header) {
	case HTTP_OTHER:
		break;
	case HTTP_HOST:
		h->hosts++;
		keep(h->host, &h->nhost, v);
		break;
	case HTTP_ORIGIN:
		h->origins++;
		keep(h->origin, &h->norigin, v);
		break;
	case HTTP_CONNECTION:
		h->connection_upgrade |= has_token(v, "upgrade", false);
		break;
	case HTTP_UPGRADE:
		h->upgrade_websocket |= has_token(v, "websocket", false);
		break;
	case HTTP_KEY:
		h->keys++;
		h->key_ok = key_ok(v);
		if (h->key_ok)
			memcpy(h->key, v.p, sizeof(h->key));
		break;
	case HTTP_VERSION:
		h->versions++;
		h->version_ok = str_eq(v, STR("13"));
		break;
	case HTTP_PROTOCOL:
		h->protocol_kith |= has_token(v, PROTOCOL, true);
		break;
	}
	h->header = HTTP_OTHER;
	h->nvalue = 0;
	h->nname = 0;
	h->in_value = false;
}

static int
on_url(http_parser *p, const char *at, size_t n)
{
	struct http *h = p->data;

	if (n > sizeof(h->url) - h->nurl)
		return refuse(h, 414);
	memcpy(h->url + h->nurl, at, n);
	h->nurl += n;
	return 0;
}

static int
on_field(http_parser *p, const char *at, size_t n)
{
	struct http *h = p->data;

	if (h->in_value)
		header_end(h);
	if (h->nname == 0 && ++h->headers > HTTP_HEADERS)
		return refuse(h, 431);
	/* A name too long to be known is marked by a length past the room. */
	if (n > sizeof(h->name) - h->nname)
		h->nname = sizeof(h->name);
	else {
		memcpy(h->name + h->nname, at, n);
		h->nname += n;
	}
	return 0;
}

static int
on_value(http_parser *p, const char *at, size_t n)
{
	struct http *h = p->data;

	if (!h->in_value) {
		h->in_value = true;
		h->header = HTTP_OTHER;
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (h->nname == strlen(known[i].name) &&
			    strncasecmp(h->name, known[i].name, h->nname) == 0)
				h->header = known[i].header;
	}
	if (h->header == HTTP_OTHER)
		return 0;
	if (n > sizeof(h->value) - h->nvalue)
		return refuse(h, 431);
	memcpy(h->value + h->nvalue, at, n);
	h->nvalue += n;
	return 0;
}

static int
on_headers(http_parser *p)
{
	struct http *h = p->data;

	if (h->in_value)
		header_end(h);
	if (p->http_major != 1)
		return refuse(h, 505);
	if ((p->flags & F_CHUNKED) != 0 ||
	    ((p->flags & F_CONTENTLENGTH) != 0 && p->content_length > 0))
		return refuse(h, 413);
	return 0;
}

static int
on_complete(http_parser *p)
{
	struct http *h = p->data;

	h->done = true;
	http_parser_pause(p, 1);
	return 0;
}

/* ---- requests ------------------------------------------------------------ */

void
http_init(struct http *h)
{
	memset(h, 0, sizeof(*h));
	http_parser_init(&h->parser, HTTP_REQUEST);
	h->parser.data = h;
}

enum http_result
http_feed(struct http *h, const char *p, size_t n, size_t *used)
{
	static const http_parser_settings settings = { .on_url = on_url,
		.on_header_field = on_field,
		.on_header_value = on_value,
		.on_headers_complete = on_headers,
		.on_message_complete = on_complete };
	size_t take = n;

	assert(!h->done);
	if (take > HTTP_BYTES - h->bytes)
		take = HTTP_BYTES - h->bytes;
	*used = http_parser_execute(&h->parser, &settings, p, take);
	h->bytes += (uint32_t)*used;
	if (h->done)
		return HTTP_DONE;
	if (h->status == 0 && HTTP_PARSER_ERRNO(&h->parser) != HPE_OK)
		h->status = 400;
	if (h->status == 0 && h->bytes == HTTP_BYTES)
		h->status = 431;
	return h->status != 0 ? HTTP_BAD : HTTP_MORE;
}

bool
http_keep_alive(const struct http *h)
{
	/* HTTP/1.0 would want to be told, and does not matter enough. */
	return h->parser.http_minor > 0 &&
	       http_should_keep_alive(&h->parser) != 0;
}

bool
http_head(const struct http *h)
{
	return h->parser.method == HTTP_HEAD;
}

/* ---- what is asked for --------------------------------------------------- */

/* RFC 6454: a page of this very host, whatever the scheme. */
static bool
same_host(const struct http *h)
{
	const char *p = h->origin, *end = h->origin + h->norigin;
	size_t n;

	for (; end - p > 3 && memcmp(p, "://", 3) != 0; p++)
		;
	if (end - p <= 3)
		return false;
	p += 3;
	n = (size_t)(end - p);
	return n == h->nhost && strncasecmp(p, h->host, n) == 0;
}

static bool
origin_allowed(const struct http *h, const struct http_policy *policy)
{
	if (h->origins == 0)
		return true; /* no browser */
	if (h->origins > 1)
		return false;
	if (policy->norigins == 0)
		return same_host(h);
	for (size_t i = 0; i < policy->norigins; i++)
		if (strcmp(policy->origins[i], "*") == 0 ||
		    (strlen(policy->origins[i]) == h->norigin &&
			strncasecmp(policy->origins[i], h->origin,
			    h->norigin) == 0))
			return true;
	return false;
}

/* RFC 6455, section 4.2.1; 101 if all is there. */
static unsigned
upgrade_status(const struct http *h, const struct http_policy *policy)
{
	if (!h->upgrade_websocket || !h->connection_upgrade)
		return 426;
	if (h->versions != 1 || !h->version_ok)
		return 426;
	if (h->parser.http_minor == 0)
		return 400;
	if (h->keys != 1 || !h->key_ok || !h->protocol_kith)
		return 400;
	return origin_allowed(h, policy) ? 101 : 403;
}

/* The path of the target, RFC 9112 section 3.2, in either form. */
static struct str
path_of(const struct http *h)
{
	struct http_parser_url u;

	http_parser_url_init(&u);
	if (http_parser_parse_url(h->url, h->nurl, 0, &u) != 0 ||
	    (u.field_set & (1 << UF_PATH)) == 0)
		return STR_NONE;
	return (struct str){ h->url + u.field_data[UF_PATH].off,
		u.field_data[UF_PATH].len };
}

enum http_target
http_route(const struct http *h, const struct http_policy *policy,
    unsigned *status)
{
	static const struct {
		const char *path;
		enum http_target target;
	} resources[] = { { "/v1/ws", HTTP_T_WEBSOCKET },
		{ "/healthz", HTTP_T_HEALTHZ }, { "/readyz", HTTP_T_READYZ },
		{ "/metrics", HTTP_T_METRICS } };
	enum http_target target = HTTP_T_NONE;
	struct str path = path_of(h);
	bool get = h->parser.method == HTTP_GET;

	*status = 400;
	if (h->hosts > 1 || (h->hosts == 0 && h->parser.http_minor > 0))
		return HTTP_T_NONE;
	for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++)
		if (str_eq(path, str_of(resources[i].path)))
			target = resources[i].target;
	if ((target == HTTP_T_METRICS && !policy->metrics) ||
	    (target == HTTP_T_WEBSOCKET && policy->metrics))
		target = HTTP_T_NONE;
	if (target == HTTP_T_NONE) {
		*status = 404;
		return HTTP_T_NONE;
	}
	if (!get && (target == HTTP_T_WEBSOCKET || !http_head(h))) {
		*status = 405;
		return HTTP_T_NONE;
	}
	if (target == HTTP_T_WEBSOCKET) {
		*status = upgrade_status(h, policy);
		return *status == 101 ? target : HTTP_T_NONE;
	}
	*status = 200;
	return target;
}

/* ---- answers ------------------------------------------------------------- */

void
http_switch(const struct http *h, struct bytes *out)
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char text[sizeof(h->key) + sizeof(guid) - 1];
	unsigned char hash[SHA_DIGEST_LENGTH], accept[29];

	memcpy(text, h->key, sizeof(h->key));
	memcpy(text + sizeof(h->key), guid, sizeof(guid) - 1);
	SHA1(text, sizeof(text), hash);
	EVP_EncodeBlock(accept, hash, sizeof(hash));
	bytes_add_str(out, STR("HTTP/1.1 101 Switching Protocols\r\n"
			       "Upgrade: websocket\r\n"
			       "Connection: Upgrade\r\n"
			       "Sec-WebSocket-Protocol: " PROTOCOL "\r\n"
			       "Sec-WebSocket-Accept: "));
	bytes_add(out, accept, 28);
	bytes_add_str(out, STR("\r\n\r\n"));
}

static const struct status {
	unsigned status;
	const char *reason, *text, *headers;
} statuses[] = {
	{ 200, "OK", "ok\n", "" },
	{ 400, "Bad Request", "the request is not well-formed\n", "" },
	{ 403, "Forbidden", "pages of this origin may not connect\n", "" },
	{ 404, "Not Found", "there is no such resource\n", "" },
	{ 405, "Method Not Allowed", "only GET and HEAD are understood\n",
	    "Allow: GET, HEAD\r\n" },
	{ 408, "Request Timeout", "the request took too long\n", "" },
	{ 413, "Content Too Large", "no body is taken\n", "" },
	{ 414, "URI Too Long", "the target is too long\n", "" },
	{ 426, "Upgrade Required",
	    "this is a WebSocket, version 13, subprotocol " PROTOCOL "\n",
	    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" },
	{ 429, "Too Many Requests",
	    "there are too many connections from this address\n",
	    "Retry-After: 10\r\n" },
	{ 431, "Request Header Fields Too Large", "the headers are too large\n",
	    "" },
	{ 500, "Internal Server Error", "the server could not do this\n", "" },
	{ 505, "HTTP Version Not Supported", "this is HTTP/1.1\n", "" },
	{ 503, "Service Unavailable", "the server is overloaded\n",
	    "Retry-After: 5\r\n" },
};

static const struct status *
status_find(unsigned status)
{
	const struct status *s = statuses;

	while (s->status != status) {
		s++;
		assert(s < statuses + sizeof(statuses) / sizeof(statuses[0]));
	}
	return s;
}

void
http_answer(struct bytes *out, unsigned status, const char *type,
    struct str body, bool head, bool keep_alive)
{
	const struct status *s = status_find(status);

	if (body.n == 0)
		body = str_of(s->text);
	bytes_addf(out,
	    "HTTP/1.1 %u %s\r\n"
	    "Content-Type: %s\r\n"
	    "Content-Length: %zu\r\n"
	    "Cache-Control: no-store\r\n"
	    "X-Content-Type-Options: nosniff\r\n"
	    "%s%s\r\n",
	    s->status, s->reason,
	    type != NULL ? type : "text/plain; charset=utf-8", body.n,
	    s->headers,
	    status == 426 ? "Connection: Upgrade, close\r\n"
	    : keep_alive  ? ""
			  : "Connection: close\r\n");
	if (!head)
		bytes_add_str(out, body);
}
