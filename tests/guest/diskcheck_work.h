/* SPDX-License-Identifier: GPL-2.0-only */
/* One command of diskcheck: threads that read, write and discard a range of a disk. */
#ifndef DISKCHECK_WORK_H
#define DISKCHECK_WORK_H

#include <signal.h>

#include "diskcheck_book.h"

#define MAX_REQUEST_PAGES 256
#define MAX_DEPTH 256

enum job_kind {
	JOB_FILL,    /* each page is written once */
	JOB_VERIFY,  /* each page is read once; a request that fails is tried again page by page */
	JOB_DISCARD, /* each page is discarded once */
	JOB_RUN,     /* all of that, mixed */
};

struct job {
	enum job_kind kind;
	uint64_t first, count; /* pages */
	unsigned int min_pages, max_pages, depth;
	unsigned int write_percent, discard_percent;
	unsigned int rest_us; /* after each request */
	bool sequential, overlap, read_errors_allowed, write_errors_allowed;
	uint64_t pages_out, pages_in; /* a run ends when both were reached, */
	uint64_t seconds;	      /* or after this long, 0: no limit */
};

/* In pages, but for the requests' times. */
struct tally {
	uint64_t pages_out, pages_in, discarded;
	uint64_t write_errors, read_errors, no_space, other_errors;
	uint64_t unreadable; /* read one by one, and failed */
	uint64_t wrong;
	uint64_t overwrites, overdiscards; /* begun while a write of the page was under way */
	uint64_t max_ms;
};

struct work {
	int disk;
	struct book *book;
	struct job job;
	struct tally tally;
};

/* Ends a run early; set by a signal. */
extern volatile sig_atomic_t work_stop;

void work_run(struct work *work);

#endif
