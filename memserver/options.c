// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"

#define THREADS_MAX	256u
#define OUTPUT_LIMIT_MIN	(4u << 20)

#ifndef SMEMV_VERSION
#define SMEMV_VERSION "unknown"
#endif

static const char help[] =
"usage: smemv-memserver --memory SIZE [OPTION...]\n"
"       smemv-memserver spaces [--server ADDR[:PORT]] [--json]\n"
"       smemv-memserver drop UUID [--server ADDR[:PORT]]\n"
"       smemv-memserver stat [--server ADDR[:PORT]] [--json]\n"
"\n"
"Lend this host's memory to S-memV main hosts: keep pages for them.\n"
"Without a command it serves, until SIGTERM and until it holds no page any more.\n"
"\n"
"  -m, --memory SIZE            memory for pages (K, M, G, T); reserved at start\n"
"  -l, --listen ADDR[:PORT]     where to serve, up to 8 times (127.0.0.1:7371)\n"
"  -t, --threads N              event loops (one for each CPU it may use)\n"
"  -n, --name NAME              for the log (the host's name)\n"
"      --stats ADDR:PORT        serve Prometheus metrics at http://ADDR:PORT/metrics\n"
"      --orphan-timeout SECONDS drop spaces without an owner for that long (never)\n"
"      --drain-timeout SECONDS  end that long after SIGTERM at the latest (no limit)\n"
"      --max-connections N      connections at a time (4096)\n"
"      --stall-timeout SECONDS  close who takes none of its replies for that long (30)\n"
"      --output-limit SIZE      replies that wait for slow clients, of each thread (256M)\n"
"      --no-hugepages           do not use huge pages\n"
"      --no-mlock               do not lock the pages into memory\n"
"      --no-sandbox             keep capabilities, no system call filter\n"
"      --log-level LEVEL        error, warning, info or debug (info)\n"
"  -h, --help                   this text\n"
"      --version                the version\n"
"\n"
"Commands, for operators:\n"
"  spaces        list the spaces that a server holds\n"
"  drop UUID     forget a space that nobody has open; its pages are lost\n"
"  stat          what a server holds and has free\n"
"  --server ADDR[:PORT]         which server (127.0.0.1:7371)\n"
"  --json                       for programs\n";

enum {
	OPT_STATS = 256, OPT_ORPHAN, OPT_DRAIN, OPT_MAX_CONN, OPT_STALL, OPT_OUTPUT, OPT_NO_HUGE, OPT_NO_MLOCK,
	OPT_NO_SANDBOX, OPT_LOG_LEVEL, OPT_VERSION,
};

static const struct option long_options[] = {
	{ "memory", required_argument, NULL, 'm' },
	{ "listen", required_argument, NULL, 'l' },
	{ "threads", required_argument, NULL, 't' },
	{ "name", required_argument, NULL, 'n' },
	{ "stats", required_argument, NULL, OPT_STATS },
	{ "orphan-timeout", required_argument, NULL, OPT_ORPHAN },
	{ "drain-timeout", required_argument, NULL, OPT_DRAIN },
	{ "max-connections", required_argument, NULL, OPT_MAX_CONN },
	{ "stall-timeout", required_argument, NULL, OPT_STALL },
	{ "output-limit", required_argument, NULL, OPT_OUTPUT },
	{ "no-hugepages", no_argument, NULL, OPT_NO_HUGE },
	{ "no-mlock", no_argument, NULL, OPT_NO_MLOCK },
	{ "no-sandbox", no_argument, NULL, OPT_NO_SANDBOX },
	{ "log-level", required_argument, NULL, OPT_LOG_LEVEL },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 }
};

void usage_error(const char *fmt, ...)
{
	va_list ap;

	fputs("smemv-memserver: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("\ntry 'smemv-memserver --help'\n", stderr);
	exit(EXIT_USAGE);
}

static u64 number_of(const char *option, const char *text, u64 min, u64 max)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || *text < '0' || *text > '9' || *end || value < min || value > max)
		usage_error("--%s: '%s' is not a number from %llu to %llu", option, text,
			    (unsigned long long)min, (unsigned long long)max);
	return value;
}

static enum log_level level_of(const char *text)
{
	static const char * const names[] = { "error", "warning", "info", "debug" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i], text))
			return (enum log_level)i;
	usage_error("--log-level: '%s' is not error, warning, info or debug", text);
}

