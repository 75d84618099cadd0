// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>

#include "human.h"

static struct human scaled(double value, double base, const char *const *units, int last)
{
	struct human human;
	int unit = 0;

	/* 999.5 and more would round to four digits. */
	while (unit < last && value >= (base == 1024 ? 1023.5 : 999.5)) {
		value /= base;
		unit++;
	}
	snprintf(human.text, sizeof(human.text), unit && value < 99.95 ? "%.1f%s" : "%.0f%s",
		 value, units[unit]);
	return human;
}

struct human human_size(double bytes)
{
	static const char *const units[] = { "", "K", "M", "G", "T", "P", "E" };

	return scaled(bytes, 1024, units, 6);
}

struct human human_count(double count)
{
	static const char *const units[] = { "", "k", "M", "G", "T", "P" };

	return scaled(count, 1000, units, 5);
}

struct human human_time_us(double us)
{
	static const char *const units[] = { "us", "ms", "s" };

	return scaled(us, 1000, units, 2);
}

struct human human_percentiles(double p50_us, double p99_us)
{
	struct human p50 = human_time_us(p50_us), p99 = human_time_us(p99_us), human;

	snprintf(human.text, sizeof(human.text), "%.11s/%.11s", p50.text, p99.text);
	return human;
}

void hex_text(const uint8_t *bytes, size_t len, char *text)
{
	size_t i;

	*text = '\0';
	for (i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

void uuid_text(const uint8_t uuid[16], char text[37])
{
	static const int dash_before[] = { 4, 6, 8, 10 };
	int i, dash = 0;

	for (i = 0; i < 16; i++) {
		if (dash < 4 && i == dash_before[dash]) {
			*text++ = '-';
			dash++;
		}
		snprintf(text, 3, "%02x", uuid[i]);
		text += 2;
	}
}

void make_printable(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}
