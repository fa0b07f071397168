/*
 * storage_fault: a disk that fails when told to: an SQLite VFS over the real
 * one, and the memory allocation of the threads of storage.
 *
 * Loss of power: whatever was written to a file since its last sync may be on
 * the disk or not, sector by sector.  At an instant that the test chooses, a
 * copy of the files is made as they could be found afterwards.
 *
 * Threads    the switches may be set by any; the VFS has a lock.
 */
#ifndef TESTS_UNIT_STORAGE_FAULT_H
#define TESTS_UNIT_STORAGE_FAULT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct fault {
	atomic_bool full; /* files cannot grow */
	atomic_bool writes_fail, syncs_fail;
	atomic_int write_in, sync_in, read_in; /* the n-th fails, once */
	atomic_int malloc_in; /* likewise, of other threads than main's */
	atomic_uint writes, syncs, reads, mallocs; /* since fault_reset */
	/* At the n-th write or sync the power fails: the files as they may be
	 * are put into dir, and lost is called. */
	atomic_int power_in;
	const char *dir;
	uint64_t seed;
	void (*lost)(void *arg);
	void *arg;
};

extern struct fault fault;

/* Becomes the VFS of all that is opened from now on. */
void fault_install(void);

/* Everything works again; counts begin at 0. */
void fault_reset(void);

#endif
