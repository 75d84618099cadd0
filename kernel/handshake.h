/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The first frames of a connection, exchanged one by one before requests may
 * travel: HELLO, which fences older connections (rule 2), and OPEN of each
 * space. Every step ends within the server's timeout.
 */
#ifndef SMEMV_HANDSHAKE_H
#define SMEMV_HANDSHAKE_H

struct smemv_bind;
struct smemv_lane;
struct smemv_wire_open;
struct smemv_wire_open_reply;
struct socket;

/*
 * Both return 0 or an errno with *why set to a static text for people.
 * smemv_handshake_hello() fills in what the server said of itself.
 */
int smemv_handshake_hello(struct smemv_lane *lane, struct socket *sock,
			  const char **why);
int smemv_handshake_open(struct smemv_lane *lane, struct socket *sock,
			 struct smemv_bind *bind, const char **why);

/*
 * Has the server drop a space that was just opened. Whatever it answers, it was told, and
 * the log says what it refused.
 */
int smemv_handshake_drop(struct socket *sock, const struct smemv_bind *bind,
			 const char **why);

/*
 * What a DROP's status means, told in the log: 0, -ESTALE: the space is not this host's any more,
 * or another errno.
 */
int smemv_handshake_drop_error(const struct smemv_bind *bind, unsigned int status);

/* Fills in an OPEN request's body; also for spaces added later. */
void smemv_handshake_open_body(struct smemv_wire_open *body,
			       const struct smemv_bind *bind);

/* The server knows what an OPEN of the space has to say. */
bool smemv_handshake_can_open(const struct smemv_bind *bind, const char **why);

/**
 * struct smemv_had - what was known of a space at a server when it was asked to open it
 * @pages: that it had by the map
 * @taken: pages that it had been told to take out and that are not among these
 */
struct smemv_had {
	u64 pages;
	u64 taken;
};

/* Before an OPEN is sent. */
struct smemv_had smemv_handshake_had(const struct smemv_bind *bind);

/*
 * The server opened the space: notes whether it has less of it than it @had, or has made it. Under
 * the server's bind_lock.
 */
void smemv_handshake_compare(struct smemv_bind *bind,
			     const struct smemv_wire_open_reply *reply,
			     const struct smemv_had *had);

/*
 * The server would not open the space on the lane, for this errno: fences it out, or has it asked
 * again (bind.c). That is no matter of the other spaces: the connection serves them. Under the
 * server's bind_lock.
 */
void smemv_handshake_refused(struct smemv_lane *lane, struct smemv_bind *bind,
			     int err, const char *why);

/* Errno and text of an OPEN's status. */
int smemv_handshake_open_error(unsigned int status, const char **why);

#endif
