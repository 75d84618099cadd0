/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The scanner: which pages of a KVM machine were accessed lately, from the
 * accessed bits of the second-level page tables (EPT, NPT).
 *
 * History is one byte a page: bit 7 says that it was accessed in the newest
 * interval, bit 6 in the one before, ... So a greater number is hotter. It is
 * kept by host virtual address, so memslots may come and go.
 */
#ifndef SMEMV_SCAN_H
#define SMEMV_SCAN_H

#include <linux/fs.h>
#include <linux/pid.h>

#include "ns.h"
#include "uapi/smemv.h"

#define SMEMV_SCAN_INTERVAL_MIN_MS	10
#define SMEMV_SCAN_INTERVAL_MAX_MS	600000
#define SMEMV_SCAN_INTERVAL_MS			1000

struct smemv_scan;

int smemv_scan_module_init(void);
void smemv_scan_module_exit(void);

/**
 * struct smemv_scan_config - what to scan
 * @vm_file: KVM's file of the machine
 * @pid: the process whose machine it must be
 * @interval_ms: the shortest interval, 0: default. It gets longer when a scan
 *		 would need more than 1 % of a processor, and see smemv_scan_pace()
 */
struct smemv_scan_config {
	struct file *vm_file;
	struct pid *pid;
	u32 interval_ms;
};

/*
 * Both under ns->lock; *why is a static text for people. A scan is begun by
 * start (-EEXIST: there is one already) or by the first attach, and ends with
 * stop, or with the last detach when it was not started, or with its machine.
 * One that was begun by attach can be started, too, and has start's interval then.
 * -EINVAL: the file is not the machine of the process that is scanned.
 */
int smemv_scan_start(struct smemv_ns *ns, const struct smemv_scan_config *config,
		     const char **why);
struct smemv_scan *smemv_scan_attach(struct smemv_ns *ns,
				     const struct smemv_scan_config *config,
				     const char **why);

/*
 * An interval that would suit an attached file: it is kept if it is longer than what was
 * asked for, and not longer than a minute. Of several files the latest word counts, until
 * one of them is detached.
 */
void smemv_scan_pace(struct smemv_scan *scan, u32 interval_ms);

/* Any process context that may sleep. The scan must not be used after detach. */
void smemv_scan_detach(struct smemv_scan *scan);

/* Under ns->lock: the scan of a process, or NULL. Ends those whose machine is gone. */
struct smemv_scan *smemv_scan_find(struct smemv_ns *ns, const struct pid *pid);
void smemv_scan_forget_gone(struct smemv_ns *ns);
/* Under ns->lock: the one behind @scan, which may be NULL. NULL: there are no more. */
struct smemv_scan *smemv_scan_next(struct smemv_ns *ns, struct smemv_scan *scan);
/* Attached files keep it running; -EBUSY then. */
int smemv_scan_stop(struct smemv_ns *ns, struct smemv_scan *scan, const char **why);
/* The namespace goes. Under ns->lock. */
void smemv_scan_stop_all(struct smemv_ns *ns);

/*
 * The history of @nr pages from host virtual address @hva on; 0 for a page that
 * was never seen. -ENODATA: the machine is gone. Any process context; never
 * waits for a scan.
 */
int smemv_scan_read(struct smemv_scan *scan, unsigned long hva, u32 nr,
		    u8 *history);

/*
 * What was seen of them was not seen of each by itself: those that were accessed in an interval
 * which is remembered count as accessed in the newest only. Process context; does not wait.
 */
void smemv_scan_forget(struct smemv_scan *scan, unsigned long hva, u32 nr);

/*
 * Sets the bits of those of them that were accessed since the last pass looked at them, as
 * far as that can be told at once: not where KVM has to be asked. Process context; does not wait.
 */
void smemv_scan_peek(struct smemv_scan *scan, unsigned long hva, u32 nr,
		     unsigned long *accessed);

/* Keep what is behind the pointer, for who does not know whether it is detached meanwhile. */
void smemv_scan_get(struct smemv_scan *scan);
void smemv_scan_put(struct smemv_scan *scan);

/* In the reader's namespace; 0: the scan has ended, or the process cannot be seen from there. */
u32 smemv_scan_pid(struct smemv_scan *scan);

/* Intervals that have passed since the scan began. */
u32 smemv_scan_intervals(const struct smemv_scan *scan);

#define SMEMV_SCAN_PIECES	8

/**
 * struct smemv_scan_piece - of a file: @pages from page index @first on are mapped from @hva on
 */
struct smemv_scan_piece {
	u64 first;
	u64 pages;
	unsigned long hva;
};

/**
 * struct smemv_scan_place - where the process of a machine has a file mapped for the guest
 * @nr: pieces; some machines have a file's beginning and its end apart, around their devices
 * @piece: of pages that are in several, the first counts
 */
struct smemv_scan_place {
	u32 nr;
	struct smemv_scan_piece piece[SMEMV_SCAN_PIECES];
};

/*
 * -ENOENT: the file is mapped nowhere, -E2BIG: in more pieces, -EAGAIN: the process's memory
 * map is busy for too long.
 */
int smemv_scan_find_file(struct smemv_scan *scan,
			 const struct address_space *mapping,
			 struct smemv_scan_place *place);

/**
 * struct smemv_scan_state - what is told about a scan
 * @pid: in the reader's namespace
 * @interval_ms: asked for
 * @interval_now_ms: kept at present
 * @method: how the bits are read
 * @why: why not by the walk, or NULL
 * @ages: mapped pages by the newest interval in which they were accessed; the last
 *	  counts those that were not, in any that is remembered
 * @size_pages: the guest's memory
 * @scans: done so far
 * @scan_ns: a scan's cost, on average
 * @share_ppm: millionths of one processor, over all the time
 * @memory_bytes: used for the history
 * @files: memory files that are attached
 */
struct smemv_scan_state {
	u32 pid;
	u32 interval_ms;
	u32 interval_now_ms;
	u32 method;
	const char *why;
	u64 ages[SMEMV_SCAN_AGES];
	u64 size_pages;
	u64 scans;
	u64 scan_ns;
	u64 share_ppm;
	u64 memory_bytes;
	u32 files;
};

void smemv_scan_state(struct smemv_scan *scan, struct smemv_scan_state *state);

/* As long as a scan remembers. */
#define SMEMV_SCAN_EVER		(-1)
/* Behind all page frames. */
#define SMEMV_SCAN_END		(~0ULL)

/*
 * Ranges of pages that were not accessed for @cold_ms, nor in the newest interval, nor since, as
 * far as smemv_scan_peek() tells that; from *pos (page frame of the guest, 0 at first) on, at most
 * @nr. Returns how many were found in a part of the guest; *pos moves behind that, at last to
 * SMEMV_SCAN_END.
 * -EAGAIN: the scan has not watched that long yet. -ERANGE: it does not remember that long.
 * -ENODATA: the machine is gone.
 */
int smemv_scan_cold(struct smemv_scan *scan, s64 cold_ms, u64 *pos,
		    struct smemv_scan_range *ranges, u32 nr);

#endif
