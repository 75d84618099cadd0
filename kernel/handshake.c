// SPDX-License-Identifier: GPL-2.0-only
#include <linux/utsname.h>
#include <net/sock.h>

#include "event.h"
#include "handshake.h"
#include "lane.h"

#define BODY_MAX	128
#define REQUIRED	SMEMV_FEAT_LIST
#define ASK_AGAIN	HZ

struct exchange {
	struct smemv_frame f;
	struct {
		struct smemv_wire_hdr hdr;
		u8 body[BODY_MAX];
	} buf;
};

static int recv_all(struct socket *sock, void *buf, size_t len)
{
	struct kvec vec = { .iov_base = buf, .iov_len = len };
	struct msghdr msg = { .msg_flags = MSG_WAITALL | MSG_NOSIGNAL };
	int ret = kernel_recvmsg(sock, &msg, &vec, 1, len, msg.msg_flags);

	if (ret < 0)
		return ret;
	if (ret == len)
		return 0;
	/* Only a part: the peer ended it, or the time was up. */
	if (!ret || sock->sk->sk_shutdown & RCV_SHUTDOWN)
		return -ECONNRESET;
	return -ETIMEDOUT;
}

static int send_all(struct socket *sock, void *buf, size_t len)
{
	struct kvec vec = { .iov_base = buf, .iov_len = len };
	struct msghdr msg = { .msg_flags = MSG_NOSIGNAL };
	int ret = kernel_sendmsg(sock, &msg, &vec, 1, len);

	if (ret < 0)
		return ret;
	return ret == len ? 0 : -ECONNRESET;
}

static int io_error(int err, const char **why)
{
	if (err == -EAGAIN || err == -ETIMEDOUT) {
		*why = "the server accepted the connection but did not answer within the timeout; is it smemv-memserver?";
		return -ETIMEDOUT;
	}
	*why = "the server closed the connection before it answered; its log says why";
	return err;
}

/* Sends x->f with its body in x->buf, receives the reply into the same. */
static int exchange(struct socket *sock, struct exchange *x, const char **why)
{
	u8 opcode = x->f.opcode;
	u32 space = x->f.space;
	u64 tag = x->f.tag;
	int err;

	smemv_frame_seal(&x->buf, &x->f);
	err = send_all(sock, &x->buf, sizeof(x->buf.hdr) + x->f.payload_len);
	if (!err)
		err = recv_all(sock, &x->buf.hdr, sizeof(x->buf.hdr));
	if (err)
		return io_error(err, why);

	err = smemv_frame_decode(&x->f, &x->buf.hdr);
	if (err == SMEMV_CODEC_VERSION) {
		*why = "the server speaks another protocol version; install the same S-memV release on both sides";
		return -EPROTONOSUPPORT;
	}
	if (err || x->f.opcode != opcode || x->f.tag != tag ||
	    x->f.space != space || !(x->f.flags & SMEMV_WIRE_F_REPLY) ||
	    x->f.payload_len > BODY_MAX) {
		*why = "what answers there does not speak the S-memV protocol";
		return -EPROTO;
	}
	if (x->f.payload_len)
		err = recv_all(sock, x->buf.body, x->f.payload_len);
	if (err)
		return io_error(err, why);
	if (smemv_frame_check(&x->f, &x->buf.hdr, x->buf.body)) {
		*why = "the server's answer arrived damaged";
		return -EPROTO;
	}
	return 0;
}

static int no_feature(const char **why)
{
	*why = "the server lacks a feature that this module needs; update the server";
	return -EPROTONOSUPPORT;
}

static int hello_error(const struct smemv_frame *f, const char **why)
{
	switch (f->status) {
	case SMEMV_ST_OK:
		return 0;
	case SMEMV_ST_VERSION:
		*why = "the server does not speak protocol version 1; install the same S-memV release on both sides";
		return -EPROTONOSUPPORT;
	case SMEMV_ST_FEATURES:
		return no_feature(why);
	case SMEMV_ST_FENCED:
		*why = "the server knows a newer connection of this client";
		return -ESTALE;
	case SMEMV_ST_LIMIT:
		*why = "the server takes fewer connections of a client than this module makes; install the same S-memV release on both sides";
		return -EUSERS;
	case SMEMV_ST_NO_SPACE:
		*why = "the server has no memory for another client";
		return -EUSERS;
	default:
		*why = "the server refused the connection; its log says why";
		return -ECONNREFUSED;
	}
}

