/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's extended acknowledgment: what it says about a request that
 * failed. libnl knows nothing of it, so the error message is read here.
 */
#ifndef SMEMV_EXTACK_H
#define SMEMV_EXTACK_H

#include <linux/netlink.h>

#include "call.h"

/*
 * @answer is the NLMSG_ERROR or NLMSG_DONE message with the error, @sent the request that it answers
 * (for the name of the offending attribute). Returns the negative errno that the kernel answered.
 */
int extack_reason(const struct nlmsghdr *answer, const struct nlmsghdr *sent, struct reason *why);

/* For errors that come without the kernel's own text. */
const char *extack_errno_text(int error);

#endif
