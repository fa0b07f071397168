/*
 * storage_fault: see storage_fault.h.
 */
#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/prng.h"
#include "tests/unit/storage_fault.h"

#define SECTOR 512

/* The linker puts ours in the place of malloc, calloc and realloc. */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

struct fault fault;

/* What a write or a truncation overwrote, to be taken back. */
struct undo {
	struct undo *next;      /* the one before it */
	sqlite3_int64 at, size; /* of the file before */
	size_t n;
	char old[];
};

/* A file by its name, however often it is open. */
struct disk_file {
	struct disk_file *next;
	char *path;
	struct undo *undo; /* newest first */
};

struct fault_file {
	sqlite3_file base;
	struct disk_file *disk; /* NULL: temporary */
	sqlite3_file *real;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct disk_file *disk_files;
static sqlite3_vfs *real_vfs;
static pthread_t main_thread;

static bool
strikes(atomic_int *in)
{
	return atomic_load(in) > 0 && atomic_fetch_sub(in, 1) == 1;
}

static sqlite3_file *
real(sqlite3_file *f)
{
	return ((struct fault_file *)(void *)f)->real;
}

/* ---- power
 * ------------------------------------------------------------------- */

static void
forget_undo(struct disk_file *d)
{
	struct undo *u;

	while ((u = d->undo) != NULL) {
		d->undo = u->next;
		free(u);
	}
}

/* Remembers the n bytes at `at', as far as there are so many. */
static void
remember(struct fault_file *f, sqlite3_int64 at, sqlite3_int64 n)
{
	sqlite3_int64 size = 0;
	struct undo *u;

	if (f->disk == NULL || fault.dir == NULL)
		return;
	(void)f->real->pMethods->xFileSize(f->real, &size);
	if (at + n > size)
		n = at < size ? size - at : 0;
	u = __real_malloc(sizeof(*u) + (size_t)n);
	assert(u != NULL);
	u->at = at;
	u->size = size;
	u->n = (size_t)n;
	if (n > 0)
		(void)f->real->pMethods->xRead(f->real, u->old, (int)n, at);
	u->next = f->disk->undo;
	f->disk->undo = u;
}

/* The file as it may be on the disk. */
static void
lose(const struct disk_file *d, struct prng *r)
{
	const struct undo *u;
	const char *name = strrchr(d->path, '/') + 1;
	unsigned mood = (unsigned)prng_below(r, 4);
	char to[1024], *p;
	size_t n, cap, at, k;
	struct stat st;
	FILE *f;

	if ((f = fopen(d->path, "r")) == NULL)
		return;
	assert(fstat(fileno(f), &st) == 0);
	n = cap = (size_t)st.st_size;
	for (u = d->undo; u != NULL; u = u->next)
		if ((size_t)u->size > cap)
			cap = (size_t)u->size;
	p = __real_calloc(1, cap + 1);
	assert(p != NULL);
	assert(fread(p, 1, n, f) == n);
	(void)fclose(f);
	/* mood 0: nothing arrived, 1: all, else some. */
	for (u = d->undo; u != NULL; u = u->next) {
		if (mood == 1)
			break;
		for (at = 0; at < u->n; at += k) {
			k = SECTOR - ((size_t)u->at + at) % SECTOR;
			if (k > u->n - at)
				k = u->n - at;
			if (mood == 0 || prng_below(r, 2) == 0)
				memcpy(p + u->at + at, u->old + at, k);
		}
		if (mood == 0 || prng_below(r, 2) == 0)
			n = (size_t)u->size;
	}
	(void)snprintf(to, sizeof(to), "%s/%s", fault.dir, name);
	f = fopen(to, "w");
	assert(f != NULL);
	assert(fwrite(p, 1, n, f) == n);
	(void)fclose(f);
	free(p);
}

static void
power(void)
{
	const struct disk_file *d;
	struct prng r;

	if (!strikes(&fault.power_in))
		return;
	prng_seed(&r, fault.seed);
	(void)mkdir(fault.dir, 0700);
	for (d = disk_files; d != NULL; d = d->next)
		lose(d, &r);
	fault.lost(fault.arg);
}

/* ---- files
 * ------------------------------------------------------------------- */

static int
fault_close(sqlite3_file *f)
{
	struct fault_file *ff = (struct fault_file *)(void *)f;
	int rc = ff->real->pMethods->xClose(ff->real);

	free(ff->real);
	return rc;
}

static int
fault_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	atomic_fetch_add(&fault.reads, 1);
	if (strikes(&fault.read_in))
		return SQLITE_IOERR_READ;
	return real(f)->pMethods->xRead(real(f), p, n, at);
}

