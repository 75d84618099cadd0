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
 *	    parity of the last pass that aged it
 * @lock: protects what is in the chunks, and their being there
 * @nr_chunks: of them
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
 * @accessed: since the look before
 */
struct smemv_block {
	unsigned long hva;
	u32 nr;
	DECLARE_BITMAP(present, SMEMV_SCAN_BLOCK);
	DECLARE_BITMAP(accessed, SMEMV_SCAN_BLOCK);
};

void smemv_history_init(struct smemv_history *history);
void smemv_history_free(struct smemv_history *history);

/* A pass: begin, note each block at most once (a page may come twice), end. */
void smemv_history_begin(struct smemv_history *history);
/* Adds the pages that are present to @ages. May sleep. */
void smemv_history_note(struct smemv_history *history,
			const struct smemv_block *block, u64 *ages);
/* Ages what was not noted; a chunk without any history is dropped then. */
void smemv_history_end(struct smemv_history *history);

void smemv_history_read(struct smemv_history *history, unsigned long hva,
			u32 nr, u8 *bytes);
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
/* Nobody but us has it any more. */
bool smemv_vm_is_gone(const struct smemv_vm *vm);
bool smemv_vm_belongs_to(const struct smemv_vm *vm, struct pid *pid);
int smemv_vm_find_file(const struct smemv_vm *vm,
		       const struct address_space *mapping,
		       unsigned long *base);

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

#endif
