// SPDX-License-Identifier: GPL-2.0-only
/*
 * A space that ends while a server cannot be reached leaves its pages there. They are
 * dropped as soon as the server is connected to again. Until then another host may have
 * become the owner of the space, where it was told of that: so it is opened first, in its
 * own epoch, which that server refuses then, and never made anew.
 */
#include <linux/slab.h>

#include "handshake.h"
#include "lane.h"
#include "undropped.h"

#define UNDROPPED_MAX	32	/* of a server; each keeps a handle */
#define TRIES		8

/**
 * struct undropped - a space that a server is to drop
 * @link: on server->undropped
 * @bind: what it was to the server
 * @gone: the server does not know it any more, or it is somebody else's
 * @tries: connections on which that was tried
 */
struct undropped {
	struct list_head link;
	struct smemv_bind bind;
	bool gone;
	u32 tries;
};

static void note_gone(struct smemv_bind *bind)
{
	container_of(bind, struct undropped, bind)->gone = true;
}

bool smemv_undropped_add(struct smemv_server *server,
			 const struct smemv_bind *bind)
{
	struct undropped *u;

	lockdep_assert_held(&server->bind_lock);
	if (server->nr_undropped == UNDROPPED_MAX)
		return false;
	/* Connecting takes the lock, and reclaim may wait for that. */
	u = kzalloc(sizeof(*u), GFP_NOWAIT | __GFP_NOWARN);
	if (!u)
		return false;
	u->bind.server = server;
	u->bind.handle = bind->handle;
	memcpy(u->bind.uuid, bind->uuid, sizeof(u->bind.uuid));
	u->bind.size_pages = bind->size_pages;
	u->bind.epoch = bind->epoch;
	u->bind.standing = bind->standing;
	u->bind.fenced_out = note_gone;
	list_add_tail(&u->link, &server->undropped);
	server->nr_undropped++;
	pr_notice("server %s: cannot be told now to drop space %pUb: it will be when it is reached again\n",
		  server->name, bind->uuid);
	return true;
}

static void remove(struct smemv_server *server, struct undropped *u)
{
	list_del(&u->link);
	server->nr_undropped--;
	ida_free(&server->handles, u->bind.handle);
	kfree(u);
}

void smemv_undropped_cancel(struct smemv_server *server, const u8 *uuid)
{
	struct undropped *u, *next;

	lockdep_assert_held(&server->bind_lock);
	list_for_each_entry_safe(u, next, &server->undropped, link)
		if (!memcmp(u->bind.uuid, uuid, sizeof(u->bind.uuid)))
			remove(server, u);
}

/* 0, -EBUSY: it was refused and the connection is well, or another errno. */
static int drop(struct smemv_lane *lane, struct socket *sock,
		struct undropped *u, const char **why)
{
	int err;

	u->bind.refused = 0;
	err = smemv_handshake_open(lane, sock, &u->bind, why);
	if (err || u->gone)
		return err;
	if (u->bind.refused)
		return -EBUSY;
	return smemv_handshake_drop(sock, &u->bind, why);
}

static void never_told(const struct smemv_server *server,
		    const struct undropped *u)
{
	pr_warn("server %s: was never told to drop space %pUb; drop it there with smemv-memserver drop\n",
		server->name, u->bind.uuid);
}

int smemv_undropped_settle(struct smemv_lane *lane, struct socket *sock,
			   const char **why)
{
	struct smemv_server *server = lane->server;
	struct undropped *u, *next;

	lockdep_assert_held(&server->bind_lock);
	list_for_each_entry_safe(u, next, &server->undropped, link) {
		int err = drop(lane, sock, u, why);

		if (!err || ++u->tries == TRIES) {
			if (err)
				never_told(server, u);
			remove(server, u);
		}
		if (err && err != -EBUSY)
			return err;
	}
	return 0;
}

void smemv_undropped_free(struct smemv_server *server)
{
	struct undropped *u, *next;

	list_for_each_entry_safe(u, next, &server->undropped, link) {
		never_told(server, u);
		remove(server, u);
	}
}
