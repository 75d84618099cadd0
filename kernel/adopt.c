// SPDX-License-Identifier: GPL-2.0-only
/*
 * Adopting a space. Everything that can fail happens beside the space that
 * adopts, which is empty; then it gets another identity in one step that cannot:
 *
 *   step        fails by                      leaves behind
 *   the map     nonsense, memory, kill        nothing
 *   match       a server is missing           nothing
 *   claim       arbiter gone, lost the race   nothing, or a claim whose answer was lost
 *   open        memory, a newer claim, kill   a claim; the old owner can take it back, and
 *                                             this host can try again: the same claim
 *   install     -                             -
 *   leave       a server is gone              the empty space there, says the log
 */
#include <linux/ctype.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "adopt.h"
#include "bind.h"
#include "claim.h"
#include "event.h"
#include "io.h"

/* There is no server of this index (any more). */
static bool is_hole(const struct smemv_map_server *server)
{
	return !memchr_inv(server->server_id, 0, sizeof(server->server_id));
}

static int check_servers(struct smemv_adoption *a)
{
	u32 i, j;

	if (is_hole(&a->server[a->arbiter]))
		return -EINVAL;
	for (i = 0; i < a->nr_servers; i++) {
		if (a->server[i].reserved)
			return -EINVAL;
		for (j = 0; j < i && !is_hole(&a->server[i]); j++)
			if (!memcmp(a->server[i].server_id,
				    a->server[j].server_id, 16))
				return -EINVAL;
	}
	return 0;
}

int smemv_adopt_begin(struct smemv_adoption *a)
{
	u32 i;
	int err = check_servers(a);

	xa_init(&a->runs);
	a->bind = kcalloc(SMEMV_MAX_SETS, sizeof(*a->bind), GFP_KERNEL);
	if (!a->bind)
		return -ENOMEM;
	for (i = 0; i < a->nr_servers; i++) {
		if (is_hole(&a->server[i]))
			continue;
		a->reconcile[i] = smemv_reconcile_new(a->space, &a->bind[i]);
		if (!a->reconcile[i])
			return -ENOMEM;
	}
	return err;
}

static struct smemv_run *staged_run(struct smemv_adoption *a, u64 nr)
{
	struct smemv_run *run = xa_load(&a->runs, nr);

	if (run)
		return run;
	run = smemv_map_new_run(nr, GFP_KERNEL);
	if (run && xa_err(xa_store(&a->runs, nr, run, GFP_KERNEL))) {
		smemv_map_free_run(run);
		return NULL;
	}
	return run;
}

/* 0 (absent): nothing to note. */
static u16 entry_of(const struct smemv_map_run *run)
{
	if (run->where < SMEMV_MAP_SERVER)
		return run->where == SMEMV_MAP_LOST ? SMEMV_WHERE_LOST :
						      SMEMV_WHERE_ABSENT;
	return SMEMV_WHERE_SET + run->where - SMEMV_MAP_SERVER;
}