static int
fault_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	sqlite3_int64 size = 0;
	int rc;

	atomic_fetch_add(&fault.writes, 1);
	if (atomic_load(&fault.writes_fail) || strikes(&fault.write_in))
		return SQLITE_IOERR_WRITE;
	if (atomic_load(&fault.full)) {
		(void)real(f)->pMethods->xFileSize(real(f), &size);
		if (at + n > size)
			return SQLITE_FULL;
	}
	(void)pthread_mutex_lock(&lock);
	power();
	remember((struct fault_file *)(void *)f, at, n);
	rc = real(f)->pMethods->xWrite(real(f), p, n, at);
	(void)pthread_mutex_unlock(&lock);
	return rc;
}

static int
fault_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	int rc;

	(void)pthread_mutex_lock(&lock);
	power();
	remember((struct fault_file *)(void *)f, size, INT32_MAX);
	rc = real(f)->pMethods->xTruncate(real(f), size);
	(void)pthread_mutex_unlock(&lock);
	return rc;
}

static int
fault_sync(sqlite3_file *f, int flags)
{
	struct fault_file *ff = (struct fault_file *)(void *)f;
	int rc;

	atomic_fetch_add(&fault.syncs, 1);
	if (atomic_load(&fault.syncs_fail) || strikes(&fault.sync_in))
		return SQLITE_IOERR_FSYNC;
	(void)pthread_mutex_lock(&lock);
	power();
	rc = ff->real->pMethods->xSync(ff->real, flags);
	if (rc == SQLITE_OK && ff->disk != NULL)
		forget_undo(ff->disk);
	(void)pthread_mutex_unlock(&lock);
	return rc;
}

static int
fault_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return real(f)->pMethods->xFileSize(real(f), size);
}

static int
fault_lock(sqlite3_file *f, int level)
{
	return real(f)->pMethods->xLock(real(f), level);
}

static int
fault_unlock(sqlite3_file *f, int level)
{
	return real(f)->pMethods->xUnlock(real(f), level);
}

static int
fault_reserved(sqlite3_file *f, int *out)
{
	return real(f)->pMethods->xCheckReservedLock(real(f), out);
}

static int
fault_control(sqlite3_file *f, int op, void *arg)
{
	return real(f)->pMethods->xFileControl(real(f), op, arg);
}

static int
fault_sector(sqlite3_file *f)
{
	return real(f)->pMethods->xSectorSize(real(f));
}

static int
fault_device(sqlite3_file *f)
{
	return real(f)->pMethods->xDeviceCharacteristics(real(f));
}

static int
fault_shm_map(sqlite3_file *f, int page, int size, int extend,
    void volatile **out)
{
	return real(f)->pMethods->xShmMap(real(f), page, size, extend, out);
}

static int
fault_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
	return real(f)->pMethods->xShmLock(real(f), at, n, flags);
}

static void
fault_shm_barrier(sqlite3_file *f)
{
	real(f)->pMethods->xShmBarrier(real(f));
}

static int
fault_shm_unmap(sqlite3_file *f, int remove)
{
	return real(f)->pMethods->xShmUnmap(real(f), remove);
}

