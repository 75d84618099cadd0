// SPDX-License-Identifier: GPL-2.0-only
/*
 * When to evict. A fault asks for room before it allocates; the work is started
 * a little before the budget is used up, and goes on until some room is free.
 */
#include <linux/sched/signal.h>

#include "event.h"
#include "evict_inside.h"

#define REST		max(HZ / 20, 1)
#define LOOK_AGAIN	max(HZ / 5, 1)
#define NOT_BY_TIME	MAX_JIFFY_OFFSET
#define FRUITLESS_LAPS	2
#define SETTLE_WAIT	msecs_to_jiffies(2 * SMEMV_TIMEOUT_MAX_MS)
#define SQUEEZE_WAIT	(2 * HZ)
/* So often a page may be taken for a goal. */
#define GOAL_TRIES	2

/* Pages of the budget that are kept free. */
static u64 spare_room(const struct smemv_evictor *ev)
{
	return smemv_spare_bytes(READ_ONCE(ev->budget) << PAGE_SHIFT,
				 ev->space->size_pages << PAGE_SHIFT) >>
	       PAGE_SHIFT;
}

/*
 * What has just come is counted twice until its reservation is given back, never
 * not at all, but no file has more than all of its pages.
 */
static u64 used_with(struct smemv_evictor *ev, long more)
{
	u64 pages = atomic_long_read(&ev->filling);

	/* Pairs with smemv_evict_release(): what is not reserved any more is resident. */
	smp_rmb();
	return min(pages + smemv_evict_resident(ev) + more,
		   ev->space->size_pages);
}

static u64 used(struct smemv_evictor *ev)
{
	return used_with(ev, 0);
}

static bool wanted(struct smemv_evictor *ev)
{
	u64 most = READ_ONCE(ev->budget) - spare_room(ev);

	most = min(most, READ_ONCE(ev->goal));
	return used(ev) > most + atomic_long_read(&ev->out);
}

static void kick(struct smemv_evictor *ev)
{
	unsigned long flags;

	spin_lock_irqsave(&ev->lock, flags);
	if (!ev->stopped)
		mod_delayed_work(smemv_wq, &ev->work, 0);
	spin_unlock_irqrestore(&ev->lock, flags);
}

bool smemv_evict_reserve(struct smemv_evictor *ev, long pages)
{
	u64 budget = READ_ONCE(ev->budget), after;

	atomic_long_add(pages, &ev->filling);
	/* Of two who reserve at once one at least sees both. */
	smp_mb__after_atomic();
	after = used(ev);
	if (after > budget - spare_room(ev) / 2 &&
	    !delayed_work_pending(&ev->work))
		kick(ev);
	if (after <= budget) {
		if (after > READ_ONCE(ev->peak))
			WRITE_ONCE(ev->peak, after);
		return true;
	}
	atomic_long_sub(pages, &ev->filling);
	return false;
}

bool smemv_evict_reserve_spare(struct smemv_evictor *ev, long pages)
{
	if (used_with(ev, pages) + spare_room(ev) > READ_ONCE(ev->budget))
		return false;
	return smemv_evict_reserve(ev, pages);
}

u64 smemv_evict_spare(struct smemv_evictor *ev)
{
	u64 taken = used(ev) + spare_room(ev), budget = READ_ONCE(ev->budget);

	return taken < budget ? budget - taken : 0;
}

bool smemv_evict_has_spare(struct smemv_evictor *ev)
{
	return smemv_evict_spare(ev) || !spare_room(ev);
}

void smemv_evict_note_fault(struct smemv_evictor *ev, pgoff_t index)
{
	WRITE_ONCE(ev->latest, index >> SMEMV_RUN_SHIFT);
}

void smemv_evict_release(struct smemv_evictor *ev, long pages)
{
	/* Pairs with used_with(): it is in the page cache before it is not reserved any more. */
	smp_mb__before_atomic();
	atomic_long_sub(pages, &ev->filling);
}

void smemv_evict_wake(struct smemv_evictor *ev)
{
	if (wq_has_sleeper(&ev->room))
		wake_up_all(&ev->room);
}

