/*
 * record_parts: what the decoders of records share.  Private to the box.
 */
#ifndef NODE_MESSAGE_RECORD_PARTS_H
#define NODE_MESSAGE_RECORD_PARTS_H

#include "node/message/record.h"

/* Replaces *to with a copy; false when out of memory. */
bool record_set_string(char **to, const char *from);
bool record_set_bytes(struct bytes *to, ProtobufCBinaryData from);
bool record_set_skeleton(char **to, const char *name);

/* Numbers given out later are above this one. */
void record_seen_local(struct registry *r, uint32_t local);

/* registry_put of one kind each. */
enum err record_room_put(struct registry *r, struct str value) MUST_USE;
enum err record_member_put(struct registry *r, struct str key,
    struct str value) MUST_USE;
enum err record_invite_put(struct registry *r, struct str key,
    struct str value) MUST_USE;
enum err record_ban_put(struct registry *r, struct str key,
    struct str value) MUST_USE;
enum err record_shard_put(struct registry *r, struct str key,
    struct str value) MUST_USE;

#endif
