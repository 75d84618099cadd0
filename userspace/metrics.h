/* SPDX-License-Identifier: GPL-2.0-only */
/* What the module says, in Prometheus' text format. */
#ifndef SMEMV_METRICS_H
#define SMEMV_METRICS_H

#include <stdio.h>

/*
 * @document: what "smemv show --json" prints, so that both tell the same. Each figure is a family
 * smemv_OBJECT_KEY with its object's name (a scan's pid) as a label.
 */
void metrics_write(FILE *out, const char *document);

#endif
