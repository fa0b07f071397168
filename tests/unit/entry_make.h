/*
 * entry_make: entries for tests that do not care what is in them.
 */
#ifndef TESTS_UNIT_ENTRY_MAKE_H
#define TESTS_UNIT_ENTRY_MAKE_H

#include <assert.h>
#include <string.h>

#include "crypto/shorthash.h"
#include "proto/entry.h"

/* A message of n bytes of text, at the places. */
static inline struct entry *
entry_make(uint64_t index, const struct place *places, uint32_t nplaces,
    size_t n)
{
	static char text[4096];
	static uint8_t salt[EVENT_SALT_LEN];
	struct event_header h = { .kind = EVENT_MESSAGE,
		.stream = 1,
		.number = index,
		.time_ms = 1760000000000ull + index };
	struct event_body body = { .text = { text, n } };
	struct entry_draft d = { .index = index,
		.places = places,
		.nplaces = nplaces };
	struct entry *e = NULL;
	enum err rc;

	assert(n <= sizeof(text));
	memset(text, 'x', sizeof(text));
	salt[0]++;
	rc = event_new(&d.event, &h, &body, salt);
	assert(rc == OK);
	rc = entry_new(&e, &d);
	assert(rc == OK);
	event_unref(d.event);
	return e;
}

#endif
