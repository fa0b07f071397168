/*
 * wheel: many deadlines, one timer.
 *
 * A ring of lists, one for each tick; an entry lies in the list of its tick,
 * or in the last one of the ring when it is farther off.  Whoever takes an
 * expired entry looks whether it is really due, and puts it back if not: so a
 * deadline that moves on with each byte costs nothing while bytes come.
 *
 * Ownership  entries are part of the caller's structures.
 * Threads    none.
 */
#ifndef NODE_GATEWAY_WHEEL_H
#define NODE_GATEWAY_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wheel_entry {
	struct wheel_entry *next, *prev; /* NULL: in no list */
};

#define WHEEL_SLOTS 512

struct wheel {
	struct wheel_entry slots[WHEEL_SLOTS];
	struct wheel_entry expired;
	uint64_t tick_ms, tick; /* the next one to be run */
	size_t count;
};

/* now: a time in ms that only grows. */
void wheel_init(struct wheel *w, uint64_t tick_ms, uint64_t now);

/* At or after `due'; moves an entry that is in it already. */
void wheel_set(struct wheel *w, struct wheel_entry *e, uint64_t due);
void wheel_remove(struct wheel *w, struct wheel_entry *e);

/* Collects what is due at `now'; wheel_take then gives one after the other,
 * and may be mixed with wheel_set and wheel_remove. */
void wheel_advance(struct wheel *w, uint64_t now);
struct wheel_entry *wheel_take(struct wheel *w);

/* A plain list of such entries, its head an entry, too. */
void wheel_list_init(struct wheel_entry *head);
void wheel_list_add(struct wheel_entry *head, struct wheel_entry *e);
void wheel_list_remove(struct wheel_entry *e); /* may be in none */
bool wheel_list_empty(const struct wheel_entry *head);

#endif
