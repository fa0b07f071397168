/*
 * HTTP requests: however the bytes are cut, the same is decided.  The first
 * byte seeds the cuts.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "node/gateway/http.h"

#define REQUESTS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct seen {
	enum http_result result;
	enum http_target target;
	unsigned status;
	size_t end; /* where in the input the request ended */
};

static void
decide(const struct http *h, struct seen *s)
{
	static char app[] = "https://app.example";
	char *const origins[] = { app };
	const struct http_policy policies[] = {
		{ .metrics = false },
		{ .metrics = false, .origins = origins, .norigins = 1 },
		{ .metrics = true },
	};
	struct bytes b;

	bytes_init(&b, 4096);
	for (size_t i = 0; i < 3; i++)
		s->target = http_route(h, &policies[i], &s->status);
	s->target = http_route(h, &policies[0], &s->status);
	if (s->target == HTTP_T_WEBSOCKET)
		http_switch(h, &b);
	else
		http_answer(&b, s->status, NULL, STR_NONE, http_head(h),
		    http_keep_alive(h));
	assert(!b.failed && b.n > 0);
	bytes_fini(&b);
}

/* Requests of one input; at most so many. */
static size_t
run(const char *p, size_t n, struct prng *r, struct seen *seen)
{
	static struct http h;
	size_t at = 0, count = 0, part, used;
	enum http_result result = HTTP_DONE;

	while (at < n && count < REQUESTS) {
		if (result != HTTP_MORE)
			http_init(&h);
		part = r != NULL ? 1 + (size_t)prng_below(r, 30) : n;
		if (part > n - at)
			part = n - at;
		result = http_feed(&h, p + at, part, &used);
		assert(used <= part);
		at += used;
		if (result == HTTP_MORE) {
			assert(used == part);
			continue;
		}
		memset(&seen[count], 0, sizeof(seen[count]));
		seen[count].result = result;
		if (result == HTTP_BAD) {
			struct bytes b;

			/* There is an answer to each refusal. */
			bytes_init(&b, 4096);
			http_answer(&b, h.status, NULL, STR_NONE, false, false);
			assert(!b.failed);
			bytes_fini(&b);
			seen[count].status = h.status;
			return count + 1;
		}
		seen[count].end = at;
		decide(&h, &seen[count]);
		count++;
	}
	return count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct seen whole[REQUESTS], cut[REQUESTS];
	const char *p = (const char *)data + 1;
	struct prng r;
	size_t k;

	if (n == 0)
		return 0;
	prng_seed(&r, data[0]);
	k = run(p, n - 1, NULL, whole);
	assert(k == run(p, n - 1, &r, cut));
	for (size_t i = 0; i < k; i++) {
		assert(whole[i].result == cut[i].result);
		/* Of several mistakes another one may be found first. */
		if (whole[i].result == HTTP_BAD)
			break;
		assert(whole[i].status == cut[i].status);
		assert(whole[i].target == cut[i].target);
		assert(whole[i].end == cut[i].end);
	}
	return 0;
}
