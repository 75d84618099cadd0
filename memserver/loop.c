// SPDX-License-Identifier: GPL-2.0-only
/*
 * The event loop. One iteration: wait for completions, handle them all, do one
 * step of each long request, submit all output that this made, in one system call
 * with the next wait.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"
#include "request.h"
#include "ring.h"
#include "slow.h"

/* A client may have a deadline of a second and less, and loses its connection when it passes. */
#define DROP_ANSWER_MS	500u

/* From other threads */

static void wake(struct loop *l)
{
	u64 one = 1;
	ssize_t n = write(l->wake_fd, &one, sizeof(one));

	/* EAGAIN: the counter is full, so the loop is awake anyway. */
	(void)n;
}

int loop_give_fd(struct loop *l, int fd)
{
	int ret = 0;

	pthread_mutex_lock(&l->mail_lock);
	if (l->n_mail_fds == l->room_mail_fds) {
		u32 room = l->room_mail_fds ? l->room_mail_fds * 2 : 64;
		int *fds = realloc(l->mail_fds, room * sizeof(*fds));

		if (!fds) {
			ret = -ENOMEM;
			goto out;
		}
		l->mail_fds = fds;
		l->room_mail_fds = room;
	}
	l->mail_fds[l->n_mail_fds++] = fd;
out:
	pthread_mutex_unlock(&l->mail_lock);
	if (!ret)
		wake(l);
	return ret;
}

void loop_kick_fenced(struct loop *l)
{
	pthread_mutex_lock(&l->mail_lock);
	l->mail_fence = true;
	pthread_mutex_unlock(&l->mail_lock);
	wake(l);
}

void loop_drop_done(struct loop *l, struct drop_job *job)
{
	pthread_mutex_lock(&l->mail_lock);
	job->next_done = l->mail_done;
	l->mail_done = job;
	pthread_mutex_unlock(&l->mail_lock);
	wake(l);
}

void loop_stop(struct loop *l)
{
	pthread_mutex_lock(&l->mail_lock);
	l->mail_stop = true;
	pthread_mutex_unlock(&l->mail_lock);
	wake(l);
	pthread_join(l->thread, NULL);
}

/* From the loop's thread */

void loop_mark_dirty(struct conn *c)
{
	if (c->is_dirty || c->state == CONN_CLOSED)
		return;
	c->is_dirty = true;
	TAILQ_INSERT_TAIL(&c->loop->dirty, c, dirty);
}

void loop_mark_working(struct conn *c)
{
	if (c->is_working || c->state == CONN_CLOSED)
		return;
	c->is_working = true;
	TAILQ_INSERT_TAIL(&c->loop->working, c, working);
}

void loop_add_drop(struct loop *l, struct drop_job *job)
{
	job->answer_by_ms = l->tick_ms + DROP_ANSWER_MS;
	l->drops_due_ms = min_u64(l->drops_due_ms, job->answer_by_ms);
	LIST_INSERT_HEAD(&l->drops, job, pending);
}

static void leave_fresh(struct conn *c)
{
	if (c->is_fresh)
		TAILQ_REMOVE(&c->loop->fresh, c, fresh);
	c->is_fresh = false;
}

void loop_forget_conn(struct conn *c)
{
	struct loop *l = c->loop;
	struct drop_job *job;

	if (c->is_dirty)
		TAILQ_REMOVE(&l->dirty, c, dirty);
	if (c->is_working)
		TAILQ_REMOVE(&l->working, c, working);
	c->is_dirty = false;
	c->is_working = false;
	leave_fresh(c);
	if (!c->outgoing) {
		stats_add(&l->stats->connections, (u64)-1);
		atomic_fetch_sub(&l->server->connections, 1);
	}
	LIST_FOREACH(job, &l->drops, pending)
		if (job->conn == c)
			job->conn = NULL;
	push_forget_conn(c);
	/* Freed at the end of the iteration, or when the kernel is done with it. */
	l->closed = true;
}

struct outbuf *loop_outbuf_get(struct loop *l)
{
	struct outbuf *b = l->outbufs;

	if (b) {
		l->outbufs = b->next;
		l->n_outbufs--;
	} else {
		b = malloc(OUTBUF_SIZE);
		if (!b)
			return NULL;
	}
	b->next = NULL;
	b->len = 0;
	b->sent = 0;
	return b;
}

