/* SPDX-License-Identifier: GPL-2.0-only */
/* Log lines for people: to stderr, with syslog priorities when the journal reads it. */
#ifndef MEMSERVER_LOG_H
#define MEMSERVER_LOG_H

#include <stdbool.h>

enum log_level { LOG_L_ERROR, LOG_L_WARNING, LOG_L_INFO, LOG_L_DEBUG };

void log_init(enum log_level level);
bool log_enabled(enum log_level level);
void log_line(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define log_error(...)	log_line(LOG_L_ERROR, __VA_ARGS__)
#define log_warn(...)	log_line(LOG_L_WARNING, __VA_ARGS__)
#define log_info(...)	log_line(LOG_L_INFO, __VA_ARGS__)
#define log_debug(...) \
	do { \
		if (log_enabled(LOG_L_DEBUG)) \
			log_line(LOG_L_DEBUG, __VA_ARGS__); \
	} while (0)

/*
 * For lines that a client can provoke: at most a few in a second, then one that
 * counts those left out. So a bad client cannot fill the log.
 */
bool log_peer_allowed(void);

#define log_peer(...) \
	do { \
		if (log_peer_allowed()) \
			log_line(LOG_L_WARNING, __VA_ARGS__); \
	} while (0)

#endif