static void learn(struct smemv_server *server,
		  const struct smemv_wire_hello_reply *r)
{
	bool restarted = server->known &&
			 memcmp(server->server_id, r->server_id, 16);

	memcpy(server->server_id, r->server_id, 16);
	server->known = true;
	server->capacity_pages = le64_to_cpu(r->capacity_pages);
	server->can_push = le64_to_cpu(r->features) & SMEMV_FEAT_PUSH;
	server->can_claim = le64_to_cpu(r->features) & SMEMV_FEAT_CLAIM;
	server->max_inflight = clamp(le32_to_cpu(r->max_inflight), 1u,
				     SMEMV_LANE_INFLIGHT);
	server->max_spaces = clamp(le32_to_cpu(r->max_spaces), 1u,
				   SMEMV_WIRE_MAX_SPACES);
	server->max_pages = clamp(le32_to_cpu(r->max_pages), 1u,
				  (u32)SMEMV_REQ_DESCS);
	if (restarted) {
		pr_warn("server %s was restarted: the pages it held are lost\n",
			server->name);
		smemv_event_send(server->ns->net, &(struct smemv_event_msg){
			.type = SMEMV_EV_SERVER_RESTARTED,
			.server = server->name, .page = SMEMV_NO_PAGE,
			.count = atomic64_read(&server->pages),
			.text = "the server was restarted without its pages",
		});
	}
}

int smemv_handshake_hello(struct smemv_lane *lane, struct socket *sock,
			  const char **why)
{
	struct smemv_server *server = lane->server;
	struct exchange x = { .f = { .opcode = SMEMV_OP_HELLO, .tag = 1 } };
	struct smemv_wire_hello *hello = (void *)x.buf.body;
	const struct smemv_wire_hello_reply *reply = (void *)x.buf.body;
	int err;

	lane->generation = atomic64_inc_return(&server->ns->generations);
	memcpy(hello->client_id, server->client_id, 16);
	hello->generation = cpu_to_le64(lane->generation);
	hello->features = cpu_to_le64(SMEMV_FEAT_PAGE_CRC | SMEMV_FEAT_LIST |
				      SMEMV_FEAT_PUSH | SMEMV_FEAT_CLAIM);
	hello->required = cpu_to_le64(REQUIRED);
	hello->lane = cpu_to_le32(lane->nr);
	hello->max_pages = cpu_to_le32(SMEMV_REQ_DESCS);
	strscpy(hello->name, init_utsname()->nodename, sizeof(hello->name));

	err = exchange(sock, &x, why);
	if (!err)
		err = hello_error(&x.f, why);
	if (err)
		return err;
	/* A server may say OK and yet not have granted it. */
	if (~le64_to_cpu(reply->features) & REQUIRED)
		return no_feature(why);
	lane->page_crc = le64_to_cpu(reply->features) & SMEMV_FEAT_PAGE_CRC;
	WRITE_ONCE(server->free_pages, x.f.free_pages);
	memcpy(lane->server_id, reply->server_id, 16);
	learn(server, reply);
	return 0;
}

bool smemv_handshake_can_open(const struct smemv_bind *bind, const char **why)
{
	if (bind->standing != SMEMV_STANDING_CLAIMED || bind->server->can_claim)
		return true;
	no_feature(why);
	return false;
}

void smemv_handshake_open_body(struct smemv_wire_open *body,
			       const struct smemv_bind *bind)
{
	memset(body, 0, sizeof(*body));
	memcpy(body->uuid, bind->uuid, 16);
	body->size_pages = cpu_to_le64(bind->size_pages);
	body->epoch = cpu_to_le64(bind->epoch);
	body->flags = cpu_to_le32(
		(READ_ONCE(bind->may_create) ? SMEMV_OPEN_F_CREATE : 0) |
		(bind->standing == SMEMV_STANDING_CLAIMED ?
		 SMEMV_OPEN_F_CLAIMED : 0));
}

int smemv_handshake_open_error(unsigned int status, const char **why)
{
	switch (status) {
	case SMEMV_ST_OK:
		return 0;
	case SMEMV_ST_STALE_EPOCH:
		*why = "another main host owns this space now";
		return -ESTALE;
	case SMEMV_ST_NO_SUCH_SPACE:
		*why = "the server does not know the space (any more)";
		return -ENODEV;
	case SMEMV_ST_LIMIT:
		*why = "the server has as many spaces as it allows";
		return -ENOSPC;
	case SMEMV_ST_NO_SPACE:
		*why = "the server has no memory for another space";
		return -ENOSPC;
	case SMEMV_ST_SIZE:
		*why = "the server has this space with another size";
		return -EINVAL;
	case SMEMV_ST_STOPPING:
		*why = "the server is being stopped";
		return -ESHUTDOWN;
	default:
		*why = "the server refused to open the space; its log says why";
		return -EREMOTEIO;
	}
}

/* Before the first store there: the space is active, the server thinks otherwise. */
static int activate(struct socket *sock, struct smemv_bind *bind,
		    const char **why)
{
	struct exchange x = { .f = { .opcode = SMEMV_OP_ACTIVATE, .tag = 3 } };
	struct smemv_wire_claim *body = (void *)x.buf.body;
	int err;

	memcpy(body->uuid, bind->uuid, 16);
	body->epoch = cpu_to_le64(bind->epoch);
	err = exchange(sock, &x, why);
	if (err)
		return err;
	if (x.f.status == SMEMV_ST_STALE_EPOCH)
		bind->fenced_out(bind);
	return 0;
}

struct smemv_had smemv_handshake_had(const struct smemv_bind *bind)
{
	struct smemv_had had = { .taken = atomic64_read(&bind->taken) };

