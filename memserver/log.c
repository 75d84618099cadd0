// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "log.h"
#include "util.h"

#define PEER_LINES_PER_SECOND	10

static enum log_level max_level = LOG_L_INFO;
static bool to_journal;

/* protects the count of lines that nobody took; held while one is written */
static pthread_mutex_t write_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int lines_not_taken;

/* protects the rate limit of log_peer() */
static pthread_mutex_t peer_lock = PTHREAD_MUTEX_INITIALIZER;
static u64 peer_window_ms;
static unsigned int peer_lines, peer_suppressed;

/* JOURNAL_STREAM=DEVICE:INODE names the stream; stderr may have been redirected since. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	if (!stream || sscanf(stream, "%llu:%llu", &dev, &ino) != 2)
		return false;
	return !fstat(STDERR_FILENO, &st) && st.st_dev == dev && st.st_ino == ino;
}

void log_init(enum log_level level)
{
	max_level = level;
	to_journal = stderr_is_journal();
}

bool log_enabled(enum log_level level)
{
	return level <= max_level;
}

static bool is_taken(void)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&p, 1, 0) > 0;
}

static void write_line(enum log_level level, const char *text)
{
	static const char * const prefix[] = { "<3>", "<4>", "<6>", "<7>" };
	static const char * const word[] = { "error: ", "warning: ", "", "debug: " };

	fprintf(stderr, "%s%s%s\n", to_journal ? prefix[level] : "smemv-memserver: ",
		word[level], text);
}

static void write_number_not_taken(void)
{
	char text[64];

	snprintf(text, sizeof(text), "%u lines were left out, as nobody took them", lines_not_taken);
	lines_not_taken = 0;
	write_line(LOG_L_WARNING, text);
}

/*
 * No client waits for who reads the log: a pager, a terminal that was stopped, or a
 * journal whose own memory is here.
 */
void log_line(enum log_level level, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&write_lock);
	if (lines_not_taken && is_taken())
		write_number_not_taken();
	if (is_taken())
		write_line(level, text);
	else
		lines_not_taken++;
	pthread_mutex_unlock(&write_lock);
}

bool log_peer_allowed(void)
{
	u64 now = now_ms();
	unsigned int missed = 0;
	bool allowed;

	pthread_mutex_lock(&peer_lock);
	if (now - peer_window_ms >= 1000) {
		peer_window_ms = now;
		missed = peer_suppressed;
		peer_lines = 0;
		peer_suppressed = 0;
	}
	allowed = peer_lines < PEER_LINES_PER_SECOND;
	if (allowed)
		peer_lines++;
	else
		peer_suppressed++;
	pthread_mutex_unlock(&peer_lock);
	if (missed)
		log_warn("%u further lines about clients were left out", missed);
	return allowed;
}
