// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"
#include "push.h"
#include "request.h"
#include "ring.h"

#define HDR_LEN	((u32)sizeof(struct smemv_wire_hdr))

/* Jobs */

static void finish(struct push_job *job)
{
	if (job->conn)
		push_done(job);
	space_put(job->space);
	free(job);
}

static void set_status(struct push_job *job, enum smemv_wire_status status)
{
	u32 i;

	for (i = 0; i < job->count; i++)
		job->status[i] = (u16)status;
}

static void set_sent_status(struct push_job *job, enum smemv_wire_status status)
{
	u32 i;

	for (i = 0; i < job->sent; i++)
		job->status[job->sent_at[i]] = (u16)status;
}

static void finish_waiting(struct link *k, struct push_job *job)
{
	TAILQ_REMOVE(&k->waiting, job, queue);
	set_status(job, SMEMV_ST_UNREACHABLE);
	finish(job);
}

static void finish_sent(struct link *k, struct push_job *job)
{
	TAILQ_REMOVE(&k->sent, job, queue);
	k->n_sent--;
	finish(job);
}

/* Links */

static struct sockaddr_in6 target_address(const struct smemv_wire_push *order)
{
	struct sockaddr_in6 addr = {
		.sin6_family = AF_INET6,
		.sin6_port = htons((u16)le32_to_cpu(order->target_port)),
	};

	memcpy(&addr.sin6_addr, order->target_addr, sizeof(addr.sin6_addr));
	return addr;
}

/* To that server at that address: clients may reach it on different ways, one of which may be no way from here. */
static struct link *find_link(struct loop *l, const u8 *owner, const struct smemv_wire_push *order)
{
	struct sockaddr_in6 addr = target_address(order);
	struct link *k;

	LIST_FOREACH(k, &l->links, all)
		if (!memcmp(k->owner, owner, sizeof(k->owner)) &&
		    !memcmp(k->target_id, order->target_id, sizeof(k->target_id)) &&
		    !memcmp(&k->addr, &addr, sizeof(addr)))
			return k;
	return NULL;
}

static bool is_idle(const struct link *k)
{
	return TAILQ_EMPTY(&k->waiting) && TAILQ_EMPTY(&k->sent);
}

static void free_link(struct link *k)
{
	LIST_REMOVE(k, all);
	free(k);
}

static void end_link(struct link *k)
{
	if (k->conn)
		conn_close(k->conn);
	free_link(k);
}

/* Of this client's, or of all with NULL. Returns how many are left. */
static u32 end_longest_idle(struct loop *l, const u8 *owner, u32 max)
{
	struct link *k, *oldest = NULL;
	u32 n = 0;

	LIST_FOREACH(k, &l->links, all) {
		if (owner && memcmp(k->owner, owner, sizeof(k->owner)))
			continue;
		n++;
		if (is_idle(k) && (!oldest || k->idle_ms < oldest->idle_ms))
			oldest = k;
	}
	if (n < max || !oldest)
		return n;
	end_link(oldest);
	return n - 1;
}

/* Nobody shuts others out with many targets. */
static bool has_room_for_link(struct loop *l, const u8 *owner)
{
	return end_longest_idle(l, owner, PUSH_LINKS_CLIENT) < PUSH_LINKS_CLIENT &&
	       end_longest_idle(l, NULL, PUSH_LINKS_MAX) < PUSH_LINKS_MAX;
}

static struct link *add_link(struct loop *l, const u8 *owner, const struct smemv_wire_push *order)
{
	struct link *k = NULL;

	if (has_room_for_link(l, owner))
		k = calloc(1, sizeof(*k));
	if (!k || getrandom(k->client_id, sizeof(k->client_id), 0) != sizeof(k->client_id)) {
		free(k);
		return NULL;
	}
	k->loop = l;
	memcpy(k->owner, owner, sizeof(k->owner));
	memcpy(k->target_id, order->target_id, sizeof(k->target_id));
	k->addr = target_address(order);
	k->idle_ms = l->tick_ms;
	k->due_ms = UINT64_MAX;
	TAILQ_INIT(&k->waiting);
	TAILQ_INIT(&k->sent);
	LIST_INSERT_HEAD(&l->links, k, all);
	return k;
}

static void set_deadline(struct link *k, struct push_job *job)
{
	job->deadline_ms = k->loop->tick_ms + job->timeout_ms;
	k->due_ms = min_u64(k->due_ms, job->deadline_ms);
}

