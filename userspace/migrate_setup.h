/* SPDX-License-Identifier: GPL-2.0-only */
/* What has to be set at both ends before a migration begins, and undone after it. */
#ifndef SMEMV_MIGRATE_SETUP_H
#define SMEMV_MIGRATE_SETUP_H

#include "migrate.h"

/* Makes the space under construction, sets both ends and begins. 0, or an errno with @m->why. */
int migrate_setup(struct migration *m);

/*
 * When the guest is known to go on at the source: QEMU there is set as before; the one at the destination, which
 * cannot be used a second time, says why it failed, for @m->why, and is ended.
 */
void migrate_setup_undo(struct migration *m);

/* When the guest is at the destination: what was set for this migration concerns no later one or snapshot there. */
void migrate_setup_end(struct migration *m);

/* Removes the space under construction, if there is one; a problem becomes @m->warning. */
void migrate_setup_remove_space(struct migration *m);

#endif
