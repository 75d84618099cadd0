// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a scan, and when it looks. A work item does all the looking; it ends
 * the scan when the machine is gone, or nobody wants it any more.
 */
#include <linux/file.h>
#include <linux/math64.h>
#include <linux/slab.h>

#include "scan_inside.h"
#include "trace.h"

/* A scan may use one part in so many of a processor; its interval grows for that, */
#define BUDGET_PART		100
/* up to this, or what was asked for. */
#define INTERVAL_GROWN_MS	60000

/* So long others of this processor wait for a scan at most; then it rests for a jiffy. */
#define SLICE_NS		(2 * NSEC_PER_MSEC)

/* The end of a machine is noticed within this time. */
#define LOOK			max(HZ / 4, 1)

static struct workqueue_struct *scan_wq;

/* A machine's bits are cleared by who reads them: it has one reader, in all namespaces. */
static DEFINE_MUTEX(all_lock);
static LIST_HEAD(all_scans);

int __init smemv_scan_module_init(void)
{
	smemv_history_module_init();
	scan_wq = alloc_workqueue("smemv_scan", WQ_UNBOUND, 0);
	return scan_wq ? 0 : -ENOMEM;
}

void smemv_scan_module_exit(void)
{
	destroy_workqueue(scan_wq);
}

static void release(struct kref *ref)
{
	struct smemv_scan *scan = container_of(ref, struct smemv_scan, ref);

	put_pid(scan->pid);
	kfree(scan);
}

void smemv_scan_get(struct smemv_scan *scan)
{
	kref_get(&scan->ref);
}

void smemv_scan_put(struct smemv_scan *scan)
{
	kref_put(&scan->ref, release);
}

static void work_after(struct smemv_scan *scan, unsigned long delay)
{
	spin_lock(&scan->lock);
	if (!scan->ended)
		mod_delayed_work(scan_wq, &scan->work, delay);
	spin_unlock(&scan->lock);
}

/* By whom it was who set @ended, when no work can be under way but the caller. */
static void let_go(struct smemv_scan *scan)
{
	mutex_lock(&all_lock);
	list_del(&scan->all_link);
	mutex_unlock(&all_lock);
	mutex_lock(&scan->vm_lock);
	smemv_vm_release(&scan->vm);
	mutex_unlock(&scan->vm_lock);
	smemv_history_free(&scan->history);
}

/* True for one caller, if the scan has to end. */
static bool set_ended(struct smemv_scan *scan, bool unwanted_only)
{
	bool ends;

	spin_lock(&scan->lock);
	ends = !scan->ended &&
	       !(unwanted_only && (scan->started || scan->files));
	scan->ended |= ends;
	spin_unlock(&scan->lock);
	return ends;
}

bool smemv_scan_has_ended(struct smemv_scan *scan)
{
	bool ended;

	spin_lock(&scan->lock);
	ended = scan->ended;
	spin_unlock(&scan->lock);
	return ended;
}

static u32 interval_for(const struct smemv_scan *scan, u64 scan_ns)
{
	u64 ms = max_t(u64, scan->paced_ms,
		       div_u64(scan_ns, NSEC_PER_MSEC / BUDGET_PART));

	lockdep_assert_held(&scan->lock);
	return clamp_t(u64, ms, scan->interval_ms,
		       max_t(u32, scan->interval_ms, INTERVAL_GROWN_MS));
}

static void note_state(struct smemv_scan *scan)
{
	struct smemv_scan_state *state = &scan->state;
	const struct smemv_pass *pass = &scan->pass;
	u64 now = ktime_get_ns();

	spin_lock(&scan->lock);
	state->method = pass->method;
	state->why = pass->why;
	memcpy(state->ages, pass->ages, sizeof(state->ages));
	state->size_pages = pass->size_pages;
	state->scan_ns = state->scans ? (state->scan_ns * 7 + scan->pass_ns) / 8 :
					scan->pass_ns;
	state->interval_now_ms = interval_for(scan, state->scan_ns);
	state->scans++;
	state->share_ppm = div64_u64(scan->total_ns * 1000,
				     (now - scan->began_ns) / 1000 + 1);
	state->memory_bytes = READ_ONCE(scan->history.nr_chunks) * SMEMV_SCAN_BLOCK;
	memmove(scan->ends_ns + 1, scan->ends_ns,
		sizeof(scan->ends_ns) - sizeof(scan->ends_ns[0]));
	scan->ends_ns[0] = now;
	spin_unlock(&scan->lock);
}

