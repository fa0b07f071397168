/*
 * app: what the commands of kith share: options, the token file, the
 * connection, output, exit codes.
 */
#ifndef CLI_APP_H
#define CLI_APP_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "cli/client.h"

/* Exit codes, kith(1). */
#define EXIT_OK          0
#define EXIT_FAILED      1 /* something on this machine failed */
#define EXIT_USAGE       2
#define EXIT_LOGIN       3 /* not logged in, or bad credentials */
#define EXIT_UNREACHABLE 4 /* no connection, or no answer in time */
#define EXIT_REFUSED     5 /* the server refused it */
#define EXIT_KEPT        6 /* not stored yet: kept, the next send repeats it */

struct app {
	bool json;
	const char *server;     /* --server, or NULL */
	const char *token_file; /* never NULL */
	const char *password_file;
	int timeout_ms;
	void (*push)(void *arg, json_t *message);
	void *arg;
	/* Of the token file; NULL before app_login. */
	char *account, *token, *url;
	struct client *client;
};

/* Says "kith: ..." on standard error. */
void app_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Connects without logging in.  An exit code. */
int app_connect(struct app *a);

/*
 * Reads the token file, connects and resumes; live: with the feed, states
 * and presence.  An exit code.
 */
int app_login(struct app *a, bool live);

/* Connects again after the connection was lost. */
int app_again(struct app *a, bool live);

/* Writes url, account and token, mode 0600.  An exit code. */
int app_token_write(struct app *a, const char *account, const char *token);
void app_token_remove(struct app *a);

void app_close(struct app *a);

/* Sends request (takes it); on success *ok has a reference.  An exit code,
 * said on standard error. */
int app_request(struct app *a, json_t *request, json_t **ok);

/* The exit code for an error of client_request. */
int app_exit_code(enum err err);

/*
 * A secret: without echo when standard input is a terminal, else its first
 * line, or that of --password-file.  Returns false when there is none.
 */
bool app_secret(struct app *a, const char *prompt, char *out, size_t size);

/* One JSON value a line on standard output. */
void app_print_json(const json_t *v);

/*
 * Prints a string of somebody else's: control characters and such that turn
 * the direction of text become visible.
 */
void app_print_text(const char *text);

/* "2026-11-24 11:03" of milliseconds, local time. */
const char *app_time(json_int_t ms);

/* Member of an object, "" or 0 when it is missing. */
const char *app_str(const json_t *v, const char *key);
json_int_t app_int(const json_t *v, const char *key);

#endif
