/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MEMSERVER_OPTIONS_H
#define MEMSERVER_OPTIONS_H

#include "address.h"
#include "../kernel/core/codec.h"
#include "log.h"

#define OPTIONS_LISTEN_MAX	8

struct options {
	struct address listen[OPTIONS_LISTEN_MAX];
	unsigned int n_listen;
	u64 memory_bytes;
	unsigned int threads;
	bool stats;
	struct address stats_addr;
	u64 orphan_timeout_s;	/* 0: never */
	u64 drain_timeout_s;	/* 0: no limit */
	u32 max_connections;
	u32 stall_timeout_s;
	u64 output_limit_bytes;	/* of each event loop */
	char name[64];
	enum log_level log_level;
	bool no_hugepages;
	bool no_mlock;
	bool no_sandbox;
};

#define EXIT_USAGE	2

/* Ends the process for --help, --version and usage errors. */
void options_parse(struct options *o, int argc, char **argv);
__attribute__((noreturn)) void usage_error(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));

#endif