static int stage(struct smemv_adoption *a, u64 first, u64 end, u16 entry)
{
	struct smemv_run *run;
	u64 stop;

	for (; first < end; first = stop) {
		stop = min(end, (first | (SMEMV_RUN_PAGES - 1)) + 1);
		run = staged_run(a, first >> SMEMV_RUN_SHIFT);
		if (!run)
			return -ENOMEM;
		memset16(run->where + first % SMEMV_RUN_PAGES, entry,
			 stop - first);
		if (!run->home && entry >= SMEMV_WHERE_SET)
			run->home = entry;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static bool makes_sense(const struct smemv_adoption *a,
			const struct smemv_map_run *run)
{
	u32 server = run->where - SMEMV_MAP_SERVER;

	if (!run->count || run->first < a->next ||
	    run->first >= a->space->size_pages ||
	    run->count > a->space->size_pages - run->first ||
	    run->flags & ~SMEMV_MAP_F_ALL)
		return false;
	return run->where < SMEMV_MAP_SERVER ||
	       (server < a->nr_servers && !is_hole(&a->server[server]));
}

int smemv_adopt_run(struct smemv_adoption *a, const struct smemv_map_run *run)
{
	u16 entry = entry_of(run);

	if (!makes_sense(a, run))
		return -EINVAL;
	a->next = run->first + run->count;
	if (entry == SMEMV_WHERE_ABSENT)
		return 0;
	if (entry == SMEMV_WHERE_LOST)
		a->lost += run->count;
	else
		a->pages[entry - SMEMV_WHERE_SET] += run->count;
	return stage(a, run->first, a->next, entry);
}

static struct smemv_server *known_by_id(struct smemv_ns *ns, const u8 *id)
{
	struct smemv_server *server;

	list_for_each_entry(server, &ns->servers, link)
		if (server->known && !memcmp(server->server_id, id, 16))
			return server;
	return NULL;
}

/* What arrived from elsewhere goes to no terminal as it is. */
static void readable_name(const struct smemv_map_server *server, char *name)
{
	u32 i;

	strscpy(name, (const char *)server->name, SMEMV_NAME_LEN);
	for (i = 0; name[i]; i++)
		if (!isascii(name[i]) || !isgraph(name[i]))
			name[i] = '?';
}

static int missing(struct smemv_adoption *a, u32 i, const char **why)
{
	char name[SMEMV_NAME_LEN];

	*why = "a server of the map is not known here, or was restarted since";
	readable_name(&a->server[i], name);
	pr_warn_ratelimited("%s: cannot adopt %pUb: server %s of the map is not known here, or was restarted since\n",
			    a->space->name, a->uuid, name);
	smemv_event_send(a->space->ns->net, &(struct smemv_event_msg){
		.type = SMEMV_EV_VM_ADOPT_FAILED, .space = a->space->name,
		.server = name, .page = SMEMV_NO_PAGE, .text = *why,
	});
	return -ENODEV;
}

static int match_servers(struct smemv_adoption *a, const char **why)
{
	u32 i;

	for (i = 0; i < a->nr_servers; i++) {
		struct smemv_server *server;

		if (is_hole(&a->server[i]))
			continue;
		server = known_by_id(a->space->ns, a->server[i].server_id);
		if (!server)
			return missing(a, i, why);
		if (!server->can_claim) {
			*why = "a server knows nothing of owners; update it";
			return -EOPNOTSUPP;
		}
	}
	return 0;
}

static void ignore(struct smemv_bind *bind)
{
}

static void superseded(struct smemv_bind *bind)
{
	struct smemv_adoption *a = bind->priv;

	WRITE_ONCE(a->superseded, true);
}

static int open_at(struct smemv_adoption *a, u32 i, const char **why)
{
	struct smemv_server *server = known_by_id(a->space->ns,
						  a->server[i].server_id);
	struct smemv_bind *bind = &a->bind[i];
	int err;

	if (!server)
		return missing(a, i, why);
	memcpy(bind->uuid, a->uuid, sizeof(bind->uuid));
	bind->size_pages = a->space->size_pages;
	bind->epoch = a->epoch;
	bind->standing = SMEMV_STANDING_CLAIMED;
	bind->may_create = false;
	bind->lane_up = ignore;
	bind->fenced_out = superseded;
	bind->priv = a;
	err = smemv_server_bind(server, bind, why);
	if (err)
		bind->server = NULL;
	else if (memcmp(bind->server_id, a->server[i].server_id, 16))
		err = missing(a, i, why);
	return err;
}

static int open_everywhere(struct smemv_adoption *a, const char **why)
{
	int err = 0;
	u32 i;

	for (i = 0; i < a->nr_servers && !err; i++) {
		if (fatal_signal_pending(current)) {
			*why = "it was interrupted";
			return -EINTR;
		}
		if (!is_hole(&a->server[i]))
			err = open_at(a, i, why);
	}
	if (!err && READ_ONCE(a->superseded))
		err = -ESTALE;
	if (err == -ESTALE)
		*why = "somebody else claimed the space, or its owner took it back";
	return err;
}

int smemv_adopt_claim(struct smemv_adoption *a, const char **why)
{
	struct smemv_server *arbiter;
	int err = match_servers(a, why);

	lockdep_assert_held(&a->space->ns->lock);
	if (err)
		return err;
	err = smemv_map_reserve(&a->space->map, &a->runs);
	if (err) {
		*why = "out of memory";
		return err;
	}
	arbiter = known_by_id(a->space->ns, a->server[a->arbiter].server_id);
	err = smemv_claim(arbiter, a->uuid, a->epoch, &a->epoch, why);
	return err ?: open_everywhere(a, why);
}

static void change_binds(struct smemv_space *space,
			 void (*change)(struct smemv_space *space,
					struct smemv_bind *bind))
{
	u32 i;

	for (i = 0; i < space->nr_binds; i++) {
		struct smemv_bind *bind = &space->bind[i];

		if (!bind->server)
			continue;
		mutex_lock(&bind->server->bind_lock);
		change(space, bind);
		mutex_unlock(&bind->server->bind_lock);
	}
}

/* What the servers say of the empty space is nothing to the adopted one. */
static void let_go_of(struct smemv_space *space, struct smemv_bind *bind)
{
	bind->lane_up = ignore;
	bind->fenced_out = ignore;
}

/* The servers of the map take the places of those that the space had. */
static void replace_servers(struct smemv_adoption *a)
{
	struct smemv_space *space = a->space;
	struct smemv_map *map = &space->map;
	u32 i;

	swap(space->bind, a->bind);
	for (i = 0; i < SMEMV_MAX_SETS; i++) {
		swap(space->reconcile[i], a->reconcile[i]);
		map->set[i].member[0] = &space->bind[i];
		map->set[i].n = space->bind[i].server ? 1 : 0;
	}
	swap(space->nr_binds, a->nr_servers);
	map->nr_sets = space->nr_binds;
	space->arbiter = a->arbiter;
	memcpy(space->arbiter_id, space->bind[a->arbiter].server_id,
	       sizeof(space->arbiter_id));
}

static void count_pages(struct smemv_adoption *a)
{
	struct smemv_space *space = a->space;
	u32 i;

	for (i = 0; i < space->nr_binds; i++) {
		struct smemv_bind *bind = &space->bind[i];

		if (!bind->server)
			continue;
		atomic64_add(a->pages[i], &bind->server->booked);
		atomic64_add(a->pages[i], &bind->pages);
		atomic64_add(a->pages[i], &bind->server->pages);
		atomic64_add(a->pages[i], &space->map.remote);
	}
	atomic64_set(&space->map.lost, a->lost);
}

void smemv_adopt_install(struct smemv_adoption *a)
{
	struct smemv_space *space = a->space;

	smemv_forget_flush(space);
	cancel_work_sync(&space->announce);
	a->installed = true;
	memcpy(space->uuid, a->uuid, sizeof(space->uuid));
	space->epoch = a->epoch;
	space->active_epoch = 0;
	space->asked_epoch = 0;
	space->told = false;
	WRITE_ONCE(space->claimed, true);
	change_binds(space, let_go_of);
	replace_servers(a);
	smemv_map_take_over(&space->map, &a->runs);
	count_pages(a);
	space->lost_told = atomic64_read(&space->map.lost);
	/* From here on lanes that connect find the space. */
	change_binds(space, smemv_space_use_bind);
	if (READ_ONCE(a->superseded))
		space->bind[space->arbiter].fenced_out(&space->bind[space->arbiter]);
	pr_info("%s: claimed space %pUb, epoch %llu: %lld pages are at servers\n",
		space->name, space->uuid, space->epoch,
		(long long)atomic64_read(&space->map.remote));
	smemv_event_send(space->ns->net, &(struct smemv_event_msg){
		.type = SMEMV_EV_VM_ADOPTED, .space = space->name,
		.page = SMEMV_NO_PAGE,
		.count = atomic64_read(&space->map.remote),
	});
}

/* Of an adopted space these are its own, empty, ones; else what is only claimed stays. */
void smemv_adopt_end(struct smemv_adoption *a)
{
	u32 i;

	for (i = 0; i < SMEMV_MAX_SETS; i++)
		smemv_reconcile_free(&a->reconcile[i]);
	for (i = 0; a->bind && i < SMEMV_MAX_SETS; i++)
		if (a->bind[i].server)
			smemv_server_unbind(&a->bind[i], a->installed);
	kfree(a->bind);
	smemv_map_free_runs(&a->runs);
}
