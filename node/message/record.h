/*
 * record: the registry's objects to and from the *Record messages of
 * kith.proto, and the puts of an entry.
 *
 * The *_record functions fill a message that borrows from the object; an
 * operation changes members of it and adds it to a put_list.
 */
#ifndef NODE_MESSAGE_RECORD_H
#define NODE_MESSAGE_RECORD_H

#include "base/bytes.h"
#include "kith.pb-c.h"
#include "node/message/registry.h"
#include "proto/entry.h"

struct account_record {
	Kith__AccountRecord rec;
	ProtobufCBinaryData blocked[REGISTRY_BLOCKED_MAX + 1];
};

void account_record(const struct account *a, struct account_record *out);
void device_record(const struct device *d, Kith__DeviceRecord *rec);
void room_record(const struct room *room, Kith__RoomRecord *rec);
void member_record(const struct member *m, Kith__MemberRecord *rec);
void conv_record(const struct conv *c, Kith__ConvRecord *rec);
void invite_record(const struct invite *i, Kith__InviteRecord *rec);

/* The device that a device record's key names, or NULL. */
struct device *record_device(struct registry *r, struct str key);

/* The key of a stream's record; returns its length. */
size_t record_stream_key(const struct stream *s, char *key);

/* The cursors of a device; r to name the logs. */
enum err encode_cursors(const struct device *d, struct registry *r,
    struct bytes *out) MUST_USE;

/* A view that protobuf-c takes and does not write to. */
ProtobufCBinaryData record_data(const void *p, size_t n);

/* The changed records of one entry; their memory is the list's. */
struct put_list {
	struct put v[ENTRY_PUTS];
	uint32_t n;
	bool failed; /* one did not fit */
	struct bytes memory;
	size_t at[ENTRY_PUTS]; /* offset of the key in memory */
};

void put_list_init(struct put_list *l);
void put_list_fini(struct put_list *l);

/* Packs msg; NULL: the record is removed. */
void put_list_add(struct put_list *l, enum record_kind kind, const void *key,
    size_t key_len, const ProtobufCMessage *msg);

/* The same with an encoded value. */
void put_list_add_value(struct put_list *l, enum record_kind kind,
    const void *key, size_t key_len, struct str value);

/* Shorthands that make the key. */
void put_account(struct put_list *l, const struct account_record *rec);
void put_device(struct put_list *l, const Kith__DeviceRecord *rec);
void put_device_gone(struct put_list *l, const struct device *d);
/* value: of encode_cursors. */
void put_cursors(struct put_list *l, const struct device *d, struct str value);
void put_room(struct put_list *l, const Kith__RoomRecord *rec);
void put_member(struct put_list *l, const Kith__MemberRecord *rec);
void put_member_gone(struct put_list *l, const struct member *m);
void put_conv(struct put_list *l, const struct conv *c);
void put_conv_record(struct put_list *l, const Kith__ConvRecord *rec);
void put_invite(struct put_list *l, const Kith__InviteRecord *rec);
void put_invite_gone(struct put_list *l, const struct invite *i);
void put_ban(struct put_list *l, const Kith__BanRecord *rec);
void put_ban_gone(struct put_list *l, const struct ban *b);

/* Makes the views of v point into memory; after the last add.  False: a put
 * failed (no memory, too many). */
bool put_list_close(struct put_list *l);

#endif
