/*
 * wire: the encoding of Protocol Buffers, as far as events and entries need
 * it.
 *
 * The generated code copies every field into memory of its own.  Events are
 * read so often (replay, history) that here a field is a view into the bytes
 * that were read, and written straight into the one buffer that is hashed and
 * stored.  The result is what protobuf-c makes, byte for byte; the tests and
 * the fuzzers hold the two against each other.
 *
 * Ownership  nothing is allocated; views live as long as the bytes read.
 */
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum wire_type {
	WIRE_VARINT = 0,
	WIRE_FIXED64 = 1,
	WIRE_BYTES = 2,
	WIRE_FIXED32 = 5
};

struct wire_field {
	uint32_t num;
	enum wire_type type;
	uint64_t u;   /* VARINT, FIXED32, FIXED64 */
	struct str s; /* BYTES; s.p is never NULL then */
};

enum wire_read { WIRE_END, WIRE_FIELD, WIRE_BAD };

struct wire_in {
	const char *p, *end;
};

static inline struct wire_in
wire_in(struct str s)
{
	const char *p = s.n > 0 ? s.p : "";

	return (struct wire_in){ p, p + s.n };
}

/* The next field.  WIRE_BAD: cut short, a group, or a number that is none. */
enum wire_read wire_next(struct wire_in *in, struct wire_field *f);

/* The value as the type that the definition gives it; false: it is not one. */
bool wire_u32(const struct wire_field *f, uint32_t *out);
bool wire_u64(const struct wire_field *f, uint64_t *out);
bool wire_bool(const struct wire_field *f, bool *out);
bool wire_string(const struct wire_field *f, struct str *out); /* UTF-8 */
bool wire_bytes(const struct wire_field *f, struct str *out);
bool wire_fixed(const struct wire_field *f, void *out, size_t n);

/*
 * A message is written by a function that is called twice: with p NULL to
 * count, then with p to write, so that the two cannot differ.
 */
struct wire_out {
	char *p; /* or NULL */
	size_t n;
};

size_t wire_varint_size(uint64_t v);
void wire_put_u64(struct wire_out *o, uint32_t num, uint64_t v);
void wire_put_bytes(struct wire_out *o, uint32_t num, const void *p, size_t n);

/* The tag and length of a message of n bytes that is put next. */
void wire_put_head(struct wire_out *o, uint32_t num, size_t n);

/* Absent when empty, as the definitions with `optional' have it. */
static inline void
wire_put_string(struct wire_out *o, uint32_t num, struct str s)
{
	if (s.n > 0)
		wire_put_bytes(o, num, s.p, s.n);
}

static inline void
wire_put_nonzero(struct wire_out *o, uint32_t num, uint64_t v)
{
	if (v != 0)
		wire_put_u64(o, num, v);
}

#endif
