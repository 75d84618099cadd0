// SPDX-License-Identifier: GPL-2.0-only
/*
 * A lane's connection. Only the code in this file makes or releases a socket,
 * and only under lane->connect_lock, never where reclaim may wait.
 *
 * States: DOWN -> (socket, HELLO, OPENs) -> UP -> (a reason) -> BROKEN -> DOWN.
 * Requests exist only while UP or BROKEN; going DOWN ends all of them with
 * -ENOTCONN, after nothing can touch them any more. Rule 2: a request is
 * accepted again only when the next HELLO was answered.
 */
#include <linux/sched/mm.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "compat/net.h"
#include "conn.h"
#include "event.h"
#include "handshake.h"
#include "lane.h"
#include "recv.h"
#include "trace.h"
#include "undropped.h"
#include "xmit.h"

#define BACKOFF_MIN_MS	100
#define BACKOFF_MAX_MS	5000
#define BIND_LOCK_WAIT	HZ
#define LOOK_AGAIN	max(HZ / 200, 1)
#define KEEPALIVE_MAX	(15UL * HZ)	/* the protocol wants one each 20 s */

static unsigned long timeout_jiffies(const struct smemv_lane *lane)
{
	return msecs_to_jiffies(lane->server->timeout_ms);
}

void smemv_lane_break(struct smemv_lane *lane, const char *why)
{
	bool was_up;

	spin_lock_bh(&lane->lock);
	was_up = lane->state == SMEMV_LANE_UP;
	if (was_up) {
		lane->state = SMEMV_LANE_BROKEN;
		lane->why = why;
	}
	spin_unlock_bh(&lane->lock);
	if (was_up)
		mod_delayed_work(smemv_lane_wq, &lane->work, 0);
}

void smemv_lane_blame(struct smemv_lane *lane, const char *why)
{
	smemv_server_count(lane->server, PROTOCOL_ERRORS, 1);
	smemv_lane_break(lane, why);
}

static void data_ready(struct sock *sk)
{
	struct smemv_lane *lane;

	read_lock_bh(&sk->sk_callback_lock);
	lane = sk->sk_user_data;
	if (lane)
		smemv_recv(lane, sk);
	read_unlock_bh(&sk->sk_callback_lock);
}

static void write_space(struct sock *sk)
{
	struct smemv_lane *lane;

	read_lock_bh(&sk->sk_callback_lock);
	lane = sk->sk_user_data;
	if (lane && sk_stream_is_writeable(sk)) {
		clear_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
		queue_work(smemv_xmit_wq, &lane->xmit_work);
	}
	read_unlock_bh(&sk->sk_callback_lock);
}

static void state_change(struct sock *sk)
{
	struct smemv_lane *lane;

	read_lock_bh(&sk->sk_callback_lock);
	lane = sk->sk_user_data;
	if (lane && sk->sk_state != TCP_ESTABLISHED)
		smemv_lane_break(lane, "the server closed the connection");
	read_unlock_bh(&sk->sk_callback_lock);
}

static void take_callbacks(struct smemv_lane *lane)
{
	struct sock *sk = lane->sock->sk;

	write_lock_bh(&sk->sk_callback_lock);
	lane->old_data_ready = sk->sk_data_ready;
	lane->old_write_space = sk->sk_write_space;
	lane->old_state_change = sk->sk_state_change;
	sk->sk_user_data = lane;
	sk->sk_data_ready = data_ready;
	sk->sk_write_space = write_space;
	sk->sk_state_change = state_change;
	write_unlock_bh(&sk->sk_callback_lock);
}

/* After this no callback runs or will run. */
static void give_callbacks_back(struct smemv_lane *lane)
{
	struct sock *sk = lane->sock->sk;

	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_user_data = NULL;
	sk->sk_data_ready = lane->old_data_ready;
	sk->sk_write_space = lane->old_write_space;
	sk->sk_state_change = lane->old_state_change;
	write_unlock_bh(&sk->sk_callback_lock);
}

static int connect_error(int err, const char **why)
{
	switch (err) {
	case -ECONNREFUSED:
		*why = "nothing listens at this address and port; start smemv-memserver there with --listen";
		break;
	case -EINPROGRESS:
	case -EAGAIN:
	case -ETIMEDOUT:
		*why = "the server did not answer within the timeout; check the address and the network";
		err = -ETIMEDOUT;
		break;
	case -ENETUNREACH:
	case -EHOSTUNREACH:
		*why = "there is no route to this address";
		break;
	case -ENOMEM:
	case -ENOBUFS:
		*why = "this host has too little memory for a connection now; try again";
		break;
	default:
		*why = "the connection could not be made; check the address, the network and both firewalls";
	}
	return err;
}

