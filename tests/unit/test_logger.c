/*
 * The logger, with write and syslog replaced: what comes out, in how many
 * calls, and what somebody outside can put into it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <syslog.h>
#include <unistd.h>

#include "base/logger.h"

#define THREADS      4
#define THREAD_LINES 2000

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char out[4096]; /* the last call */
static size_t calls, whole;
static int priority;
static bool write_fails;

ssize_t __wrap_write(int fd, const void *p, size_t n);
void __wrap_syslog(int pri, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void __wrap___syslog_chk(int pri, int flag, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

ssize_t
__wrap_write(int fd, const void *p, size_t n)
{
	const char *text = p;

	(void)pthread_mutex_lock(&mutex);
	calls++;
	if (fd == STDERR_FILENO && n > 0 && n < sizeof(out) &&
	    memchr(p, '\n', n) == text + n - 1)
		whole++;
	memcpy(out, p, n < sizeof(out) ? n : 0);
	out[n < sizeof(out) ? n : 0] = '\0';
	(void)pthread_mutex_unlock(&mutex);
	if (write_fails) {
		errno = EIO;
		return -1;
	}
	return (ssize_t)n;
}

static void
to_syslog(int pri, const char *fmt, va_list ap)
{
	calls++;
	priority = pri;
	(void)vsnprintf(out, sizeof(out), fmt, ap);
}

void
__wrap_syslog(int pri, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	to_syslog(pri, fmt, ap);
	va_end(ap);
}

/* What syslog becomes under _FORTIFY_SOURCE. */
void
__wrap___syslog_chk(int pri, int flag, const char *fmt, ...)
{
	va_list ap;

	(void)flag;
	va_start(ap, fmt);
	to_syslog(pri, fmt, ap);
	va_end(ap);
}

static int
setup(void **state)
{
	(void)state;
	logger_open("test", LOGGER_STDERR);
	logger_set_level(LOG_L_NOTICE);
	calls = whole = 0;
	out[0] = '\0';
	write_fails = false;
	return 0;
}

/* After the time. */
static const char *
line(void)
{
	const char *p = strchr(out, ' ');

	return p == NULL ? "" : p + 1;
}

static void
a_line_has_time_level_box_and_event(void **state)
{
	int year, month, day, hour, minute, second, ms, end = 0;

	(void)state;
	log_warning("queue", "commit-failed why=%s tries=%d", "io-error", 3);
	assert_int_equal(sscanf(out, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ %n", &year,
			     &month, &day, &hour, &minute, &second, &ms, &end),
	    7);
	assert_int_equal(end, 25);
	assert_string_equal(out + end,
	    "warning queue: commit-failed why=io-error tries=3\n");
}

static void
below_the_level_nothing_is_written(void **state)
{
	(void)state;
	log_debug("a", "b");
	log_info("a", "b");
	assert_int_equal(calls, 0);
	log_notice("a", "b");
	log_warning("a", "b");
	log_alert("a", "b");
	assert_int_equal(calls, 3);
	logger_set_level(LOG_L_ALERT);
	assert_int_equal(logger_level(), LOG_L_ALERT);
	log_warning("a", "b");
	assert_int_equal(calls, 3);
	logger_set_level(LOG_L_DEBUG);
	log_debug("a", "b");
	assert_string_equal(line(), "debug a: b\n");
}

static void
nobody_outside_can_forge_a_line(void **state)
{
	(void)state;
	log_notice("a", "name=%s", "x\n2026-01-01 alert queue: forged");
	assert_string_equal(line(),
	    "notice a: name=x\\x0a2026-01-01 alert queue: forged\n");
	assert_int_equal(calls, 1);
	assert_int_equal(whole, 1);
	log_notice("a", "%s", "\r\t\x01\x7f");
	assert_string_equal(line(), "notice a: \\x0d\\x09\\x01\\x7f\n");
}

/* ESC [ and its one-character form CSI, in UTF-8 and without. */
static void
nobody_outside_can_command_a_terminal(void **state)
{
	(void)state;
	log_notice("a", "%s", "\x1b[2J");
	assert_string_equal(line(), "notice a: \\x1b[2J\n");
	log_notice("a", "%s",
	    "\xc2\x9b"
	    "2J\x9b"
	    "2J");
	assert_string_equal(line(), "notice a: \\xc2\\x9b2J\\x9b2J\n");
}

static void
other_characters_stay(void **state)
{
	/* The first and last of each length, and around the surrogates. */
	static const char *const good[] = { " ", "~", "\xc2\xa0", "\xdf\xbf",
		"\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
		"\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf" };
	char want[64];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		log_notice("a", "(%s)", good[i]);
		(void)snprintf(want, sizeof(want), "notice a: (%s)\n", good[i]);
		assert_string_equal(line(), want);
	}
}

static void
what_is_not_utf8_is_escaped(void **state)
{
	static const struct {
		const char *in, *escaped;
	} bad[] = {
		{ "\x80", "\\x80" },
		{ "\xff", "\\xff" },
		{ "\xc0\x8a", "\\xc0\\x8a" }, /* overlong line feed */
		{ "\xe0\x80\x8a", "\\xe0\\x80\\x8a" },
		{ "\xf0\x80\x80\x8a", "\\xf0\\x80\\x80\\x8a" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" }, /* a surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },
		{ "\xf5\x80\x80\x80", "\\xf5\\x80\\x80\\x80" },
		{ "\xc3", "\\xc3" }, /* cut off */
		{ "\xe2\x82", "\\xe2\\x82" },
		{ "\xf0\x9f\x98", "\\xf0\\x9f\\x98" },
		{ "\xc3(", "\\xc3(" },
		{ "\xe2\x82(", "\\xe2\\x82(" },
	};
	char want[64];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		log_notice("a", "%s", bad[i].in);
		(void)snprintf(want, sizeof(want), "notice a: %s\n",
		    bad[i].escaped);
		assert_string_equal(line(), want);
	}
}

/* Plain, escaped fourfold, and with a character cut at every place. */
static void
a_long_line_is_cut_and_stays_a_line(void **state)
{
	static const char *const fill[] = { "x", "\n", "\xe2\x82\xac" };
	char text[3000];

	(void)state;
	for (size_t k = 0; k < 3; k++)
		for (size_t shift = 0; shift < 4; shift++) {
			size_t n = shift;

			memset(text, 'y', shift);
			while (n + 4 < sizeof(text)) {
				memcpy(text + n, fill[k], strlen(fill[k]));
				n += strlen(fill[k]);
			}
			text[n] = '\0';
			calls = whole = 0;
			log_alert("a box of a rather long name, too long", "%s",
			    text);
			assert_int_equal(calls, 1);
			assert_int_equal(whole, 1);
			assert_in_range(strlen(out), 900, 1023);
		}
}

static void
a_log_that_cannot_be_written_stops_nobody(void **state)
{
	(void)state;
	write_fails = true;
	errno = ENOSPC;
	log_notice("a", "b");
	assert_int_equal(calls, 1);
	assert_int_equal(errno, ENOSPC);
}

static void
syslog_gets_the_priority_and_no_format(void **state)
{
	(void)state;
	logger_open("test", LOGGER_SYSLOG);
	log_alert("queue", "degraded why=%s", "%n%s\n");
	assert_int_equal(calls, 1);
	assert_int_equal(priority, LOG_ALERT);
	assert_string_equal(out, "alert: queue: degraded why=%n%s\\x0a");
	log_notice("a", "b");
	assert_int_equal(priority, LOG_NOTICE);
	closelog();
}

static void *
log_much(void *arg)
{
	for (int i = 0; i < THREAD_LINES; i++)
		log_notice("thread", "%s line=%d", (const char *)arg, i);
	return NULL;
}

/* So lines of threads, and of processes with one stderr, do not mix. */
static void
each_line_is_one_write(void **state)
{
	static char name[] = "tester";
	pthread_t t[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, log_much, name),
		    0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	assert_int_equal(calls, THREADS * THREAD_LINES);
	assert_int_equal(whole, THREADS * THREAD_LINES);
}

static void
levels_have_names(void **state)
{
	enum log_level level = LOG_L_NOTICE;

	(void)state;
	for (enum log_level l = LOG_L_DEBUG; l <= LOG_L_ALERT; l++) {
		assert_int_equal(
		    logger_level_parse(logger_level_name(l), &level), OK);
		assert_int_equal(level, l);
	}
	assert_int_equal(logger_level_parse("loud", &level), ERR_INVALID);
	assert_int_equal(logger_level_parse("", &level), ERR_INVALID);
	assert_int_equal(logger_level_parse("ALERT", &level), ERR_INVALID);
	assert_int_equal(level, LOG_L_ALERT);
}

/* A minute of a flood, then the first line of the next says how many. */
static void
a_flood_is_counted_instead_of_written(void **state)
{
	struct mono t = { 1 }, next = mono_add_ms(t, 60000);
	struct log_limit l = { 0 };
	uint32_t left_out = 9;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_true(log_allowed(&l, t, 3, &left_out));
		assert_int_equal(left_out, 0);
	}
	for (int i = 0; i < 500; i++)
		assert_false(log_allowed(&l, t, 3, &left_out));
	assert_false(log_allowed(&l, mono_add_ms(t, 59999), 3, &left_out));
	assert_true(log_allowed(&l, next, 3, &left_out));
	assert_int_equal(left_out, 501);
	assert_true(log_allowed(&l, next, 3, &left_out));
	assert_int_equal(left_out, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_line_has_time_level_box_and_event,
		    setup),
		cmocka_unit_test_setup(below_the_level_nothing_is_written,
		    setup),
		cmocka_unit_test_setup(nobody_outside_can_forge_a_line, setup),
		cmocka_unit_test_setup(nobody_outside_can_command_a_terminal,
		    setup),
		cmocka_unit_test_setup(other_characters_stay, setup),
		cmocka_unit_test_setup(what_is_not_utf8_is_escaped, setup),
		cmocka_unit_test_setup(a_long_line_is_cut_and_stays_a_line,
		    setup),
		cmocka_unit_test_setup(
		    a_log_that_cannot_be_written_stops_nobody, setup),
		cmocka_unit_test_setup(syslog_gets_the_priority_and_no_format,
		    setup),
		cmocka_unit_test_setup(each_line_is_one_write, setup),
		cmocka_unit_test_setup(levels_have_names, setup),
		cmocka_unit_test_setup(a_flood_is_counted_instead_of_written,
		    setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
