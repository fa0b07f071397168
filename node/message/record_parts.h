/*
 * record_parts: what the decoders of records share.  Private to the box.
 */
#ifndef NODE_MESSAGE_RECORD_PARTS_H
#define NODE_MESSAGE_RECORD_PARTS_H

#include "node/message/record.h"

#define DEVICE_NAME_MAX 256 /* bytes */

uint32_t record_be32(const void *p);
uint64_t record_be64(const void *p);

/* Replaces *to with a copy; false when out of memory. */
bool record_set_string(char **to, const char *from) MUST_USE;
bool record_set_skeleton(char **to, const char *name) MUST_USE;
/* ERR_CORRUPT: longer than any that we make; ERR_NOMEM. */
enum err record_set_bytes(struct bytes *to, ProtobufCBinaryData from) MUST_USE;

/* Could it be the local part of an address? */
bool record_name_valid(const char *name);

/* Is the number of a log one, and of no account or room yet? */
bool record_local_free(struct registry *r, uint32_t local);
/* Numbers given out later are above this one. */
void record_seen_local(struct registry *r, uint32_t local);

/* The device of a key [account id, device BE32]; NULL: there is none; and
 * *account, NULL: nor that. */
struct device *record_device_of_key(struct registry *r, struct str key,
    struct account **account);

/*
 * registry_put of one kind each.  ERR_CORRUPT: it cannot be decoded, is no
 * such object, does not belong to its key, or contradicts what there is;
 * ERR_NOMEM: the registry must not be used any more.
 */
enum err record_room_put(struct registry *r, struct str key,
    struct str value) MUST_USE;
enum err record_member_put(struct registry *r, struct str key,
    struct str value) MUST_USE;
enum err record_conv_put(struct registry *r, struct str key,
    struct str value) MUST_USE;
enum err record_stream_put(struct registry *r, struct str key,
    struct str value) MUST_USE;
enum err record_invite_put(struct registry *r, struct str key,
    struct str value) MUST_USE;
enum err record_ban_put(struct registry *r, struct str key,
    struct str value) MUST_USE;
enum err record_shard_put(struct registry *r, struct str key,
    struct str value) MUST_USE;

#endif