static bool has_room(struct smemv_evictor *ev)
{
	return used(ev) < READ_ONCE(ev->budget);
}

static void report_no_room(struct smemv_evictor *ev)
{
	struct smemv_space *space = ev->space;

	pr_warn_ratelimited("%s: no page could be evicted within %u ms, and the budget is used up\n",
			    space->name, READ_ONCE(space->deadline_ms));
	smemv_event_send(space->ns->net, &(struct smemv_event_msg){
		.type = SMEMV_EV_DEADLINE, .space = space->name,
		.page = SMEMV_NO_PAGE,
		.text = "no page could be evicted, and the budget is used up",
	});
}

int smemv_evict_wait(struct smemv_evictor *ev)
{
	unsigned long start = jiffies;
	long left;

	smemv_file_count(ev, ROOM_WAITS, 1);
	for (;;) {
		kick(ev);
		left = wait_event_killable_timeout(ev->room, has_room(ev),
						   LOOK_AGAIN);
		if (left < 0)
			return -EINTR;
		if (left > 0)
			return 0;
		if (READ_ONCE(ev->space->policy) == SMEMV_POLICY_ERROR &&
		    time_after(jiffies, start +
			       msecs_to_jiffies(READ_ONCE(ev->space->deadline_ms)))) {
			report_no_room(ev);
			return -ETIME;
		}
	}
}

/* What is done after a folio. False: the rest of what was found is left. */
static bool goes_on(struct smemv_evictor *ev, enum smemv_evicted evicted,
		    pgoff_t index)
{
	if (evicted == SMEMV_KEPT || evicted == SMEMV_GONE)
		return true;
	ev->pos = index;
	/* Until the next round the parts that are in use will have shown it. */
	if (evicted == SMEMV_SPLIT && ev->split_young)
		ev->busy_run = false;
	return false;
}

/* True: something went, or was split. Takes over the references. */
static bool evict_found(struct smemv_evictor *ev, struct smemv_batch *batch,
			struct folio_batch *found, bool *full)
{
	enum smemv_evicted evicted = SMEMV_KEPT;
	bool any = false, go_on = true;
	unsigned int i;

	for (i = 0; go_on && i < folio_batch_count(found); i++) {
		struct folio *folio = found->folios[i];
		pgoff_t index = folio->index;

		if (batch->io.nr == SMEMV_IO_PAGES || !wanted(ev)) {
			ev->pos = index;
			break;
		}
		evicted = smemv_evict_folio(ev, batch, folio);
		any |= evicted == SMEMV_GONE || evicted == SMEMV_SPLIT;
		go_on = goes_on(ev, evicted, index);
	}
	*full = batch->io.nr == SMEMV_IO_PAGES || evicted == SMEMV_NO_ROOM;
	for (; i < folio_batch_count(found); i++)
		folio_put(found->folios[i]);
	return any;
}

/* Fills a batch from the present run, and ends the run when it is through. */
static bool scan(struct smemv_evictor *ev, struct smemv_batch *batch)
{
	pgoff_t end = ((ev->run + 1) << SMEMV_RUN_SHIFT) - 1;
	bool any = false, full = false;
	struct folio_batch found;

	while (ev->busy_run && !full && wanted(ev)) {
		folio_batch_init(&found);
		if (filemap_get_folios(ev->mapping, &ev->pos, end, &found))
			any |= evict_found(ev, batch, &found, &full);
		else
			ev->busy_run = false;
	}
	return any;
}

/* Nothing could be evicted in a lap: be less choosy, then rest. */
static void fruitless(struct smemv_evictor *ev)
{
	if (ev->laps < FRUITLESS_LAPS)
		return;
	ev->laps = 0;
	if (ev->young_huge && !ev->split_young) {
		ev->split_young = true;
		return;
	}
	if (!ev->force) {
		ev->force = true;
		return;
	}
	ev->force = false;
	ev->rest_until = jiffies + REST;
	smemv_evict_end_goal(ev);
}

