/*
 * password: calls that wait for the password pool.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/message/handlers.h"

struct hashing {
	struct message *m;
	struct request *rq;
	char stored[PASSWORD_HASH_MAX]; /* what is checked against */
};

/* On a thread of the pool. */
static void
job_done(struct password_job *job)
{
	struct hashing *h = job->arg;

	channel_push_reserved(h->m->parts.done_passwords, &job->item);
}

/*
 * Parks the call until `password' was checked against stored (check) and a
 * hash of `fresh' was made (fresh.n > 0).
 */
enum err
password_wait(struct message *m, struct call *c, bool check, const char *stored,
    struct str password, struct str fresh)
{
	struct password_job *job;
	struct hashing *h;
	enum err rc = OK;

	if ((h = calloc(1, sizeof(*h))) == NULL)
		return ERR_NOMEM;
	h->m = m;
	h->rq = c->rq;
	if ((job = password_job_new(job_done, h)) == NULL) {
		free(h);
		return ERR_NOMEM;
	}
	if (check) {
		if (stored != NULL)
			snprintf(h->stored, sizeof(h->stored), "%s", stored);
		job->renew = fresh.n == 0;
		rc = password_job_check(job, stored, password);
	}
	if (rc == OK && fresh.n > 0)
		rc = password_job_make(job, fresh);
	if (rc == OK)
		rc = password_pool_submit(m->parts.passwords, job);
	if (rc != OK) {
		password_job_free(job);
		free(h);
		return rc;
	}
	m->waiting++;
	c->kept = true;
	return OK;
}

bool
password_checked(const struct call *c, const struct account *a)
{
	return c->r->hashed &&
	       strcmp(c->r->checked, a != NULL ? a->password : "") == 0;
}

void
message_passwords_done(struct message *m, struct channel_item *items)
{
	struct password_job *job;
	struct hashing *h;

	while ((job = (struct password_job *)items) != NULL) {
		struct resumed r = { .hashed = true };

		items = items->next;
		h = job->arg;
		m->waiting--;
		r.password_ok = job->rc == OK;
		r.checked = h->stored;
		r.hash = job->hash[0] != '\0' ? job->hash : NULL;
		if (job->rc == OK || job->rc == ERR_CREDENTIALS ||
		    job->rc == ERR_CORRUPT) {
			call_run(m, h->rq, &r);
		} else {
			answer_error(m, &h->rq->conn, h->rq->rq.id, job->rc,
			    NULL);
			request_free(h->rq);
		}
		password_job_free(job);
		explicit_bzero(h->stored, sizeof(h->stored));
		free(h);
	}
}
