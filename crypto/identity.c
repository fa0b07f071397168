#include "crypto/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "crypto/hash.h"
#include "crypto/hkdf.h"
#include "crypto/init.h"
#include "crypto/random.h"
#include "crypto/wipe.h"

#define DOMAIN     "kith identity 1"
#define FAMILY     "kith identity "
#define HEADER     DOMAIN "\n"
#define HEX_LEN    64
#define PUBLIC_AT  (sizeof(HEADER "public ") - 1)
#define SECRET_AT  (PUBLIC_AT + HEX_LEN + sizeof("\nsecret ") - 1)
#define SIGNED_LEN (SECRET_AT + HEX_LEN + 1) /* what check covers */
#define CHECK_AT   (SIGNED_LEN + sizeof("check ") - 1)

_Static_assert(CHECK_AT + HEX_LEN + 1 == IDENTITY_FILE_LEN,
    "IDENTITY_FILE_LEN");
_Static_assert(SIGN_SECRET_LEN == SIGN_SEED_LEN + SIGN_PUBLIC_LEN,
    "libsodium keeps the seed first in a secret key");

/* All that must not leak, also while a file is read or written. */
struct secret {
	uint8_t key[SIGN_SECRET_LEN]; /* begins with the seed */
	struct scratch {
		uint8_t seed[SIGN_SEED_LEN];
		char text[IDENTITY_FILE_LEN];
		/* One more, to see when a file has too many. */
		char read[IDENTITY_FILE_LEN + 1];
	} scratch;
};

struct identity {
	uint8_t public[SIGN_PUBLIC_LEN];
	bool locked;
	struct secret *secret;
};

static enum err
identity_new(struct identity **out)
{
	struct identity *id;
	enum err rc;

	if ((rc = crypto_start()) != OK)
		return rc;
	if ((id = calloc(1, sizeof(*id))) == NULL)
		return ERR_NOMEM;
	if ((id->secret = sodium_malloc(sizeof(*id->secret))) == NULL) {
		free(id);
		return ERR_NOMEM;
	}
	/* sodium_malloc locks, but does not tell whether it could. */
	id->locked = sodium_mlock(id->secret, sizeof(*id->secret)) == 0;
	*out = id;
	return OK;
}

void
identity_free(struct identity *id)
{
	if (id == NULL)
		return;
	sodium_free(id->secret); /* which wipes */
	free(id);
}

/* The key is complete: nothing more is read or written. */
static void
seal(struct identity *id)
{
	secret_wipe(&id->secret->scratch, sizeof(id->secret->scratch));
	(void)sodium_mprotect_readonly(id->secret);
}

static void
put_hex(char *at, const uint8_t p[static 32])
{
	char hex[HEX_LEN + 1];

	sodium_bin2hex(hex, sizeof(hex), p, 32);
	memcpy(at, hex, HEX_LEN);
	secret_wipe(hex, sizeof(hex));
}

static void
format(struct identity *id)
{
	char *text = id->secret->scratch.text;
	uint8_t check[HASH_LEN];

	memset(text, '\n', IDENTITY_FILE_LEN);
	memcpy(text, HEADER "public ", PUBLIC_AT);
	put_hex(text + PUBLIC_AT, id->public);
	memcpy(text + SECRET_AT - 7, "secret ", 7);
	put_hex(text + SECRET_AT, id->secret->key);
	hash256(check, DOMAIN, PARTS(PART(text, SIGNED_LEN)));
	memcpy(text + CHECK_AT - 6, "check ", 6);
	put_hex(text + CHECK_AT, check);
}

/* Takes the seed, and then sees whether the file of that key is this one. */
static enum err
parse(struct identity *id, size_t n)
{
	struct scratch *s = &id->secret->scratch;

	if (n >= sizeof(HEADER) - 1 &&
	    memcmp(s->read, HEADER, sizeof(HEADER) - 1) != 0 &&
	    memcmp(s->read, FAMILY, sizeof(FAMILY) - 1) == 0)
		return ERR_UNSUPPORTED;
	if (n != IDENTITY_FILE_LEN ||
	    sodium_hex2bin(s->seed, sizeof(s->seed), s->read + SECRET_AT,
		HEX_LEN, NULL, NULL, NULL) != 0)
		return ERR_CORRUPT;
	sign_keypair_seed(id->public, id->secret->key, s->seed);
	format(id);
	if (!secret_equal(s->read, s->text, IDENTITY_FILE_LEN))
		return ERR_CORRUPT;
	return OK;
}

/*
 * Opens the directory that path lies in and finds the name in it, so that
 * all that follows happens in one and the same directory.
 */
