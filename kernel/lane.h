/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A memory server as the module sees it, and its lanes: the TCP connections to
 * it. Each run of a space has one lane, so that all operations on a page keep
 * their order (rule 1).
 *
 * Locks, outermost first (see docs/locking.md):
 *   lane->connect_lock > server->bind_lock > lane->xmit_lock > socket lock
 *   > sk_callback_lock > lane->lock
 */
#ifndef SMEMV_LANE_H
#define SMEMV_LANE_H

#include <linux/bvec.h>
#include <linux/idr.h>
#include <linux/mutex.h>
#include <linux/net.h>
#include <linux/socket.h>
#include <linux/workqueue.h>

#include "inflight.h"
#include "ns.h"
#include "stats.h"

#define SMEMV_LANE_INFLIGHT	1024u	/* requests open on one lane, at most */

enum smemv_lane_state {
	SMEMV_LANE_DOWN,	/* no connection; requests are refused */
	SMEMV_LANE_UP,		/* fenced: HELLO and all OPENs were answered */
	SMEMV_LANE_BROKEN,	/* a reason to end it was seen; work is queued */
};

enum smemv_rx_state {
	SMEMV_RX_HDR,
	SMEMV_RX_META,
	SMEMV_RX_DATA,
};

/**
 * struct smemv_rx - the frame being received; touched only under the socket lock
 * @state: what comes next
 * @have: bytes of the present part that arrived
 * @hdr: header as received
 * @f: header decoded
 * @req: the request that it answers
 * @desc: descriptor whose page is being received
 * @crc: of the page so far
 * @meta: SMEMV_REQ_META bytes
 */
struct smemv_rx {
	enum smemv_rx_state state;
	u32 have;
	struct smemv_wire_hdr hdr;
	struct smemv_frame f;
	struct smemv_req *req;
	u32 desc;
	u32 crc;
	u8 meta[SMEMV_REQ_META];
};

/**
 * struct smemv_lane - one connection to a server
 * @server: whose
 * @nr: number among the server's lanes
 * @lock: protects @state, @why, @sendq, @sent, @inflight; taken in softirq
 * @state: enum smemv_lane_state
 * @why: static text: why the connection ended last, or could not be made
 * @sendq: requests to be sent, oldest first
 * @sent: requests that wait for a reply, oldest first
 * @inflight: the same by tag
 * @xmit_lock: who holds it sends; protects @tx_*
 * @tx_req: partly sent request, or NULL
 * @tx_off: its bytes that TCP took
 * @tx_len: its length
 * @tx_vec: the frame of @tx_req
 * @tx_nr: its elements
 * @xmit_work: sends what a submitter could not
 * @senders: submitters that may still touch this
 * @rx: see there
 * @page_crc: pages on this connection carry their CRC32C
 * @server_id: which run of the server it leads to
 * @sock: while not DOWN; changed only under @connect_lock
 * @connect_lock: serialises connecting, ending and the periodic check
 * @work: connects, ends, checks deadlines and keeps alive
 * @generation: of the present or last connection (rule 2)
 * @backoff_ms: wait before the next attempt
 * @last_rx: jiffies when bytes arrived
 * @last_ack: snd_una when progress was last seen, and
 * @last_progress: jiffies of that
 * @keepalive: STAT request, sent when idle
 * @keepalive_busy: it is in flight
 */
struct smemv_lane {
	struct smemv_server *server;
	u32 nr;

	spinlock_t lock;
	enum smemv_lane_state state;
	const char *why;
	struct list_head sendq;
	struct list_head sent;
	struct smemv_inflight inflight;

	struct mutex xmit_lock;
	struct smemv_req *tx_req;
	u32 tx_off;
	u32 tx_len;
	u32 tx_nr;
	struct bio_vec tx_vec[1 + SMEMV_REQ_DESCS];
	struct work_struct xmit_work;
	atomic_t senders;

	struct smemv_rx rx;
	bool page_crc;
	u8 server_id[16];

	struct socket *sock;
	struct mutex connect_lock;
	struct delayed_work work;
	u64 generation;
	u32 backoff_ms;
	unsigned long last_rx;
	unsigned long last_progress;
	u32 last_ack;
	struct smemv_req keepalive;
	bool keepalive_busy;

	void (*old_data_ready)(struct sock *sk);
	void (*old_write_space)(struct sock *sk);
	void (*old_state_change)(struct sock *sk);
	gfp_t old_allocation;
};

/* What a server knows, or is to be told, of a space's epoch (rule 6). */
enum smemv_standing {
	SMEMV_STANDING_ACTIVE,	/* it is active */
	SMEMV_STANDING_CLAIMED,	/* it is claimed, and not active */
	SMEMV_STANDING_UNTOLD,	/* it is active, and the server has to be told so */
};

/**
 * struct smemv_bind - a space that uses a server
 * @link: on server->binds
 * @server: the server
 * @handle: of the space on all lanes of the server
 * @uuid: of the space
 * @size_pages: of the space
 * @epoch: of the space
 * @standing: enum smemv_standing of @epoch there
 * @may_create: the server may make the space when it has none; not for one that
 *		only claimed it: the owner may have dropped it
 * @made_anew: the server had lost the space and made it again since this was
 *	       last reset
 * @opened: a lane that was up had it opened, and
 * @kept: the first of them found the space there
 * @created: so often did the server say that it made the space
 * @emptied: so often did that happen while the map had pages there, and
 * @settled: with so many of these the map knows what is left of them
 * @leaving: no page is placed there any more
 * @refused: lanes, a bit each, on which the server would not open it: it cannot be used there until
 *	     it does (@reopen of the server); changed under its bind_lock
 * @server_id: the server's run of which the map knows what it holds of the space
 * @pages: pages of the space that the location map attributes to the server
 * @taking: of these, so many the server was told to take out, in all, and
 * @taken: so many of them are not attributed to it any more
 * @lane_up: a lane is fenced and ready; called without locks, may not sleep
 * @fenced_out: the server knows a newer owner; any context
 * @priv: the space
 */
