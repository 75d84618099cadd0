/* SPDX-License-Identifier: GPL-2.0-only */
/* Who owns a space: what is asked of its arbiter, rule 6 of docs/wire.md. */
#ifndef SMEMV_CLAIM_H
#define SMEMV_CLAIM_H

#include "space.h"

/**
 * smemv_claim() - ask for a space of another owner
 * @arbiter: the space's
 * @uuid: the space
 * @epoch: its present owner's
 * @claimed: the epoch that this host may open it with now
 * @why: static text for people when it fails
 *
 * Under ns->lock; bounded by the server's timeouts. Asked again it gives the same
 * answer. 0; -ESTALE: somebody else was first; -ENOENT: unknown there; -EIO:
 * nobody answers, or nothing that can be believed.
 */
int smemv_claim(struct smemv_server *arbiter, const u8 *uuid, u64 epoch,
		u64 *claimed, const char **why);

/*
 * The commit point: a claimed space becomes this host's. Under ns->lock. 0, also when
 * it is active; -ESTALE: it never will be; -EIO: nobody can know, ask again.
 */
int smemv_space_activate(struct smemv_space *space, const char **why);

/*
 * The owner before wants it back. Under ns->lock; no request of the space may be
 * open, nor begin. 0: it is active, in a higher epoch. -EBUSY: a new owner is active;
 * -EIO: ask again, it is not this host's until then; -EINVAL: it never was.
 */
int smemv_space_take_back(struct smemv_space *space, const char **why);

/*
 * The same where that fails with -EIO, on the caller's word that nobody else is the owner:
 * in an epoch that no other can have got, without the arbiter's consent.
 */
int smemv_space_force_back(struct smemv_space *space, const char **why);

/*
 * The space is made known: from here on another host may claim it at the arbiter as
 * that is now. Under ns->lock.
 */
void smemv_space_note_told(struct smemv_space *space);
/* The arbiter is about to be another; @dropped: it dropped the space in this host's epoch. */
void smemv_space_arbiter_leaves(struct smemv_space *space, bool dropped);

/*
 * As if it was claimed: nothing is stored or invalidated from here on, though requests
 * may be under way. And no more: what was kept back is done.
 */
void smemv_space_set_claimed(struct smemv_space *space, bool claimed);

/* space->announce */
void smemv_announce_work(struct work_struct *work);

enum smemv_owner smemv_space_owner(const struct smemv_space *space);

#endif
