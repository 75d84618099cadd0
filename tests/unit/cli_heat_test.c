// SPDX-License-Identifier: GPL-2.0-only
/* From the scanner's bytes to the table and the pictures of smemv vm heat. */
#include <jansson.h>
#include <png.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* After those: */
#include <cmocka.h>

#include "../../userspace/heat.h"

#define PAGES	(4 * HEAT_CELLS)

/* The first half was accessed now and is here, a quarter 2 intervals ago, the rest never. */
static struct heat_map *some_heat(void)
{
	struct heat_map *map = calloc(1, sizeof(*map));
	uint8_t history[PAGES] = { 0 }, here[PAGES] = { 0 };

	assert_non_null(map);
	map->name = "web1";
	map->pages = PAGES;
	map->intervals = 8;
	memset(history, 0x80, PAGES / 2);
	memset(history + PAGES / 2, 0x20, PAGES / 4);
	memset(here, 0xff, PAGES / 2);
	heat_map_add(map, 0, 1000, history, here);
	heat_map_add(map, 1000, PAGES - 1000, history + 1000, here + 1000);
	return map;
}

static void ages_are_those_of_the_newest_access(void **state)
{
	(void)state;
	assert_int_equal(heat_age(0x80), 0);
	assert_int_equal(heat_age(0xff), 0);
	assert_int_equal(heat_age(0x21), 2);
	assert_int_equal(heat_age(0x01), 7);
	assert_int_equal(heat_age(0), 8);
}

static void each_page_counts_once(void **state)
{
	struct heat_map *map = some_heat();
	struct heat_cell all = heat_map_sum(map, 0, HEAT_CELLS), first = heat_map_sum(map, 0, 1);

	(void)state;
	assert_int_equal(all.here[0], PAGES / 2);
	assert_int_equal(all.elsewhere[0], 0);
	assert_int_equal(all.elsewhere[2], PAGES / 4);
	assert_int_equal(all.elsewhere[8], PAGES / 4);
	assert_int_equal(first.here[0], PAGES / HEAT_CELLS);
	free(map);
}

static void a_guest_of_few_pages_fits(void **state)
{
	struct heat_map map = { .name = "small", .pages = 3 };
	const uint8_t history[3] = { 0x80, 0, 1 }, here[3] = { 1, 0, 0 };
	struct heat_cell all;

	(void)state;
	heat_map_add(&map, 0, 3, history, here);
	all = heat_map_sum(&map, 0, HEAT_CELLS);
	assert_int_equal(all.here[0] + all.elsewhere[7] + all.elsewhere[8], 3);
}

static void the_table_tells_pages_and_bytes(void **state)
{
	struct heat_map *map = some_heat();
	struct printer *printer;
	json_t *ages, *age;
	size_t len;
	char *text;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	printer = printer_new(out, PRINT_JSON);
	view_heat(printer, map);
	printer_end(printer, false);
	fclose(out);
	ages = json_loads(text, 0, NULL);
	assert_int_equal(json_array_size(ages), HEAT_AGES);
	age = json_array_get(ages, 2);
	assert_int_equal(json_integer_value(json_object_get(age, "age_intervals")), 2);
	assert_int_equal(json_integer_value(json_object_get(age, "pages")), PAGES / 4);
	assert_int_equal(json_integer_value(json_object_get(age, "elsewhere_bytes")), PAGES * 1024);
	assert_int_equal(json_integer_value(json_object_get(age, "resident_bytes")), 0);
	json_decref(ages);
	free(text);
	free(map);
}

static void the_picture_shows_where(void **state)
{
	struct heat_map *map = some_heat();
	size_t len;
	char *text;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	draw_heat(out, map, 8, true, false);
	fclose(out);
	assert_non_null(strstr(text, "     now |####    |\n"));
	assert_non_null(strstr(text, "   2 ago |    ##  |\n"));
	assert_non_null(strstr(text, "  longer |      ##|\n"));
	assert_null(strchr(text, '\033'));
	free(text);
	free(map);
}

static void the_png_can_be_read(void **state)
{
	png_image image = { .version = PNG_IMAGE_VERSION };
	char path[] = "/tmp/smemv-heat-XXXXXX";
	struct heat_map *map = some_heat();
	struct reason why;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(write_heat_png(path, map, &why), 0);
	assert_true(png_image_begin_read_from_file(&image, path));
	assert_true(image.width > HEAT_CELLS);
	png_image_free(&image);
	unlink(path);
	assert_true(write_heat_png("/nowhere/heat.png", map, &why) < 0);
	assert_non_null(strstr(why.text, "/nowhere/heat.png cannot be written"));
	free(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ages_are_those_of_the_newest_access),
		cmocka_unit_test(each_page_counts_once),
		cmocka_unit_test(a_guest_of_few_pages_fits),
		cmocka_unit_test(the_table_tells_pages_and_bytes),
		cmocka_unit_test(the_picture_shows_where),
		cmocka_unit_test(the_png_can_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