static void begin_pass(struct smemv_scan *scan)
{
	scan->in_pass = true;
	scan->pass_began = jiffies;
	scan->pass_ns = 0;
	smemv_history_begin(&scan->history);
	smemv_pass_begin(&scan->pass);
}

static void end_pass(struct smemv_scan *scan)
{
	smemv_history_end(&scan->history);
	scan->in_pass = false;
	scan->total_ns += scan->pass_ns;
	note_state(scan);
	trace_smemv_scan(pid_nr(scan->pid), &scan->state);
}

/* Until the next pass, or a look whether the machine is still there. */
static unsigned long rest(const struct smemv_scan *scan)
{
	unsigned long next = scan->pass_began +
			     msecs_to_jiffies(scan->state.interval_now_ms);

	if (scan->in_pass)
		return 1;
	return time_before(jiffies, next) ?
	       min_t(unsigned long, next - jiffies, LOOK) : 0;
}

/* What the caller waited for a processor while it could have run, ever. */
static u64 waited_ns(void)
{
#ifdef CONFIG_SCHED_INFO
	return current->sched_info.run_delay;
#else
	return 0;
#endif
}

/* The cost is time of a processor: what others had of it meanwhile is not the scan's. */
static void look(struct smemv_scan *scan)
{
	u64 now = ktime_get_ns(), waited = waited_ns(), taken;
	bool more;

	if (!scan->in_pass)
		begin_pass(scan);
	more = smemv_pass_go_on(&scan->pass, now + SLICE_NS);
	taken = ktime_get_ns() - now;
	scan->pass_ns += taken - min(taken, waited_ns() - waited);
	if (!more)
		end_pass(scan);
}

static void scan_work(struct work_struct *work)
{
	struct smemv_scan *scan = container_of(to_delayed_work(work),
					       struct smemv_scan, work);
	bool gone;

	/* Asked for once more when it had let go. */
	if (smemv_scan_has_ended(scan))
		return;
	gone = smemv_vm_is_gone(&scan->vm);
	if (set_ended(scan, !gone)) {
		let_go(scan);
		return;
	}
	if (scan->in_pass || !rest(scan))
		look(scan);
	work_after(scan, rest(scan));
}

static struct smemv_scan *new_scan(const struct smemv_scan_config *config)
{
	struct smemv_scan *scan = kzalloc(sizeof(*scan), GFP_KERNEL);

	if (!scan)
		return NULL;
	kref_init(&scan->ref);
	scan->pid = get_pid(config->pid);
	scan->interval_ms = config->interval_ms ?: SMEMV_SCAN_INTERVAL_MS;
	scan->state.interval_now_ms = scan->interval_ms;
	INIT_DELAYED_WORK(&scan->work, scan_work);
	spin_lock_init(&scan->lock);
	mutex_init(&scan->vm_lock);
	smemv_history_init(&scan->history);
	scan->pass.vm = &scan->vm;
	scan->pass.history = &scan->history;
	scan->began_ns = ktime_get_ns();
	/* The first pass is due. */
	scan->pass_began = jiffies - msecs_to_jiffies(scan->interval_ms);
	return scan;
}

static int claim(struct smemv_scan *scan, const char **why)
{
	struct smemv_scan *other;
	int err = 0;

	mutex_lock(&all_lock);
	list_for_each_entry(other, &all_scans, all_link)
		if (other->vm.kvm == scan->vm.kvm)
			err = -EBUSY;
	if (!err)
		list_add(&scan->all_link, &all_scans);
	mutex_unlock(&all_lock);
	if (err)
		*why = "the machine is scanned from another network namespace";
	return err;
}

static int begin(struct smemv_scan *scan, const struct smemv_scan_config *config,
		 const char **why)
{
	int err = smemv_vm_hold(&scan->vm, config->vm_file, why);

	if (err)
		return err;
	if (smemv_vm_belongs_to(&scan->vm, config->pid)) {
		err = claim(scan, why);
	} else {
		*why = "the machine is not one of this process";
		err = -EINVAL;
	}
	if (err)
		smemv_vm_release(&scan->vm);
	return err;
}

