/*
 * inside: what the tests and the benchmark of storage see beyond storage.h.
 */
#ifndef NODE_STORAGE_INSIDE_H
#define NODE_STORAGE_INSIDE_H

#include "node/storage/shared.h"
#include "node/storage/storage.h"

/* Other limits than storage_limits_default; before storage_start. */
void storage_tune(struct storage *s, const struct storage_limits *limits);

#endif
