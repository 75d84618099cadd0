// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"
#include "ring.h"

#define RING_ENTRIES	1024u
#define RING_CQ_ENTRIES	8192u
#define RECV_GROUP	0
#define PREFETCH_CQES	32

enum ring_op { OP_RECV = 1, OP_SEND = 2, OP_WAKE = 3, OP_CONNECT = 4, OP_TIMEOUT = 5, OP_MASK = 7 };

/* The best that the kernel has first; 6.1 has them all, older or restricted ones not. */
static const unsigned int setup_flags[] = {
	IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER |
		IORING_SETUP_DEFER_TASKRUN,
	IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED | IORING_SETUP_COOP_TASKRUN |
		IORING_SETUP_TASKRUN_FLAG,
	IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED,
};

static int queue_init(struct loop *l)
{
	int ret = -EINVAL;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(setup_flags); i++) {
		struct io_uring_params p = {
			.flags = setup_flags[i],
			.cq_entries = RING_CQ_ENTRIES,
		};

		ret = io_uring_queue_init_params(RING_ENTRIES, &l->ring, &p);
		if (!ret) {
			l->setup_flags = setup_flags[i];
			return 0;
		}
		if (ret != -EINVAL)
			return ret;
	}
	return ret;
}

static u8 *recv_buf(const struct loop *l, unsigned int id)
{
	return l->recv_bufs + (size_t)id * LOOP_RECV_BUF_SIZE;
}

static void give_buf(struct loop *l, unsigned int id)
{
	io_uring_buf_ring_add(l->buf_ring, recv_buf(l, id), LOOP_RECV_BUF_SIZE,
			      (unsigned short)id,
			      io_uring_buf_ring_mask(LOOP_RECV_BUFS), 0);
	io_uring_buf_ring_advance(l->buf_ring, 1);
}

static int recv_bufs_init(struct loop *l)
{
	struct io_uring_buf_reg reg = { .ring_entries = LOOP_RECV_BUFS, .bgid = RECV_GROUP };
	unsigned int i;
	void *ring;
	int ret;

	l->recv_bufs = aligned_alloc(SLAB_FRAME_SIZE,
				     (size_t)LOOP_RECV_BUFS * LOOP_RECV_BUF_SIZE);
	ring = aligned_alloc(SLAB_FRAME_SIZE, SLAB_FRAME_SIZE);
	if (!l->recv_bufs || !ring) {
		free(ring);
		return -ENOMEM;
	}
	memset(ring, 0, SLAB_FRAME_SIZE);
	reg.ring_addr = (u64)(uintptr_t)ring;
	ret = io_uring_register_buf_ring(&l->ring, &reg, 0);
	if (ret) {
		free(ring);
		return ret;
	}
	l->buf_ring = ring;
	io_uring_buf_ring_init(l->buf_ring);
	for (i = 0; i < LOOP_RECV_BUFS; i++)
		give_buf(l, i);
	return 0;
}

int ring_init(struct loop *l, char *err, size_t err_len)
{
	int ret = queue_init(l);

	if (ret) {
		snprintf(err, err_len, "cannot use io_uring: %s; %s", strerror(-ret),
			 ret == -EPERM ? "allow it (sysctl kernel.io_uring_disabled=0, or the container's seccomp profile)" :
			 ret == -ENOMEM ? "raise the limit of locked memory (ulimit -l)" :
			 "Linux 6.1 or newer is needed");
		return ret;
	}
	ret = recv_bufs_init(l);
	if (ret) {
		snprintf(err, err_len, "cannot register receive buffers: %s; Linux 6.1 or newer is needed",
			 strerror(-ret));
		io_uring_queue_exit(&l->ring);
		free(l->recv_bufs);
	}
	return ret;
}

void ring_enable(struct loop *l)
{
	/* liburing 2.3 declares io_uring_enable_rings() and does not export it. */
	syscall(__NR_io_uring_register, l->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

void ring_exit(struct loop *l)
{
	io_uring_queue_exit(&l->ring);
	free(l->buf_ring);
	free(l->recv_bufs);
}

static struct io_uring_sqe *get_sqe(struct loop *l)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&l->ring)))
		io_uring_submit(&l->ring);
	return sqe;
}

