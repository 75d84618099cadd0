// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory server's life: reserve the memory, listen, start the loops, hand
 * out connections, end on signals. Everything else happens in the loops.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "harden.h"
#include "log.h"
#include "loop.h"
#include "metrics.h"
#include "operator.h"
#include "options.h"

#define LISTEN_MAX	(OPTIONS_LISTEN_MAX + 8)

/*
 * A main host opens its lanes one after the other. So many share an event loop: it
 * finds more to do whenever it wakes, and wakes less often. Two of them, because a
 * loop alone may be less than the host's link.
 */
#define LANES_TOGETHER	2
#define POLL_MS		1000
#define BACKLOG		1024

struct daemon {
	struct options opt;
	struct server server;
	struct metrics *metrics;
	int listen_fd[LISTEN_MAX];
	unsigned int n_listen;
	int signal_fd;
	unsigned int given;	/* connections, to the loops */
	bool stopping;
	u64 stopping_since_ms;
	u64 next_chore_ms;
	u64 accept_again_ms;
};

static __attribute__((noreturn)) void die(const char *text)
{
	log_error("%s", text);
	exit(EXIT_FAILURE);
}

/*
 * Sockets to listen on: those that systemd hands over, else the options'. Bound
 * first, so that a wrong address is told before much memory is reserved; who can
 * connect finds a server that answers.
 */
static void bind_listeners(struct daemon *d)
{
	int n = sd_listen_fds(1), i;
	char err[512];

	for (i = 0; i < n && d->n_listen < LISTEN_MAX; i++) {
		int fd = SD_LISTEN_FDS_START + i;

		/* They come blocking, unless the unit says otherwise. */
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		d->listen_fd[d->n_listen++] = fd;
	}
	if (n > 0)
		return;
	for (i = 0; i < (int)d->opt.n_listen; i++) {
		int fd = address_bind(&d->opt.listen[i], err, sizeof(err));

		if (fd < 0)
			die(err);
		d->listen_fd[d->n_listen++] = fd;
	}
}

/* Round robin: the lanes of one client spread over the loops. */
static void give_connection(struct daemon *d, int fd)
{
	struct server *srv = &d->server;
	struct loop *l = &srv->loops[d->given++ / LANES_TOGETHER % srv->n_loops];

	conn_set_keepalive(fd);
	atomic_fetch_add(&srv->connections, 1);
	if (loop_give_fd(l, fd)) {
		atomic_fetch_sub(&srv->connections, 1);
		close(fd);
	}
}

