/*
 * background: leaving the terminal, but only once everything works.
 *
 * The process forks before it opens anything that does not survive a fork;
 * the parent stays until the child says that it is ready, so that start-up
 * errors appear on the terminal and in the exit status.
 */
#ifndef NODE_BACKGROUND_H
#define NODE_BACKGROUND_H

#include "base/err.h"

/* In the child: returns OK.  The parent does not return from it. */
enum err background_fork(void) MUST_USE;

/* Lets the parent go with status 0; terminal and standard streams are left. */
void background_ready(void);

#endif