static void set_owner(struct io_uring_sqe *sqe, void *owner, enum ring_op op)
{
	io_uring_sqe_set_data64(sqe, (u64)(uintptr_t)owner | op);
}

void ring_arm_wake(struct loop *l)
{
	struct io_uring_sqe *sqe = get_sqe(l);

	io_uring_prep_read(sqe, l->wake_fd, &l->wake_value, sizeof(l->wake_value), 0);
	set_owner(sqe, l, OP_WAKE);
}

void ring_arm_recv(struct conn *c)
{
	struct io_uring_sqe *sqe;

	if (c->recv_armed)
		return;
	sqe = get_sqe(c->loop);
	io_uring_prep_recv(sqe, c->fd, NULL, LOOP_RECV_BUF_SIZE, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = RECV_GROUP;
	set_owner(sqe, c, OP_RECV);
	c->recv_armed = true;
}

void ring_connect(struct conn *c, socklen_t len, unsigned int timeout_ms)
{
	struct loop *l = c->loop;
	struct io_uring_sqe *sqe;

	c->connect_ts = (struct __kernel_timespec){
		.tv_sec = timeout_ms / 1000,
		.tv_nsec = (long long)(timeout_ms % 1000) * 1000000,
	};
	/* Both must be submitted together. */
	while (io_uring_sq_space_left(&l->ring) < 2)
		io_uring_submit(&l->ring);
	sqe = get_sqe(l);
	io_uring_prep_connect(sqe, c->fd, (struct sockaddr *)&c->connect_to, len);
	sqe->flags |= IOSQE_IO_LINK;
	set_owner(sqe, c, OP_CONNECT);
	sqe = get_sqe(l);
	io_uring_prep_link_timeout(sqe, &c->connect_ts, 0);
	set_owner(sqe, NULL, OP_TIMEOUT);
	c->connecting = true;
}

static unsigned int fill_iov(struct conn *c)
{
	struct outbuf *b;
	unsigned int n = 0;

	for (b = c->out_head; b && n < CONN_IOV; b = b->next, n++) {
		c->iov[n].iov_base = b->data + b->sent;
		c->iov[n].iov_len = b->len - b->sent;
	}
	return n;
}

/* Waits for room in the socket, as the kernel's work. */
static void send_later(struct conn *c)
{
	struct io_uring_sqe *sqe = get_sqe(c->loop);
	unsigned int n = fill_iov(c);

	if (n == 1) {
		io_uring_prep_send(sqe, c->fd, c->iov[0].iov_base, c->iov[0].iov_len, MSG_NOSIGNAL);
	} else {
		c->msg = (struct msghdr){ .msg_iov = c->iov, .msg_iovlen = n };
		io_uring_prep_sendmsg(sqe, c->fd, &c->msg, MSG_NOSIGNAL);
	}
	set_owner(sqe, c, OP_SEND);
	c->sending = true;
}

static void took_output(struct conn *c, size_t n)
{
	struct loop *l = c->loop;

	c->out_bytes -= n;
	l->out_bytes -= n;
	stats_add(&l->stats->bytes_out, n);
	while (n) {
		struct outbuf *b = c->out_head;
		size_t left = b->len - b->sent;

		if (n < left) {
			b->sent += (u32)n;
			return;
		}
		n -= left;
		c->out_head = b->next;
		if (!c->out_head)
			c->out_tail = NULL;
		loop_outbuf_put(l, b);
	}
}

/*
 * At once and directly: the buffer is still in the CPU's cache, and free for the
 * next connection right after. Only what does not fit into the socket is io_uring's.
 */
void ring_send(struct conn *c)
{
	while (c->out_bytes) {
		struct msghdr msg = { .msg_iov = c->iov, .msg_iovlen = fill_iov(c) };
		ssize_t n = sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			took_output(c, (size_t)n);
		} else if (n < 0 && errno == EINTR) {
			continue;
		} else if (n < 0 && errno != EAGAIN) {
			log_debug("%s at %s: cannot send: %s", c->name, c->peer, strerror(errno));
			conn_close(c);
			return;
		} else {
			send_later(c);
			return;
		}
	}
	c->progress_ms = c->loop->tick_ms;
}

static void arm_again(struct conn *c)
{
	if (c->state != CONN_CLOSED && !c->stash)
		ring_arm_recv(c);
}

