/*
 * logger: one event a line, "box: event key=value ...", to stderr or syslog.
 *
 * Levels are debug, info, notice, warning and alert.  A line is cut at 1 KiB;
 * control characters and what is not UTF-8 are escaped, so that nothing from
 * outside can forge a line or command a terminal.  Never give it bodies, keys
 * or tokens.  What cannot be written is lost: a log stops nobody.  Keeps errno.
 *
 * Threads    any; a line is one write.
 */
#ifndef BASE_LOGGER_H
#define BASE_LOGGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mono.h"

enum log_level {
	LOG_L_DEBUG,
	LOG_L_INFO,
	LOG_L_NOTICE,
	LOG_L_WARNING,
	LOG_L_ALERT
};

enum logger_target { LOGGER_STDERR, LOGGER_SYSLOG };

/* Before any thread starts.  ident is borrowed for ever. */
void logger_open(const char *ident, enum logger_target target);
void logger_set_level(enum log_level level);
enum log_level logger_level(void);
const char *logger_level_name(enum log_level level);
enum err logger_level_parse(const char *name, enum log_level *level) MUST_USE;

/* box: a literal such as "queue"; fmt: "event key=%s". */
void log_debug(const char *box, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void log_info(const char *box, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void log_notice(const char *box, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void log_warning(const char *box, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void log_alert(const char *box, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * For what a peer can trigger: at most `burst' lines a minute; the first line
 * of the next minute says how many were left out.  Owned by one thread.
 */
struct log_limit {
	struct mono since;
	uint32_t count, left_out;
};
bool log_allowed(struct log_limit *l, struct mono now, uint32_t burst,
    uint32_t *left_out);

#endif
