// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a memory file. It begins with its inode, gets its space with its
 * size, and outlives its inode for as long as the servers have to be told.
 */
#include <linux/memcontrol.h>
#include <linux/slab.h>

#include "event.h"
#include "memfile.h"

static void report(struct smemv_memfile *mf, u32 type)
{
	smemv_event_send(mf->ns->net, &(struct smemv_event_msg){
		.type = type, .space = mf->name, .page = SMEMV_NO_PAGE,
	});
}

/* Not in the inode's context: that may be one that must not wait for ns->lock. */
static void destroy_work(struct work_struct *work)
{
	struct smemv_memfile *mf = container_of(work, struct smemv_memfile,
						destroy);
	struct smemv_ns *ns = mf->ns;

	mutex_lock(&ns->lock);
	list_del(&mf->link);
	ns->removals++;
	if (mf->space) {
		smemv_space_destroy(mf->space);
		report(mf, SMEMV_EV_VM_DELETED);
	}
	mutex_unlock(&ns->lock);
	free_percpu(mf->stats);
	kfree(mf);
	put_net(ns->net);
}

/* The end of the path, from a part of it on that makes it short enough. */
static void take_name(char name[SMEMV_NAME_LEN], struct dentry *dentry)
{
	char buf[SMEMV_PATH_LEN], *path, *part;

	path = dentry_path_raw(dentry, buf, sizeof(buf));
	if (IS_ERR(path))
		path = "/(long path)";
	path++;
	while (strlen(path) >= SMEMV_NAME_LEN && (part = strchr(path, '/')))
		path = part + 1;
	strscpy(name, path, SMEMV_NAME_LEN);
}

struct smemv_memfile *smemv_memfile_alloc(struct smemv_ns *ns,
					  struct inode *inode,
					  struct dentry *dentry)
{
	struct smemv_memfile *mf = kzalloc(sizeof(*mf), GFP_KERNEL);

	if (!mf)
		return NULL;
	mf->stats = alloc_percpu(struct smemv_file_stats);
	if (!mf->stats) {
		kfree(mf);
		return NULL;
	}
	mf->ns = ns;
	mf->inode = inode;
	take_name(mf->name, dentry);
	spin_lock_init(&mf->lock);
	spin_lock_init(&mf->ahead_lock);
	init_rwsem(&mf->owner_lock);
	smemv_populate_init(mf);
	INIT_WORK(&mf->destroy, destroy_work);
	get_net(ns->net);
	mutex_lock(&ns->lock);
	list_add_tail(&mf->link, &ns->files);
	mutex_unlock(&ns->lock);
	return mf;
}

/*
 * Nobody has the file any more. What is being stored or loaded ends at once
 * when it waits for a server, else with its answer.
 */
void smemv_memfile_leave(struct smemv_memfile *mf)
{
	spin_lock(&mf->lock);
	mf->inode = NULL;
	spin_unlock(&mf->lock);
	smemv_memfile_detach(mf);
	if (!mf->space)
		return;
	smemv_populate_stop(mf);
	smemv_space_close(mf->space);
	smemv_evict_stop(&mf->ev);
}

/* No page of the file is in the page cache, nor can one come any more. */
void smemv_memfile_release(struct smemv_memfile *mf)
{
	mem_cgroup_put(mf->memcg);
	wait_var_event(&mf->loads, !atomic_read(&mf->loads));
	wait_var_event(&mf->stores, !atomic_read(&mf->stores));
	if (mf->space)
		smemv_evict_uninit(&mf->ev);
	queue_work(smemv_destroy_wq, &mf->destroy);
}

void smemv_memfile_note_user(struct smemv_memfile *mf, struct mm_struct *mm)
{
	struct mem_cgroup *memcg = get_mem_cgroup_from_mm(mm);

	spin_lock(&mf->lock);
	swap(mf->memcg, memcg);
	spin_unlock(&mf->lock);
	mem_cgroup_put(memcg);
}

void smemv_memfile_rename(struct smemv_memfile *mf, struct dentry *dentry)
{
	mutex_lock(&mf->ns->lock);
	take_name(mf->name, dentry);
	if (mf->space)
		strscpy(mf->space->name, mf->name, sizeof(mf->space->name));
	mutex_unlock(&mf->ns->lock);
}

bool smemv_memfile_is_deleted(struct smemv_memfile *mf)
{
	bool deleted;

	spin_lock(&mf->lock);
	deleted = !mf->inode || !mf->inode->i_nlink;
	spin_unlock(&mf->lock);
	return deleted;
}

const char *smemv_memfile_path(struct smemv_memfile *mf,
			       char buf[SMEMV_PATH_LEN])
{
	struct dentry *dentry;
	char *path;

	lockdep_assert_held(&mf->ns->lock);
	spin_lock(&mf->lock);
	dentry = mf->inode ? d_find_alias(mf->inode) : NULL;
	spin_unlock(&mf->lock);
	if (!dentry)
		return mf->name;
	path = dentry_path_raw(dentry, buf, SMEMV_PATH_LEN);
	dput(dentry);
	return IS_ERR(path) ? mf->name : path + 1;
}

