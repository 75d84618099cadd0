// SPDX-License-Identifier: GPL-2.0-only
/* vm evict, vm populate: begin it, show how it goes, stop it on Ctrl-C, and say why less was moved. */
#include <errno.h>
#include <inttypes.h>
#include <netlink/attr.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "human.h"
#include "request.h"
#include "wait.h"

struct move {
	struct call *call;
	uint8_t command;
	uint64_t bytes;		/* to evict */
	bool stop;
	struct snapshot before;	/* of the file; empty when it could not be looked at */
	struct snapshot now;
};

static int put_move(struct nl_msg *request, const void *arg)
{
	const struct move *move = arg;
	int err = nla_put_string(request, SMEMV_A_VM_NAME, move->call->subject);

	if (move->stop)
		err |= nla_put_flag(request, SMEMV_A_VM_STOP);
	else if (move->command == SMEMV_CMD_VM_EVICT)
		err |= nla_put_u64(request, SMEMV_A_VM_SIZE, move->bytes);
	return err;
}

static int ask(struct move *move)
{
	return request_run(move->call, move->command, put_move, move, NULL, NULL);
}

static int stop(void *arg)
{
	struct move *move = arg;

	move->stop = true;
	return ask(move);
}

/* 0 or an exit status. */
static int look(struct move *move)
{
	struct reason why;
	int err;

	snapshot_free(&move->now);
	err = request_look(snapshot_vms, move->call->subject, &move->now, &why);
	if (!err && move->now.n_vms)
		return 0;
	return call_fail(move->call, "%s", err && err != -ENOENT ? why.text : "the file went away meanwhile");
}

/* What there was before it began. */
static const struct vm_info *before(const struct move *move)
{
	static const struct vm_info nothing;

	return move->before.n_vms ? move->before.vms : &nothing;
}

static uint64_t counted(const struct move *move, enum smemv_file_counter which)
{
	return move->now.vms->file_counters[which] - before(move)->file_counters[which];
}

static bool serves(const struct vm_info *vm, const char *server, bool has_pages)
{
	size_t i;

	if (!has_pages) {
		for (i = 0; i < vm->servers.count; i++)
			if (!strcmp(vm->servers.names[i], server))
				return true;
		return false;
	}
	for (i = 0; i < vm->n_where; i++)
		if (!strcmp(vm->where[i].server, server) && vm->where[i].pages)
			return true;
	return false;
}

/*
 * "one is down, two is full": the file's servers, or those that have pages of it, that are in another
 * state than up and @fine. Empty when there are none, or it cannot be told.
 */
static void servers_text(const struct vm_info *vm, bool has_pages, enum smemv_server_state fine,
			 struct reason *text)
{
	struct snapshot snapshot;
	struct reason ignored;
	size_t i, len = 0;

	text->text[0] = '\0';
	if (request_look(snapshot_servers, NULL, &snapshot, &ignored))
		snapshot_free(&snapshot);
	for (i = 0; i < snapshot.n_servers && len < sizeof(text->text); i++) {
		const struct server_info *server = &snapshot.servers[i];

		if (server->state == SMEMV_SERVER_UP || server->state == fine ||
		    !serves(vm, server->name, has_pages))
			continue;
		len += (size_t)snprintf(text->text + len, sizeof(text->text) - len, "%s%s is %s",
					len ? ", " : "", server->name, server_state_text(server->state));
	}
	snapshot_free(&snapshot);
}

/* Runs it to its end. 0 or an exit status. */
static int run(struct move *move, int (*look_on)(void *, struct progress *, bool *),
	       struct progress progress)
{
	struct background background = {
		.look = look_on, .stop = stop, .arg = move, .progress = progress,
	};
	sigset_t ends;
	int status;

	ends_block(&ends, 0);
	status = ask(move);
	return status ? status : background_wait(&background, &ends);
}

static void finish(struct move *move)
{
	snapshot_free(&move->before);
	snapshot_free(&move->now);
}

static int look_evicting(void *arg, struct progress *progress, bool *goes_on)
{
	struct move *move = arg;
	int status = look(move);
	const struct vm_info *vm = move->now.vms;

	if (status)
		return status;
	*goes_on = vm->has_goal;
	progress->left_bytes = vm->has_goal && vm->resident_bytes > vm->goal_bytes ?
			       vm->resident_bytes - vm->goal_bytes : 0;
	return 0;
}

static void why_not_taken(const struct move *move, struct reason *why)
{
	const struct vm_info *vm = move->now.vms;
	struct reason servers;

	servers_text(vm, false, SMEMV_SERVER_UP, &servers);
	if (servers.text[0])
		reason_set(why, "no server takes the rest: %s", servers.text);
	else if (vm->counters[SMEMV_PC_NO_SPACE] > before(move)->counters[SMEMV_PC_NO_SPACE])
		reason_set(why, "no server takes the rest: they were full");
	else
		reason_set(why, "no server took the rest within the deadline of %s",
			   human_time_us(1e3 * vm->deadline_ms).text);
}

