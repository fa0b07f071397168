#include "cli/app.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#define FILE_MAX 8192

void
app_say(const char *fmt, ...)
{
	va_list ap;

	fputs("kith: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int
app_exit_code(enum err err)
{
	switch (err) {
	case OK:
		return EXIT_OK;
	case ERR_CREDENTIALS:
	case ERR_UNAUTHENTICATED:
	case ERR_DISABLED:
		return EXIT_LOGIN;
	case ERR_CLOSED:
	case ERR_TIMEOUT:
		return EXIT_UNREACHABLE;
	case ERR_QUEUE_UNAVAILABLE:
	case ERR_QUEUE_FULL:
		return EXIT_KEPT;
	case ERR_NOMEM:
		return EXIT_FAILED;
	default:
		return EXIT_REFUSED;
	}
}

/* ---- the token file ------------------------------------------------------ */

/* A line "key value" of text. */
static char *
line_of(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *p = text; p != NULL && *p != '\0';) {
		const char *nl = strchr(p, '\n');

		if (strncmp(p, key, n) == 0 && p[n] == ' ' && nl != NULL)
			return strndup(p + n + 1, (size_t)(nl - p) - n - 1);
		p = nl != NULL ? nl + 1 : NULL;
	}
	return NULL;
}

static int
token_read(struct app *a)
{
	char text[FILE_MAX];
	struct stat st;
	ssize_t n = -1;
	int fd;

	fd = open(a->token_file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		app_say("%s: %s; log in first: kith login", a->token_file,
		    strerror(errno));
		return EXIT_LOGIN;
	}
	if (fstat(fd, &st) != 0 || (st.st_mode & 077) != 0) {
		app_say("%s: others can read it: chmod 600, or log in again",
		    a->token_file);
		(void)close(fd);
		return EXIT_LOGIN;
	}
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	a->account = line_of(text, "account");
	a->token = line_of(text, "token");
	a->url = line_of(text, "server");
	explicit_bzero(text, sizeof(text));
	if (a->account == NULL || a->token == NULL || a->url == NULL) {
		app_say("%s: it is no token file: log in again", a->token_file);
		return EXIT_LOGIN;
	}
	return EXIT_OK;
}

static void
make_directories(const char *path)
{
	char copy[4096];

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *p = copy + 1; *p != '\0'; p++)
		if (*p == '/') {
			*p = '\0';
			(void)mkdir(copy, 0700);
			*p = '/';
		}
}

int
app_token_write(struct app *a, const char *account, const char *token)
{
	char tmp[4096];
	FILE *f;
	int fd;

	make_directories(a->token_file);
	snprintf(tmp, sizeof(tmp), "%s.XXXXXX", a->token_file);
	if ((fd = mkstemp(tmp)) < 0 || (f = fdopen(fd, "w")) == NULL) {
		app_say("%s: %s", tmp, strerror(errno));
		return EXIT_FAILED;
	}
	fprintf(f, "server %s\naccount %s\ntoken %s\n", a->server, account,
	    token);
	if (fflush(f) != 0 || fsync(fd) != 0 ||
	    rename(tmp, a->token_file) != 0) {
		app_say("%s: %s", a->token_file, strerror(errno));
		(void)unlink(tmp);
		(void)fclose(f);
		return EXIT_FAILED;
	}
	(void)fclose(f);
	return EXIT_OK;
}

void
app_token_remove(struct app *a)
{
	(void)unlink(a->token_file);
}

/* ---- connecting ---------------------------------------------------------- */

static int
connect_to(struct app *a, const char *url)
{
	struct client_options o = { .url = url,
		.timeout_ms = a->timeout_ms,
		.push = a->push,
		.arg = a->arg };
	const char *why;

	if (client_open(&a->client, &o, &why) == OK)
		return EXIT_OK;
	app_say("%s: %s", url, why);
	return EXIT_UNREACHABLE;
}

int
app_connect(struct app *a)
{
	return connect_to(a, a->server);
}

static int
resume(struct app *a, bool live)
{
	json_t *ok = NULL;
	int rc;

	rc = app_request(a,
	    json_pack("{s:s, s:s, s:b, s:b, s:b}", "op", "resume", "token",
		a->token, "live", live, "states", live, "presence", live),
	    &ok);
	json_decref(ok);
	return rc;
}

