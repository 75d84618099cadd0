// SPDX-License-Identifier: GPL-2.0-only
/* Making and ending spaces. What happens to their pages: io.c, park.c,
 * forget.c, reconcile.c.
 */
#include <linux/delay.h>
#include <linux/slab.h>
#include <linux/uuid.h>

#include "bind.h"
#include "claim.h"
#include "drain.h"
#include "event.h"
#include "io.h"

#define LEAVE_WAIT_MS	2000

static void lane_up(struct smemv_bind *bind)
{
	struct smemv_space *space = bind->priv;

	smemv_space_kick(space);
	smemv_reconcile_lane_up(space, bind - space->bind);
}

static void fenced_out(struct smemv_bind *bind)
{
	struct smemv_space *space = bind->priv;

	if (xchg(&space->fenced, true))
		return;
	pr_err("%s: server %s says that another main host owns this space now: all its pages fail from here on\n",
	       space->name, bind->server->name);
	smemv_event_send(space->ns->net, &(struct smemv_event_msg){
		.type = SMEMV_EV_FENCED_OUT, .server = bind->server->name,
		.space = space->name, .page = SMEMV_NO_PAGE,
		.text = "another main host owns the space now",
	});
}

/*
 * What is only claimed is still the old owner's, who may take it back. Else the arbiter
 * is asked first: where it knows a newer owner, or may know one and does not
 * answer, the pages are left alone at the others, which may not know yet.
 */
static void unbind_all(struct smemv_space *space)
{
	struct smemv_bind *arbiter = &space->bind[space->arbiter];
	bool drop = !READ_ONCE(space->claimed);
	u32 n = space->nr_binds;
	int err;

	if (!drop)
		pr_notice("%s: space %pUb was claimed and not activated: it is left to its old owner\n",
			  space->name, space->uuid);
	if (arbiter->server) {
		err = smemv_server_unbind(arbiter, drop);
		drop = drop && err != -ESTALE && !(err && space->told);
	}
	while (n--)
		if (space->bind[n].server && n != space->arbiter)
			smemv_server_unbind(&space->bind[n], drop);
}

void smemv_space_use_bind(struct smemv_space *space, struct smemv_bind *bind)
{
	memcpy(bind->uuid, space->uuid, sizeof(bind->uuid));
	bind->size_pages = space->size_pages;
	bind->epoch = space->epoch;
	bind->lane_up = lane_up;
	bind->fenced_out = fenced_out;
	bind->priv = space;
}

static int bind_server(struct smemv_space *space, u32 n,
		       struct smemv_server *server, const char **why)
{
	struct smemv_bind *bind = &space->bind[n];

	smemv_space_use_bind(space, bind);
	bind->standing = SMEMV_STANDING_ACTIVE;
	bind->may_create = true;
	bind->leaving = false;
	return smemv_server_bind(server, bind, why);
}

/* nr_binds: none is. Of NULL: a free place. */
static u32 number_of(const struct smemv_space *space,
		     const struct smemv_server *server)
{
	u32 i;

	for (i = 0; i < space->nr_binds; i++)
		if (space->bind[i].server == server)
			break;
	return i;
}

int smemv_space_add_server(struct smemv_space *space,
			   struct smemv_server *server, const char **why)
{
	u32 n;
	int err;

	lockdep_assert_held(&space->ns->lock);
	n = number_of(space, server);
	if (n < space->nr_binds)
		return n;
	n = number_of(space, NULL);
	if (n == SMEMV_MAX_SETS) {
		*why = "a swap disk or memory file can use 64 servers at most";
		return -ENOSPC;
	}
	if (!smemv_space_is_active(space)) {
		*why = "a memory file is not, or not yet, this host's";
		return -EBUSY;
	}
	space->reconcile[n] = smemv_reconcile_new(space, &space->bind[n]);
	if (!space->reconcile[n]) {
		*why = "out of memory";
		return -ENOMEM;
	}
	err = bind_server(space, n, server, why);
	if (err) {
		space->bind[n].server = NULL;
		smemv_reconcile_free(&space->reconcile[n]);
		return err;
	}
	/* One replica set for each server: a page has one copy. */
	space->map.set[n].member[0] = &space->bind[n];
	/* Who sees the set in use sees its member: plan() reads without a lock. */
	smp_store_release(&space->map.set[n].n, 1);
	space->nr_binds = max(space->nr_binds, n + 1);
	/* ... and who sees the number sees all sets below it. */
	smp_store_release(&space->map.nr_sets, space->nr_binds);
	/* A server that kept the space from before may have pages that the map does not know. */
	if (!READ_ONCE(space->bind[n].made_anew))
		smemv_reconcile(space, n);
	WRITE_ONCE(space->bind[n].made_anew, false);
	return n;
}

