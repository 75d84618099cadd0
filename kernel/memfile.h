/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory files: a file's pages are in the page cache as far as its budget
 * allows, the others on memory servers. One file has one space.
 */
#ifndef SMEMV_MEMFILE_H
#define SMEMV_MEMFILE_H

#include <linux/fs.h>

#include <linux/rwsem.h>

#include "core/ahead.h"
#include "evict.h"
#include "scan.h"

/**
 * struct smemv_file_config - how a file is made
 * @space: its name is the file's
 * @budget: pages that may be on this host, 0: all
 * @dma: devices write to its pages on their own, writes cannot be tracked
 * @overcommit: its servers need not be able to hold all that is beyond the budget
 */
struct smemv_file_config {
	struct smemv_space_config space;
	u64 budget;
	bool dma;
	bool overcommit;
};

/**
 * struct smemv_file_defaults - for files that nobody configured: mount options
 * @budget: pages, 0: all
 * @policy: see there
 * @deadline_ms: see there
 * @dma: see struct smemv_file_config
 * @overcommit: see there
 * @servers: names with ':' between them, or NULL: all that there are
 */
struct smemv_file_defaults {
	u64 budget;
	u32 policy;
	u32 deadline_ms;
	bool dma;
	bool overcommit;
	char *servers;
};

/**
 * struct smemv_memfile - one file
 * @link: on ns->files; protected by ns->lock, as are @name and @removed
 * @ns: whose; the file holds a reference on the namespace
 * @name: for logs and events: its path below the root, as it was called last, or the end of that
 * @removed: may not be opened any more
 * @lock: protects @inode
 * @inode: NULL when it goes, or is gone and only the space remains to be dropped
 * @space: NULL until the file has a size; never changes then
 * @dma: see struct smemv_file_config
 * @openers: open files
 * @loads: requests that fill pages
 * @no_room: jiffies when a fault last found no room in time, 0: never
 * @no_memory: the same of memory, though some was to be evicted
 * @no_huge_memory: the same of 2 MiB of memory: not tried again at once, as it is dear
 * @stats: counters
 * @ev: what evicts its pages; from @space on
 * @ahead_lock: protects @ahead
 * @ahead: what is fetched before it is asked for
 * @memcg: of the latest process that mapped it, or NULL; protected by @lock
 * @populate: brings pages home, from page index
 * @populate_pos: on
 * @populate_pass: of several over the file; each brings what was used less lately
 * @populate_anew: but first of all from the beginning
 * @populating: as long as this is set, or requests of it are open:
 * @populate_apart: a folio of several pages could not be filled: once more over all,
 * @populate_singly: page by page
 * @populate_held: but not while the file's owner changes
 * @populate_open: so many
 * @populate_missed: pages that it could not bring since it began
 * @populate_brought: pages that it brought, of
 * @populate_all: that it seemed to have to bring, at most
 * @populate_asked: who listens was not told yet that it ended
 * @populate_told: jiffies when that was told last
 * @owned_since: jiffies when it was activated or taken back: earlier failures to fill a
 *		 page tell nothing any more; 0: it never was
 * @owner_lock: shared: the space is stored to by ioctl or told; exclusive: its owner
 *		changes. Outside ns->lock and the invalidate lock
 * @stores: calls that store by ioctl, also of callers that were killed. Above 0 a page that
 *	    the map has nowhere need not be zeros: it may be under way
 * @scan: of the machine that has it mapped, or NULL; protected by @lock, as is
 * @scan_place: where it has
 * @destroy: drops the space
 */
struct smemv_memfile {
	struct list_head link;
	struct smemv_ns *ns;
	char name[SMEMV_NAME_LEN];
	bool removed;

	spinlock_t lock;
	struct inode *inode;
	struct smemv_space *space;
	bool dma;
	atomic_t openers;
	atomic_t loads;
	unsigned long no_room;
	unsigned long no_memory;
	unsigned long no_huge_memory;
	struct smemv_file_stats __percpu *stats;
	struct smemv_evictor ev;
	spinlock_t ahead_lock;
	struct smemv_ahead ahead;
	struct mem_cgroup *memcg;
	struct delayed_work populate;
	u64 populate_pos;
	u32 populate_pass;
	bool populate_anew;
	bool populating;
	bool populate_apart;
	bool populate_singly;
	bool populate_held;
	atomic_t populate_open;
	atomic_long_t populate_missed;
	atomic_long_t populate_brought;
	u64 populate_all;
	bool populate_asked;
	unsigned long populate_told;
	unsigned long owned_since;
	struct rw_semaphore owner_lock;
	atomic_t stores;
	struct smemv_scan *scan;
	struct smemv_scan_place scan_place;
	struct work_struct destroy;
};

