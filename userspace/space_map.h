/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The location map of a memory file, as the module tells it and as JSON. Functions that can fail
 * return 0 or a negative errno, with the reason in words.
 */
#ifndef SMEMV_SPACE_MAP_H
#define SMEMV_SPACE_MAP_H

#include <stdio.h>

#include "decode.h"

#define SPACE_MAP_SERVERS	64

struct space_map {
	struct smemv_ioc_space space;	/* its user addresses mean nothing */
	struct smemv_map_server servers[SPACE_MAP_SERVERS];
	struct smemv_map_run *runs;
	size_t n_runs;
};

/*
 * @fd: the file, open for writing. @flags: SMEMV_SPACE_F_HAND_OVER: it is for another host to adopt; or 0, to be
 * looked at. Tells on stderr how far it is when that takes long.
 */
int space_map_ask(int fd, uint32_t flags, struct space_map *map, struct reason *why);

int space_map_write(const struct space_map *map, FILE *out, struct reason *why);
int space_map_read(FILE *in, struct space_map *map, struct reason *why);
void space_map_print(const struct space_map *map, FILE *out);
void space_map_free(struct space_map *map);

/* All zero: there is no server of this index any more. */
bool space_map_is_hole(const struct smemv_map_server *server);

/* Pages that are nowhere but in the old host's memory, or newer there. */
uint64_t space_map_newer_pages(const struct space_map *map);

#endif
