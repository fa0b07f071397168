/*
 * op: the two tables, and finding a row by its name.
 *
 * Names are looked up for each member of each request, so both tables have a
 * hash index, which is filled before main starts (the tables are fixed, but C
 * cannot compute a string's hash at compile time).
 */
#include "proto/op.h"

#include <assert.h>
#include <string.h>

#define INDEX_SIZE 256 /* of each index; more than twice the rows */

static const struct op_info infos[OP_COUNT] = {
#define X(constant, op_name, req, opt, op_flags)                               \
	[constant] = { .name = (op_name),                                      \
		.required = (req),                                             \
		.optional = (opt),                                             \
		.flags = (op_flags) },
	OP_TABLE(X)
#undef X
};

static const char *const key_names[KEY_COUNT] = {
#define X(member, type, limit) [KEY_##member] = #member,
	OP_KEYS(X)
#undef X
};

/* A name and its row + 1; 0: an empty place. */
struct slot {
	const char *name;
	uint8_t len, row;
};

static struct slot op_index[INDEX_SIZE], key_index[INDEX_SIZE];

static_assert(OP_COUNT < INDEX_SIZE / 2, "op_index is too small");
static_assert(KEY_COUNT < 64, "struct args' `present' has 64 bits");

/* The first and the last up to eight bytes tell all names apart. */
static unsigned
name_hash(const char *p, size_t n)
{
	uint64_t first = 0, last = 0;

	if (n >= 8) {
		memcpy(&first, p, 8);
		memcpy(&last, p + n - 8, 8);
	} else if (n >= 4) {
		uint32_t a, b;

		memcpy(&a, p, 4);
		memcpy(&b, p + n - 4, 4);
		first = a;
		last = b;
	} else if (n > 0) {
		first = (uint8_t)p[0];
		last = (uint64_t)(uint8_t)p[n / 2] << 8 | (uint8_t)p[n - 1];
	}
	first = (first ^ n) * 0x9e3779b97f4a7c15u;
	return (unsigned)((first + last * 0xc2b2ae3d27d4eb4fu) >> 56);
}

static void
index_add(struct slot *index, const char *name, unsigned row)
{
	size_t n = strlen(name);
	unsigned i = name_hash(name, n);

	while (index[i].row != 0)
		i = (i + 1) % INDEX_SIZE;
	index[i] = (struct slot){ name, (uint8_t)n, (uint8_t)(row + 1) };
}

static int
index_find(const struct slot *index, struct str name)
{
	if (name.n > 63)
		return -1;
	for (unsigned i = name_hash(name.p, name.n); index[i].row != 0;
	     i = (i + 1) % INDEX_SIZE)
		if (index[i].len == name.n &&
		    memcmp(index[i].name, name.p, name.n) == 0)
			return index[i].row - 1;
	return -1;
}

__attribute__((constructor)) static void
fill(void)
{
	for (unsigned i = OP_NONE + 1; i < OP_COUNT; i++)
		index_add(op_index, infos[i].name, i);
	for (unsigned i = 0; i < KEY_COUNT; i++)
		index_add(key_index, key_names[i], i);
}

const struct op_info *
op_info(enum op op)
{
	assert(op > OP_NONE && op < OP_COUNT);
	return &infos[op];
}

enum op
op_find(struct str name)
{
	int row = index_find(op_index, name);

	return row < 0 ? OP_NONE : (enum op)row;
}

enum op_key
op_key_find(struct str name)
{
	int row = index_find(key_index, name);

	return row < 0 ? KEY_COUNT : (enum op_key)row;
}

const char *
op_key_name(enum op_key key)
{
	assert(key < KEY_COUNT);
	return key_names[key];
}
