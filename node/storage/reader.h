/*
 * reader: a thread of the pool that reads pages of history.
 *
 * Takes the reads waiting in struct shared one by one, each in a transaction
 * of its own of at most STORAGE_READ_MAX events, so that no snapshot stays
 * long enough to keep the WAL from being emptied.
 */
#ifndef NODE_STORAGE_READER_H
#define NODE_STORAGE_READER_H

#include <pthread.h>

#include "node/storage/db.h"
#include "node/storage/image.h"
#include "node/storage/lookup.h"
#include "node/storage/shared.h"

struct reader {
	struct shared *sh;
	pthread_t thread;
	struct db db;
	struct image image; /* the last one read: neighbours share it */
	bool image_good;
	struct found found;
};

void *reader_thread(void *arg);

#endif