static const sqlite3_io_methods methods = {
	.iVersion = 2, /* without xFetch: no memory map */
	.xClose = fault_close,
	.xRead = fault_read,
	.xWrite = fault_write,
	.xTruncate = fault_truncate,
	.xSync = fault_sync,
	.xFileSize = fault_size,
	.xLock = fault_lock,
	.xUnlock = fault_unlock,
	.xCheckReservedLock = fault_reserved,
	.xFileControl = fault_control,
	.xSectorSize = fault_sector,
	.xDeviceCharacteristics = fault_device,
	.xShmMap = fault_shm_map,
	.xShmLock = fault_shm_lock,
	.xShmBarrier = fault_shm_barrier,
	.xShmUnmap = fault_shm_unmap,
};

/* ---- the VFS
 * ------------------------------------------------------------------ */

static struct disk_file *
disk_file(const char *path)
{
	struct disk_file *d;

	(void)pthread_mutex_lock(&lock);
	for (d = disk_files; d != NULL && strcmp(d->path, path) != 0;)
		d = d->next;
	if (d == NULL) {
		d = __real_calloc(1, sizeof(*d));
		assert(d != NULL);
		d->path = strdup(path);
		assert(d->path != NULL);
		d->next = disk_files;
		disk_files = d;
	}
	(void)pthread_mutex_unlock(&lock);
	return d;
}

static int
fault_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *f, int flags,
    int *out)
{
	struct fault_file *ff = (struct fault_file *)(void *)f;
	int rc;

	(void)vfs;
	memset(ff, 0, sizeof(*ff));
	ff->real = __real_calloc(1, (size_t)real_vfs->szOsFile);
	assert(ff->real != NULL);
	rc = real_vfs->xOpen(real_vfs, path, ff->real, flags, out);
	if (rc != SQLITE_OK) {
		free(ff->real);
		return rc;
	}
	if (path != NULL)
		ff->disk = disk_file(path);
	ff->base.pMethods = &methods;
	return SQLITE_OK;
}

static int
fault_delete(sqlite3_vfs *vfs, const char *path, int sync)
{
	int rc;

	(void)vfs;
	rc = real_vfs->xDelete(real_vfs, path, sync);
	(void)pthread_mutex_lock(&lock);
	for (struct disk_file *d = disk_files; d != NULL; d = d->next)
		if (strcmp(d->path, path) == 0)
			forget_undo(d);
	(void)pthread_mutex_unlock(&lock);
	return rc;
}

static void
forget_all(void)
{
	struct disk_file *d;

	while ((d = disk_files) != NULL) {
		disk_files = d->next;
		forget_undo(d);
		free(d->path);
		free(d);
	}
}

void
fault_install(void)
{
	static sqlite3_vfs vfs;

	main_thread = pthread_self();
	(void)sqlite3_initialize();
	real_vfs = sqlite3_vfs_find(NULL);
	vfs = *real_vfs;
	vfs.pNext = NULL;
	vfs.zName = "fault";
	vfs.szOsFile = sizeof(struct fault_file);
	vfs.xOpen = fault_open;
	vfs.xDelete = fault_delete;
	assert(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK);
}

void
fault_reset(void)
{
	atomic_store(&fault.full, false);
	atomic_store(&fault.writes_fail, false);
	atomic_store(&fault.syncs_fail, false);
	atomic_store(&fault.write_in, 0);
	atomic_store(&fault.sync_in, 0);
	atomic_store(&fault.read_in, 0);
	atomic_store(&fault.malloc_in, 0);
	atomic_store(&fault.power_in, 0);
	atomic_store(&fault.writes, 0);
	atomic_store(&fault.syncs, 0);
	atomic_store(&fault.reads, 0);
	atomic_store(&fault.mallocs, 0);
	fault.dir = NULL;
	(void)pthread_mutex_lock(&lock);
	forget_all();
	(void)pthread_mutex_unlock(&lock);
}

/* ---- memory: linked with --wrap
 * ------------------------------------------------ */

static bool
out_of_memory(void)
{
	if (pthread_equal(pthread_self(), main_thread))
		return false;
	atomic_fetch_add(&fault.mallocs, 1);
	return strikes(&fault.malloc_in);
}

void *
__wrap_malloc(size_t n)
{
	return out_of_memory() ? NULL : __real_malloc(n);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return out_of_memory() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t n)
{
	return out_of_memory() ? NULL : __real_realloc(p, n);
}
