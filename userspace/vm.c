// SPDX-License-Identifier: GPL-2.0-only
#include <netlink/attr.h>
#include <stdlib.h>
#include <unistd.h>

#include "command.h"
#include "vm.h"
#include "vm_mount.h"
#include "wait.h"

#define POLL_MS		50
#define DELETE_WAIT_MS	10000

enum { SIZE, BUDGET, SERVERS, DMA, OVERCOMMIT, SETTINGS, N_OPTIONS = SETTINGS + N_SETTINGS };

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
		[OVERCOMMIT] = { "overcommit", NULL, NULL, NULL, false },
	};
	int status;

	if (!parse_file_subject(call))
		return EXIT_USAGE;
	settings_keywords(&vm.settings, &keywords[SETTINGS]);
	status = parse_keywords(call, keywords);
	settings_take(&vm.settings, &keywords[SETTINGS]);
	vm.has_budget = keywords[BUDGET].seen;
	vm.dma = keywords[DMA].seen;
	vm.overcommit = keywords[OVERCOMMIT].seen;
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

/* But for one that was deleted before, under its users. */
static bool is_there(const struct call *call)
{
	struct snapshot snapshot;
	struct reason why;
	bool there = !request_look(snapshot_vms, call->subject, &snapshot, &why);

	if (there && snapshot.n_vms)
		there = !(snapshot.vms->deleted && snapshot.vms->openers);
	snapshot_free(&snapshot);
	return there;
}

/* The servers are told in the background; who deletes them next should find them unused. */
static bool wait_until_gone(struct call *call)
{
	int waited_ms;

	for (waited_ms = 0; waited_ms < DELETE_WAIT_MS; waited_ms += POLL_MS) {
		if (!is_there(call))
			return true;
		wait_s(POLL_MS / 1e3);
	}
	return false;
}

int vm_del(struct call *call)
{
	struct reason why;

	if (!parse_file_subject(call) || parse_end(call))
		return EXIT_USAGE;
	if (vm_file_remove(call->subject, &why))
		return call_fail(call, "%s", why.text);
	if (!wait_until_gone(call))
		call_fail(call, "it is deleted, and its servers are still being told; until then \"server del\" refuses");
	return EXIT_SUCCESS;
}
