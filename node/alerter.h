/*
 * alerter: runs the alert command and calls the webhook of kithd.conf(5).
 *
 * A process of its own, forked before the sandbox closes, because the daemon
 * itself may neither execute programs nor look up names.  It gets alerts over
 * a socket pair and ends when that closes.
 *
 * Limits     one alert at a time, each for at most ALERTER_SECONDS; those
 *            that do not fit the socket buffer are logged as not delivered.
 */
#ifndef NODE_ALERTER_H
#define NODE_ALERTER_H

#include <stdbool.h>

#include "base/err.h"

#define ALERTER_SECONDS 30

struct alerter;

/* command and webhook may be NULL; with neither, nothing is forked. */
enum err alerter_start(struct alerter **out, const char *command,
    const char *webhook) MUST_USE;

/* Never blocks. */
void alerter_send(struct alerter *a, const char *what, bool begins,
    const char *text);

void alerter_stop(struct alerter *a); /* NULL is allowed */

#endif
