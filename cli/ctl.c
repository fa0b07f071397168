#include "cli/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

bool
ctl_open(struct ctl *c, const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(sa.sun_path)) {
		fprintf(stderr, "kithctl: %s: the path is too long\n", path);
		return false;
	}
	strncpy(sa.sun_path, path, sizeof(sa.sun_path) - 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) != 0) {
		fprintf(stderr, "kithctl: %s: %s; is kithd running?\n", path,
		    strerror(errno));
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	c->in = fdopen(fd, "r");
	c->out = fdopen(dup(fd), "w");
	return c->in != NULL && c->out != NULL;
}

void
ctl_close(struct ctl *c)
{
	if (c->in != NULL)
		(void)fclose(c->in);
	if (c->out != NULL)
		(void)fclose(c->out);
}

json_int_t
ctl_send(struct ctl *c, json_t *request)
{
	char *text;
	bool sent;

	(void)json_object_set_new(request, "id", json_integer(++c->next_id));
	text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	if (text == NULL)
		return 0;
	sent = fputs(text, c->out) >= 0 && fputc('\n', c->out) != EOF;
	explicit_bzero(text, strlen(text));
	free(text);
	return sent ? c->next_id : 0;
}

json_t *
ctl_receive(struct ctl *c)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	json_t *v;

	if (fflush(c->out) != 0 || (n = getline(&line, &cap, c->in)) <= 0) {
		free(line);
		fprintf(stderr, "kithctl: the connection was lost\n");
		return NULL;
	}
	v = json_loadb(line, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
	explicit_bzero(line, (size_t)n);
	free(line);
	return v;
}

bool
ctl_request(struct ctl *c, json_t *request, json_t **ok)
{
	json_t *answer, *error;

	*ok = NULL;
	if (ctl_send(c, request) == 0 || (answer = ctl_receive(c)) == NULL)
		return false;
	if ((error = json_object_get(answer, "error")) != NULL)
		fprintf(stderr, "kithctl: %s: %s\n",
		    json_string_value(json_object_get(error, "code")),
		    json_string_value(json_object_get(error, "text")));
	else
		*ok = json_incref(json_object_get(answer, "ok"));
	json_decref(answer);
	return *ok != NULL;
}

/* ---- many accounts ------------------------------------------------------- */

#define WINDOW 500 /* requests without an answer */

struct many {
	struct ctl *ctl;
	FILE *names, *tokens;
	json_t *asked; /* id to name, of those without an answer */
	unsigned long added, failed;
};

static bool
name_next(struct many *m)
{
	char line[512], id[32];
	json_int_t n;

	while (fgets(line, sizeof(line), m->names) != NULL) {
		line[strcspn(line, "\r\n")] = '\0';
		if (line[0] == '\0' || line[0] == '#')
			continue;
		n = ctl_send(m->ctl,
		    json_pack("{s:s, s:s, s:s}", "op", "account-add", "account",
			line, "name", "kithctl"));
		if (n == 0)
			return false;
		snprintf(id, sizeof(id), "%lld", (long long)n);
		(void)json_object_set_new(m->asked, id, json_string(line));
		return true;
	}
	return false;
}

static bool
answer_next(struct many *m)
{
	json_t *answer = ctl_receive(m->ctl), *error, *ok;
	char id[32];

	if (answer == NULL)
		return false;
	snprintf(id, sizeof(id), "%lld",
	    (long long)json_integer_value(json_object_get(answer, "id")));
	ok = json_object_get(answer, "ok");
	if ((error = json_object_get(answer, "error")) != NULL) {
		fprintf(stderr, "kithctl: %s: %s\n",
		    json_string_value(json_object_get(m->asked, id)),
		    json_string_value(json_object_get(error, "text")));
		m->failed++;
	} else {
		fprintf(m->tokens, "%s %s\n",
		    json_string_value(json_object_get(ok, "account")),
		    json_string_value(json_object_get(ok, "token")));
		m->added++;
	}
	(void)json_object_del(m->asked, id);
	json_decref(answer);
	if (isatty(STDERR_FILENO) && m->added % 1000 == 0)
		fprintf(stderr, "\r%lu accounts", m->added);
	return true;
}

static FILE *
tokens_open(const char *path)
{
	FILE *f;
	int fd;

	if (strcmp(path, "-") == 0)
		return stdout;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
	    0600);
	if (fd < 0 || fchmod(fd, 0600) != 0 || (f = fdopen(fd, "w")) == NULL) {
		fprintf(stderr, "kithctl: %s: %s\n", path, strerror(errno));
		return NULL;
	}
	return f;
}

int
ctl_add_many(struct ctl *c, const char *names, const char *tokens)
{
	struct many m = { .ctl = c, .asked = json_object() };
	bool more = true, alive = true;

	m.names = strcmp(names, "-") == 0 ? stdin : fopen(names, "re");
	if (m.names == NULL) {
		fprintf(stderr, "kithctl: %s: %s\n", names, strerror(errno));
		return 1;
	}
	if ((m.tokens = tokens_open(tokens)) == NULL)
		return 1;
	while (alive && (more || json_object_size(m.asked) > 0)) {
		while (more && json_object_size(m.asked) < WINDOW)
			more = name_next(&m);
		if (json_object_size(m.asked) > 0)
			alive = answer_next(&m);
	}
	if (fflush(m.tokens) != 0 ||
	    (m.tokens != stdout && fclose(m.tokens) != 0)) {
		fprintf(stderr, "kithctl: %s: %s\n", tokens, strerror(errno));
		alive = false;
	}
	if (m.names != stdin)
		(void)fclose(m.names);
	json_decref(m.asked);
	fprintf(stderr, "%s%lu accounts added, %lu failed\n",
	    isatty(STDERR_FILENO) ? "\r" : "", m.added, m.failed);
	return alive && m.failed == 0 ? 0 : 1;
}
