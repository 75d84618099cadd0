// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who owns which page, and where operations wait, and how long: for a page that
 * another operation owns (on the run), or for a server (on the space).
 */
#include "event.h"
#include "io.h"
#include "trace.h"

#define PARK_TICK	msecs_to_jiffies(200)

static bool any_slot(const struct smemv_io *io, const unsigned long *bits)
{
	u32 i;

	for (i = 0; i < io->nr; i++)
		if (test_bit(io->slot[i], bits))
			return true;
	return false;
}

void smemv_io_mark(const struct smemv_io *io, unsigned long *pages)
{
	u32 i;

	for (i = 0; i < io->nr; i++)
		__set_bit(io->slot[i], pages);
}

/*
 * A store makes a page wanted again, whatever was to be forgotten before it came. What is given up
 * while it waits for the page is forgotten after it.
 */
static void want_locked(struct smemv_io *io)
{
	u32 i;

	lockdep_assert_held(&io->run->lock);
	for (i = 0; io->op == SMEMV_OP_STORE && i < io->nr; i++)
		__clear_bit(io->slot[i], io->run->given_up);
}

bool smemv_io_own(struct smemv_io *io, bool or_wait)
{
	struct smemv_run *run = io->run;
	struct smemv_io *waiter;
	unsigned long flags;
	bool free;

	spin_lock_irqsave(&run->lock, flags);
	free = !any_slot(io, run->busy);
	list_for_each_entry(waiter, &run->waiters, link) {
		DECLARE_BITMAP(wanted, SMEMV_RUN_PAGES) = {};

		smemv_io_mark(waiter, wanted);
		free = free && !any_slot(io, wanted);
	}
	want_locked(io);
	if (free) {
		smemv_io_mark(io, run->busy);
	} else if (or_wait) {
		smemv_space_count(io->space, CONFLICTS, 1);
		list_add_tail(&io->link, &run->waiters);
	}
	/* One that waits may be woken and end from here on. */
	spin_unlock_irqrestore(&run->lock, flags);
	return free;
}

/* Those whose pages are free now, in order, own them and go on from the park. */
void smemv_run_wake(struct smemv_space *space, struct smemv_run *run)
{
	DECLARE_BITMAP(taken, SMEMV_RUN_PAGES);
	struct smemv_io *io, *next;
	unsigned long flags;
	LIST_HEAD(ready);

	spin_lock_irqsave(&run->lock, flags);
	bitmap_copy(taken, run->busy, SMEMV_RUN_PAGES);
	list_for_each_entry_safe(io, next, &run->waiters, link) {
		if (!any_slot(io, taken)) {
			smemv_io_mark(io, run->busy);
			list_move_tail(&io->link, &ready);
		}
		smemv_io_mark(io, taken);
	}
	spin_unlock_irqrestore(&run->lock, flags);

	if (list_empty(&ready))
		return;
	list_for_each_entry_safe(io, next, &ready, link) {
		list_del(&io->link);
		smemv_io_park(io);
	}
	smemv_space_kick(space);
}

void smemv_io_disown(struct smemv_io *io)
{
	struct smemv_run *run = io->run;
	unsigned long flags;
	bool waiters;
	u32 i;

	spin_lock_irqsave(&run->lock, flags);
	for (i = 0; i < io->nr; i++)
		__clear_bit(io->slot[i], run->busy);
	waiters = !list_empty(&run->waiters);
	spin_unlock_irqrestore(&run->lock, flags);

	if (any_slot(io, run->given_up))
		smemv_forget_run(io->space, run);
	if (waiters)
		smemv_run_wake(io->space, run);
}

void smemv_io_park(struct smemv_io *io)
{
	struct smemv_space *space = io->space;
	unsigned long flags;

	trace_smemv_io_park(io);
	spin_lock_irqsave(&space->park_lock, flags);
	list_add_tail(&io->link, &space->parked);
	atomic_inc(&space->nr_parked);
	/* Under the lock to the end: it may end from then on, and its space with it. */
	queue_delayed_work(smemv_lane_wq, &space->park_work, PARK_TICK);
	spin_unlock_irqrestore(&space->park_lock, flags);
}

void smemv_io_let_go(struct smemv_io *io)
{
	trace_smemv_io_park(io);
	smemv_io_disown(io);
}

void smemv_io_wait(struct smemv_io *io)
{
	if (!io->give_back || !io->give_back(io))
		smemv_io_park(io);
}

static const char *const awaited_text[] = {
	[SMEMV_AWAITED_SERVER] = "no server could be reached",
	[SMEMV_AWAITED_ROOM] = "every server was full",
	[SMEMV_AWAITED_MEMORY] = "there was no memory for its part of the location map",
};

