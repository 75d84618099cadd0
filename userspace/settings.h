/* SPDX-License-Identifier: GPL-2.0-only */
/* What swap disks and memory files have in common, when they are made and when they are changed. */
#ifndef SMEMV_SETTINGS_H
#define SMEMV_SETTINGS_H

#include <netlink/msg.h>

#include "parse.h"

/* Rows of a table of keywords, in this order. */
enum { SETTING_POLICY, SETTING_DEADLINE, N_SETTINGS };

struct settings {
	uint32_t policy;
	uint32_t deadline_ms;
	bool has_policy;
	bool has_deadline;
};

/* Makes the rows. They are parsed into @settings. */
void settings_keywords(struct settings *settings, struct keyword rows[N_SETTINGS]);
/* After they were parsed. */
void settings_take(struct settings *settings, const struct keyword rows[N_SETTINGS]);
/* Puts what was given. Non-zero when something did not fit. */
int settings_put(struct nl_msg *request, const struct settings *settings, int policy_attr,
		 int deadline_attr);

#endif