static inline struct smemv_memfile *smemv_memfile_of(const struct inode *inode)
{
	return inode->i_private;
}

/* memfile.c: life. The inode owns it from alloc over leave to release. */
struct smemv_memfile *smemv_memfile_alloc(struct smemv_ns *ns,
					  struct inode *inode,
					  struct dentry *dentry);
void smemv_memfile_leave(struct smemv_memfile *mf);
void smemv_memfile_release(struct smemv_memfile *mf);
/* A process maps it. */
void smemv_memfile_note_user(struct smemv_memfile *mf, struct mm_struct *mm);
/* It is to be called as @dentry is. */
void smemv_memfile_rename(struct smemv_memfile *mf, struct dentry *dentry);

/*
 * Its path below the root of its filesystem; of one that has none any more, or a longer one, the
 * name. Points into @buf or to mf->name. Under ns->lock.
 */
const char *smemv_memfile_path(struct smemv_memfile *mf,
			       char buf[SMEMV_PATH_LEN]);
/* Under ns->lock. */
struct smemv_memfile *smemv_memfile_find(struct smemv_ns *ns, const char *path);
/* Under ns->lock; *why is a static text for people. */
int smemv_memfile_back(struct smemv_memfile *mf,
		       const struct smemv_file_config *config, const char **why);
/* -EBUSY while somebody has it open. */
int smemv_memfile_remove(struct smemv_memfile *mf, const char **why);
void smemv_memfile_set_budget(struct smemv_memfile *mf, u64 pages);
/* So many pages shall leave the host; begins to. */
void smemv_memfile_evict(struct smemv_memfile *mf, u64 pages);
/* What is being stored ends as always. */
void smemv_memfile_evict_stop(struct smemv_memfile *mf);
u64 smemv_memfile_resident(struct smemv_memfile *mf);
bool smemv_memfile_is_deleted(struct smemv_memfile *mf);

/* memfile_ops.c: what users do with an open file. NULL: not a memory file. */
extern const struct file_operations smemv_memfile_fops;
extern const struct inode_operations smemv_memfile_iops;
struct smemv_memfile *smemv_memfile_from_file(const struct file *file);

/* memfile_size.c: under the inode's lock. */
int smemv_memfile_resize(struct smemv_memfile *mf, loff_t size);
long smemv_memfile_fallocate(struct file *file, int mode, loff_t offset,
			     loff_t len);

/* memfile_fault.c */
extern const struct vm_operations_struct smemv_memfile_vm_ops;
extern const struct vm_operations_struct smemv_memfile_dma_vm_ops;

/* memfile_populate.c: begins to bring remote pages home, as far as there is room. */
void smemv_memfile_populate(struct smemv_memfile *mf);
/* Soon it begins no request any more. Does not wait, so also under ns->lock. */
void smemv_memfile_populate_stop(struct smemv_memfile *mf);
void smemv_populate_init(struct smemv_memfile *mf);
/* Of one of its requests, which ends with this: so many pages came, so many could not be had. */
void smemv_populate_note(struct smemv_memfile *mf, u32 brought, u32 missed);
/* The file is going: waits for the work. */
void smemv_populate_stop(struct smemv_memfile *mf);
/*
 * Between these it begins no request. May sleep. @anew: the owner changed meanwhile, so what was
 * missed or passed over may be had now; no request of it is open.
 */
void smemv_populate_hold(struct smemv_memfile *mf);
void smemv_populate_resume(struct smemv_memfile *mf, bool anew);

/* memfile_fill.c */
extern const struct address_space_operations smemv_memfile_aops;
int smemv_fill_module_init(void);
void smemv_fill_module_exit(void);

/**
 * struct smemv_filling - folios that are filled together
 * @mf: the file; set by the caller
 * @populate: for smemv_memfile_populate(), which is told what could not be had
 * @load: the request that is being made, NULL at first
 * @whole: inside of smemv_fill_whole()
 */
struct smemv_filling {
	struct smemv_memfile *mf;
	bool populate;
	struct smemv_load *load;
	struct smemv_whole *whole;
};

/*
 * Fills a locked folio that is in the page cache and unlocks it when that is
 * done: at once, or some time after smemv_fill_end(). 0, or -ENOMEM: the folio
 * is unlocked then. @ahead: nobody asked for it yet.
 */
int smemv_fill_add(struct smemv_filling *filling, struct folio *folio,
		   bool ahead);
void smemv_fill_end(struct smemv_filling *filling);
/*
 * The same for a folio of a whole run, by requests that are made here. It is filled when they
 * all succeed; else it stays unfilled: smemv_huge_give_up(). -ENOMEM: it is still locked.
 */