static u32 first_server(const struct smemv_space *space)
{
	u32 i = 0;

	while (i + 1 < space->nr_binds && !space->bind[i].server)
		i++;
	return i;
}

/* Waits until each page of the run that is owned now was let go once. */
static bool wait_for_owners(const struct smemv_run *run, unsigned long deadline)
{
	DECLARE_BITMAP(owned, SMEMV_RUN_PAGES);

	bitmap_copy(owned, run->busy, SMEMV_RUN_PAGES);
	while (!bitmap_empty(owned, SMEMV_RUN_PAGES)) {
		if (time_after(jiffies, deadline))
			return false;
		usleep_range(1000, 2000);
		bitmap_and(owned, owned, run->busy, SMEMV_RUN_PAGES);
	}
	return true;
}

/* The server has no page of the space, nor is one on its way there or will be. */
static bool gets_no_more(struct smemv_space *space, u32 bind, const char **why)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(LEAVE_WAIT_MS);
	struct smemv_run *run;
	unsigned long nr;

	WRITE_ONCE(space->bind[bind].leaving, true);
	synchronize_rcu();
	/* Who chose it before that owns its pages. */
	xa_for_each(&space->map.runs, nr, run) {
		if (!wait_for_owners(run, deadline)) {
			*why = "requests that may concern it are still waiting; try again later";
			return false;
		}
	}
	if (!atomic64_read(&space->bind[bind].pages))
		return true;
	*why = "it got pages again; drain it once more";
	return false;
}

int smemv_space_remove_server(struct smemv_space *space, u32 bind,
			      const char **why)
{
	int err;

	lockdep_assert_held(&space->ns->lock);
	if (READ_ONCE(space->claimed)) {
		*why = "a memory file is not, or not yet, this host's";
		return -EBUSY;
	}
	if (!gets_no_more(space, bind, why)) {
		WRITE_ONCE(space->bind[bind].leaving, false);
		return -EBUSY;
	}
	WRITE_ONCE(space->map.set[bind].n, 0);
	synchronize_rcu();
	cancel_work_sync(&space->announce);
	err = smemv_server_unbind(&space->bind[bind], true);
	if (space->arbiter == bind)
		smemv_space_arbiter_leaves(space, !err);
	smemv_reconcile_free(&space->reconcile[bind]);
	space->bind[bind].server = NULL;
	if (space->arbiter == bind)
		space->arbiter = first_server(space);
	return 0;
}

static int add_servers(struct smemv_space *space,
		       const struct smemv_space_config *config,
		       const char **why)
{
	int index = 0;
	u32 i;

	for (i = 0; i < config->nr_servers && index >= 0; i++)
		index = smemv_space_add_server(space, config->server[i], why);
	if (index >= 0)
		return 0;
	unbind_all(space);
	return index;
}

static void space_free(struct smemv_space *space)
{
	u32 i;

	WRITE_ONCE(space->closing, true);
	cancel_work_sync(&space->announce);
	cancel_delayed_work_sync(&space->park_work);
	/* They ask each other for work: when the first are done, only the second do. */
	if (space->forget)
		smemv_forget_flush(space);
	for (i = 0; i < SMEMV_MAX_SETS; i++)
		smemv_reconcile_free(&space->reconcile[i]);
	smemv_forget_uninit(space);
	smemv_map_uninit(&space->map);
	free_percpu(space->stats);
	kfree(space->bind);
	kfree(space);
}

