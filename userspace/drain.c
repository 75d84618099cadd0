// SPDX-License-Identifier: GPL-2.0-only
/* server drain: begins it, shows how it goes, and gives it up on Ctrl-C. */
#include <inttypes.h>
#include <netlink/attr.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "human.h"
#include "request.h"

#define LOOK_EVERY_MS 200

struct drain {
	const char *name;
	struct name_list targets;
	bool stop;
};

struct progress {
	uint64_t pages_before;
	uint64_t missing_before;
	uint64_t drained_before;
	double started;
	bool shown;
};

static int put_drain(struct nl_msg *request, const void *arg)
{
	const struct drain *drain = arg;
	int err = nla_put_string(request, SMEMV_A_SERVER_NAME, drain->name);

	if (drain->targets.count)
		err |= request_put_names(request, SMEMV_A_SERVER_TO, &drain->targets);
	if (drain->stop)
		err |= nla_put_flag(request, SMEMV_A_SERVER_STOP);
	return err;
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* 0, or non-zero when the server cannot be looked at. */
static int look(const char *name, struct server_info *server, struct reason *why)
{
	struct snapshot snapshot = { 0 };
	struct link *link;
	int err = link_open(&link, why);

	if (err)
		return err;
	err = snapshot_servers(link, name, &snapshot, why);
	link_close(link);
	if (!err)
		*server = snapshot.servers[0];
	snapshot_free(&snapshot);
	return err;
}

static void show_progress(struct progress *progress, const struct server_info *server)
{
	double seconds = now_s() - progress->started, rate;
	uint64_t moved;

	if (!isatty(STDERR_FILENO))
		return;
	moved = progress->pages_before > server->pages ? progress->pages_before - server->pages : 0;
	rate = seconds > 0 ? (double)moved / seconds : 0;
	fprintf(stderr, "\r%s left of %s, %s/s",
		human_size((double)(server->pages * PAGE_BYTES)).text,
		human_size((double)(progress->pages_before * PAGE_BYTES)).text,
		human_size(rate * PAGE_BYTES).text);
	if (rate > 0)
		fprintf(stderr, ", %.0f s to go", (double)server->pages / rate);
	fputs("\033[K", stderr);
	progress->shown = true;
}

static void block_interrupt(sigset_t *interrupt)
{
	sigemptyset(interrupt);
	sigaddset(interrupt, SIGINT);
	sigaddset(interrupt, SIGTERM);
	sigprocmask(SIG_BLOCK, interrupt, NULL);
}

static bool was_interrupted(const sigset_t *interrupt)
{
	struct timespec pause = { .tv_nsec = LOOK_EVERY_MS * 1000000L };

	return sigtimedwait(interrupt, NULL, &pause) > 0;
}

static int give_up(struct call *call, struct drain *drain)
{
	drain->stop = true;
	return request_run(call, SMEMV_CMD_SERVER_DRAIN, put_drain, drain, NULL, NULL);
}

/* Until no page is on its way any more. 0 or an exit status. */
static int wait_for_end(struct call *call, struct drain *drain, struct progress *progress,
			const sigset_t *interrupt, struct server_info *server)
{
	struct reason why;
	int status = 0;

	do {
		if (was_interrupted(interrupt) && !drain->stop)
			status = give_up(call, drain);
		if (look(drain->name, server, &why))
			return call_fail(call, "%s", why.text);
		show_progress(progress, server);
	} while (server->drains);
	if (progress->shown)
		fputc('\n', stderr);
	return status;
}

static int tell_result(struct call *call, const struct progress *progress,
		       const struct server_info *server)
{
	/* Not what is there no more: that may be lost, given up by its owner, or in his memory only. */
	uint64_t moved = server->counters[SMEMV_SC_DRAINED] - progress->drained_before;
	uint64_t lost = server->counters[SMEMV_SC_MISSING] - progress->missing_before;
	struct printer *printer;

	if (call->json) {
		printer = printer_new(stdout, PRINT_JSON);
		print_item(printer);
		print_text(printer, "server", "SERVER", server->name);
		print_number(printer, "moved_pages", "MOVED", moved);
		print_number(printer, "left_pages", "LEFT", server->pages);
		print_number(printer, "lost_pages", "LOST", lost);
		print_item_end(printer);
		printer_end(printer, false);
	}
	if (server->pages)
		return call_fail(call, "%" PRIu64 " pages stay there: %s (%" PRIu64 " were moved, %" PRIu64 " are lost)",
				 server->pages, server->drain_why[0] ? server->drain_why : "it was stopped", moved, lost);
	if (lost)
		return call_fail(call, "%" PRIu64 " pages were not there any more and are lost, %" PRIu64 " were moved; nothing is left on %s, it can be deleted",
				 lost, moved, server->name);
	if (!call->json)
		printf("%" PRIu64 " pages moved; nothing is left on %s, it can be deleted\n", moved,
		       server->name);
	return EXIT_SUCCESS;
}

static int run_drain(struct call *call, struct drain *drain)
{
	struct progress progress = { .started = now_s() };
	struct server_info server;
	sigset_t interrupt;
	struct reason why;
	int status;

	if (!look(drain->name, &server, &why)) {	/* else the request will tell why */
		progress.pages_before = server.pages;
		progress.missing_before = server.counters[SMEMV_SC_MISSING];
		progress.drained_before = server.counters[SMEMV_SC_DRAINED];
	}
	block_interrupt(&interrupt);
	status = request_run(call, SMEMV_CMD_SERVER_DRAIN, put_drain, drain, NULL, NULL);
	if (!status)
		status = wait_for_end(call, drain, &progress, &interrupt, &server);
	return status ? status : tell_result(call, &progress, &server);
}

int server_drain(struct call *call)
{
	struct drain drain = { 0 };
	struct keyword keywords[] = {
		{ "to", "NAME[,NAME]", parse_names, &drain.targets, false },
		{ 0 },
	};
	int status;

	drain.name = parse_subject(call);
	if (!drain.name)
		return EXIT_USAGE;
	status = parse_keywords(call, keywords);
	if (!status)
		status = run_drain(call, &drain);
	name_list_free(&drain.targets);
	return status;
}
