// SPDX-License-Identifier: GPL-2.0-only
/* A memory file changes its owner: map, adopt, activate, take-back. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "command.h"
#include "human.h"
#include "space_map.h"
#include "vm.h"
#include "vm_mount.h"

struct error_text {
	int err;
	const char *text;
};

/* @texts: what errno means here, ends with 0. Returns the exit status. */
static int fail_with(const struct call *call, int err, const struct error_text *texts)
{
	for (; texts->err; texts++)
		if (texts->err == err)
			return call_fail(call, "%s", texts->text);
	return call_fail(call, "%s; the kernel log may say more", strerror(err));
}

/* -1 after the complaint was printed. */
static int open_file(const struct call *call)
{
	struct reason why;
	int fd = vm_file_open(call->subject, &why);

	if (fd < 0)
		call_fail(call, "%s", why.text);
	return fd;
}

static int print_map(const struct call *call, const struct space_map *map)
{
	struct reason why;

	if (!call->json) {
		space_map_print(map, stdout);
		return EXIT_SUCCESS;
	}
	if (map->space.flags & SMEMV_SPACE_F_UNDECIDABLE)
		return call_fail(call, "its server that decides who owns it cannot be reached, so nobody could adopt it: smemv server show");
	if (space_map_write(map, stdout, &why))
		return call_fail(call, "%s", why.text);
	return EXIT_SUCCESS;
}

int vm_map(struct call *call)
{
	struct space_map map;
	struct reason why;
	int fd, status;

	if (!parse_file_subject(call) || parse_end(call))
		return EXIT_USAGE;
	fd = open_file(call);
	if (fd < 0)
		return EXIT_FAILURE;
	if (space_map_ask(fd, call->json ? SMEMV_SPACE_F_HAND_OVER : 0, &map, &why))
		status = call_fail(call, "%s", why.text);
	else
		status = print_map(call, &map);
	space_map_free(&map);
	close(fd);
	return status;
}

static const struct error_text adopt_errors[] = {
	{ EINVAL, "the map makes no sense: its runs overlap or do not ascend, lie beyond the end, name no server, or the size is not the file's" },
	{ ENODEV, "a server of the map is not known here, or was restarted since; the kernel log names it (smemv server add)" },
	{ ENOENT, "the arbiter does not know the space: it was dropped, or the map is of another cluster" },
	{ ESTALE, "somebody else claimed the space, or its owner took it back" },
	{ EBUSY, "the file has pages at servers already, or is not fresh; adopt with a new one" },
	{ EIO, "the arbiter does not answer; try again when it does" },
	{ EREMOTEIO, "the arbiter, or another server, refused; the kernel log says why" },
	{ EOPNOTSUPP, "a server knows nothing of owners; update it" },
	{ 0, NULL },
};

static int adopt_map(const struct call *call, int fd, const struct space_map *map)
{
	struct smemv_ioc_adopt adopt = {
		.epoch = map->space.epoch,
		.size_bytes = map->space.size_bytes,
		.servers = (uintptr_t)map->servers,
		.runs = (uintptr_t)map->runs,
		.nr_runs = map->n_runs,
		.nr_servers = map->space.nr_servers,
		.arbiter = map->space.arbiter,
	};

	memcpy(adopt.uuid, map->space.uuid, sizeof(adopt.uuid));
	if (ioctl(fd, SMEMV_IOC_ADOPT, &adopt))
		return fail_with(call, errno, adopt_errors);
	return EXIT_SUCCESS;
}

static bool exists(const struct call *call)
{
	return !access(vm_path(call->subject).text, F_OK);
}

/* A file that was made for it goes again when it comes to nothing. */
static int adopt_anew(struct call *call, struct new_vm *vm, const struct space_map *map)
{
	struct snapshot made = { 0 };
	int status;

	vm->size_bytes = map->space.size_bytes;
	/* The pages are where they are. */
	vm->overcommit = true;
	status = vm_make(call, vm, &made);
	snapshot_free(&made);
	if (status)
		return status;
	status = adopt_map(call, vm->fd, map);
	close(vm->fd);
	if (status)
		unlink(vm_path(call->subject).text);
	else if (!call->json)
		puts(vm_path(call->subject).text);
	return status;
}

