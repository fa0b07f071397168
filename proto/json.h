/*
 * json: a strict, allocation-free reader for the flat objects of op.h, and a
 * writer.
 *
 * The reader takes RFC 8259 objects whose members are strings, integers,
 * booleans and arrays of strings, and nothing else: no duplicate members, no
 * unknown ones, no fractions or exponents, valid UTF-8 only, no lone
 * surrogates, no NUL.  It unescapes in place, so the buffer is changed.
 */
#ifndef PROTO_JSON_H
#define PROTO_JSON_H

#include "base/bytes.h"
#include "base/err.h"
#include "proto/op.h"

struct json_request {
	enum op op;
	uint64_t id; /* 0: absent */
	struct args args;
};

/*
 * Reads buf, which is changed and must outlive rq.  On error rq->id is set
 * when it could be told, and *what says in a few words what is wrong (static).
 * ERR_MALFORMED: no such JSON; ERR_UNKNOWN_OP; ERR_INVALID: a member is
 * missing, unknown, of the wrong type or out of range; ERR_TOO_LARGE: a
 * string is over its limit.  Control operations are ERR_UNKNOWN_OP unless
 * `control'; the others likewise when it is set.
 */
enum err json_read(struct json_request *rq, char *buf, size_t n, bool control,
    const char **what) MUST_USE;

/* ---- writing ------------------------------------------------------------ */

/*
 * Members are written one after the other into a struct bytes; commas are put
 * by looking at the last byte, so the functions can be mixed freely.  Text is
 * escaped as RFC 8259 asks (and U+2028, U+2029, DEL).  It must be UTF-8.
 * libjansson has functions of two of these names: they are others for the
 * linker, and its header goes before this one.
 */
#define json_object json_object_begin
#define json_array  json_array_begin
void json_object(struct bytes *b);                     /* { */
void json_object_end(struct bytes *b);                 /* } */
void json_object_in(struct bytes *b, const char *key); /* "key":{ */
void json_array(struct bytes *b, const char *key);     /* "key":[ */
void json_array_end(struct bytes *b);
void json_str(struct bytes *b, const char *key, struct str v);
void json_cstr(struct bytes *b, const char *key, const char *v);
void json_u64(struct bytes *b, const char *key, uint64_t v);
void json_i64(struct bytes *b, const char *key, int64_t v);
void json_bool(struct bytes *b, const char *key, bool v);
void json_item_str(struct bytes *b, struct str v); /* in an array */
void json_item_u64(struct bytes *b, uint64_t v);
void json_item_object(struct bytes *b); /* ,{ in an array */

#endif