void push_submit(struct loop *l, struct push_job *job)
{
	const u8 *owner = job->conn->session.client_id;
	struct link *k = find_link(l, owner, &job->order);

	if (!k)
		k = add_link(l, owner, &job->order);
	if (!k) {
		set_status(job, SMEMV_ST_UNREACHABLE);
		finish(job);
		return;
	}
	set_deadline(k, job);
	TAILQ_INSERT_TAIL(&k->waiting, job, queue);
	/* The loop's turn may be over but for its sleep: this one came from input that was held back. */
	l->push_due_ms = 0;
}

static bool is_mapped(const struct link *k)
{
	return IN6_IS_ADDR_V4MAPPED(&k->addr.sin6_addr);
}

/* The address as connect() wants it; IPv4 must work where there is no IPv6. */
static socklen_t connect_address(const struct link *k, struct sockaddr_storage *ss)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = k->addr.sin6_port };

	memset(ss, 0, sizeof(*ss));
	if (!is_mapped(k)) {
		memcpy(ss, &k->addr, sizeof(k->addr));
		return sizeof(k->addr);
	}
	memcpy(&in.sin_addr, k->addr.sin6_addr.s6_addr + 12, 4);
	memcpy(ss, &in, sizeof(in));
	return sizeof(in);
}

static void connect_link(struct link *k)
{
	struct loop *l = k->loop;
	struct sockaddr_storage ss;
	socklen_t len = connect_address(k, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct conn *c = fd < 0 ? NULL : conn_new(l, fd);

	if (!c) {
		log_peer("cannot make a connection to push pages: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		k->retry_ms = l->tick_ms + PUSH_RETRY_MS;
		return;
	}
	conn_set_keepalive(fd);
	c->outgoing = true;
	c->link = k;
	c->connect_to = ss;
	k->conn = c;
	snprintf(c->name, sizeof(c->name), "push target");
	conn_name_peer(c, &ss);
	LIST_INSERT_HEAD(&l->conns, c, all);
	ring_connect(c, len, PUSH_CONNECT_MS);
}

/* A frame of the link's own; returns where its meta goes. */
static u8 *frame_begin(struct conn *c, u32 meta_len)
{
	u8 *frame = conn_out_reserve(c, HDR_LEN + meta_len);

	return frame ? frame + HDR_LEN : NULL;
}

void link_connected(struct conn *c)
{
	struct link *k = c->link;
	struct smemv_wire_hello hello = {
		.generation = cpu_to_le64(++k->generation),
		.features = cpu_to_le64(SMEMV_FEAT_PAGE_CRC | SMEMV_FEAT_PUSH),
		.required = cpu_to_le64(SMEMV_FEAT_PAGE_CRC | SMEMV_FEAT_PUSH),
		.max_pages = cpu_to_le32(SMEMV_WIRE_MAX_PAGES),
		.name = "memory server",
	};
	struct smemv_frame f = { .opcode = SMEMV_OP_HELLO };
	u8 *meta = frame_begin(c, sizeof(hello));

	if (!meta)
		return;
	memcpy(hello.client_id, k->client_id, sizeof(hello.client_id));
	memcpy(meta, &hello, sizeof(hello));
	smemv_frame_seal(meta - HDR_LEN, &f);
	conn_out_commit(c, HDR_LEN + sizeof(hello));
	loop_mark_dirty(c);
}

void link_closed(struct conn *c)
{
	struct link *k = c->link;

	k->lost = true;
	k->loop->push_due_ms = 0;
	k->retry_ms = k->loop->tick_ms + PUSH_RETRY_MS;
	k->conn = NULL;
	c->link = NULL;
}

/* What was sent may have arrived; what was not has not. */
static void settle_lost(struct link *k)
{
	struct push_job *job;

	k->lost = false;
	while ((job = TAILQ_FIRST(&k->sent))) {
		set_sent_status(job, SMEMV_ST_UNKNOWN);
		finish_sent(k, job);
	}
	while ((job = TAILQ_FIRST(&k->waiting)))
		finish_waiting(k, job);
}

/* Starting */

/* Inside a quiescence section: the order still stands. */
static enum smemv_wire_status order_stands(const struct push_job *job)
{
	if (atomic_load(&job->space->dead))
		return SMEMV_ST_NO_SUCH_SPACE;
	if (atomic_load(&job->space->epoch) != job->epoch)
		return SMEMV_ST_STALE_EPOCH;
	return SMEMV_ST_OK;
}

/* Who ordered it is there; one that lingers is not told of to those that fence. */
static bool may_begin(const struct push_job *job)
{
	return job->conn && job->conn->state == CONN_READY && !atomic_load(&job->conn->session.fenced);
}

static void start_job(struct link *k, struct push_job *job)
{
	struct loop *l = k->loop;
	enum smemv_wire_status refused;
	bool ok = false;

	/* Rule 2: nothing of a fenced connection is begun. In the section: who fences waits for its end. */
	qs_enter(&l->server->qs, l->index);
	if (!may_begin(job)) {
		qs_exit(&l->server->qs, l->index);
		finish_waiting(k, job);
		return;
	}
	refused = order_stands(job);
	if (!refused)
		ok = push_send(k, job);
	qs_exit(&l->server->qs, l->index);
	TAILQ_REMOVE(&k->waiting, job, queue);
	job->refused = (u16)refused;
	if (!ok)
		set_status(job, SMEMV_ST_UNREACHABLE);
	if (refused || !ok || !job->sent) {
		finish(job);
		return;
	}
	set_deadline(k, job);
	TAILQ_INSERT_TAIL(&k->sent, job, queue);
	k->n_sent++;
}

/* Receiving */

static void link_broken(struct conn *c, const char *what)
{
	log_peer("%s at %s: %s; closed", c->name, c->peer, what);
	conn_close(c);
}

static void link_hello(struct conn *c, const struct smemv_frame *f, const u8 *meta)
{
	const u64 needed = SMEMV_FEAT_PAGE_CRC | SMEMV_FEAT_PUSH;
	struct smemv_wire_hello_reply r;

	if (f->opcode != SMEMV_OP_HELLO || f->status) {
		link_broken(c, "does not take pushes from this server");
		return;
	}
	memcpy(&r, meta, sizeof(r));
	if (memcmp(r.server_id, c->link->target_id, sizeof(r.server_id)))
		link_broken(c, "is another server than the one that pages are to be pushed to, or was restarted");
	else if (~le64_to_cpu(r.features) & needed)
		link_broken(c, "cannot take pushes");
	else if (le32_to_cpu(r.max_pages) < SMEMV_WIRE_MAX_PAGES)
		link_broken(c, "takes too few pages in a frame");
	else
		c->state = CONN_READY;
}

static struct push_job *find_sent(struct link *k, u64 tag)
{
	struct push_job *job;

	TAILQ_FOREACH(job, &k->sent, queue)
		if (job->tag == tag)
			return job;
	return NULL;
}

/* One status of a whole DELIVER, as the client that ordered it sees it. */
static enum smemv_wire_status status_of_all(u16 status)
{
	switch (status) {
	case SMEMV_ST_OK:
	case SMEMV_ST_NO_SPACE:
	case SMEMV_ST_STOPPING:
		return (enum smemv_wire_status)status;
	case SMEMV_ST_NO_DRAIN:
	case SMEMV_ST_NO_SUCH_SPACE:
	case SMEMV_ST_STALE_EPOCH:
	case SMEMV_ST_LIMIT:
		return SMEMV_ST_NO_DRAIN;
	default:
		return SMEMV_ST_UNKNOWN;
	}
}

static bool is_page_status(u16 status)
{
	switch (status) {
	case SMEMV_ST_OK:
	case SMEMV_ST_HELD:
	case SMEMV_ST_NO_SPACE:
	case SMEMV_ST_BAD_CRC:
	case SMEMV_ST_STOPPING:
	case SMEMV_ST_NO_DRAIN:
		return true;
	default:
		return false;
	}
}

static bool take_page_statuses(struct push_job *job, const struct smemv_frame *f, const u8 *meta)
{
	struct smemv_wire_page p;
	u32 i;

	if (f->count != job->sent)
		return false;
	for (i = 0; i < f->count; i++) {
		memcpy(&p, meta + i * sizeof(p), sizeof(p));
		if (le64_to_cpu(p.index) != job->index[job->sent_at[i]] ||
		    !is_page_status(le16_to_cpu(p.status)))
			return false;
		job->status[job->sent_at[i]] = le16_to_cpu(p.status);
	}
	return true;
}

static u32 count_applied(const struct push_job *job)
{
	u32 i, n = 0;

	for (i = 0; i < job->sent; i++)
		n += job->status[job->sent_at[i]] == SMEMV_ST_OK;
	return n;
}

void link_frame(struct conn *c, const struct smemv_frame *f, const u8 *meta)
{
	struct link *k = c->link;
	struct push_job *job;

	if (!(f->flags & SMEMV_WIRE_F_REPLY)) {
		link_broken(c, "asks instead of answering");
		return;
	}
	if (c->state == CONN_HELLO) {
		link_hello(c, f, meta);
		return;
	}
	job = f->opcode == SMEMV_OP_DELIVER ? find_sent(k, f->tag) : NULL;
	if (!job) {
		link_broken(c, "answers what was not asked");
		return;
	}
	if (f->status != SMEMV_ST_PARTIAL) {
		set_sent_status(job, status_of_all(f->status));
	} else if (!take_page_statuses(job, f, meta)) {
		link_broken(c, "answers for other pages");
		return;
	}
	/* Here, as who ordered it may have left. */
	stats_add(&c->loop->stats->pages_pushed, count_applied(job));
	finish_sent(k, job);
}

/* The loop's turn */

static u64 next_check_ms(const struct link *k)
{
	u64 again = k->checked_ms + PUSH_CHECK_MS;

	return k->due_ms > again ? k->due_ms : again;
}

static void check_deadlines(struct link *k)
{
	u64 now = k->loop->tick_ms;
	struct push_job *job, *next;

	if (now < next_check_ms(k))
		return;
	k->checked_ms = now;
	k->due_ms = UINT64_MAX;
	for (job = TAILQ_FIRST(&k->waiting); job; job = next) {
		next = TAILQ_NEXT(job, queue);
		if (now >= job->deadline_ms || !job->conn)
			finish_waiting(k, job);
		else
			k->due_ms = min_u64(k->due_ms, job->deadline_ms);
	}
	TAILQ_FOREACH(job, &k->sent, queue) {
		if (now >= job->deadline_ms) {
			link_broken(k->conn, "does not answer pushes in time");
			return;
		}
		k->due_ms = min_u64(k->due_ms, job->deadline_ms);
	}
}

static void step_idle(struct link *k)
{
	if (k->loop->tick_ms - k->idle_ms >= PUSH_IDLE_MS)
		end_link(k);
}

/* As for replies: who has output of which nothing is taken gets no more of the memory for it. */
static bool may_start(const struct link *k)
{
	const struct conn *c = k->conn;

	return c && c->state == CONN_READY && k->n_sent < PUSH_WINDOW &&
	       (!c->out_bytes || k->loop->out_bytes < k->loop->server->output_limit);
}

static void step_busy(struct link *k)
{
	k->idle_ms = k->loop->tick_ms;
	if (!k->conn && k->loop->tick_ms >= k->retry_ms)
		connect_link(k);
	/* It failed a moment ago: no answer is worth waiting for. */
	if (!k->conn)
		settle_lost(k);
	/* First: what waited for its time is not sent any more, or its answer would come late. */
	check_deadlines(k);
	while (may_start(k) && !TAILQ_EMPTY(&k->waiting))
		start_job(k, TAILQ_FIRST(&k->waiting));
	if (k->lost)
		settle_lost(k);
}

static void step_link(struct link *k)
{
	struct loop *l = k->loop;

	if (k->lost)
		settle_lost(k);
	if (is_idle(k)) {
		step_idle(k);
		return;
	}
	step_busy(k);
	if (!is_idle(k))
		l->push_due_ms = min_u64(l->push_due_ms, next_check_ms(k));
}

void push_step(struct loop *l)
{
	struct link *k, *next;

	l->push_due_ms = UINT64_MAX;
	for (k = LIST_FIRST(&l->links); k; k = next) {
		next = LIST_NEXT(k, all);
		step_link(k);
	}
}

/* Whoever walks the queue meanwhile has all its jobs; they go with the next look at deadlines. */
static void forget_in(struct link *k, struct push_queue *q, struct conn *c)
{
	struct push_job *job;

	TAILQ_FOREACH(job, q, queue) {
		if (job->conn != c)
			continue;
		job->conn = NULL;
		k->due_ms = 0;
		k->loop->push_due_ms = 0;
	}
}

void push_forget_conn(struct conn *c)
{
	struct link *k;

	LIST_FOREACH(k, &c->loop->links, all) {
		forget_in(k, &k->waiting, c);
		forget_in(k, &k->sent, c);
	}
}

/* At the end; the connections are closed and nobody is answered. */
void push_destroy(struct loop *l)
{
	struct link *k;

	while ((k = LIST_FIRST(&l->links))) {
		if (k->conn)
			k->conn->link = NULL;
		settle_lost(k);
		free_link(k);
	}
}
