/*
 * fdatasync: what one durable write costs here: a 4 KiB pwrite and fdatasync,
 * again and again, in a file that was filled with zeros and synced before, as
 * a journal segment is.
 *
 *     fdatasync DIRECTORY [SECONDS [LABEL]]
 *
 * Prints one JSON line like loadgen's on stdout, and the same on stderr.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BLOCK       4096
#define BLOCKS      4096 /* 16 MiB */
#define SAMPLES_MAX 1000000

static uint32_t samples[SAMPLES_MAX]; /* ns */

static void
die(const char *what)
{
	fprintf(stderr, "fdatasync: %s: %s\n", what, strerror(errno));
	exit(2);
}

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The file is gone from its directory at once: nothing is left behind. */
static int
open_filled(const char *dir)
{
	static char zeros[BLOCK];
	char path[4096];
	int fd;

	if (snprintf(path, sizeof(path), "%s/fdatasync.XXXXXX", dir) >=
	    (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		die(dir);
	}
	if ((fd = mkstemp(path)) < 0)
		die(path);
	unlink(path);
	if ((errno = posix_fallocate(fd, 0, (off_t)BLOCK * BLOCKS)) != 0)
		die("posix_fallocate");
	for (int i = 0; i < BLOCKS; i++)
		if (pwrite(fd, zeros, BLOCK, (off_t)BLOCK * i) != BLOCK)
			die("pwrite");
	if (fsync(fd) != 0)
		die("fsync");
	return fd;
}

static size_t
measure(int fd, uint64_t ns)
{
	char block[BLOCK];
	uint64_t t, from, end = now_ns() + ns;
	size_t n = 0;

	memset(block, 'k', sizeof(block));
	do {
		from = now_ns();
		if (pwrite(fd, block, BLOCK, (off_t)(n % BLOCKS) * BLOCK) !=
		    BLOCK)
			die("pwrite");
		if (fdatasync(fd) != 0)
			die("fdatasync");
		t = now_ns();
		samples[n++] =
		    t - from < UINT32_MAX ? (uint32_t)(t - from) : UINT32_MAX;
	} while (t < end && n < SAMPLES_MAX);
	return n;
}

static int
compare(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int
main(int argc, char **argv)
{
	long seconds = argc > 2 ? strtol(argv[2], NULL, 10) : 2;
	const char *label = argc > 3 ? argv[3] : "fdatasync";
	uint64_t from, ns;
	size_t n;
	int fd;

	if (argc < 2 || argc > 4 || seconds < 1 || seconds > 3600) {
		fprintf(stderr,
		    "usage: fdatasync DIRECTORY [SECONDS [LABEL]]\n");
		return 2;
	}
	fd = open_filled(argv[1]);
	from = now_ns();
	n = measure(fd, (uint64_t)seconds * 1000000000u);
	ns = now_ns() - from;
	close(fd);
	qsort(samples, n, sizeof(*samples), compare);
	printf(
	    "{\"label\":\"%s\",\"proto\":\"disk\",\"scenario\":\"fdatasync\","
	    "\"size\":%d,\"seconds\":%.2f,\"per_s\":%.0f,\"p50_us\":%.0f,"
	    "\"p99_us\":%.0f,\"p999_us\":%.0f,\"max_us\":%.0f}\n",
	    label, BLOCK, (double)ns / 1e9, (double)n * 1e9 / (double)ns,
	    samples[n / 2] / 1e3, samples[n * 99 / 100] / 1e3,
	    samples[n * 999 / 1000] / 1e3, samples[n - 1] / 1e3);
	fprintf(stderr, "%s: p50 %.0f us, p99 %.0f us, %.0f/s\n", label,
	    samples[n / 2] / 1e3, samples[n * 99 / 100] / 1e3,
	    (double)n * 1e9 / (double)ns);
	return 0;
}
