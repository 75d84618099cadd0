// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moving pages from one server (the source) to others (targets), server to
 * server, while the pages are in use: rule 5.
 *
 * A batch of pages of one run at a time: own them (nobody else sends anything
 * about them, and loads wait for the batch), PUSH them at the source, and then
 * for each that the target applied: the map says target, the source forgets it.
 * What each failure does:
 *
 *   target full, stopping    the page stays; another target, or the next pass
 *   target unreachable       the page stays; the push tells
 *   source unreachable       the page stays; what was sent may arrive at the
 *                            target until the drain is closed there
 *   outcome unknown          the same; after the close the target is reconciled,
 *                            which removes copies that the map does not know
 *   source lacks the page    LOST, as when it is loaded
 *   target restarted         told by its server_id: nothing is believed
 *   source not invalidated   the map says target; the source is reconciled
 *
 * An owned page has no other request open, so a copy that arrives late at the
 * target finds either nothing (and is removed after the close), or what a later
 * store put there (and is refused).
 */
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/delay.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <net/ipv6.h>

#include "compat/net.h"
#include "conn.h"
#include "core/place.h"
#include "drain.h"
#include "event.h"
#include "io.h"

#define MAX_PUSH_PAGES	((SMEMV_REQ_META - sizeof(struct smemv_wire_push)) / \
			 sizeof(struct smemv_wire_range))
#define TRIES		5	/* passes over the map that move nothing */
#define PAUSE_MS	200
#define CLOSE_PAUSE_MS	1000

/**
 * struct smemv_drain_target - a server that may get pages
 * @wanted: it may
 * @unusable: not in this pass
 * @opened: the drain was opened in this pass, all others before are closed
 * @used: pushes of it were sent, so that it has to be closed
 * @unsettled: it may hold copies that the map does not know
 * @number: of the drain
 * @token: of the drain
 * @server_id: the server's run in which the drain was opened
 */
struct smemv_drain_target {
	bool wanted;
	bool unusable;
	bool opened;
	bool used;
	bool unsettled;
	u64 number;
	u8 token[SMEMV_WIRE_TOKEN_SIZE];
	u8 server_id[16];
};

/**
 * struct smemv_drain - pages of a space move off one server
 * @space: whose
 * @from: the source, as number among the space's servers
 * @stop: give it up
 * @moved: pages so far
 * @why: static text: why pages could not be moved in this pass
 * @work: does it
 * @pages: of one run, owned
 * @req: scratch, and
 * @result: its reply
 * @target: by number among the space's servers
 */
struct smemv_drain {
	struct smemv_space *space;
	u32 from;
	bool stop;
	u64 moved;
	const char *why;
	struct work_struct work;
	DECLARE_BITMAP(pages, SMEMV_RUN_PAGES);
	struct smemv_req req;
	struct smemv_wire_page result[SMEMV_REQ_DESCS];
	struct smemv_drain_target target[SMEMV_MAX_SETS];
};

static struct smemv_bind *source(const struct smemv_drain *d)
{
	return &d->space->bind[d->from];
}

static bool stopped(const struct smemv_drain *d)
{
	return READ_ONCE(d->stop) || READ_ONCE(d->space->closing) ||
	       READ_ONCE(d->space->fenced);
}

static bool restarted(const struct smemv_drain *d, u32 to)
{
	return memcmp(d->target[to].server_id,
		      d->space->bind[to].server->server_id,
		      sizeof(d->target[to].server_id));
}

/* DRAIN at a target, open or close. 0, or a reason. */
static const char *order_drain(struct smemv_drain *d, u32 to, u32 flags)
{
	struct smemv_wire_drain *body = (void *)d->req.frame.body;
	struct smemv_drain_target *t = &d->target[to];
	struct smemv_bind *bind = &d->space->bind[to];

	memset(body, 0, sizeof(*body));
	memcpy(body->token, t->token, sizeof(body->token));
	body->drain = cpu_to_le64(t->number);
	body->flags = cpu_to_le32(flags);
	d->req.opcode = SMEMV_OP_DRAIN;
	d->req.handle = bind->handle;
	d->req.nr = 0;
	d->req.reply_size = 0;
	if (smemv_lane_call(bind->server->lane[0], &d->req))
		return "a server that is to get its pages cannot be reached";
	return d->req.status == SMEMV_ST_OK ? NULL :
					      smemv_status_name(d->req.status);
}

