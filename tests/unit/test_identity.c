#include "tests/unit/crypto_test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "crypto/identity.h"

/* The key with the seed 0, 1, 2 ... 31; public key by OpenSSL, check by
 * hashlib.blake2b. */
#define PUBLIC                                                                 \
	"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
#define SECRET                                                                 \
	"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define CHECK "fc7f50d609e14a9d540f3a73f3c43b8dbbf21ad6a0b0cb14f4d08adf36f71474"
static const char known[] = "kith identity 1\n"
			    "public " PUBLIC "\n"
			    "secret " SECRET "\n"
			    "check " CHECK "\n";

static char dir[] = "test_identity.XXXXXX";
static char path[64];

/*
 * The calls that identity.c makes: the one that `fails' names gives `error'
 * at its nth time.
 */
enum call {
	NONE,
	CALLOC,
	SODIUM_MALLOC,
	STRNDUP,
	OPEN,
	OPENAT,
	FCHMOD,
	WRITE,
	FSYNC,
	CLOSE,
	LINKAT,
	FSTAT,
	READ
};

static enum call fails;
static int nth, error, fsyncs;
static bool locking_fails, bytewise;
static uid_t user = (uid_t)-1; /* pretended, unless -1 */

static bool
due(enum call call)
{
	if (call != fails || --nth != 0)
		return false;
	errno = error;
	return true;
}

#define WRAP(ret, name, params)                                                \
	ret __real_##name params;                                              \
	ret __wrap_##name params;                                              \
	ret __wrap_##name params

WRAP(void *, calloc, (size_t n, size_t size))
{
	return due(CALLOC) ? NULL : __real_calloc(n, size);
}

WRAP(void *, sodium_malloc, (size_t n))
{
	return due(SODIUM_MALLOC) ? NULL : __real_sodium_malloc(n);
}

WRAP(int, sodium_mlock, (void *p, size_t n))
{
	return locking_fails ? -1 : __real_sodium_mlock(p, n);
}

WRAP(char *, strndup, (const char *s, size_t n))
{
	return due(STRNDUP) ? NULL : __real_strndup(s, n);
}

WRAP(int, open, (const char *p, int flags, ...))
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return due(OPEN) ? -1 : __real_open(p, flags, mode);
}

WRAP(int, openat, (int at, const char *p, int flags, ...))
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return due(OPENAT) ? -1 : __real_openat(at, p, flags, mode);
}

WRAP(int, fchmod, (int fd, mode_t mode))
{
	return due(FCHMOD) ? -1 : __real_fchmod(fd, mode);
}

WRAP(ssize_t, write, (int fd, const void *p, size_t n))
{
	if (due(WRITE))
		return -1;
	return __real_write(fd, p, bytewise && n > 1 ? 1 : n);
}

WRAP(ssize_t, read, (int fd, void *p, size_t n))
{
	if (due(READ))
		return -1;
	return __real_read(fd, p, bytewise && n > 1 ? 1 : n);
}

WRAP(int, fsync, (int fd))
{
	fsyncs++;
	return due(FSYNC) ? -1 : __real_fsync(fd);
}

WRAP(int, close, (int fd))
{
	int rc = __real_close(fd);

	return due(CLOSE) ? -1 : rc;
}

WRAP(int, linkat, (int a, const char *p, int b, const char *q, int flags))
{
	return due(LINKAT) ? -1 : __real_linkat(a, p, b, q, flags);
}

WRAP(int, fstat, (int fd, struct stat *st))
{
	return due(FSTAT) ? -1 : __real_fstat(fd, st);
}

WRAP(uid_t, geteuid, (void))
{
	return user != (uid_t)-1 ? user : __real_geteuid();
}

static void
let_fail(enum call call, int time, int with)
{
	fails = call;
	nth = time;
	error = with;
}

