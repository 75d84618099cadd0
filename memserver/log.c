// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
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

void log_line(enum log_level level, const char *fmt, ...)
{
	static const char * const prefix[] = { "<3>", "<4>", "<6>", "<7>" };
	static const char * const word[] = { "error: ", "warning: ", "", "debug: " };
	char text[1024];
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "%s%s%s\n", to_journal ? prefix[level] : "smemv-memserver: ",
		word[level], text);
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
