#include "node/alerter.h"

#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/logger.h"
#include "proto/json.h"

struct alerter {
	int fd;
	pid_t pid;
};

/* One datagram. */
struct alert_message {
	char what[32];
	bool begins;
	char text[256];
};

/* ---- in the child -------------------------------------------------------- */

static void
run_command(const char *command, const struct alert_message *am)
{
	int status;
	pid_t pid;

	if ((pid = fork()) == 0) {
		(void)setenv("KITH_ALERT", am->what, 1);
		(void)setenv("KITH_STATE", am->begins ? "begin" : "end", 1);
		(void)setenv("KITH_TEXT", am->text, 1);
		(void)alarm(ALERTER_SECONDS);
		(void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	if (pid < 0) {
		log_warning("alert", "command not started why=%s",
		    strerror(errno));
		return;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		log_warning("alert", "command failed status=%d", status);
}

static size_t
discard(char *p, size_t size, size_t n, void *arg)
{
	(void)p;
	(void)arg;
	return size * n;
}

static void
call_webhook(const char *url, const struct alert_message *am)
{
	struct curl_slist *headers;
	struct bytes b;
	CURL *curl;
	CURLcode rc;

	bytes_init(&b, 4096);
	json_object(&b);
	json_cstr(&b, "alert", am->what);
	json_cstr(&b, "state", am->begins ? "begin" : "end");
	json_cstr(&b, "text", am->text);
	json_object_end(&b);
	bytes_add_char(&b, '\0');
	headers = curl_slist_append(NULL, "Content-Type: application/json");
	if ((curl = curl_easy_init()) != NULL && !b.failed) {
		(void)curl_easy_setopt(curl, CURLOPT_URL, url);
		(void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR,
		    "http,https");
		(void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
		(void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, b.p);
		(void)curl_easy_setopt(curl, CURLOPT_TIMEOUT,
		    (long)ALERTER_SECONDS);
		(void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, discard);
		(void)curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
		(void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
		if ((rc = curl_easy_perform(curl)) != CURLE_OK)
			log_warning("alert", "webhook failed why=\"%s\"",
			    curl_easy_strerror(rc));
	}
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
	bytes_fini(&b);
}

static void
serve(int fd, const char *command, const char *webhook)
{
	struct alert_message am;
	ssize_t n;

	/* Above all the lock of the data directory, and the listeners. */
	if (fd != 3 && dup2(fd, 3) == 3)
		fd = 3;
	(void)close_range(4, ~0u, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	(void)prctl(PR_SET_NAME, "kithd-alert");
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
	for (;;) {
		n = recv(fd, &am, sizeof(am), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n != (ssize_t)sizeof(am))
			break;
		if (command != NULL)
			run_command(command, &am);
		if (webhook != NULL)
			call_webhook(webhook, &am);
	}
	curl_global_cleanup();
}

/* ---- in the daemon ------------------------------------------------------- */

enum err
alerter_start(struct alerter **out, const char *command, const char *webhook)
{
	struct alerter *a;
	int fds[2];

	*out = NULL;
	if (command == NULL && webhook == NULL)
		return OK;
	if ((a = calloc(1, sizeof(*a))) == NULL)
		return ERR_NOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) {
		free(a);
		return err_from_errno(errno);
	}
	if ((a->pid = fork()) == 0) {
		(void)close(fds[0]);
		serve(fds[1], command, webhook);
		_exit(0);
	}
	(void)close(fds[1]);
	if (a->pid < 0) {
		(void)close(fds[0]);
		free(a);
		return ERR_NOMEM;
	}
	a->fd = fds[0];
	*out = a;
	return OK;
}

void
alerter_send(struct alerter *a, const char *what, bool begins, const char *text)
{
	struct alert_message am;

	if (a == NULL)
		return;
	memset(&am, 0, sizeof(am));
	snprintf(am.what, sizeof(am.what), "%s", what);
	snprintf(am.text, sizeof(am.text), "%s", text);
	am.begins = begins;
	if (send(a->fd, &am, sizeof(am), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_warning("alert", "not handed to the alerter why=%s",
		    strerror(errno));
}

/* What was handed over is still run: the child ends when it has read all. */
void
alerter_stop(struct alerter *a)
{
	if (a == NULL)
		return;
	(void)close(a->fd);
	while (waitpid(a->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(a);
}
