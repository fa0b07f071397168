#include "node/queue/journal.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/logger.h"

#define NAME_LEN 20 /* 16 digits and ".seg" */

static void
name_of(char out[static NAME_LEN + 1], uint64_t number)
{
	snprintf(out, NAME_LEN + 1, "%016" PRIx64 ".seg", number);
}

static bool
name_parse(const char *name, uint64_t *number)
{
	char again[NAME_LEN + 1];

	if (strlen(name) != NAME_LEN ||
	    sscanf(name, "%16" SCNx64 ".seg", number) != 1)
		return false;
	name_of(again, *number);
	return strcmp(again, name) == 0;
}

static enum err
segments_add(struct journal *j, const struct journal_segment *s)
{
	struct journal_segment *v;

	if (j->nsegments == j->cap) {
		size_t cap = j->cap == 0 ? 16 : j->cap * 2;

		v = reallocarray(j->segments, cap, sizeof(*v));
		if (v == NULL)
			return ERR_NOMEM;
		j->segments = v;
		j->cap = cap;
	}
	j->segments[j->nsegments++] = *s;
	return OK;
}

static int
by_number(const void *a, const void *b)
{
	const struct journal_segment *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static enum err
list(struct journal *j)
{
	struct journal_segment s = { 0 };
	struct dirent *e;
	enum err rc = OK;
	DIR *d;

	if ((d = opendir(j->dir)) == NULL)
		return err_from_errno(errno);
	while (rc == OK && (e = readdir(d)) != NULL) {
		if (name_parse(e->d_name, &s.number))
			rc = segments_add(j, &s);
		else if (strcmp(e->d_name, "spare") == 0)
			j->has_spare = true;
		else if (strcmp(e->d_name, "reserve") == 0)
			j->has_reserve = true;
	}
	(void)closedir(d);
	if (j->nsegments > 0)
		qsort(j->segments, j->nsegments, sizeof(*j->segments),
		    by_number);
	return rc;
}

/* ---- reading ------------------------------------------------------------- */

struct mapped {
	uint8_t *p;
	size_t n;
};

static enum err
map(struct journal *j, uint64_t number, struct mapped *m)
{
	char name[NAME_LEN + 1];
	struct stat st;
	enum err rc = OK;
	void *p;
	int fd;

	name_of(name, number);
	m->p = NULL;
	m->n = 0;
	if ((fd = openat(j->dir_fd, name, O_RDONLY | O_CLOEXEC)) < 0)
		return err_from_errno(errno);
	/* What a killed process has written may be in the page cache only: it
	 * must be durable before it is taken for that. */
	if (fstat(fd, &st) != 0 || fdatasync(fd) != 0) {
		rc = err_from_errno(errno);
	} else if (st.st_size > 0) {
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd,
		    0);
		if (p == MAP_FAILED) {
			rc = err_from_errno(errno);
		} else {
			m->p = p;
			m->n = (size_t)st.st_size;
		}
	}
	(void)close(fd);
	return rc;
}

static void
unmap(struct mapped *m)
{
	if (m->p != NULL)
		(void)munmap(m->p, m->n);
}

static enum err
header_of(struct journal *j, struct journal_segment *s,
    struct segment_header *h)
{
	struct mapped m;
	enum err rc;

	if ((rc = map(j, s->number, &m)) != OK)
		return rc;
	rc = segment_header_read(h, m.p, m.n);
	if (rc == OK && h->number != s->number)
		rc = ERR_CORRUPT;
	if (rc == OK) {
		s->first_index = h->first_index;
		s->size = m.n;
	}
	unmap(&m);
	return rc;
}

static void
remove_segment(struct journal *j, size_t i)
{
	char name[NAME_LEN + 1];

	name_of(name, j->segments[i].number);
	(void)unlinkat(j->dir_fd, name, 0);
	memmove(&j->segments[i], &j->segments[i + 1],
	    (j->nsegments - i - 1) * sizeof(*j->segments));
	j->nsegments--;
}