static void handle_recv(struct loop *l, struct conn *c, const struct io_uring_cqe *cqe)
{
	unsigned int id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
	int res = cqe->res;

	c->recv_armed = false;
	if (res > 0 && c->state != CONN_CLOSED)
		loop_received(c, recv_buf(l, id), (u32)res);
	if (cqe->flags & IORING_CQE_F_BUFFER)
		give_buf(l, id);
	/* Who had no buffer is the first to ask again; who had one is armed by arm_served(). */
	if (res == -ENOBUFS)
		arm_again(c);
	else if (res <= 0 && res != -EINTR && res != -EAGAIN)
		conn_close(c);
}

static void handle_send(struct conn *c, int res)
{
	c->sending = false;
	if (c->state == CONN_CLOSED)
		return;
	if (res < 0 && res != -EINTR && res != -EAGAIN) {
		log_debug("%s at %s: cannot send: %s", c->name, c->peer, strerror(-res));
		conn_close(c);
		return;
	}
	if (res > 0)
		took_output(c, (size_t)res);
	loop_sent(c);
}

static void handle_connect(struct conn *c, int res)
{
	c->connecting = false;
	if (c->state == CONN_CLOSED)
		return;
	if (res < 0) {
		log_peer("%s at %s: cannot connect: %s", c->name, c->peer,
			 res == -ECANCELED ? "no answer" : strerror(-res));
		conn_close(c);
		return;
	}
	link_connected(c);
	ring_arm_recv(c);
}

static void handle_cqe(struct loop *l, const struct io_uring_cqe *cqe)
{
	u64 data = cqe->user_data;
	void *owner = (void *)(uintptr_t)(data & ~(u64)OP_MASK);

	switch (data & OP_MASK) {
	case OP_RECV:
		handle_recv(l, owner, cqe);
		break;
	case OP_SEND:
		handle_send(owner, cqe->res);
		break;
	case OP_CONNECT:
		handle_connect(owner, cqe->res);
		break;
	case OP_WAKE:
		l->woken = true;
		ring_arm_wake(l);
		break;
	}
}

/* First all are looked at, so that memory and work overlap. */
static void prefetch_all(struct loop *l)
{
	struct io_uring_cqe *cqe;
	unsigned int head, n = 0;

	qs_enter(&l->server->qs, l->index);
	io_uring_for_each_cqe(&l->ring, head, cqe) {
		struct conn *c = (void *)(uintptr_t)(cqe->user_data & ~(u64)OP_MASK);

		if ((cqe->user_data & OP_MASK) == OP_RECV && cqe->res > 0)
			conn_prefetch(c, recv_buf(l, cqe->flags >> IORING_CQE_BUFFER_SHIFT),
				      (u32)cqe->res);
		if (++n == PREFETCH_CQES)
			break;
	}
	qs_exit(&l->server->qs, l->index);
}

/*
 * Behind those that found no buffer: buffers are given out in the order in which receives are submitted,
 * so that as many connections as there are buffers, which always have input, would keep all others from theirs.
 */
static void arm_served(struct loop *l, unsigned int n)
{
	struct io_uring_cqe *cqe;
	unsigned int head;

	io_uring_for_each_cqe(&l->ring, head, cqe) {
		if (!n--)
			break;
		if ((cqe->user_data & OP_MASK) == OP_RECV)
			arm_again((void *)(uintptr_t)(cqe->user_data & ~(u64)OP_MASK));
	}
}

void ring_handle_all(struct loop *l)
{
	struct io_uring_cqe *cqe;
	unsigned int head, n = 0;

	prefetch_all(l);
	io_uring_for_each_cqe(&l->ring, head, cqe) {
		handle_cqe(l, cqe);
		n++;
	}
	arm_served(l, n);
	io_uring_cq_advance(&l->ring, n);
}

void ring_wait(struct loop *l, unsigned int timeout_ms)
{
	struct __kernel_timespec ts = { .tv_nsec = (long long)timeout_ms * 1000000 };
	struct io_uring_cqe *cqe;

	if (timeout_ms)
		io_uring_submit_and_wait_timeout(&l->ring, &cqe, 1, &ts, NULL);
	else
		io_uring_submit_and_get_events(&l->ring);
}
