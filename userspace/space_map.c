// SPDX-License-Identifier: GPL-2.0-only
/* Asking the module for a map, and showing it to people. */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "human.h"
#include "print.h"
#include "space_map.h"

#define PIECE_RUNS	4096u

bool space_map_is_hole(const struct smemv_map_server *server)
{
	static const struct smemv_map_server none;

	return !memcmp(server->server_id, none.server_id, sizeof(none.server_id));
}

static void tell_progress(uint64_t page, uint64_t pages, time_t *last)
{
	time_t now = time(NULL);

	if (!isatty(STDERR_FILENO) || !*last || now == *last) {
		*last = now;
		return;
	}
	*last = now;
	fprintf(stderr, "\r%3" PRIu64 " %% of %s", page * 100 / pages,
		human_size((double)pages * PAGE_BYTES).text);
	if (page == pages)
		fputc('\n', stderr);
}

static int ask_runs(int fd, struct space_map *map)
{
	uint64_t pages = map->space.size_bytes / PAGE_BYTES;
	struct smemv_ioc_map piece = { 0 };
	time_t last = 0;

	do {
		map->runs = must(realloc(map->runs, (map->n_runs + PIECE_RUNS) * sizeof(*map->runs)));
		piece.runs = (uintptr_t)(map->runs + map->n_runs);
		piece.nr_runs = PIECE_RUNS;
		if (ioctl(fd, SMEMV_IOC_MAP, &piece))
			return -errno;
		map->n_runs += piece.nr_runs;
		tell_progress(piece.first, pages, &last);
	} while (piece.first < pages);
	return 0;
}

int space_map_ask(int fd, uint32_t flags, struct space_map *map, struct reason *why)
{
	int err = 0;

	memset(map, 0, sizeof(*map));
	map->space.servers = (uintptr_t)map->servers;
	map->space.nr_servers = SPACE_MAP_SERVERS;
	map->space.flags = flags;
	if (ioctl(fd, SMEMV_IOC_SPACE, &map->space))
		err = -errno;
	if (!err)
		err = ask_runs(fd, map);
	if (err == -ENOTTY)
		reason_set(why, "it is no memory file, or the module is too old");
	else if (err == -ENODATA)
		reason_set(why, "the file has no size yet");
	else if (err == -ETIMEDOUT)
		reason_set(why, "pages of it wait for a server that does not answer (smemv server show)");
	else if (err)
		reason_set(why, "cannot get its map: %s", strerror(-err));
	return err;
}

static void print_servers(const struct space_map *map, FILE *out)
{
	char text[ADDRESS_TEXT_LEN];
	struct address address;
	uint32_t i;

	for (i = 0; i < map->space.nr_servers; i++) {
		if (space_map_is_hole(&map->servers[i]))
			continue;
		memset(&address, 0, sizeof(address));
		memcpy(&address.sockaddr, map->servers[i].address, sizeof(map->servers[i].address));
		address.len = address.sockaddr.ss_family == AF_INET6 ?
			      sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
		address_text(&address, text);
		fprintf(out, "server %s at %s%s\n", map->servers[i].name, text,
			i == map->space.arbiter ? ", the arbiter" : "");
	}
}

static void print_run(const struct space_map *map, const struct smemv_map_run *run, FILE *out)
{
	const char *where = "this host only";

	if (run->where >= SMEMV_MAP_SERVER)
		where = (const char *)map->servers[run->where - SMEMV_MAP_SERVER].name;
	else if (run->where == SMEMV_MAP_LOST)
		where = "lost";
	fprintf(out, "%" PRIu64 "-%" PRIu64 "  %s  %s%s\n", (uint64_t)run->first,
		(uint64_t)(run->first + run->count - 1),
		human_size((double)run->count * PAGE_BYTES).text, where,
		run->where == SMEMV_MAP_ABSENT ? "" :
		run->flags & SMEMV_MAP_F_NEWER ? ", newer here" :
		run->flags & SMEMV_MAP_F_HERE ? ", also here" : "");
}

void space_map_print(const struct space_map *map, FILE *out)
{
	char uuid[37];
	size_t i;

	uuid_text(map->space.uuid, uuid);
	fprintf(out, "space %s, epoch %" PRIu64 ", %s, %s\n", uuid, (uint64_t)map->space.epoch,
		human_size((double)map->space.size_bytes).text, owner_text(map->space.state));
	print_servers(map, out);
	for (i = 0; i < map->n_runs; i++)
		print_run(map, &map->runs[i], out);
}

uint64_t space_map_newer_pages(const struct space_map *map)
{
	uint64_t pages = 0;
	size_t i;

	for (i = 0; i < map->n_runs; i++)
		if (map->runs[i].flags & SMEMV_MAP_F_NEWER)
			pages += map->runs[i].count;
	return pages;
}

void space_map_free(struct space_map *map)
{
	free(map->runs);
	map->runs = NULL;
	map->n_runs = 0;
}
