/*
 * The reader; the writer is json_write.c.
 *
 * It goes over the text once.  It tells two kinds of errors apart:
 * text that is no JSON ends it; JSON that is no request (a member of the wrong
 * type, one too long, a stranger) is remembered and the reading goes on, so
 * that the id can still be found and the sender told which request it was.
 *
 * Sections are those of RFC 8259.
 */
#include "proto/json.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "proto/utf8.h"

#define DEPTH_MAX 16 /* of nested values that are skipped */

enum type { STR, U64, BOOL, STRS };

/* What there is to know of a member. */
static const struct key {
	uint16_t offset; /* in struct args */
	uint8_t type;
	uint32_t limit;
	const char *missing, *surplus, *wrong, *large;
} keys[KEY_COUNT] = {
#define X(member, member_type, max)                                            \
	[KEY_##member] = { .offset = offsetof(struct args, member),            \
		.type = (member_type),                                         \
		.limit = (max),                                                \
		.missing = #member " is missing",                              \
		.surplus = #member " does not belong to this operation",       \
		.wrong = #member " is of the wrong type or out of range",      \
		.large = #member " is too long" },
	OP_KEYS(X)
#undef X
};

struct reader {
	char *p, *end;
	struct json_request *rq;
	enum err err; /* the first one, of JSON that is no request */
	const char *what;
	bool seen_op, seen_id, control;
};

static void
complain(struct reader *r, enum err err, const char *what)
{
	if (r->err == OK) {
		r->err = err;
		r->what = what;
	}
}

/* Section 2. */
static void
space(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' ||
				    *r->p == '\r' || *r->p == '\t'))
		r->p++;
}