static bool open_drain(struct smemv_drain *d, u32 to)
{
	struct smemv_drain_target *t = &d->target[to];
	const char *why;

	if (t->opened)
		return true;
	t->number = ++d->space->drain_number;
	get_random_bytes(t->token, sizeof(t->token));
	memcpy(t->server_id, d->space->bind[to].server->server_id,
	       sizeof(t->server_id));
	why = order_drain(d, to, SMEMV_DRAIN_F_OPEN);
	if (why) {
		d->why = why;
		t->unusable = true;
		return false;
	}
	t->opened = true;
	return true;
}

/*
 * Only after its close nothing that was pushed can be applied any more. False:
 * the target cannot be reached, try again. A drain that nothing was pushed under
 * may stay open: nobody knows its token, and the next one closes it.
 */
static bool close_drain(struct smemv_drain *d, u32 to)
{
	struct smemv_drain_target *t = &d->target[to];

	t->opened = false;
	t->unusable = false;
	if (t->used && !restarted(d, to) && order_drain(d, to, 0))
		return false;
	t->used = false;
	if (t->unsettled)
		smemv_reconcile(d->space, to);
	t->unsettled = false;
	return true;
}

static bool close_all(struct smemv_drain *d)
{
	bool closed = true;
	u32 i;

	for (i = 0; i < d->space->nr_binds; i++)
		if (d->target[i].wanted && !close_drain(d, i))
			closed = false;
	return closed;
}

/* Owns the next pages of the run that are at the source, from *slot on. */
static bool take_batch(struct smemv_drain *d, struct smemv_run *run, u32 *slot)
{
	u32 max = min_t(u32, MAX_PUSH_PAGES, source(d)->server->max_pages);
	u16 at = SMEMV_WHERE_SET + d->from;
	unsigned long flags;
	u32 n = 0;

	bitmap_zero(d->pages, SMEMV_RUN_PAGES);
	spin_lock_irqsave(&run->lock, flags);
	for (; *slot < SMEMV_RUN_PAGES && n < max; (*slot)++) {
		if (smemv_map_where(run, *slot) != at ||
		    test_bit(*slot, run->busy))
			continue;
		__set_bit(*slot, run->busy);
		__set_bit(*slot, d->pages);
		n++;
	}
	spin_unlock_irqrestore(&run->lock, flags);
	return n;
}

static int choose_target(const struct smemv_drain *d, u64 run_nr)
{
	u64 room[SMEMV_MAX_SETS] = {};
	u32 random[2], i;

	for (i = 0; i < d->space->nr_binds; i++) {
		struct smemv_server *server = d->space->bind[i].server;

		if (d->target[i].wanted && !d->target[i].unusable &&
		    server && smemv_lane_is_up(smemv_server_lane(server, run_nr)))
			room[i] = smemv_server_room(server);
	}
	random[0] = smemv_compat_random_below(U32_MAX);
	random[1] = smemv_compat_random_below(U32_MAX);
	i = smemv_place(room, d->space->nr_binds, random);
	return i == SMEMV_PLACE_NONE ? -ENOSPC : (int)i;
}

static void put_address(struct smemv_wire_push *body,
			const struct smemv_server *server)
{
	const struct sockaddr_in6 *addr6 = (const void *)&server->addr;
	const struct sockaddr_in *addr = (const void *)&server->addr;
	struct in6_addr mapped;

	if (server->addr.ss_family == AF_INET) {
		ipv6_addr_set_v4mapped(addr->sin_addr.s_addr, &mapped);
		memcpy(body->target_addr, &mapped, sizeof(mapped));
		body->target_port = cpu_to_le32(ntohs(addr->sin_port));
	} else {
		memcpy(body->target_addr, &addr6->sin6_addr, sizeof(mapped));
		body->target_port = cpu_to_le32(ntohs(addr6->sin6_port));
	}
}

static u32 put_ranges(struct smemv_wire_range *range, const struct smemv_drain *d,
		      const struct smemv_run *run)
{
	u32 first, end = 0, n = 0;

	for (;;) {
		first = find_next_bit(d->pages, SMEMV_RUN_PAGES, end);
		if (first >= SMEMV_RUN_PAGES)
			return n;
		end = find_next_zero_bit(d->pages, SMEMV_RUN_PAGES, first);
		range[n].first = cpu_to_le64((run->nr << SMEMV_RUN_SHIFT) + first);
		range[n].count = cpu_to_le32(end - first);
		range[n++].flags = 0;
	}
}

