// SPDX-License-Identifier: GPL-2.0-only
/* server drain: begins it, shows how it goes, and gives it up on Ctrl-C. */
#include <inttypes.h>
#include <netlink/attr.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "request.h"
#include "wait.h"

struct drain {
	struct call *call;
	struct name_list targets;
	bool stop;
	struct server_info before;	/* zeros when it could not be looked at */
	struct server_info now;
};

static int put_drain(struct nl_msg *request, const void *arg)
{
	const struct drain *drain = arg;
	int err = nla_put_string(request, SMEMV_A_SERVER_NAME, drain->call->subject);

	if (drain->targets.count)
		err |= request_put_names(request, SMEMV_A_SERVER_TO, &drain->targets);
	if (drain->stop)
		err |= nla_put_flag(request, SMEMV_A_SERVER_STOP);
	return err;
}

/* 0, or non-zero when the server cannot be looked at. */
static int look(const char *name, struct server_info *server, struct reason *why)
{
	struct snapshot snapshot;
	int err = request_look(snapshot_servers, name, &snapshot, why);

	if (!err)
		*server = snapshot.servers[0];
	snapshot_free(&snapshot);
	return err;
}

static int look_on(void *arg, struct progress *progress, bool *goes_on)
{
	struct drain *drain = arg;
	struct reason why;

	if (look(drain->call->subject, &drain->now, &why))
		return call_fail(drain->call, "%s", why.text);
	progress->left_bytes = drain->now.pages * PAGE_BYTES;
	*goes_on = drain->now.drains;
	return 0;
}

static int stop(void *arg)
{
	struct drain *drain = arg;

	drain->stop = true;
	return request_run(drain->call, SMEMV_CMD_SERVER_DRAIN, put_drain, drain, NULL, NULL);
}

static int tell_result(const struct drain *drain)
{
	const struct server_info *server = &drain->now, *before = &drain->before;
	struct call *call = drain->call;
	/* Not what is there no more: that may be lost, given up by its owner, or in his memory only. */
	uint64_t moved = server->counters[SMEMV_SC_DRAINED] - before->counters[SMEMV_SC_DRAINED];
	uint64_t lost = server->counters[SMEMV_SC_MISSING] - before->counters[SMEMV_SC_MISSING];
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

static int run_drain(struct drain *drain)
{
	struct background background = { .look = look_on, .stop = stop, .arg = drain };
	struct call *call = drain->call;
	struct reason why;
	sigset_t ends;
	int status;

	if (look(call->subject, &drain->before, &why))
		memset(&drain->before, 0, sizeof(drain->before));	/* the request will tell why */
	background.progress.all_bytes = drain->before.pages * PAGE_BYTES;
	ends_block(&ends, 0);
	status = request_run(call, SMEMV_CMD_SERVER_DRAIN, put_drain, drain, NULL, NULL);
	if (!status)
		status = background_wait(&background, &ends);
	return status ? status : tell_result(drain);
}

int server_drain(struct call *call)
{
	struct drain drain = { .call = call };
	struct keyword keywords[] = {
		{ "to", "NAME[,NAME]", parse_names, &drain.targets, false },
		{ 0 },
	};
	int status;

	if (!parse_subject(call))
		return EXIT_USAGE;
	status = parse_keywords(call, keywords);
	if (!status)
		status = run_drain(&drain);
	name_list_free(&drain.targets);
	return status;
}
