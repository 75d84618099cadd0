/* SPDX-License-Identifier: GPL-2.0-only */
/* The figures in Prometheus' text format over HTTP, on a thread of its own. */
#ifndef MEMSERVER_METRICS_H
#define MEMSERVER_METRICS_H

#include "address.h"
#include "server.h"

struct metrics;

/* NULL with a text in err when it cannot be served there. */
struct metrics *metrics_start(struct server *srv, const struct address *a,
			      char *err, size_t err_len);
void metrics_stop(struct metrics *m);
/* The text itself, to be freed by the caller; NULL without memory. */
char *metrics_text(struct server *srv, size_t *len);

#endif
