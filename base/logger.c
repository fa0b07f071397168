#include "base/logger.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

static const char *const names[] = { "debug", "info", "notice", "warning",
	"alert" };
static const int priorities[] = { LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING,
	LOG_ALERT };

static atomic_int threshold = LOG_L_NOTICE;
static enum logger_target where = LOGGER_STDERR;

void
logger_open(const char *ident, enum logger_target target)
{
	where = target;
	if (target == LOGGER_SYSLOG)
		openlog(ident, LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

void
logger_set_level(enum log_level level)
{
	atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

enum log_level
logger_level(void)
{
	return (enum log_level)atomic_load_explicit(&threshold,
	    memory_order_relaxed);
}

const char *
logger_level_name(enum log_level level)
{
	return names[level];
}

enum err
logger_level_parse(const char *name, enum log_level *level)
{
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0) {
			*level = (enum log_level)i;
			return OK;
		}
	return ERR_INVALID;
}

/*
 * How many bytes at p are one character that may stand in a line as it is;
 * 0: a control character (C0, DEL, and C1, by which some terminals are
 * commanded) or no UTF-8 (Unicode 15, table 3-7).  Reads no further than NUL.
 */
static size_t
printable(const unsigned char *p)
{
	unsigned char least = 0x80, most = 0xbf;
	size_t n;

	if (p[0] < 0x80)
		return p[0] >= 0x20 && p[0] != 0x7f;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xc2 || p[0] == 0xe0)
		least = 0xa0; /* C1; overlong */
	else if (p[0] == 0xed)
		most = 0x9f; /* surrogates */
	else if (p[0] == 0xf0)
		least = 0x90; /* overlong */
	else if (p[0] == 0xf4)
		most = 0x8f; /* past U+10FFFF */
	if (p[1] < least || p[1] > most)
		return 0;
	for (size_t i = 2; i < n; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return n;
}

/* What is not printable becomes \xHH, byte by byte: nobody forges a line. */
static void
escape(char *out, size_t cap, const char *in)
{
	const unsigned char *p = (const unsigned char *)in;
	size_t n = 0, len;

	while (*p != '\0' && n + 4 < cap) {
		if ((len = printable(p)) == 0) {
			n += (size_t)snprintf(out + n, cap - n, "\\x%02x", *p);
			p++;
			continue;
		}
		memcpy(out + n, p, len);
		n += len;
		p += len;
	}
	out[n] = '\0';
}

static void
emit(enum log_level level, const char *box, const char *text)
{
	char line[LINE_MAX_BYTES], clean[LINE_MAX_BYTES - 80], stamp[32];
	struct timespec now;
	struct tm tm;
	int n;

	escape(clean, sizeof(clean), text);
	if (where == LOGGER_SYSLOG) {
		syslog(priorities[level], "%s: %s: %s", names[level], box,
		    clean);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	/* Time, level and box fit into the 80 bytes that clean leaves. */
	n = snprintf(line, sizeof(line), "%s.%03ldZ %s %.32s: %s\n", stamp,
	    now.tv_nsec / 1000000, names[level], box, clean);
	assert(n > 0 && (size_t)n < sizeof(line));
	(void)!write(STDERR_FILENO, line, (size_t)n);
}

#define DEFINE_LOG(name, level)                                                \
	void name(const char *box, const char *fmt, ...)                       \
	{                                                                      \
		char text[LINE_MAX_BYTES];                                     \
		int saved_errno = errno;                                       \
		va_list ap;                                                    \
                                                                               \
		if ((level) < logger_level())                                  \
			return;                                                \
		va_start(ap, fmt);                                             \
		(void)vsnprintf(text, sizeof(text), fmt, ap);                  \
		va_end(ap);                                                    \
		emit((level), box, text);                                      \
		errno = saved_errno;                                           \
	}

DEFINE_LOG(log_debug, LOG_L_DEBUG)
DEFINE_LOG(log_info, LOG_L_INFO)
DEFINE_LOG(log_notice, LOG_L_NOTICE)
DEFINE_LOG(log_warning, LOG_L_WARNING)
DEFINE_LOG(log_alert, LOG_L_ALERT)

bool
log_allowed(struct log_limit *l, struct mono now, uint32_t burst,
    uint32_t *left_out)
{
	*left_out = 0;
	if (l->since.ns == 0 || mono_ms_between(l->since, now) >= 60000) {
		*left_out = l->left_out;
		l->since = now;
		l->count = l->left_out = 0;
	}
	if (l->count < burst) {
		l->count++;
		return true;
	}
	l->left_out++;
	return false;
}