static void accept_all(struct daemon *d, int listen_fd)
{
	int fd;

	while ((fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		give_connection(d, fd);
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
		log_peer("cannot accept a connection: %s; raise the limit of open files",
			 strerror(errno));
		d->accept_again_ms = now_ms() + 200;
	}
}

static void log_held(struct daemon *d, const char *what)
{
	struct store_figures f = store_figures(&d->server.store);
	u32 spaces = spaces_count(&d->server.spaces);

	log_info("%s: holding %" PRIu64 " pages and %" PRIu64 " zero pages of %u spaces",
		 what, f.used, f.zero, spaces);
	sd_notifyf(0, "STATUS=%s: holding %" PRIu64 " pages and %" PRIu64 " zero pages of %u spaces",
		   what, f.used, f.zero, spaces);
}

/* By what the spaces count: a page that becomes zeros, or content again, is for a moment in neither of the store's figures. */
static bool holds_nothing(struct daemon *d)
{
	return !spaces_pages(&d->server.spaces);
}

/* Returns false when it is time to end. */
static bool handle_signal(struct daemon *d)
{
	struct signalfd_siginfo si;

	if (read(d->signal_fd, &si, sizeof(si)) != sizeof(si))
		return true;
	if (si.ssi_signo == SIGINT || d->stopping)
		return false;
	d->stopping = true;
	d->stopping_since_ms = now_ms();
	atomic_store(&d->server.store.stopping, true);
	/* What is stored by who has not seen that yet is counted before the pages are. */
	qs_synchronize(&d->server.qs);
	sd_notify(0, "STOPPING=1");
	log_held(d, "stopping, no new pages are taken");
	if (!holds_nothing(d))
		log_info("it ends when its owners have taken their pages home; a second SIGTERM ends it now and loses them");
	return !holds_nothing(d);
}

static void orphan_swept(struct sweep *sw)
{
	free(sw);
}

/* What there is no memory for now is dropped later: chores come back. */
static void drop_orphans(struct daemon *d)
{
	char uuid[UUID_TEXT_LEN];
	struct sweep *sw;
	u64 idle_ms;

	if (!d->opt.orphan_timeout_s)
		return;
	while ((sw = calloc(1, sizeof(*sw)))) {
		sw->space = spaces_take_orphan(&d->server.spaces, d->opt.orphan_timeout_s * 1000,
					       &idle_ms);
		if (!sw->space)
			break;
		uuid_format(uuid, sw->space->uuid);
		qs_synchronize(&d->server.qs);
		log_info("space %s: no owner for %" PRIu64 " s (--orphan-timeout); dropping its %" PRId64 " pages",
			 uuid, idle_ms / 1000, (int64_t)atomic_load(&sw->space->pages));
		sw->done = orphan_swept;
		spaces_sweep(&d->server.spaces, sw);
	}
	free(sw);
}

/* Once in a second. Returns false when it is time to end. */
static bool chores(struct daemon *d)
{
	u64 now = now_ms();

	if (now < d->next_chore_ms)
		return true;
	d->next_chore_ms = now + POLL_MS;
	drop_orphans(d);
	if (!d->stopping)
		return true;
	if (holds_nothing(d))
		return false;
	if (!d->opt.drain_timeout_s ||
	    now - d->stopping_since_ms < d->opt.drain_timeout_s * 1000)
		return true;
	log_warn("--drain-timeout passed");
	return false;
}

static void serve(struct daemon *d)
{
	struct pollfd p[LISTEN_MAX + 1];
	unsigned int i;

	do {
		bool accepting = now_ms() >= d->accept_again_ms;

		p[0] = (struct pollfd){ .fd = d->signal_fd, .events = POLLIN };
		for (i = 0; i < d->n_listen; i++)
			p[i + 1] = (struct pollfd){ .fd = accepting ? d->listen_fd[i] : -1,
						    .events = POLLIN };
		if (poll(p, d->n_listen + 1, accepting ? POLL_MS : 200) < 0)
			continue;
		for (i = 0; i < d->n_listen; i++)
			if (p[i + 1].revents)
				accept_all(d, d->listen_fd[i]);
		if (p[0].revents && !handle_signal(d))
			break;
	} while (chores(d));
}

static void raise_file_limit(void)
{
	struct rlimit r;

	if (!getrlimit(RLIMIT_NOFILE, &r)) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

/*
 * This host may swap to a disk whose pages are here, as a main host with a server of its own does, and as
 * tests do: an allocation of this process must never wait for pages that only this process can
 * take. Inherited by the threads. Needs CAP_SYS_RESOURCE; on a host of its own a server needs none of it.
 */
static void never_wait_for_own_swap(void)
{
	if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0))
		log_debug("not marked as one who serves swap (%s)", strerror(errno));
}

/*
 * Nor may its code, heap or stacks go to swap, which may be served here too. Only without a limit of locked
 * memory, as beyond one every later mapping would fail. Pages get locked as they are touched.
 */
static void stay_in_memory(void)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };

	if (setrlimit(RLIMIT_MEMLOCK, &unlimited) ||
	    mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))
		log_debug("only pages that are served are locked into memory, not the server itself (%s)",
			  strerror(errno));
}

static void block_signals(struct daemon *d)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* A terminal that is closed is no reason to lose pages. */
	signal(SIGHUP, SIG_IGN);
	d->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (d->signal_fd < 0)
		die("cannot make a signalfd");
}

static void reserve_memory(struct daemon *d)
{
	static const char * const pages[] = { "huge pages", "transparent huge pages", "small pages" };
	struct slab_options opt = {
		.content_pages = d->opt.memory_bytes / SMEMV_WIRE_PAGE_SIZE,
		.threads = d->opt.threads + 1,	/* and the sweeper */
		.no_hugepages = d->opt.no_hugepages,
		.no_mlock = d->opt.no_mlock,
	};
	struct slab *slab = &d->server.store.slab;
	char err[512], size[32];

	sd_notify(0, "STATUS=reserving memory\nEXTEND_TIMEOUT_USEC=600000000");
	if (store_create(&d->server.store, &opt, err, sizeof(err)))
		die(err);
	size_format(size, sizeof(size), d->opt.memory_bytes);
	log_info("reserved %s: room for %" PRIu64 " pages, %s, %s", size, opt.content_pages,
		 pages[slab->pages], slab->locked ? "locked" : "not locked");
	if (!slab->locked && !d->opt.no_mlock)
		log_warn("the memory could not be locked, so this host may swap it out: raise the limit of locked memory (LimitMEMLOCK=infinity) or turn swap off");
}