struct smemv_bind {
	struct list_head link;
	struct smemv_server *server;
	u32 handle;
	u8 uuid[16];
	u64 size_pages;
	u64 epoch;
	enum smemv_standing standing;
	bool may_create;
	bool made_anew;
	bool leaving;
	bool opened;
	bool kept;
	u64 refused;
	u32 created;
	u32 emptied;
	u32 settled;
	u8 server_id[16];
	atomic64_t pages;
	atomic64_t taking;
	atomic64_t taken;
	void (*lane_up)(struct smemv_bind *bind);
	void (*fenced_out)(struct smemv_bind *bind);
	void *priv;
};

/**
 * struct smemv_server - one memory server
 * @link: on ns->servers
 * @ns: the namespace that it belongs to
 * @name: given by the user
 * @addr: address and port
 * @addr_len: length of @addr
 * @timeout_ms: a connection on which an answer is due this long is dead
 * @limit_pages: use no more than this, 0: no limit
 * @client_id: of this host at this address: all lanes, and all that were added before
 * @stopping: being deleted: no new connections
 * @up: lanes that are UP
 * @bind_lock: protects @binds, and makes "all spaces are open" and "the lane
 *	       is UP" one step
 * @binds: struct smemv_bind.link
 * @undropped: spaces that it could not be told to drop (undropped.c); under @bind_lock
 * @nr_undropped: of them
 * @reopen: asks for the spaces again that it would not open
 * @handles: handles in use
 * @server_id: of the server's present run
 * @known: @server_id is valid
 * @capacity_pages: that it said
 * @free_pages: that it said last
 * @max_inflight: requests open on one lane, as negotiated
 * @max_spaces: handles must be below this
 * @max_pages: descriptors in one frame
 * @can_push: it can push pages to other servers, and be pushed to
 * @can_claim: it knows of owners that claim a space
 * @full: people were told that it has no room, and it has hardly had any since
 * @draining: its pages are moved away; new ones are placed elsewhere
 * @drains: spaces whose pages are being moved away just now
 * @drain_why: static text: why pages stayed when the last of them ended, or NULL
 * @pages: pages that location maps attribute to it
 * @booked: these, and those that it was asked to take as well and has not answered for: what
 *	    @limit_pages is kept by. Never less than @pages
 * @stats: counters
 * @nr_lanes: connections
 * @lane: the connections
 */
struct smemv_server {
	struct list_head link;
	struct smemv_ns *ns;
	char name[SMEMV_NAME_LEN];
	struct sockaddr_storage addr;
	int addr_len;
	u32 timeout_ms;
	u64 limit_pages;
	u8 client_id[16];
	bool stopping;
	atomic_t up;
	struct mutex bind_lock;
	struct list_head binds;
	struct list_head undropped;
	u32 nr_undropped;
	struct delayed_work reopen;
	struct ida handles;
	u8 server_id[16];
	bool known;
	u64 capacity_pages;
	u64 free_pages;
	u32 max_inflight;
	u32 max_spaces;
	u32 max_pages;
	bool can_push;
	bool can_claim;
	bool full;
	bool draining;
	atomic_t drains;
	const char *drain_why;
	atomic64_t pages;
	atomic64_t booked;
	struct smemv_server_stats __percpu *stats;
	u32 nr_lanes;
	struct smemv_lane **lane;
};

#define smemv_lane_net(lane)	((lane)->server->ns->net)

static inline bool smemv_lane_is_up(const struct smemv_lane *lane)
{
	return READ_ONCE(lane->state) == SMEMV_LANE_UP;
}

/* One that is up, or NULL: the server cannot be reached. */
static inline struct smemv_lane *smemv_server_any_lane(const struct smemv_server *server)
{
	u32 i;

	for (i = 0; i < server->nr_lanes; i++)
		if (smemv_lane_is_up(server->lane[i]))
			return server->lane[i];
	return NULL;
}

/* The server would not open the space on the lane, so far. */
static inline bool smemv_bind_is_refused(const struct smemv_bind *bind,
					 const struct smemv_lane *lane)
{
	return READ_ONCE(bind->refused) & BIT_ULL(lane->nr);
}

/*
 * A reason to end the connection was seen: refuse new requests and let the
 * lane's work end it. Any context; @why is a static text for people.
 */
void smemv_lane_break(struct smemv_lane *lane, const char *why);

/* The same, of a server that breaks the protocol: that is counted. */
void smemv_lane_blame(struct smemv_lane *lane, const char *why);

/*
 * Who waits for whom: who has ns->lock (files that end: smemv_destroy_wq) waits for what waits for
 * answers of servers (smemv_wq; drains, which take long), that ends by a deadline or goes on with a
 * connection (smemv_lane_wq), and that by what is sent on others (smemv_xmit_wq). None of them may
 * stand behind those who wait for it: when no worker can be had, all that is queued stands in one
 * line, behind the queue's rescuer.
 */
extern struct workqueue_struct *smemv_wq;
extern struct workqueue_struct *smemv_destroy_wq;
extern struct workqueue_struct *smemv_drain_wq;
extern struct workqueue_struct *smemv_lane_wq;
extern struct workqueue_struct *smemv_xmit_wq;

#endif
