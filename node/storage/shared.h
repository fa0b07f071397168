/*
 * shared: what the threads of storage have in common.
 *
 * Threads    lock guards tail, queue and jobs; the rest is atomic or set
 *            before the threads start.
 */
#ifndef NODE_STORAGE_SHARED_H
#define NODE_STORAGE_SHARED_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/channel.h"
#include "node/storage/storage.h"
#include "node/storage/tail.h"

/* Constants but for tests, which want to see the turning points early. */
struct storage_limits {
	uint32_t group_entries; /* of one transaction; more stay for the next */
	uint32_t merge_pointers;  /* in the tail, then they are merged */
	uint32_t merge_memory;    /* of records staged, likewise */
	uint32_t merge_bytes;     /* in the table staged, likewise */
	uint32_t merge_rows;      /* of the table staged, likewise */
	uint32_t step_rows;       /* of one transaction of a merge */
	uint32_t expire_pointers; /* of one transaction of an expiry */
	uint32_t wal_pages;       /* then it is put into the database */
	uint32_t erase_ms;        /* till erased texts are off the WAL */
	uint32_t retry_ms;        /* after a failure */
};

extern const struct storage_limits storage_limits_default;

/* A backup to be made. */
struct backup_job {
	char path[PATH_MAX];
	void (*finished)(void *arg, enum err err);
	void *arg;
};

struct shared {
	char path[PATH_MAX];
	struct storage_limits limits;
	struct channel *done, *done_reads; /* borrowed from the owner */
	struct channel *batches;           /* to the writer */
	pthread_mutex_t lock;
	pthread_cond_t reads_wait;
	struct tail *tail;
	struct channel_list reads;
	struct backup_job *backup; /* not yet taken by the writer */
	bool stopping;
	atomic_uint pending, pending_reads;
	_Atomic uint64_t applied, batches_done, failures, reads_done;
	_Atomic uint64_t apply_us_sum, apply_us_last, checkpoint_us_last;
	_Atomic uint64_t merges, merge_us_sum, merge_us_last, tail_pointers;
	atomic_bool failing, removing;
	atomic_int why;
};

/* A reference. */
struct tail *shared_tail(struct shared *sh);

/* Takes t. */
void shared_publish(struct shared *sh, struct tail *t);

/* Makes the views of puts, once the batch's memory moves no more. */
void storage_batch_seal(struct storage_batch *b);

static inline bool
shared_stopping(struct shared *sh)
{
	bool stopping;

	(void)pthread_mutex_lock(&sh->lock);
	stopping = sh->stopping;
	(void)pthread_mutex_unlock(&sh->lock);
	return stopping;
}

#endif
