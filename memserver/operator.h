/* SPDX-License-Identifier: GPL-2.0-only */
/* The commands for operators: spaces, drop, stat. They speak the wire protocol. */
#ifndef MEMSERVER_OPERATOR_H
#define MEMSERVER_OPERATOR_H

#include <stdbool.h>

bool operator_is_command(const char *word);
/* argv[0] is the command. Returns the exit status. */
int operator_run(int argc, char **argv);

#endif