/* 0 when a reply came; the lane's deadline is above twice the push's timeout. */
static int push(struct smemv_drain *d, struct smemv_run *run, u32 to)
{
	struct smemv_wire_push *body = (void *)d->req.frame.body;
	struct smemv_drain_target *t = &d->target[to];
	struct smemv_server *from = source(d)->server;

	memset(body, 0, sizeof(*body));
	memcpy(body->target_id, t->server_id, sizeof(body->target_id));
	memcpy(body->token, t->token, sizeof(body->token));
	body->drain = cpu_to_le64(t->number);
	body->timeout_ms = cpu_to_le32(clamp(from->timeout_ms / 3, 1u,
					     SMEMV_WIRE_PUSH_MAX_MS));
	put_address(body, d->space->bind[to].server);
	d->req.opcode = SMEMV_OP_PUSH;
	d->req.handle = source(d)->handle;
	d->req.nr = put_ranges((void *)(body + 1), d, run);
	d->req.reply = d->result;
	d->req.reply_size = sizeof(d->result);
	return smemv_lane_call(smemv_server_lane(from, run->nr), &d->req);
}

static void lose_page(struct smemv_drain *d, struct smemv_run *run, u32 slot)
{
	struct smemv_server *server = source(d)->server;
	u64 index = (run->nr << SMEMV_RUN_SHIFT) + slot;

	smemv_map_set(&d->space->map, run, slot, SMEMV_WHERE_LOST);
	smemv_server_count(server, MISSING, 1);
	pr_err_ratelimited("%s: page %llu is lost: server %s does not have it any more\n",
			   d->space->name, index, server->name);
	smemv_event_send(d->space->ns->net, &(struct smemv_event_msg){
		.type = SMEMV_EV_PAGE_LOST, .server = server->name,
		.space = d->space->name, .page = index,
		.text = "the server does not have it any more",
	});
}

/* A page's status; true: the target has it, by this push. */
static bool pushed(struct smemv_drain *d, struct smemv_run *run, u32 slot,
		   u32 to, unsigned int status)
{
	struct smemv_drain_target *t = &d->target[to];

	switch (status) {
	case SMEMV_ST_OK:
		return true;
	case SMEMV_ST_MISSING:
		lose_page(d, run, slot);
		return false;
	case SMEMV_ST_HELD:
	case SMEMV_ST_UNKNOWN:
		t->unsettled = true;
		break;
	case SMEMV_ST_NO_SPACE:
	case SMEMV_ST_STOPPING:
	case SMEMV_ST_NO_DRAIN:
	case SMEMV_ST_UNREACHABLE:
		t->unusable = true;
		break;
	}
	d->why = status == SMEMV_ST_UNREACHABLE ?
		 "it cannot reach a server that is to get its pages" :
		 smemv_status_name(status);
	return false;
}

/* Leaves in d->pages those that the target has. */
static void read_results(struct smemv_drain *d, struct smemv_run *run, u32 to)
{
	unsigned int status = d->req.status;
	u32 slot, i = 0;

	for_each_set_bit(slot, d->pages, SMEMV_RUN_PAGES) {
		if (d->req.status == SMEMV_ST_PARTIAL)
			status = le16_to_cpu(d->result[i++].status);
		if (!pushed(d, run, slot, to, status))
			__clear_bit(slot, d->pages);
	}
}

/* Whether the reply says something about the pages. */
static bool reply_counts(struct smemv_drain *d, u32 to)
{
	struct smemv_lane *lane;

	if (restarted(d, to)) {
		d->target[to].unsettled = true;
		d->why = "a server that is to get its pages was restarted";
		return false;
	}
	if (d->req.status == SMEMV_ST_PARTIAL &&
	    d->req.reply_count != bitmap_weight(d->pages, SMEMV_RUN_PAGES)) {
		lane = source(d)->server->lane[0];
		smemv_lane_break(lane, "reply to a push has another number of pages");
		d->target[to].unsettled = true;
		d->why = "it answers a push with nonsense";
		return false;
	}
	if (d->req.status == SMEMV_ST_STALE_EPOCH)
		source(d)->fenced_out(source(d));
	return true;
}

