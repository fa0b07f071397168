/*
 * page: images in the table `page'.
 *
 * The number of a row is index * IMAGE_PARTS + part: the index is at most
 * that of the first event in it, the part counts the rows of an event too
 * large for one.  A row is a sum over number and bytes, then the bytes.
 */
#ifndef NODE_STORAGE_PAGE_H
#define NODE_STORAGE_PAGE_H

#include "base/err.h"
#include "node/storage/db.h"
#include "node/storage/image.h"

/*
 * The image in which the event idx stands, if anywhere.  ERR_NOTFOUND: no
 * image begins at or before it; ERR_CORRUPT and others.
 */
enum err page_load(struct db *db, uint64_t idx, struct image *im) MUST_USE;

/* Makes its rows (fresh), or writes over them. */
enum err page_save(struct db *db, const struct image *im, bool fresh) MUST_USE;
enum err page_delete(struct db *db, const struct image *im) MUST_USE;

/*
 * The row of DB_PAGE_FROM on which the statement stands becomes, with those
 * that continue it, the image.  Steps to the row after it: *end when there is
 * none.
 */
enum err page_walk(struct db *db, struct image *im, bool *end) MUST_USE;

#endif
