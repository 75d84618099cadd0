// SPDX-License-Identifier: GPL-2.0-only
/*
 * A file changes its owner: nothing of it may be stored or loaded while that happens, so
 * the evictor settles first and faults wait. What the steps are and what is left when one
 * fails: adopt.c, claim.c and docs/architecture.md.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "adopt.h"
#include "claim.h"
#include "drain.h"
#include "memfile.h"

#define RUNS_AT_ONCE	1024u
#define LOOK_AGAIN	max(HZ / 500, 1)

/* False: some are still under way after as long as a request of the file may take. */
static bool wait_for_end(struct smemv_memfile *mf, const atomic_t *open)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(
		READ_ONCE(mf->space->deadline_ms));

	while (atomic_read(open)) {
		if (time_after(jiffies, deadline) ||
		    fatal_signal_pending(current))
			return false;
		schedule_timeout_killable(LOOK_AGAIN);
	}
	return true;
}

/* Under the invalidate lock no other load begins. */
static bool wait_for_loads(struct smemv_memfile *mf)
{
	return wait_for_end(mf, &mf->loads);
}

/**
 * struct still - a file whose owner may change
 * @claimed: what its space was before
 * @locked: the invalidate lock is held
 */
struct still {
	bool claimed;
	bool locked;
};

/*
 * No store of the file is under way afterwards, nor begins before end_stillness(): of the
 * evictor, and of callers by ioctl that were killed. Nor does a fault begin before let_go().
 * That may take long where a hole is punched into what is being stored: before ns->lock, which
 * everybody needs. 0, -EINTR, or @not_still. In any case both have to follow.
 */
static int begin_stillness(struct smemv_memfile *mf, struct still *still, int not_still)
{
	still->claimed = mf->space->claimed;
	still->locked = false;
	smemv_populate_hold(mf);
	smemv_space_set_claimed(mf->space, true);
	if (!smemv_evict_settle(&mf->ev) || !wait_for_end(mf, &mf->stores))
		return not_still;
	if (down_write_killable(&mf->ev.mapping->invalidate_lock))
		return -EINTR;
	still->locked = true;
	return 0;
}

static void let_go(struct smemv_memfile *mf, const struct still *still)
{
	if (still->locked)
		filemap_invalidate_unlock(mf->ev.mapping);
}

/* Unless the owner @changed the space is what it was. Under ns->lock. */
static void end_stillness(struct smemv_memfile *mf, const struct still *still, bool changed)
{
	lockdep_assert_held(&mf->ns->lock);
	if (!changed)
		smemv_space_set_claimed(mf->space, still->claimed);
	smemv_evict_resume(&mf->ev);
	smemv_populate_resume(mf, changed);
}

static int log_failure(struct smemv_memfile *mf, const char *what, int err,
		       const char *why)
{
	if (err && why)
		pr_warn_ratelimited("%s: cannot %s: %s\n", mf->name, what, why);
	return err;
}

/* What is here of pages that the new map places elsewhere is of an older content. */
static void drop_run(struct smemv_memfile *mf, const struct smemv_run *run)
{
	u64 base = run->nr << SMEMV_RUN_SHIFT;
	u32 first, end;

	for (first = 0; first < SMEMV_RUN_PAGES; first = end + 1) {
		for (end = first; end < SMEMV_RUN_PAGES; end++)
			if (smemv_map_where(run, end) == SMEMV_WHERE_ABSENT)
				break;
		if (end > first)
			truncate_pagecache_range(mf->inode,
						 (base + first) << PAGE_SHIFT,
						 ((base + end) << PAGE_SHIFT) - 1);
	}
}

static void drop_pages(struct smemv_memfile *mf)
{
	struct smemv_run *run;
	unsigned long nr;

	xa_for_each(&mf->space->map.runs, nr, run) {
		if (!READ_ONCE(mf->inode->i_mapping->nrpages))
			break;
		drop_run(mf, run);
		cond_resched();
	}
}

