// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM's side of the scanner, the only file that knows KVM's internals.
 *
 * The walk reads the page tables of the TDP MMU without KVM's lock:
 *
 *  - tables are freed by RCU, after they were unlinked: a root is used in the RCU section
 *    in which it was seen in KVM's list of roots (a processor's pointer to it may stay
 *    for a while after the root was given to RCU), the others in the one in which their
 *    entry was seen;
 *  - an entry is changed by cmpxchg from the value that was found valid, and only
 *    its accessed bit: an entry that KVM takes away meanwhile (it is frozen then,
 *    its present bit off) is left alone;
 *  - KVM changes entries whose accessed bit may change under it atomically, since
 *    the processor is such another.
 *
 * No TLB is flushed: as with the kernel's own aging, an access by a translation
 * that the processor still has cached is not seen before that is replaced.
 *
 * Where there is no TDP MMU (shadow paging, tdp_mmu=0), where the processor does
 * not set accessed bits (ept_ad off) or where some of the guest's accesses go
 * through other tables (it runs guests itself), KVM's own MMU notifier is asked,
 * page by page. It is slower, and takes KVM's lock each time.
 */
#include <linux/kvm_host.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>

#include "compat/kvm.h"
#include "scan_inside.h"

/* Of a second-level page table entry. */
#define ENTRY_PRESENT	BIT_ULL(11)	/* software: not frozen, not MMIO */
#define ENTRY_LARGE	BIT_ULL(7)
#define ENTRY_AD_TYPE	(BIT_ULL(52) | BIT_ULL(53))
#define ENTRY_AD_OFF	BIT_ULL(52)
#define NPT_ACCESSED	BIT_ULL(5)
#define EPT_ACCESSED	BIT_ULL(8)

#define ROOTS_MAX	16

/* Blocks that are looked at before KVM may change its memslots, and before others may run. */
#define BLOCKS_AT_ONCE	16

/* The memory map is waited for at most this often, 10 ms each time. */
#define MAP_TRIES	100

struct root {
	u64 *table;
	int level;
};

static u64 accessed_bit(void)
{
	return boot_cpu_has(X86_FEATURE_SVM) ? NPT_ACCESSED : EPT_ACCESSED;
}

/* A machine's file is an anonymous one of this name, of one of KVM's modules. */
static bool is_vm_file(const struct file *file)
{
	const struct module *owner = file->f_op->owner;

	return file_inode(file)->i_sb->s_magic == ANON_INODE_FS_MAGIC &&
	       !strcmp(file->f_path.dentry->d_name.name, "kvm-vm") &&
	       (!owner || !strncmp(module_name((struct module *)owner), "kvm", 3));
}

/* By their names, so that this module does not need KVM's to be loaded. */
int smemv_vm_hold(struct smemv_vm *vm, const struct file *file,
		  const char **why)
{
	bool (*get)(struct kvm *kvm);
	bool got;

	if (!is_vm_file(file)) {
		*why = "the file is not a virtual machine of KVM";
		return -EINVAL;
	}
	get = symbol_get(kvm_get_kvm_safe);
	vm->put = symbol_get(kvm_put_kvm);
	got = get && vm->put && get(file->private_data);
	if (get)
		symbol_put(kvm_get_kvm_safe);
	if (got) {
		vm->kvm = file->private_data;
		return 0;
	}
	if (vm->put)
		symbol_put(kvm_put_kvm);
	*why = "the virtual machine is ending";
	return -ESHUTDOWN;
}

bool smemv_vm_is_of(const struct smemv_vm *vm, const struct file *file)
{
	return is_vm_file(file) && file->private_data == vm->kvm;
}

void smemv_vm_release(struct smemv_vm *vm)
{
	vm->put(vm->kvm);
	symbol_put(kvm_put_kvm);
	vm->kvm = NULL;
}

/* The files of a machine and of its processors hold it; memory goes with the process. */
bool smemv_vm_is_gone(const struct smemv_vm *vm)
{
	return refcount_read(&vm->kvm->users_count) == 1 ||
	       !atomic_read(&vm->kvm->mm->mm_users);
}

bool smemv_vm_belongs_to(const struct smemv_vm *vm, struct pid *pid)
{
	struct task_struct *task = get_pid_task(pid, PIDTYPE_PID);
	struct mm_struct *mm = task ? get_task_mm(task) : NULL;
	bool belongs = mm == vm->kvm->mm;

	if (mm)
		mmput_async(mm);
	if (task)
		put_task_struct(task);
	return belongs;
}

