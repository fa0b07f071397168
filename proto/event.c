#include "proto/event.h"

#include <assert.h>
#include <stdlib.h>

#include "crypto/hash.h"
#include "proto/wire.h"

#define EVENT_VERSION    1
#define EVENT_HEADER_MAX 4096 /* ours have about 170 bytes */
#define TIME_MS_MAX      ((1ull << 48) - 1)

_Static_assert(EVENT_HASH_LEN == HASH_LEN, "EVENT_HASH_LEN");

const char *
event_kind_name(uint32_t kind)
{
	static const char *const names[] = {
#define X(constant, value, name) [value] = name,
		EVENT_KINDS(X)
#undef X
	};

	return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : NULL;
}

/* ---- encoding ------------------------------------------------------------ */

/* EventHeader of kith.proto. */
static void
put_header(struct wire_out *o, const struct event_header *h,
    const uint8_t *body_hash)
{
	wire_put_u64(o, 1, EVENT_VERSION);
	wire_put_u64(o, 2, h->kind);
	wire_put_bytes(o, 3, h->author.b, ID_LEN);
	wire_put_u64(o, 4, h->device);
	wire_put_bytes(o, 5, h->target.b, ID_LEN);
	wire_put_nonzero(o, 6, h->stream);
	wire_put_nonzero(o, 7, h->number);
	wire_put_u64(o, 8, h->time_ms);
	if (h->has_refers)
		wire_put_bytes(o, 9, h->refers.b, EVENT_ID_LEN);
	wire_put_bytes(o, 10, body_hash, EVENT_HASH_LEN);
}

/* EventBody of kith.proto. */
static void
put_body(struct wire_out *o, const struct event_body *b)
{
	wire_put_string(o, 1, b->text);
	if (b->has_reply)
		wire_put_bytes(o, 2, b->reply.b, EVENT_ID_LEN);
	for (size_t i = 0; i < b->nmentions; i++)
		wire_put_bytes(o, 3, b->mentions[i].p, b->mentions[i].n);
	wire_put_string(o, 4, b->emoji);
	wire_put_nonzero(o, 5, b->remove);
	wire_put_string(o, 6, b->reason);
	wire_put_string(o, 7, b->subject);
	wire_put_nonzero(o, 8, b->seconds);
	wire_put_nonzero(o, 9, b->role);
	wire_put_string(o, 10, b->topic);
	wire_put_nonzero(o, 11, b->access);
	wire_put_nonzero(o, 12, b->history);
	wire_put_nonzero(o, 13, b->retention_days);
	wire_put_nonzero(o, 14, b->seq);
	wire_put_string(o, 15, b->display);
	wire_put_nonzero(o, 16, b->device);
	wire_put_string(o, 17, b->device_name);
	wire_put_nonzero(o, 18, b->revoked);
	wire_put_nonzero(o, 19, b->ord);
}

/* ---- decoding ------------------------------------------------------------ */

/* The fields that must be there, as bits by number. */
#define HEADER_REQUIRED                                                        \
	(1u << 1 | 1u << 2 | 1u << 3 | 1u << 4 | 1u << 5 | 1u << 8 | 1u << 10)

static bool
header_field(struct event *ev, uint32_t *version, uint32_t *kind,
    const struct wire_field *f)
{
	struct event_header *h = &ev->h;

	switch (f->num) {
	case 1:
		return wire_u32(f, version);
	case 2:
		return wire_u32(f, kind);
	case 3:
		return wire_fixed(f, h->author.b, ID_LEN);
	case 4:
		return wire_u32(f, &h->device);
	case 5:
		return wire_fixed(f, h->target.b, ID_LEN);
	case 6:
		return wire_u64(f, &h->stream);
	case 7:
		return wire_u64(f, &h->number);
	case 8:
		return wire_u64(f, &h->time_ms);
	case 9:
		h->has_refers = true;
		return wire_fixed(f, h->refers.b, EVENT_ID_LEN);
	case 10:
		return wire_fixed(f, ev->body_hash, EVENT_HASH_LEN);
	}
	return true; /* of a later version: it is in the bytes */
}

