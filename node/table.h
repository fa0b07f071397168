/*
 * table: uthash, with a keyed hash, because strangers choose names, and
 * without the exit(3) on a failed allocation: HASH_ADD leaves the element out
 * and sets its `hh.tbl' to NULL, see table_failed.
 */
#ifndef NODE_TABLE_H
#define NODE_TABLE_H

#include "crypto/shorthash.h"

#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION(keyptr, keylen, hashv)                                   \
	((hashv) = (unsigned)shorthash((keyptr), (keylen)))

#include <uthash.h>

/* Whether the HASH_ADD just done could not get memory. */
#define table_failed(element, handle) ((element)->handle.tbl == NULL)

#endif