static void report_deadline(struct smemv_io *io, u32 type)
{
	struct smemv_space *space = io->space;

	pr_warn_ratelimited("%s: %s of page %llu %s: %s for %u ms\n",
			    space->name, smemv_op_name(io->op),
			    smemv_io_index(io, __ffs(io->todo)),
			    type == SMEMV_EV_DEADLINE ? "failed" : "waits",
			    awaited_text[io->awaited], space->deadline_ms);
	smemv_event_send(space->ns->net, &(struct smemv_event_msg){
		.type = type, .space = space->name,
		.page = smemv_io_index(io, __ffs(io->todo)),
		.count = hweight32(io->todo),
		.text = awaited_text[io->awaited],
	});
}

/* Who chose where it goes can choose anew: it is never suspended. */
static bool names_server(const struct smemv_io *io)
{
	return io->op == SMEMV_OP_STORE && io->fixed;
}

bool smemv_io_fails_now(struct smemv_io *io)
{
	struct smemv_space *space = io->space;

	if (READ_ONCE(space->closing))
		return true;
	if (time_before(jiffies, smemv_io_deadline(io)))
		return false;
	if (READ_ONCE(space->policy) == SMEMV_POLICY_ERROR || names_server(io)) {
		smemv_space_count(space, DEADLINES, 1);
		report_deadline(io, SMEMV_EV_DEADLINE);
		return true;
	}
	if (io->unasked)
		return true;
	if (!io->wait.suspended) {
		io->wait.suspended = true;
		smemv_space_count(space, SUSPENDS, 1);
		report_deadline(io, SMEMV_EV_SUSPENDED);
	}
	return false;
}

void smemv_space_keeps_waiting(struct smemv_space *space)
{
	atomic_inc(&space->nr_parked);
	queue_delayed_work(smemv_lane_wq, &space->park_work, PARK_TICK);
}

void smemv_space_waits_no_more(struct smemv_space *space)
{
	atomic_dec(&space->nr_parked);
}

void smemv_park_work(struct work_struct *work)
{
	struct smemv_space *space = container_of(to_delayed_work(work),
						 struct smemv_space, park_work);
	void (*retry)(void *front);
	struct smemv_io *io, *next;
	unsigned long flags;
	LIST_HEAD(list);

	spin_lock_irqsave(&space->park_lock, flags);
	list_splice_init(&space->parked, &list);
	spin_unlock_irqrestore(&space->park_lock, flags);

	list_for_each_entry_safe(io, next, &list, link) {
		list_del(&io->link);
		atomic_dec(&space->nr_parked);
		smemv_io_start(io);
	}
	/* Set after @front, when requests may be under way. */
	retry = smp_load_acquire(&space->retry);
	if (retry)
		retry(space->front);
}

void smemv_io_start(struct smemv_io *io)
{
	struct smemv_map *map = &io->space->map;

	if (!io->run) {
		io->run = io->op == SMEMV_OP_STORE ?
			  smemv_map_make_run(map, io->run_nr) :
			  smemv_map_run(map, io->run_nr);
		if (!io->run)
			return smemv_io_no_run(io);
		if (!smemv_io_own(io, true))
			return;
	}
	smemv_io_advance(io, true);
}

static void prepare(struct smemv_io *io, const struct smemv_wait *wait)
{
	io->run = NULL;
	io->todo = GENMASK(io->nr - 1, 0);
	io->open_sets = 0;
	io->refused = 0;
	io->found_full = false;
	io->awaited = SMEMV_AWAITED_SERVER;
	io->wait = *wait;
	trace_smemv_io_start(io);
}

static void submit(struct smemv_io *io, const struct smemv_wait *wait)
{
	prepare(io, wait);
	smemv_io_start(io);
}

void smemv_space_submit(struct smemv_io *io)
{
	submit(io, &(struct smemv_wait){ .start = jiffies });
}

void smemv_space_submit_late(struct smemv_io *io)
{
	submit(io, &(struct smemv_wait){
		.start = jiffies - msecs_to_jiffies(READ_ONCE(io->space->deadline_ms)),
	});
}

/*
 * Waiting for a page's owner, which wakes it by letting go, and being the next to do so, two of
 * them would keep each other going for ever. So these wait for no page: they are tried again soon.
 */
bool smemv_space_submit_again(struct smemv_io *io, const struct smemv_wait *wait)
{
	prepare(io, wait);
	io->run = smemv_map_run(&io->space->map, io->run_nr);
	if (!io->run)
		smemv_io_no_run(io);
	else if (smemv_io_own(io, false))
		smemv_io_advance(io, true);
	else
		return false;
	return true;
}

void smemv_space_kick(struct smemv_space *space)
{
	mod_delayed_work(smemv_lane_wq, &space->park_work, 0);
}
