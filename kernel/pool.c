// SPDX-License-Identifier: GPL-2.0-only
#include <linux/hash.h>
#include <linux/siphash.h>
#include <linux/slab.h>
#include <net/sock.h>

#include "bind.h"
#include "conn.h"
#include "event.h"
#include "pool.h"
#include "undropped.h"

#define LANES_DEFAULT_MAX	4
/* One that was full is not told of again before so much of it, its 32nd part, was free. */
#define FULL_AGAIN		32

static struct smemv_server *find_on(const struct list_head *servers,
				    const char *name)
{
	struct smemv_server *server;

	list_for_each_entry(server, servers, link)
		if (!strcmp(server->name, name))
			return server;
	return NULL;
}

struct smemv_server *smemv_server_find(struct smemv_ns *ns, const char *name)
{
	lockdep_assert_held(&ns->lock);
	return find_on(&ns->servers, name);
}

static void stop_lanes(struct smemv_server *server)
{
	u32 i;

	for (i = 0; i < server->nr_lanes; i++)
		if (server->lane[i])
			smemv_lane_stop(server->lane[i]);
}

static void free_lanes(struct smemv_server *server)
{
	u32 i;

	for (i = 0; i < server->nr_lanes; i++)
		if (server->lane[i])
			smemv_lane_free(server->lane[i]);
	kfree(server->lane);
}

static int alloc_lanes(struct smemv_server *server, u32 n)
{
	u32 i;

	server->lane = kcalloc(n, sizeof(*server->lane), GFP_KERNEL);
	if (!server->lane)
		return -ENOMEM;
	server->nr_lanes = n;
	for (i = 0; i < n; i++) {
		server->lane[i] = smemv_lane_alloc(server, i);
		if (!server->lane[i])
			return -ENOMEM;
	}
	return 0;
}

/*
 * That sockets may use reserves of memory is a branch in the kernel's code. sk_set_memalloc() has
 * it changed for the first socket, and sk_clear_memalloc() for the last, and the latter must not
 * be called for one on which something may arrive. Who changes code waits for whoever else does,
 * and for processors that come or go: not for a lane, which reclaim may wait for.
 */
static void hold_reserves(void)
{
	static_branch_inc(&memalloc_socks_key);
}

static void let_go_of_reserves(void)
{
	static_branch_dec(&memalloc_socks_key);
}

static void server_free(struct smemv_server *server)
{
	WRITE_ONCE(server->stopping, true);
	stop_lanes(server);
	/* Lanes queue it, and it sends on lanes. */
	cancel_delayed_work_sync(&server->reopen);
	free_lanes(server);
	WARN_ON_ONCE(atomic64_read(&server->booked));
	let_go_of_reserves();
	smemv_undropped_free(server);
	free_percpu(server->stats);
	ida_destroy(&server->handles);
	kfree(server);
}

/*
 * Rule 2 fences connections of the same client, so an address that is deleted and added again
 * has to meet the same client there: what its old connections still have on their way is not
 * applied after what the new ones send.
 */
static void client_id_for(struct smemv_server *server)
{
	u64 of_address = siphash(&server->addr, server->addr_len,
				 &server->ns->client_key);

	memcpy(server->client_id, &server->ns->client, 8);
	memcpy(server->client_id + 8, &of_address, 8);
}

static struct smemv_server *
server_alloc(struct smemv_ns *ns, const struct smemv_server_config *config)
{
	struct smemv_server *server = kzalloc(sizeof(*server), GFP_KERNEL);
	u32 lanes = config->lanes ?: min(num_online_cpus(), LANES_DEFAULT_MAX + 0u);

	if (!server)
		return NULL;
	hold_reserves();
	server->ns = ns;
	strscpy(server->name, config->name, sizeof(server->name));
	memcpy(&server->addr, config->addr, config->addr_len);
	server->addr_len = config->addr_len;
	server->timeout_ms = config->timeout_ms ?: SMEMV_TIMEOUT_DEFAULT_MS;
	server->limit_pages = config->limit_pages;
	client_id_for(server);
	mutex_init(&server->bind_lock);
	INIT_LIST_HEAD(&server->binds);
	INIT_LIST_HEAD(&server->undropped);
	INIT_DELAYED_WORK(&server->reopen, smemv_bind_reopen_work);
	ida_init(&server->handles);
	server->stats = alloc_percpu(struct smemv_server_stats);
	if (!server->stats || alloc_lanes(server, lanes)) {
		server_free(server);
		return NULL;
	}
	return server;
}

/* A silent host takes its timeout to be given up; nobody has to wait for that. */
static int connect_unlocked(struct smemv_server *server, const char **why)
{
	struct smemv_ns *ns = server->ns;
	int err = 0;
	u32 i;

	list_add_tail(&server->link, &ns->adding);
	mutex_unlock(&ns->lock);
	for (i = 0; i < server->nr_lanes && !err; i++)
		err = smemv_lane_connect(server->lane[i], why);
	mutex_lock(&ns->lock);
	list_del(&server->link);
	return err;
}

static bool is_address_in(const struct list_head *servers,
			  const struct smemv_server_config *config)
{
	const struct smemv_server *server;

	list_for_each_entry(server, servers, link)
		if (server->addr_len == config->addr_len &&
		    !memcmp(&server->addr, config->addr, config->addr_len))
			return true;
	return false;
}