static struct socket *make_socket(struct smemv_lane *lane, const char **why)
{
	struct smemv_server *server = lane->server;
	struct socket *sock;
	int err;

	err = sock_create_kern(server->ns->net, server->addr.ss_family,
			       SOCK_STREAM, IPPROTO_TCP, &sock);
	if (err) {
		*why = "no socket could be made: too little memory, or this host lacks the address family (IPv4 or IPv6)";
		return ERR_PTR(err);
	}
	sock->sk->sk_allocation = GFP_NOIO | __GFP_MEMALLOC;
	sock->sk->sk_sndtimeo = timeout_jiffies(lane);
	sock->sk->sk_rcvtimeo = timeout_jiffies(lane);
	smemv_compat_no_task_frag(sock->sk);
	/* To its end, as backlogs of it may hold such memory; see hold_reserves(). */
	sock_set_flag(sock->sk, SOCK_MEMALLOC);
	tcp_sock_set_nodelay(sock->sk);
	sock_no_linger(sock->sk);

	err = smemv_compat_connect(sock, &server->addr, server->addr_len);
	if (err) {
		err = connect_error(err, why);
		sock_release(sock);
		return ERR_PTR(err);
	}
	return sock;
}

static void go_up(struct smemv_lane *lane, struct socket *sock)
{
	struct smemv_server *server = lane->server;

	lane->sock = sock;
	lane->last_rx = jiffies;
	lane->last_progress = jiffies;
	lane->backoff_ms = 0;
	smemv_recv_reset(lane);
	/* Before anybody can send, so that no answer comes unnoticed. */
	take_callbacks(lane);
	spin_lock_bh(&lane->lock);
	lane->state = SMEMV_LANE_UP;
	lane->inflight.size = server->max_inflight;
	lane->inflight.next = 0;
	spin_unlock_bh(&lane->lock);
	smemv_server_count(server, CONNECTS, 1);
	trace_smemv_lane(server->name, lane->nr, lane->generation, "up");

	/* What happened before the callbacks were there was not reported. */
	if (sock->sk->sk_state != TCP_ESTABLISHED)
		smemv_lane_break(lane, "the server closed the connection");

	if (atomic_inc_return(&server->up) == server->nr_lanes) {
		pr_info("server %s: connected (%u lanes)\n", server->name,
			server->nr_lanes);
		smemv_event_send(server->ns->net, &(struct smemv_event_msg){
			.type = SMEMV_EV_SERVER_UP, .server = server->name,
			.page = SMEMV_NO_PAGE,
		});
	}
}

/*
 * Its holder may wait for an answer on another lane, which, when it breaks, is ended by a work like
 * this one: behind it, if both stand in one line (lane.h). So not for long.
 */
static bool lock_binds(struct smemv_server *server)
{
	unsigned long deadline = jiffies + BIND_LOCK_WAIT;

	while (!mutex_trylock(&server->bind_lock)) {
		if (time_after(jiffies, deadline))
			return false;
		schedule_timeout_uninterruptible(LOOK_AGAIN);
	}
	return true;
}

/* Opens every space and goes up in one step, so that none is missed. */
static int open_all(struct smemv_lane *lane, struct socket *sock,
		    const char **why)
{
	struct smemv_bind *bind;
	int err = 0;

	if (!lock_binds(lane->server)) {
		*why = "a space is being opened on its other connections";
		return -EBUSY;
	}
	list_for_each_entry(bind, &lane->server->binds, link) {
		err = smemv_handshake_open(lane, sock, bind, why);
		if (err)
			break;
	}
	if (!err && !lane->nr)
		err = smemv_undropped_settle(lane, sock, why);
	if (!err) {
		go_up(lane, sock);
		list_for_each_entry(bind, &lane->server->binds, link)
			if (!smemv_bind_is_refused(bind, lane))
				bind->lane_up(bind);
	}
	mutex_unlock(&lane->server->bind_lock);
	return err;
}

static int connect_locked(struct smemv_lane *lane, const char **why)
{
	unsigned int noreclaim = memalloc_noreclaim_save();
	struct socket *sock = make_socket(lane, why);
	int err = PTR_ERR_OR_ZERO(sock);

	lockdep_assert_held(&lane->connect_lock);
	if (!err) {
		err = smemv_handshake_hello(lane, sock, why);
		if (!err)
			err = open_all(lane, sock, why);
		if (err)
			sock_release(sock);
	}
	memalloc_noreclaim_restore(noreclaim);
	return err;
}

