/*
 * The reader of requests against jansson: what jansson takes strictly and
 * fits the table, the reader takes with the same values, and nothing else.
 * And what the writer writes, jansson reads as the same text.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "proto/json.h"
#include "proto/utf8.h"

#define DEPTH_SURE                                                             \
	15 /* so deep values are read; the limit is a little more              \
	    */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What kind of value a member has, and how large it may be. */
static const struct row {
	enum { STR, U64, BOOL, STRS } type;
	size_t limit, offset;
} rows[KEY_COUNT] = {
#define X(member, type, limit) { type, limit, offsetof(struct args, member) },
	OP_KEYS(X)
#undef X
};

static bool
is_string(const json_t *v, size_t limit)
{
	return json_is_string(v) && json_string_length(v) <= limit;
}

static bool
is_number(const json_t *v, uint64_t least)
{
	json_int_t i = json_integer_value(v);

	return json_is_integer(v) && i >= (json_int_t)least &&
	       i <= (json_int_t)OP_ID_MAX;
}

static bool
value_fits(const json_t *v, const struct row *row)
{
	switch (row->type) {
	case STR:
		return is_string(v, row->limit);
	case U64:
		return is_number(v, 0);
	case BOOL:
		return json_is_boolean(v);
	case STRS:
		break;
	}
	if (!json_is_array(v) || json_array_size(v) > OP_STRS_MAX)
		return false;
	for (size_t i = 0; i < json_array_size(v); i++)
		if (!is_string(json_array_get(v, i), row->limit))
			return false;
	return true;
}

static struct str
str_value(const json_t *v)
{
	return (struct str){ json_string_value(v), json_string_length(v) };
}

/* The whole table in other words. */
static bool
fits(json_t *root, bool control)
{
	const struct op_info *info;
	const char *name;
	uint64_t present = 0;
	json_t *v;
	enum op op;

	if (!json_is_object(root))
		return false;
	v = json_object_get(root, "op");
	if (!json_is_string(v) || (op = op_find(str_value(v))) == OP_NONE)
		return false;
	info = op_info(op);
	if (((info->flags & OP_CONTROL) != 0) != control)
		return false;
	v = json_object_get(root, "id");
	if (v == NULL ? (info->flags & OP_SILENT) == 0 : !is_number(v, 1))
		return false;
	json_object_foreach(root, name, v)
	{
		enum op_key k;

		if (strcmp(name, "op") == 0 || strcmp(name, "id") == 0)
			continue;
		k = op_key_find(str_of(name));
		if (k == KEY_COUNT || !value_fits(v, &rows[k]))
			return false;
		present |= 1ull << k;
	}
	return (info->required & ~present) == 0 &&
	       (present & ~(info->required | info->optional)) == 0;
}

static void
same_value(const json_t *v, const void *field, enum op_key k)
{
	const struct args *a;

	switch (rows[k].type) {
	case STR:
		assert(str_eq(*(const struct str *)field, str_value(v)));
		break;
	case U64:
		assert(*(const uint64_t *)field ==
		       (uint64_t)json_integer_value(v));
		break;
	case BOOL:
		assert(*(const bool *)field == json_is_true(v));
		break;
	case STRS:
		a = (const void *)((const char *)field -
				   offsetof(struct args, mentions));
		assert(a->mentions.n == json_array_size(v));
		for (size_t i = 0; i < a->mentions.n; i++)
			assert(str_eq(a->mentions.v[i],
			    str_value(json_array_get(v, i))));
		break;
	}
}

static void
same(json_t *root, const struct json_request *rq)
{
	uint64_t present = 0;
	const char *name;
	json_t *v;

	json_object_foreach(root, name, v)
	{
		enum op_key k;

		if (strcmp(name, "op") == 0) {
			assert(rq->op == op_find(str_value(v)));
			continue;
		}
		if (strcmp(name, "id") == 0) {
			assert(rq->id == (uint64_t)json_integer_value(v));
			continue;
		}
		k = op_key_find(str_of(name));
		same_value(v, (const char *)&rq->args + rows[k].offset, k);
		present |= 1ull << k;
	}
	assert(rq->args.present == present);
}

static unsigned
depth(const json_t *v)
{
	unsigned most = 0, d;
	const char *name;
	json_t *inner;
	size_t i;

	if (json_is_object(v)) {
		/* The macro wants it without const and does not write. */
		json_t *object = json_incref((json_t *)(uintptr_t)v);

		json_object_foreach(object, name, inner)
		{
			if ((d = depth(inner)) > most)
				most = d;
		}
		json_decref(object);
	} else if (json_is_array(v)) {
		json_array_foreach(v, i, inner)
		{
			if ((d = depth(inner)) > most)
				most = d;
		}
	} else {
		return 0;
	}
	return most + 1;
}

static void
read_both(const uint8_t *data, size_t n, bool control)
{
	static struct json_request rq;
	char *buf = malloc(n > 0 ? n : 1);
	const char *what = NULL;
	json_t *root;
	enum err rc;

	assert(buf != NULL);
	if (n > 0)
		memcpy(buf, data, n);
	memset(&rq, 0x5a, sizeof(rq));
	root = json_loadb((const char *)data, n, JSON_REJECT_DUPLICATES, NULL);
	rc = json_read(&rq, buf, n, control, &what);
	if (n > 0 && memchr(data, 0, n) != NULL) {
		/* No JSON, though jansson lets one pass after a number. */
		assert(rc == ERR_MALFORMED);
	} else if (rc == OK) {
		assert(root != NULL && fits(root, control));
		same(root, &rq);
	} else {
		assert(what != NULL);
		assert(root == NULL || !fits(root, control));
		/* The id is told whenever there is JSON. */
		if (root != NULL && json_is_object(root) &&
		    depth(root) <= DEPTH_SURE) {
			json_t *id = json_object_get(root, "id");

			assert(rc != ERR_MALFORMED);
			assert(!is_number(id, 1) ||
			       rq.id == (uint64_t)json_integer_value(id));
		}
	}
	json_decref(root);
	free(buf);
}

static void
write_and_read(const uint8_t *data, size_t n)
{
	struct str in = { (const char *)data, n };
	struct bytes b;
	json_t *root;

	if (!utf8_valid(in.p, in.n) || memchr(data, 0, n) != NULL)
		return;
	bytes_init(&b, 12 * n + 64);
	json_object(&b);
	json_str(&b, "a", in);
	json_array(&b, "b");
	json_item_str(&b, in);
	json_item_u64(&b, n);
	json_array_end(&b);
	json_object_end(&b);
	assert(!b.failed);
	root = json_loadb(b.p, b.n, JSON_REJECT_DUPLICATES, NULL);
	assert(root != NULL);
	assert(str_eq(str_value(json_object_get(root, "a")), in));
	assert(str_eq(str_value(json_array_get(json_object_get(root, "b"), 0)),
	    in));
	json_decref(root);
	bytes_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	read_both(data, n, false);
	read_both(data, n, true);
	if (n > 0)
		write_and_read(data, n);
	return 0;
}
