// SPDX-License-Identifier: GPL-2.0-only
#include "compat/fs.h"
#include "memfile.h"

/* Under ns->lock, so that it is either open or removed. */
static int memfile_open(struct inode *inode, struct file *file)
{
	struct smemv_memfile *mf = smemv_memfile_of(inode);
	int err = 0;

	if (mutex_lock_killable(&mf->ns->lock))
		return -EINTR;
	if (mf->removed)
		err = -ENXIO;
	else
		atomic_inc(&mf->openers);
	mutex_unlock(&mf->ns->lock);
	/* Only what was asked for is loaded, in the order of memfile_fault.c. */
	file->f_ra.ra_pages = 0;
	return err;
}

static int memfile_release(struct inode *inode, struct file *file)
{
	atomic_dec(&smemv_memfile_of(inode)->openers);
	return 0;
}

static int memfile_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct smemv_memfile *mf = smemv_memfile_of(file_inode(file));

	vma->vm_ops = mf->dma ? &smemv_memfile_dma_vm_ops :
				&smemv_memfile_vm_ops;
	/* Who only looks at it is not whose memory it is, unless nobody is. */
	if (vma->vm_flags & VM_WRITE || !READ_ONCE(mf->memcg))
		smemv_memfile_note_user(mf, vma->vm_mm);
	return 0;
}

const struct file_operations smemv_memfile_fops = {
	.owner = THIS_MODULE,
	.open = memfile_open,
	.release = memfile_release,
	.mmap = memfile_mmap,
	.fallocate = smemv_memfile_fallocate,
	.llseek = generic_file_llseek,
	.unlocked_ioctl = smemv_memfile_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.fsync = noop_fsync,
	.get_unmapped_area = thp_get_unmapped_area,
};

struct smemv_memfile *smemv_memfile_from_file(const struct file *file)
{
	if (file->f_op != &smemv_memfile_fops)
		return NULL;
	return smemv_memfile_of(file_inode(file));
}

static int memfile_setattr(smemv_compat_idmap *idmap, struct dentry *dentry,
			   struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	int err = setattr_prepare(idmap, dentry, attr);

	if (!err && attr->ia_valid & ATTR_SIZE)
		err = smemv_memfile_resize(smemv_memfile_of(inode),
					   attr->ia_size);
	if (!err)
		setattr_copy(idmap, inode, attr);
	return err;
}

const struct inode_operations smemv_memfile_iops = {
	.setattr = memfile_setattr,
	.getattr = simple_getattr,
};
