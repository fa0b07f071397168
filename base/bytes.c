#include "base/bytes.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void
bytes_init(struct bytes *b, size_t limit)
{
	memset(b, 0, sizeof(*b));
	b->limit = limit;
}

void
bytes_fini(struct bytes *b)
{
	free(b->p);
	b->p = NULL;
	b->n = b->cap = 0;
}

void
bytes_reset(struct bytes *b)
{
	b->n = 0;
	b->failed = false;
}

static bool
grow(struct bytes *b, size_t want)
{
	size_t cap = b->cap == 0 ? 256 : b->cap;
	char *p;

	/* want is at most limit; doubling past it might overflow. */
	while (cap < want && cap <= b->limit / 2)
		cap *= 2;
	if (cap < want || cap > b->limit)
		cap = b->limit;
	if ((p = realloc(b->p, cap)) == NULL)
		return false;
	b->p = p;
	b->cap = cap;
	return true;
}

char *
bytes_reserve(struct bytes *b, size_t n)
{
	if (b->failed)
		return NULL;
	if (n > b->limit - b->n || (b->n + n > b->cap && !grow(b, b->n + n))) {
		b->failed = true;
		return NULL;
	}
	return b->p + b->n;
}

void
bytes_add(struct bytes *b, const void *p, size_t n)
{
	char *to;

	if (n == 0 || (to = bytes_reserve(b, n)) == NULL)
		return;
	memcpy(to, p, n);
	b->n += n;
}

void
bytes_add_str(struct bytes *b, struct str s)
{
	bytes_add(b, s.p, s.n);
}

void
bytes_add_char(struct bytes *b, char c)
{
	bytes_add(b, &c, 1);
}

void
bytes_add_u64(struct bytes *b, uint64_t v)
{
	char text[20];
	size_t at = sizeof(text);

	do {
		text[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	bytes_add(b, text + at, sizeof(text) - at);
}

void
bytes_addf(struct bytes *b, const char *fmt, ...)
{
	va_list ap, again;
	char *to;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	/* One byte more for the NUL, which does not count. */
	if ((to = bytes_reserve(b, (size_t)n + 1)) != NULL) {
		(void)vsnprintf(to, (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
	}
	va_end(again);
}

void
bytes_consume(struct bytes *b, size_t n)
{
	assert(n <= b->n);
	if (n == 0) /* p may be NULL */
		return;
	memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}

void
bytes_wipe(struct bytes *b)
{
	if (b->p != NULL)
		explicit_bzero(b->p, b->cap);
	bytes_fini(b);
}

void
hex_encode(char *out, const void *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *in = p;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[in[i] >> 4];
		out[2 * i + 1] = digits[in[i] & 15];
	}
	out[2 * n] = '\0';
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

enum err
hex_decode(void *out, size_t n, struct str hex)
{
	unsigned char *to = out;

	if (hex.n != 2 * n)
		return ERR_MALFORMED;
	for (size_t i = 0; i < n; i++) {
		int hi = hex_digit(hex.p[2 * i]);
		int lo = hex_digit(hex.p[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return ERR_MALFORMED;
		to[i] = (unsigned char)(hi << 4 | lo);
	}
	return OK;
}