/* What a header must be beyond its encoding. */
static bool
header_valid(const struct event_header *h)
{
	return event_kind_name(h->kind) != NULL && h->time_ms <= TIME_MS_MAX &&
	       (h->stream == 0) == (h->number == 0);
}

static bool
read_header(struct event *ev)
{
	struct wire_in in = wire_in(ev->header_bytes);
	uint32_t version = 0, kind = 0, seen = 0;
	struct wire_field f;
	enum wire_read got;

	while ((got = wire_next(&in, &f)) == WIRE_FIELD) {
		if (!header_field(ev, &version, &kind, &f))
			return false;
		if (f.num < 32)
			seen |= 1u << f.num;
	}
	ev->h.kind = (enum event_kind)kind;
	return got == WIRE_END && version == EVENT_VERSION &&
	       (seen & HEADER_REQUIRED) == HEADER_REQUIRED &&
	       header_valid(&ev->h);
}

static bool
body_field(struct event_body *b, const struct wire_field *f)
{
	switch (f->num) {
	case 1:
		return wire_string(f, &b->text);
	case 2:
		b->has_reply = true;
		return wire_fixed(f, b->reply.b, EVENT_ID_LEN);
	case 3:
		return b->nmentions < EVENT_MENTIONS_MAX &&
		       wire_string(f, &b->mentions[b->nmentions++]);
	case 4:
		return wire_string(f, &b->emoji);
	case 5:
		return wire_bool(f, &b->remove);
	case 6:
		return wire_string(f, &b->reason);
	case 7:
		return wire_string(f, &b->subject);
	case 8:
		return wire_u64(f, &b->seconds);
	case 9:
		return wire_u32(f, &b->role);
	case 10:
		return wire_string(f, &b->topic);
	case 11:
		return wire_u32(f, &b->access);
	case 12:
		return wire_u32(f, &b->history);
	case 13:
		return wire_u32(f, &b->retention_days);
	case 14:
		return wire_u64(f, &b->seq);
	case 15:
		return wire_string(f, &b->display);
	case 16:
		return wire_u32(f, &b->device);
	case 17:
		return wire_string(f, &b->device_name);
	case 18:
		return wire_bool(f, &b->revoked);
	case 19:
		return wire_u32(f, &b->ord);
	}
	return true;
}

/* The views of ev->body, out of its body_bytes; the limits as well. */
static bool
read_body(struct event *ev)
{
	struct wire_in in = wire_in(ev->body_bytes);
	struct wire_field f;
	enum wire_read got;

	while ((got = wire_next(&in, &f)) == WIRE_FIELD)
		if (!body_field(&ev->body, &f))
			return false;
	return got == WIRE_END && ev->body.text.n <= EVENT_TEXT_MAX;
}

/* ---- making -------------------------------------------------------------- */

/* Header and body bytes follow the struct in the same allocation. */
static struct event *
allocate(size_t header, size_t body)
{
	struct event *ev = malloc(sizeof(*ev) + header + body);

	if (ev == NULL)
		return NULL;
	memset(ev, 0, sizeof(*ev));
	atomic_init(&ev->refs, 1);
	ev->header_bytes = (struct str){ (char *)(ev + 1), header };
	ev->body_bytes = (struct str){ (char *)(ev + 1) + header, body };
	return ev;
}

static void
make_id(struct event *ev)
{
	uint8_t hash[HASH_LEN];
	uint64_t ms = ev->h.time_ms;

	hash256(hash, "kith event 1", PARTS(PART_STR(ev->header_bytes)));
	for (unsigned i = 6; i-- > 0; ms >>= 8)
		ev->id.b[i] = (uint8_t)ms;
	memcpy(ev->id.b + 6, hash, EVENT_ID_LEN - 6);
}

