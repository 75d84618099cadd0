/* SPDX-License-Identifier: GPL-2.0-only */
/* How servers, swap disks and memory files look, in all styles of print.h. */
#ifndef SMEMV_VIEW_H
#define SMEMV_VIEW_H

#include "print.h"
#include "snapshot.h"

/* @before, for a view that refreshes: rates and latencies are those since then; NULL: no rates. */
void view_servers(struct printer *printer, const char *key, const struct snapshot *now,
		  const struct snapshot *before);
void view_swaps(struct printer *printer, const char *key, const struct snapshot *now,
		const struct snapshot *before);
void view_vms(struct printer *printer, const char *key, const struct snapshot *now,
	      const struct snapshot *before);
/* @before is not used. */
void view_scans(struct printer *printer, const char *key, const struct snapshot *now,
		const struct snapshot *before);
void view_event(struct printer *printer, const struct event_info *event, const char *time);

#endif
