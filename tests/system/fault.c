/*
 * fault: a library for LD_PRELOAD that makes the disk fail under a running
 * program.  While the file named by FAULT_FILE exists, the calls it lists
 * ("fdatasync EIO", "pwrite ENOSPC", one a line) fail on files whose path
 * contains FAULT_PATH.  The file is looked at at most every 10 ms.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char plan[512];
static struct timespec looked;

static void
look(void)
{
	const char *name = getenv("FAULT_FILE");
	struct timespec now;
	FILE *f;
	size_t n;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if ((now.tv_sec - looked.tv_sec) * 1000000000L +
		(now.tv_nsec - looked.tv_nsec) <
	    10000000L)
		return;
	looked = now;
	plan[0] = '\0';
	if (name == NULL || (f = fopen(name, "re")) == NULL)
		return;
	n = fread(plan, 1, sizeof(plan) - 1, f);
	plan[n] = '\0';
	fclose(f);
}

static int
error_of(const char *word)
{
	if (strncmp(word, "ENOSPC", 6) == 0)
		return ENOSPC;
	if (strncmp(word, "EROFS", 5) == 0)
		return EROFS;
	return EIO;
}

/* The errno with which `call' on fd is to fail; 0: let it be. */
static int
planned(const char *call, int fd)
{
	const char *part = getenv("FAULT_PATH");
	char link[64], path[512], *at;
	int saved = errno, rc = 0;
	ssize_t n;

	pthread_mutex_lock(&mutex);
	look();
	if (plan[0] != '\0' && part != NULL) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, path, sizeof(path) - 1);
		path[n > 0 ? n : 0] = '\0';
		if (strstr(path, part) != NULL)
			for (at = plan; at != NULL && *at != '\0';
			     at = strchr(at, '\n'), at = at ? at + 1 : NULL) {
				size_t len = strlen(call);

				if (strncmp(at, call, len) == 0 &&
				    at[len] == ' ')
					rc = error_of(at + len + 1);
			}
	}
	pthread_mutex_unlock(&mutex);
	errno = saved;
	return rc;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL_IF_PLANNED(word, fd)                                              \
	do {                                                                   \
		int e = planned(word, fd);                                     \
		if (e != 0) {                                                  \
			errno = e;                                             \
			return -1;                                             \
		}                                                              \
	} while (0)

int
fdatasync(int fd)
{
	FAIL_IF_PLANNED("fdatasync", fd);
	return NEXT(fdatasync)(fd);
}

int
fsync(int fd)
{
	FAIL_IF_PLANNED("fsync", fd);
	return NEXT(fsync)(fd);
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	FAIL_IF_PLANNED("pwrite", fd);
	return NEXT(pwrite)(fd, p, n, at);
}

ssize_t
pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	FAIL_IF_PLANNED("pwrite", fd);
	return NEXT(pwrite64)(fd, p, n, at);
}

ssize_t
pwritev(int fd, const struct iovec *v, int n, off_t at)
{
	FAIL_IF_PLANNED("pwrite", fd);
	return NEXT(pwritev)(fd, v, n, at);
}

ssize_t
pwritev2(int fd, const struct iovec *v, int n, off_t at, int flags)
{
	FAIL_IF_PLANNED("pwrite", fd);
	return NEXT(pwritev2)(fd, v, n, at, flags);
}

ssize_t
write(int fd, const void *p, size_t n)
{
	if (fd > 2)
		FAIL_IF_PLANNED("write", fd);
	return NEXT(write)(fd, p, n);
}
