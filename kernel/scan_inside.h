/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the scanner share. */
#ifndef SMEMV_SCAN_INSIDE_H
#define SMEMV_SCAN_INSIDE_H

#include <linux/bitmap.h>
#include <linux/kref.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "scan.h"

/* Pages that are looked at, and whose history is kept, together: 2 MiB. */
#define SMEMV_SCAN_BLOCK_SHIFT	9
#define SMEMV_SCAN_BLOCK	(1 << SMEMV_SCAN_BLOCK_SHIFT)

/**
 * struct smemv_history - one byte for each page, in chunks of a block
 * @chunks: u8[SMEMV_SCAN_BLOCK] by host virtual address / 2 MiB, tagged with the
 *	    parity of the last pass that aged it; many may be one, see scan_history.c
 * @lock: protects what is in the chunks, and their being there
 * @nr_chunks: of its own
 * @parity: of the present pass; the scan's work only, as all that changes
 */
struct smemv_history {
	struct xarray chunks;
	spinlock_t lock;
	unsigned long nr_chunks;
	unsigned long parity;
};

/**
 * struct smemv_block - what a look at the page tables found
 * @hva: host virtual address of the first page
 * @nr: pages, at most SMEMV_SCAN_BLOCK
 * @present: mapped for the guest
 * @accessed: since the last look that did not
 * @keep: what it saw for the next one
 */
struct smemv_block {
	unsigned long hva;
	u32 nr;
	DECLARE_BITMAP(present, SMEMV_SCAN_BLOCK);
	DECLARE_BITMAP(accessed, SMEMV_SCAN_BLOCK);
	bool keep;
};

void smemv_history_module_init(void);
void smemv_history_init(struct smemv_history *history);
void smemv_history_free(struct smemv_history *history);

/* A pass: begin, note each block at most once (a page may come twice), end. */
void smemv_history_begin(struct smemv_history *history);
/* Adds the pages that are present to @ages. May sleep. */
void smemv_history_note(struct smemv_history *history,
			const struct smemv_block *block, u64 *ages);
/* Ages what was not noted; a chunk without history is dropped then, one of equal bytes shared. */
void smemv_history_end(struct smemv_history *history);

void smemv_history_read(struct smemv_history *history, unsigned long hva,
			u32 nr, u8 *bytes);
/* Those that were accessed in an interval which is remembered were so in the newest one only. */
void smemv_history_forget(struct smemv_history *history, unsigned long hva,
			  u32 nr);
/* Some page of these was accessed in an interval that is remembered. */
bool smemv_history_is_warm(struct smemv_history *history, unsigned long hva,
			   u32 nr);

struct kvm;

/**
 * struct smemv_vm - a machine of KVM, held
 * @kvm: KVM's
 * @put: gives it back
 */
struct smemv_vm {
	struct kvm *kvm;
	void (*put)(struct kvm *kvm);
};

/* scan_kvm.c, the only file that knows KVM. *why is a static text. */
int smemv_vm_hold(struct smemv_vm *vm, const struct file *file,
		  const char **why);
void smemv_vm_release(struct smemv_vm *vm);
/* The file is KVM's of this machine. */
bool smemv_vm_is_of(const struct smemv_vm *vm, const struct file *file);
/* Nobody but us has it any more. */
bool smemv_vm_is_gone(const struct smemv_vm *vm);
bool smemv_vm_belongs_to(const struct smemv_vm *vm, struct pid *pid);
int smemv_vm_find_file(const struct smemv_vm *vm,
		       const struct address_space *mapping,
		       struct smemv_scan_place *place);

/*
 * Which of @nr pages from host virtual address @hva on were accessed since the pass
 * before looked at them: sets their bits. Only where the method is the walk. Does not wait.
 */
void smemv_vm_peek(const struct smemv_vm *vm, unsigned long hva, u32 nr,
		   unsigned long *accessed);

/* The next range of the guest's memory, from guest page frame *gfn on, which moves behind it. */
bool smemv_vm_next_range(const struct smemv_vm *vm, u64 *gfn, u32 most,
			 unsigned long *hva, u32 *nr);

/**
 * struct smemv_pass - a look at all of a machine's pages
 * @vm: whose
 * @history: where to note them
 * @method: enum smemv_scan_method
 * @why: why not SMEMV_SCAN_TDP_WALK, or NULL
 * @space: KVM's address space,
 * @gfn: and guest page frame, from which on pages are still to be looked at
 * @ages: pages that were present
 * @size_pages: of the memory that was looked at
 */
struct smemv_pass {
	const struct smemv_vm *vm;
	struct smemv_history *history;
	u32 method;
	const char *why;
	u32 space;
	u64 gfn;
	u64 ages[SMEMV_SCAN_AGES];
	u64 size_pages;
};

/* Chooses the method. */
void smemv_pass_begin(struct smemv_pass *pass);
/* Goes on until ktime_get_ns() passes @until; false: all was looked at. */
bool smemv_pass_go_on(struct smemv_pass *pass, u64 until);

/* As many intervals as a byte remembers also while it ages, and the beginning of the oldest. */
#define SMEMV_SCAN_ENDS	8

/**
 * struct smemv_scan - of one machine
 * @link: on ns->scans, which holds a reference; protected by ns->lock
 * @all_link: on all_scans, as long as it is not @ended
 * @ref: the list's, and those of attached files
 * @pid: the machine's process
 * @work: looks
 *
 * @lock: protects these
 * @interval_ms: asked for
 * @ended: no more work is started
 * @started: somebody asked for it; else it ends with the last of
 * @files: memory files that are attached
 * @paced_ms: the interval that would suit them, or 0
 * @state: what is told
 * @ends_ns: when the latest intervals ended, newest first
 *
 * @vm_lock: held by others than @work to use @vm, which is not held when @ended
 *
 * Only @work uses these:
 * @vm: the machine
 * @history: of its pages
 * @pass: under way if
 * @in_pass: is set
 * @pass_began: jiffies
 * @pass_ns: time that it took so far
 * @began_ns: when the scan began
 * @total_ns: time that all passes took
 */
struct smemv_scan {
	struct list_head link;
	struct list_head all_link;
	struct kref ref;
	struct pid *pid;
	struct delayed_work work;

	spinlock_t lock;
	u32 interval_ms;
	bool ended;
	bool started;
	u32 files;
	u32 paced_ms;
	struct smemv_scan_state state;
	u64 ends_ns[SMEMV_SCAN_ENDS];

	struct mutex vm_lock;
	struct smemv_vm vm;
	struct smemv_history history;
	struct smemv_pass pass;
	bool in_pass;
	unsigned long pass_began;
	u64 pass_ns;
	u64 began_ns;
	u64 total_ns;
};

bool smemv_scan_has_ended(struct smemv_scan *scan);
/*
 * Memory advice cuts an area in parts, and what is in two memslots is found twice: that is one
 * piece. -E2BIG: there is no room for another.
 */
int smemv_scan_add_piece(struct smemv_scan_place *place, u64 first, u64 pages,
			 unsigned long hva);

#endif
