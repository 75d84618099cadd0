// SPDX-License-Identifier: GPL-2.0-only
/*
 * How one store or load runs: it owns its pages, sends one request after
 * another until each page is stored, loaded or failed, and lets them go.
 *
 *   submit -> (wait for pages) -> plan -> send -> reply -> plan ... -> done
 *                                  |                        ^
 *                                  +-> park (no server) ----+
 *
 * Nothing is allocated on the way: a request that would need two servers sends
 * to one after the other. What each failure does to a page:
 *
 *   store, connection lost      outcome unknown: the content is still here and
 *                               is stored again, where it was sent before only
 *                               after the fence (rule 2), or elsewhere; then
 *                               the first server is reconciled
 *   store, given up             entry FAILED: later reads fail, never old data
 *   load, connection lost       loaded again; the server keeps it (rule 3)
 *   load, server has not got it entry LOST: EIO, counted, logged
 */
#include <linux/highmem.h>

#include "compat/net.h"
#include "core/place.h"
#include "event.h"
#include "io_inside.h"
#include "trace.h"
#include "xmit.h"

/* Whether the space still uses the server; one that it uses no more has no pages. */
static bool in_use(const struct smemv_io *io, u16 target)
{
	return READ_ONCE(io->space->map.set[target - SMEMV_WHERE_SET].n);
}

static bool reachable(const struct smemv_io *io, u16 target)
{
	const struct smemv_lane *lane;

	if (!in_use(io, target))
		return false;
	lane = lane_of(io, target);
	return smemv_lane_is_up(lane) &&
	       !smemv_bind_is_refused(bind_of(io, target), lane);
}

/* Loads that need no server. */
static void load_locally(struct smemv_io *io, u32 i)
{
	u16 at = where(io, i);

	if (at == SMEMV_WHERE_ABSENT || test_bit(io->slot[i], io->run->given_up)) {
		clear_highpage(io->page[i]);
		smemv_space_count(io->space, ABSENT_PAGES, 1);
		finish_page(io, i, 0);
	} else if (at < SMEMV_WHERE_SET) {
		smemv_space_count(io->space, LOST_READS, 1);
		finish_page(io, i, -EIO);
	}
}

static void fail_pages(struct smemv_io *io, int err)
{
	struct smemv_space *space = io->space;
	unsigned long todo = io->todo;
	u32 i;

	for_each_set_bit(i, &todo, SMEMV_IO_PAGES) {
		u16 old = where(io, i);

		if (io->op == SMEMV_OP_STORE) {
			if (old >= SMEMV_WHERE_SET)
				io->open_sets |= set_bit_of(old);
			smemv_map_set(&space->map, io->run, io->slot[i],
				      SMEMV_WHERE_FAILED);
			smemv_space_count(space, STORE_ERRORS, 1);
		} else {
			smemv_space_count(space, LOAD_ERRORS, 1);
		}
		finish_page(io, i, err);
	}
}

/* Servers that may hold a copy which the map does not attribute to them. */
static void reconcile_open_sets(struct smemv_io *io)
{
	unsigned int set;
	u32 i;

	for (set = 0; set < io->space->map.nr_sets; set++) {
		if (!(io->open_sets & BIT_ULL(set)))
			continue;
		for (i = 0; i < io->nr; i++) {
			if (where(io, i) != SMEMV_WHERE_SET + set) {
				smemv_reconcile(io->space, set);
				break;
			}
		}
	}
}

static bool any_failed(const struct smemv_io *io)
{
	u32 i;

	for (i = 0; i < io->nr; i++)
		if (io->err[i])
			return true;
	return false;
}

static void finish(struct smemv_io *io)
{
	if (io->open_sets)
		reconcile_open_sets(io);
	if (io->wait.suspended && !any_failed(io))
		smemv_event_send(io->space->ns->net, &(struct smemv_event_msg){
			.type = SMEMV_EV_RESUMED, .space = io->space->name,
			.page = smemv_io_index(io, 0), .count = io->nr,
		});
	smemv_io_disown(io);
	trace_smemv_io_done(io);
	io->done(io);
}

/* Room for new pages of this io at each set, 0 where it cannot be used. */
static u64 room_at(const struct smemv_io *io, u16 target)
{
	if (io->refused & set_bit_of(target) || !reachable(io, target) ||
	    READ_ONCE(bind_of(io, target)->leaving))
		return 0;
	return smemv_server_take_room(bind_of(io, target)->server);
}

static u16 choose_home(struct smemv_io *io)
{
	u32 random[2], set, n = io->space->map.nr_sets;
	u64 room[SMEMV_MAX_SETS];

	for (set = 0; set < n; set++)
		room[set] = room_at(io, SMEMV_WHERE_SET + set);
	random[0] = smemv_compat_random_below(U32_MAX);
	random[1] = smemv_compat_random_below(U32_MAX);
	set = smemv_place(room, n, random);
	if (set == SMEMV_PLACE_NONE)
		return 0;
	WRITE_ONCE(io->run->home, SMEMV_WHERE_SET + set);
	return SMEMV_WHERE_SET + set;
}

