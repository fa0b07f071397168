/*
 * The writer of json.h.
 *
 * It is on the way of every message, so room is asked for once for each
 * member and filled directly, and text is looked at eight bytes at a time.
 */
#include <endian.h>
#include <string.h>

#include "proto/json.h"

#define ONES 0x0101010101010101u
#define HIGH 0x8080808080808080u

/* Room for n bytes and a comma, which is put where one is due. */
static char *
reserve(struct bytes *b, size_t n)
{
	char *to = bytes_reserve(b, n + 1), last;

	if (to == NULL)
		return NULL;
	last = b->n > 0 ? to[-1] : '{';
	if (last != '{' && last != '[') {
		*to++ = ',';
		b->n++;
	}
	return to;
}

static void
escape(struct bytes *b, unsigned u)
{
	static const char hex[] = "0123456789abcdef";
	char out[6] = { '\\', 'u', hex[u >> 12 & 15], hex[u >> 8 & 15],
		hex[u >> 4 & 15], hex[u & 15] };

	switch (u) {
	case '"':
	case '\\':
		out[1] = (char)u;
		break;
	case '\n':
		out[1] = 'n';
		break;
	case '\r':
		out[1] = 'r';
		break;
	case '\t':
		out[1] = 't';
		break;
	default:
		bytes_add(b, out, 6);
		return;
	}
	bytes_add(b, out, 2);
}

/* U+2028 and U+2029 end a line in JavaScript, DEL disturbs terminals. */
static bool
special(const char *p, size_t n)
{
	unsigned char c = (unsigned char)*p;

	if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f)
		return true;
	return c == 0xe2 && n >= 3 && p[1] == '\x80' &&
	       (p[2] == '\xa8' || p[2] == '\xa9');
}

/* Where a byte of w is c, its high bit is set; above it perhaps, too. */
static uint64_t
equal(uint64_t w, unsigned char c)
{
	w ^= ONES * c;
	return (w - ONES) & ~w;
}

/* How many bytes from p on can be copied as they are. */
static size_t
verbatim(const char *p, size_t n)
{
	size_t i = 0;
	uint64_t w, m;

	for (;;) {
		while (n - i >= 8) {
			memcpy(&w, p + i, 8);
			w = le64toh(w);
			m = ((w - ONES * 0x20) & ~w) | equal(w, '"') |
			    equal(w, '\\') | equal(w, 0x7f) | equal(w, 0xe2);
			if ((m & HIGH) != 0) {
				i += (size_t)__builtin_ctzll(m & HIGH) >> 3;
				break;
			}
			i += 8;
		}
		if (i == n || special(p + i, n - i))
			return i;
		i++;
	}
}

static void
text(struct bytes *b, struct str v)
{
	size_t n;

	if (bytes_reserve(b, v.n + 2) == NULL)
		return;
	b->p[b->n++] = '"';
	/* Room for all that is left and the quote, each time anew, because an
	 * escape needs more. */
	while (bytes_reserve(b, v.n + 1) != NULL) {
		n = verbatim(v.p, v.n);
		if (n > 0)
			memcpy(b->p + b->n, v.p, n);
		b->n += n;
		v.p += n;
		v.n -= n;
		if (v.n == 0) {
			b->p[b->n++] = '"';
			return;
		}
		n = (unsigned char)*v.p == 0xe2 ? 3 : 1;
		escape(b, n == 3 ? 0x2000u | ((unsigned)v.p[2] & 0x3f)
				 : (unsigned char)*v.p);
		v.p += n;
		v.n -= n;
	}
}

/* Keys are ours: nothing in them wants escaping. */
static void
key_add(struct bytes *b, const char *key)
{
	size_t n = strlen(key);
	char *to = reserve(b, n + 3);

	if (to == NULL)
		return;
	*to++ = '"';
	memcpy(to, key, n);
	to[n] = '"';
	to[n + 1] = ':';
	b->n += n + 3;
}

static void
comma(struct bytes *b)
{
	(void)reserve(b, 0);
}

void
json_object(struct bytes *b)
{
	bytes_add_char(b, '{');
}

void
json_object_end(struct bytes *b)
{
	bytes_add_char(b, '}');
}

void
json_object_in(struct bytes *b, const char *key)
{
	key_add(b, key);
	bytes_add_char(b, '{');
}

void
json_array(struct bytes *b, const char *key)
{
	key_add(b, key);
	bytes_add_char(b, '[');
}

void
json_array_end(struct bytes *b)
{
	bytes_add_char(b, ']');
}

void
json_str(struct bytes *b, const char *key, struct str v)
{
	key_add(b, key);
	text(b, v);
}

void
json_cstr(struct bytes *b, const char *key, const char *v)
{
	json_str(b, key, str_of(v));
}

void
json_u64(struct bytes *b, const char *key, uint64_t v)
{
	key_add(b, key);
	bytes_add_u64(b, v);
}

void
json_i64(struct bytes *b, const char *key, int64_t v)
{
	key_add(b, key);
	if (v < 0)
		bytes_add_char(b, '-');
	/* In unsigned arithmetic, where INT64_MIN has an opposite. */
	bytes_add_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void
json_bool(struct bytes *b, const char *key, bool v)
{
	key_add(b, key);
	bytes_add_str(b, v ? STR("true") : STR("false"));
}

void
json_item_str(struct bytes *b, struct str v)
{
	comma(b);
	text(b, v);
}

void
json_item_u64(struct bytes *b, uint64_t v)
{
	comma(b);
	bytes_add_u64(b, v);
}

void
json_item_object(struct bytes *b)
{
	comma(b);
	bytes_add_char(b, '{');
}