enum err
event_new(struct event **out, const struct event_header *h,
    const struct event_body *body, const uint8_t salt[static EVENT_SALT_LEN])
{
	struct wire_out header = { NULL, 0 }, content = { NULL, 0 };
	struct event *ev;

	assert(header_valid(h));
	assert(body->nmentions <= EVENT_MENTIONS_MAX);

	put_header(&header, h, NULL);
	put_body(&content, body);
	if (body->text.n > EVENT_TEXT_MAX || content.n > EVENT_BODY_MAX)
		return ERR_TOO_LARGE;
	if ((ev = allocate(header.n, content.n)) == NULL)
		return ERR_NOMEM;

	content = (struct wire_out){ (char *)(ev + 1) + header.n, 0 };
	put_body(&content, body);
	assert(content.n == ev->body_bytes.n);
	if (!read_body(ev)) { /* what replay would refuse must not be made */
		free(ev);
		return ERR_MALFORMED;
	}
	memcpy(ev->salt, salt, EVENT_SALT_LEN);
	hash256_keyed(ev->body_hash, salt, EVENT_SALT_LEN, ev->body_bytes.p,
	    ev->body_bytes.n);

	ev->h = *h;
	header = (struct wire_out){ (char *)(ev + 1), 0 };
	put_header(&header, h, ev->body_hash);
	assert(header.n == ev->header_bytes.n);
	make_id(ev);
	*out = ev;
	return OK;
}

/* Does the body hash to what the header says? */
static bool
body_matches(const struct event *ev)
{
	uint8_t hash[EVENT_HASH_LEN];

	hash256_keyed(hash, ev->salt, EVENT_SALT_LEN, ev->body_bytes.p,
	    ev->body_bytes.n);
	return memcmp(hash, ev->body_hash, EVENT_HASH_LEN) == 0;
}

enum err
event_decode(struct event **out, struct str header, struct str salt,
    struct str body)
{
	struct event *ev;
	enum err rc = ERR_MALFORMED;

	if (header.n == 0 || header.n > EVENT_HEADER_MAX ||
	    body.n > EVENT_BODY_MAX)
		return ERR_MALFORMED;
	if (salt.n != 0 ? salt.n != EVENT_SALT_LEN : body.n != 0)
		return ERR_MALFORMED;
	if ((ev = allocate(header.n, body.n)) == NULL)
		return ERR_NOMEM;

	memcpy((char *)(ev + 1), header.p, header.n);
	if (!read_header(ev))
		goto fail;
	if (salt.n == 0) {
		ev->erased = true;
	} else {
		memcpy(ev->salt, salt.p, salt.n);
		if (body.n > 0)
			memcpy((char *)(ev + 1) + header.n, body.p, body.n);
		if (!body_matches(ev)) {
			rc = ERR_SIGNATURE;
			goto fail;
		}
		if (!read_body(ev))
			goto fail;
	}
	make_id(ev);
	*out = ev;
	return OK;

fail:
	free(ev);
	return rc;
}

void
event_body_digest(uint8_t out[static EVENT_HASH_LEN], const struct event *ev)
{
	const uint8_t fixed[2] = { (uint8_t)ev->h.kind, ev->h.has_refers };

	_Static_assert(EVENT_ALERT <= UINT8_MAX, "kind in one byte");
	hash256(out, "kith repeat 1",
	    PARTS(PART_OF(fixed), PART_OF(ev->h.refers.b),
		PART_STR(ev->body_bytes)));
}

/* ---- counting ------------------------------------------------------------ */

struct event *
event_ref(struct event *ev)
{
	atomic_fetch_add_explicit(&ev->refs, 1, memory_order_relaxed);
	return ev;
}

void
event_unref(struct event *ev)
{
	if (ev != NULL &&
	    atomic_fetch_sub_explicit(&ev->refs, 1, memory_order_acq_rel) == 1)
		free(ev);
}

size_t
event_size(const struct event *ev)
{
	return sizeof(*ev) + ev->header_bytes.n + ev->body_bytes.n;
}