static unsigned int usable_cpus(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);

	return (unsigned int)min_u64((u64)n, THREADS_MAX);
}

static void add_listen(struct options *o, const char *text)
{
	char err[256];

	if (o->n_listen == OPTIONS_LISTEN_MAX)
		usage_error("--listen: at most %d times", OPTIONS_LISTEN_MAX);
	if (address_parse(&o->listen[o->n_listen], text, SMEMV_WIRE_PORT, err, sizeof(err)))
		usage_error("--listen: %s", err);
	o->n_listen++;
}

static void set_memory(struct options *o, const char *text)
{
	if (size_parse(&o->memory_bytes, text))
		usage_error("--memory: '%s' is not a size such as 512M or 16G", text);
	if (o->memory_bytes < SMEMV_WIRE_PAGE_SIZE)
		usage_error("--memory: %s is less than one page (4096)", text);
}

/* One connection may need a megabyte and more. */
static void set_output_limit(struct options *o, const char *text)
{
	if (size_parse(&o->output_limit_bytes, text))
		usage_error("--output-limit: '%s' is not a size such as 64M or 1G", text);
	if (o->output_limit_bytes < OUTPUT_LIMIT_MIN)
		usage_error("--output-limit: %s is less than 4M, the least", text);
}

static void set_stats(struct options *o, const char *text)
{
	char err[256];

	if (address_parse(&o->stats_addr, text, 0, err, sizeof(err)))
		usage_error("--stats: %s", err);
	if (!((struct sockaddr_in *)&o->stats_addr.ss)->sin_port)
		usage_error("--stats: '%s' has no port", text);
	o->stats = true;
}

static void apply(struct options *o, int opt, const char *arg)
{
	switch (opt) {
	case 'm': set_memory(o, arg); break;
	case 'l': add_listen(o, arg); break;
	case 't': o->threads = (unsigned int)number_of("threads", arg, 1, THREADS_MAX); break;
	case 'n': snprintf(o->name, sizeof(o->name), "%s", arg); break;
	case OPT_STATS: set_stats(o, arg); break;
	case OPT_ORPHAN: o->orphan_timeout_s = number_of("orphan-timeout", arg, 1, 1u << 30); break;
	case OPT_DRAIN: o->drain_timeout_s = number_of("drain-timeout", arg, 1, 1u << 30); break;
	case OPT_MAX_CONN: o->max_connections = (u32)number_of("max-connections", arg, 1, 1u << 20); break;
	case OPT_STALL: o->stall_timeout_s = (u32)number_of("stall-timeout", arg, 1, 3600); break;
	case OPT_OUTPUT: set_output_limit(o, arg); break;
	case OPT_NO_HUGE: o->no_hugepages = true; break;
	case OPT_NO_MLOCK: o->no_mlock = true; break;
	case OPT_NO_SANDBOX: o->no_sandbox = true; break;
	case OPT_LOG_LEVEL: o->log_level = level_of(arg); break;
	case OPT_VERSION: puts("smemv-memserver " SMEMV_VERSION); exit(EXIT_SUCCESS);
	case 'h': fputs(help, stdout); exit(EXIT_SUCCESS);
	default:
		fputs("try 'smemv-memserver --help'\n", stderr);
		exit(EXIT_USAGE);
	}
}

void options_parse(struct options *o, int argc, char **argv)
{
	int opt;

	memset(o, 0, sizeof(*o));
	o->threads = usable_cpus();
	o->max_connections = 4096;
	o->stall_timeout_s = 30;
	o->output_limit_bytes = 256u << 20;
	o->log_level = LOG_L_INFO;
	if (gethostname(o->name, sizeof(o->name) - 1))
		snprintf(o->name, sizeof(o->name), "memserver");
	while ((opt = getopt_long(argc, argv, "m:l:t:n:h", long_options, NULL)) >= 0)
		apply(o, opt, optarg);
	if (optind < argc)
		usage_error("'%s' is neither an option nor a command", argv[optind]);
	if (!o->memory_bytes)
		usage_error("--memory SIZE is missing: how much memory may it lend?");
	if (!o->n_listen)
		add_listen(o, "127.0.0.1");
}