static int read_runs(struct smemv_adoption *a, u64 user, u64 nr)
{
	struct smemv_map_run *run;
	u32 i, piece;
	int err = 0;

	run = kcalloc(RUNS_AT_ONCE, sizeof(*run), GFP_KERNEL);
	if (!run)
		return -ENOMEM;
	for (; nr && !err; nr -= piece, user += piece * sizeof(*run)) {
		piece = min_t(u64, nr, RUNS_AT_ONCE);
		if (copy_from_user(run, u64_to_user_ptr(user),
				   piece * sizeof(*run)))
			err = -EFAULT;
		for (i = 0; i < piece && !err; i++)
			err = smemv_adopt_run(a, &run[i]);
	}
	kfree(run);
	return err;
}

/* Only a space that nothing was ever stored to, or all of it was given up. */
static bool is_fresh(struct smemv_memfile *mf)
{
	struct smemv_space *space = mf->space;

	return space->active_epoch == space->epoch && !READ_ONCE(space->fenced) &&
	       !atomic64_read(&space->map.remote) &&
	       !atomic64_read(&space->map.lost);
}

/*
 * Large folios are left whole where the new map places nothing elsewhere. A part of one
 * that cannot be dropped would be zeros in its place.
 */
static bool split_for(struct smemv_memfile *mf,
		      struct smemv_adoption *a)
{
	struct smemv_run *run;
	unsigned long nr;

	xa_for_each(&a->runs, nr, run)
		if (!smemv_evict_split_all_of(&mf->ev, nr))
			return false;
	return true;
}

/* Under ns->lock; the file is still. */
static int adopt_locked(struct smemv_memfile *mf, struct smemv_adoption *a)
{
	const char *why = NULL;
	int err;

	if (!is_fresh(mf) || smemv_space_is_draining(mf->space)) {
		why = "its own space has pages at servers, is being drained, or is no fresh one";
		return log_failure(mf, "adopt", -EBUSY, why);
	}
	smemv_space_drain_end(mf->space);
	err = smemv_adopt_claim(a, &why);
	if (err)
		return log_failure(mf, "adopt", err, why);
	if (!wait_for_loads(mf) || !split_for(mf, a))
		return fatal_signal_pending(current) ? -EINTR : -EBUSY;
	smemv_adopt_install(a);
	drop_pages(mf);
	return 0;
}

static int adopt_still(struct smemv_memfile *mf, struct smemv_adoption *a)
{
	struct still still;
	int err = begin_stillness(mf, &still, -EBUSY);

	mutex_lock(&mf->ns->lock);
	if (!err)
		err = adopt_locked(mf, a);
	smemv_adopt_end(a);
	/* By its epoch the space does not tell: it is another space, which may have the same. */
	end_stillness(mf, &still, a->installed);
	mutex_unlock(&mf->ns->lock);
	let_go(mf, &still);
	return err;
}

/* The answer to an earlier call did not get through. */
static bool is_adopted(const struct smemv_space *space,
		       const struct smemv_ioc_adopt *args)
{
	return smemv_space_owner(space) == SMEMV_OWNER_CLAIMED &&
	       !space->active_epoch && space->epoch == args->epoch + 1 &&
	       !memcmp(space->uuid, args->uuid, sizeof(space->uuid));
}

static int adopt(struct smemv_memfile *mf, struct smemv_ioc_adopt *args,
		 struct smemv_map_server *servers)
{
	struct smemv_adoption *a;
	int err;

	if (is_adopted(mf->space, args)) {
		args->epoch++;
		return 0;
	}
	a = kzalloc(sizeof(*a), GFP_KERNEL);
	if (!a)
		return -ENOMEM;
	a->space = mf->space;
	memcpy(a->uuid, args->uuid, sizeof(a->uuid));
	a->epoch = args->epoch;
	a->server = servers;
	a->nr_servers = args->nr_servers;
	a->arbiter = args->arbiter;
	err = smemv_adopt_begin(a);
	if (!err)
		err = read_runs(a, args->runs, args->nr_runs);
	if (err)
		smemv_adopt_end(a);
	else
		err = adopt_still(mf, a);
	args->epoch = a->epoch;
	kfree(a);
	return err;
}

