// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "conn.h"
#include "log.h"
#include "loop.h"
#include "push.h"
#include "request.h"

#define HDR_LEN	((u32)sizeof(struct smemv_wire_hdr))

void conn_set_keepalive(int fd)
{
	int one = 1, idle = 30, interval = 10, probes = 3;
	unsigned int timeout_ms = 60000;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
}

void conn_name_peer(struct conn *c, const struct sockaddr_storage *ss)
{
	char text[INET6_ADDRSTRLEN] = "?";

	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)ss;

		inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
		snprintf(c->peer, sizeof(c->peer), "%s:%u", text, ntohs(in->sin_port));
	} else {
		const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)ss;

		inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof(text));
		snprintf(c->peer, sizeof(c->peer), "[%s]:%u", text, ntohs(in->sin6_port));
	}
}

static void ask_peer(struct conn *c)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getpeername(c->fd, (struct sockaddr *)&ss, &len))
		snprintf(c->peer, sizeof(c->peer), "?");
	else
		conn_name_peer(c, &ss);
}

static void session_kick(struct session *s)
{
	loop_kick_fenced(container_of(s, struct conn, session)->loop);
}

struct conn *conn_new(struct loop *loop, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->loop = loop;
	c->fd = fd;
	c->session.kick = session_kick;
	c->progress_ms = now_ms();
	c->deadline_ms = c->progress_ms + CONN_HELLO_TIMEOUT_MS;
	ask_peer(c);
	return c;
}

static void release_handles(struct conn *c)
{
	struct loop *l = c->loop;
	u32 i;

	for (i = 0; i < c->n_handles; i++)
		if (c->handles[i].space)
			spaces_close(&l->server->spaces, c->handles[i].space);
	free(c->handles);
	c->handles = NULL;
	c->n_handles = 0;
}

static void forget_output(struct conn *c)
{
	c->loop->out_bytes -= c->out_bytes;
	c->out_bytes = 0;
}

static void release_output(struct conn *c)
{
	while (c->out_head) {
		struct outbuf *b = c->out_head;

		c->out_head = b->next;
		loop_outbuf_put(c->loop, b);
	}
	c->out_tail = NULL;
	forget_output(c);
}

void conn_close(struct conn *c)
{
	if (c->state == CONN_CLOSED)
		return;
	c->state = CONN_CLOSED;
	clients_bye(&c->loop->server->clients, &c->session);
	loop_forget_conn(c);
	if (c->link)
		link_closed(c);
	c->work.kind = WORK_NONE;
	conn_release_delivery(c);
	release_handles(c);
	/* The kernel may have its buffers still, but nobody else shall be closed for them. */
	forget_output(c);
	/* Ends what the kernel still has under way for this socket. */
	shutdown(c->fd, SHUT_RDWR);
}

bool conn_can_be_freed(const struct conn *c)
{
	return c->state == CONN_CLOSED && !c->recv_armed && !c->sending && !c->connecting;
}

void conn_free(struct conn *c)
{
	release_output(c);
	close(c->fd);
	free(c->rx.page);
	free(c->stash);
	free(c);
}

void conn_linger(struct conn *c)
{
	if (c->state == CONN_CLOSED || c->state == CONN_LINGER)
		return;
	c->state = CONN_LINGER;
	c->deadline_ms = now_ms() + CONN_LINGER_TIMEOUT_MS;
	clients_bye(&c->loop->server->clients, &c->session);
	loop_mark_dirty(c);
}

bool conn_paused(const struct conn *c)
{
	/* What comes in on a link are answers: they make room. */
	if (c->state > CONN_READY || c->outgoing)
		return false;
	/* Who takes none of its replies is asked for no more, and at the limit of all nobody is who has any. */
	return c->work.kind != WORK_NONE || c->out_bytes >= CONN_OUT_LIMIT ||
	       (c->out_bytes && c->loop->out_bytes >= c->loop->server->output_limit);
}

u8 *conn_out_reserve(struct conn *c, u32 n)
{
	struct outbuf *b = c->out_tail;

	if (b && OUTBUF_ROOM - b->len >= n)
		return b->data + b->len;
	b = loop_outbuf_get(c->loop);
	if (!b) {
		log_peer("%s: no memory for its replies; closed", c->peer);
		conn_close(c);
		return NULL;
	}
	if (c->out_tail)
		c->out_tail->next = b;
	else
		c->out_head = b;
	c->out_tail = b;
	return b->data;
}

void conn_out_commit(struct conn *c, u32 n)
{
	if (!c->out_bytes)
		c->progress_ms = c->loop->tick_ms;
	c->out_tail->len += n;
	c->out_bytes += n;
	c->loop->out_bytes += n;
}

void conn_out_append(struct conn *c, struct outbuf *head, struct outbuf *tail, size_t len)
{
	if (!c->out_bytes)
		c->progress_ms = c->loop->tick_ms;
	if (c->out_tail)
		c->out_tail->next = head;
	else
		c->out_head = head;
	c->out_tail = tail;
	c->out_bytes += len;
	c->loop->out_bytes += len;
}

void conn_release_delivery(struct conn *c)
{
	if (c->rx.space)
		space_put(c->rx.space);
	c->rx.space = NULL;
}