int smemv_lane_connect(struct smemv_lane *lane, const char **why)
{
	int err;

	mutex_lock(&lane->connect_lock);
	err = connect_locked(lane, why);
	mutex_unlock(&lane->connect_lock);
	return err;
}

/* Everything that was queued or sent, once no other code can reach it. */
static void take_requests(struct smemv_lane *lane, struct list_head *list)
{
	struct smemv_req *req;

	mutex_lock(&lane->xmit_lock);
	lane->tx_req = NULL;
	spin_lock_bh(&lane->lock);
	list_for_each_entry(req, &lane->sent, link) {
		req->sending = false;
		if (!req->answered)
			smemv_inflight_remove(&lane->inflight, req);
	}
	list_splice_init(&lane->sent, list);
	list_splice_tail_init(&lane->sendq, list);
	lane->state = SMEMV_LANE_DOWN;
	spin_unlock_bh(&lane->lock);
	mutex_unlock(&lane->xmit_lock);
}

static void end_requests(struct list_head *list)
{
	struct smemv_req *req, *next;

	list_for_each_entry_safe(req, next, list, link) {
		list_del_init(&req->link);
		if (!req->answered)
			req->err = -ENOTCONN;
		req->done(req);
	}
}

static void report_down(struct smemv_lane *lane)
{
	struct smemv_server *server = lane->server;

	atomic_dec(&server->up);
	trace_smemv_lane(server->name, lane->nr, lane->generation, "down");
	if (server->stopping)
		return;
	smemv_server_count(server, DISCONNECTS, 1);
	pr_notice_ratelimited("server %s: connection %u ended: %s\n",
			      server->name, lane->nr, lane->why);
	smemv_event_send(server->ns->net, &(struct smemv_event_msg){
		.type = SMEMV_EV_SERVER_DOWN, .server = server->name,
		.page = SMEMV_NO_PAGE, .text = lane->why,
	});
}

static void go_down(struct smemv_lane *lane)
{
	unsigned int noreclaim = memalloc_noreclaim_save();
	struct socket *sock = lane->sock;
	LIST_HEAD(list);

	lockdep_assert_held(&lane->connect_lock);
	give_callbacks_back(lane);
	take_requests(lane, &list);
	lane->sock = NULL;
	sock_release(sock);	/* with RST: the server drops what it has not read */
	report_down(lane);
	end_requests(&list);
	memalloc_noreclaim_restore(noreclaim);
}

/*
 * Progress is a byte that arrived, or, while the oldest request has not wholly
 * reached the server's host, one that its TCP acknowledged: a slow link is not
 * a dead one, but a server that only its kernel speaks for is.
 */
static void note_progress(struct smemv_lane *lane)
{
	const struct smemv_req *oldest =
		list_first_entry_or_null(&lane->sent, struct smemv_req, link);
	u32 ack = READ_ONCE(tcp_sk(lane->sock->sk)->snd_una);
	unsigned long rx = READ_ONCE(lane->last_rx);

	lockdep_assert_held(&lane->lock);
	if (!oldest)
		lane->last_progress = jiffies;
	else if (time_after(rx, lane->last_progress))
		lane->last_progress = rx;
	else if (ack != lane->last_ack &&
		 (oldest->sending || before(lane->last_ack, oldest->end_seq)))
		lane->last_progress = jiffies;
	lane->last_ack = ack;
}

/* Deadlines are as different as what is asked for, so that it need not be the oldest. */
static bool past_deadline(struct list_head *list)
{
	const struct smemv_req *req;

	list_for_each_entry(req, list, link) {
		/* One that still waits to be sent, and may as long as there is progress. */
		if (req->answer_within && !req->on_wire)
			continue;
		if (time_after(jiffies, req->deadline))
			return true;
	}
	return false;
}

/* Why the connection must end now, or NULL. */
static const char *overdue(struct smemv_lane *lane)
{
	const char *why = NULL;

	spin_lock_bh(&lane->lock);
	note_progress(lane);
	if (time_after(jiffies, lane->last_progress + timeout_jiffies(lane)))
		why = "no answer within the timeout";
	if (past_deadline(&lane->sent) || past_deadline(&lane->sendq))
		why = "a request passed its deadline";
	spin_unlock_bh(&lane->lock);
	if (why)
		smemv_server_count(lane->server, TIMEOUTS, 1);
	return why;
}

static void keepalive_done(struct smemv_req *req)
{
	struct smemv_lane *lane = req->priv;

	WRITE_ONCE(lane->keepalive_busy, false);
}

