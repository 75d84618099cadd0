// SPDX-License-Identifier: GPL-2.0-only
/* smemv scan, and smemv vm attach: accessed pages of KVM machines. */
#include <netlink/attr.h>
#include <stdlib.h>
#include <unistd.h>

#include "command.h"
#include "kvm_fd.h"
#include "request.h"

/* The machine of a process, as a request names it. */
struct machine {
	const char *name;	/* of the memory file, when one is to be attached */
	uint32_t pid;
	int vm_fd;
	uint32_t interval_ms;	/* 0: the module's default */
};

static int put_scan(struct nl_msg *request, const void *arg)
{
	const struct machine *machine = arg;
	int err;

	err = nla_put_u32(request, SMEMV_A_SCAN_PID, machine->pid);
	err |= nla_put_u32(request, SMEMV_A_SCAN_VM_FD, (uint32_t)machine->vm_fd);
	if (machine->interval_ms)
		err |= nla_put_u32(request, SMEMV_A_SCAN_INTERVAL, machine->interval_ms);
	return err;
}

static int put_attach(struct nl_msg *request, const void *arg)
{
	const struct machine *machine = arg;

	return nla_put_string(request, SMEMV_A_VM_NAME, machine->name) |
	       nla_put_u32(request, SMEMV_A_VM_PID, machine->pid) |
	       nla_put_u32(request, SMEMV_A_VM_KVM_FD, (uint32_t)machine->vm_fd);
}

static int put_pid(struct nl_msg *request, const void *arg)
{
	const struct machine *machine = arg;

	return nla_put_u32(request, SMEMV_A_SCAN_PID, machine->pid);
}

/* "pid PID" and, with @with_interval, "[interval MS]". */
static int parse_machine(struct call *call, struct machine *machine, bool with_interval)
{
	struct keyword keywords[] = {
		{ "pid", "PID", parse_number, &machine->pid, false },
		{ "interval", "MS", parse_number, &machine->interval_ms, false },
		{ 0 },
	};
	int status;

	if (!with_interval)
		keywords[1].word = NULL;
	status = parse_keywords(call, keywords);
	if (!status && !keywords[0].seen)
		status = call_usage(call, "pid PID is missing");
	if (!status && keywords[1].seen && !machine->interval_ms)
		status = call_usage(call, "the interval must be 10 to 600000 ms");
	return status;
}

static int run_with_vm(struct call *call, uint8_t command, request_put_fn put,
		       struct machine *machine)
{
	struct reason why;
	int status;

	machine->vm_fd = kvm_fd_open(machine->pid, &why);
	if (machine->vm_fd < 0)
		return call_fail(call, "%s", why.text);
	status = request_run(call, command, put, machine, NULL, NULL);
	close(machine->vm_fd);
	return status;
}

int scan_start(struct call *call)
{
	struct machine machine = { 0 };
	int status = parse_machine(call, &machine, true);

	return status ? status : run_with_vm(call, SMEMV_CMD_SCAN_START, put_scan, &machine);
}

int scan_stop(struct call *call)
{
	struct machine machine = { 0 };
	int status = parse_machine(call, &machine, false);

	return status ? status : request_run(call, SMEMV_CMD_SCAN_STOP, put_pid, &machine, NULL, NULL);
}

int scan_show(struct call *call)
{
	struct reason why;
	uint32_t pid;

	if (call_peek(call) && parse_number(call_peek(call), &pid, &why))
		return call_usage(call, "%s", why.text);
	return request_show(call, snapshot_scans, view_scans);
}

int vm_attach(struct call *call)
{
	struct machine machine = { 0 };
	int status;

	machine.name = parse_file_subject(call);
	if (!machine.name)
		return EXIT_USAGE;
	status = parse_machine(call, &machine, false);
	return status ? status : run_with_vm(call, SMEMV_CMD_VM_ATTACH, put_attach, &machine);
}
