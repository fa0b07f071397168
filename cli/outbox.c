#include "cli/outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mono.h"
#include "crypto/random.h"

#define RETRY_MS    1000
#define STREAM_MASK ((1ull << 53) - 1)

static void
directory_of(char *out, size_t size)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (state != NULL && *state == '/')
		snprintf(out, size, "%s/kith", state);
	else
		snprintf(out, size, "%s/.local/state/kith",
		    home != NULL ? home : "/tmp");
}

/* A conversation as a file name: what could mean something becomes %XX. */
static void
file_name(char *out, size_t size, const char *text)
{
	size_t n = 0;

	for (; *text != '\0' && n + 4 < size; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		    c == '@' || c == '-' || c == '_' || (c == '.' && n > 0))
			out[n++] = (char)c;
		else
			n += (size_t)snprintf(out + n, size - n, "%%%02X", c);
	}
	out[n] = '\0';
}

static int
open_file(struct outbox *o, const struct app *a, const char *to)
{
	char dir[2048], name[512], account[512];

	directory_of(dir, sizeof(dir));
	file_name(account, sizeof(account), a->account);
	file_name(name, sizeof(name), to);
	snprintf(o->path, sizeof(o->path), "%s/%s/", dir, account);
	for (char *p = o->path + 1; *p != '\0'; p++)
		if (*p == '/') {
			*p = '\0';
			(void)mkdir(o->path, 0700);
			*p = '/';
		}
	snprintf(o->path, sizeof(o->path), "%s/%s/%s.json", dir, account, name);
	o->fd = open(o->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (o->fd < 0 || flock(o->fd, LOCK_EX) != 0) {
		app_say("%s: %s", o->path, strerror(errno));
		return EXIT_FAILED;
	}
	return EXIT_OK;
}

static void
state_fresh(struct outbox *o)
{
	json_t *pending =
	    o->state != NULL ? json_incref(json_object_get(o->state, "pending"))
			     : NULL;
	uint64_t stream = random_u64() & STREAM_MASK;

	json_decref(o->state);
	o->state = json_pack("{s:I, s:i, s:o}", "stream",
	    (json_int_t)(stream == 0 ? 1 : stream), "number", 0, "pending",
	    pending != NULL ? pending : json_array());
}

int
outbox_open(struct outbox *o, const struct app *a, const char *to)
{
	char text[1 << 20];
	ssize_t n;
	int rc;

	memset(o, 0, sizeof(*o));
	if ((rc = open_file(o, a, to)) != EXIT_OK)
		return rc;
	n = pread(o->fd, text, sizeof(text), 0);
	if (n > 0)
		o->state = json_loadb(text, (size_t)n, 0, NULL);
	if (!json_is_array(json_object_get(o->state, "pending")) ||
	    app_int(o->state, "stream") <= 0) {
		json_decref(o->state);
		o->state = NULL;
		state_fresh(o);
	}
	return o->state != NULL ? EXIT_OK : EXIT_FAILED;
}

void
outbox_close(struct outbox *o)
{
	json_decref(o->state);
	if (o->fd >= 0)
		(void)close(o->fd);
	o->fd = -1;
}

/*
 * In place, under the lock: a torn write is found at the next start by the
 * parser, which then begins a new stream, and at worst a message whose answer
 * was lost is not repeated.
 */
static int
state_write(struct outbox *o)
{
	char *text = json_dumps(o->state, JSON_COMPACT);
	size_t n;
	int rc = EXIT_FAILED;

	if (text == NULL)
		return rc;
	n = strlen(text);
	if (pwrite(o->fd, text, n, 0) == (ssize_t)n &&
	    ftruncate(o->fd, (off_t)n) == 0 && fdatasync(o->fd) == 0)
		rc = EXIT_OK;
	else
		app_say("%s: %s", o->path, strerror(errno));
	free(text);
	return rc;
}

size_t
outbox_pending(const struct outbox *o)
{
	return json_array_size(json_object_get(o->state, "pending"));
}

int
outbox_add(struct outbox *o, json_t *request)
{
	if (request == NULL ||
	    json_array_append_new(json_object_get(o->state, "pending"),
		request) != 0)
		return EXIT_FAILED;
	return state_write(o);
}

/* The first pending one has been dealt with; taken: its number is used. */
static int
first_done(struct outbox *o, bool taken)
{
	(void)json_array_remove(json_object_get(o->state, "pending"), 0);
	if (taken)
		(void)json_object_set_new(o->state, "number",
		    json_integer(app_int(o->state, "number") + 1));
	return state_write(o);
}

static enum err
send_first(struct outbox *o, struct app *a, json_t **ok)
{
	json_t *request = json_deep_copy(
	    json_array_get(json_object_get(o->state, "pending"), 0));

	(void)json_object_set_new(request, "stream",
	    json_integer(app_int(o->state, "stream")));
	(void)json_object_set_new(request, "number",
	    json_integer(app_int(o->state, "number") + 1));
	return client_request(a->client, request, ok);
}

/* The stream is not what the file says (it expired, the file is old). */
static bool
stream_lost(enum err rc)
{
	return rc == ERR_OUT_OF_ORDER || rc == ERR_TOO_OLD ||
	       rc == ERR_NUMBER_REUSED;
}

static bool
worth_repeating(enum err rc)
{
	return rc == ERR_QUEUE_UNAVAILABLE || rc == ERR_QUEUE_FULL ||
	       rc == ERR_BUSY || rc == ERR_RATE || rc == ERR_CLOSED ||
	       rc == ERR_TIMEOUT;
}

static void
pause_ms(unsigned ms)
{
	(void)usleep(ms * 1000);
}

int
outbox_flush(struct outbox *o, struct app *a, int timeout_ms, json_t **ok,
    json_int_t *direct)
{
	struct mono end = mono_add_ms(mono_now(), (uint64_t)timeout_ms);
	bool fresh = false;
	enum err rc;
	int code = EXIT_OK;

	*ok = NULL;
	*direct = 0;
	while (outbox_pending(o) > 0 && code == EXIT_OK) {
		json_decref(*ok);
		rc = send_first(o, a, ok);
		if (rc == OK && json_object_get(*ok, "durable") != NULL) {
			code = first_done(o, true);
			continue;
		}
		if (rc == OK)
			*direct = app_int(*ok, "direct");
		if (stream_lost(rc) && !fresh) {
			fresh = true;
			state_fresh(o);
			code = state_write(o);
			continue;
		}
		if (rc != OK && !worth_repeating(rc)) {
			app_say("%s: %s", err_code(rc),
			    client_error_text(a->client));
			(void)first_done(o, false);
			return app_exit_code(rc);
		}
		if (!mono_before(mono_now(), end))
			return EXIT_KEPT;
		pause_ms(RETRY_MS);
		if (rc == ERR_CLOSED || rc == ERR_TIMEOUT)
			(void)app_again(a, false);
		if (a->client == NULL)
			return EXIT_KEPT;
	}
	return code;
}