/*
 * The first memslot that ends behind @gfn. Under kvm->srcu.
 */
static struct kvm_memory_slot *slot_from(struct kvm *kvm, u32 space, u64 gfn)
{
	struct kvm_memslots *slots;
	struct kvm_memslot_iter iter;

	slots = srcu_dereference(kvm->memslots[space], &kvm->srcu);
	if (!slots)
		return NULL;
	kvm_for_each_memslot_in_gfn_range(&iter, slots, gfn, ~0ULL)
		return iter.slot;
	return NULL;
}

static unsigned long hva_of(const struct kvm_memory_slot *slot, u64 gfn)
{
	return slot->userspace_addr + ((gfn - slot->base_gfn) << PAGE_SHIFT);
}

/* How many pages of the slot from @gfn on are in one table. */
static u32 block_len(const struct kvm_memory_slot *slot, u64 gfn)
{
	u64 end = min(slot->base_gfn + slot->npages,
		      ALIGN_DOWN(gfn, SMEMV_SCAN_BLOCK) + SMEMV_SCAN_BLOCK);

	return end - gfn;
}

/*
 * Whether KVM's list has the root: then it is freed after this RCU section only, if the
 * caller is in one. The list links the header of each root by its first field, and the
 * private field of the root's page leads to the header.
 */
static bool is_listed(struct kvm *kvm, hpa_t root)
{
	unsigned long header = page_private(pfn_to_page(root >> PAGE_SHIFT));
	struct list_head *roots = &kvm->arch.tdp_mmu_roots, *link = roots;

	rcu_read_lock();
	do
		link = rcu_dereference(list_next_rcu(link));
	while (link != roots && (unsigned long)link != header);
	rcu_read_unlock();
	return link != roots;
}

/*
 * A processor's root and what it is. KVM takes the root away before it changes the role, and
 * sets the next one after it; or it has no role while it does that.
 */
static bool read_root(const struct kvm_mmu *mmu, hpa_t *hpa, union kvm_mmu_page_role *role)
{
	*hpa = READ_ONCE(mmu->root.hpa);
	smp_rmb(); /* the root before its role, */
	role->word = READ_ONCE(mmu->root_role.word);
	smp_rmb(); /* and that before the root again */
	return VALID_PAGE(*hpa) && role->word && READ_ONCE(mmu->root.hpa) == *hpa;
}

/*
 * Why the walk would not see each access, or NULL. No root yet: nothing is
 * mapped, and there is nothing to see.
 */
static const char *unfit(struct kvm *kvm)
{
	union kvm_mmu_page_role role;
	struct kvm_vcpu *vcpu;
	unsigned long i;
	hpa_t root;

	/* Zeroed, not made empty, where there is no TDP MMU. */
	if (!READ_ONCE(kvm->arch.tdp_mmu_roots.next))
		return "KVM's TDP MMU is off (shadow paging, or tdp_mmu=0)";
	if (READ_ONCE(kvm->arch.indirect_shadow_pages))
		return "the guest runs guests of its own";
	kvm_for_each_vcpu(i, vcpu, kvm) {
		if (!read_root(&vcpu->arch.root_mmu, &root, &role))
			continue;
		if (!role.direct)
			return "the guest's memory is mapped by shadow paging";
		if (role.ad_disabled)
			return "the processor sets no accessed bits (EPT A/D is off)";
		/* One that was given up just now is back in the next pass. */
		if (!is_listed(kvm, root))
			return "KVM does not list the tables that it uses as expected";
	}
	return NULL;
}

static u64 *table_of(u64 entry)
{
	u64 frames = (BIT_ULL(boot_cpu_data.x86_phys_bits) - 1) & PAGE_MASK;

	return __va(entry & frames);
}

static bool is_known(const struct root *roots, unsigned int nr, const u64 *table)
{
	while (nr--)
		if (roots[nr].table == table)
			return true;
	return false;
}

