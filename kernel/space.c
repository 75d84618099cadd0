// SPDX-License-Identifier: GPL-2.0-only
/* Making and ending spaces. What happens to their pages: io.c, park.c,
 * forget.c, reconcile.c.
 */
#include <linux/slab.h>
#include <linux/uuid.h>

#include "event.h"
#include "io.h"

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

static void unbind_all(struct smemv_space *space, u32 n)
{
	while (n--)
		smemv_server_unbind(&space->bind[n]);
}

/* One replica set for each server: a page has one copy. */
static void make_sets(struct smemv_space *space)
{
	u32 i;

	for (i = 0; i < space->nr_binds; i++) {
		space->map.set[i].n = 1;
		space->map.set[i].member[0] = &space->bind[i];
	}
	space->map.nr_sets = space->nr_binds;
}

static int bind_all(struct smemv_space *space, struct smemv_server **server,
		    const char **why)
{
	u32 i;
	int err;

	for (i = 0; i < space->nr_binds; i++) {
		struct smemv_bind *bind = &space->bind[i];

		memcpy(bind->uuid, space->uuid, sizeof(bind->uuid));
		bind->size_pages = space->size_pages;
		bind->epoch = space->epoch;
		bind->lane_up = lane_up;
		bind->fenced_out = fenced_out;
		bind->priv = space;
		err = smemv_server_bind(server[i], bind, why);
		if (err) {
			unbind_all(space, i);
			return err;
		}
	}
	return 0;
}

static void space_free(struct smemv_space *space)
{
	WRITE_ONCE(space->closing, true);
	cancel_delayed_work_sync(&space->park_work);
	smemv_forget_uninit(space);
	smemv_reconcile_uninit(space);
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
	space->policy = config->policy;
	space->deadline_ms = config->deadline_ms;
	space->nr_binds = config->nr_servers;
	spin_lock_init(&space->park_lock);
	INIT_LIST_HEAD(&space->parked);
	INIT_DELAYED_WORK(&space->park_work, smemv_park_work);
	smemv_map_init(&space->map);
	space->bind = kcalloc(space->nr_binds, sizeof(*space->bind), GFP_KERNEL);
	space->stats = alloc_percpu(struct smemv_space_stats);
	if (!space->bind || !space->stats || smemv_forget_init(space) ||
	    smemv_reconcile_init(space)) {
		space_free(space);
		return NULL;
	}
	make_sets(space);
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
	err = bind_all(space, config->server, why);
	if (err) {
		space_free(space);
		return ERR_PTR(err);
	}
	return space;
}

/*
 * A server that was restarted since the space was bound may have the page, or
 * not: the map cannot tell. Its copies are not relied on any more.
 */
static bool can_be_relied_on(const struct smemv_bind *bind, u64 run_nr)
{
	struct smemv_server *server = bind->server;

	return smemv_lane_is_up(smemv_server_lane(server, run_nr)) &&
	       !memcmp(bind->server_id, server->server_id,
		       sizeof(bind->server_id));
}

enum smemv_copy smemv_space_copy(struct smemv_space *space, u64 index)
{
	u64 run_nr = index >> SMEMV_RUN_SHIFT;
	struct smemv_run *run = smemv_map_run(&space->map, run_nr);
	u32 slot = index % SMEMV_RUN_PAGES, i;
	const struct smemv_set *set;
	u16 where;

	if (!run)
		return smemv_map_unmade_failed(&space->map, run_nr, slot) ?
		       SMEMV_COPY_NONE : SMEMV_COPY_ZERO;
	where = smemv_map_where(run, slot);
	if (where == SMEMV_WHERE_ABSENT || test_bit(slot, run->given_up))
		return SMEMV_COPY_ZERO;
	set = smemv_map_set_of(&space->map, where);
	if (!set || test_bit(slot, run->busy) || READ_ONCE(space->fenced))
		return SMEMV_COPY_NONE;
	for (i = 0; i < set->n; i++)
		if (can_be_relied_on(set->member[i], run_nr))
			return SMEMV_COPY_VALID;
	return SMEMV_COPY_NONE;
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
	WARN_ON_ONCE(atomic_read(&space->nr_parked));
	unbind_all(space, space->nr_binds);
	space_free(space);
}
