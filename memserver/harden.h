/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MEMSERVER_HARDEN_H
#define MEMSERVER_HARDEN_H

/*
 * Give up what a running memory server never needs: capabilities, new privileges,
 * and system calls that start programs, change the system or look at other processes.
 * Failing is no error, for a container may have done it already; it is logged.
 */
void harden_process(void);

#endif
