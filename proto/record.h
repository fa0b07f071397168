/*
 * record: the kinds of objects that the registry is made of, and their
 * values.  The encodings are the *Record messages of kith.proto.  Storage
 * keeps them by (kind, key) and does not look inside.
 */
#ifndef PROTO_RECORD_H
#define PROTO_RECORD_H

/* Stored: never change or reuse a value.  The key in brackets. */
enum record_kind {
	RECORD_ACCOUNT = 1, /* [account id] */
	RECORD_DEVICE = 2,  /* [account id, device BE32] */
	RECORD_ROOM = 4,    /* [room id] */
	RECORD_MEMBER = 5,  /* [room id, account id] */
	RECORD_CONV = 6,    /* [conv BE32] */
	RECORD_STREAM = 7,  /* [account id, device BE32, stream BE64] */
	RECORD_INVITE = 8,  /* [token hash] */
	RECORD_SHARD = 9,   /* [shard, one byte] */
	RECORD_BAN = 10,    /* [pattern] */
	/* Last, because it names others: [account id, device BE32] */
	RECORD_CURSORS = 11,
};

enum account_state { ACCOUNT_ACTIVE, ACCOUNT_DISABLED, ACCOUNT_DEACTIVATED };

enum room_access { ROOM_PUBLIC, ROOM_PRIVATE, ROOM_INVITE };

/* Who sees what was said before they joined. */
enum room_history { ROOM_HISTORY_ALL, ROOM_HISTORY_JOINED };

enum member_state { MEMBER_LEFT, MEMBER_JOINED, MEMBER_INVITED, MEMBER_BANNED };

enum member_role { ROLE_MEMBER, ROLE_MODERATOR, ROLE_OWNER };

#endif
