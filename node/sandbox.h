/*
 * sandbox: what the process gives up once it has what it needs.
 *
 * sandbox_process  no core dumps, no ptrace, umask, new files for us only
 * sandbox_user     from root to the configured user
 * sandbox_enter    Landlock: of the file system only the data directory (and
 *                  files named for reading); seccomp: no exec, no new
 *                  namespaces, no mounts, no module, no ptrace, and so on.
 *                  Where the kernel has not one of them, the log says so.
 *
 * Threads    before others are started: they inherit it.
 */
#ifndef NODE_SANDBOX_H
#define NODE_SANDBOX_H

#include <stddef.h>

#include "base/err.h"

void sandbox_process(void);

/*
 * Gives the data directory to user (made when missing) and becomes them.
 * user NULL: nothing when not root; as root the log warns.  On error *what
 * says why.
 */
enum err sandbox_user(const char *user, const char *data, char *what,
    size_t what_len) MUST_USE;

/* data: read and write; readable: NULL-terminated list of files. */
void sandbox_enter(const char *data, const char *const *readable);

#endif
