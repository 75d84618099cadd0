// SPDX-License-Identifier: GPL-2.0-only
/*
 * diskcheck: a workload that knows what every byte of a disk must be, and what it may be while
 * writes of the same page overlap or after one failed.
 *
 * It carries out commands, from its arguments or one a line from standard input, remembers across
 * them what it wrote, and answers each with a line, for instance
 *	DISKCHECK ok run pages_out=4096 pages_in=4100 ... max_ms=12 seconds=1.3
 *	DISKCHECK FAIL verify ... why=wrong-content
 * Reading an error is never taken for data; data that is not the newest content is always wrong.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <linux/fs.h>

#include "content.h"
#include "diskcheck_work.h"

static const char usage_text[] =
	"usage: diskcheck [OPTION...] DISK|FILE [COMMAND...]\n"
	"  --seed N        another content and order (default 1)\n"
	"  --zero PERCENT  how many written pages are zeros (default 0)\n"
	"A COMMAND is one argument; without any they are read from standard input, one a line,\n"
	"until its end or \"quit\":\n"
	"  fill            write each page once\n"
	"  verify          read each page once; where that fails, count the pages that are unreadable\n"
	"  discard         discard each page once\n"
	"  run             reads, writes and discards, mixed, until SIGUSR1 or the first of\n"
	"     seconds=N    this long (0: no limit)\n"
	"     out=N in=N   so many pages written and read\n"
	"     write=PERCENT discard=PERCENT   of the requests (50, 0); the rest are reads\n"
	"     pattern=random|sequential\n"
	"     overlap=yes  write and discard pages whose last write is still under way\n"
	"with any of\n"
	"  first=PAGE count=PAGES            that part of the disk only (all)\n"
	"  min=PAGES max=PAGES depth=N       of requests (1, 32, 16)\n"
	"  rest=US                           pause of each of its threads after each request (0)\n"
	"  errors=no|read|write|any          which requests may fail (no)\n"
	"Without out, in and seconds a run ends at the signal.\n";

static const char *const kind_names[] = {
	[JOB_FILL] = "fill", [JOB_VERIFY] = "verify", [JOB_DISCARD] = "discard", [JOB_RUN] = "run",
};

static void on_signal(int signal)
{
	(void)signal;
	work_stop = 1;
}

static void refuse(const char *what, const char *text)
{
	fprintf(stderr, "diskcheck: %s: %s\n", what, text);
	exit(2);
}

static uint64_t parse_number(const char *text)
{
	uint64_t value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-')
		refuse("not a number", text);
	return value;
}

static enum job_kind parse_kind(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(kind_names) / sizeof(*kind_names); i++)
		if (name && !strcmp(name, kind_names[i]))
			return i;
	refuse("no such command", name ? name : "(empty)");
	return 0;
}

static void parse_errors(struct job *job, const char *value)
{
	job->read_errors_allowed = !strcmp(value, "read") || !strcmp(value, "any");
	job->write_errors_allowed = !strcmp(value, "write") || !strcmp(value, "any");
	if (!job->read_errors_allowed && !job->write_errors_allowed && strcmp(value, "no"))
		refuse("errors= is no, read, write or any, not", value);
}

static bool is_one_of(const char *value, const char *yes, const char *no)
{
	if (strcmp(value, yes) && strcmp(value, no))
		refuse("no such value", value);
	return !strcmp(value, yes);
}

static void parse_setting(struct job *job, char *setting)
{
	char *value = strchr(setting, '=');
	struct { const char *key; unsigned int *small; uint64_t *large; } numbers[] = {
		{ "seconds", NULL, &job->seconds }, { "out", NULL, &job->pages_out },
		{ "in", NULL, &job->pages_in }, { "write", &job->write_percent, NULL },
		{ "discard", &job->discard_percent, NULL }, { "first", NULL, &job->first },
		{ "count", NULL, &job->count }, { "min", &job->min_pages, NULL },
		{ "max", &job->max_pages, NULL }, { "depth", &job->depth, NULL },
		{ "rest", &job->rest_us, NULL },
	};
	size_t i;

	if (!value)
		refuse("want KEY=VALUE, not", setting);
	*value++ = 0;
	for (i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		if (strcmp(setting, numbers[i].key))
			continue;
		if (numbers[i].small)
			*numbers[i].small = parse_number(value);
		else
			*numbers[i].large = parse_number(value);
		return;
	}
	if (!strcmp(setting, "pattern"))
		job->sequential = is_one_of(value, "sequential", "random");
	else if (!strcmp(setting, "overlap"))
		job->overlap = is_one_of(value, "yes", "no");
	else if (!strcmp(setting, "errors"))
		parse_errors(job, value);
	else
		refuse("no such setting", setting);
}

static struct job parse_command(const struct book *book, char *text)
{
	struct job job = { .min_pages = 1, .max_pages = 32, .depth = 16, .write_percent = 50 };
	char *word = strtok(text, " \n");

	job.kind = parse_kind(word);
	while ((word = strtok(NULL, " \n")))
		parse_setting(&job, word);
	if (job.first >= book->pages)
		refuse("this is beyond the disk", "first=");
	if (!job.count || job.count > book->pages - job.first)
		job.count = book->pages - job.first;
	if (!job.min_pages || job.min_pages > job.max_pages || job.max_pages > MAX_REQUEST_PAGES)
		refuse("want 1 <= min <= max <= 256", "min= max=");
	if (!job.depth || job.depth > MAX_DEPTH)
		refuse("want 1..256", "depth=");
	if (job.write_percent + job.discard_percent > 100)
		refuse("these are more than 100 % together", "write= discard=");
	return job;
}

static const char *why_failed(const struct job *job, const struct tally *tally)
{
	if (tally->wrong)
		return "wrong-content";
	if (tally->other_errors)
		return "unexpected-error";
	if (tally->read_errors && !job->read_errors_allowed)
		return "reads-failed";
	if ((tally->write_errors || tally->no_space) && !job->write_errors_allowed)
		return "writes-failed";
	return NULL;
}

static bool report(const struct work *work, double seconds)
{
	const struct tally *t = &work->tally;
	const char *why = why_failed(&work->job, t);

	printf("DISKCHECK %s %s pages_out=%" PRIu64 " pages_in=%" PRIu64 " discarded=%" PRIu64
	       " write_errors=%" PRIu64 " no_space=%" PRIu64 " read_errors=%" PRIu64
	       " other_errors=%" PRIu64 " unreadable=%" PRIu64 " wrong=%" PRIu64
	       " overwrites=%" PRIu64 " overdiscards=%" PRIu64 " written=%" PRIu64
	       " max_ms=%" PRIu64 " seconds=%.1f%s%s\n",
	       why ? "FAIL" : "ok", kind_names[work->job.kind], t->pages_out, t->pages_in, t->discarded,
	       t->write_errors, t->no_space, t->read_errors, t->other_errors, t->unreadable, t->wrong,
	       t->overwrites, t->overdiscards, book_count_written(work->book), t->max_ms, seconds,
	       why ? " why=" : "", why ? why : "");
	return !why;
}

static bool carry_out(struct work *work, char *command)
{
	double started = now_s();

	work->job = parse_command(work->book, command);
	memset(&work->tally, 0, sizeof(work->tally));
	work_stop = 0;
	work_run(work);
	return report(work, now_s() - started);
}

static bool carry_out_all(struct work *work, int argc, char **argv)
{
	char line[512];
	bool all_well = true;
	int i;

	for (i = 0; i < argc; i++)
		all_well &= carry_out(work, argv[i]);
	while (!argc && fgets(line, sizeof(line), stdin) && strcmp(line, "quit\n"))
		all_well &= carry_out(work, line);
	return all_well;
}

/* A file serves to test diskcheck itself; not every file system can do without its page cache. */
static uint64_t open_disk(const char *path, int *disk)
{
	struct stat found;
	uint64_t bytes;

	if (stat(path, &found))
		refuse(path, strerror(errno));
	bytes = found.st_size;
	*disk = open(path, O_RDWR | O_CLOEXEC | (S_ISREG(found.st_mode) ? 0 : O_DIRECT));
	if (*disk < 0 || (!S_ISREG(found.st_mode) && ioctl(*disk, BLKGETSIZE64, &bytes)))
		refuse(path, strerror(errno));
	return bytes;
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "zero", required_argument, NULL, 'z' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	uint64_t bytes, seed = 1, zero_percent = 0;
	struct work work = { 0 };
	struct book book;
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 's': seed = parse_number(optarg); break;
		case 'z': zero_percent = parse_number(optarg); break;
		case 'h': fputs(usage_text, stdout); return 0;
		default: fputs(usage_text, stderr); return 2;
		}
	}
	if (optind == argc) {
		fputs(usage_text, stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigaction(SIGUSR1, &action, NULL);
	bytes = open_disk(argv[optind], &work.disk);
	book = book_make(bytes / PAGE_BYTES, seed, zero_percent);
	work.book = &book;
	return !carry_out_all(&work, argc - optind - 1, argv + optind + 1);
}
