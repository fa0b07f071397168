/*
 * The PROXY header: what is complete is complete for any more bytes, and
 * nothing that is wrong becomes right by more.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "node/gateway/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static enum proxy_result
parse(const uint8_t *data, size_t n, struct proxy *out, size_t *used)
{
	char *exact = malloc(n > 0 ? n : 1);
	enum proxy_result r;

	assert(exact != NULL);
	if (n > 0)
		memcpy(exact, data, n);
	r = proxy_parse(exact, n, out, used);
	free(exact);
	return r;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	enum proxy_result r, before = PROXY_MORE;
	struct proxy first, p;
	size_t used = 0, first_used = 0;

	for (size_t i = 0; i <= n && i <= PROXY_MAX + 1; i++) {
		r = parse(data, i, &p, &used);
		if (before == PROXY_BAD)
			assert(r == PROXY_BAD);
		if (before == PROXY_DONE) {
			assert(r == PROXY_DONE && used == first_used);
			assert(p.local == first.local);
			assert(memcmp(&p.from, &first.from, 16) == 0);
		} else if (r == PROXY_DONE) {
			assert(used == i);
			first = p;
			first_used = used;
		}
		before = r;
	}
	/* It never waits for more than the limit. */
	assert(n <= PROXY_MAX || before != PROXY_MORE);
	return 0;
}
