/* SPDX-License-Identifier: GPL-2.0-only */
/* smemv reclaim: what its parts share. Functions that can fail return 0 or a negative errno, with the reason. */
#ifndef SMEMV_RECLAIM_H
#define SMEMV_RECLAIM_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "netlink.h"
#include "parse.h"
#include "reclaim_control.h"

/* Ranges of a process's memory. */
struct range_list {
	struct smemv_scan_range *ranges;
	size_t count;
	size_t room;
	uint64_t pages;
};

struct reclaim {
	struct call *call;
	uint32_t pid;
	double cold_s;		/* 0: as long as the scan remembers */
	uint64_t rate;		/* bytes per second */
	bool daemon;
	uint64_t target_bytes;

	struct link *link;
	int pidfd;
	int pagemap;		/* of the process */
	sigset_t ends;		/* signals that end it */
	bool interrupted;
	bool gone;		/* the process ended */
	uint64_t passes;	/* of the scan, when it was asked last */
	uint64_t next;		/* address behind what was tried last */
	uint64_t in_vain;	/* after as many of them nothing went: what is in use is so until the next */
	bool warned;		/* that cold_s does not fit the scan's intervals */
	bool awaits;		/* that the scan has not watched long enough was told */
	struct bucket bucket;
	uint64_t out_bytes;	/* paged out so far */
	uint64_t stayed_bytes;	/* advised, and still there */
};

/* reclaim_ranges.c: what is cold, and here. */

/*
 * The memory that was not accessed for r->cold_s and is here, of which at least @limit bytes are enough: from
 * r->next on and around, so that what stays does not keep the rest from going. The caller frees the list. -EAGAIN: the scan has not watched for so long yet; -ERANGE: it does not remember it.
 */
int reclaim_find(struct reclaim *r, uint64_t limit, struct range_list *list, struct reason *why);
void range_list_free(struct range_list *list);
/* Only its first @pages. */
void range_list_cut(struct range_list *list, uint64_t pages);
/* How many pages of the ranges are here. */
int reclaim_count_here(const struct reclaim *r, const struct smemv_scan_range *ranges, size_t count,
		       uint64_t *pages, struct reason *why);

/* reclaim_page.c: the system calls. */

/* As many ranges as process_madvise() takes at once. */
#define RECLAIM_RANGES	1024

int reclaim_open(struct reclaim *r, struct reason *why);
void reclaim_close(struct reclaim *r);
/* Whether the process ended; r->gone tells it from then on. */
bool reclaim_is_gone(struct reclaim *r);
/* Pages out the ranges, RECLAIM_RANGES at most. Ranges that cannot be are passed over. -ESRCH: r->gone. */
int reclaim_page_out(struct reclaim *r, const struct smemv_scan_range *ranges, size_t count,
		     struct reason *why);

/* reclaim_work.c: the list, batch by batch, as the rate allows. */

typedef void (*reclaim_progress_fn)(struct reclaim *r, uint64_t left_bytes);
/*
 * Takes from the beginning of the list until @limit bytes went; a signal, or @seconds, ends it earlier.
 * *@left: bytes of the list that were not tried, 0 when it is done.
 */
int reclaim_work(struct reclaim *r, const struct range_list *list, uint64_t limit, double seconds,
		 reclaim_progress_fn progress, uint64_t *left, struct reason *why);
/* Until @seconds are over. True: a signal came, and r->interrupted is set. */
bool reclaim_pause(struct reclaim *r, double seconds);

/* reclaim_daemon.c. Returns the exit status. */
int reclaim_daemon(struct reclaim *r);

#endif
