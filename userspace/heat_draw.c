// SPDX-License-Identifier: GPL-2.0-only
/* The heat of a memory file as a picture of characters. */
#include <stdio.h>

#include "heat.h"
#include "human.h"

#define SHADES	5

static const char *shade(uint64_t pages, uint64_t of, bool ascii)
{
	static const char *const plain[SHADES] = { " ", ".", ":", "*", "#" };
	static const char *const blocks[SHADES] = { " ", "\u2591", "\u2592", "\u2593", "\u2588" };
	uint64_t level = of ? (pages * (SHADES - 1) + of - 1) / of : 0;

	return ascii ? plain[level] : blocks[level];
}

/* From red over yellow to blue, of the 256 that terminals know. */
static unsigned int colour_of(unsigned int age)
{
	static const uint8_t colours[HEAT_AGES] = { 196, 202, 208, 214, 184, 112, 43, 39, 27 };

	return colours[age];
}

static void draw_row(FILE *out, const struct heat_map *map, unsigned int age, unsigned int columns,
		     bool ascii)
{
	unsigned int x, other;

	for (x = 0; x < columns; x++) {
		struct heat_cell part = heat_map_sum(map, (size_t)x * HEAT_CELLS / columns,
						     (size_t)(x + 1) * HEAT_CELLS / columns);
		uint64_t all = 0;

		for (other = 0; other < HEAT_AGES; other++)
			all += part.here[other] + part.elsewhere[other];
		fputs(shade(part.here[age] + part.elsewhere[age], all, ascii), out);
	}
}

void draw_heat(FILE *out, const struct heat_map *map, unsigned int columns, bool ascii, bool colour)
{
	const char *end = ascii ? "|" : "\u2502";
	unsigned int age;

	for (age = 0; age < HEAT_AGES; age++) {
		fprintf(out, "%8s %s", heat_age_text(age), end);
		if (colour)
			fprintf(out, "\033[38;5;%um", colour_of(age));
		draw_row(out, map, age, columns, ascii);
		fprintf(out, "%s%s\n", colour ? "\033[0m" : "", end);
	}
	fprintf(out, "%8s  0%*s\n", "address", (int)columns - 1,
		human_size((double)(map->pages * 4096)).text);
	fprintf(out, "%8s  %s %s %s %s: up to a quarter, half, three quarters, all of the pages there\n", "",
		shade(1, 4, ascii), shade(2, 4, ascii), shade(3, 4, ascii), shade(4, 4, ascii));
}