static enum err
open_directory(const char *path, int *fd, const char **name)
{
	const char *slash = strrchr(path, '/');
	char *dir;

	if (slash == NULL)
		dir = strdup(".");
	else if (slash == path)
		dir = strdup("/");
	else
		dir = strndup(path, (size_t)(slash - path));
	if (dir == NULL)
		return ERR_NOMEM;
	*name = slash != NULL ? slash + 1 : path;
	*fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(dir);
	return *fd != -1 ? OK : err_from_errno(errno);
}

static enum err
write_all(int fd, const char *p, size_t n)
{
	ssize_t w;

	while (n > 0) {
		w = write(fd, p, n);
		if (w == -1 && errno == EINTR)
			continue;
		if (w == -1)
			return err_from_errno(errno);
		p += w;
		n -= (size_t)w;
	}
	return OK;
}

/* The content of a new file `name' in directory dir, on the disk. */
static enum err
write_file(int dir, const char *name, const char *text)
{
	enum err rc;
	int fd;

	fd = openat(dir, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1)
		return err_from_errno(errno);
	if (fchmod(fd, 0600) == -1) /* whatever the umask is */
		rc = err_from_errno(errno);
	else
		rc = write_all(fd, text, IDENTITY_FILE_LEN);
	if (rc == OK && fsync(fd) == -1)
		rc = err_from_errno(errno);
	if (close(fd) == -1 && rc == OK)
		rc = err_from_errno(errno);
	return rc;
}

/*
 * Writes under a random name, and gives the file its real one when it is
 * whole: link(2), unlike rename(2), fails if there is something already.
 */
static enum err
store(const struct identity *id, const char *path)
{
	const char *name;
	char tmp[40];
	enum err rc;
	int dir;

	if ((rc = open_directory(path, &dir, &name)) != OK)
		return rc;
	(void)snprintf(tmp, sizeof(tmp), ".new-%016llx",
	    (unsigned long long)random_u64());
	rc = write_file(dir, tmp, id->secret->scratch.text);
	if (rc == OK && linkat(dir, tmp, dir, name, 0) == -1)
		rc = err_from_errno(errno);
	(void)unlinkat(dir, tmp, 0);
	if (rc == OK && fsync(dir) == -1) {
		rc = err_from_errno(errno);
		(void)unlinkat(dir, name, 0);
	}
	close(dir);
	return rc;
}

enum err
identity_create(struct identity **out, const char *path)
{
	struct identity *id;
	enum err rc;

	if ((rc = identity_new(&id)) != OK)
		return rc;
	sign_keypair(id->public, id->secret->key);
	format(id);
	if ((rc = store(id, path)) != OK) {
		identity_free(id);
		return rc;
	}
	seal(id);
	*out = id;
	return OK;
}

/* OK: it is a file that only we, or root, can have written and read. */
static enum err
check_private(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return err_from_errno(errno);
	if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0 ||
	    (st.st_uid != 0 && st.st_uid != geteuid()))
		return ERR_MODE;
	return OK;
}

static enum err
read_file(int fd, char *p, size_t max, size_t *n)
{
	ssize_t r;

	for (*n = 0; *n < max; *n += (size_t)r) {
		r = read(fd, p + *n, max - *n);
		if (r == -1 && errno == EINTR)
			r = 0;
		else if (r == -1)
			return err_from_errno(errno);
		else if (r == 0)
			break;
	}
	return OK;
}

/* O_NONBLOCK: a FIFO in the place of the file must not hold us up. */
static enum err
read_private(const char *path, char *p, size_t max, size_t *n)
{
	enum err rc;
	int fd;

	fd = open(path,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd == -1) {
		/* ELOOP: a link; ENXIO: a socket. */
		if (errno == ELOOP || errno == ENXIO)
			return ERR_MODE;
		return err_from_errno(errno);
	}
	if ((rc = check_private(fd)) == OK)
		rc = read_file(fd, p, max, n);
	close(fd);
	return rc;
}

enum err
identity_load(struct identity **out, const char *path)
{
	struct identity *id;
	struct scratch *s;
	size_t n = 0;
	enum err rc;

	if ((rc = identity_new(&id)) != OK)
		return rc;
	s = &id->secret->scratch;
	if ((rc = read_private(path, s->read, sizeof(s->read), &n)) != OK ||
	    (rc = parse(id, n)) != OK) {
		identity_free(id);
		return rc;
	}
	seal(id);
	*out = id;
	return OK;
}

const uint8_t *
identity_public(const struct identity *id)
{
	return id->public;
}

bool
identity_locked(const struct identity *id)
{
	return id->locked;
}

enum err
identity_sign(const struct identity *id, uint8_t sig[static SIGN_LEN],
    const char *domain, struct part msg)
{
	return sign_message(sig, id->secret->key, domain, msg);
}

void
identity_derive(const struct identity *id, const char *label,
    uint8_t out[static IDENTITY_DERIVED_LEN])
{
	hkdf_key(out, PART(id->secret->key, SIGN_SEED_LEN), PART_TEXT(DOMAIN),
	    PART(label, strlen(label)));
}
