/*
 * text: which strings people may hand to each other.
 *
 * All are UTF-8, and none holds control characters, which a terminal would
 * obey.  An empty string passes: whether a member may be left out is the
 * operation's to say.
 *
 * Threads    any.
 */
#ifndef PROTO_TEXT_H
#define PROTO_TEXT_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"

#define DISPLAY_MAX 256 /* bytes, as written and as enforced */
#define EMOJI_MAX   64  /* bytes */

/* A message: newlines and tabs are allowed. */
bool text_valid(struct str s);

/* One line: topics, reasons. */
bool topic_valid(struct str s);

/* One line with something to see in it: names of devices. */
bool name_valid(struct str s);

/* Would display_enforce take it? */
bool display_valid(struct str s);

/*
 * A name as people show it, by the Nickname profile of PRECIS (RFC 8266):
 * spaces trimmed and folded into single ones, NFKC.  Writes up to DISPLAY_MAX
 * bytes and a NUL.  ERR_INVALID: nothing is left, or a character is not
 * allowed; ERR_TOO_LARGE.
 */
enum err display_enforce(char out[static DISPLAY_MAX + 1],
    struct str s) MUST_USE;

/* One emoji, after UTS #51; also of a later Unicode than the library's. */
bool emoji_valid(struct str s);

#endif
