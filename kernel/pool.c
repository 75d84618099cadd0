// SPDX-License-Identifier: GPL-2.0-only
#include <linux/hash.h>
#include <linux/siphash.h>
#include <linux/slab.h>

#include "conn.h"
#include "event.h"
#include "handshake.h"
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

static void server_free(struct smemv_server *server)
{
	WRITE_ONCE(server->stopping, true);
	if (server->lane)
		free_lanes(server);
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
	smemv_event_send(server->ns->net, &(struct smemv_event_msg){
		.type = SMEMV_EV_SERVER_DELETED, .server = server->name,
		.page = SMEMV_NO_PAGE,
	});
	server_free(server);
	return 0;
}

static int open_on_lane(struct smemv_lane *lane, struct smemv_bind *bind,
			struct smemv_req *req, const char **why)
{
	struct smemv_wire_open_reply reply = {};

	req->opcode = SMEMV_OP_OPEN;
	req->handle = bind->handle;
	req->reply = &reply;
	req->reply_size = sizeof(reply);
	smemv_handshake_open_body((void *)req->frame.body, bind);
	if (smemv_lane_call(lane, req))
		return 0;	/* it will be opened when the lane connects */
	if (req->status == SMEMV_ST_OK) {
		if (le32_to_cpu(reply.flags) & SMEMV_OPENED_F_CREATED)
			smemv_handshake_made_anew(bind);
		else if (!bind->opened)
			bind->kept = true;
		bind->opened = true;
		WRITE_ONCE(bind->refused, false);
	}
	return smemv_handshake_open_error(req->status, why);
}

/*
 * 0, or -ESTALE: the space is not this host's any more; -ENOTCONN: the server could not be
 * told; or another errno.
 */
static int drop_on_lane(struct smemv_lane *lane, struct smemv_bind *bind,
			 struct smemv_req *req)
{
	struct smemv_wire_drop *body = (void *)req->frame.body;

	req->opcode = SMEMV_OP_DROP;
	req->handle = bind->handle;
	req->reply_size = 0;
	memcpy(body->uuid, bind->uuid, 16);
	if (smemv_lane_call(lane, req))
		return -ENOTCONN;
	if (req->status == SMEMV_ST_OK)
		return 0;
	if (req->status != SMEMV_ST_STALE_EPOCH &&
	    req->status != SMEMV_ST_NO_SUCH_SPACE) {
		pr_warn("server %s: refused to drop space %pUb: %s; drop it there with smemv-memserver drop\n",
			lane->server->name, bind->uuid,
			smemv_status_name(req->status));
		return -EREMOTEIO;
	}
	/* Never advise to drop it: its pages are the new owner's. */
	pr_notice("server %s: space %pUb is not this host's any more and was left alone\n",
		  lane->server->name, bind->uuid);
	return -ESTALE;
}

/* The server was added by another name too, before it was known which it is. */
static bool is_kept_by_another_name(const struct smemv_bind *bind)
{
	const struct smemv_server *own = bind->server, *server;
	const struct smemv_bind *other;

	lockdep_assert_held(&own->ns->lock);
	list_for_each_entry(server, &own->ns->servers, link) {
		if (server == own || memcmp(server->server_id, own->server_id,
					    sizeof(own->server_id)))
			continue;
		list_for_each_entry(other, &server->binds, link)
			if (!memcmp(other->uuid, bind->uuid, sizeof(bind->uuid)))
				return true;
	}
	return false;
}

/* Takes the bind off its server, and frees its handle. 0, or why it was not dropped. */
static int leave(struct smemv_bind *bind, bool drop, struct smemv_req *req)
{
	struct smemv_server *server = bind->server;
	int err = 0;

	lockdep_assert_held(&server->bind_lock);
	if (drop && !is_kept_by_another_name(bind))
		err = drop_on_lane(server->lane[0], bind, req);
	list_del(&bind->link);
	if (err == -ENOTCONN && smemv_undropped_add(server, bind))
		return err;
	if (err == -ENOTCONN)
		pr_warn("server %s: could not be told to drop space %pUb: no connection; drop it there with smemv-memserver drop\n",
			server->name, bind->uuid);
	ida_free(&server->handles, bind->handle);
	return err;
}

