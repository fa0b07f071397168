#include "node/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/logger.h"

/* The leak checker of a sanitizer build looks into its own process. */
static void
not_dumpable(void)
{
#ifndef __SANITIZE_ADDRESS__
	(void)prctl(PR_SET_DUMPABLE, 0);
#endif
}

void
sandbox_process(void)
{
	struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
	not_dumpable();
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	umask(077);
}

enum err
sandbox_user(const char *user, const char *data, char *what, size_t len)
{
	struct passwd *pw;

	if (user == NULL) {
		if (geteuid() == 0)
			log_warning("main",
			    "running as root: set user in kithd.conf");
		return OK;
	}
	if ((pw = getpwnam(user)) == NULL) {
		snprintf(what, len, "user: there is no user %s", user);
		return ERR_NOTFOUND;
	}
	if (geteuid() != 0) {
		if (pw->pw_uid == geteuid())
			return OK;
		snprintf(what, len,
		    "user: only root can become %s; start as root or as %s",
		    user, user);
		return ERR_FORBIDDEN;
	}
	if ((mkdir(data, 0700) != 0 && errno != EEXIST) ||
	    chown(data, pw->pw_uid, pw->pw_gid) != 0) {
		snprintf(what, len, "%s: %s", data, strerror(errno));
		return err_from_errno(errno);
	}
	if (initgroups(user, pw->pw_gid) != 0 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) != 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) != 0) {
		snprintf(what, len, "user: cannot become %s: %s", user,
		    strerror(errno));
		return ERR_FORBIDDEN;
	}
	/* Changing ids made the process dumpable again. */
	not_dumpable();
	return OK;
}

/* ---- Landlock (kernel documentation, userspace-api/landlock) ------------- */

#define LANDLOCK_READ                                                          \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define LANDLOCK_ALL                                                           \
	(LANDLOCK_READ | LANDLOCK_ACCESS_FS_EXECUTE |                          \
	    LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |    \
	    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |    \
	    LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |        \
	    LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |      \
	    LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)

static void
landlock_allow(int ruleset, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = access };
	struct stat st;

	if (path == NULL ||
	    (rule.parent_fd = open(path, O_PATH | O_CLOEXEC)) < 0)
		return;
	if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.allowed_access &= LANDLOCK_ACCESS_FS_READ_FILE;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
		&rule, 0) != 0)
		log_warning("sandbox", "landlock rule path=%s why=%s", path,
		    strerror(errno));
	(void)close(rule.parent_fd);
}

static void
landlock_enter(const char *data, const char *const *readable)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs =
						  LANDLOCK_ALL };
	int ruleset;

	ruleset =
	    (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0) {
		log_notice("sandbox", "no landlock in this kernel why=%s",
		    strerror(errno));
		return;
	}
	landlock_allow(ruleset, data,
	    LANDLOCK_ALL & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE);
	for (; *readable != NULL; readable++)
		landlock_allow(ruleset, *readable, LANDLOCK_READ);
#ifdef __SANITIZE_ADDRESS__
	landlock_allow(ruleset, "/proc", LANDLOCK_READ);
#endif
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
		log_warning("sandbox", "landlock not entered why=%s",
		    strerror(errno));
	(void)close(ruleset);
}

/* ---- seccomp ------------------------------------------------------------- */

/*
 * A deny list: what a messaging daemon never needs and an attacker wants.
 * An allow list would break with each libc; Landlock and the unprivileged
 * user carry the rest.  Refused calls get EPERM.
 */
static const int denied[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
#ifndef __SANITIZE_ADDRESS__
	SCMP_SYS(ptrace),
#endif
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(kexec_load),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(reboot),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	SCMP_SYS(acct),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(adjtimex),
	SCMP_SYS(setuid),
	SCMP_SYS(setresuid),
	SCMP_SYS(personality),
	SCMP_SYS(open_by_handle_at),
};

static void
seccomp_enter(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int rc = ctx == NULL ? -ENOMEM : 0;

	for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]) && rc == 0;
	     i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), denied[i], 0);
	if (rc == 0)
		rc = seccomp_load(ctx);
	if (rc != 0)
		log_notice("sandbox", "no seccomp in this kernel why=%s",
		    strerror(-rc));
	seccomp_release(ctx);
}

void
sandbox_enter(const char *data, const char *const *readable)
{
	landlock_enter(data, readable);
	seccomp_enter();
}
