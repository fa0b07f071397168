#include "node/background.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

static int ready_fd = -1;

enum err
background_fork(void)
{
	char byte;
	int fds[2], status;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return err_from_errno(errno);
	if ((pid = fork()) < 0)
		return err_from_errno(errno);
	if (pid == 0) {
		(void)close(fds[0]);
		(void)setsid();
		ready_fd = fds[1];
		return OK;
	}
	(void)close(fds[1]);
	if (read(fds[0], &byte, 1) == 1)
		_exit(0);
	/* It ended without being ready; it has said why. */
	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status))
		_exit(WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : 1);
	_exit(1);
}

void
background_ready(void)
{
	int null;

	if (ready_fd < 0)
		return;
	if ((null = open("/dev/null", O_RDWR)) >= 0) {
		(void)dup2(null, STDIN_FILENO);
		(void)dup2(null, STDOUT_FILENO);
		(void)dup2(null, STDERR_FILENO);
		if (null > STDERR_FILENO)
			(void)close(null);
	}
	(void)!write(ready_fd, "r", 1);
	(void)close(ready_fd);
	ready_fd = -1;
}