/* Each processor has a root; mostly all have the same. Under RCU. */
static unsigned int find_roots(struct kvm *kvm, u32 space, struct root *roots)
{
	union kvm_mmu_page_role role;
	struct kvm_vcpu *vcpu;
	unsigned int nr = 0;
	unsigned long i;
	hpa_t hpa;

	kvm_for_each_vcpu(i, vcpu, kvm) {
		if (!read_root(&vcpu->arch.root_mmu, &hpa, &role) ||
		    role.smm != space || role.level < 4 ||
		    is_known(roots, nr, table_of(hpa)) || nr == ROOTS_MAX ||
		    !is_listed(kvm, hpa))
			continue;
		roots[nr].table = table_of(hpa);
		roots[nr++].level = role.level;
	}
	return nr;
}

/* Clears the accessed bit of an entry that has it. */
static void clear_accessed(u64 *entry, u64 value, u64 bit)
{
	u64 old = value;

	/* Another time only if it maps the same: the processor may have made it dirty. */
	while (!try_cmpxchg64(entry, &value, value & ~bit))
		if (!(value & ENTRY_PRESENT) || !(value & bit) ||
		    table_of(value) != table_of(old))
			break;
}

/* Whether the page was accessed since the bit was cleared; with @clear clears it. */
static bool is_accessed(u64 *entry, u64 value, u64 bit, bool clear)
{
	if (!(value & bit) || (value & ENTRY_AD_TYPE) == ENTRY_AD_OFF)
		return false;
	if (clear)
		clear_accessed(entry, value, bit);
	return true;
}

/* Up to BITS_PER_LONG pages; sets word @word of the block's bitmaps. */
static void look_at_word(u64 *entries, u32 nr, u32 word, struct smemv_block *block)
{
	unsigned long present = 0, accessed = 0, page = 1;
	const u64 bit = accessed_bit();
	const bool clear = !block->keep;
	u64 value;
	u32 i;

	for (i = 0; i < nr; i++, page <<= 1) {
		value = READ_ONCE(entries[i]);
		if (!(value & ENTRY_PRESENT))
			continue;
		present |= page;
		if (is_accessed(&entries[i], value, bit, clear))
			accessed |= page;
	}
	block->present[word] |= present;
	block->accessed[word] |= accessed;
}

static void look_at_pages(u64 *table, u64 gfn, struct smemv_block *block)
{
	u64 *entries = table + gfn % SMEMV_SCAN_BLOCK;
	u32 i;

	for (i = 0; i < block->nr; i += BITS_PER_LONG)
		look_at_word(entries + i, min_t(u32, block->nr - i, BITS_PER_LONG),
			     i / BITS_PER_LONG, block);
}

static u64 pages_below(int level)
{
	return 1ULL << (SMEMV_SCAN_BLOCK_SHIFT * (level - 1));
}

/* A 1 GiB entry is for 512 blocks: the last of them clears its bit. */
static void look_at_large(u64 *entry, u64 value, u64 gfn, int level,
			  struct smemv_block *block)
{
	bool last = !((gfn + block->nr) % pages_below(level));

	bitmap_set(block->present, 0, block->nr);
	if (is_accessed(entry, value, accessed_bit(), last && !block->keep))
		bitmap_set(block->accessed, 0, block->nr);
}

/*
 * Under RCU. Returns 0, or how many pages from @gfn on are not mapped for sure.
 */
static u64 look(const struct root *root, u64 gfn, struct smemv_block *block)
{
	u64 *table = root->table, *entry, value;
	int level;

	/* Beyond what these tables can map. */
	if (gfn >= pages_below(root->level + 1))
		return ~0ULL;
	for (level = root->level; level > 1; level--) {
		entry = table + (gfn / pages_below(level)) % SMEMV_SCAN_BLOCK;
		value = READ_ONCE(*entry);
		if (!(value & ENTRY_PRESENT))
			return pages_below(level) - gfn % pages_below(level);
		if (value & ENTRY_LARGE) {
			look_at_large(entry, value, gfn, level, block);
			return 0;
		}
		table = table_of(value);
	}
	look_at_pages(table, gfn, block);
	return 0;
}

/* Below all roots. Returns as look() does. */
static u64 look_at_block(struct kvm *kvm, u32 space, u64 gfn,
			 struct smemv_block *block)
{
	struct root roots[ROOTS_MAX];
	u64 skip = ~0ULL;
	unsigned int nr, i;

	rcu_read_lock();
	nr = find_roots(kvm, space, roots);
	for (i = 0; i < nr; i++)
		skip = min(skip, look(&roots[i], gfn, block));
	rcu_read_unlock();
	return skip;
}

