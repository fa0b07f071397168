#include "node/message/record_parts.h"

#include <stdlib.h>
#include <string.h>

#include "proto/address.h"

/* Replaces *to with a copy of from; NULL and false when out of memory. */
bool
record_set_string(char **to, const char *from)
{
	char *copy = strdup(from);

	if (copy == NULL)
		return false;
	free(*to);
	*to = copy;
	return true;
}

bool
record_set_bytes(struct bytes *to, ProtobufCBinaryData from)
{
	if (to->limit == 0)
		bytes_init(to, 4096);
	bytes_reset(to);
	bytes_add(to, from.data, from.len);
	return !to->failed;
}

bool
record_set_skeleton(char **to, const char *name)
{
	char buf[ADDRESS_SKELETON_MAX];

	if (address_skeleton(buf, sizeof(buf), str_of(name)) != OK)
		return false;
	return record_set_string(to, buf);
}

void
record_seen_local(struct registry *r, uint32_t local)
{
	if (local >= r->next_local)
		r->next_local = local + 1;
}
