// SPDX-License-Identifier: GPL-2.0-only
/*
 * The verb drain, over all pages that a server has: passes over the maps of the
 * spaces that use it, until it is empty or nothing moves any more. What happens
 * to each page: drain_move.c.
 */
#include <linux/delay.h>
#include <linux/slab.h>

#include "drain_inside.h"
#include "event.h"

#define TRIES		5	/* passes over the map that move nothing */
#define PAUSE_MS	200
#define CLOSE_PAUSE_MS	1000

static u64 pages_left(const struct smemv_drain *d)
{
	return max_t(s64, atomic64_read(&smemv_drain_source(d)->pages), 0);
}

static void tell_progress(struct smemv_drain *d)
{
	if (!smemv_event_due(&d->told))
		return;
	smemv_event_send(d->space->ns->net, &(struct smemv_event_msg){
		.type = SMEMV_EV_DRAINING,
		.server = smemv_drain_source(d)->server->name, .space = d->space->name,
		.page = SMEMV_NO_PAGE,
		.moves = true, .count = d->moved, .left = pages_left(d),
	});
}

/* Once over the map. Whether it moved anything. */
static bool pass(struct smemv_drain *d)
{
	u64 before = d->moved;
	struct smemv_run *run;
	unsigned long nr;

	d->why = NULL;
	xa_for_each(&d->space->map.runs, nr, run) {
		if (smemv_drain_stopped(d))
			break;
		smemv_drain_run(d, run);
		tell_progress(d);
	}
	smemv_drain_close_all(d);
	return d->moved != before;
}

static bool is_empty(const struct smemv_drain *d)
{
	return !atomic64_read(&smemv_drain_source(d)->pages);
}

static const char *reason(const struct smemv_drain *d)
{
	if (is_empty(d))
		return NULL;
	if (READ_ONCE(d->space->fenced))
		return "another main host owns the space now";
	if (smemv_drain_stopped(d))
		return "it was stopped";
	return d->why ?: "its pages were in use all the time";
}

static u64 missing(const struct smemv_server *server)
{
	u64 sum;

	smemv_stats_sum(&sum, server->stats,
			offsetof(struct smemv_server_stats, count[SMEMV_SC_MISSING]), 1);
	return sum;
}

/* Lost pages, too, are not at the server any more. */
static const char *remark(const struct smemv_drain *d)
{
	return missing(smemv_drain_source(d)->server) == d->missing_before ?
	       NULL : "pages that the server should have had were lost meanwhile";
}

static void report(struct smemv_drain *d, const char *why)
{
	struct smemv_server *server = smemv_drain_source(d)->server;

	if (why)
		pr_warn("server %s: %llu pages of %s stay there: %s\n",
			server->name, pages_left(d), d->space->name, why);
	smemv_event_send(d->space->ns->net, &(struct smemv_event_msg){
		.type = why ? SMEMV_EV_DRAIN_FAILED : SMEMV_EV_DRAINED,
		.server = server->name, .space = d->space->name,
		.page = SMEMV_NO_PAGE, .text = why ?: remark(d),
		.moves = true, .count = d->moved, .left = pages_left(d),
	});
}

static void drain_work(struct work_struct *work)
{
	struct smemv_drain *d = container_of(work, struct smemv_drain, work);
	struct smemv_server *server = smemv_drain_source(d)->server;
	const char *why;
	u32 tries = 0;

	while (!is_empty(d) && !smemv_drain_stopped(d) && tries < TRIES) {
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
	while (!READ_ONCE(d->abandoned) && !smemv_drain_close_all(d))
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
	d->told = jiffies;
	d->missing_before = missing(bind->server);
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

bool smemv_space_is_draining(const struct smemv_space *space)
{
	return space->drain && work_busy(&space->drain->work);
}

static bool has_drain_under_way(const struct smemv_bind *bind)
{
	return smemv_space_is_draining(bind->priv);
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
	/* All are counted before one can end: the last that does ends the server's draining. */
	list_for_each_entry(bind, &server->binds, link)
		atomic_inc(&server->drains);
	list_for_each_entry(bind, &server->binds, link) {
		struct smemv_space *space = bind->priv;

		queue_work(smemv_drain_wq, &space->drain->work);
	}
	return 0;
}

void smemv_server_drain_stop(struct smemv_server *server)
{
	struct smemv_bind *bind;

	lockdep_assert_held(&server->ns->lock);
	list_for_each_entry(bind, &server->binds, link) {
		struct smemv_space *space = bind->priv;

		if (space->drain && smemv_drain_source(space->drain) == bind)
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

/* What may be at targets and is not in the map goes when the space is active again. */
static void settle_later(const struct smemv_drain *d)
{
	u32 i;

	for (i = 0; i < d->space->nr_binds; i++)
		if (d->target[i].used || d->target[i].unsettled)
			smemv_reconcile(d->space, i);
}

void smemv_space_drain_end(struct smemv_space *space)
{
	if (!space->drain)
		return;
	WRITE_ONCE(space->drain->stop, true);
	WRITE_ONCE(space->drain->abandoned, true);
	flush_work(&space->drain->work);
	settle_later(space->drain);
	kfree(space->drain);
	space->drain = NULL;
}
