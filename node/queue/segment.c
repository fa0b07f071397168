#include "node/queue/segment.h"

#include <assert.h>
#include <endian.h>
#include <string.h>
#include <zlib.h>

#include "crypto/hash.h"

#define VERSION    1
#define HEADER_END 72

static const char magic[8] = { 'k', 'i', 't', 'h', 'j', 'r', 'n', 'l' };
static const char frame_magic[4] = { 'f', 'r', 'm', 'e' };

static void
put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static void
put64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

static uint32_t
get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static uint64_t
get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static uint32_t
crc_of(const uint8_t *p, size_t n)
{
	return (uint32_t)crc32_z(0, p, n);
}

void
segment_header_write(uint8_t out[static SEGMENT_HEADER],
    const struct segment_header *h)
{
	memset(out, 0, SEGMENT_HEADER);
	memcpy(out, magic, sizeof(magic));
	put32(out + 8, VERSION);
	put64(out + 16, h->number);
	put64(out + 24, h->first_index);
	put64(out + 32, h->size);
	memcpy(out + 40, h->chain, SEGMENT_CHAIN);
	put32(out + 12, crc_of(out + 16, HEADER_END - 16));
}

enum err
segment_header_read(struct segment_header *h, const uint8_t *p, size_t n)
{
	if (n < SEGMENT_HEADER || memcmp(p, magic, sizeof(magic)) != 0)
		return ERR_CORRUPT;
	if (get32(p + 8) != VERSION)
		return ERR_UNSUPPORTED;
	if (get32(p + 12) != crc_of(p + 16, HEADER_END - 16))
		return ERR_CORRUPT;
	h->number = get64(p + 16);
	h->first_index = get64(p + 24);
	h->size = get64(p + 32);
	memcpy(h->chain, p + 40, SEGMENT_CHAIN);
	return OK;
}

static void
chain_on(uint8_t chain[static SEGMENT_CHAIN], const uint8_t *index,
    const uint8_t *payload, size_t n)
{
	uint8_t next[HASH_LEN];

	hash256(next, "kith journal 1",
	    PARTS(PART(chain, SEGMENT_CHAIN), PART(index, 8),
		PART(payload, n)));
	memcpy(chain, next, SEGMENT_CHAIN);
}

void
segment_frame_write(uint8_t *frame, size_t n, uint64_t number,
    uint64_t first_index, uint32_t count, uint8_t chain[static SEGMENT_CHAIN])
{
	assert(n <= UINT32_MAX);
	memcpy(frame, frame_magic, sizeof(frame_magic));
	put64(frame + 8, number);
	put64(frame + 16, first_index);
	put32(frame + 24, count);
	put32(frame + 28, (uint32_t)n);
	chain_on(chain, frame + 16, frame + SEGMENT_FRAME, n);
	memcpy(frame + 32, chain, SEGMENT_CHAIN);
	put32(frame + 4, crc_of(frame + 8, SEGMENT_FRAME - 8 + n));
}

void
segment_walk_init(struct segment_walk *w, const uint8_t *p, size_t n,
    const struct segment_header *h)
{
	memset(w, 0, sizeof(*w));
	w->p = p;
	w->n = n;
	w->at = SEGMENT_HEADER;
	w->number = h->number;
	w->index = h->first_index;
	memcpy(w->chain, h->chain, SEGMENT_CHAIN);
}

/* A whole frame of the segment `number' at p, by its checksum. */
static bool
frame_at(const uint8_t *p, size_t n, uint64_t number, struct segment_frame *f)
{
	size_t len;

	if (n < SEGMENT_FRAME ||
	    memcmp(p, frame_magic, sizeof(frame_magic)) != 0 ||
	    get64(p + 8) != number)
		return false;
	len = get32(p + 28);
	if (len > n - SEGMENT_FRAME ||
	    get32(p + 4) != crc_of(p + 8, SEGMENT_FRAME - 8 + len))
		return false;
	f->first_index = get64(p + 16);
	f->count = get32(p + 24);
	f->payload = (struct str){ (const char *)p + SEGMENT_FRAME, len };
	return true;
}

static bool
entries_agree(const struct segment_frame *f)
{
	struct str rest = f->payload, entry;
	uint32_t n = 0;

	while (segment_entry(&rest, &entry))
		n++;
	return rest.n == 0 && n == f->count && n > 0;
}

bool
segment_walk_next(struct segment_walk *w, struct segment_frame *f)
{
	uint8_t chain[SEGMENT_CHAIN];
	const uint8_t *p;

	if (w->at >= w->n)
		return false;
	p = w->p + w->at;
	memcpy(chain, w->chain, sizeof(chain));
	if (!frame_at(p, w->n - w->at, w->number, f) ||
	    f->first_index != w->index || !entries_agree(f)) {
		w->torn = w->n - w->at >= 16 &&
			  memcmp(p, frame_magic, sizeof(frame_magic)) == 0 &&
			  get64(p + 8) == w->number;
		return false;
	}
	chain_on(chain, p + 16, p + SEGMENT_FRAME, f->payload.n);
	if (memcmp(chain, p + 32, sizeof(chain)) != 0) {
		w->torn = true;
		return false;
	}
	memcpy(w->chain, chain, sizeof(chain));
	w->index += f->count;
	w->at += segment_frame_size(f->payload.n);
	return true;
}

bool
segment_walk_damaged(const struct segment_walk *w)
{
	struct segment_frame f;

	for (size_t at = w->at; at < w->n; at += SEGMENT_ALIGN)
		if (frame_at(w->p + at, w->n - at, w->number, &f) &&
		    (at > w->at || f.first_index == w->index))
			return true;
	return false;
}

bool
segment_entry(struct str *payload, struct str *entry)
{
	size_t n;

	if (payload->n < 4)
		return false;
	n = get32((const uint8_t *)payload->p);
	if (n > payload->n - 4)
		return false;
	*entry = (struct str){ payload->p + 4, n };
	payload->p += 4 + n;
	payload->n -= 4 + n;
	return true;
}
