// SPDX-License-Identifier: GPL-2.0-only
/* The ioctls of a memory file: who may, and who the space is. */
#include <linux/file.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "claim.h"
#include "drain.h"
#include "memfile.h"

static void describe_server(struct smemv_map_server *to,
			    const struct smemv_server *server)
{
	memset(to, 0, sizeof(*to));
	strscpy((char *)to->name, server->name, sizeof(to->name));
	memcpy(to->server_id, server->server_id, sizeof(to->server_id));
	memcpy(to->address, &server->addr,
	       min_t(size_t, server->addr_len, sizeof(to->address)));
}

static bool has_arbiter(const struct smemv_space *space)
{
	const struct smemv_server *server = space->bind[space->arbiter].server;

	return server && smemv_server_any_lane(server);
}

/* Under ns->lock. */
static void describe_space(struct smemv_space *space,
			   struct smemv_ioc_space *to,
			   struct smemv_map_server *servers)
{
	/* Once: who is not told that nobody can decide may be the next owner. */
	bool decidable = has_arbiter(space);
	u32 i;

	if (to->flags & SMEMV_SPACE_F_HAND_OVER && decidable)
		smemv_space_note_told(space);
	memcpy(to->uuid, space->uuid, sizeof(to->uuid));
	to->epoch = space->epoch;
	to->size_bytes = space->size_pages << PAGE_SHIFT;
	to->arbiter = space->arbiter;
	to->state = smemv_space_owner(space);
	to->flags = smemv_space_is_draining(space) ? SMEMV_SPACE_F_DRAINING : 0;
	if (!decidable)
		to->flags |= SMEMV_SPACE_F_UNDECIDABLE;
	to->nr_servers = space->nr_binds;
	for (i = 0; i < space->nr_binds; i++)
		if (space->bind[i].server)
			describe_server(&servers[i], space->bind[i].server);
}

static int tell_space_to(struct smemv_memfile *mf, struct smemv_ioc_space *to,
			 struct smemv_map_server *servers, void __user *arg)
{
	u32 room = to->nr_servers;

	if (mutex_lock_killable(&mf->ns->lock))
		return -EINTR;
	describe_space(mf->space, to, servers);
	if (atomic_read(&mf->openers) > 1)
		to->flags |= SMEMV_SPACE_F_SHARED;
	mutex_unlock(&mf->ns->lock);
	if (to->servers &&
	    copy_to_user(u64_to_user_ptr(to->servers), servers,
			 min(room, to->nr_servers) * sizeof(*servers)))
		return -EFAULT;
	return copy_to_user(arg, to, sizeof(*to)) ? -EFAULT : 0;
}

static int tell_space(struct smemv_memfile *mf, void __user *arg)
{
	struct smemv_map_server *servers;
	struct smemv_ioc_space to;
	int err;

	if (copy_from_user(&to, arg, sizeof(to)))
		return -EFAULT;
	if (to.flags & ~SMEMV_SPACE_F_HAND_OVER)
		return -EINVAL;
	servers = kcalloc(SMEMV_MAX_SETS, sizeof(*servers), GFP_KERNEL);
	if (!servers)
		return -ENOMEM;
	err = tell_space_to(mf, &to, servers, arg);
	kfree(servers);
	return err;
}

static int attach_to(struct smemv_memfile *mf,
		     const struct smemv_scan_config *config,
		     unsigned long base)
{
	const char *why = NULL;
	int err;

	if (!config->vm_file)
		return -EBADF;
	if (mutex_lock_killable(&mf->ns->lock))
		return -EINTR;
	err = smemv_memfile_attach(mf, config, &base, &why);
	mutex_unlock(&mf->ns->lock);
	return err;
}

static int attach(struct smemv_memfile *mf, const void __user *arg)
{
	struct smemv_scan_config config = { .pid = task_tgid(current) };
	struct smemv_ioc_attach from;
	int err;

	if (copy_from_user(&from, arg, sizeof(from)))
		return -EFAULT;
	if (from.base % PAGE_SIZE ||
	    (from.interval_ms &&
	     (from.interval_ms < SMEMV_SCAN_INTERVAL_MIN_MS ||
	      from.interval_ms > SMEMV_SCAN_INTERVAL_MAX_MS)))
		return -EINVAL;
	config.interval_ms = from.interval_ms;
	config.vm_file = fget(from.vm_fd);
	err = attach_to(mf, &config, from.base);
	if (config.vm_file)
		fput(config.vm_file);
	return err;
}

/* Under ns->lock. */
static int leave_locked(struct smemv_space *space, u32 server, const char **why)
{
	if (server >= space->nr_binds || !space->bind[server].server) {
		*why = "it has no such server";
		return -EINVAL;
	}
	if (server == space->arbiter) {
		*why = "the server decides about ownership";
		return -EINVAL;
	}
	if (smemv_space_is_draining(space)) {
		*why = "pages are being moved from one server to others";
		return -EBUSY;
	}
	return smemv_space_remove_server(space, server, why);
}

static int leave(struct smemv_memfile *mf, const u32 __user *user)
{
	const char *why = NULL;
	u32 server;
	int err;

	if (get_user(server, user))
		return -EFAULT;
	if (down_write_killable(&mf->owner_lock))
		return -EINTR;
	mutex_lock(&mf->ns->lock);
	err = leave_locked(mf->space, server, &why);
	mutex_unlock(&mf->ns->lock);
	up_write(&mf->owner_lock);
	if (err)
		pr_warn_ratelimited("%s: cannot leave server %u: %s\n", mf->name,
				    server, why);
	return err;
}

long smemv_memfile_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct smemv_memfile *mf = smemv_memfile_of(file_inode(file));
	void __user *user = (void __user *)arg;

	if (_IOC_TYPE(cmd) != SMEMV_IOC_TYPE)
		return -ENOTTY;
	if (!(file->f_mode & FMODE_WRITE))
		return -EBADF;
	/* Who sees the space sees it whole: smemv_memfile_back(). */
	if (!smp_load_acquire(&mf->space))
		return -ENODATA;
	switch (cmd) {
	case SMEMV_IOC_SPACE:
		return tell_space(mf, user);
	case SMEMV_IOC_MAP:
		return smemv_memfile_tell_map(mf, user);
	case SMEMV_IOC_STORE:
		return smemv_memfile_store(mf, user);
	case SMEMV_IOC_ADOPT:
		return smemv_memfile_adopt(mf, user);
	case SMEMV_IOC_ACTIVATE:
		return smemv_memfile_activate(mf);
	case SMEMV_IOC_TAKE_BACK:
	case SMEMV_IOC_FORCE_BACK:
		return smemv_memfile_take_back(mf, cmd == SMEMV_IOC_FORCE_BACK);
	case SMEMV_IOC_LEAVE:
		return leave(mf, user);
	case SMEMV_IOC_ATTACH:
		return attach(mf, user);
	case SMEMV_IOC_HEAT:
		return smemv_memfile_tell_heat(mf, user);
	default:
		return -ENOTTY;
	}
}
