// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "human.h"
#include "process.h"

int parse_processes(const char *text, void *value, struct reason *why)
{
	struct process_list *list = value;
	const char *rest = text;
	char *end;
	long pid;

	for (;;) {
		errno = 0;
		pid = strtol(rest, &end, 10);
		if (!isdigit((unsigned char)*rest) || errno || pid < 1 || pid > INT_MAX ||
		    (*end && *end != ',') || list->count == PROCESSES_MAX) {
			reason_set(why, "\"%s\" is not a list of at most %d process numbers", text,
				   PROCESSES_MAX);
			return -EINVAL;
		}
		list->pids[list->count++] = (int)pid;
		if (!*end)
			return 0;
		rest = end + 1;
	}
}

struct process {
	char name[32];
	uint64_t resident_bytes;
	uint64_t swapped_bytes;
};

static void read_line(const char *line, struct process *process)
{
	unsigned long long kib;

	if (sscanf(line, "Name: %31[^\n]", process->name) == 1)
		return;
	if (sscanf(line, "VmRSS: %llu", &kib) == 1)
		process->resident_bytes = kib * 1024;
	else if (sscanf(line, "VmSwap: %llu", &kib) == 1)
		process->swapped_bytes = kib * 1024;
}

static int read_process(int pid, struct process *process)
{
	char path[32], line[256];
	FILE *status;

	memset(process, 0, sizeof(*process));
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	status = fopen(path, "re");
	if (!status)
		return -errno;
	while (fgets(line, sizeof(line), status))
		read_line(line, process);
	fclose(status);
	make_printable(process->name);
	return 0;
}

uint64_t process_resident_bytes(int pid)
{
	struct process process;

	return read_process(pid, &process) ? 0 : process.resident_bytes;
}

uint64_t process_swapped_bytes(int pid)
{
	struct process process;

	return read_process(pid, &process) ? 0 : process.swapped_bytes;
}

void view_processes(struct printer *printer, const char *key, const struct process_list *list)
{
	struct process process;
	int i;

	print_list(printer, key, "Processes");
	for (i = 0; i < list->count; i++) {
		if (read_process(list->pids[i], &process))
			continue;
		print_item(printer);
		print_number(printer, "pid", "PID", (uint64_t)list->pids[i]);
		print_text(printer, "name", "NAME", process.name);
		print_bytes(printer, "local_bytes", "LOCAL", process.resident_bytes);
		print_bytes(printer, "swapped_bytes", "SWAPPED", process.swapped_bytes);
		print_item_end(printer);
	}
	print_list_end(printer);
}