int
app_login(struct app *a, bool live)
{
	int rc;

	if ((rc = token_read(a)) != EXIT_OK)
		return rc;
	rc = connect_to(a, a->server != NULL ? a->server : a->url);
	return rc == EXIT_OK ? resume(a, live) : rc;
}

int
app_again(struct app *a, bool live)
{
	int rc;

	client_close(a->client);
	a->client = NULL;
	rc = connect_to(a, a->server != NULL ? a->server : a->url);
	return rc == EXIT_OK ? resume(a, live) : rc;
}

void
app_close(struct app *a)
{
	client_close(a->client);
	if (a->token != NULL)
		explicit_bzero(a->token, strlen(a->token));
	free(a->token);
	free(a->account);
	free(a->url);
}

int
app_request(struct app *a, json_t *request, json_t **ok)
{
	enum err rc;

	if (request == NULL)
		return EXIT_FAILED;
	if ((rc = client_request(a->client, request, ok)) == OK)
		return EXIT_OK;
	if (rc == ERR_TIMEOUT || rc == ERR_CLOSED)
		app_say("the server does not answer: %s", err_text(rc));
	else
		app_say("%s: %s", err_code(rc), client_error_text(a->client));
	return app_exit_code(rc);
}

/* ---- secrets ------------------------------------------------------------- */

static bool
line_read(FILE *f, char *out, size_t size)
{
	size_t n;

	if (fgets(out, (int)size, f) == NULL)
		return false;
	n = strcspn(out, "\r\n");
	out[n] = '\0';
	return n > 0;
}

bool
app_secret(struct app *a, const char *prompt, char *out, size_t size)
{
	struct termios old, quiet;
	bool got;
	FILE *f;

	if (a->password_file != NULL) {
		if ((f = fopen(a->password_file, "re")) == NULL) {
			app_say("%s: %s", a->password_file, strerror(errno));
			return false;
		}
		got = line_read(f, out, size);
		(void)fclose(f);
		return got;
	}
	if (!isatty(STDIN_FILENO))
		return line_read(stdin, out, size);
	if (tcgetattr(STDIN_FILENO, &old) != 0)
		return false;
	quiet = old;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	fprintf(stderr, "%s: ", prompt);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	got = line_read(stdin, out, size);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
	fputc('\n', stderr);
	return got;
}

/* ---- output -------------------------------------------------------------- */

void
app_print_json(const json_t *v)
{
	char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);

	if (text != NULL)
		puts(text);
	free(text);
	(void)fflush(stdout);
}

/* C0, DEL, C1, and the characters that reorder text (UAX 9). */
static bool
dangerous(wchar_t w)
{
	return (w < 0x20 && w != L'\t') || (w >= 0x7f && w < 0xa0) ||
	       (w >= 0x202a && w <= 0x202e) || (w >= 0x2066 && w <= 0x2069) ||
	       w == 0x200e || w == 0x200f || w == 0x061c;
}

void
app_print_text(const char *text)
{
	mbstate_t state = { 0 };
	size_t left = strlen(text), n;
	wchar_t w;

	while (left > 0) {
		n = mbrtowc(&w, text, left, &state);
		if (n == (size_t)-1 || n == (size_t)-2 || n == 0) {
			memset(&state, 0, sizeof(state));
			fputc('?', stdout);
			n = 1;
		} else if (w == L'\n') {
			fputs("\n    ", stdout);
		} else if (dangerous(w)) {
			printf("<%04x>", (unsigned)w);
		} else {
			(void)fwrite(text, 1, n, stdout);
		}
		text += n;
		left -= n;
	}
}

const char *
app_time(json_int_t ms)
{
	static char text[32];
	time_t t = (time_t)(ms / 1000);
	struct tm tm;

	localtime_r(&t, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm);
	return text;
}

const char *
app_str(const json_t *v, const char *key)
{
	const char *s = json_string_value(json_object_get(v, key));

	return s != NULL ? s : "";
}

json_int_t
app_int(const json_t *v, const char *key)
{
	return json_integer_value(json_object_get(v, key));
}
