// SPDX-License-Identifier: GPL-2.0-only
#include "place.h"

/* Position of the nth server that has room. */
static u32 nth_with_room(const u64 *room, u32 n, u32 nth)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (room[i] && !nth--)
			break;
	return i;
}

u32 smemv_place(const u64 *room, u32 n, const u32 random[2])
{
	u32 i, usable = 0, a, b;

	for (i = 0; i < n; i++)
		usable += room[i] != 0;
	if (!usable)
		return SMEMV_PLACE_NONE;
	a = random[0] % usable;
	if (usable == 1)
		return nth_with_room(room, n, a);
	b = random[1] % (usable - 1);
	if (b >= a)
		b++;
	a = nth_with_room(room, n, a);
	b = nth_with_room(room, n, b);
	return room[b] > room[a] ? b : a;
}
