/* SPDX-License-Identifier: GPL-2.0-only */
/* Placement policy. Pure: also built into the unit tests. */
#ifndef SMEMV_CORE_PLACE_H
#define SMEMV_CORE_PLACE_H

#include "shim.h"

#define SMEMV_PLACE_NONE	(~0u)

/**
 * smemv_place() - choose where a run's new pages go
 * @room: free pages of each server, 0: cannot be used
 * @n: servers, at most 64
 * @random: two random numbers
 *
 * Power of two choices: of two servers picked at random among those with room,
 * the one with more of it. Nearly as even as asking for the best of all, but
 * hosts that choose at the same moment do not all run to the same server
 * (Mitzenmacher 2001; used for remote memory by Infiniswap, NSDI 2017).
 *
 * Returns the server's position, or SMEMV_PLACE_NONE when none has room.
 */
u32 smemv_place(const u64 *room, u32 n, const u32 random[2]);

#endif
