/*
 * schema: the tables, and how older ones become what they are now.
 *
 * Migrations are numbered by the version that they make and run each in a
 * transaction of its own, after a copy of the database was put beside it
 * (history.db.before-<version>), which is kept for SCHEMA_KEEP_DAYS.
 */
#ifndef NODE_STORAGE_SCHEMA_H
#define NODE_STORAGE_SCHEMA_H

#include <stdint.h>

#include "base/err.h"
#include "node/storage/db.h"

#define SCHEMA_APPLICATION 0x6b697468 /* "kith", in the file's header */
#define SCHEMA_CHECK_BYTES (64 << 20) /* larger files: not all at start */
#define SCHEMA_KEEP_DAYS   7

/* From the version before: sql, then run; either may be NULL. */
struct migration {
	const char *sql;
	enum err (*run)(struct db *db);
};

extern const struct migration schema_migrations[];
extern const unsigned schema_version; /* how many there are */

/*
 * Makes the tables, or checks that they are ours and brings them to version
 * n.  ERR_CORRUPT: not a history of kith, or damaged; ERR_UNSUPPORTED: made
 * by a later version.  Says in the log what to do.
 */
enum err schema_open(struct db *db, const char *path,
    const struct migration *migrations, unsigned n) MUST_USE;

#endif
