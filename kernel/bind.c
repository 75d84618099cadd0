// SPDX-License-Identifier: GPL-2.0-only
/*
 * A space at a server, on the connections that are there: it is opened, opened in another
 * epoch, and ended. A connection that is made later opens it by itself (conn.c).
 *
 *   in use    the server opened it
 *   refused   it did not, on a later connection: pages of that lane wait for it (or end with an
 *             error, as the policy says), other spaces have the connection; it is asked again
 *   fenced    it is somebody else's now, or was dropped there
 */
#include <linux/slab.h>

#include "bind.h"
#include "conn.h"
#include "handshake.h"
#include "lane.h"
#include "undropped.h"

static int open_on_lane(struct smemv_lane *lane, struct smemv_bind *bind,
			struct smemv_req *req, const char **why)
{
	struct smemv_wire_open_reply reply = {};
	struct smemv_had had = smemv_handshake_had(bind);

	if (!smemv_handshake_can_open(bind, why))
		return -EOPNOTSUPP;
	req->opcode = SMEMV_OP_OPEN;
	req->handle = bind->handle;
	req->reply = &reply;
	req->reply_size = sizeof(reply);
	smemv_handshake_open_body((void *)req->frame.body, bind);
	if (smemv_lane_call(lane, req))
		return 0;	/* it will be opened when the lane connects */
	if (req->status == SMEMV_ST_OK) {
		smemv_handshake_compare(bind, &reply, &had);
		if (!bind->opened)
			bind->kept = !(le32_to_cpu(reply.flags) &
				       SMEMV_OPENED_F_CREATED);
		bind->opened = true;
		WRITE_ONCE(bind->refused, bind->refused & ~BIT_ULL(lane->nr));
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
	return smemv_handshake_drop_error(bind, req->status);
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

/* A lane on which it is open, or NULL: on another the server says that it knows no such handle. */
static struct smemv_lane *lane_with(const struct smemv_bind *bind)
{
	const struct smemv_server *server = bind->server;
	u32 i;

	for (i = 0; i < server->nr_lanes; i++)
		if (smemv_lane_is_up(server->lane[i]) &&
		    !smemv_bind_is_refused(bind, server->lane[i]))
			return server->lane[i];
	return NULL;
}

static int drop_anywhere(struct smemv_bind *bind, struct smemv_req *req)
{
	struct smemv_lane *lane = lane_with(bind);

	return lane ? drop_on_lane(lane, bind, req) : -ENOTCONN;
}

/* Takes the bind off its server, and frees its handle. 0, or why it was not dropped. */
static int leave(struct smemv_bind *bind, bool drop, struct smemv_req *req)
{
	struct smemv_server *server = bind->server;
	int err = 0;

	lockdep_assert_held(&server->bind_lock);
	if (drop && !is_kept_by_another_name(bind))
		err = drop_anywhere(bind, req);
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

/* On the lanes that were refused only: where it is open, requests may be under way. */
static void open_again(struct smemv_bind *bind, struct smemv_req *req)
{
	struct smemv_server *server = bind->server;
	const char *why = "";
	u32 i;

	for (i = 0; i < server->nr_lanes; i++) {
		struct smemv_lane *lane = server->lane[i];
		int err;

		if (!smemv_bind_is_refused(bind, lane))
			continue;
		err = open_on_lane(lane, bind, req, &why);
		if (err) {
			smemv_handshake_refused(lane, bind, err, why);
			return;
		}
	}
	bind->lane_up(bind);
}

void smemv_bind_reopen_work(struct work_struct *work)
{
	struct smemv_server *server = container_of(to_delayed_work(work),
						   struct smemv_server, reopen);
	/* Pages may wait for the space, and reclaim for them. */
	struct smemv_req *req = kzalloc(sizeof(*req), GFP_NOWAIT | __GFP_NOWARN);
	struct smemv_bind *bind;

	if (!req) {
		queue_delayed_work(smemv_wq, &server->reopen, HZ);
		return;
	}
	mutex_lock(&server->bind_lock);
	list_for_each_entry(bind, &server->binds, link)
		if (READ_ONCE(bind->refused))
			open_again(bind, req);
	mutex_unlock(&server->bind_lock);
	kfree(req);
}

/*
 * What the server kept is from before this host let go of it there: no map knows of it. It is
 * dropped, because connections of then that were not made again, as there are fewer now, may still
 * bring requests; rule 2 says nothing of these.
 */
static int open_anew(struct smemv_bind *bind, struct smemv_req *req, u32 *tried,
		     const char **why)
{
	if (drop_anywhere(bind, req)) {
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
	bind->refused = 0;
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
