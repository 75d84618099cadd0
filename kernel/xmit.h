/* SPDX-License-Identifier: GPL-2.0-only */
/* The sending half of a lane. */
#ifndef SMEMV_XMIT_H
#define SMEMV_XMIT_H

struct smemv_lane;
struct smemv_req;

/**
 * smemv_xmit() - queue a request and have it sent
 * @lane: on which
 * @req: complete; its header is sealed here
 * @direct: the caller may sleep: send at once if nobody else is sending
 *
 * Returns 0: done() will be called, perhaps already was. -ENOTCONN: the lane is
 * not up, the request was not touched.
 */
int smemv_xmit(struct smemv_lane *lane, struct smemv_req *req, bool direct);

void smemv_xmit_work(struct work_struct *work);

/* Of a lane that is down for good: nobody sends on it, or touches it after a request, any more. */
void smemv_xmit_flush(struct smemv_lane *lane);

#endif
