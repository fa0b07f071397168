/*
 * frame: a text serialized once, with its WebSocket header before it, however
 * many connections it goes to.
 */
#include <assert.h>
#include <stdlib.h>

#include "node/gateway/gateway.h"
#include "node/gateway/ws.h"

static_assert(FRAME_HEADER >= WS_HEADER_MAX, "the header has its place");

struct frame *
frame_new(struct str text)
{
	char header[WS_HEADER_MAX];
	struct frame *f;
	size_t n;

	if (text.n > UINT32_MAX - FRAME_HEADER)
		return NULL;
	if ((f = malloc(sizeof(*f) + FRAME_HEADER + text.n)) == NULL)
		return NULL;
	n = ws_header(header, WS_OP_TEXT, text.n);
	atomic_init(&f->refs, 1);
	f->log = 0;
	f->seq = 0;
	f->accepted = (struct mono){ 0 };
	f->off = (uint32_t)(FRAME_HEADER - n);
	f->len = (uint32_t)(n + text.n);
	memcpy(f->data + f->off, header, n);
	if (text.n > 0)
		memcpy(f->data + FRAME_HEADER, text.p, text.n);
	return f;
}

void
frame_ref_many(struct frame *f, unsigned n)
{
	/* Who adds holds one already, so nobody can be freeing it. */
	atomic_fetch_add_explicit(&f->refs, n, memory_order_relaxed);
}

void
frame_unref(struct frame *f)
{
	/* The last one needs no atomic write: nobody else can see it. */
	if (atomic_load_explicit(&f->refs, memory_order_acquire) == 1 ||
	    atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1)
		free(f);
}