/* Returns how many pages were looked at. */
static u64 walk_block(struct smemv_pass *pass,
		      const struct kvm_memory_slot *slot, u64 gfn)
{
	struct smemv_block block = {
		.hva = hva_of(slot, gfn), .nr = block_len(slot, gfn),
	};
	u64 left = slot->base_gfn + slot->npages - gfn;
	u64 skip = look_at_block(pass->vm->kvm, pass->space, gfn, &block);

	if (skip)
		return min(skip, left);
	smemv_history_note(pass->history, &block, pass->ages);
	return block.nr;
}

static bool clear_young(struct kvm *kvm, unsigned long hva, u32 nr)
{
	struct mmu_notifier *notifier = &kvm->mmu_notifier;

	return notifier->ops->clear_young(notifier, kvm->mm, hva,
					  hva + ((unsigned long)nr << PAGE_SHIFT));
}

static bool test_young(struct kvm *kvm, unsigned long hva)
{
	struct mmu_notifier *notifier = &kvm->mmu_notifier;

	return notifier->ops->test_young(notifier, kvm->mm, hva);
}

/*
 * KVM does not tell the size of its entries. One for all of the block is young for its first
 * page and its last, and for none as soon as one was asked for.
 */
static void ask_pages(struct kvm *kvm, struct smemv_block *block)
{
	unsigned long last = block->hva + ((block->nr - 1UL) << PAGE_SHIFT);
	bool maybe_one = block->nr == SMEMV_SCAN_BLOCK && test_young(kvm, last);
	unsigned long hva = block->hva;
	u32 i;

	for (i = 0; i < block->nr; i++, hva += PAGE_SIZE) {
		if (!clear_young(kvm, hva, 1))
			continue;
		__set_bit(i, block->accessed);
		if (!i && maybe_one && !test_young(kvm, last)) {
			bitmap_set(block->accessed, 0, block->nr);
			return;
		}
	}
}

/*
 * What was idle for as long as is remembered is asked for as a whole; if some page
 * of it was accessed, all count as accessed, and are asked for one by one next time.
 */
static u64 ask_block(struct smemv_pass *pass,
		     const struct kvm_memory_slot *slot, u64 gfn)
{
	struct smemv_block block = {
		.hva = hva_of(slot, gfn), .nr = block_len(slot, gfn),
	};
	struct kvm *kvm = pass->vm->kvm;

	bitmap_set(block.present, 0, block.nr);
	if (smemv_history_is_warm(pass->history, block.hva, block.nr))
		ask_pages(kvm, &block);
	else if (clear_young(kvm, block.hva, block.nr))
		bitmap_set(block.accessed, 0, block.nr);
	else
		return block.nr;
	smemv_history_note(pass->history, &block, pass->ages);
	return block.nr;
}

void smemv_pass_begin(struct smemv_pass *pass)
{
	pass->why = unfit(pass->vm->kvm);
	pass->method = pass->why ? SMEMV_SCAN_CLEAR_YOUNG : SMEMV_SCAN_TDP_WALK;
	pass->space = 0;
	pass->gfn = 0;
	pass->size_pages = 0;
	memset(pass->ages, 0, sizeof(pass->ages));
}

/* KVM is asked by host virtual address, and answers for all spaces. */
static u32 spaces(const struct smemv_pass *pass)
{
	return pass->method == SMEMV_SCAN_TDP_WALK ? SMEMV_COMPAT_KVM_SPACES : 1;
}

/* Some blocks of one slot, or on to the next address space. Under kvm->srcu. */
static bool look_at_some(struct smemv_pass *pass)
{
	struct kvm *kvm = pass->vm->kvm;
	struct kvm_memory_slot *slot = slot_from(kvm, pass->space, pass->gfn);
	u64 gfn, end, seen;
	unsigned int i;

	if (!slot) {
		pass->gfn = 0;
		return ++pass->space < spaces(pass);
	}
	gfn = max_t(u64, pass->gfn, slot->base_gfn);
	end = slot->base_gfn + slot->npages;
	for (i = 0; i < BLOCKS_AT_ONCE && gfn < end; i++, gfn += seen) {
		seen = pass->method == SMEMV_SCAN_TDP_WALK ?
		       walk_block(pass, slot, gfn) : ask_block(pass, slot, gfn);
		if (!pass->space)
			pass->size_pages += seen;
		cond_resched();
	}
	pass->gfn = gfn;
	return true;
}