void loop_outbuf_put(struct loop *l, struct outbuf *b)
{
	if (l->n_outbufs >= LOOP_OUTBUFS_KEPT) {
		free(b);
		return;
	}
	b->next = l->outbufs;
	l->outbufs = b;
	l->n_outbufs++;
}

static int64_t own_frames(struct loop *l)
{
	return atomic_load_explicit(&l->st->used, memory_order_relaxed) +
	       atomic_load_explicit(&l->st->nodes, memory_order_relaxed);
}

u32 loop_free_pages(struct loop *l)
{
	int64_t n = l->free_base - own_frames(l);

	if (n < 0)
		return 0;
	return n > UINT32_MAX ? UINT32_MAX : (u32)n;
}

static void count_free_pages(struct loop *l)
{
	l->free_base = (int64_t)store_figures(&l->server->store).free + own_frames(l);
}

void loop_synchronize(struct loop *l)
{
	qs_exit(&l->server->qs, l->index);
	qs_synchronize(&l->server->qs);
	qs_enter(&l->server->qs, l->index);
}

/* Connections on which nobody ever spoke do not keep a client out: the oldest one goes. */
static bool has_room_for_conn(struct loop *l)
{
	struct conn *c;

	if (atomic_load(&l->server->connections) <= l->server->max_connections)
		return true;
	while ((c = TAILQ_FIRST(&l->fresh))) {
		leave_fresh(c);
		if (c->state != CONN_HELLO)
			continue;
		log_peer("%s: no HELLO yet, and there are %u connections (--max-connections); closed",
			 c->peer, l->server->max_connections);
		conn_close(c);
		return true;
	}
	return false;
}

static void refuse_fd(struct loop *l, int fd)
{
	close(fd);
	atomic_fetch_sub(&l->server->connections, 1);
}

static void adopt_fd(struct loop *l, int fd)
{
	struct conn *c;

	if (!has_room_for_conn(l)) {
		stats_add(&l->stats->refused, 1);
		log_peer("a connection was refused: there are %u already (--max-connections)",
			 l->server->max_connections);
		refuse_fd(l, fd);
		return;
	}
	c = conn_new(l, fd);
	if (!c) {
		log_peer("no memory for another connection; closed");
		refuse_fd(l, fd);
		return;
	}
	LIST_INSERT_HEAD(&l->conns, c, all);
	TAILQ_INSERT_TAIL(&l->fresh, c, fresh);
	c->is_fresh = true;
	stats_add(&l->stats->connections, 1);
	stats_add(&l->stats->accepted, 1);
	ring_arm_recv(c);
}

static void free_closed(struct loop *l)
{
	struct conn *c, *next;

	l->closed = false;
	for (c = LIST_FIRST(&l->conns); c; c = next) {
		next = LIST_NEXT(c, all);
		if (c->state != CONN_CLOSED)
			continue;
		if (!conn_can_be_freed(c)) {
			l->closed = true;
			continue;
		}
		LIST_REMOVE(c, all);
		conn_free(c);
	}
}

static void close_fenced(struct loop *l)
{
	struct conn *c;

	LIST_FOREACH(c, &l->conns, all) {
		if (c->state == CONN_CLOSED || !atomic_load(&c->session.fenced))
			continue;
		stats_add(&l->stats->fenced, 1);
		log_debug("%s at %s: a newer connection of its lane came; closed", c->name, c->peer);
		conn_close(c);
	}
}

static void finish_drops(struct drop_job *job)
{
	while (job) {
		struct drop_job *next = job->next_done;

		if (job->conn)
			request_drop_reply(job);
		LIST_REMOVE(job, pending);
		free(job);
		job = next;
	}
}

/* A huge space is zeroed for longer than a client may wait: it is gone all the same. */
static void answer_late_drops(struct loop *l)
{
	struct drop_job *job;

	if (l->tick_ms < l->drops_due_ms)
		return;
	l->drops_due_ms = UINT64_MAX;
	LIST_FOREACH(job, &l->drops, pending) {
		if (!job->conn)
			continue;
		if (l->tick_ms < job->answer_by_ms) {
			l->drops_due_ms = min_u64(l->drops_due_ms, job->answer_by_ms);
			continue;
		}
		request_drop_reply(job);
		job->conn = NULL;
	}
}