/*
 * A crash while the newest segment was made leaves it without a header; what
 * it would have superseded is then simply still valid.
 */
static enum err
headers(struct journal *j)
{
	struct segment_header h;
	enum err rc;

	for (size_t i = 0; i < j->nsegments; i++) {
		rc = header_of(j, &j->segments[i], &h);
		if (rc == ERR_CORRUPT && i + 1 == j->nsegments) {
			log_notice("queue",
			    "unfinished segment removed "
			    "number=%" PRIu64,
			    j->segments[i].number);
			remove_segment(j, i);
			return OK;
		}
		if (rc != OK) {
			log_alert("queue",
			    "segment header number=%" PRIu64 " why=%s",
			    j->segments[i].number, err_code(rc));
			return rc;
		}
	}
	return OK;
}

struct replayer {
	uint64_t applied;
	enum err (*fn)(void *arg, uint64_t index, struct str data);
	void *arg;
};

static enum err
replay_frame(const struct segment_frame *f, uint64_t end,
    const struct replayer *r)
{
	struct str rest = f->payload, entry;
	uint64_t index = f->first_index;
	enum err rc = OK;

	for (; rc == OK && index < end && segment_entry(&rest, &entry); index++)
		if (index > r->applied)
			rc = r->fn(r->arg, index, entry);
	return rc;
}

/* Frames of segment i, up to where the next one begins. */
static enum err
replay_segment(struct journal *j, size_t i, bool first,
    const struct replayer *r)
{
	bool last = i + 1 == j->nsegments;
	uint64_t end = last ? UINT64_MAX : j->segments[i + 1].first_index;
	struct segment_header h;
	struct segment_frame f;
	struct segment_walk w;
	struct mapped m;
	enum err rc;

	if ((rc = map(j, j->segments[i].number, &m)) != OK)
		return rc;
	rc = segment_header_read(&h, m.p, m.n);
	if (rc == OK && !first &&
	    memcmp(h.chain, j->chain, sizeof(h.chain)) != 0) {
		log_alert("queue", "segment does not follow number=%" PRIu64,
		    h.number);
		rc = ERR_CORRUPT;
	}
	if (rc != OK)
		goto out;
	segment_walk_init(&w, m.p, m.n, &h);
	while (rc == OK && w.index < end && segment_walk_next(&w, &f))
		rc = replay_frame(&f, end, r);
	if (rc != OK)
		goto out;
	if ((last && segment_walk_damaged(&w)) || (!last && w.index != end)) {
		log_alert("queue",
		    "segment damaged number=%" PRIu64
		    " offset=%zu index=%" PRIu64,
		    h.number, w.at, w.index);
		rc = ERR_CORRUPT;
		goto out;
	}
	if (w.torn)
		log_notice("queue",
		    "torn tail cut number=%" PRIu64
		    " offset=%zu index=%" PRIu64,
		    h.number, w.at, w.index);
	memcpy(j->chain, w.chain, sizeof(j->chain));
	j->next_index = w.index;
out:
	unmap(&m);
	return rc;
}

static enum err
replay_all(struct journal *j, const struct replayer *r)
{
	size_t start = 0;
	enum err rc = OK;

	if (j->nsegments > 0 && j->segments[0].first_index > r->applied + 1) {
		log_alert("queue",
		    "entries are missing from=%" PRIu64 " to=%" PRIu64,
		    r->applied + 1, j->segments[0].first_index - 1);
		return ERR_CORRUPT;
	}
	/* What storage has is not read again. */
	while (start + 1 < j->nsegments &&
	       j->segments[start + 1].first_index <= r->applied + 1)
		start++;
	for (size_t i = start; i < j->nsegments && rc == OK; i++)
		rc = replay_segment(j, i, i == start, r);
	/* Storage is ahead of a journal that was lost: begin after it. */
	if (rc == OK && j->next_index < r->applied + 1) {
		if (j->nsegments > 0)
			log_warning("queue",
			    "journal ends before storage "
			    "index=%" PRIu64,
			    j->next_index);
		while (j->nsegments > 0)
			remove_segment(j, 0);
		j->next_index = r->applied + 1;
	}
	return rc;
}