/* By two names it would be two servers to the map, each with what only the other may have. */
static bool is_there_already(const struct smemv_server *server)
{
	const struct smemv_server *other;

	lockdep_assert_held(&server->ns->lock);
	list_for_each_entry(other, &server->ns->servers, link)
		if (!memcmp(other->server_id, server->server_id,
			    sizeof(server->server_id)))
			return true;
	return false;
}

struct smemv_server *smemv_server_add(struct smemv_ns *ns,
				      const struct smemv_server_config *config,
				      const char **why)
{
	struct smemv_server *server;
	int err;
	u32 i;

	lockdep_assert_held(&ns->lock);
	if (smemv_server_find(ns, config->name)) {
		*why = "a server of this name exists already";
		return ERR_PTR(-EEXIST);
	}
	if (find_on(&ns->adding, config->name)) {
		*why = "a server of this name is being added";
		return ERR_PTR(-EEXIST);
	}
	/* Not even tried: it would fence the connections that are in use. */
	if (is_address_in(&ns->servers, config)) {
		*why = "this host uses that memory server already, by another name";
		return ERR_PTR(-EEXIST);
	}
	if (is_address_in(&ns->adding, config)) {
		*why = "a server with this address is being added";
		return ERR_PTR(-EEXIST);
	}
	server = server_alloc(ns, config);
	if (!server) {
		*why = "out of memory";
		return ERR_PTR(-ENOMEM);
	}
	err = connect_unlocked(server, why);
	if (!err && is_there_already(server)) {
		*why = "this host uses that memory server already, by another name";
		err = -EEXIST;
	}
	if (err) {
		server_free(server);
		return ERR_PTR(err);
	}
	for (i = 0; i < server->nr_lanes; i++)
		smemv_lane_start(server->lane[i]);
	list_add_tail(&server->link, &ns->servers);
	smemv_event_send(ns->net, &(struct smemv_event_msg){
		.type = SMEMV_EV_SERVER_ADDED, .server = server->name,
		.page = SMEMV_NO_PAGE,
	});
	return server;
}

int smemv_server_del(struct smemv_server *server, const char **why)
{
	lockdep_assert_held(&server->ns->lock);
	if (!list_empty(&server->binds)) {
		*why = atomic64_read(&server->pages) ?
			"it holds pages of a swap disk or memory file; drain it first (smemv server drain), or delete what uses it" :
			"a swap disk or memory file uses it; drain it first (smemv server drain), or delete what uses it";
		return -EBUSY;
	}
	list_del(&server->link);
	server->ns->removals++;
	smemv_event_send(server->ns->net, &(struct smemv_event_msg){
		.type = SMEMV_EV_SERVER_DELETED, .server = server->name,
		.page = SMEMV_NO_PAGE,
	});
	server_free(server);
	return 0;
}

struct smemv_lane *smemv_server_lane(struct smemv_server *server, u64 run)
{
	return server->lane[hash_64(run, 32) % server->nr_lanes];
}

static u64 left_of_limit(const struct smemv_server *server, u64 booked)
{
	if (!server->limit_pages)
		return U64_MAX;
	return server->limit_pages > booked ? server->limit_pages - booked : 0;
}

u64 smemv_server_room(const struct smemv_server *server)
{
	if (READ_ONCE(server->draining))
		return 0;
	return min(READ_ONCE(server->free_pages),
		   left_of_limit(server, atomic64_read(&server->booked)));
}

u32 smemv_server_book(struct smemv_server *server, u32 nr)
{
	s64 booked = atomic64_read(&server->booked);
	u32 n;

	do {
		n = min_t(u64, nr, left_of_limit(server, booked));
	} while (n && !atomic64_try_cmpxchg(&server->booked, &booked, booked + n));
	return n;
}

void smemv_server_unbook(struct smemv_server *server, u32 nr)
{
	if (nr)
		WARN_ON_ONCE(atomic64_sub_return(nr, &server->booked) < 0);
}

void smemv_server_note_full(struct smemv_server *server)
{
	if (READ_ONCE(server->draining) || xchg(&server->full, true))
		return;
	smemv_event_send(server->ns->net, &(struct smemv_event_msg){
		.type = SMEMV_EV_SERVER_FULL, .server = server->name,
		.page = SMEMV_NO_PAGE,
	});
}

u64 smemv_server_take_room(struct smemv_server *server)
{
	u64 room = smemv_server_room(server);
	u64 most = min(server->capacity_pages, left_of_limit(server, 0));

	if (!room)
		smemv_server_note_full(server);
	else if (READ_ONCE(server->full) && room > most / FULL_AGAIN)
		WRITE_ONCE(server->full, false);
	return room;
}

enum smemv_server_state smemv_server_state(const struct smemv_server *server)
{
	u32 up = atomic_read(&server->up);

	if (!up)
		return SMEMV_SERVER_DOWN;
	if (up < server->nr_lanes)
		return SMEMV_SERVER_CONNECTING;
	if (READ_ONCE(server->draining))
		return SMEMV_SERVER_DRAINING;
	return smemv_server_room(server) ? SMEMV_SERVER_UP : SMEMV_SERVER_FULL;
}

u32 smemv_server_inflight(struct smemv_server *server)
{
	u32 i, n = 0;

	for (i = 0; i < server->nr_lanes; i++)
		n += READ_ONCE(server->lane[i]->inflight.used);
	return n;
}