/* Neighbours stay together: the run's home as long as it has room. */
static u16 place(struct smemv_io *io)
{
	u16 home = READ_ONCE(io->run->home);

	return home && room_at(io, home) ? home : choose_home(io);
}

/* The caller named the server; 0: it takes no new page. */
static u16 fixed_target(const struct smemv_io *io, u16 at)
{
	if (io->refused & set_bit_of(io->fixed) || !in_use(io, io->fixed) ||
	    READ_ONCE(bind_of(io, io->fixed)->leaving))
		return 0;
	if (at != io->fixed && reachable(io, io->fixed) &&
	    !smemv_server_room(bind_of(io, io->fixed)->server))
		return 0;
	return io->fixed;
}

/* Where a page is to be stored: an overwrite stays where the page is. */
static u16 store_target(struct smemv_io *io, u32 i, u16 *placed)
{
	u16 at = where(io, i);

	if (io->fixed)
		return fixed_target(io, at);
	if (at >= SMEMV_WHERE_SET && !(io->refused & set_bit_of(at)) &&
	    reachable(io, at))
		return at;
	if (!*placed)
		*placed = place(io);
	return *placed;
}

static bool any_unreachable(const struct smemv_io *io)
{
	u32 set;

	for (set = 0; set < io->space->map.nr_sets; set++)
		if (in_use(io, SMEMV_WHERE_SET + set) &&
		    !reachable(io, SMEMV_WHERE_SET + set))
			return true;
	return false;
}

/* No server takes the pages, or those that have them are away. Wait (-EAGAIN) or give up? */
static int no_target(struct smemv_io *io)
{
	io->awaited = SMEMV_AWAITED_SERVER;
	if (io->op == SMEMV_OP_LOAD)
		return -EAGAIN;
	if (io->fixed)
		return -ENOSPC;
	io->refused = 0;
	if (any_unreachable(io))
		return -EAGAIN;
	io->awaited = SMEMV_AWAITED_ROOM;
	if (!io->found_full)
		smemv_space_count(io->space, NO_SPACE, 1);
	io->found_full = true;
	return READ_ONCE(io->space->policy) == SMEMV_POLICY_SUSPEND &&
	       !io->unasked ? -EAGAIN : -ENOSPC;
}

/* Pages that are new at the server stay in the batch as far as its limit goes. */
static void book(struct smemv_io *io)
{
	unsigned long batch = io->batch;
	u32 i, fresh = 0;

	for_each_set_bit(i, &batch, SMEMV_IO_PAGES)
		if (where(io, i) != io->target)
			fresh |= BIT(i);
	io->booked = smemv_server_book(bind_of(io, io->target)->server,
				       hweight32(fresh));
	while (hweight32(fresh) > io->booked) {
		io->batch &= ~BIT(__fls(fresh));
		fresh &= ~BIT(__fls(fresh));
	}
}

/*
 * Chooses the next request: pages that go to, or come from, one set. 0, or
 * -EAGAIN: nothing can be sent now, or another errno: give the rest up. With an
 * empty batch: others were faster to book the room that was seen.
 */
static int plan_locked(struct smemv_io *io)
{
	unsigned long todo = io->todo;
	u16 placed = 0;
	u32 i;

	if (READ_ONCE(io->space->fenced))
		return -ESTALE;
	/* Who stores knows better; what was under way when it was claimed ends. */
	if (io->op == SMEMV_OP_STORE && READ_ONCE(io->space->claimed))
		return -EPERM;
	io->target = 0;
	io->batch = 0;
	io->booked = 0;
	for_each_set_bit(i, &todo, SMEMV_IO_PAGES) {
		u16 target = io->op == SMEMV_OP_STORE ?
			     store_target(io, i, &placed) : where(io, i);

		/* When the others are done. */
		if (!target || (io->op == SMEMV_OP_LOAD && !reachable(io, target)))
			continue;
		if (!io->target)
			io->target = target;
		if (target == io->target)
			io->batch |= BIT(i);
		if (hweight32(io->batch) == bind_of(io, io->target)->server->max_pages)
			break;
	}
	if (!io->batch)
		return no_target(io);
	if (!reachable(io, io->target)) {
		io->awaited = SMEMV_AWAITED_SERVER;
		return -EAGAIN;
	}
	if (io->op == SMEMV_OP_STORE)
		book(io);
	return 0;
}

/* A server that smemv_space_remove_server() takes away is not looked at after it. */
static int plan(struct smemv_io *io)
{
	int err;

	rcu_read_lock();
	do {
		err = plan_locked(io);
	} while (!err && !io->batch);
	rcu_read_unlock();
	return err;
}

