// SPDX-License-Identifier: GPL-2.0-only
#include <netlink/attr.h>

#include "settings.h"

void settings_keywords(struct settings *settings, struct keyword rows[N_SETTINGS])
{
	rows[SETTING_POLICY] = (struct keyword) {
		"policy", "error|suspend", parse_policy, &settings->policy, false
	};
	rows[SETTING_DEADLINE] = (struct keyword) {
		"deadline", "MS", parse_number, &settings->deadline_ms, false
	};
}

void settings_take(struct settings *settings, const struct keyword rows[N_SETTINGS])
{
	settings->has_policy = rows[SETTING_POLICY].seen;
	settings->has_deadline = rows[SETTING_DEADLINE].seen;
}

int settings_put(struct nl_msg *request, const struct settings *settings, int policy_attr,
		 int deadline_attr)
{
	int err = 0;

	if (settings->has_policy)
		err |= nla_put_u32(request, policy_attr, settings->policy);
	if (settings->has_deadline)
		err |= nla_put_u32(request, deadline_attr, settings->deadline_ms);
	return err;
}
