/*
 * proxy: sections are those of "The PROXY protocol, Versions 1 & 2" by Willy
 * Tarreau, 2020.  Version 1 is not taken: it has no length in front.
 */
#include "node/gateway/proxy.h"

#include <string.h>

#define FIXED 16

/* Section 2.2. */
#define COMMAND_LOCAL 0x20 /* with the version in the high half */
#define COMMAND_PROXY 0x21
#define TCP4          0x11
#define TCP6          0x21
#define TCP4_LEN      12
#define TCP6_LEN      36

/* The type-length-values after the addresses must fill the rest exactly. */
static bool
extras_ok(const uint8_t *p, size_t n)
{
	size_t len;

	while (n > 0) {
		if (n < 3)
			return false;
		len = (size_t)p[1] << 8 | p[2];
		if (len > n - 3)
			return false;
		p += 3 + len;
		n -= 3 + len;
	}
	return true;
}

enum proxy_result
proxy_parse(const char *p, size_t n, struct proxy *out, size_t *used)
{
	static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";
	const uint8_t *h = (const uint8_t *)p, *body = h + FIXED;
	size_t have = n < 12 ? n : 12, len, addresses;

	if (memcmp(p, signature, have) != 0)
		return PROXY_BAD;
	if (n < FIXED)
		return PROXY_MORE;
	if (h[12] != COMMAND_LOCAL && h[12] != COMMAND_PROXY)
		return PROXY_BAD;
	out->local = h[12] == COMMAND_LOCAL;
	len = (size_t)h[14] << 8 | h[15];
	if (len > PROXY_MAX - FIXED)
		return PROXY_BAD;
	addresses = h[13] == TCP4 ? TCP4_LEN : h[13] == TCP6 ? TCP6_LEN : 0;
	/* A local connection's address block says nothing and is skipped. */
	if (!out->local && (addresses == 0 || len < addresses))
		return PROXY_BAD;
	if (n < FIXED + len)
		return PROXY_MORE;
	*used = FIXED + len;
	memset(&out->from, 0, sizeof(out->from));
	if (out->local)
		return PROXY_DONE;
	if (!extras_ok(body + addresses, len - addresses))
		return PROXY_BAD;
	if (h[13] == TCP4) {
		out->from.s6_addr[10] = out->from.s6_addr[11] = 0xff;
		memcpy(out->from.s6_addr + 12, body, 4);
	} else {
		memcpy(out->from.s6_addr, body, 16);
	}
	return PROXY_DONE;
}