static void next_frame(struct rx *rx)
{
	rx->phase = RX_HEAD;
	rx->decoded = false;
	rx->have = 0;
}

static void handle_head(struct conn *c, const u8 *head)
{
	struct rx *rx = &c->rx;
	struct smemv_frame *f = &rx->frame;
	int err = smemv_frame_check(f, head, head + HDR_LEN);

	next_frame(rx);
	if (err)
		request_malformed(c, f, err);
	else
		request_handle(c, f, head + HDR_LEN);
}

static bool decode_head(struct conn *c, const u8 *head)
{
	struct smemv_frame *f = &c->rx.frame;
	int err = smemv_frame_decode(f, head);

	c->rx.decoded = !err;
	if (!err)
		return true;
	if (err == SMEMV_CODEC_VERSION && f->opcode == SMEMV_OP_HELLO &&
	    c->state == CONN_HELLO && !c->outgoing)
		request_hello_version(c, f);
	else
		request_malformed(c, f, err);
	return false;
}

/* Frames that lie in the buffer as a whole are used where they lie. */
static u32 input_head(struct conn *c, const u8 *data, u32 len)
{
	struct rx *rx = &c->rx;
	u32 need, take;

	if (!rx->have && len >= HDR_LEN) {
		if (!decode_head(c, data))
			return len;
		need = HDR_LEN + rx->frame.meta_len;
		if (len >= need) {
			handle_head(c, data);
			return need;
		}
	}
	need = HDR_LEN + (rx->decoded ? rx->frame.meta_len : 0);
	take = (u32)min_u64(need - rx->have, len);
	memcpy(rx->head + rx->have, data, take);
	rx->have += take;
	if (rx->have < need)
		return take;
	if (!rx->decoded) {
		if (!decode_head(c, rx->head))
			return len;
		if (rx->frame.meta_len)
			return take;
	}
	handle_head(c, rx->head);
	return take;
}

static bool collect_page(struct conn *c, const u8 *data, u32 take)
{
	struct rx *rx = &c->rx;

	if (!rx->page)
		rx->page = malloc(SMEMV_WIRE_PAGE_SIZE);
	if (!rx->page) {
		log_peer("%s: no memory for a page; closed", c->peer);
		conn_close(c);
		return false;
	}
	memcpy(rx->page + rx->page_have, data, take);
	rx->page_have += take;
	return true;
}

static u32 input_store(struct conn *c, const u8 *data, u32 len)
{
	struct rx *rx = &c->rx;
	u32 take;

	if (!rx->page_have && len >= SMEMV_WIRE_PAGE_SIZE) {
		request_store_page(c, data);
		return SMEMV_WIRE_PAGE_SIZE;
	}
	take = (u32)min_u64(SMEMV_WIRE_PAGE_SIZE - rx->page_have, len);
	if (!collect_page(c, data, take))
		return len;
	if (rx->page_have == SMEMV_WIRE_PAGE_SIZE) {
		rx->page_have = 0;
		request_store_page(c, rx->page);
	}
	return take;
}

static u32 input_skip(struct conn *c, u32 len)
{
	u32 take = (u32)min_u64(c->rx.skip, len);

	c->rx.skip -= take;
	if (!c->rx.skip)
		next_frame(&c->rx);
	return take;
}

u32 conn_input(struct conn *c, const u8 *data, u32 len)
{
	u32 used = 0;

	while (used < len && !conn_paused(c)) {
		/* Rule 2: what a newer connection has fenced is thrown away. */
		if (c->state > CONN_READY || atomic_load(&c->session.fenced))
			return len;
		switch (c->rx.phase) {
		case RX_HEAD:
			used += input_head(c, data + used, len - used);
			break;
		case RX_STORE:
			used += input_store(c, data + used, len - used);
			break;
		case RX_SKIP:
			used += input_skip(c, len - used);
			break;
		}
	}
	return used;
}

/* How far a pipeline is looked ahead; more would be out of the cache again. */
#define PREFETCH_FRAMES	8

static void prefetch_frame(const struct conn *c, const struct smemv_wire_hdr *h, const u8 *meta)
{
	u32 handle = le32_to_cpu(h->space);
	struct smemv_wire_page p;

	if ((h->opcode != SMEMV_OP_LOAD && h->opcode != SMEMV_OP_STORE) || !h->count ||
	    handle >= c->n_handles || !c->handles[handle].space)
		return;
	memcpy(&p, meta, sizeof(p));
	space_prefetch(&c->loop->server->store, c->handles[handle].space, le64_to_cpu(p.index));
}

/* Nothing is checked yet: what is no frame leads to a useless prefetch at worst. */
void conn_prefetch(const struct conn *c, const u8 *data, u32 len)
{
	struct smemv_wire_hdr h;
	u32 at = 0, n;

	if (c->state != CONN_READY || c->rx.phase != RX_HEAD || c->rx.have)
		return;
	for (n = 0; n < PREFETCH_FRAMES && len - at >= sizeof(h) + sizeof(struct smemv_wire_page); n++) {
		u32 payload;

		memcpy(&h, data + at, sizeof(h));
		prefetch_frame(c, &h, data + at + sizeof(h));
		payload = le32_to_cpu(h.payload_len);
		if (payload > len - at - sizeof(h))
			return;
		at += (u32)sizeof(h) + payload;
	}
}