/* Returns false when the loop is to end. */
static bool read_mail(struct loop *l)
{
	struct drop_job *done;
	bool fence, stop;
	int *fds;
	u32 n, i;

	pthread_mutex_lock(&l->mail_lock);
	fds = l->mail_fds;
	n = l->n_mail_fds;
	done = l->mail_done;
	fence = l->mail_fence;
	stop = l->mail_stop;
	l->mail_fds = NULL;
	l->n_mail_fds = 0;
	l->room_mail_fds = 0;
	l->mail_done = NULL;
	l->mail_fence = false;
	pthread_mutex_unlock(&l->mail_lock);

	for (i = 0; i < n; i++)
		adopt_fd(l, fds[i]);
	free(fds);
	if (fence)
		close_fenced(l);
	finish_drops(done);
	return !stop;
}

/* Look again at what was received while the connection was paused. */
static void resume_input(struct conn *c)
{
	struct loop *l = c->loop;

	if (conn_paused(c) || c->state == CONN_CLOSED)
		return;
	if (c->stash) {
		qs_enter(&l->server->qs, l->index);
		c->stash_at += conn_input(c, c->stash + c->stash_at, c->stash_len - c->stash_at);
		qs_exit(&l->server->qs, l->index);
		if (c->stash_at < c->stash_len)
			return;
		free(c->stash);
		c->stash = NULL;
	}
	if (c->state != CONN_CLOSED && !conn_paused(c))
		ring_arm_recv(c);
}

static void keep_rest(struct conn *c, const u8 *data, u32 len)
{
	c->stash = malloc(len);
	if (!c->stash) {
		log_peer("%s: no memory for its input; closed", c->peer);
		conn_close(c);
		return;
	}
	memcpy(c->stash, data, len);
	c->stash_len = len;
	c->stash_at = 0;
}

static void send_output(struct conn *c)
{
	if (c->out_bytes && !c->sending && c->state != CONN_CLOSED)
		ring_send(c);
}

/* Reading the clock for each reply would cost more than some replies do. */
static void count_service_time(struct loop *l)
{
	u64 ns;

	if (!l->replies)
		return;
	ns = now_ns() - l->batch_ns;
	stats_add(&l->stats->service[stats_bucket(ns)], l->replies);
	stats_add(&l->stats->service_ns, ns * l->replies);
	l->replies = 0;
}

void loop_received(struct conn *c, const u8 *data, u32 len)
{
	struct loop *l = c->loop;
	u32 used;

	stats_add(&l->stats->bytes_in, len);
	qs_enter(&l->server->qs, l->index);
	used = conn_input(c, data, len);
	qs_exit(&l->server->qs, l->index);
	if (used < len && c->state != CONN_CLOSED)
		keep_rest(c, data + used, len - used);
	count_service_time(l);
	send_output(c);
}

void loop_sent(struct conn *c)
{
	c->progress_ms = c->loop->tick_ms;
	if (c->out_bytes)
		loop_mark_dirty(c);
	else if (c->state == CONN_LINGER && !c->shut) {
		c->shut = true;
		shutdown(c->fd, SHUT_WR);
	}
	resume_input(c);
}

static void step_working(struct loop *l)
{
	struct conn *c;
	u32 n = 0;

	TAILQ_FOREACH(c, &l->working, working)
		n++;
	while (n-- && (c = TAILQ_FIRST(&l->working))) {
		TAILQ_REMOVE(&l->working, c, working);
		c->is_working = false;
		qs_enter(&l->server->qs, l->index);
		/* Rule 2 holds between the steps of a long request too. */
		if (!atomic_load(&c->session.fenced))
			request_work_step(c);
		qs_exit(&l->server->qs, l->index);
		resume_input(c);
	}
}