static void describe_store(struct smemv_wire_page *desc, struct page *page,
			   bool crc)
{
	const void *data = kmap_local_page(page);

	if (!memchr_inv(data, 0, PAGE_SIZE))
		desc->flags = cpu_to_le16(SMEMV_PAGE_F_ZERO);
	else if (crc)
		desc->crc = cpu_to_le32(smemv_crc32c_page(data));
	kunmap_local(data);
}

/* The io's own, but a server always has its timeout to answer. */
static unsigned long request_deadline(const struct smemv_io *io)
{
	unsigned long answer = jiffies + msecs_to_jiffies(
		bind_of(io, io->target)->server->timeout_ms);
	unsigned long deadline = smemv_io_deadline(io);

	return time_after(deadline, answer) ? deadline : answer;
}

static void build(struct smemv_io *io)
{
	struct smemv_req *req = &io->req;
	bool crc = READ_ONCE(lane_of(io, io->target)->page_crc);
	unsigned long batch = io->batch;
	u32 i;

	req->done = smemv_io_replied;
	/* What the reply says comes by @page and @result; io need not be zeroed. */
	req->reply = NULL;
	req->reply_size = 0;
	req->opcode = io->op;
	req->handle = bind_of(io, io->target)->handle;
	req->deadline = request_deadline(io);
	req->answer_within = 0;
	req->zeros = 0;
	req->nr = 0;
	for_each_set_bit(i, &batch, SMEMV_IO_PAGES) {
		struct smemv_wire_page *desc = &req->frame.page[req->nr];

		memset(desc, 0, sizeof(*desc));
		desc->index = cpu_to_le64(smemv_io_index(io, i));
		if (io->op == SMEMV_OP_STORE)
			describe_store(desc, io->page[i], crc);
		if (desc->flags & cpu_to_le16(SMEMV_PAGE_F_ZERO))
			req->zeros |= BIT(req->nr);
		req->page[req->nr] = io->page[i];
		io->batch_page[req->nr++] = i;
	}
}

/* No page of the run was ever stored. */
static void load_no_run(struct smemv_io *io)
{
	u32 i;

	for (i = 0; i < io->nr; i++) {
		if (smemv_map_unmade_failed(&io->space->map, io->run_nr,
					    io->slot[i])) {
			smemv_space_count(io->space, LOST_READS, 1);
			io->err[i] = -EIO;
			continue;
		}
		clear_highpage(io->page[i]);
		smemv_space_count(io->space, ABSENT_PAGES, 1);
		io->err[i] = 0;
	}
	io->done(io);
}

/* -EEXIST: the run is there now. */
static int fail_unmade(struct smemv_io *io)
{
	DECLARE_BITMAP(failed, SMEMV_RUN_PAGES) = {};
	u32 i;

	for (i = 0; i < io->nr; i++)
		__set_bit(io->slot[i], failed);
	return smemv_map_fail_unmade(&io->space->map, io->run_nr, failed);
}

/*
 * There is no memory for the run: later reads must fail, as they do for FAILED. Not of what nobody
 * asked to be stored: its pages stay where they are (evict_batch.c).
 */
static void store_no_run(struct smemv_io *io)
{
	u32 i;

	if (!io->unasked && fail_unmade(io))
		return smemv_io_park(io);
	for (i = 0; i < io->nr; i++)
		io->err[i] = -ENOMEM;
	smemv_space_count(io->space, STORE_ERRORS, io->nr);
	pr_err_ratelimited("%s: store of page %llu failed: no memory for its part of the location map\n",
			   io->space->name, smemv_io_index(io, 0));
	io->done(io);
}

void smemv_io_no_run(struct smemv_io *io)
{
	io->awaited = SMEMV_AWAITED_MEMORY;
	if (io->op == SMEMV_OP_LOAD)
		load_no_run(io);
	else if (smemv_io_fails_now(io))
		store_no_run(io);
	else
		smemv_io_wait(io);
}

void smemv_io_advance(struct smemv_io *io, bool direct)
{
	unsigned long todo = io->todo;
	u32 i;

	if (io->op == SMEMV_OP_LOAD)
		for_each_set_bit(i, &todo, SMEMV_IO_PAGES)
			load_locally(io, i);
	while (io->todo) {
		int err = plan(io);

		if (!err) {
			build(io);
			if (!smemv_xmit(lane_of(io, io->target), &io->req, direct))
				return;	/* smemv_io_replied() goes on, or went on */
			smemv_io_unbook(io);
			continue;	/* the lane went down: plan again */
		}
		if (err == -EAGAIN && !smemv_io_fails_now(io)) {
			smemv_io_wait(io);
			return;
		}
		fail_pages(io, err == -ENOSPC ? -ENOSPC : -EIO);
	}
	finish(io);
}
