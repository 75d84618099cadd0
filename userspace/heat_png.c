// SPDX-License-Identifier: GPL-2.0-only
/* The heat of a guest's memory as a picture. */
#include <errno.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "heat.h"
#include "human.h"
#include "png_font.h"

#define TEXT_SCALE	2
#define CHAR_WIDTH	(6 * TEXT_SCALE)
#define CHAR_HEIGHT	(8 * TEXT_SCALE)
#define LEFT		250
#define TOP		70
#define RIGHT		40
#define ROW		36
#define BOTTOM		130
#define WIDTH		(LEFT + HEAT_CELLS + RIGHT)
#define HEIGHT		(TOP + HEAT_AGES * ROW + BOTTOM)
#define TICKS		4

struct colour {
	uint8_t red, green, blue;
};

static const struct colour black = { 20, 20, 20 }, grey = { 200, 200, 200 };

/* Of a class of age at its fullest; nothing of it is white. */
static const struct colour colours[HEAT_AGES] = {
	{ 178, 10, 28 }, { 214, 47, 39 }, { 240, 100, 50 }, { 248, 150, 60 }, { 225, 180, 40 },
	{ 120, 180, 90 }, { 60, 160, 150 }, { 50, 120, 190 }, { 40, 60, 150 },
};

struct picture {
	uint8_t pixel[HEIGHT][WIDTH][3];
};

static void dot(struct picture *picture, int x, int y, struct colour colour)
{
	if (x < 0 || x >= WIDTH || y < 0 || y >= HEIGHT)
		return;
	picture->pixel[y][x][0] = colour.red;
	picture->pixel[y][x][1] = colour.green;
	picture->pixel[y][x][2] = colour.blue;
}

static void box(struct picture *picture, int x, int y, int width, int height, struct colour colour)
{
	int i, j;

	for (j = y; j < y + height; j++)
		for (i = x; i < x + width; i++)
			dot(picture, i, j, colour);
}

static void write_char(struct picture *picture, int x, int y, char c)
{
	const uint8_t *glyph = png_font[c >= ' ' && c <= '~' ? c - ' ' : '?' - ' '];
	int column, row;

	for (column = 0; column < 5; column++)
		for (row = 0; row < 8; row++)
			if (glyph[column] >> row & 1)
				box(picture, x + column * TEXT_SCALE, y + row * TEXT_SCALE, TEXT_SCALE,
				    TEXT_SCALE, black);
}

static void write_text(struct picture *picture, int x, int y, const char *text)
{
	for (; *text; text++, x += CHAR_WIDTH)
		write_char(picture, x, y, *text);
}

static void write_text_ending(struct picture *picture, int x, int y, const char *text)
{
	write_text(picture, x - (int)strlen(text) * CHAR_WIDTH, y, text);
}

/* From white to the class's colour; a single page shows, so that nothing hot is overlooked. */
static struct colour mixed(struct colour full, double share)
{
	double part = share > 0 ? 0.15 + 0.85 * share : 0;

	return (struct colour){
		(uint8_t)(255 - (255 - full.red) * part),
		(uint8_t)(255 - (255 - full.green) * part),
		(uint8_t)(255 - (255 - full.blue) * part),
	};
}

static void draw_cells(struct picture *picture, const struct heat_map *map)
{
	unsigned int x, age;

	for (x = 0; x < HEAT_CELLS; x++) {
		const struct heat_cell *cell = &map->cell[x];
		uint64_t all = 0;

		for (age = 0; age < HEAT_AGES; age++)
			all += cell->here[age] + cell->elsewhere[age];
		/* A guest of few pages: the part has none of its own, it is the one before. */
		if (!all && x) {
			for (age = 0; age < HEAT_AGES; age++)
				memcpy(&picture->pixel[TOP + age * ROW][LEFT + x],
				       &picture->pixel[TOP + age * ROW][LEFT + x - 1], 3);
			continue;
		}
		for (age = 0; age < HEAT_AGES; age++)
			box(picture, LEFT + (int)x, TOP + (int)age * ROW, 1, ROW,
			    mixed(colours[age], all ? (double)(cell->here[age] + cell->elsewhere[age]) /
						      (double)all : 0));
	}
}