/* Who goes on with input that was held back has its next turn after all others had theirs. */
static void flush_dirty(struct loop *l)
{
	struct conn *c;
	u32 n = 0;

	TAILQ_FOREACH(c, &l->dirty, dirty)
		n++;
	while (n-- && (c = TAILQ_FIRST(&l->dirty))) {
		TAILQ_REMOVE(&l->dirty, c, dirty);
		c->is_dirty = false;
		if (c->sending)
			continue;
		send_output(c);
		if (!c->sending)
			loop_sent(c);
	}
}

static void tick(struct loop *l)
{
	struct conn *c;

	LIST_FOREACH(c, &l->conns, all)
		if (c->state != CONN_CLOSED)
			slow_check(c);
}

/* Until something is due, if nothing arrives before. */
static unsigned int time_to_wait(struct loop *l)
{
	u64 due = min_u64(l->push_due_ms, l->drops_due_ms), now;

	if (!TAILQ_EMPTY(&l->working) || !TAILQ_EMPTY(&l->dirty))
		return 0;
	if (due >= l->tick_ms + LOOP_TICK_MS)
		return LOOP_TICK_MS;
	now = now_ms();
	return due > now ? (unsigned int)(due - now) : 0;
}

static void *loop_main(void *arg)
{
	struct loop *l = arg;
	char name[16];
	u64 next_tick = 0;
	bool running = true;

	snprintf(name, sizeof(name), "loop-%u", l->index);
	pthread_setname_np(pthread_self(), name);
	ring_enable(l);
	ring_arm_wake(l);
	while (running) {
		ring_wait(l, time_to_wait(l));
		l->batch_ns = now_ns();
		l->tick_ms = l->batch_ns / 1000000u;
		count_free_pages(l);
		ring_handle_all(l);
		if (l->woken) {
			l->woken = false;
			running = read_mail(l);
		}
		step_working(l);
		push_step(l);
		if (l->tick_ms >= next_tick) {
			next_tick = l->tick_ms + LOOP_TICK_MS;
			tick(l);
		}
		answer_late_drops(l);
		if (l->out_bytes > l->server->output_limit)
			slow_close_slowest(l);
		flush_dirty(l);
		count_service_time(l);
		if (l->closed)
			free_closed(l);
	}
	return NULL;
}

int loop_init(struct loop *l, struct server *server, unsigned int index, char *err, size_t err_len)
{
	int ret;

	memset(l, 0, sizeof(*l));
	l->server = server;
	l->index = index;
	l->st = &server->store.thread[index];
	TAILQ_INIT(&l->dirty);
	TAILQ_INIT(&l->working);
	TAILQ_INIT(&l->fresh);
	l->push_due_ms = UINT64_MAX;
	l->drops_due_ms = UINT64_MAX;
	pthread_mutex_init(&l->mail_lock, NULL);
	l->stats = aligned_alloc(CACHELINE, sizeof(*l->stats));
	LIST_INIT(&l->links);
	l->wake_fd = eventfd(0, EFD_CLOEXEC);
	if (!l->stats || l->wake_fd < 0) {
		ret = l->stats ? -errno : -ENOMEM;
		snprintf(err, err_len, "cannot make an event loop: %s", strerror(-ret));
		goto err_free;
	}
	memset(l->stats, 0, sizeof(*l->stats));
	ret = ring_init(l, err, err_len);
	if (ret)
		goto err_close;
	return 0;

err_close:
	close(l->wake_fd);
err_free:
	free(l->stats);
	return ret;
}

int loop_start(struct loop *l)
{
	return -pthread_create(&l->thread, NULL, loop_main, l);
}

static void free_outbufs(struct loop *l)
{
	while (l->outbufs) {
		struct outbuf *b = l->outbufs;

		l->outbufs = b->next;
		free(b);
	}
}

void loop_destroy(struct loop *l)
{
	struct conn *c;
	struct drop_job *job;

	push_destroy(l);
	LIST_FOREACH(c, &l->conns, all)
		conn_close(c);
	/* The kernel lets go of all buffers here. */
	ring_exit(l);
	while ((c = LIST_FIRST(&l->conns))) {
		LIST_REMOVE(c, all);
		conn_free(c);
	}
	while ((job = LIST_FIRST(&l->drops))) {
		LIST_REMOVE(job, pending);
		free(job);
	}
	free_outbufs(l);
	free(l->mail_fds);
	close(l->wake_fd);
	free(l->stats);
}
