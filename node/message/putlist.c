#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "node/message/record.h"

void
put_list_init(struct put_list *l)
{
	l->n = 0;
	l->failed = false;
	bytes_init(&l->memory, ENTRY_MAX);
}

void
put_list_fini(struct put_list *l)
{
	bytes_wipe(&l->memory); /* password and token hashes */
}

/* Room for a value of n bytes after the key, to be filled; NULL: none. */
static char *
put_list_slot(struct put_list *l, enum record_kind kind, const void *key,
    size_t key_len, size_t n)
{
	struct put *put = &l->v[l->n];
	char *p;

	if (l->n == ENTRY_PUTS ||
	    (p = bytes_reserve(&l->memory, key_len + n)) == NULL) {
		l->failed = true;
		return NULL;
	}
	l->at[l->n++] = l->memory.n;
	l->memory.n += key_len + n;
	memcpy(p, key, key_len);
	put->kind = kind;
	put->key.n = key_len;
	put->value.n = n;
	put->value.p = ""; /* present; put_list_close sets it */
	return p + key_len;
}

void
put_list_add(struct put_list *l, enum record_kind kind, const void *key,
    size_t key_len, const ProtobufCMessage *msg)
{
	size_t n = msg != NULL ? protobuf_c_message_get_packed_size(msg) : 0;
	char *p = put_list_slot(l, kind, key, key_len, n);

	if (p == NULL)
		return;
	if (msg != NULL)
		(void)protobuf_c_message_pack(msg, (uint8_t *)p);
	else
		l->v[l->n - 1].value.p = NULL;
}

void
put_list_add_value(struct put_list *l, enum record_kind kind, const void *key,
    size_t key_len, struct str value)
{
	char *p = put_list_slot(l, kind, key, key_len, value.n);

	if (p != NULL)
		memcpy(p, value.p, value.n);
}

bool
put_list_close(struct put_list *l)
{
	if (l->failed)
		return false;
	for (uint32_t i = 0; i < l->n; i++) {
		struct put *put = &l->v[i];

		put->key.p = l->memory.p + l->at[i];
		if (put->value.p != NULL)
			put->value.p = put->key.p + put->key.n;
	}
	return true;
}

void
put_account(struct put_list *l, const struct account_record *rec)
{
	put_list_add(l, RECORD_ACCOUNT, rec->rec.id.data, rec->rec.id.len,
	    &rec->rec.base);
}

static void
device_key(char key[static ID_LEN + 4], const void *account, uint32_t num)
{
	uint32_t be = htobe32(num);

	memcpy(key, account, ID_LEN);
	memcpy(key + ID_LEN, &be, 4);
}

void
put_device(struct put_list *l, const Kith__DeviceRecord *rec)
{
	char key[ID_LEN + 4];

	device_key(key, rec->account.data, rec->device);
	put_list_add(l, RECORD_DEVICE, key, sizeof(key), &rec->base);
}

void
put_device_gone(struct put_list *l, const struct device *d)
{
	char key[ID_LEN + 4];

	device_key(key, d->account->id.b, d->num);
	put_list_add(l, RECORD_DEVICE, key, sizeof(key), NULL);
}

void
put_cursors(struct put_list *l, const struct device *d, struct str value)
{
	char key[ID_LEN + 4];

	device_key(key, d->account->id.b, d->num);
	put_list_add_value(l, RECORD_CURSORS, key, sizeof(key), value);
}

void
put_room(struct put_list *l, const Kith__RoomRecord *rec)
{
	put_list_add(l, RECORD_ROOM, rec->id.data, rec->id.len, &rec->base);
}

static void
member_key(char key[static 2 * ID_LEN], const void *room, const void *account)
{
	memcpy(key, room, ID_LEN);
	memcpy(key + ID_LEN, account, ID_LEN);
}

void
put_member(struct put_list *l, const Kith__MemberRecord *rec)
{
	char key[2 * ID_LEN];

	member_key(key, rec->room.data, rec->account.data);
	put_list_add(l, RECORD_MEMBER, key, sizeof(key), &rec->base);
}

void
put_member_gone(struct put_list *l, const struct member *m)
{
	char key[2 * ID_LEN];

	member_key(key, m->room->id.b, m->account->id.b);
	put_list_add(l, RECORD_MEMBER, key, sizeof(key), NULL);
}

void
put_conv_record(struct put_list *l, const Kith__ConvRecord *rec)
{
	uint32_t be = htobe32(rec->conv);

	put_list_add(l, RECORD_CONV, &be, sizeof(be), &rec->base);
}

void
put_conv(struct put_list *l, const struct conv *c)
{
	Kith__ConvRecord rec;

	conv_record(c, &rec);
	put_conv_record(l, &rec);
}

void
put_invite(struct put_list *l, const Kith__InviteRecord *rec)
{
	put_list_add(l, RECORD_INVITE, rec->token_hash.data,
	    rec->token_hash.len, &rec->base);
}

void
put_invite_gone(struct put_list *l, const struct invite *i)
{
	put_list_add(l, RECORD_INVITE, i->token_hash, 32, NULL);
}

void
put_ban(struct put_list *l, const Kith__BanRecord *rec)
{
	put_list_add(l, RECORD_BAN, rec->pattern, strlen(rec->pattern),
	    &rec->base);
}

void
put_ban_gone(struct put_list *l, const struct ban *b)
{
	put_list_add(l, RECORD_BAN, b->pattern, strlen(b->pattern), NULL);
}
