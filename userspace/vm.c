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

enum { SIZE, BUDGET, SERVERS, DMA, SETTINGS, N_OPTIONS = SETTINGS + N_SETTINGS };

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
		[DMA] = { "dma", NULL, NULL, NULL, false },
	};
	int status;

	if (!parse_file_subject(call))
		return EXIT_USAGE;
	settings_keywords(&vm.settings, &keywords[SETTINGS]);
	status = parse_keywords(call, keywords);
	settings_take(&vm.settings, &keywords[SETTINGS]);
	vm.has_budget = keywords[BUDGET].seen;
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

enum { SET_BUDGET, SET_SETTINGS, N_SET = SET_SETTINGS + N_SETTINGS };

struct change {
	const char *name;
	bool has_budget;
	uint64_t budget_bytes;
	struct settings settings;
};

static int put_change(struct nl_msg *request, const void *arg)
{
	const struct change *change = arg;
	int err = nla_put_string(request, SMEMV_A_VM_NAME, change->name);

	if (change->has_budget)
		err |= nla_put_u64(request, SMEMV_A_VM_BUDGET, change->budget_bytes);
	return err | settings_put(request, &change->settings, SMEMV_A_VM_POLICY, SMEMV_A_VM_DEADLINE);
}

int vm_set(struct call *call)
{
	struct change change = { 0 };
	struct keyword keywords[N_SET + 1] = {
		[SET_BUDGET] = { "budget", "SIZE", parse_size, &change.budget_bytes, false },
	};
	int status;

	change.name = parse_file_subject(call);
	if (!change.name)
		return EXIT_USAGE;
	if (!call_peek(call))
		return call_usage(call, "budget, policy or deadline is missing");
	settings_keywords(&change.settings, &keywords[SET_SETTINGS]);
	status = parse_keywords(call, keywords);
	settings_take(&change.settings, &keywords[SET_SETTINGS]);
	change.has_budget = keywords[SET_BUDGET].seen;
	return status ? status : request_run(call, SMEMV_CMD_VM_SET, put_change, &change, NULL, NULL);
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
