/*
 * channel: a bounded queue from many threads to one.
 *
 * Items are linked through a struct channel_item that is their first member.
 * The receiver drains everything at once.  The pusher that makes an empty
 * channel non-empty calls wake (uv_async_send, or nothing when the receiver
 * waits with channel_wait); so a burst costs one wake-up.
 *
 * Ownership  an item is the channel's from a successful push until drained.
 * Threads    push from any, drain and wait from the one receiver.
 * Limits     `capacity' items; a push past it returns ERR_FULL and changes
 *            nothing.
 */
#ifndef BASE_CHANNEL_H
#define BASE_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct channel_item {
	struct channel_item *next;
};

/* Items in order, linked; used to push several at once. */
struct channel_list {
	struct channel_item *head, *tail;
	size_t count;
};

struct channel;

/* wake may be NULL.  Returns NULL when out of memory. */
struct channel *channel_new(size_t capacity, void (*wake)(void *),
    void *arg) MUST_USE;

/* The caller has drained it, and no thread uses it any more. */
void channel_free(struct channel *ch);

static inline void
channel_list_add(struct channel_list *l, struct channel_item *it)
{
	it->next = NULL;
	if (l->tail != NULL)
		l->tail->next = it;
	else
		l->head = it;
	l->tail = it;
	l->count++;
}

/* Takes the item.  ERR_FULL, ERR_CLOSED: it stays the caller's. */
enum err channel_push(struct channel *ch, struct channel_item *it) MUST_USE;

/* Takes all of list and empties it, or (ERR_FULL, ERR_CLOSED) nothing. */
enum err channel_push_list(struct channel *ch,
    struct channel_list *list) MUST_USE;

/* Takes the item whatever the count: for answers to bounded requests. */
void channel_push_reserved(struct channel *ch, struct channel_item *it);

/* Everything in it, in order, or NULL. */
struct channel_item *channel_drain(struct channel *ch);

/* As drain, but waits up to timeout_ms for the first item (0: no wait,
 * UINT64_MAX: for ever).  NULL on time-out, or when closed and empty. */
struct channel_item *channel_wait(struct channel *ch, unsigned long timeout_ms);

/* Further pushes get ERR_CLOSED; a waiter returns.  What is in it stays to be
 * drained.  Wake is not called. */
void channel_close(struct channel *ch);

/* Whether channel_close was called. */
bool channel_closed(struct channel *ch);

/* Items in it now; an estimate for metrics. */
size_t channel_count(struct channel *ch);

#endif
