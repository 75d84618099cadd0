/* SPDX-License-Identifier: GPL-2.0-only */
/* How hot the pages of a memory file are, gathered by age and by where in the guest they are. */
#ifndef SMEMV_HEAT_H
#define SMEMV_HEAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../kernel/uapi/smemv.h"
#include "call.h"
#include "print.h"

#define HEAT_AGES	SMEMV_SCAN_AGES	/* 0: accessed in the newest interval, .. 8: in none of eight */
#define HEAT_CELLS	960	/* parts that the guest's memory is divided into */

/* Pages of a part, by age; those in this host's memory, and the others. */
struct heat_cell {
	uint64_t here[HEAT_AGES];
	uint64_t elsewhere[HEAT_AGES];
};

struct heat_map {
	const char *name;
	uint64_t pages;
	uint32_t intervals;	/* that have passed, at most 8 */
	struct heat_cell cell[HEAT_CELLS];
};

/* @history: bit 7: accessed in the newest interval, bit 6: in the one before, ... */
unsigned int heat_age(uint8_t history);
const char *heat_age_text(unsigned int age);

/* Pages from @first on; bit 0 of a byte of @here: the page is in this host's memory. */
void heat_map_add(struct heat_map *map, uint64_t first, uint64_t nr, const uint8_t *history,
		  const uint8_t *here);
/* Of the parts from @from to before @to. */
struct heat_cell heat_map_sum(const struct heat_map *map, size_t from, size_t to);

/* Asks the module, of an open memory file. 0 or a negative errno. */
int heat_map_read(int fd, struct heat_map *map, struct reason *why);

void view_heat(struct printer *printer, const struct heat_map *map);
/* Guest address across, age down, how dark: which share of the pages there are that old. */
void draw_heat(FILE *out, const struct heat_map *map, unsigned int columns, bool ascii, bool colour);
int write_heat_png(const char *path, const struct heat_map *map, struct reason *why);

#endif