static int adopt_here(struct call *call, const struct space_map *map)
{
	int fd = open_file(call), status;

	if (fd < 0)
		return EXIT_FAILURE;
	status = adopt_map(call, fd, map);
	close(fd);
	return status;
}

static int read_map(const struct call *call, const char *path, struct space_map *map)
{
	FILE *in = strcmp(path, "-") ? fopen(path, "re") : stdin;
	struct reason why;
	uint64_t newer;
	int err;

	memset(map, 0, sizeof(*map));
	if (!in)
		return call_fail(call, "cannot open %s: %s", path, strerror(errno));
	err = space_map_read(in, map, &why);
	if (in != stdin)
		fclose(in);
	if (err)
		return call_fail(call, "%s: %s", path, why.text);
	newer = space_map_newer_pages(map);
	if (newer)
		return call_fail(call, "%" PRIu64 " pages (%s) are in the old host's memory only, and would be lost; evict them there (smemv vm evict) and take the map again",
				 newer, human_size((double)newer * PAGE_BYTES).text);
	return EXIT_SUCCESS;
}

enum { BUDGET, SETTINGS, N_OPTIONS = SETTINGS + N_SETTINGS };

int vm_adopt(struct call *call)
{
	struct new_vm vm = { 0 };
	struct keyword keywords[N_OPTIONS + 1] = {
		[BUDGET] = { "budget", "SIZE", parse_size, &vm.budget_bytes, false },
	};
	struct space_map map;
	bool has_options;
	const char *path;
	int status;

	if (!parse_file_subject(call))
		return EXIT_USAGE;
	path = parse_required(call, "FILE");
	if (!path)
		return EXIT_USAGE;
	has_options = call_peek(call);
	settings_keywords(&vm.settings, &keywords[SETTINGS]);
	status = parse_keywords(call, keywords);
	if (status)
		return status;
	vm.has_budget = keywords[BUDGET].seen;
	settings_take(&vm.settings, &keywords[SETTINGS]);
	status = read_map(call, path, &map);
	if (!status && exists(call) && has_options)
		status = call_fail(call, "the file exists already; set its options with smemv vm set");
	else if (!status)
		status = exists(call) ? adopt_here(call, &map) : adopt_anew(call, &vm, &map);
	space_map_free(&map);
	return status;
}

static int run_ioctl(struct call *call, unsigned long request, const struct error_text *errors)
{
	int fd = open_file(call), status = EXIT_SUCCESS;

	if (fd < 0)
		return EXIT_FAILURE;
	if (ioctl(fd, request))
		status = fail_with(call, errno, errors);
	close(fd);
	return status;
}

int vm_activate(struct call *call)
{
	static const struct error_text errors[] = {
		{ ESTALE, "the old owner took it back, or another one claimed it: no guest may run on this file" },
		{ EIO, "the arbiter does not answer, or was restarted: nobody can know who the owner is; ask again, and do not run the guest" },
		{ ENODEV, "a server does not answer, or has not all pages that it got (the kernel's log names it): nothing was decided; ask again, or have the old owner take it back" },
		{ ENODATA, "the file has no size yet" },
		{ 0, NULL },
	};

	if (!parse_file_subject(call) || parse_end(call))
		return EXIT_USAGE;
	return run_ioctl(call, SMEMV_IOC_ACTIVATE, errors);
}

int vm_take_back(struct call *call)
{
	static const struct error_text errors[] = {
		{ EBUSY, "the new owner is active: its guest may run, so this one must stay stopped" },
		{ ESTALE, "another host claimed it meanwhile: leave the guest stopped, and ask again" },
		{ EIO, "the arbiter does not answer, or was restarted: nobody can know who the owner is; ask again, and leave the guest stopped; when you are sure that it runs nowhere else, and never will, say force" },
		{ EPERM, "force needs root" },
		{ EINVAL, "this host was never its active owner" },
		{ EOPNOTSUPP, "a server knows nothing of owners; update it" },
		{ ENODATA, "the file has no size yet" },
		{ 0, NULL },
	};

	struct keyword force[] = { { "force", NULL, NULL, NULL, false }, { 0 } };

	if (!parse_file_subject(call) || parse_keywords(call, force))
		return EXIT_USAGE;
	return run_ioctl(call, force[0].seen ? SMEMV_IOC_FORCE_BACK : SMEMV_IOC_TAKE_BACK, errors);
}
