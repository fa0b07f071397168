#include "base/channel.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

struct channel {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	struct channel_list list;
	size_t capacity;
	void (*wake)(void *);
	void *arg;
	bool closed;
};

struct channel *
channel_new(size_t capacity, void (*wake)(void *), void *arg)
{
	pthread_condattr_t attr;
	struct channel *ch;

	if ((ch = calloc(1, sizeof(*ch))) == NULL)
		return NULL;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&ch->mutex, NULL);
	pthread_cond_init(&ch->cond, &attr);
	pthread_condattr_destroy(&attr);
	ch->capacity = capacity;
	ch->wake = wake;
	ch->arg = arg;
	return ch;
}

void
channel_free(struct channel *ch)
{
	if (ch == NULL)
		return;
	pthread_cond_destroy(&ch->cond);
	pthread_mutex_destroy(&ch->mutex);
	free(ch);
}

/* With the mutex held; true: it was empty, the receiver must be woken. */
static bool
append(struct channel *ch, struct channel_item *head, struct channel_item *tail,
    size_t n)
{
	bool first = ch->list.head == NULL;

	if (first)
		ch->list.head = head;
	else
		ch->list.tail->next = head;
	ch->list.tail = tail;
	ch->list.count += n;
	return first;
}

static void
rouse(struct channel *ch)
{
	if (ch->wake != NULL)
		ch->wake(ch->arg);
	else
		pthread_cond_signal(&ch->cond);
}

static enum err
push(struct channel *ch, struct channel_item *head, struct channel_item *tail,
    size_t n, bool reserved)
{
	bool first = false;
	enum err rc = OK;

	pthread_mutex_lock(&ch->mutex);
	if (reserved)
		first = append(ch, head, tail, n);
	else if (ch->closed)
		rc = ERR_CLOSED;
	else if (n > ch->capacity || ch->list.count > ch->capacity - n)
		rc = ERR_FULL;
	else
		first = append(ch, head, tail, n);
	pthread_mutex_unlock(&ch->mutex);
	if (first)
		rouse(ch);
	return rc;
}

enum err
channel_push(struct channel *ch, struct channel_item *it)
{
	it->next = NULL;
	return push(ch, it, it, 1, false);
}

enum err
channel_push_list(struct channel *ch, struct channel_list *list)
{
	enum err rc;

	if (list->head == NULL)
		return OK;
	rc = push(ch, list->head, list->tail, list->count, false);
	if (rc == OK)
		*list = (struct channel_list){ 0 };
	return rc;
}

void
channel_push_reserved(struct channel *ch, struct channel_item *it)
{
	it->next = NULL;
	(void)push(ch, it, it, 1, true);
}

static struct channel_item *
take(struct channel *ch)
{
	struct channel_item *it = ch->list.head;

	ch->list = (struct channel_list){ 0 };
	return it;
}

struct channel_item *
channel_drain(struct channel *ch)
{
	struct channel_item *it;

	pthread_mutex_lock(&ch->mutex);
	it = take(ch);
	pthread_mutex_unlock(&ch->mutex);
	return it;
}

struct channel_item *
channel_wait(struct channel *ch, unsigned long timeout_ms)
{
	struct channel_item *it;
	struct timespec end;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &end);
	if (timeout_ms < 1000000000ul) {
		end.tv_sec += (time_t)(timeout_ms / 1000);
		end.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
		if (end.tv_nsec >= 1000000000) {
			end.tv_sec++;
			end.tv_nsec -= 1000000000;
		}
	} else {
		end.tv_sec += 1000000000;
	}
	pthread_mutex_lock(&ch->mutex);
	while (ch->list.head == NULL && !ch->closed && rc == 0)
		rc = pthread_cond_timedwait(&ch->cond, &ch->mutex, &end);
	it = take(ch);
	pthread_mutex_unlock(&ch->mutex);
	return it;
}

void
channel_close(struct channel *ch)
{
	pthread_mutex_lock(&ch->mutex);
	ch->closed = true;
	pthread_mutex_unlock(&ch->mutex);
	pthread_cond_broadcast(&ch->cond);
}

bool
channel_closed(struct channel *ch)
{
	bool closed;

	pthread_mutex_lock(&ch->mutex);
	closed = ch->closed;
	pthread_mutex_unlock(&ch->mutex);
	return closed;
}

size_t
channel_count(struct channel *ch)
{
	size_t n;

	pthread_mutex_lock(&ch->mutex);
	n = ch->list.count;
	pthread_mutex_unlock(&ch->mutex);
	return n;
}
