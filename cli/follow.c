/*
 * follow: what comes, as it comes, acknowledged once it is written.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mono.h"
#include "base/prng.h"
#include "cli/kith.h"

#define BACKOFF_MS_MAX 60000

struct follow {
	struct app *app;
	const char *only; /* a conversation, or NULL */
	json_t *heads;    /* log to the highest position written */
	json_t *acks;     /* those to be acknowledged */
};

static bool
matches(const char *with, const char *only)
{
	size_t n = only != NULL ? strlen(only) : 0;

	return only == NULL || (strncmp(with, only, n) == 0 &&
				   (with[n] == '\0' || with[n] == '@'));
}

static void
show(struct follow *f, const json_t *event)
{
	if (!matches(event_with(event, f->app->account), f->only) ||
	    (!f->app->json && event_is_copy(event, f->app->account)))
		return;
	if (f->app->json)
		app_print_json(event);
	else
		(void)event_print(event, f->app->account, f->only == NULL);
	(void)fflush(stdout);
}

static void
on_push(void *arg, json_t *m)
{
	struct follow *f = arg;
	const char *kind = app_str(m, "push"), *log = app_str(m, "log");
	json_int_t seq;

	if (strcmp(kind, "direct") == 0) {
		show(f, m);
		if (client_cast(f->app->client,
			json_pack("{s:s, s:s}", "op", "direct", "event",
			    app_str(m, "event"))) != OK)
			app_say("connection lost");
		return;
	}
	if (strcmp(kind, "event") != 0)
		return;
	seq = json_integer_value(json_array_get(json_object_get(m, "pos"), 1));
	if (seq <= app_int(f->heads, log))
		return;
	(void)json_object_set_new(f->heads, log, json_integer(seq));
	show(f, m);
	(void)json_object_set_new(f->acks, log, json_integer(seq));
}

static enum err
acknowledge(struct follow *f)
{
	const char *log;
	json_t *seq;
	enum err rc = OK;

	json_object_foreach(f->acks, log, seq)
	{
		rc = client_cast(f->app->client,
		    json_pack("{s:s, s:s, s:I}", "op", "ack", "log", log, "seq",
			json_integer_value(seq)));
		if (rc != OK)
			break;
	}
	(void)json_object_clear(f->acks);
	return rc;
}

static enum err
serve(struct follow *f)
{
	enum err rc;

	for (;;) {
		rc = client_wait(f->app->client, 20000);
		if (rc == ERR_TIMEOUT)
			rc = client_cast(f->app->client,
			    json_pack("{s:s, s:I}", "op", "ping", "id",
				(json_int_t)1 << 52));
		if (rc == OK)
			rc = acknowledge(f);
		if (rc != OK)
			return rc;
	}
}

int
cmd_follow(struct app *a, int argc, char **argv)
{
	struct follow f = { .app = a,
		.only = argc > 0 ? argv[0] : NULL,
		.heads = json_object(),
		.acks = json_object() };
	unsigned wait_ms = 1000;
	struct prng rng;
	int rc;

	prng_seed(&rng, mono_now().ns ^ (uint64_t)getpid());
	a->push = on_push;
	a->arg = &f; /* cppcheck-suppress autoVariables; a is done before f */
	rc = app_login(a, true);
	while (rc == EXIT_OK || rc == EXIT_UNREACHABLE) {
		if (rc == EXIT_OK) {
			wait_ms = 1000;
			(void)serve(&f);
			app_say("connection lost");
		}
		(void)usleep(
		    (useconds_t)(wait_ms / 2 + prng_below(&rng, wait_ms / 2)) *
		    1000);
		wait_ms =
		    wait_ms * 2 > BACKOFF_MS_MAX ? BACKOFF_MS_MAX : wait_ms * 2;
		rc = app_again(a, true);
	}
	json_decref(f.heads);
	json_decref(f.acks);
	return rc;
}