struct smemv_memfile *smemv_memfile_find(struct smemv_ns *ns, const char *path)
{
	struct smemv_memfile *mf, *deleted = NULL;
	char buf[SMEMV_PATH_LEN];

	lockdep_assert_held(&ns->lock);
	list_for_each_entry(mf, &ns->files, link) {
		if (strcmp(smemv_memfile_path(mf, buf), path))
			continue;
		if (!smemv_memfile_is_deleted(mf))
			return mf;
		deleted = mf;
	}
	return deleted;
}

/*
 * A dirty page cannot be dropped, neither by reclaim nor by the evictor, before a
 * server has it. Who holds its lock may be waiting for the caller: no waiting here.
 */
static enum smemv_kept keep_folio(struct folio *folio)
{
	enum smemv_kept kept = SMEMV_KEPT_NOTHING;

	if (!folio_trylock(folio))
		return SMEMV_KEPT_UNKNOWN;
	if (folio->mapping && folio_test_uptodate(folio)) {
		folio_mark_dirty(folio);
		kept = SMEMV_KEPT_CONTENT;
	}
	folio_unlock(folio);
	return kept;
}

/* struct smemv_space.keep */
static enum smemv_kept keep(void *front, u64 index)
{
	enum smemv_kept kept = SMEMV_KEPT_NOTHING;
	struct smemv_memfile *mf = front;
	struct folio *folio = NULL;

	spin_lock(&mf->lock);
	if (mf->inode)
		folio = smemv_compat_get_folio(mf->inode->i_mapping, index);
	if (folio) {
		kept = keep_folio(folio);
		folio_put(folio);
	}
	spin_unlock(&mf->lock);
	return kept;
}

int smemv_memfile_back(struct smemv_memfile *mf,
		       const struct smemv_file_config *config, const char **why)
{
	struct smemv_space_config space_config = config->space;
	u64 size = config->space.size_pages, budget = config->budget ?: size;
	struct smemv_space *space;
	int err;

	lockdep_assert_held(&mf->ns->lock);
	if (mf->space) {
		*why = "the file has a size already";
		return -EEXIST;
	}
	if (size > budget && !config->overcommit &&
	    !smemv_space_config_holds(&config->space, size - budget)) {
		*why = "what is beyond its budget is more than its servers can hold: add servers (smemv server add), give it a larger budget, or say overcommit";
		return -ENOSPC;
	}
	space_config.name = mf->name;
	space = smemv_space_create(mf->ns, &space_config, why);
	if (IS_ERR(space))
		return PTR_ERR(space);
	err = smemv_evict_init(&mf->ev, mf->inode->i_mapping, space, mf->stats,
			       budget);
	if (err) {
		*why = "out of memory";
		smemv_space_destroy(space);
		return err;
	}
	mf->ev.wasted = smemv_ahead_waste;
	mf->ev.heat = smemv_memfile_evict_heat;
	mf->ev.forget = smemv_memfile_evict_forget;
	mf->ev.pace = smemv_memfile_evict_pace;
	mf->ev.untracked = config->dma;
	mf->dma = config->dma;
	space->front = mf;
	space->keep = keep;
	/* Who sees the size sees the space. */
	smp_store_release(&mf->space, space);
	i_size_write(mf->inode, size << PAGE_SHIFT);
	report(mf, SMEMV_EV_VM_ADDED);
	return 0;
}

int smemv_memfile_remove(struct smemv_memfile *mf, const char **why)
{
	lockdep_assert_held(&mf->ns->lock);
	if (atomic_read(&mf->openers)) {
		*why = "it is open or mapped; end the program that uses it (a guest's QEMU) first";
		return -EBUSY;
	}
	mf->removed = true;
	return 0;
}

/* The evictor's work may be started as long as the inode is there. */
static void with_inode(struct smemv_memfile *mf,
		       void (*fn)(struct smemv_evictor *ev, u64 pages),
		       u64 pages)
{
	spin_lock(&mf->lock);
	if (mf->inode && mf->space)
		fn(&mf->ev, pages);
	spin_unlock(&mf->lock);
}

void smemv_memfile_set_budget(struct smemv_memfile *mf, u64 pages)
{
	with_inode(mf, smemv_evict_set_budget, pages);
}

void smemv_memfile_evict(struct smemv_memfile *mf, u64 pages)
{
	u64 resident = smemv_memfile_resident(mf);

	with_inode(mf, smemv_evict_set_goal,
		   resident > pages ? resident - pages : 0);
}

void smemv_memfile_evict_stop(struct smemv_memfile *mf)
{
	with_inode(mf, smemv_evict_set_goal, SMEMV_NO_GOAL);
}

u64 smemv_memfile_resident(struct smemv_memfile *mf)
{
	u64 pages = 0;

	spin_lock(&mf->lock);
	if (mf->inode)
		pages = READ_ONCE(mf->inode->i_mapping->nrpages);
	spin_unlock(&mf->lock);
	return pages;
}
