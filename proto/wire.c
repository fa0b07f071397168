#include "proto/wire.h"

#include <string.h>

#include "proto/utf8.h"

/* ---- reading ------------------------------------------------------------- */

/* At most ten bytes, of which the last holds one bit. */
static bool
read_varint(struct wire_in *in, uint64_t *out)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70 && in->p < in->end; shift += 7) {
		uint8_t c = (uint8_t)*in->p++;

		if (shift == 63 && c > 1)
			return false;
		v |= (uint64_t)(c & 0x7f) << shift;
		if (c < 0x80) {
			*out = v;
			return true;
		}
	}
	return false;
}

static bool
read_fixed(struct wire_in *in, size_t n, uint64_t *out)
{
	if ((size_t)(in->end - in->p) < n)
		return false;
	*out = 0;
	for (size_t i = 0; i < n; i++)
		*out |= (uint64_t)(uint8_t)in->p[i] << (8 * i);
	in->p += n;
	return true;
}

enum wire_read
wire_next(struct wire_in *in, struct wire_field *f)
{
	uint64_t v;
	bool ok = false;

	if (in->p == in->end)
		return WIRE_END;
	/* A field number has 29 bits. */
	if (!read_varint(in, &v) || v >> 32 != 0 || v >> 3 == 0)
		return WIRE_BAD;
	f->num = (uint32_t)(v >> 3);
	f->type = (enum wire_type)(v & 7);
	f->u = 0;
	f->s = STR_NONE;
	switch (f->type) {
	case WIRE_VARINT:
		ok = read_varint(in, &f->u);
		break;
	case WIRE_FIXED64:
		ok = read_fixed(in, 8, &f->u);
		break;
	case WIRE_FIXED32:
		ok = read_fixed(in, 4, &f->u);
		break;
	case WIRE_BYTES:
		if (!read_varint(in, &v) || v > (size_t)(in->end - in->p))
			break;
		f->s = (struct str){ in->p, (size_t)v };
		in->p += v;
		ok = true;
		break;
	}
	return ok ? WIRE_FIELD : WIRE_BAD;
}

bool
wire_u64(const struct wire_field *f, uint64_t *out)
{
	*out = f->u;
	return f->type == WIRE_VARINT;
}

bool
wire_u32(const struct wire_field *f, uint32_t *out)
{
	*out = (uint32_t)f->u;
	return f->type == WIRE_VARINT && f->u <= UINT32_MAX;
}

bool
wire_bool(const struct wire_field *f, bool *out)
{
	*out = f->u != 0;
	return f->type == WIRE_VARINT && f->u <= 1;
}

bool
wire_bytes(const struct wire_field *f, struct str *out)
{
	*out = f->s;
	return f->type == WIRE_BYTES;
}

bool
wire_string(const struct wire_field *f, struct str *out)
{
	*out = f->s;
	return f->type == WIRE_BYTES && utf8_valid(f->s.p, f->s.n);
}

bool
wire_fixed(const struct wire_field *f, void *out, size_t n)
{
	if (f->type != WIRE_BYTES || f->s.n != n)
		return false;
	memcpy(out, f->s.p, n);
	return true;
}

/* ---- writing ------------------------------------------------------------- */

size_t
wire_varint_size(uint64_t v)
{
	size_t n = 1;

	for (; v >= 0x80; v >>= 7)
		n++;
	return n;
}

static void
put_varint(struct wire_out *o, uint64_t v)
{
	if (o->p == NULL) {
		o->n += wire_varint_size(v);
		return;
	}
	for (; v >= 0x80; v >>= 7)
		o->p[o->n++] = (char)(v | 0x80);
	o->p[o->n++] = (char)v;
}

void
wire_put_u64(struct wire_out *o, uint32_t num, uint64_t v)
{
	put_varint(o, (uint64_t)num << 3 | WIRE_VARINT);
	put_varint(o, v);
}

void
wire_put_head(struct wire_out *o, uint32_t num, size_t n)
{
	put_varint(o, (uint64_t)num << 3 | WIRE_BYTES);
	put_varint(o, n);
}

void
wire_put_bytes(struct wire_out *o, uint32_t num, const void *p, size_t n)
{
	wire_put_head(o, num, n);
	if (o->p != NULL && n > 0)
		memcpy(o->p + o->n, p, n);
	o->n += n;
}
