// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "util.h"

void uuid_format(char text[UUID_TEXT_LEN], const u8 uuid[16])
{
	char *out = text;
	int i;

	for (i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		out += sprintf(out, "%02x", uuid[i]);
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int uuid_parse(u8 uuid[16], const char *text)
{
	int n = 0;

	for (; *text; text++) {
		int digit = hex_digit(*text);

		if (*text == '-' && n && !(n & 1))
			continue;
		if (digit < 0 || n == 32)
			return -1;
		if (n & 1)
			uuid[n / 2] |= (u8)digit;
		else
			uuid[n / 2] = (u8)(digit << 4);
		n++;
	}
	return n == 32 ? 0 : -1;
}

int size_parse(u64 *bytes, const char *text)
{
	static const char units[] = "KMGTP";
	const char *unit;
	char *end;
	u64 value;
	unsigned int shift = 0;

	if (!isdigit((unsigned char)*text))
		return -1;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno)
		return -1;
	if (*end) {
		unit = strchr(units, toupper((unsigned char)*end));
		if (!unit)
			return -1;
		shift = 10u * (unsigned int)(unit - units + 1);
		end++;
		if (end[0] == 'i' && end[1] == 'B')
			end += 2;
		else if (end[0] == 'B')
			end++;
	}
	if (*end || (shift && value >> (64 - shift)))
		return -1;
	*bytes = value << shift;
	return 0;
}

void size_format(char *text, size_t len, u64 bytes)
{
	static const char * const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < ARRAY_SIZE(units)) {
		value /= 1024;
		unit++;
	}
	snprintf(text, len, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}