/* The owned pages go to one target. */
static void move_batch(struct smemv_drain *d, struct smemv_run *run)
{
	int to = choose_target(d, run->nr);
	u32 slot;

	if (to < 0) {
		d->why = d->why ?: "no other server that it may go to has room and can be reached";
		return;
	}
	if (!open_drain(d, to))
		return;
	d->target[to].used = true;
	if (push(d, run, to)) {
		d->target[to].unsettled |= d->req.on_wire;
		d->why = "it cannot be reached";
		return;
	}
	if (!reply_counts(d, to))
		return;
	read_results(d, run, to);
	if (bitmap_empty(d->pages, SMEMV_RUN_PAGES))
		return;
	for_each_set_bit(slot, d->pages, SMEMV_RUN_PAGES)
		smemv_map_set(&d->space->map, run, slot, SMEMV_WHERE_SET + to);
	d->moved += bitmap_weight(d->pages, SMEMV_RUN_PAGES);
	if (READ_ONCE(run->home) == SMEMV_WHERE_SET + d->from)
		WRITE_ONCE(run->home, SMEMV_WHERE_SET + to);
	if (smemv_invalidate_owned(source(d), run, d->pages, &d->req))
		smemv_reconcile(d->space, d->from);
}

static void move_run(struct smemv_drain *d, struct smemv_run *run)
{
	DECLARE_BITMAP(owned, SMEMV_RUN_PAGES);
	u32 slot = 0;

	while (!stopped(d) && take_batch(d, run, &slot)) {
		bitmap_copy(owned, d->pages, SMEMV_RUN_PAGES);
		move_batch(d, run);
		smemv_run_disown(d->space, run, owned);
		cond_resched();
	}
}

/* Once over the map. Whether it moved anything. */
static bool pass(struct smemv_drain *d)
{
	u64 before = d->moved;
	struct smemv_run *run;
	unsigned long nr;

	d->why = NULL;
	xa_for_each(&d->space->map.runs, nr, run) {
		if (stopped(d))
			break;
		move_run(d, run);
	}
	close_all(d);
	return d->moved != before;
}

static bool is_empty(const struct smemv_drain *d)
{
	return !atomic64_read(&source(d)->pages);
}

static const char *reason(const struct smemv_drain *d)
{
	if (is_empty(d))
		return NULL;
	if (READ_ONCE(d->space->fenced))
		return "another main host owns the space now";
	if (stopped(d))
		return "it was stopped";
	return d->why ?: "its pages were in use all the time";
}

static void report(struct smemv_drain *d, const char *why)
{
	struct smemv_server *server = source(d)->server;

	if (why)
		pr_warn("server %s: %lld pages of %s stay there: %s\n",
			server->name,
			(long long)atomic64_read(&source(d)->pages),
			d->space->name, why);
	smemv_event_send(d->space->ns->net, &(struct smemv_event_msg){
		.type = why ? SMEMV_EV_DRAIN_FAILED : SMEMV_EV_DRAINED,
		.server = server->name, .space = d->space->name,
		.page = SMEMV_NO_PAGE, .count = d->moved, .text = why,
	});
}

static void drain_work(struct work_struct *work)
{
	struct smemv_drain *d = container_of(work, struct smemv_drain, work);
	struct smemv_server *server = source(d)->server;
	const char *why;
	u32 tries = 0;

	while (!is_empty(d) && !stopped(d) && tries < TRIES) {
		if (pass(d)) {
			tries = 0;
		} else {
			tries++;
			msleep(PAUSE_MS);
		}
	}
	why = reason(d);
	report(d, why);
	if (why)
		WRITE_ONCE(server->drain_why, why);
	/* Where pages stayed it is a server like others again. */
	if (atomic_dec_and_test(&server->drains) && READ_ONCE(server->drain_why))
		WRITE_ONCE(server->draining, false);
	/* That much is known; targets that are away are told when they are back. */
	while (!READ_ONCE(d->space->closing) && !close_all(d))
		msleep(CLOSE_PAUSE_MS);
}

static struct smemv_drain *drain_alloc(struct smemv_bind *bind)
{
	struct smemv_space *space = bind->priv;
	struct smemv_drain *d = space->drain;

	if (!d)
		d = kzalloc(sizeof(*d), GFP_KERNEL);
	else
		flush_work(&d->work);
	if (!d)
		return NULL;
	memset(d, 0, sizeof(*d));
	d->space = space;
	d->from = bind - space->bind;
	INIT_WORK(&d->work, drain_work);
	space->drain = d;
	return d;
}

