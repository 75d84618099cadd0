// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "heat.h"
#include "human.h"
#include "vm_mount.h"

#define PAGES_AT_ONCE	65536u

unsigned int heat_age(uint8_t history)
{
	return history ? (unsigned int)__builtin_clz(history) - 24 : HEAT_AGES - 1;
}

const char *heat_age_text(unsigned int age)
{
	static const char *const texts[HEAT_AGES] = {
		"now", "1 ago", "2 ago", "3 ago", "4 ago", "5 ago", "6 ago", "7 ago", "longer",
	};

	return texts[age];
}

void heat_map_add(struct heat_map *map, uint64_t first, uint64_t nr, const uint8_t *history,
		  const uint8_t *here)
{
	uint64_t i;

	for (i = 0; i < nr; i++) {
		size_t at = (size_t)((unsigned __int128)(first + i) * HEAT_CELLS / map->pages);
		unsigned int age = heat_age(history[i]);

		if (here[i] & 1)
			map->cell[at].here[age]++;
		else
			map->cell[at].elsewhere[age]++;
	}
}

struct heat_cell heat_map_sum(const struct heat_map *map, size_t from, size_t to)
{
	struct heat_cell sum = { 0 };
	unsigned int age;

	for (; from < to; from++) {
		for (age = 0; age < HEAT_AGES; age++) {
			sum.here[age] += map->cell[from].here[age];
			sum.elsewhere[age] += map->cell[from].elsewhere[age];
		}
	}
	return sum;
}

static int fail(struct reason *why, const char *name, int err)
{
	switch (err) {
	case ENODATA:
		reason_set(why, "nobody scans the guest; attach it first: smemv vm attach %s pid PID",
			   name);
		break;
	case ENOTTY:
		reason_set(why, "the module that is loaded cannot tell the heat of memory files");
		break;
	default:
		reason_set(why, "%s", strerror(err));
	}
	return -err;
}

/* Which pages are here is asked of the page cache; that does not bring any. */
static int read_part(int fd, struct heat_map *map, uint64_t first, uint32_t nr, uint8_t *history,
		     uint8_t *here)
{
	struct smemv_ioc_heat heat = {
		.first = first, .nr = nr, .history = (uintptr_t)history,
	};
	size_t bytes = (size_t)nr * 4096;
	void *pages;
	int err = 0;

	if (ioctl(fd, SMEMV_IOC_HEAT, &heat))
		return errno;
	map->intervals = heat.intervals;
	pages = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, (off_t)(first * 4096));
	if (pages == MAP_FAILED)
		return errno;
	if (mincore(pages, bytes, here))
		err = errno;
	munmap(pages, bytes);
	if (!err)
		heat_map_add(map, first, nr, history, here);
	return err;
}

static int read_all(int fd, struct heat_map *map)
{
	uint8_t *history = must(malloc(PAGES_AT_ONCE)), *here = must(malloc(PAGES_AT_ONCE));
	uint64_t first, left;
	int err = 0;

	for (first = 0; first < map->pages && !err; first += PAGES_AT_ONCE) {
		left = map->pages - first;
		err = read_part(fd, map, first, left < PAGES_AT_ONCE ? (uint32_t)left : PAGES_AT_ONCE,
				history, here);
	}
	free(history);
	free(here);
	return err;
}

int heat_map_read(int fd, struct heat_map *map, struct reason *why)
{
	struct stat stat;
	int err;

	memset(map->cell, 0, sizeof(map->cell));
	err = fstat(fd, &stat) ? errno : 0;
	map->pages = err ? 0 : (uint64_t)stat.st_size / 4096;
	if (!err)
		err = map->pages ? read_all(fd, map) : ENODATA;
	return err ? fail(why, map->name, err) : 0;
}

void view_heat(struct printer *printer, const struct heat_map *map)
{
	struct heat_cell all = heat_map_sum(map, 0, HEAT_CELLS);
	unsigned int age;
	char share[16];

	print_list(printer, NULL, "Heat");
	for (age = 0; age < HEAT_AGES; age++) {
		uint64_t pages = all.here[age] + all.elsewhere[age];

		snprintf(share, sizeof(share), "%.1f%%", 100.0 * (double)pages / (double)map->pages);
		print_item(printer);
		print_text(printer, "accessed", "ACCESSED", heat_age_text(age));
		print_number(printer, "age_intervals", NULL, age);
		print_number(printer, "pages", "PAGES", pages);
		print_bytes(printer, "bytes", "BYTES", pages * 4096);
		print_column(printer, "SHARE", share, true);
		print_bytes(printer, "resident_bytes", "RESIDENT", all.here[age] * 4096);
		print_bytes(printer, "elsewhere_bytes", "ELSEWHERE", all.elsewhere[age] * 4096);
		print_item_end(printer);
	}
	print_list_end(printer);
}
