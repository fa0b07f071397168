/*
 * bytes: views of bytes owned by somebody else, and a growing buffer.
 *
 * A struct str is a borrowed view (not NUL-terminated; p may be NULL when
 * n is 0).  A struct bytes owns its memory and has a limit: past it, or when
 * memory is out, it is marked failed, keeps what it had and ignores further
 * appends, so that a writer checks once at the end.
 *
 * Threads    none: a buffer belongs to one thread.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

struct str {
	const char *p;
	size_t n;
};

#define STR(literal) ((struct str){ (literal), sizeof(literal) - 1 })
#define STR_NONE     ((struct str){ NULL, 0 })

static inline struct str
str_of(const char *s)
{
	return (struct str){ s, strlen(s) };
}

static inline bool
str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

struct bytes {
	char *p;
	size_t n;     /* used */
	size_t cap;   /* allocated */
	size_t limit; /* most that cap may become */
	bool failed;  /* an append did not fit */
};

/* Empty, without memory; grows up to limit. */
void bytes_init(struct bytes *b, size_t limit);
void bytes_fini(struct bytes *b);

/* Forgets the content and the failure, keeps the memory. */
void bytes_reset(struct bytes *b);

/*
 * Room for n more bytes at the returned place (the buffer's, until the next
 * call on it); NULL (and failed) if none.  The caller writes them and adds
 * what it wrote to b->n.
 */
char *bytes_reserve(struct bytes *b, size_t n);

void bytes_add(struct bytes *b, const void *p, size_t n);
void bytes_add_str(struct bytes *b, struct str s);
void bytes_add_char(struct bytes *b, char c);
void bytes_add_u64(struct bytes *b, uint64_t v); /* decimal */

/* Formats in place, so it wants room for one byte more than the text has. */
void bytes_addf(struct bytes *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Takes the first n bytes away. */
void bytes_consume(struct bytes *b, size_t n);

/* Secrets: overwrites in a way the compiler keeps, then frees. */
void bytes_wipe(struct bytes *b);

/* Lower-case hexadecimal; out holds 2 * n + 1.  Strict on the way back. */
void hex_encode(char *out, const void *p, size_t n);
enum err hex_decode(void *out, size_t n, struct str hex) MUST_USE;

#endif