static bool has_targets(const struct smemv_drain *d)
{
	u32 i;

	for (i = 0; i < d->space->nr_binds; i++)
		if (d->target[i].wanted)
			return true;
	return false;
}

/* Those that were named, or all others that the space uses and that may. */
static int want_targets(struct smemv_drain *d, struct smemv_server **to,
			u32 nr_to, const char **why)
{
	struct smemv_space *space = d->space;
	int index;
	u32 i;

	for (i = 0; i < nr_to; i++) {
		index = smemv_space_add_server(space, to[i], why);
		if (index < 0)
			return index;
		d->target[index].wanted = true;
	}
	for (i = 0; !nr_to && i < space->nr_binds; i++) {
		struct smemv_server *server = space->bind[i].server;

		d->target[i].wanted = i != d->from && server &&
				      server->can_push && !server->draining;
	}
	if (has_targets(d))
		return 0;
	*why = "a swap disk or memory file uses no other server; name one: smemv server drain NAME to OTHER";
	return -EDESTADDRREQ;
}

static bool has_drain_under_way(const struct smemv_bind *bind)
{
	const struct smemv_space *space = bind->priv;

	return space->drain && work_busy(&space->drain->work);
}

static int check(struct smemv_server *server, struct smemv_server **to,
		 u32 nr_to, const char **why)
{
	struct smemv_bind *bind;
	u32 i;

	if (!server->can_push) {
		*why = "the server cannot push pages to others; update it";
		return -EOPNOTSUPP;
	}
	for (i = 0; i < nr_to; i++) {
		*why = to[i] == server ? "pages cannot be moved to where they are" :
		       to[i]->draining ? "a server that is to get the pages is being drained itself" :
		       !to[i]->can_push ? "a server that is to get the pages cannot be pushed to; update it" :
		       NULL;
		if (*why)
			return -EINVAL;
	}
	list_for_each_entry(bind, &server->binds, link) {
		if (has_drain_under_way(bind)) {
			*why = "a swap disk or memory file on it is being drained off a server, or waits for the target of an earlier drain to return";
			return -EBUSY;
		}
	}
	return 0;
}

int smemv_server_drain(struct smemv_server *server, struct smemv_server **to,
		       u32 nr_to, const char **why)
{
	struct smemv_bind *bind;
	int err = check(server, to, nr_to, why);

	lockdep_assert_held(&server->ns->lock);
	list_for_each_entry(bind, &server->binds, link) {
		struct smemv_drain *d = err ? NULL : drain_alloc(bind);

		if (!err && !d) {
			*why = "out of memory";
			err = -ENOMEM;
		}
		if (!err)
			err = want_targets(d, to, nr_to, why);
	}
	if (err)
		return err;
	WRITE_ONCE(server->draining, true);
	WRITE_ONCE(server->drain_why, NULL);
	list_for_each_entry(bind, &server->binds, link) {
		struct smemv_space *space = bind->priv;

		atomic_inc(&server->drains);
		queue_work(system_unbound_wq, &space->drain->work);
	}
	return 0;
}

void smemv_server_drain_stop(struct smemv_server *server)
{
	struct smemv_bind *bind;

	lockdep_assert_held(&server->ns->lock);
	list_for_each_entry(bind, &server->binds, link) {
		struct smemv_space *space = bind->priv;

		if (space->drain && source(space->drain) == bind)
			WRITE_ONCE(space->drain->stop, true);
	}
	WRITE_ONCE(server->draining, false);
}

int smemv_server_leave_spaces(struct smemv_server *server, const char **why)
{
	struct smemv_bind *bind, *next;
	int err = 0;

	lockdep_assert_held(&server->ns->lock);
	if (atomic_read(&server->drains)) {
		*why = "it is being drained just now";
		return -EBUSY;
	}
	list_for_each_entry_safe(bind, next, &server->binds, link) {
		struct smemv_space *space = bind->priv;

		if (has_drain_under_way(bind))
			*why = "pages are being moved to it just now";
		else
			err = smemv_space_remove_server(space,
							bind - space->bind, why);
		if (*why)
			return err ?: -EBUSY;
	}
	return 0;
}

void smemv_space_drain_end(struct smemv_space *space)
{
	if (!space->drain)
		return;
	WRITE_ONCE(space->drain->stop, true);
	flush_work(&space->drain->work);
	kfree(space->drain);
	space->drain = NULL;
}
