// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <netlink/attr.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "human.h"
#include "vm.h"
#include "vm_mount.h"

#define POLL_MS		50
#define DELETE_WAIT_MS	10000

enum { SIZE, BUDGET, SERVERS, POLICY, DEADLINE, DMA, N_OPTIONS };

static void print_new(const struct call *call, const struct snapshot *made)
{
	struct printer *printer;

	if (!call->json) {
		puts(vm_path(call->subject).text);
		return;
	}
	printer = printer_new(stdout, PRINT_JSON);
	view_vms(printer, NULL, made, NULL);
	printer_end(printer, false);
}

int vm_make(struct call *call, struct new_vm *vm, struct snapshot *made)
{
	struct reason why;

	if (vm_file_make(call->subject, vm, made, &why))
		return call_fail(call, "%s", why.text);
	return EXIT_SUCCESS;
}

static int create(struct call *call, struct new_vm *vm)
{
	struct snapshot made = { 0 };
	int status = vm_make(call, vm, &made);

	if (!status) {
		close(vm->fd);
		print_new(call, &made);
	}
	snapshot_free(&made);
	return status;
}

int vm_create(struct call *call)
{
	struct new_vm vm = { 0 };
	struct keyword keywords[N_OPTIONS + 1] = {
		[SIZE] = { "size", "SIZE", parse_size, &vm.size_bytes, false },
		[BUDGET] = { "budget", "SIZE", parse_size, &vm.budget_bytes, false },
		[SERVERS] = { "servers", "NAME[,NAME]", parse_names, &vm.servers, false },
		[POLICY] = { "policy", "error|suspend", parse_policy, &vm.policy, false },
		[DEADLINE] = { "deadline", "MS", parse_number, &vm.deadline_ms, false },
		[DMA] = { "dma", NULL, NULL, NULL, false },
	};
	int status;

	if (!parse_file_subject(call))
		return EXIT_USAGE;
	status = parse_keywords(call, keywords);
	vm.has_budget = keywords[BUDGET].seen;
	vm.has_policy = keywords[POLICY].seen;
	vm.has_deadline = keywords[DEADLINE].seen;
	vm.dma = keywords[DMA].seen;
	if (!status && !keywords[SIZE].seen)
		status = call_usage(call, "size SIZE is missing");
	if (!status)
		status = create(call, &vm);
	name_list_free(&vm.servers);
	return status;
}

int vm_show(struct call *call)
{
	return request_show(call, snapshot_vms, view_vms);
}

enum { SET_BUDGET, SET_POLICY, SET_DEADLINE, N_SETTINGS };

struct settings {
	const char *name;
	uint64_t budget_bytes;
	uint32_t policy;
	uint32_t deadline_ms;
	struct keyword keywords[N_SETTINGS + 1];
};

static int put_settings(struct nl_msg *request, const void *arg)
{
	const struct settings *settings = arg;
	int err;

	err = nla_put_string(request, SMEMV_A_VM_NAME, settings->name);
	if (settings->keywords[SET_BUDGET].seen)
		err |= nla_put_u64(request, SMEMV_A_VM_BUDGET, settings->budget_bytes);
	if (settings->keywords[SET_POLICY].seen)
		err |= nla_put_u32(request, SMEMV_A_VM_POLICY, settings->policy);
	if (settings->keywords[SET_DEADLINE].seen)
		err |= nla_put_u32(request, SMEMV_A_VM_DEADLINE, settings->deadline_ms);
	return err;
}

int vm_set(struct call *call)
{
	struct settings settings = {
		.keywords = {
			[SET_BUDGET] = { "budget", "SIZE", parse_size, &settings.budget_bytes, false },
			[SET_POLICY] = { "policy", "error|suspend", parse_policy, &settings.policy, false },
			[SET_DEADLINE] = { "deadline", "MS", parse_number, &settings.deadline_ms, false },
		},
	};
	int status;

	settings.name = parse_file_subject(call);
	if (!settings.name)
		return EXIT_USAGE;
	if (!call_peek(call))
		return call_usage(call, "budget, policy or deadline is missing");
	status = parse_keywords(call, settings.keywords);
	if (status)
		return status;
	return request_run(call, SMEMV_CMD_VM_SET, put_settings, &settings, NULL, NULL);
}

static void pause_ms(long ms)
{
	const struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	nanosleep(&pause, NULL);
}

