/*
 * copy: see copy.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "node/storage/copy.h"

static enum err
copy_open(struct copy *c)
{
	int fd, saved;
	enum err err;

	(void)unlink(c->part);
	fd = open(c->part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1) {
		saved = errno;
		return err_from_errno(saved);
	}
	(void)close(fd);
	err = db_err(sqlite3_open_v2(c->part, &c->to,
	    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE, NULL));
	if (err != OK)
		return err;
	/* A torn file is thrown away, and the whole one is synced below. */
	return db_err(sqlite3_exec(c->to,
	    "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", NULL, NULL,
	    NULL));
}

enum err
copy_begin(struct copy *c, struct db *from, const char *path)
{
	enum err err;
	int n;

	memset(c, 0, sizeof(*c));
	n = snprintf(c->path, sizeof(c->path), "%s", path);
	if (n < 0 || (size_t)n + 6 > sizeof(c->path))
		return ERR_INVALID;
	(void)snprintf(c->part, sizeof(c->part), "%.*s.part", n, path);
	if (access(path, F_OK) == 0)
		return ERR_EXISTS;
	if ((err = copy_open(c)) != OK)
		goto fail;
	c->backup = sqlite3_backup_init(c->to, "main", from->sql, "main");
	if (c->backup == NULL) {
		err = db_err(sqlite3_errcode(c->to));
		goto fail;
	}
	return OK;
fail:
	copy_abort(c);
	return err;
}

void
copy_abort(struct copy *c)
{
	if (c->backup != NULL)
		(void)sqlite3_backup_finish(c->backup);
	c->backup = NULL;
	if (c->to != NULL) {
		(void)sqlite3_close(c->to);
		(void)unlink(c->part);
	}
	c->to = NULL;
}

static enum err
sync_path(const char *path, int flags)
{
	enum err err = OK;
	int fd, saved;

	if ((fd = open(path, flags | O_CLOEXEC)) == -1 || fsync(fd) != 0) {
		saved = errno;
		err = err_from_errno(saved);
	}
	if (fd != -1)
		(void)close(fd);
	return err;
}

static enum err
copy_finish(struct copy *c)
{
	char dir[PATH_MAX];
	enum err err;
	int rc, saved;

	rc = sqlite3_backup_finish(c->backup);
	c->backup = NULL;
	/* The header says WAL, as the original's: a file of its own does
	 * without. */
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(c->to, "PRAGMA journal_mode = DELETE", NULL,
		    NULL, NULL);
	if (rc != SQLITE_OK)
		return db_err(rc);
	if ((rc = sqlite3_close(c->to)) != SQLITE_OK)
		return db_err(rc);
	c->to = NULL;
	if ((err = sync_path(c->part, O_RDONLY)) != OK)
		goto fail;
	/* link, not rename: a file that came meanwhile is not replaced. */
	if (link(c->part, c->path) != 0) {
		saved = errno;
		err = saved == EEXIST ? ERR_EXISTS : err_from_errno(saved);
		goto fail;
	}
	(void)unlink(c->part);
	memcpy(dir, c->path, sizeof(dir));
	return sync_path(dirname(dir), O_RDONLY | O_DIRECTORY);
fail:
	(void)unlink(c->part);
	return err;
}

enum err
copy_step(struct copy *c, int pages, bool *done)
{
	int rc = sqlite3_backup_step(c->backup, pages);

	*done = false;
	if (rc == SQLITE_OK || rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
		return OK; /* there is more; or not now */
	if (rc != SQLITE_DONE)
		return db_err(rc);
	*done = true;
	return copy_finish(c);
}

enum err
copy_whole(struct db *from, const char *path)
{
	struct copy c;
	enum err err;
	bool done;

	if ((err = copy_begin(&c, from, path)) != OK)
		return err;
	do {
		err = copy_step(&c, -1, &done);
	} while (err == OK && !done);
	copy_abort(&c);
	return err;
}
