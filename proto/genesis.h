/*
 * genesis: the record that an account or a room begins with.
 *
 * Its hash (BLAKE2b-256, domain "kith genesis 1", over the exact bytes of
 * message Genesis) is the id, for ever: so an account can change its keys,
 * its name and its home.  A record with a name is a room's.
 *
 * Ownership  a struct genesis holds everything itself.
 */
#ifndef PROTO_GENESIS_H
#define PROTO_GENESIS_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "proto/address.h"
#include "proto/id.h"

#define GENESIS_KEY_LEN  32
#define GENESIS_SALT_LEN 16
#define GENESIS_MAX      640 /* bytes of the encoding */

struct genesis {
	struct id id;
	uint8_t key[GENESIS_KEY_LEN];           /* rooms: of the realm */
	uint8_t recovery_hash[GENESIS_KEY_LEN]; /* zeros: none */
	uint8_t salt[GENESIS_SALT_LEN];
	uint64_t time_ms;
	char realm[ADDRESS_MAX + 1];
	char name[ADDRESS_LOCAL_MAX + 1]; /* of the room, without #; or empty */
	uint8_t bytes[GENESIS_MAX];
	size_t len;
};

/* What recovery_hash is for a recovery public key. */
void genesis_recovery_hash(uint8_t out[static GENESIS_KEY_LEN],
    const uint8_t recovery[static GENESIS_KEY_LEN]);

/*
 * Fills g.  recovery is the recovery public key, or NULL: it can be set later.
 * realm and name are in the form that address_parse makes, the salt is random.
 * ERR_ADDRESS: they are too long or empty.
 */
enum err genesis_account(struct genesis *g,
    const uint8_t key[static GENESIS_KEY_LEN], const uint8_t *recovery,
    const uint8_t salt[static GENESIS_SALT_LEN], uint64_t time_ms,
    struct str realm) MUST_USE;
enum err genesis_room(struct genesis *g,
    const uint8_t key[static GENESIS_KEY_LEN],
    const uint8_t salt[static GENESIS_SALT_LEN], uint64_t time_ms,
    struct str realm, struct str name) MUST_USE;

/* ERR_MALFORMED: no genesis record of a version known. */
enum err genesis_decode(struct genesis *g, struct str bytes) MUST_USE;

/* As decode; ERR_SIGNATURE: a proper record, but another one's. */
enum err genesis_verify(struct genesis *g, struct str bytes,
    const struct id *id) MUST_USE;

#endif