/* What the module says about the call's subject now. -ENOENT: there is no such file. */
static int look(struct call *call, struct vm_info *vm)
{
	struct snapshot snapshot = { 0 };
	struct reason why;
	struct link *link;
	int err;

	err = link_open(&link, &why);
	if (err)
		return err;
	err = snapshot_vms(link, call->subject, &snapshot, &why);
	link_close(link);
	if (!err && !snapshot.n_vms)
		err = -ENOENT;
	if (!err)
		*vm = snapshot.vms[0];	/* only its numbers are used */
	snapshot_free(&snapshot);
	return err;
}

struct eviction {
	const char *name;
	uint64_t bytes;
};

static int put_eviction(struct nl_msg *request, const void *arg)
{
	const struct eviction *eviction = arg;

	return nla_put_string(request, SMEMV_A_VM_NAME, eviction->name) |
	       nla_put_u64(request, SMEMV_A_VM_SIZE, eviction->bytes);
}

/* Pages that come back meanwhile count against it; what was asked for is less of it here. */
static int wait_for_eviction(struct call *call, uint64_t before, uint64_t bytes)
{
	struct vm_info vm;
	uint64_t gone;

	do {
		pause_ms(POLL_MS);
		if (look(call, &vm))
			return call_fail(call, "the file went away meanwhile");
	} while (vm.has_goal);
	gone = before > vm.resident_bytes ? before - vm.resident_bytes : 0;
	if (gone < bytes && vm.resident_bytes)
		return call_fail(call, "only %s of %s could be evicted: the rest is in use, pinned, or no server takes it",
				 human_size((double)gone).text, human_size((double)bytes).text);
	return EXIT_SUCCESS;
}

int vm_evict(struct call *call)
{
	struct eviction eviction;
	struct reason why;
	struct vm_info vm;
	const char *size;
	int status;

	eviction.name = parse_file_subject(call);
	if (!eviction.name)
		return EXIT_USAGE;
	size = parse_required(call, "SIZE");
	if (!size)
		return EXIT_USAGE;
	if (parse_size(size, &eviction.bytes, &why))
		return call_usage(call, "%s", why.text);
	if (parse_end(call))
		return EXIT_USAGE;
	if (look(call, &vm))
		vm.resident_bytes = 0;	/* the request will tell why */
	else if (vm.owner != SMEMV_OWNER_ACTIVE)
		return call_fail(call, "%s", vm.owner == SMEMV_OWNER_LOST ?
				 "another main host owns its pages now: nothing can be stored" :
				 "it is claimed and not active: nothing can be stored before smemv vm activate");
	status = request_run(call, SMEMV_CMD_VM_EVICT, put_eviction, &eviction, NULL, NULL);
	return status ? status : wait_for_eviction(call, vm.resident_bytes, eviction.bytes);
}

static int put_name(struct nl_msg *request, const void *name)
{
	return nla_put_string(request, SMEMV_A_VM_NAME, name);
}

/* The servers are told in the background; who deletes them next should find them unused. */
static void wait_until_gone(struct call *call)
{
	struct vm_info vm;
	int waited_ms;

	for (waited_ms = 0; waited_ms < DELETE_WAIT_MS && !look(call, &vm); waited_ms += POLL_MS)
		pause_ms(POLL_MS);
}

int vm_populate(struct call *call)
{
	struct vm_info vm;
	int status;

	if (!parse_file_subject(call) || parse_end(call))
		return EXIT_USAGE;
	status = request_run(call, SMEMV_CMD_VM_POPULATE, put_name, call->subject, NULL, NULL);
	if (status)
		return status;
	do {
		pause_ms(POLL_MS);
		if (look(call, &vm))
			return call_fail(call, "the file went away meanwhile");
	} while (vm.populating);
	if (vm.missed && vm.owner == SMEMV_OWNER_LOST)
		return call_fail(call, "%" PRIu64 " pages could not be brought: another main host owns them now",
				 vm.missed);
	if (vm.missed)
		return call_fail(call, "%" PRIu64 " pages could not be brought: they are lost, being moved, or their server cannot be reached",
				 vm.missed);
	return EXIT_SUCCESS;
}

int vm_del(struct call *call)
{
	struct reason why;

	if (!parse_file_subject(call) || parse_end(call))
		return EXIT_USAGE;
	if (vm_file_remove(call->subject, &why))
		return call_fail(call, "%s", why.text);
	wait_until_gone(call);
	return EXIT_SUCCESS;
}