static int open_on_all(struct smemv_bind *bind, struct smemv_req *req, u32 *n,
		       const char **why)
{
	struct smemv_server *server = bind->server;
	int err = 0;
	u32 i;

	lockdep_assert_held(&server->bind_lock);
	for (i = 0; i < server->nr_lanes && !err; i++)
		err = open_on_lane(server->lane[i], bind, req, why);
	*n = i;
	return err;
}

/*
 * What the server kept is from before this host let go of it there: no map knows of it. It is
 * dropped, because connections of then that were not made again, as there are fewer now, may still
 * bring requests; rule 2 says nothing of these.
 */
static int open_anew(struct smemv_bind *bind, struct smemv_req *req, u32 *tried,
		     const char **why)
{
	if (drop_on_lane(bind->server->lane[0], bind, req)) {
		*why = "the server could not be told to drop what it had of it; try again";
		return -EAGAIN;
	}
	return open_on_all(bind, req, tried, why);
}

int smemv_server_bind(struct smemv_server *server, struct smemv_bind *bind,
		      const char **why)
{
	struct smemv_req *req = kzalloc(sizeof(*req), GFP_KERNEL);
	int handle, err;
	u32 tried;

	if (!req) {
		*why = "out of memory";
		return -ENOMEM;
	}
	/* Handle 0 names no space: a server with one handle has room for none. */
	handle = server->max_spaces < 2 ? -ENOSPC :
		 ida_alloc_range(&server->handles, 1, server->max_spaces - 1,
				 GFP_KERNEL);
	if (handle < 0) {
		*why = "the server has as many spaces of this host as it allows";
		kfree(req);
		return handle;
	}
	bind->server = server;
	bind->handle = handle;
	memcpy(bind->server_id, server->server_id, sizeof(bind->server_id));
	bind->settled = bind->emptied;
	bind->refused = false;
	bind->opened = false;
	bind->kept = false;

	mutex_lock(&server->bind_lock);
	smemv_undropped_cancel(server, bind->uuid);
	list_add_tail(&bind->link, &server->binds);
	err = open_on_all(bind, req, &tried, why);
	if (!err && bind->kept && bind->may_create && !is_kept_by_another_name(bind))
		err = open_anew(bind, req, &tried, why);
	if (err) {
		/* The first lane had it made; on others it can be refused. */
		leave(bind, tried > 1 && bind->standing == SMEMV_STANDING_ACTIVE,
		      req);
	}
	mutex_unlock(&server->bind_lock);
	kfree(req);
	return err;
}

int smemv_server_reopen(struct smemv_bind *bind, u64 epoch, const char **why)
{
	struct smemv_server *server = bind->server;
	struct smemv_req *req = kzalloc(sizeof(*req), GFP_KERNEL);
	u32 tried;
	int err;

	if (!req) {
		*why = "out of memory";
		return -ENOMEM;
	}
	mutex_lock(&server->bind_lock);
	bind->epoch = epoch;
	WRITE_ONCE(bind->standing, SMEMV_STANDING_CLAIMED);
	err = open_on_all(bind, req, &tried, why);
	mutex_unlock(&server->bind_lock);
	kfree(req);
	return err;
}

int smemv_server_unbind(struct smemv_bind *bind, bool drop)
{
	struct smemv_server *server = bind->server;
	struct smemv_req *req = kzalloc(sizeof(*req), GFP_KERNEL | __GFP_NOFAIL);
	int err;

	mutex_lock(&server->bind_lock);
	err = leave(bind, drop, req);
	mutex_unlock(&server->bind_lock);
	kfree(req);
	return err;
}

struct smemv_lane *smemv_server_lane(struct smemv_server *server, u64 run)
{
	return server->lane[hash_64(run, 32) % server->nr_lanes];
}

u64 smemv_server_room(const struct smemv_server *server)
{
	u64 room = READ_ONCE(server->free_pages);
	u64 used = atomic64_read(&server->pages);

	if (READ_ONCE(server->draining))
		return 0;
	if (!server->limit_pages)
		return room;
	if (used >= server->limit_pages)
		return 0;
	return min(room, server->limit_pages - used);
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

	if (!room)
		smemv_server_note_full(server);
	else if (READ_ONCE(server->full) && room > server->capacity_pages / FULL_AGAIN)
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