static struct smemv_space *
space_alloc(struct smemv_ns *ns, const struct smemv_space_config *config)
{
	struct smemv_space *space = kzalloc(sizeof(*space), GFP_KERNEL);

	if (!space)
		return NULL;
	space->ns = ns;
	strscpy(space->name, config->name, sizeof(space->name));
	generate_random_uuid(space->uuid);
	space->size_pages = config->size_pages;
	space->epoch = 1;
	space->active_epoch = 1;
	space->policy = config->policy;
	space->deadline_ms = config->deadline_ms;
	spin_lock_init(&space->park_lock);
	INIT_LIST_HEAD(&space->parked);
	INIT_DELAYED_WORK(&space->park_work, smemv_park_work);
	INIT_WORK(&space->announce, smemv_announce_work);
	smemv_map_init(&space->map);
	space->bind = kcalloc(SMEMV_MAX_SETS, sizeof(*space->bind), GFP_KERNEL);
	space->stats = alloc_percpu(struct smemv_space_stats);
	if (!space->bind || !space->stats || smemv_forget_init(space)) {
		space_free(space);
		return NULL;
	}
	return space;
}

struct smemv_space *smemv_space_create(struct smemv_ns *ns,
				       const struct smemv_space_config *config,
				       const char **why)
{
	struct smemv_space *space;
	int err;

	lockdep_assert_held(&ns->lock);
	space = space_alloc(ns, config);
	if (!space) {
		*why = "out of memory";
		return ERR_PTR(-ENOMEM);
	}
	err = add_servers(space, config, why);
	if (err) {
		space_free(space);
		return ERR_PTR(err);
	}
	return space;
}

static bool can_be_relied_on(const struct smemv_bind *bind, u64 run_nr)
{
	const struct smemv_lane *lane = smemv_server_lane(bind->server, run_nr);

	/* What is known of the server may be older than what the lane leads to. */
	return smemv_lane_is_up(lane) && !smemv_bind_is_refused(bind, lane) &&
	       !smemv_bind_is_doubted(bind) &&
	       !memcmp(lane->server_id, bind->server_id, sizeof(lane->server_id));
}

bool smemv_space_was_restarted(struct smemv_space *space, u16 where)
{
	const struct smemv_set *set;
	bool restarted;
	u32 i;

	rcu_read_lock();	/* see smemv_space_remove_server() */
	set = smemv_map_set_of(&space->map, where);
	restarted = set;
	for (i = 0; set && i < set->n; i++)
		restarted = restarted && smemv_bind_is_doubted(set->member[i]);
	rcu_read_unlock();
	return restarted;
}

static bool any_can_be_relied_on(struct smemv_space *space, u16 where, u64 run_nr)
{
	const struct smemv_set *set;
	bool any = false;
	u32 i;

	rcu_read_lock();	/* see smemv_space_remove_server() */
	set = smemv_map_set_of(&space->map, where);
	for (i = 0; set && i < set->n; i++)
		any = any || can_be_relied_on(set->member[i], run_nr);
	rcu_read_unlock();
	return any;
}

enum smemv_copy smemv_space_copy(struct smemv_space *space, u64 index)
{
	u64 run_nr = index >> SMEMV_RUN_SHIFT;
	struct smemv_run *run = smemv_map_run(&space->map, run_nr);
	u32 slot = index % SMEMV_RUN_PAGES;
	u16 where;

	if (!run)
		return smemv_map_unmade_failed(&space->map, run_nr, slot) ?
		       SMEMV_COPY_NONE : SMEMV_COPY_ZERO;
	where = smemv_map_where(run, slot);
	if (where == SMEMV_WHERE_ABSENT || test_bit(slot, run->given_up))
		return SMEMV_COPY_ZERO;
	if (test_bit(slot, run->busy) || READ_ONCE(space->fenced) ||
	    !any_can_be_relied_on(space, where, run_nr))
		return SMEMV_COPY_NONE;
	return SMEMV_COPY_VALID;
}

void smemv_space_close(struct smemv_space *space)
{
	WRITE_ONCE(space->closing, true);
	smemv_space_kick(space);
}

void smemv_space_destroy(struct smemv_space *space)
{
	lockdep_assert_held(&space->ns->lock);
	WRITE_ONCE(space->closing, true);
	smemv_space_drain_end(space);
	WARN_ON_ONCE(atomic_read(&space->nr_parked));
	cancel_work_sync(&space->announce);
	unbind_all(space);
	space_free(space);
}
