#include "proto/genesis.h"

#include <assert.h>
#include <string.h>

#include "crypto/hash.h"
#include "proto/wire.h"

#define GENESIS_VERSION 1

_Static_assert(GENESIS_KEY_LEN == HASH_LEN, "recovery_hash");
_Static_assert(GENESIS_MAX > ADDRESS_MAX + ADDRESS_LOCAL_MAX + 128,
    "GENESIS_MAX");

/* Genesis of kith.proto. */
static void
put_genesis(struct wire_out *o, const struct genesis *g)
{
	wire_put_u64(o, 1, GENESIS_VERSION);
	wire_put_bytes(o, 2, g->key, sizeof(g->key));
	wire_put_bytes(o, 3, g->recovery_hash, sizeof(g->recovery_hash));
	wire_put_bytes(o, 4, g->salt, sizeof(g->salt));
	wire_put_u64(o, 5, g->time_ms);
	wire_put_bytes(o, 6, g->realm, strlen(g->realm));
	wire_put_string(o, 7, str_of(g->name));
}

static void
make_id(struct genesis *g)
{
	hash256(g->id.b, "kith genesis 1", PARTS(PART(g->bytes, g->len)));
}

static bool
set_text(char *out, size_t size, struct str s)
{
	if (s.n == 0 || s.n >= size || memchr(s.p, '\0', s.n) != NULL)
		return false;
	memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	return true;
}

void
genesis_recovery_hash(uint8_t out[static GENESIS_KEY_LEN],
    const uint8_t recovery[static GENESIS_KEY_LEN])
{
	hash256(out, "kith recovery 1", PARTS(PART(recovery, GENESIS_KEY_LEN)));
}

static void
finish(struct genesis *g)
{
	struct wire_out o = { (char *)g->bytes, 0 };

	put_genesis(&o, g);
	assert(o.n <= sizeof(g->bytes));
	g->len = o.n;
	make_id(g);
}

static void
begin(struct genesis *g, const uint8_t *key, const uint8_t *salt,
    uint64_t time_ms)
{
	memset(g, 0, sizeof(*g));
	memcpy(g->key, key, sizeof(g->key));
	memcpy(g->salt, salt, sizeof(g->salt));
	g->time_ms = time_ms;
}

enum err
genesis_account(struct genesis *g, const uint8_t key[static GENESIS_KEY_LEN],
    const uint8_t *recovery, const uint8_t salt[static GENESIS_SALT_LEN],
    uint64_t time_ms, struct str realm)
{
	begin(g, key, salt, time_ms);
	if (recovery != NULL)
		genesis_recovery_hash(g->recovery_hash, recovery);
	if (!set_text(g->realm, sizeof(g->realm), realm))
		return ERR_ADDRESS;
	finish(g);
	return OK;
}

enum err
genesis_room(struct genesis *g, const uint8_t key[static GENESIS_KEY_LEN],
    const uint8_t salt[static GENESIS_SALT_LEN], uint64_t time_ms,
    struct str realm, struct str name)
{
	begin(g, key, salt, time_ms);
	if (!set_text(g->realm, sizeof(g->realm), realm) ||
	    !set_text(g->name, sizeof(g->name), name))
		return ERR_ADDRESS;
	finish(g);
	return OK;
}

static bool
field(struct genesis *g, uint32_t *version, const struct wire_field *f)
{
	struct str s;

	switch (f->num) {
	case 1:
		return wire_u32(f, version);
	case 2:
		return wire_fixed(f, g->key, sizeof(g->key));
	case 3:
		return wire_fixed(f, g->recovery_hash,
		    sizeof(g->recovery_hash));
	case 4:
		return wire_fixed(f, g->salt, sizeof(g->salt));
	case 5:
		return wire_u64(f, &g->time_ms);
	case 6:
		return wire_string(f, &s) &&
		       set_text(g->realm, sizeof(g->realm), s);
	case 7:
		return wire_string(f, &s) &&
		       set_text(g->name, sizeof(g->name), s);
	}
	return true;
}

enum err
genesis_decode(struct genesis *g, struct str bytes)
{
	struct wire_in in = wire_in(bytes);
	uint32_t version = 0, seen = 0;
	struct wire_field f;
	enum wire_read got;

	memset(g, 0, sizeof(*g));
	if (bytes.n == 0 || bytes.n > sizeof(g->bytes))
		return ERR_MALFORMED;
	while ((got = wire_next(&in, &f)) == WIRE_FIELD) {
		if (!field(g, &version, &f))
			return ERR_MALFORMED;
		if (f.num < 32)
			seen |= 1u << f.num;
	}
	if (got == WIRE_BAD || version != GENESIS_VERSION ||
	    (seen & 0x7e) != 0x7e) /* fields 1 to 6 */
		return ERR_MALFORMED;
	memcpy(g->bytes, bytes.p, bytes.n);
	g->len = bytes.n;
	make_id(g);
	return OK;
}

enum err
genesis_verify(struct genesis *g, struct str bytes, const struct id *id)
{
	enum err rc = genesis_decode(g, bytes);

	if (rc == OK && !id_eq(&g->id, id))
		return ERR_SIGNATURE;
	return rc;
}