static int
make_directory(void **state)
{
	(void)state;
	if (crypto_start() != OK || mkdtemp(dir) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/node.key", dir);
	return 0;
}

static int
remove_directory(void **state)
{
	(void)state;
	return rmdir(dir);
}

static int
remove_file(void **state)
{
	(void)state;
	let_fail(NONE, 0, 0);
	locking_fails = bytewise = false;
	user = (uid_t)-1;
	return unlink(path) == 0 || rmdir(path) == 0 || errno == ENOENT ? 0
									: -1;
}

static unsigned
files_in_directory(void)
{
	DIR *d = opendir(dir);
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 2;
}

static void
put_file(const char *text, size_t n, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static enum err
try_load(void)
{
	struct identity *id = NULL;
	enum err rc = identity_load(&id, path);

	assert_int_equal(rc == OK, id != NULL);
	identity_free(id);
	return rc;
}

static enum err
try_create(void)
{
	struct identity *id = NULL;
	enum err rc = identity_create(&id, path);

	assert_int_equal(rc == OK, id != NULL);
	identity_free(id);
	return rc;
}

static void
created_identity_is_loaded_again(void **state)
{
	struct identity *made, *loaded;
	uint8_t sig[SIGN_LEN], a[32], b[32];
	struct stat st;

	(void)state;
	fsyncs = 0;
	assert_int_equal(identity_create(&made, path), OK);
	assert_int_equal(fsyncs, 2); /* file and directory */
	assert_int_equal(files_in_directory(), 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_size, IDENTITY_FILE_LEN);

	assert_int_equal(identity_load(&loaded, path), OK);
	assert_memory_equal(identity_public(made), identity_public(loaded),
	    SIGN_PUBLIC_LEN);
	assert_int_equal(
	    identity_sign(loaded, sig, "kith test 1", PART_TEXT("x")), OK);
	assert_int_equal(sign_verify(sig, identity_public(made), "kith test 1",
			     PART_TEXT("x")),
	    OK);
	assert_int_equal(
	    identity_sign(made, sig, "kith test 1", PART_TEXT("y")), OK);
	assert_int_equal(sign_verify(sig, identity_public(made), "kith test 1",
			     PART_TEXT("y")),
	    OK);
	identity_derive(made, "kith seal 1", a);
	identity_derive(loaded, "kith seal 1", b);
	assert_memory_equal(a, b, sizeof(a));
	identity_derive(loaded, "kith seal 2", b);
	assert_memory_not_equal(a, b, sizeof(a));
	identity_free(made);
	identity_free(loaded);
	identity_free(NULL);
}

static void
file_format_is_the_documented_one(void **state)
{
	struct identity *id;
	uint8_t key[IDENTITY_DERIVED_LEN];

	(void)state;
	put_file(known, sizeof(known) - 1, 0600);
	assert_int_equal(identity_load(&id, path), OK);
	assert_hex(identity_public(id), PUBLIC);
	/* By hmac of Python. */
	identity_derive(id, "kith seal 1", key);
	assert_hex(key, "277b0ba50923642d1ba7a2028f8be74c"
			"0522e10c2a28ba6a242147bcacacff5f");
	identity_free(id);
}

static void
two_identities_differ(void **state)
{
	struct identity *a, *b;

	(void)state;
	assert_int_equal(identity_create(&a, path), OK);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(identity_create(&b, path), OK);
	assert_memory_not_equal(identity_public(a), identity_public(b),
	    SIGN_PUBLIC_LEN);
	identity_free(a);
	identity_free(b);
}

static void
existing_file_is_never_replaced(void **state)
{
	(void)state;
	put_file("precious", 8, 0600);
	assert_int_equal(try_create(), ERR_EXISTS);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("nowhere", path), 0);
	assert_int_equal(try_create(), ERR_EXISTS);
	assert_int_equal(files_in_directory(), 1);
}

static void
no_permission_for_others_is_tolerated(void **state)
{
	(void)state;
	for (mode_t bit = 0001; bit <= 0040; bit <<= 1) {
		put_file(known, sizeof(known) - 1, 0600 | bit);
		assert_int_equal(try_load(), ERR_MODE);
	}
	put_file(known, sizeof(known) - 1, 0400);
	assert_int_equal(try_load(), OK);
	assert_int_equal(chmod(path, 0600), 0);
}

static void
umask_does_not_matter(void **state)
{
	mode_t old = umask(0);

	(void)state;
	assert_int_equal(try_create(), OK);
	assert_int_equal(try_load(), OK);
	assert_int_equal(unlink(path), 0);
	(void)umask(0777);
	assert_int_equal(try_create(), OK);
	(void)umask(old);
	assert_int_equal(try_load(), OK);
}

/* Root's files are everybody's to load, so as root it takes a chown. */
static void
file_of_another_user_is_refused(void **state)
{
	(void)state;
	put_file(known, sizeof(known) - 1, 0600);
	if (__real_geteuid() == 0) {
		user = 12345;
		assert_int_equal(try_load(), OK);
		assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
		assert_int_equal(try_load(), OK);
		user = (uid_t)-1;
	} else {
		user = __real_geteuid() + 1;
	}
	assert_int_equal(try_load(), ERR_MODE);
}

static void
only_regular_files_are_read(void **state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char target[80];
	int fd;

	(void)state;
	(void)snprintf(target, sizeof(target), "%s/target", dir);
	put_file(known, sizeof(known) - 1, 0600);
	assert_int_equal(rename(path, target), 0);
	assert_int_equal(symlink("target", path), 0);
	assert_int_equal(try_load(), ERR_MODE);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unlink(target), 0);

	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(try_load(), ERR_MODE);
	assert_int_equal(unlink(path), 0);

	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(try_load(), ERR_MODE);
	assert_int_equal(rmdir(path), 0);

	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_true(fd != -1);
	memcpy(sun.sun_path, path, strlen(path) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(try_load(), ERR_MODE);
	(void)__real_close(fd);
}

static void
missing_file_or_directory_is_not_found(void **state)
{
	struct identity *id;

	(void)state;
	assert_int_equal(try_load(), ERR_NOTFOUND);
	assert_int_equal(identity_load(&id, "no_such_directory/x"),
	    ERR_NOTFOUND);
	assert_int_equal(identity_create(&id, "no_such_directory/x"),
	    ERR_NOTFOUND);
}

static void
every_truncation_is_found(void **state)
{
	char longer[sizeof(known)];

	(void)state;
	for (size_t n = 0; n < sizeof(known) - 1; n++) {
		put_file(known, n, 0600);
		assert_int_equal(try_load(), ERR_CORRUPT);
	}
	memcpy(longer, known, sizeof(known));
	longer[sizeof(known) - 1] = '\n';
	put_file(longer, sizeof(longer), 0600);
	assert_int_equal(try_load(), ERR_CORRUPT);
}

static void
every_altered_byte_is_found(void **state)
{
	char text[sizeof(known)];

	(void)state;
	for (size_t i = 0; i < sizeof(known) - 1; i++) {
		/* 0x20: upper case, which a file has only one way to be. */
		for (int bit = 0x01; bit <= 0x20; bit <<= 5) {
			memcpy(text, known, sizeof(known));
			text[i] = (char)(text[i] ^ bit);
			put_file(text, sizeof(text) - 1, 0600);
			/* The byte with the number, and the one behind it. */
			assert_int_equal(try_load(),
			    i == 14 || i == 15 ? ERR_UNSUPPORTED : ERR_CORRUPT);
		}
	}
}

static void
later_format_is_unsupported(void **state)
{
	(void)state;
	put_file("kith identity 2\nin some other way\n", 34, 0600);
	assert_int_equal(try_load(), ERR_UNSUPPORTED);
}

static void
key_that_cannot_be_locked_is_reported(void **state)
{
	struct identity *id;

	(void)state;
	locking_fails = true;
	assert_int_equal(identity_create(&id, path), OK);
	assert_false(identity_locked(id));
	identity_free(id);
	assert_int_equal(identity_load(&id, path), OK);
	assert_false(identity_locked(id));
	identity_free(id);
}

static void
failing_create_leaves_nothing_behind(void **state)
{
	static const struct {
		enum call call;
		int nth, error;
		enum err rc;
	} cases[] = {
		{ CALLOC, 1, ENOMEM, ERR_NOMEM },
		{ SODIUM_MALLOC, 1, ENOMEM, ERR_NOMEM },
		{ STRNDUP, 1, ENOMEM, ERR_NOMEM },
		{ OPEN, 1, EMFILE, ERR_IO },
		{ OPENAT, 1, EROFS, ERR_READONLY },
		{ FCHMOD, 1, EIO, ERR_IO },
		{ WRITE, 1, ENOSPC, ERR_NOSPACE },
		{ WRITE, 100, ENOSPC, ERR_NOSPACE },
		{ WRITE, IDENTITY_FILE_LEN, EIO, ERR_IO },
		{ FSYNC, 1, EIO, ERR_IO },
		{ FSYNC, 2, EIO, ERR_IO },
		{ CLOSE, 1, EIO, ERR_IO },
		{ LINKAT, 1, EIO, ERR_IO },
		{ LINKAT, 1, EEXIST, ERR_EXISTS },
	};

	(void)state;
	bytewise = true;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		let_fail(cases[i].call, cases[i].nth, cases[i].error);
		assert_int_equal(try_create(), cases[i].rc);
		let_fail(NONE, 0, 0);
		assert_int_equal(files_in_directory(), 0);
	}
	assert_int_equal(try_create(), OK);
	assert_int_equal(try_load(), OK);
}