	/* Pairs with forget_set(): what was taken out is not among the pages. */
	smp_rmb();
	had.pages = atomic64_read(&bind->pages);
	return had;
}

/*
 * Pages that the server may have taken out by the time that it answered, and that the map had
 * attributed to it still when it was asked.
 */
static u64 taken_meanwhile(const struct smemv_bind *bind, const struct smemv_had *had)
{
	return atomic64_read(&bind->taking) - had->taken;
}

/*
 * It had been dropped there: by an operator, or as nobody's. When the answer that it was made anew
 * was lost, or another host got it, who was its owner once, only the number tells.
 */
void smemv_handshake_compare(struct smemv_bind *bind,
			     const struct smemv_wire_open_reply *reply,
			     const struct smemv_had *had)
{
	bool created = le32_to_cpu(reply->flags) & SMEMV_OPENED_F_CREATED;
	u64 want = had->pages, there = le64_to_cpu(reply->pages);

	lockdep_assert_held(&bind->server->bind_lock);
	if (created) {
		WRITE_ONCE(bind->made_anew, true);
		WRITE_ONCE(bind->created, bind->created + 1);
		/* Others may have come to be attributed to it while it was asked. */
		want = max_t(u64, want, atomic64_read(&bind->pages));
	} else {
		there += taken_meanwhile(bind, had);
	}
	if (there < want)
		WRITE_ONCE(bind->emptied, bind->emptied + 1);
}

/* What the server answered to an OPEN. */
static int opened(struct smemv_lane *lane, struct socket *sock,
		  struct smemv_bind *bind,
		  const struct smemv_wire_open_reply *reply,
		  const struct smemv_had *had, const char **why)
{
	u32 flags = le32_to_cpu(reply->flags);
	int err = 0;

	WRITE_ONCE(bind->refused, bind->refused & ~BIT_ULL(lane->nr));
	smemv_handshake_compare(bind, reply, had);
	if (READ_ONCE(bind->standing) == SMEMV_STANDING_CLAIMED)
		return 0;
	if (flags & SMEMV_OPENED_F_CLAIMED)
		err = activate(sock, bind, why);
	if (!err)
		WRITE_ONCE(bind->standing, SMEMV_STANDING_ACTIVE);
	return err;
}

void smemv_handshake_refused(struct smemv_lane *lane, struct smemv_bind *bind,
			     int err, const char *why)
{
	lockdep_assert_held(&lane->server->bind_lock);
	if (err == -ENODEV)
		WRITE_ONCE(bind->made_anew, true);
	if (err == -ESTALE || err == -ENODEV) {
		bind->fenced_out(bind);
		return;
	}
	if (!bind->refused)
		pr_warn_ratelimited("server %s: space %pUb cannot be used there: %s\n",
				    lane->server->name, bind->uuid, why);
	WRITE_ONCE(bind->refused, bind->refused | BIT_ULL(lane->nr));
	queue_delayed_work(smemv_wq, &lane->server->reopen, ASK_AGAIN);
}

int smemv_handshake_open(struct smemv_lane *lane, struct socket *sock,
			 struct smemv_bind *bind, const char **why)
{
	struct exchange x = {
		.f = {
			.opcode = SMEMV_OP_OPEN,
			.tag = 2,
			.space = bind->handle,
		},
	};
	struct smemv_had had = smemv_handshake_had(bind);
	int err;

	if (!smemv_handshake_can_open(bind, why)) {
		smemv_handshake_refused(lane, bind, -EOPNOTSUPP, *why);
		return 0;
	}
	smemv_handshake_open_body((void *)x.buf.body, bind);
	err = exchange(sock, &x, why);
	if (err)
		return err;
	err = smemv_handshake_open_error(x.f.status, why);
	if (!err)
		return opened(lane, sock, bind, (void *)x.buf.body, &had, why);
	smemv_handshake_refused(lane, bind, err, *why);
	return 0;
}

int smemv_handshake_drop_error(const struct smemv_bind *bind, unsigned int status)
{
	if (status == SMEMV_ST_OK)
		return 0;
	if (status != SMEMV_ST_STALE_EPOCH && status != SMEMV_ST_NO_SUCH_SPACE) {
		pr_warn("server %s: refused to drop space %pUb: %s; drop it there with smemv-memserver drop\n",
			bind->server->name, bind->uuid, smemv_status_name(status));
		return -EREMOTEIO;
	}
	/* Never advise to drop it: its pages are the new owner's. */
	pr_notice("server %s: space %pUb is not this host's any more and was left alone\n",
		  bind->server->name, bind->uuid);
	return -ESTALE;
}

int smemv_handshake_drop(struct socket *sock, const struct smemv_bind *bind,
			 const char **why)
{
	struct exchange x = {
		.f = {
			.opcode = SMEMV_OP_DROP,
			.tag = 4,
			.space = bind->handle,
		},
	};
	struct smemv_wire_drop *body = (void *)x.buf.body;
	int err;

	memcpy(body->uuid, bind->uuid, sizeof(body->uuid));
	err = exchange(sock, &x, why);
	if (!err)
		smemv_handshake_drop_error(bind, x.f.status);
	return err;
}
