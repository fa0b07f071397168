/*
 * utf8: is it UTF-8, RFC 3629: no overlong forms, no surrogates, nothing
 * above U+10FFFF.
 */
#ifndef PROTO_UTF8_H
#define PROTO_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* The length of the character that starts at p, 1 to 4; 0: it is none. */
size_t utf8_char(const char *p, size_t n);

bool utf8_valid(const char *p, size_t n);

#endif