static void
failing_load_says_why(void **state)
{
	static const struct {
		enum call call;
		int nth, error;
		enum err rc;
	} cases[] = {
		{ CALLOC, 1, ENOMEM, ERR_NOMEM },
		{ SODIUM_MALLOC, 1, ENOMEM, ERR_NOMEM },
		{ OPEN, 1, EMFILE, ERR_IO },
		{ OPEN, 1, EACCES, ERR_FORBIDDEN },
		{ FSTAT, 1, EIO, ERR_IO },
		{ READ, 1, EIO, ERR_IO },
		{ READ, 100, EIO, ERR_IO },
	};

	(void)state;
	put_file(known, sizeof(known) - 1, 0600);
	bytewise = true;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		let_fail(cases[i].call, cases[i].nth, cases[i].error);
		assert_int_equal(try_load(), cases[i].rc);
	}
	let_fail(NONE, 0, 0);
	assert_int_equal(try_load(), OK);
}

static void
interrupted_calls_go_on(void **state)
{
	(void)state;
	bytewise = true;
	let_fail(WRITE, 7, EINTR);
	assert_int_equal(try_create(), OK);
	let_fail(READ, 7, EINTR);
	assert_int_equal(try_load(), OK);
}

static void
name_without_directory_means_here(void **state)
{
	struct identity *id;
	int here = __real_open(".", O_RDONLY | O_DIRECTORY);

	(void)state;
	assert_true(here != -1);
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(identity_create(&id, "node.key"), OK);
	identity_free(id);
	assert_int_equal(identity_load(&id, "node.key"), OK);
	identity_free(id);
	assert_int_equal(fchdir(here), 0);
	(void)__real_close(here);
	assert_int_equal(try_load(), OK);
}

#define file_test(f) cmocka_unit_test_teardown(f, remove_file)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		file_test(created_identity_is_loaded_again),
		file_test(file_format_is_the_documented_one),
		file_test(two_identities_differ),
		file_test(existing_file_is_never_replaced),
		file_test(no_permission_for_others_is_tolerated),
		file_test(umask_does_not_matter),
		file_test(file_of_another_user_is_refused),
		file_test(only_regular_files_are_read),
		file_test(missing_file_or_directory_is_not_found),
		file_test(every_truncation_is_found),
		file_test(every_altered_byte_is_found),
		file_test(later_format_is_unsupported),
		file_test(key_that_cannot_be_locked_is_reported),
		file_test(failing_create_leaves_nothing_behind),
		file_test(failing_load_says_why),
		file_test(interrupted_calls_go_on),
		file_test(name_without_directory_means_here),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