/* By what the evictor counted since. */
static void why_not_evicted(const struct move *move, struct reason *why)
{
	if (move->stop)
		reason_set(why, "it was stopped, and the rest stays here");
	else if (counted(move, SMEMV_FC_OUT_FAILED))
		why_not_taken(move, why);
	else if (counted(move, SMEMV_FC_OUT_BUSY) > counted(move, SMEMV_FC_OUT_RESCUED))
		reason_set(why, "the rest is locked or pinned");
	else
		reason_set(why, "the rest is in use, or came back meanwhile");
}

/* Pages that come back meanwhile count against it; what was asked for is less of it here. */
static int tell_eviction(const struct move *move)
{
	uint64_t had = before(move)->resident_bytes, has = move->now.vms->resident_bytes;
	uint64_t gone = had > has ? had - has : 0;
	struct human all = human_size((double)move->bytes), part = human_size((double)gone);
	const char *amount = "only";
	struct reason why;

	if (gone >= move->bytes || !has)
		return EXIT_SUCCESS;
	why_not_evicted(move, &why);
	if (!strcmp(part.text, all.text)) {
		part = human_size((double)(move->bytes - gone));
		amount = "all but";
	}
	return call_fail(move->call, "%s %s of %s could be evicted: %s", amount, part.text, all.text, why.text);
}

static int evict(struct move *move)
{
	const struct vm_info *vm;
	struct reason ignored;
	int status;

	if (request_look(snapshot_vms, move->call->subject, &move->before, &ignored))
		snapshot_free(&move->before);	/* the request will tell why */
	vm = before(move);
	if (vm->owner != SMEMV_OWNER_ACTIVE)
		return call_fail(move->call, "%s", vm->owner == SMEMV_OWNER_LOST ?
				 "another main host owns its pages now: nothing can be stored" :
				 "it is claimed and not active: nothing can be stored before smemv vm activate");
	status = run(move, look_evicting, (struct progress) {
		.all_bytes = move->bytes < vm->resident_bytes ? move->bytes : vm->resident_bytes,
	});
	return status ? status : tell_eviction(move);
}

int vm_evict(struct call *call)
{
	struct move move = { .call = call, .command = SMEMV_CMD_VM_EVICT };
	struct reason why;
	const char *size;
	int status;

	if (!parse_file_subject(call))
		return EXIT_USAGE;
	size = parse_required(call, "SIZE");
	if (!size)
		return EXIT_USAGE;
	if (parse_size(size, &move.bytes, &why))
		return call_usage(call, "%s", why.text);
	if (parse_end(call))
		return EXIT_USAGE;
	status = evict(&move);
	finish(&move);
	return status;
}

/* Pages at servers may be here as well, so that there is less to bring than it seems. */
static uint64_t most_to_bring(const struct vm_info *vm)
{
	uint64_t spare = smemv_spare_bytes(vm->budget_bytes, vm->size_bytes);
	uint64_t most = vm->budget_bytes < vm->size_bytes ? vm->budget_bytes : vm->size_bytes;
	uint64_t room = most > vm->resident_bytes + spare ? most - vm->resident_bytes - spare : 0;

	return room < vm->pages * PAGE_BYTES ? room : vm->pages * PAGE_BYTES;
}

static int look_populating(void *arg, struct progress *progress, bool *goes_on)
{
	struct move *move = arg;
	int status = look(move);
	const struct vm_info *vm = move->now.vms;
	uint64_t had = before(move)->resident_bytes, came;

	if (status)
		return status;
	*goes_on = vm->populating;
	came = vm->resident_bytes > had ? vm->resident_bytes - had : 0;
	progress->left_bytes = *goes_on && came < progress->all_bytes ? progress->all_bytes - came : 0;
	return 0;
}

static void why_missed(const struct vm_info *vm, struct reason *why)
{
	struct reason servers;
	char lost[64] = "";

	if (vm->owner == SMEMV_OWNER_LOST) {
		reason_set(why, "another main host owns them now");
		return;
	}
	servers_text(vm, true, SMEMV_SERVER_FULL, &servers);
	if (vm->lost)
		snprintf(lost, sizeof(lost), "%" PRIu64 " pages of the file are lost", vm->lost);
	if (vm->lost || servers.text[0])
		reason_set(why, "%s%s%s", lost, vm->lost && servers.text[0] ? ", " : "", servers.text);
	else
		reason_set(why, "their server did not answer, or they were just being moved; ask again");
}

static int tell_populating(const struct move *move)
{
	const struct vm_info *vm = move->now.vms;
	struct reason why;

	if (move->stop)
		return call_fail(move->call, "it was stopped: %s of it is here, and stays",
				 human_size((double)vm->resident_bytes).text);
	if (!vm->missed)
		return EXIT_SUCCESS;
	why_missed(vm, &why);
	return call_fail(move->call, "%" PRIu64 " pages could not be brought: %s", vm->missed, why.text);
}

int vm_populate(struct call *call)
{
	struct move move = { .call = call, .command = SMEMV_CMD_VM_POPULATE };
	struct reason ignored;
	int status;

	if (!parse_file_subject(call) || parse_end(call))
		return EXIT_USAGE;
	if (request_look(snapshot_vms, call->subject, &move.before, &ignored))
		snapshot_free(&move.before);	/* the request will tell why */
	status = run(&move, look_populating, (struct progress) {
		.all_bytes = most_to_bring(before(&move)), .at_most = true,
	});
	if (!status)
		status = tell_populating(&move);
	finish(&move);
	return status;
}