bool smemv_pass_go_on(struct smemv_pass *pass, u64 until)
{
	struct kvm *kvm = pass->vm->kvm;
	bool more;
	int srcu;

	do {
		srcu = srcu_read_lock(&kvm->srcu);
		more = look_at_some(pass);
		srcu_read_unlock(&kvm->srcu, srcu);
	} while (more && ktime_get_ns() < until);
	return more;
}

static void peek_at_slot(struct kvm *kvm, const struct kvm_memory_slot *slot,
			 unsigned long hva, u32 nr, unsigned long *accessed)
{
	unsigned long slot_end = slot->userspace_addr + (slot->npages << PAGE_SHIFT);
	unsigned long from = max(hva, slot->userspace_addr);
	unsigned long end = min(hva + ((unsigned long)nr << PAGE_SHIFT), slot_end);
	u64 gfn;
	u32 i;

	for (; from < end; from += PAGE_SIZE * block_len(slot, gfn)) {
		struct smemv_block block = { .keep = true };

		gfn = slot->base_gfn + ((from - slot->userspace_addr) >> PAGE_SHIFT);
		block.nr = min_t(u64, block_len(slot, gfn), (end - from) >> PAGE_SHIFT);
		look_at_block(kvm, 0, gfn, &block);
		for_each_set_bit(i, block.accessed, block.nr)
			__set_bit(((from - hva) >> PAGE_SHIFT) + i, accessed);
	}
}

void smemv_vm_peek(const struct smemv_vm *vm, unsigned long hva, u32 nr,
		   unsigned long *accessed)
{
	int srcu = srcu_read_lock(&vm->kvm->srcu);
	struct kvm_memory_slot *slot;
	u64 gfn = 0;

	for (; (slot = slot_from(vm->kvm, 0, gfn));
	     gfn = slot->base_gfn + slot->npages)
		peek_at_slot(vm->kvm, slot, hva, nr, accessed);
	srcu_read_unlock(&vm->kvm->srcu, srcu);
}

bool smemv_vm_next_range(const struct smemv_vm *vm, u64 *gfn, u32 most,
			 unsigned long *hva, u32 *nr)
{
	int srcu = srcu_read_lock(&vm->kvm->srcu);
	struct kvm_memory_slot *slot = slot_from(vm->kvm, 0, *gfn);

	if (slot) {
		*gfn = max_t(u64, *gfn, slot->base_gfn);
		*hva = hva_of(slot, *gfn);
		*nr = min_t(u64, most, slot->base_gfn + slot->npages - *gfn);
		*gfn += *nr;
	}
	srcu_read_unlock(&vm->kvm->srcu, srcu);
	return slot;
}

/* Bounded, because a process may hold its memory map as long as a fault takes. */
static bool lock_map(struct mm_struct *mm)
{
	int tries;

	for (tries = 0; tries < MAP_TRIES; tries++) {
		if (mmap_read_trylock(mm))
			return true;
		schedule_timeout_idle(max(HZ / 100, 1));
	}
	return false;
}

static int find_in(struct mm_struct *mm, unsigned long from, unsigned long to,
		   const struct address_space *mapping, struct smemv_scan_place *place)
{
	struct vm_area_struct *vma;
	int err = 0;

	for (vma = find_vma(mm, from); !err && vma && vma->vm_start < to;
	     vma = find_vma(mm, vma->vm_end))
		if (vma->vm_file && vma->vm_file->f_mapping == mapping)
			err = smemv_scan_add_piece(place, vma->vm_pgoff, vma_pages(vma),
						   vma->vm_start);
	return err;
}

#define RANGE_MOST	(1U << 30)

int smemv_vm_find_file(const struct smemv_vm *vm,
		       const struct address_space *mapping,
		       struct smemv_scan_place *place)
{
	struct mm_struct *mm = vm->kvm->mm;
	unsigned long hva;
	int err = 0;
	u64 gfn = 0;
	u32 nr;

	if (!mmget_not_zero(mm))
		return -ENOENT;
	if (!lock_map(mm)) {
		mmput_async(mm);
		return -EAGAIN;
	}
	place->nr = 0;
	while (!err && smemv_vm_next_range(vm, &gfn, RANGE_MOST, &hva, &nr))
		err = find_in(mm, hva, hva + ((unsigned long)nr << PAGE_SHIFT),
			      mapping, place);
	mmap_read_unlock(mm);
	mmput_async(mm);
	return err ?: place->nr ? 0 : -ENOENT;
}