static struct smemv_scan *make(struct smemv_ns *ns,
			       const struct smemv_scan_config *config,
			       const char **why)
{
	struct smemv_scan *scan = new_scan(config);
	int err;

	if (!scan) {
		*why = "out of memory";
		return ERR_PTR(-ENOMEM);
	}
	err = begin(scan, config, why);
	if (err) {
		kref_put(&scan->ref, release);
		return ERR_PTR(err);
	}
	list_add_tail(&scan->link, &ns->scans);
	return scan;
}

/* Also when it ended already: its work may still be on its last lines. */
static void stop(struct smemv_ns *ns, struct smemv_scan *scan)
{
	bool ends = set_ended(scan, false);

	cancel_delayed_work_sync(&scan->work);
	if (ends)
		let_go(scan);
	list_del(&scan->link);
	ns->removals++;
	kref_put(&scan->ref, release);
}

static bool is_another(struct smemv_scan *scan, const struct file *vm_file)
{
	bool another;

	mutex_lock(&scan->vm_lock);
	another = scan->vm.kvm && !smemv_vm_is_of(&scan->vm, vm_file);
	mutex_unlock(&scan->vm_lock);
	return another;
}

/* A process may have several machines: the scan that it has must be of the one that is meant. */
static struct smemv_scan *find_of(struct smemv_ns *ns, const struct smemv_scan_config *config,
				  const char **why)
{
	struct smemv_scan *scan = smemv_scan_find(ns, config->pid);

	if (!scan || !is_another(scan, config->vm_file))
		return scan;
	*why = "the file is not the virtual machine of this process that is scanned";
	return ERR_PTR(-EINVAL);
}

/* One that an attached file began goes on without it from now on. -ESHUTDOWN: it ended just now. */
static int keep(struct smemv_scan *scan, u32 interval_ms)
{
	int err = 0;

	spin_lock(&scan->lock);
	if (scan->ended) {
		err = -ESHUTDOWN;
	} else if (scan->started) {
		err = -EEXIST;
	} else {
		scan->started = true;
		scan->interval_ms = interval_ms ?: scan->interval_ms;
		scan->state.interval_now_ms = interval_for(scan, scan->state.scan_ns);
	}
	spin_unlock(&scan->lock);
	return err;
}

static int start_anew(struct smemv_ns *ns, const struct smemv_scan_config *config,
		      const char **why)
{
	struct smemv_scan *scan = make(ns, config, why);

	if (IS_ERR(scan))
		return PTR_ERR(scan);
	scan->started = true;
	work_after(scan, 0);
	return 0;
}

int smemv_scan_start(struct smemv_ns *ns, const struct smemv_scan_config *config,
		     const char **why)
{
	struct smemv_scan *scan = find_of(ns, config, why);
	int err;

	if (!scan)
		return start_anew(ns, config, why);
	if (IS_ERR(scan))
		return PTR_ERR(scan);
	err = keep(scan, config->interval_ms);
	if (err == -EEXIST)
		*why = "this process is scanned already";
	if (err != -ESHUTDOWN)
		return err;
	stop(ns, scan);
	return start_anew(ns, config, why);
}

/* False: it ended just now. */
static bool add_file(struct smemv_scan *scan)
{
	bool added;

	spin_lock(&scan->lock);
	added = !scan->ended;
	scan->files += added;
	spin_unlock(&scan->lock);
	if (added)
		kref_get(&scan->ref);
	return added;
}

/*
 * The interval of a machine that is scanned already stays. One that ended just now may not have
 * given the machine back yet.
 */
struct smemv_scan *smemv_scan_attach(struct smemv_ns *ns,
				     const struct smemv_scan_config *config,
				     const char **why)
{
	struct smemv_scan *scan = find_of(ns, config, why);

	if (IS_ERR(scan) || (scan && add_file(scan)))
		return scan;
	if (scan)
		stop(ns, scan);
	scan = make(ns, config, why);
	if (IS_ERR(scan))
		return scan;
	add_file(scan);
	work_after(scan, 0);
	return scan;
}