enum err
journal_open(struct journal *j, const struct queue_config *cfg,
    uint64_t applied,
    enum err (*replay)(void *arg, uint64_t index, struct str data), void *arg)
{
	struct replayer r = { applied, replay, arg };
	enum err rc;

	memset(j, 0, sizeof(*j));
	j->fd = -1;
	j->segment_bytes = cfg->segment_bytes;
	j->reserve_bytes = cfg->reserve_bytes;
	j->next_index = 1;
	if ((j->dir = strdup(cfg->dir)) == NULL)
		return ERR_NOMEM;
	j->dir_fd = open(cfg->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (j->dir_fd < 0)
		return err_from_errno(errno);
	if ((rc = list(j)) != OK || (rc = headers(j)) != OK ||
	    (rc = replay_all(j, &r)) != OK)
		return rc;
	return OK;
}

void
journal_close(struct journal *j)
{
	if (j->fd >= 0)
		(void)close(j->fd);
	if (j->dir_fd >= 0)
		(void)close(j->dir_fd);
	free(j->segments);
	free(j->dir);
}

/* ---- writing ------------------------------------------------------------- */

static uint64_t
bytes_free(const struct journal *j)
{
	struct statvfs v;

	if (fstatvfs(j->dir_fd, &v) != 0)
		return 0;
	return (uint64_t)v.f_bavail * v.f_frsize;
}

void
journal_reserve(struct journal *j)
{
	int fd;

	if (j->has_reserve || j->reserve_bytes == 0 ||
	    bytes_free(j) < 2 * j->reserve_bytes + j->segment_bytes)
		return;
	fd = openat(j->dir_fd, "reserve", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (posix_fallocate(fd, 0, (off_t)j->reserve_bytes) == 0)
		j->has_reserve = true;
	else
		(void)unlinkat(j->dir_fd, "reserve", 0);
	(void)close(fd);
}

static void
reserve_give_up(struct journal *j)
{
	if (!j->has_reserve)
		return;
	(void)unlinkat(j->dir_fd, "reserve", 0);
	j->has_reserve = false;
	log_warning("queue", "disk full: reserve given up bytes=%" PRIu64,
	    j->reserve_bytes);
}

/* Without a spare a new file must leave the reserve's worth to storage. */
static enum err
file_make(struct journal *j, const char *name, uint64_t size, int *fd)
{
	int rc;

	if (!j->has_reserve && j->reserve_bytes > 0 &&
	    bytes_free(j) < size + j->reserve_bytes)
		return ERR_NOSPACE;
	*fd = openat(j->dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
	    0600);
	if (*fd < 0)
		return err_from_errno(errno);
	rc = posix_fallocate(*fd, 0, (off_t)size);
	if (rc == 0)
		return OK;
	(void)close(*fd);
	*fd = -1;
	(void)unlinkat(j->dir_fd, name, 0);
	return err_from_errno(rc);
}

static enum err
file_take(struct journal *j, const char *name, uint64_t size, int *fd)
{
	struct stat st;

	if (j->has_spare && size <= j->segment_bytes) {
		j->has_spare = false;
		*fd = openat(j->dir_fd, "spare", O_RDWR | O_CLOEXEC);
		if (*fd >= 0 && fstat(*fd, &st) == 0 &&
		    (uint64_t)st.st_size == j->segment_bytes &&
		    renameat(j->dir_fd, "spare", j->dir_fd, name) == 0)
			return OK;
		if (*fd >= 0)
			(void)close(*fd);
		(void)unlinkat(j->dir_fd, "spare", 0);
	}
	return file_make(j, name, size, fd);
}

enum err
journal_roll(struct journal *j, uint64_t least)
{
	struct segment_header h = { .first_index = j->next_index };
	struct journal_segment s = { 0 };
	uint8_t block[SEGMENT_HEADER];
	char name[NAME_LEN + 1];
	uint64_t size = j->segment_bytes;
	enum err rc;
	int fd;

	if (j->fd >= 0) {
		(void)close(j->fd);
		j->fd = -1;
	}
	while (size < SEGMENT_HEADER + segment_frame_size(least))
		size *= 2;
	s.number =
	    j->nsegments == 0 ? 1 : j->segments[j->nsegments - 1].number + 1;
	name_of(name, s.number);
	if ((rc = file_take(j, name, size, &fd)) != OK) {
		if (rc == ERR_NOSPACE)
			reserve_give_up(j);
		return rc;
	}
	s.first_index = j->next_index;
	s.size = h.size = size;
	h.number = s.number;
	memcpy(h.chain, j->chain, sizeof(h.chain));
	segment_header_write(block, &h);
	if (pwrite(fd, block, sizeof(block), 0) != (ssize_t)sizeof(block) ||
	    fsync(fd) != 0 || fsync(j->dir_fd) != 0) {
		rc = errno != 0 ? err_from_errno(errno) : ERR_IO;
		(void)close(fd);
		(void)unlinkat(j->dir_fd, name, 0);
		return rc;
	}
	if ((rc = segments_add(j, &s)) != OK) {
		(void)close(fd);
		(void)unlinkat(j->dir_fd, name, 0);
		return rc;
	}
	j->fd = fd;
	j->at = SEGMENT_HEADER;
	return OK;
}

bool
journal_fits(const struct journal *j, size_t n)
{
	return j->fd >= 0 && j->at + segment_frame_size(n) <=
				 j->segments[j->nsegments - 1].size;
}

static enum err
write_all(int fd, const uint8_t *p, size_t n, uint64_t at)
{
	ssize_t done;

	while (n > 0) {
		errno = 0;
		done = pwrite(fd, p, n, (off_t)at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return errno != 0 ? err_from_errno(errno) : ERR_IO;
		p += done;
		n -= (size_t)done;
		at += (uint64_t)done;
	}
	return OK;
}

enum err
journal_append(struct journal *j, uint8_t *frame, size_t n, uint32_t count)
{
	uint8_t chain[SEGMENT_CHAIN];
	size_t size = segment_frame_size(n);
	enum err rc;

	assert(journal_fits(j, n));
	memcpy(chain, j->chain, sizeof(chain));
	segment_frame_write(frame, n, j->segments[j->nsegments - 1].number,
	    j->next_index, count, chain);
	memset(frame + SEGMENT_FRAME + n, 0, size - SEGMENT_FRAME - n);
	rc = write_all(j->fd, frame, size, j->at);
	if (rc == OK && fdatasync(j->fd) != 0)
		rc = err_from_errno(errno);
	if (rc != OK) {
		(void)close(j->fd);
		j->fd = -1;
		return rc;
	}
	memcpy(j->chain, chain, sizeof(chain));
	j->at += size;
	j->next_index += count;
	return OK;
}

bool
journal_trim(struct journal *j, uint64_t index)
{
	char name[NAME_LEN + 1];

	if (j->nsegments < 2 || j->segments[1].first_index > index + 1)
		return false;
	name_of(name, j->segments[0].number);
	if (!j->has_spare && j->segments[0].size == j->segment_bytes &&
	    renameat(j->dir_fd, name, j->dir_fd, "spare") == 0) {
		j->has_spare = true;
		memmove(&j->segments[0], &j->segments[1],
		    --j->nsegments * sizeof(*j->segments));
	} else {
		remove_segment(j, 0);
	}
	return true;
}

uint64_t
journal_disk_bytes(const struct journal *j)
{
	uint64_t n = 0;

	for (size_t i = 0; i < j->nsegments; i++)
		n += j->segments[i].size;
	return n + (j->has_spare ? j->segment_bytes : 0) +
	       (j->has_reserve ? j->reserve_bytes : 0);
}