int smemv_fill_whole(struct smemv_filling *filling, struct folio *folio);

/* Whether filling it failed a moment ago: tell it rather than try again. */
bool smemv_fill_just_failed(const struct smemv_memfile *mf,
			    const struct folio *folio);

/*
 * memfile_ahead.c: a page was asked for that was remote or (@hit) had been
 * fetched ahead: adds to @filling what is likely to be asked for next. Under the
 * mapping's invalidate lock; charges the memory to the caller's active cgroup.
 */
void smemv_fetch_ahead(struct smemv_filling *filling, u64 index, bool hit);

/*
 * Adds a page to @filling if it is remote, not here, and there is room and memory.
 * False: there is none. Under the invalidate lock.
 */
bool smemv_fetch_page(struct smemv_filling *filling, u64 index);
void smemv_ahead_waste(struct smemv_evictor *ev, pgoff_t index);

/* memfile_fill.c: a new folio, locked and in the page cache, or an errno. */
struct folio *smemv_memfile_new_folio(struct smemv_memfile *mf, pgoff_t index,
				      unsigned int order, gfp_t gfp);

/*
 * memfile_huge.c: whether the fault may get a folio of 2 MiB; this is a hint.
 * smemv_huge_make() gives it, filled with zeros, with a reference, or NULL: not
 * now. Under the invalidate lock.
 */
bool smemv_huge_fits(struct smemv_memfile *mf, const struct vm_fault *vmf);
struct folio *smemv_huge_make(struct smemv_memfile *mf, pgoff_t index);
/*
 * Adds a whole run to @filling, as one folio, if all of it is remote or zeros, none of it is here,
 * and the budget has room for all of the file, so that it will not be split soon. False: it is to
 * be brought page by page. Under the invalidate lock.
 */
bool smemv_huge_fetch(struct smemv_filling *filling, pgoff_t first);
/*
 * A large folio that could not be filled makes way for single pages; the caller has it locked.
 * True: it was one, and is unlocked.
 */
bool smemv_huge_give_up(struct folio *folio);
/* The mapping is mlocked, and cannot mark the folio so as it has only a part of it. */
bool smemv_huge_breaks_lock(const struct vm_fault *vmf,
			    const struct folio *folio);

/*
 * memfile_ioctl.c, and the ioctls that have files of their own. The file has its space;
 * @arg: user address of the structure. 0 or an errno, see uapi/smemv.h.
 */
long smemv_memfile_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
int smemv_memfile_tell_map(struct smemv_memfile *mf, void __user *arg);
int smemv_memfile_store(struct smemv_memfile *mf, void __user *arg);
int smemv_memfile_adopt(struct smemv_memfile *mf, void __user *arg);
int smemv_memfile_activate(struct smemv_memfile *mf);
int smemv_memfile_take_back(struct smemv_memfile *mf, bool force);

/*
 * memfile_heat.c: from here on the file's heat comes from the machine's scan, which
 * begins if need be. @base: where page index 0 is mapped for the guest, NULL: to be
 * found. Under ns->lock; *why is a static text. Replaces an earlier attachment.
 */
int smemv_memfile_attach(struct smemv_memfile *mf,
			 const struct smemv_scan_config *config,
			 const unsigned long *base, const char **why);
void smemv_memfile_detach(struct smemv_memfile *mf);
/*
 * One byte for each of @nr pages from page index @first on, see scan.h. -ENODATA:
 * nothing is attached, or the machine is gone. Any process context; does not wait.
 */
int smemv_memfile_heat(struct smemv_memfile *mf, u64 first, u32 nr,
		       u8 *history);
/* SMEMV_IOC_HEAT */
int smemv_memfile_tell_heat(struct smemv_memfile *mf, void __user *arg);
/* The same for the evictor (struct smemv_evictor.heat). */
int smemv_memfile_evict_heat(struct smemv_evictor *ev, u64 first, u32 nr,
			     u8 *history, unsigned long *young);
void smemv_memfile_evict_forget(struct smemv_evictor *ev, u64 first, u32 nr);
void smemv_memfile_evict_pace(struct smemv_evictor *ev, u32 interval_ms);
/* Intervals that have passed since the scan began; 0 also when nothing is attached. */
u32 smemv_memfile_heat_intervals(struct smemv_memfile *mf);
/* 0: nothing is attached, the scan has ended, or the machine's process cannot be seen. */
u32 smemv_memfile_scanned_pid(struct smemv_memfile *mf);

/* memfile_fs.c */
int smemv_fs_init(void);
void smemv_fs_uninit(void);

#endif