static void draw_age_axis(struct picture *picture, const struct heat_map *map)
{
	struct heat_cell all = heat_map_sum(map, 0, HEAT_CELLS);
	unsigned int age;
	char text[64];

	write_text(picture, 10, TOP - CHAR_HEIGHT - 8, "last accessed");
	for (age = 0; age < HEAT_AGES; age++) {
		int y = TOP + (int)age * ROW;
		struct human size = human_size((double)(all.here[age] + all.elsewhere[age]) * 4096);

		box(picture, LEFT, y, HEAT_CELLS, 1, grey);
		snprintf(text, sizeof(text), "%s", heat_age_text(age));
		write_text(picture, 10, y + (ROW - CHAR_HEIGHT) / 2, text);
		write_text_ending(picture, LEFT - 12, y + (ROW - CHAR_HEIGHT) / 2, size.text);
	}
}

static void draw_address_axis(struct picture *picture, const struct heat_map *map)
{
	int bottom = TOP + HEAT_AGES * ROW, i;

	for (i = 0; i <= TICKS; i++) {
		int x = LEFT + HEAT_CELLS * i / TICKS;
		struct human at = human_size((double)map->pages * 4096 * i / TICKS);
		int width = (int)strlen(at.text) * CHAR_WIDTH;

		box(picture, x, bottom, 2, 8, black);
		write_text(picture, x - width / 2, bottom + 12, at.text);
	}
	write_text(picture, LEFT + HEAT_CELLS / 2 - 10 * CHAR_WIDTH, bottom + 34, "guest memory address");
}

static void draw_legend(struct picture *picture)
{
	int y = TOP + HEAT_AGES * ROW + 76, x = LEFT, i;

	write_text(picture, 10, y, "share of pages");
	for (i = 0; i <= 4; i++) {
		char text[8];

		box(picture, x, y - 4, 40, CHAR_HEIGHT + 8, grey);
		box(picture, x + 1, y - 3, 19, CHAR_HEIGHT + 6, mixed(colours[0], i / 4.0));
		box(picture, x + 20, y - 3, 19, CHAR_HEIGHT + 6, mixed(colours[HEAT_AGES - 1], i / 4.0));
		snprintf(text, sizeof(text), "%d%%", i * 25);
		write_text(picture, x + 48, y, text);
		x += 120;
	}
	write_text(picture, LEFT, y + 28, "red: hot .. blue: cold; ago: in intervals of the scanner");
}

static void draw(struct picture *picture, const struct heat_map *map)
{
	char title[128];

	memset(picture, 0xff, sizeof(*picture));
	snprintf(title, sizeof(title), "Heat of %s, %s", map->name,
		 human_size((double)map->pages * 4096).text);
	write_text(picture, LEFT, 16, title);
	draw_cells(picture, map);
	draw_age_axis(picture, map);
	draw_address_axis(picture, map);
	draw_legend(picture);
	box(picture, LEFT - 2, TOP - 2, HEAT_CELLS + 4, 2, black);
	box(picture, LEFT - 2, TOP + HEAT_AGES * ROW, HEAT_CELLS + 4, 2, black);
	box(picture, LEFT - 2, TOP, 2, HEAT_AGES * ROW, black);
	box(picture, LEFT + HEAT_CELLS, TOP, 2, HEAT_AGES * ROW, black);
}

int write_heat_png(const char *path, const struct heat_map *map, struct reason *why)
{
	png_image image = {
		.version = PNG_IMAGE_VERSION, .width = WIDTH, .height = HEIGHT, .format = PNG_FORMAT_RGB,
	};
	struct picture *picture = must(malloc(sizeof(*picture)));
	bool written;

	draw(picture, map);
	written = png_image_write_to_file(&image, path, 0, picture, 0, NULL);
	free(picture);
	if (!written)
		reason_set(why, "%s cannot be written: %s", path, image.message);
	png_image_free(&image);
	return written ? 0 : -EIO;
}
