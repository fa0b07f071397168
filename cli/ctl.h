/*
 * ctl: kithctl's connection to the control socket of a kithd, one JSON object
 * a line.
 *
 * Threads    none.
 */
#ifndef CLI_CTL_H
#define CLI_CTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct ctl {
	FILE *in, *out;
	json_int_t next_id;
	bool json;
};

/* Says on standard error what failed. */
bool ctl_open(struct ctl *c, const char *path);
void ctl_close(struct ctl *c);

/* Sends request (takes it) with the next id, which is returned; 0: failed. */
json_int_t ctl_send(struct ctl *c, json_t *request);

/* The next answer, a reference; NULL when the connection is gone. */
json_t *ctl_receive(struct ctl *c);

/*
 * Sends and waits; *ok gets a reference.  False: refused or failed, said on
 * standard error.
 */
bool ctl_request(struct ctl *c, json_t *request, json_t **ok);

/* account.c of kithctl: many accounts, a name a line of `names'. */
int ctl_add_many(struct ctl *c, const char *names, const char *tokens);

#endif