static bool
take(struct reader *r, char c)
{
	if (r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

static bool
take_word(struct reader *r, struct str word)
{
	if ((size_t)(r->end - r->p) < word.n ||
	    memcmp(r->p, word.p, word.n) != 0)
		return false;
	r->p += word.n;
	return true;
}

/* ---- strings, section 7 -------------------------------------------------- */

#define ONES 0x0101010101010101u
#define HIGH 0x8080808080808080u

/*
 * The first byte from p on that needs a look: a quote, a backslash, a control
 * character or one that is not ASCII.  Eight bytes are looked at together:
 * x - ONES sets the high bit of the bytes that were 0 (and, by the borrow,
 * perhaps of higher ones; only the lowest counts).
 */
static char *
plain(char *p, char *end)
{
	uint64_t w, m, q, b;
	unsigned char c;

	while (end - p >= 8) {
		memcpy(&w, p, 8);
		w = le64toh(w);
		q = w ^ (ONES * '"');
		b = w ^ (ONES * '\\');
		m = ((w - ONES * 0x20) & ~w) | ((q - ONES) & ~q) |
		    ((b - ONES) & ~b) | w;
		m &= HIGH;
		if (m != 0)
			return p + (__builtin_ctzll(m) >> 3);
		p += 8;
	}
	for (; p < end; p++) {
		c = (unsigned char)*p;
		if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
			break;
	}
	return p;
}

static bool
hex4(struct reader *r, unsigned *v)
{
	unsigned digit;
	char c;

	if (r->end - r->p < 4)
		return false;
	*v = 0;
	for (int i = 0; i < 4; i++) {
		c = *r->p++;
		if (c >= '0' && c <= '9')
			digit = (unsigned)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			digit = (unsigned)((c | 0x20) - 'a') + 10;
		else
			return false;
		*v = *v << 4 | digit;
	}
	return true;
}

/* After \u.  U+0000 is refused: too much software ends a string there. */
static char *
unescape_unicode(struct reader *r, char *to)
{
	unsigned u, low;

	if (!hex4(r, &u) || u == 0 || (u >= 0xdc00 && u <= 0xdfff))
		return NULL;
	if (u >= 0xd800 && u <= 0xdbff) {
		if (!take(r, '\\') || !take(r, 'u') || !hex4(r, &low) ||
		    low < 0xdc00 || low > 0xdfff)
			return NULL;
		u = 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00);
	}
	if (u < 0x80) {
		*to++ = (char)u;
	} else if (u < 0x800) {
		*to++ = (char)(0xc0 | u >> 6);
		*to++ = (char)(0x80 | (u & 0x3f));
	} else if (u < 0x10000) {
		*to++ = (char)(0xe0 | u >> 12);
		*to++ = (char)(0x80 | (u >> 6 & 0x3f));
		*to++ = (char)(0x80 | (u & 0x3f));
	} else {
		*to++ = (char)(0xf0 | u >> 18);
		*to++ = (char)(0x80 | (u >> 12 & 0x3f));
		*to++ = (char)(0x80 | (u >> 6 & 0x3f));
		*to++ = (char)(0x80 | (u & 0x3f));
	}
	return to;
}

/* After the backslash; an escape is never shorter than what it stands for. */
static char *
unescape(struct reader *r, char *to)
{
	static const char letters[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
	const char *at;

	if (r->p == r->end)
		return NULL;
	if (*r->p == 'u') {
		r->p++;
		return unescape_unicode(r, to);
	}
	if (*r->p == '\0' || (at = strchr(letters, *r->p)) == NULL)
		return NULL;
	r->p++;
	*to++ = bytes[at - letters];
	return to;
}

/* Unescapes in place; `to' lags behind r->p after the first escape. */
static bool
string(struct reader *r, struct str *out)
{
	char *start, *to, *stop;
	size_t n;

	if (!take(r, '"'))
		return false;
	start = to = r->p;
	for (;;) {
		stop = plain(r->p, r->end);
		n = (size_t)(stop - r->p);
		if (to != r->p)
			memmove(to, r->p, n);
		to += n;
		r->p = stop;
		if (r->p == r->end)
			return false;
		if (*r->p == '"')
			break;
		if (*r->p == '\\') {
			r->p++;
			if ((to = unescape(r, to)) == NULL)
				return false;
			continue;
		}
		/* A control character has no place in a string. */
		if ((unsigned char)*r->p < 0x20)
			return false;
		n = utf8_char(r->p, (size_t)(r->end - r->p));
		if (n == 0)
			return false;
		for (; n > 0; n--)
			*to++ = *r->p++;
	}
	r->p++;
	*out = (struct str){ start, (size_t)(to - start) };
	return true;
}

/* ---- other values -------------------------------------------------------- */

static bool
digits(struct reader *r)
{
	char *start = r->p;

	while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
		r->p++;
	return r->p > start;
}

/* Section 6.  *ok: it is an integer from 0 to OP_ID_MAX. */
static bool
number(struct reader *r, uint64_t *v, bool *ok)
{
	bool negative = take(r, '-');
	char *start = r->p;

	*v = 0;
	if (!digits(r) || (*start == '0' && r->p - start > 1))
		return false;
	*ok = r->p - start <= 16;
	for (char *p = start; *ok && p < r->p; p++)
		*v = *v * 10 + (uint64_t)(*p - '0');
	if (*v > OP_ID_MAX || (negative && *v > 0))
		*ok = false;
	if (take(r, '.')) {
		*ok = false;
		if (!digits(r))
			return false;
	}
	if (take(r, 'e') || take(r, 'E')) {
		*ok = false;
		if (!take(r, '+'))
			(void)take(r, '-');
		if (!digits(r))
			return false;
	}
	return true;
}

/* Any value, so that what follows a wrong one is still read. */
static bool
skip(struct reader *r, unsigned depth)
{
	struct str s;
	uint64_t v;
	bool ok, object;
	char close;

	if (r->p == r->end || depth > DEPTH_MAX)
		return false;
	switch (*r->p) {
	case '"':
		return string(r, &s);
	case 't':
		return take_word(r, STR("true"));
	case 'f':
		return take_word(r, STR("false"));
	case 'n':
		return take_word(r, STR("null"));
	case '{':
	case '[':
		break;
	default:
		return number(r, &v, &ok);
	}
	object = *r->p++ == '{';
	close = object ? '}' : ']';
	space(r);
	if (take(r, close))
		return true;
	for (;;) {
		if (object) {
			if (!string(r, &s))
				return false;
			space(r);
			if (!take(r, ':'))
				return false;
			space(r);
		}
		if (!skip(r, depth + 1))
			return false;
		space(r);
		if (take(r, close))
			return true;
		if (!take(r, ','))
			return false;
		space(r);
	}
}

/* Section 5; at the bracket. */
static bool
strings(struct reader *r, const struct key *key, size_t *n, struct str *v)
{
	struct str s;

	*n = 0;
	r->p++;
	space(r);
	if (take(r, ']'))
		return true;
	for (;;) {
		if (r->p < r->end && *r->p == '"') {
			if (!string(r, &s))
				return false;
			if (s.n > key->limit || *n == OP_STRS_MAX)
				complain(r, ERR_TOO_LARGE, key->large);
			else
				v[(*n)++] = s;
		} else {
			complain(r, ERR_INVALID, key->wrong);
			if (!skip(r, 2))
				return false;
		}
		space(r);
		if (take(r, ']'))
			return true;
		if (!take(r, ','))
			return false;
		space(r);
	}
}

/* ---- members, section 4 -------------------------------------------------- */

static bool
wrong(struct reader *r, const char *what)
{
	complain(r, ERR_INVALID, what);
	return skip(r, 1);
}

static bool
value(struct reader *r, enum op_key k)
{
	const struct key *key = &keys[k];
	void *field = (char *)&r->rq->args + key->offset;
	char c = r->p < r->end ? *r->p : '\0';
	struct str s;
	uint64_t v;
	bool ok;

	if (args_has(&r->rq->args, 1ull << k))
		return wrong(r, "a member appears twice");
	r->rq->args.present |= 1ull << k;
	switch ((enum type)key->type) {
	case STR:
		if (c != '"')
			break;
		if (!string(r, &s))
			return false;
		if (s.n > key->limit)
			complain(r, ERR_TOO_LARGE, key->large);
		else
			*(struct str *)field = s;
		return true;
	case U64:
		if (c != '-' && (c < '0' || c > '9'))
			break;
		if (!number(r, &v, &ok))
			return false;
		if (!ok)
			complain(r, ERR_INVALID, key->wrong);
		else
			*(uint64_t *)field = v;
		return true;
	case BOOL:
		if (c != 't' && c != 'f')
			break;
		*(bool *)field = c == 't';
		return take_word(r, c == 't' ? STR("true") : STR("false"));
	case STRS:
		if (c != '[')
			break;
		return strings(r, key, &r->rq->args.mentions.n,
		    r->rq->args.mentions.v);
	}
	return wrong(r, key->wrong);
}

static bool
value_op(struct reader *r)
{
	struct str s;
	enum op op;

	if (r->seen_op)
		return wrong(r, "a member appears twice");
	r->seen_op = true;
	if (r->p == r->end || *r->p != '"')
		return wrong(r, "op is not a string");
	if (!string(r, &s))
		return false;
	op = op_find(s);
	if (op == OP_NONE ||
	    ((op_info(op)->flags & OP_CONTROL) != 0) != r->control) {
		/* Before what was said of its members. */
		r->err = ERR_UNKNOWN_OP;
		r->what = "there is no such operation";
		return true;
	}
	r->rq->op = op;
	return true;
}

static bool
value_id(struct reader *r)
{
	uint64_t v;
	bool ok;

	if (r->seen_id)
		return wrong(r, "a member appears twice");
	r->seen_id = true;
	if (r->p == r->end || (*r->p != '-' && (*r->p < '0' || *r->p > '9')))
		return wrong(r, "id is not a number");
	if (!number(r, &v, &ok))
		return false;
	if (!ok || v == 0)
		complain(r, ERR_INVALID, "id is not from 1 to 2^53 - 1");
	else
		r->rq->id = v;
	return true;
}

static bool
member(struct reader *r)
{
	struct str name;
	enum op_key k;

	if (!string(r, &name))
		return false;
	space(r);
	if (!take(r, ':'))
		return false;
	space(r);
	if (name.n == 2 && memcmp(name.p, "op", 2) == 0)
		return value_op(r);
	if (name.n == 2 && memcmp(name.p, "id", 2) == 0)
		return value_id(r);
	if ((k = op_key_find(name)) == KEY_COUNT)
		return wrong(r, "there is an unknown member");
	return value(r, k);
}

static bool
object(struct reader *r)
{
	space(r);
	if (!take(r, '{'))
		return false;
	space(r);
	if (!take(r, '}')) {
		for (;;) {
			if (!member(r))
				return false;
			space(r);
			if (take(r, '}'))
				break;
			if (!take(r, ','))
				return false;
			space(r);
		}
	}
	space(r);
	return r->p == r->end;
}

/* Whether the members are those of the operation. */
static void
check(struct reader *r)
{
	const struct op_info *info;
	uint64_t present = r->rq->args.present, bad;

	if (!r->seen_op)
		complain(r, ERR_INVALID, "op is missing");
	if (r->rq->op == OP_NONE)
		return;
	info = op_info(r->rq->op);
	if ((bad = info->required & ~present) != 0)
		complain(r, ERR_INVALID, keys[__builtin_ctzll(bad)].missing);
	if ((bad = present & ~(info->required | info->optional)) != 0)
		complain(r, ERR_INVALID, keys[__builtin_ctzll(bad)].surplus);
	if (!r->seen_id && (info->flags & OP_SILENT) == 0)
		complain(r, ERR_INVALID, "id is missing");
}

enum err
json_read(struct json_request *rq, char *buf, size_t n, bool control,
    const char **what)
{
	struct reader r = { .p = buf,
		.end = buf + n,
		.rq = rq,
		.control = control };

	rq->op = OP_NONE;
	rq->id = 0;
	memset(&rq->args, 0, offsetof(struct args, mentions.v));
	if (!object(&r)) {
		*what = "it is not one JSON object";
		return ERR_MALFORMED;
	}
	check(&r);
	*what = r.what;
	return r.err;
}
