/*
 * copy: a consistent copy of the database into a file, in steps.
 *
 * By SQLite's backup interface from the writer's own connection: pages that
 * it changes meanwhile are carried over, so that the copy never has to start
 * again, and no reader's snapshot keeps the WAL from being emptied.  What is
 * copied is the state at the last step.  The file appears under its name only
 * when it is whole and on the disk; it has no WAL beside it.
 *
 * Threads    that of the connection.
 */
#ifndef NODE_STORAGE_COPY_H
#define NODE_STORAGE_COPY_H

#include <limits.h>
#include <stdbool.h>

#include "base/err.h"
#include "node/storage/db.h"

struct copy {
	sqlite3_backup *backup; /* NULL: not under way */
	sqlite3 *to;
	char path[PATH_MAX], part[PATH_MAX];
};

/* ERR_EXISTS: there is such a file. */
enum err copy_begin(struct copy *c, struct db *from, const char *path) MUST_USE;

/*
 * So many pages (-1: all).  *done: the file is there.  On error it is not,
 * and copy_abort is still to be called.
 */
enum err copy_step(struct copy *c, int pages, bool *done) MUST_USE;

/* Forgets it and removes what there is.  When not under way: nothing. */
void copy_abort(struct copy *c);

/* All of it at once. */
enum err copy_whole(struct db *from, const char *path) MUST_USE;

#endif