/* Returns 0, or how long to wait before the next step. */
static unsigned long step(struct smemv_evictor *ev)
{
	struct smemv_batch *batch;
	unsigned long wait = 0;

	if (time_before(jiffies, ev->rest_until))
		return ev->rest_until - jiffies;
	batch = smemv_batch_get(ev, GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN);
	if (!batch)
		return NOT_BY_TIME;
	if (!ev->busy_run) {
		smemv_evict_split_used(ev);
		smemv_evict_choose_order(ev);
		ev->busy_run = ev->order->next(ev, &ev->run, &wait);
		ev->pos = ev->run << SMEMV_RUN_SHIFT;
	}
	if (ev->busy_run && scan(ev, batch))
		ev->laps = 0;
	else
		fruitless(ev);
	smemv_batch_submit(batch);
	smemv_evict_wake(ev);
	return wait;
}

/*
 * Pages may come back as fast as they go, for ever: who asked for a goal would wait for
 * ever, and its guest run as long with too little.
 */
static void look_at_goal(struct smemv_evictor *ev)
{
	if (READ_ONCE(ev->goal) == SMEMV_NO_GOAL)
		return;
	spin_lock_irq(&ev->lock);
	if (used(ev) <= ev->goal || ev->taken >= ev->goal_until)
		WRITE_ONCE(ev->goal, SMEMV_NO_GOAL);
	spin_unlock_irq(&ev->lock);
}

/* Whether there is something to tell. */
static bool look_at_asked(struct smemv_evictor *ev, struct smemv_event_msg *msg)
{
	u64 here = used(ev);
	bool over;

	lockdep_assert_held(&ev->lock);
	if (!ev->asked)
		return false;
	/* Others may want more to go by now. */
	over = ev->goal == SMEMV_NO_GOAL || here <= ev->asked_goal;
	if (!over && !smemv_event_due(&ev->asked_told))
		return false;
	ev->asked = !over;
	msg->type = over ? SMEMV_EV_EVICTED : SMEMV_EV_EVICTING;
	msg->count = ev->gone - ev->asked_from;
	msg->left = here > ev->asked_goal ? here - ev->asked_goal : 0;
	return true;
}

static void tell_progress(struct smemv_evictor *ev)
{
	struct smemv_event_msg msg = {
		.space = ev->space->name, .page = SMEMV_NO_PAGE, .moves = true,
	};
	bool tell;

	spin_lock_irq(&ev->lock);
	tell = look_at_asked(ev, &msg);
	spin_unlock_irq(&ev->lock);
	if (tell)
		smemv_event_send(ev->space->ns->net, &msg);
}

static bool is_stopped(struct smemv_evictor *ev)
{
	return READ_ONCE(ev->stopped);
}

static void evict_work(struct work_struct *work)
{
	struct smemv_evictor *ev = container_of(to_delayed_work(work),
						struct smemv_evictor, work);
	unsigned long wait = 0;

	smemv_batches_reap(ev);
	while (!wait && !is_stopped(ev) && wanted(ev)) {
		wait = step(ev);
		smemv_batches_reap(ev);
		look_at_goal(ev);
		tell_progress(ev);
		cond_resched();
	}
	look_at_goal(ev);
	tell_progress(ev);
	if (!wanted(ev)) {
		ev->force = false;
		ev->young_huge = false;
		ev->split_young = false;
	} else if (wait != NOT_BY_TIME && !is_stopped(ev)) {
		/* Also when more came only now: nobody else may have a reason to start it. */
		queue_delayed_work(smemv_wq, &ev->work, wait);
	}
}

void smemv_evict_set_budget(struct smemv_evictor *ev, u64 pages)
{
	WRITE_ONCE(ev->budget, pages);
	smemv_evict_wake(ev);
	kick(ev);
}

void smemv_evict_end_goal(struct smemv_evictor *ev)
{
	unsigned long flags;

	spin_lock_irqsave(&ev->lock, flags);
	WRITE_ONCE(ev->goal, SMEMV_NO_GOAL);
	spin_unlock_irqrestore(&ev->lock, flags);
}

static u64 tries_from_now(const struct smemv_evictor *ev, u64 pages)
{
	return READ_ONCE(ev->taken) + GOAL_TRIES * pages;
}

static void set_goal(struct smemv_evictor *ev, u64 pages, u64 until)
{
	lockdep_assert_held(&ev->lock);
	WRITE_ONCE(ev->goal, pages);
	ev->goal_until = until;
}