static void keep_alive(struct smemv_lane *lane)
{
	struct smemv_req *req = &lane->keepalive;
	unsigned long idle = min(timeout_jiffies(lane) / 2, KEEPALIVE_MAX);

	if (READ_ONCE(lane->keepalive_busy) ||
	    time_before(jiffies, READ_ONCE(lane->last_rx) + idle))
		return;
	lane->keepalive_busy = true;
	req->done = keepalive_done;
	req->priv = lane;
	req->opcode = SMEMV_OP_STAT;
	req->answer_within = 2 * timeout_jiffies(lane);
	if (smemv_xmit(lane, req, true))
		lane->keepalive_busy = false;
}

static void reconnect(struct smemv_lane *lane)
{
	const char *why = "";
	int err = connect_locked(lane, &why);

	if (!err)
		return;
	/* That is over soon, and nobody's fault. */
	if (err == -EBUSY) {
		lane->backoff_ms = BACKOFF_MIN_MS;
		return;
	}
	lane->backoff_ms = clamp(lane->backoff_ms * 2, BACKOFF_MIN_MS,
				 BACKOFF_MAX_MS);
	lane->backoff_ms += smemv_compat_random_below(lane->backoff_ms / 4);
	pr_debug("server %s: lane %u: %s (%d), next try in %u ms\n",
		 lane->server->name, lane->nr, why, err, lane->backoff_ms);
	/* Once for each reason: people have to know why it stays down. */
	if (why != lane->why)
		pr_notice_ratelimited("server %s: connection %u cannot be made again: %s\n",
				      lane->server->name, lane->nr, why);
	lane->why = why;
}

static void lane_work(struct work_struct *work)
{
	struct smemv_lane *lane = container_of(to_delayed_work(work),
					       struct smemv_lane, work);
	unsigned long next;
	const char *why;

	mutex_lock(&lane->connect_lock);
	if (READ_ONCE(lane->server->stopping))
		goto out;
	if (lane->sock) {
		why = overdue(lane);
		if (why)
			smemv_lane_break(lane, why);
		if (READ_ONCE(lane->state) == SMEMV_LANE_BROKEN)
			go_down(lane);
	}
	if (!lane->sock)
		reconnect(lane);
	if (lane->sock) {
		keep_alive(lane);
		next = clamp(timeout_jiffies(lane) / 8, 1UL, HZ / 4UL);
	} else {
		next = msecs_to_jiffies(lane->backoff_ms);
	}
	queue_delayed_work(smemv_lane_wq, &lane->work, next);
out:
	mutex_unlock(&lane->connect_lock);
}

static void call_done(struct smemv_req *req)
{
	complete(req->priv);
}

int smemv_lane_call(struct smemv_lane *lane, struct smemv_req *req)
{
	DECLARE_COMPLETION_ONSTACK(done);
	int err;

	req->done = call_done;
	req->priv = &done;
	req->answer_within = 2 * timeout_jiffies(lane);
	err = smemv_xmit(lane, req, true);
	if (err)
		return err;
	wait_for_completion(&done);
	return req->err;
}

struct smemv_lane *smemv_lane_alloc(struct smemv_server *server, u32 nr)
{
	struct smemv_lane *lane = kzalloc(sizeof(*lane), GFP_KERNEL);

	if (!lane)
		return NULL;
	if (smemv_inflight_init(&lane->inflight, SMEMV_LANE_INFLIGHT)) {
		kfree(lane);
		return NULL;
	}
	lane->server = server;
	lane->nr = nr;
	spin_lock_init(&lane->lock);
	INIT_LIST_HEAD(&lane->sendq);
	INIT_LIST_HEAD(&lane->sent);
	mutex_init(&lane->xmit_lock);
	mutex_init(&lane->connect_lock);
	INIT_WORK(&lane->xmit_work, smemv_xmit_work);
	INIT_DELAYED_WORK(&lane->work, lane_work);
	return lane;
}

void smemv_lane_start(struct smemv_lane *lane)
{
	queue_delayed_work(smemv_lane_wq, &lane->work, 0);
}

void smemv_lane_stop(struct smemv_lane *lane)
{
	mutex_lock(&lane->connect_lock);
	if (lane->sock) {
		lane->why = "the server was removed";
		go_down(lane);
	}
	mutex_unlock(&lane->connect_lock);
	cancel_delayed_work_sync(&lane->work);
}

void smemv_lane_free(struct smemv_lane *lane)
{
	smemv_xmit_flush(lane);
	smemv_inflight_uninit(&lane->inflight);
	kfree(lane);
}
