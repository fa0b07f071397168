#include "node/message/record_parts.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "proto/address.h"

#define BYTES_MAX 4096 /* of genesis records and sealed keys */

uint32_t
record_be32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

uint64_t
record_be64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

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

enum err
record_set_bytes(struct bytes *to, ProtobufCBinaryData from)
{
	if (from.len > BYTES_MAX)
		return ERR_CORRUPT;
	if (to->limit == 0)
		bytes_init(to, BYTES_MAX);
	bytes_reset(to);
	bytes_add(to, from.data, from.len);
	return to->failed ? ERR_NOMEM : OK;
}

bool
record_set_skeleton(char **to, const char *name)
{
	char buf[ADDRESS_SKELETON_MAX];

	if (address_skeleton(buf, sizeof(buf), str_of(name)) != OK)
		return false;
	return record_set_string(to, buf);
}

bool
record_name_valid(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n <= ADDRESS_LOCAL_MAX;
}

bool
record_local_free(struct registry *r, uint32_t local)
{
	return local != 0 && local != UINT32_MAX &&
	       registry_account_local(r, local) == NULL &&
	       registry_room_local(r, local) == NULL;
}

void
record_seen_local(struct registry *r, uint32_t local)
{
	if (local >= r->next_local)
		r->next_local = local + 1;
}