void smemv_evict_set_goal(struct smemv_evictor *ev, u64 pages)
{
	u64 here = smemv_evict_resident(ev);
	unsigned long flags;

	spin_lock_irqsave(&ev->lock, flags);
	set_goal(ev, pages, tries_from_now(ev, here > pages ? here - pages : 0));
	if (pages != SMEMV_NO_GOAL) {
		ev->asked = true;
		ev->asked_goal = pages;
		ev->asked_from = READ_ONCE(ev->gone);
		ev->asked_told = jiffies;
	}
	spin_unlock_irqrestore(&ev->lock, flags);
	kick(ev);
}

bool smemv_evict_settle(struct smemv_evictor *ev)
{
	/* Who did not see that the space takes none has gone when this returns. */
	flush_delayed_work(&ev->work);
	return wait_var_event_timeout(&ev->out, !atomic_long_read(&ev->out),
				      SETTLE_WAIT);
}

void smemv_evict_resume(struct smemv_evictor *ev)
{
	smemv_evict_wake(ev);
	kick(ev);
}

void smemv_evict_some(struct smemv_evictor *ev, u64 pages)
{
	u64 here = smemv_evict_resident(ev), until = tries_from_now(ev, pages);
	unsigned long flags;

	/* As often as this is said before any page went, it means the same ones. */
	here = here > pages ? here - pages : 0;
	spin_lock_irqsave(&ev->lock, flags);
	if (ev->goal == SMEMV_NO_GOAL)
		set_goal(ev, here, until);
	else if (here < ev->goal)
		set_goal(ev, here, max(ev->goal_until, until));
	spin_unlock_irqrestore(&ev->lock, flags);
	kick(ev);
}

int smemv_evict_squeeze(struct smemv_evictor *ev)
{
	u64 gone = READ_ONCE(ev->gone);
	long left;

	smemv_file_count(ev, SQUEEZES, 1);
	/* More than is asked for, so that it need not be asked for so often. */
	smemv_evict_some(ev, max_t(u64, smemv_evict_resident(ev) / 16,
				   SMEMV_IO_PAGES));
	left = wait_event_killable_timeout(ev->room,
					   READ_ONCE(ev->gone) != gone,
					   SQUEEZE_WAIT);
	if (left < 0)
		return -EINTR;
	return left ? 0 : -ETIME;
}

int smemv_evict_init(struct smemv_evictor *ev, struct address_space *mapping,
		     struct smemv_space *space,
		     struct smemv_file_stats __percpu *stats, u64 budget)
{
	struct smemv_batch *batch;

	ev->mapping = mapping;
	ev->space = space;
	ev->stats = stats;
	ev->budget = budget;
	ev->goal = SMEMV_NO_GOAL;
	ev->order = &smemv_order_clock;
	ev->rest_until = jiffies;
	init_waitqueue_head(&ev->room);
	INIT_DELAYED_WORK(&ev->work, evict_work);
	spin_lock_init(&ev->lock);
	INIT_LIST_HEAD(&ev->idle);
	INIT_LIST_HEAD(&ev->done);
	/* One that is always there: evicting needs no memory then. */
	batch = smemv_batch_get(ev, GFP_KERNEL);
	if (!batch)
		return -ENOMEM;
	smemv_batch_submit(batch);
	smemv_shrink_add(ev);
	return 0;
}

void smemv_evict_stop(struct smemv_evictor *ev)
{
	unsigned long flags;

	smemv_shrink_del(ev);
	spin_lock_irqsave(&ev->lock, flags);
	ev->stopped = true;
	spin_unlock_irqrestore(&ev->lock, flags);
	wake_up_all(&ev->room);
}

void smemv_evict_uninit(struct smemv_evictor *ev)
{
	wait_var_event(&ev->out, !atomic_long_read(&ev->out));
	spin_lock_irq(&ev->lock);	/* the last done() has left */
	spin_unlock_irq(&ev->lock);
	cancel_delayed_work_sync(&ev->work);
	smemv_batches_free(ev);
	smemv_evict_heat_free(ev);
}
