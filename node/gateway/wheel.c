#include "node/gateway/wheel.h"

#include <assert.h>

void
wheel_list_init(struct wheel_entry *head)
{
	head->next = head->prev = head;
}

bool
wheel_list_empty(const struct wheel_entry *head)
{
	return head->next == head;
}

void
wheel_list_add(struct wheel_entry *head, struct wheel_entry *e)
{
	assert(e->next == NULL);
	e->prev = head->prev;
	e->next = head;
	head->prev->next = e;
	head->prev = e;
}

void
wheel_list_remove(struct wheel_entry *e)
{
	if (e->next == NULL)
		return;
	e->prev->next = e->next;
	e->next->prev = e->prev;
	e->next = e->prev = NULL;
}

void
wheel_init(struct wheel *w, uint64_t tick_ms, uint64_t now)
{
	for (int i = 0; i < WHEEL_SLOTS; i++)
		wheel_list_init(&w->slots[i]);
	wheel_list_init(&w->expired);
	w->tick_ms = tick_ms;
	w->tick = now / tick_ms + 1;
	w->count = 0;
}

void
wheel_set(struct wheel *w, struct wheel_entry *e, uint64_t due)
{
	uint64_t tick = due / w->tick_ms + 1;

	if (tick < w->tick)
		tick = w->tick;
	if (tick >= w->tick + WHEEL_SLOTS)
		tick = w->tick + WHEEL_SLOTS - 1;
	wheel_remove(w, e);
	wheel_list_add(&w->slots[tick % WHEEL_SLOTS], e);
	w->count++;
}

void
wheel_remove(struct wheel *w, struct wheel_entry *e)
{
	if (e->next == NULL)
		return;
	wheel_list_remove(e);
	w->count--;
}

void
wheel_advance(struct wheel *w, uint64_t now)
{
	uint64_t end = now / w->tick_ms;
	struct wheel_entry *slot, *last = &w->expired;

	/* After a long sleep once around is enough. */
	if (end >= w->tick + WHEEL_SLOTS)
		w->tick = end - WHEEL_SLOTS + 1;
	for (; w->tick <= end; w->tick++) {
		slot = &w->slots[w->tick % WHEEL_SLOTS];
		if (wheel_list_empty(slot))
			continue;
		/* The whole list at the end of the expired one. */
		slot->next->prev = last->prev;
		last->prev->next = slot->next;
		slot->prev->next = last;
		last->prev = slot->prev;
		wheel_list_init(slot);
	}
}

struct wheel_entry *
wheel_take(struct wheel *w)
{
	struct wheel_entry *e = w->expired.next;

	if (e == &w->expired)
		return NULL;
	wheel_remove(w, e);
	return e;
}