static int check_adopt(const struct smemv_memfile *mf,
		       const struct smemv_ioc_adopt *args)
{
	if (args->size_bytes != mf->space->size_pages << PAGE_SHIFT ||
	    !args->nr_servers || args->nr_servers > SMEMV_MAX_SETS ||
	    args->arbiter >= args->nr_servers || !args->epoch ||
	    args->epoch >= U64_MAX - 1)
		return -EINVAL;
	return 0;
}

int smemv_memfile_adopt(struct smemv_memfile *mf, void __user *arg)
{
	struct smemv_map_server *servers;
	struct smemv_ioc_adopt args;
	int err;

	if (copy_from_user(&args, arg, sizeof(args)))
		return -EFAULT;
	err = check_adopt(mf, &args);
	if (err)
		return err;
	servers = memdup_user(u64_to_user_ptr(args.servers),
			      args.nr_servers * sizeof(*servers));
	if (IS_ERR(servers))
		return PTR_ERR(servers);
	err = -EINTR;
	if (!down_write_killable(&mf->owner_lock)) {
		err = adopt(mf, &args, servers);
		up_write(&mf->owner_lock);
	}
	kfree(servers);
	if (!err && copy_to_user(arg, &args, sizeof(args)))
		err = -EFAULT;
	return err;
}

/* A guest runs on it from now on: what could not be had before may be there. */
static void note_owned(struct smemv_memfile *mf)
{
	WRITE_ONCE(mf->owned_since, jiffies | 1);
}

static int activate(struct smemv_memfile *mf)
{
	const char *why = NULL;
	int err;

	if (mutex_lock_killable(&mf->ns->lock))
		return -EINTR;
	err = smemv_space_activate(mf->space, &why);
	if (!err)
		note_owned(mf);
	mutex_unlock(&mf->ns->lock);
	smemv_evict_resume(&mf->ev);
	return log_failure(mf, "become the owner", err, why);
}

int smemv_memfile_activate(struct smemv_memfile *mf)
{
	int err;

	if (down_write_killable(&mf->owner_lock))
		return -EINTR;
	err = activate(mf);
	up_write(&mf->owner_lock);
	return err;
}

typedef int (*take_fn)(struct smemv_space *space, const char **why);

/* Under ns->lock; nothing is stored. */
static int take_back_locked(struct smemv_memfile *mf, take_fn take, bool busy)
{
	const char *why = "pages are being loaded all the time; ask again";
	int err = -EIO;

	if (!busy)
		err = take(mf->space, &why);
	if (!err)
		note_owned(mf);
	return log_failure(mf, "take the space back", err, why);
}

static int take_back(struct smemv_memfile *mf, take_fn take)
{
	struct still still;
	int err = begin_stillness(mf, &still, -EIO);
	/* It may take a deadline: who sets another policy, to end that, must get ns->lock. */
	bool busy = !err && !wait_for_loads(mf);
	u64 epoch;

	mutex_lock(&mf->ns->lock);
	epoch = mf->space->epoch;
	if (!err)
		err = take_back_locked(mf, take, busy);
	/* It may have become the owner in the epoch that an earlier call claimed. */
	end_stillness(mf, &still, !err || mf->space->epoch != epoch);
	mutex_unlock(&mf->ns->lock);
	let_go(mf, &still);
	return err;
}

int smemv_memfile_take_back(struct smemv_memfile *mf, bool force)
{
	int err;

	if (force && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (down_write_killable(&mf->owner_lock))
		return -EINTR;
	err = take_back(mf, force ? smemv_space_force_back :
				    smemv_space_take_back);
	up_write(&mf->owner_lock);
	return err;
}
