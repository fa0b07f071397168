/*
 * alert: operators learn when something begins to be wrong and when it ends,
 * once each: a log line, a metric, the host's command and webhook, and an
 * event in the mailboxes of operator accounts as soon as one can be queued.
 *
 * Limits     ALERTS_MAX texts wait for the queue; the oldest goes first, and
 *            a later end of the same matter still comes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/logger.h"
#include "node/message/service.h"

#define ALERTS_MAX 64

/* A matter: under way, or its texts not yet delivered. */
struct alert {
	struct alert *next;
	char what[32];
	bool active;
	unsigned ntexts;
	char texts[4][256];
};

static struct alert *
alert_find(struct message *m, const char *what)
{
	struct alert *a;
	unsigned n = 0;

	for (a = m->alerts; a != NULL; a = a->next, n++)
		if (strcmp(a->what, what) == 0)
			return a;
	if (n == ALERTS_MAX || (a = calloc(1, sizeof(*a))) == NULL)
		return NULL;
	snprintf(a->what, sizeof(a->what), "%s", what);
	a->next = m->alerts;
	m->alerts = a;
	return a;
}

void
message_alert(struct message *m, const char *what, bool begins,
    const char *text)
{
	struct alert *a = alert_find(m, what);

	if (a != NULL) {
		if (a->active == begins)
			return;
		a->active = begins;
		/* Texts pile up while nothing can be queued: keep the ends. */
		if (a->ntexts == sizeof(a->texts) / sizeof(a->texts[0]))
			a->ntexts--;
		snprintf(a->texts[a->ntexts++], sizeof(a->texts[0]), "%s: %s",
		    what, text);
	}
	m->stats.alerts += begins;
	log_alert("alert", "%s what=%s text=\"%s\"", begins ? "begin" : "end",
	    what, text);
	if (m->parts.host.alert != NULL)
		m->parts.host.alert(m->parts.host.arg, what, begins, text);
}

static enum err
alert_post(struct message *m, struct account *a, const char *text)
{
	struct pending *p;
	struct draft d;
	enum err rc;

	draft_init(m, &d);
	d.has_event = true;
	d.h.kind = EVENT_ALERT;
	d.h.author = d.h.target = a->id;
	d.h.time_ms = m->now_ms;
	d.body.text = str_of(text);
	if ((rc = draft_mailbox(m, &d, a, a)) == OK) {
		p = pending_new(NULL, NULL);
		rc = p != NULL ? submit(m, &d, p) : ERR_NOMEM;
	}
	draft_fini(&d);
	return rc;
}

/* Marked by kithctl, or named in the configuration. */
static bool
is_told(const struct message *m, const struct account *a)
{
	if (a->state != ACCOUNT_ACTIVE)
		return false;
	for (size_t i = 0; i < m->cfg.noperators; i++)
		if (strcmp(m->cfg.operators[i], a->name) == 0)
			return true;
	return a->operator;
}

/* All operators, or none: a text is delivered as one. */
static bool
alert_text(struct message *m, const char *text)
{
	struct account *a, *next;

	HASH_ITER(hh_id, m->reg.accounts_id, a, next)
	{
		if (!is_told(m, a))
			continue;
		if (alert_post(m, a, text) != OK)
			return false;
	}
	return true;
}

void
alert_flush(struct message *m)
{
	for (struct alert *a = m->alerts; a != NULL; a = a->next) {
		unsigned n = 0;

		if (m->degraded)
			return;
		while (n < a->ntexts && alert_text(m, a->texts[n]))
			n++;
		memmove(a->texts[0], a->texts[n],
		    (a->ntexts - n) * sizeof(a->texts[0]));
		a->ntexts -= n;
	}
}

void
alert_free_all(struct message *m)
{
	struct alert *a;

	while ((a = m->alerts) != NULL) {
		m->alerts = a->next;
		free(a);
	}
}
