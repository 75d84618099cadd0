// SPDX-License-Identifier: GPL-2.0-only
/* smemv vm heat */
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "command.h"
#include "heat.h"
#include "vm.h"

#define LABELS		12	/* columns beside the picture */
#define COLUMNS_MIN	40u
#define COLUMNS_MAX	160u
#define COLUMNS		72u

static unsigned int picture_columns(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || size.ws_col < COLUMNS_MIN)
		return COLUMNS - LABELS;
	return (size.ws_col < COLUMNS_MAX ? size.ws_col : COLUMNS_MAX) - LABELS;
}

static bool is_utf8(void)
{
	setlocale(LC_CTYPE, "");
	return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

static void show_heat(const struct call *call, const struct heat_map *map)
{
	struct printer *printer = printer_new(stdout, call->json ? PRINT_JSON : PRINT_TABLE);
	bool terminal = isatty(STDOUT_FILENO);

	view_heat(printer, map);
	printer_end(printer, false);
	if (call->json)
		return;
	if (map->intervals < HEAT_AGES - 1)
		printf("\nOnly %u intervals have passed: what is older is not known yet.\n", map->intervals);
	putchar('\n');
	draw_heat(stdout, map, picture_columns(), !terminal || !is_utf8(), terminal);
}

static int parse_file(const char *text, void *path, struct reason *why)
{
	(void)why;
	*(const char **)path = text;
	return 0;
}

int vm_heat(struct call *call)
{
	const char *png = NULL;
	struct keyword keywords[] = { { "--png", "FILE", parse_file, &png, false }, { 0 } };
	struct heat_map *map;
	struct reason why;
	int status, fd;

	if (!parse_file_subject(call))
		return EXIT_USAGE;
	status = parse_keywords(call, keywords);
	if (status)
		return status;
	fd = vm_file_open(call->subject, &why);
	if (fd < 0)
		return call_fail(call, "%s", why.text);
	map = must(calloc(1, sizeof(*map)));
	map->name = call->subject;
	if (heat_map_read(fd, map, &why))
		status = call_fail(call, "%s", why.text);
	else if (!png)
		show_heat(call, map);
	else if (write_heat_png(png, map, &why))
		status = call_fail(call, "%s", why.text);
	free(map);
	close(fd);
	return status;
}