void smemv_scan_pace(struct smemv_scan *scan, u32 interval_ms)
{
	spin_lock(&scan->lock);
	scan->paced_ms = interval_ms;
	scan->state.interval_now_ms = interval_for(scan, scan->state.scan_ns);
	spin_unlock(&scan->lock);
}

void smemv_scan_detach(struct smemv_scan *scan)
{
	spin_lock(&scan->lock);
	scan->files--;
	scan->paced_ms = 0;
	spin_unlock(&scan->lock);
	work_after(scan, 0);
	kref_put(&scan->ref, release);
}

static bool is_gone(struct smemv_scan *scan)
{
	bool gone;

	mutex_lock(&scan->vm_lock);
	gone = !scan->vm.kvm || smemv_vm_is_gone(&scan->vm);
	mutex_unlock(&scan->vm_lock);
	return gone;
}

void smemv_scan_forget_gone(struct smemv_ns *ns)
{
	struct smemv_scan *scan, *next;

	lockdep_assert_held(&ns->lock);
	list_for_each_entry_safe(scan, next, &ns->scans, link)
		if (is_gone(scan))
			stop(ns, scan);
}

struct smemv_scan *smemv_scan_find(struct smemv_ns *ns, const struct pid *pid)
{
	struct smemv_scan *scan;

	smemv_scan_forget_gone(ns);
	list_for_each_entry(scan, &ns->scans, link)
		if (scan->pid == pid)
			return scan;
	return NULL;
}

struct smemv_scan *smemv_scan_next(struct smemv_ns *ns, struct smemv_scan *scan)
{
	struct list_head *next = scan ? scan->link.next : ns->scans.next;

	return next == &ns->scans ? NULL :
	       list_entry(next, struct smemv_scan, link);
}

int smemv_scan_stop(struct smemv_ns *ns, struct smemv_scan *scan, const char **why)
{
	if (READ_ONCE(scan->files)) {
		*why = "a memory file is attached: it needs the scan as long as it is there";
		return -EBUSY;
	}
	stop(ns, scan);
	return 0;
}

void smemv_scan_stop_all(struct smemv_ns *ns)
{
	struct smemv_scan *scan, *next;

	list_for_each_entry_safe(scan, next, &ns->scans, link)
		stop(ns, scan);
}

u32 smemv_scan_pid(struct smemv_scan *scan)
{
	return smemv_scan_has_ended(scan) ? 0 : pid_vnr(scan->pid);
}

u32 smemv_scan_intervals(const struct smemv_scan *scan)
{
	return READ_ONCE(scan->state.scans);
}

/* Whether the pages are in the piece, perhaps from now on. */
static bool joins(struct smemv_scan_piece *piece, u64 first, u64 pages, unsigned long hva)
{
	if (hva - piece->hva != (first - piece->first) << PAGE_SHIFT ||
	    first < piece->first || first > piece->first + piece->pages)
		return false;
	piece->pages = max(piece->pages, first - piece->first + pages);
	return true;
}

int smemv_scan_add_piece(struct smemv_scan_place *place, u64 first, u64 pages,
			 unsigned long hva)
{
	u32 i;

	for (i = 0; i < place->nr; i++)
		if (joins(&place->piece[i], first, pages, hva))
			return 0;
	if (i == SMEMV_SCAN_PIECES)
		return -E2BIG;
	place->piece[place->nr++] = (struct smemv_scan_piece) {
		.first = first, .pages = pages, .hva = hva,
	};
	return 0;
}

int smemv_scan_find_file(struct smemv_scan *scan,
			 const struct address_space *mapping,
			 struct smemv_scan_place *place)
{
	int err = -ENOENT;

	mutex_lock(&scan->vm_lock);
	if (scan->vm.kvm)
		err = smemv_vm_find_file(&scan->vm, mapping, place);
	mutex_unlock(&scan->vm_lock);
	return err;
}

void smemv_scan_state(struct smemv_scan *scan, struct smemv_scan_state *state)
{
	spin_lock(&scan->lock);
	*state = scan->state;
	state->files = scan->files;
	state->interval_ms = scan->interval_ms;
	spin_unlock(&scan->lock);
	state->pid = pid_vnr(scan->pid);
}