static void start_server(struct daemon *d)
{
	struct server *srv = &d->server;
	unsigned int i;
	char err[512];

	srv->n_loops = d->opt.threads;
	srv->stall_timeout_ms = d->opt.stall_timeout_s * 1000ull;
	srv->output_limit = d->opt.output_limit_bytes;
	srv->max_connections = d->opt.max_connections;
	srv->qs.n = srv->n_loops;
	srv->qs.slot = aligned_alloc(CACHELINE, srv->n_loops * sizeof(*srv->qs.slot));
	srv->loops = calloc(srv->n_loops, sizeof(*srv->loops));
	if (!srv->qs.slot || !srv->loops || clients_init(&srv->clients))
		die("out of memory");
	memset(srv->qs.slot, 0, srv->n_loops * sizeof(*srv->qs.slot));
	if (getrandom(srv->server_id, sizeof(srv->server_id), 0) != sizeof(srv->server_id))
		die("cannot get random numbers");
	srv->started_ms = now_ms();
	for (i = 0; i < srv->n_loops; i++)
		if (loop_init(&srv->loops[i], srv, i, err, sizeof(err)))
			die(err);
	/* Before there are threads: each keeps what it was born with. */
	if (!d->opt.no_sandbox)
		harden_process();
	if (spaces_init(&srv->spaces, &srv->store, &srv->store.thread[srv->n_loops]))
		die("cannot start a thread");
	if (d->opt.stats) {
		d->metrics = metrics_start(srv, &d->opt.stats_addr, err, sizeof(err));
		if (!d->metrics)
			die(err);
	}
	for (i = 0; i < srv->n_loops; i++)
		if (loop_start(&srv->loops[i]))
			die("cannot start a thread");
}

static void listen_all(struct daemon *d)
{
	unsigned int i;

	for (i = 0; i < d->n_listen; i++)
		if (listen(d->listen_fd[i], BACKLOG))
			die("cannot listen: another server listens there already");
}

static void announce(struct daemon *d)
{
	char text[ADDRESS_TEXT_LEN];
	unsigned int i;

	for (i = 0; i < d->n_listen; i++) {
		struct address a = { .len = sizeof(a.ss) };

		getsockname(d->listen_fd[i], (struct sockaddr *)&a.ss, &a.len);
		address_format(text, sizeof(text), &a);
		log_info("%s serves on %s with %u threads", d->opt.name, text, d->opt.threads);
	}
	sd_notify(0, "READY=1\nSTATUS=serving");
}

static void end_server(struct daemon *d)
{
	struct server *srv = &d->server;
	unsigned int i;

	log_held(d, "ends");
	if (!holds_nothing(d))
		log_warn("these pages are lost");
	if (d->metrics)
		metrics_stop(d->metrics);
	for (i = 0; i < srv->n_loops; i++)
		loop_stop(&srv->loops[i]);
	/* The sweeper first: what it has done it tells a loop. */
	spaces_stop(&srv->spaces);
	for (i = 0; i < srv->n_loops; i++)
		loop_destroy(&srv->loops[i]);
	spaces_free(&srv->spaces);
	clients_free(&srv->clients);
	store_destroy(&srv->store);
	free(srv->loops);
	free(srv->qs.slot);
}

static void choose_crc32c(void)
{
	smemv_crc32c_init();
	if (smemv_crc32c_by_tables)
		log_info("CRC32C by tables: they are quicker here than the processor's instructions");
}

int main(int argc, char **argv)
{
	static struct daemon d;

	if (argc > 1 && operator_is_command(argv[1]))
		return operator_run(argc - 1, argv + 1);
	options_parse(&d.opt, argc, argv);
	log_init(d.opt.log_level);
	choose_crc32c();
	raise_file_limit();
	never_wait_for_own_swap();
	if (!d.opt.no_mlock)
		stay_in_memory();
	block_signals(&d);
	bind_listeners(&d);
	reserve_memory(&d);
	start_server(&d);
	listen_all(&d);
	announce(&d);
	serve(&d);
	end_server(&d);
	return EXIT_SUCCESS;
}
