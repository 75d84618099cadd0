/* SPDX-License-Identifier: GPL-2.0-only */
/* Figures for people: short, with their unit. */
#ifndef SMEMV_HUMAN_H
#define SMEMV_HUMAN_H

#include <stddef.h>
#include <stdint.h>

struct human {
	char text[24];
};

struct human human_size(double bytes);		/* 512, 4.0K, 1.5G, 128G */
struct human human_count(double count);		/* 17, 12.3k, 4.5M */
struct human human_time_us(double us);		/* 85us, 1.2ms, 3.4s */
struct human human_percentiles(double p50_us, double p99_us);	/* 85us/1.2ms */

void hex_text(const uint8_t *bytes, size_t len, char *text);	/* 2 * len + 1 */
void uuid_text(const uint8_t uuid[16], char text[37]);

/* Nothing that arrived from elsewhere may steer the terminal or break JSON. */
void make_printable(char *text);

#endif
