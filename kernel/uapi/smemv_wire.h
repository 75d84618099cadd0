/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * The S-memV wire protocol: what a main host and a memory server say to each
 * other over TCP. docs/wire.md is the specification; this header is its C form
 * and is compiled unchanged into the kernel module, the memory server and the
 * tests. Everything is little endian, every structure has no padding.
 *
 * A frame is    header (40 bytes) | body | descriptors | page data
 *
 *   body         a fixed structure chosen by opcode and direction, may be empty
 *   descriptors  hdr.count times 16 bytes, of pages or of ranges
 *   page data    4096 bytes for each page descriptor that announces data
 *
 * body and descriptors together are the frame's "meta". hdr.crc covers header
 * and meta; each page descriptor's crc covers its page.
 */
#ifndef _UAPI_SMEMV_WIRE_H
#define _UAPI_SMEMV_WIRE_H

#include <linux/types.h>

#define SMEMV_WIRE_MAGIC	0x31564d53u	/* "SMV1" on the wire */
#define SMEMV_WIRE_VERSION	1
#define SMEMV_WIRE_PORT		7371

#define SMEMV_WIRE_PAGE_SIZE	4096u
#define SMEMV_WIRE_PAGE_SHIFT	12

/*
 * Page operations of one run (512 pages, 2 MiB of a space) travel on one lane,
 * see rule 1 of docs/wire.md.
 */
#define SMEMV_WIRE_RUN_SHIFT	9
#define SMEMV_WIRE_RUN_PAGES	(1u << SMEMV_WIRE_RUN_SHIFT)

/* No implementation may ask for more; HELLO negotiates downwards. */
#define SMEMV_WIRE_MAX_PAGES	256u	/* descriptors in one frame */
#define SMEMV_WIRE_MAX_SPACES	65536u	/* space handles on one connection */
#define SMEMV_WIRE_MAX_LANES	64u	/* connections of one client */
#define SMEMV_WIRE_MAX_INDEX	(1ull << 40)	/* pages in a space: 4 PiB */

/* hdr.opcode. A reply carries the request's opcode and SMEMV_WIRE_F_REPLY. */
enum smemv_wire_op {
	SMEMV_OP_HELLO		= 1,	/* first frame of each connection */
	SMEMV_OP_OPEN		= 2,	/* bind a handle to a space and an epoch */
	SMEMV_OP_STORE		= 3,	/* page descriptors + data */
	SMEMV_OP_LOAD		= 4,	/* page descriptors; the reply has the data */
	SMEMV_OP_INVALIDATE	= 5,	/* range descriptors */
	SMEMV_OP_DROP		= 6,	/* forget a whole space */
	SMEMV_OP_STAT		= 7,	/* server and space figures; the keepalive */
	SMEMV_OP_LIST		= 8,	/* which pages of a space are held */
	SMEMV_OP_SPACES		= 9,	/* which spaces are held */
	SMEMV_OP_PUSH		= 10,	/* have a server send pages to another one */
	SMEMV_OP_CLAIM		= 11,	/* ownership, see feature CLAIM */
	SMEMV_OP_ACTIVATE	= 12,	/* ownership, see feature CLAIM */
	SMEMV_OP_DRAIN		= 13,	/* open or close a drain at its target */
	SMEMV_OP_DELIVER	= 14,	/* server to server: the pages of a PUSH */
	SMEMV_OP__END
};

/* hdr.flags */
#define SMEMV_WIRE_F_REPLY	0x0001
#define SMEMV_WIRE_F_MORE	0x0002	/* LIST, SPACES: ask again after the last entry */
#define SMEMV_WIRE_F_FORCE	0x0004	/* DROP by UUID: also when the epoch is unknown */
#define SMEMV_WIRE_F_ALL	0x0007

/* hdr.status of replies, and the status of a page descriptor in replies */
enum smemv_wire_status {
	SMEMV_ST_OK		= 0,
	SMEMV_ST_PARTIAL	= 1,	/* look at the descriptors */
	SMEMV_ST_NO_SPACE	= 2,	/* the server's memory is full */
	SMEMV_ST_MISSING	= 3,	/* the server does not hold this page */
	SMEMV_ST_BAD_CRC	= 4,	/* page data arrived or was kept damaged */
	SMEMV_ST_STALE_EPOCH	= 5,	/* a newer owner exists */
	SMEMV_ST_NO_SUCH_SPACE	= 6,	/* handle not open, or UUID unknown */
	SMEMV_ST_NOT_SUPPORTED	= 7,	/* the opcode is known, not implemented */
	SMEMV_ST_BAD_REQUEST	= 8,	/* malformed; the server closes */
	SMEMV_ST_LIMIT		= 9,	/* above a negotiated limit */
	SMEMV_ST_VERSION	= 10,	/* HELLO: no common version; closes */
	SMEMV_ST_FEATURES	= 11,	/* HELLO: a required feature is missing; closes */
	SMEMV_ST_FENCED		= 12,	/* HELLO: generation not higher; closes */
	SMEMV_ST_STOPPING	= 13,	/* the server takes no new pages */
	SMEMV_ST_BUSY		= 14,	/* DROP by UUID: an owner is connected */
	SMEMV_ST_SIZE		= 15,	/* OPEN: exists with another size */
	SMEMV_ST_HELD		= 16,	/* the target has, or had, something newer (rule 5) */
	SMEMV_ST_NO_DRAIN	= 17,	/* no such drain is open at the target */
	SMEMV_ST_UNREACHABLE	= 18,	/* not sent to the target: surely not applied */
	SMEMV_ST_UNKNOWN	= 19,	/* sent, unanswered: may be applied till the drain closes */
	SMEMV_ST_NOT_ACTIVE	= 20,	/* the epoch is claimed and not active (rule 6) */
	SMEMV_ST_ACTIVE		= 21,	/* CLAIM: active, and never taken back (rule 6) */
	SMEMV_ST__END
};

/* Features offered and granted by HELLO */
#define SMEMV_FEAT_PAGE_CRC	(1ull << 0)	/* descriptors carry CRC32C of pages */
#define SMEMV_FEAT_LIST		(1ull << 1)	/* LIST and SPACES are answered */
#define SMEMV_FEAT_PUSH		(1ull << 2)	/* DRAIN, PUSH and DELIVER */
#define SMEMV_FEAT_CLAIM	(1ull << 3)	/* CLAIM, ACTIVATE and claimed OPENs */

/**
 * struct smemv_wire_hdr - starts every frame
 * @magic: SMEMV_WIRE_MAGIC
 * @version: SMEMV_WIRE_VERSION
 * @opcode: enum smemv_wire_op
 * @flags: SMEMV_WIRE_F_*
 * @tag: chosen by the client, echoed in the reply, unique among open requests
 * @space: handle, chosen by the client in OPEN, valid on this connection; else 0
 * @status: enum smemv_wire_status in replies, 0 in requests
 * @count: descriptors after the body, at most SMEMV_WIRE_MAX_PAGES
 * @payload_len: bytes after this header: body, descriptors and page data
 * @free_pages: in replies: pages that the server can still take (saturated);
 *		0 in requests
 * @crc: CRC32C of the header (this field as 0) and the meta; always on
 * @reserved: 0
 *
 * HELLO keeps this layout in every future version.
 */
struct smemv_wire_hdr {
	__le32 magic;
	__u8   version;
	__u8   opcode;
	__le16 flags;
	__le64 tag;
	__le32 space;
	__le16 status;
	__le16 count;
	__le32 payload_len;
	__le32 free_pages;
	__le32 crc;
	__le32 reserved;
};

/* smemv_wire_page.flags */
#define SMEMV_PAGE_F_ZERO	0x0001	/* all bytes are 0; no data follows */

/**
 * struct smemv_wire_page - page descriptor (STORE, LOAD, DELIVER; PUSH replies)
 * @index: page index in the space
 * @crc: CRC32C of the 4096 bytes when PAGE_CRC was granted and data follows,
 *	else 0
 * @flags: SMEMV_PAGE_F_*; 0 in LOAD requests
 * @status: enum smemv_wire_status in replies, 0 in requests
 *
 * STORE and DELIVER request: data follows unless ZERO. Reply to them and to PUSH:
 * with status OK no descriptors at all; with PARTIAL one for each page of the
 * request, in its order. LOAD reply: one for each page, in the request's order; data follows
 * for those with status OK and without ZERO.
 */
struct smemv_wire_page {
	__le64 index;
	__le32 crc;
	__le16 flags;
	__le16 status;
};

/**
 * struct smemv_wire_range - range descriptor (INVALIDATE, LIST reply, PUSH)
 * @first: first page index
 * @count: pages, at least 1
 * @flags: SMEMV_PAGE_F_ZERO in a LIST reply: the whole range is zero pages
 */
struct smemv_wire_range {
	__le64 first;
	__le32 count;
	__le32 flags;
};

/**
 * struct smemv_wire_hello - body of HELLO requests
 * @client_id: random, fixed for the life of the client
 * @generation: of this lane; higher than that of any earlier connection (rule 2)
 * @features: SMEMV_FEAT_* wanted
 * @required: those without which the client cannot work
 * @lane: number of this connection among those of the client
 * @max_pages: descriptors per frame that the client accepts
 * @name: for the server's log; not terminated when 32 bytes long
 */
struct smemv_wire_hello {
	__u8   client_id[16];
	__le64 generation;
	__le64 features;
	__le64 required;
	__le32 lane;
	__le32 max_pages;
	__u8   name[32];
};

/**
 * struct smemv_wire_hello_reply - body of HELLO replies
 * @server_id: random, new at each start of the server: its pages are gone
 * @features: granted; with status FEATURES: all that the server has
 * @version_min: lowest and
 * @version_max: highest version that the server speaks
 * @max_pages: descriptors per frame, at most what the client said
 * @max_inflight: requests that a client may have open on this connection
 * @max_spaces: handles must be below this
 * @reserved: 0
 * @capacity_pages: pages that the server may hold at most
 */
struct smemv_wire_hello_reply {
	__u8   server_id[16];
	__le64 features;
	__le32 version_min;
	__le32 version_max;
	__le32 max_pages;
	__le32 max_inflight;
	__le32 max_spaces;
	__le32 reserved;
	__le64 capacity_pages;
};

/* smemv_wire_open.flags */
#define SMEMV_OPEN_F_CREATE	0x0001	/* make it when the server has none */
#define SMEMV_OPEN_F_CLAIMED	0x0002	/* a higher epoch is claimed, not active */

/**
 * struct smemv_wire_open - body of OPEN requests; hdr.space is the new handle
 * @uuid: of the space
 * @size_pages: 1 to SMEMV_WIRE_MAX_INDEX
 * @epoch: of the owner that asks, at least 1; below the space's: STALE_EPOCH
 * @flags: SMEMV_OPEN_F_*
 * @reserved: 0
 */
struct smemv_wire_open {
	__u8   uuid[16];
	__le64 size_pages;
	__le64 epoch;
	__le32 flags;
	__le32 reserved;
};

/* smemv_wire_open_reply.flags */
#define SMEMV_OPENED_F_CREATED	0x0001	/* it did not exist: the server holds nothing */
#define SMEMV_OPENED_F_CLAIMED	0x0002	/* its epoch is claimed, not active */

/**
 * struct smemv_wire_open_reply - body of OPEN replies
 * @size_pages: of the space
 * @epoch: of the space now (with STALE_EPOCH: the newer owner's)
 * @pages: pages that the server holds of it, zero pages included
 * @flags: SMEMV_OPENED_F_*
 * @reserved: 0
 */
struct smemv_wire_open_reply {
	__le64 size_pages;
	__le64 epoch;
	__le64 pages;
	__le32 flags;
	__le32 reserved;
};

/**
 * struct smemv_wire_drop - body of DROP requests
 * @uuid: of the space. With hdr.space != 0 it must be the one open there and
 *	the epoch rule applies; with hdr.space 0 the server refuses (BUSY) while
 *	an owner is connected
 */
struct smemv_wire_drop {
	__u8 uuid[16];
};

/**
 * struct smemv_wire_pages_reply - body of INVALIDATE and DROP replies
 * @pages: pages forgotten by this request
 */
struct smemv_wire_pages_reply {
	__le64 pages;
};

/**
 * struct smemv_wire_stat_reply - body of STAT replies
 * @capacity_pages: pages with content that the server may hold
 * @used_pages: pages with content that it holds
 * @zero_pages: zero pages that it holds (they use no page frame)
 * @spaces: spaces that it holds
 * @space_pages: with hdr.space != 0: pages held of that space, zero pages included
 * @space_epoch: with hdr.space != 0: its epoch
 */
struct smemv_wire_stat_reply {
	__le64 capacity_pages;
	__le64 used_pages;
	__le64 zero_pages;
	__le64 spaces;
	__le64 space_pages;
	__le64 space_epoch;
};

/**
 * struct smemv_wire_list - body of LIST requests; the reply has range descriptors
 * @first: list from this page index on
 */
struct smemv_wire_list {
	__le64 first;
};

/**
 * struct smemv_wire_spaces - body of SPACES requests
 * @after: spaces with a UUID above this (as bytes), all zero to start
 */
struct smemv_wire_spaces {
	__u8 after[16];
};

/* smemv_wire_space_entry.flags */
#define SMEMV_SPACE_F_OWNED	0x0001	/* some connection has it open */
#define SMEMV_SPACE_F_CLAIMED	0x0002	/* its epoch is claimed, not active (rule 6) */

/* SPACES replies carry hdr.count of these (not 16 bytes) as body */
struct smemv_wire_space_entry {
	__u8   uuid[16];
	__le64 size_pages;
	__le64 epoch;
	__le64 pages;
	__le32 flags;
	__le32 idle_s;		/* seconds since an owner was last connected */
};

#define SMEMV_WIRE_MAX_SPACE_ENTRIES	64u

#define SMEMV_WIRE_TOKEN_SIZE	16
/* A PUSH's timeout_ms when it says 0, and at most. */
#define SMEMV_WIRE_PUSH_MS	5000u
#define SMEMV_WIRE_PUSH_MAX_MS	30000u
/* PUSH requests that a client may have open on a connection. */
#define SMEMV_WIRE_MAX_PUSHES	64u

/* smemv_wire_drain.flags */
#define SMEMV_DRAIN_F_OPEN	0x0001	/* else it is closed */

/**
 * struct smemv_wire_drain - body of DRAIN requests (rule 5); hdr.space is the space
 * @token: random; who can show it may deliver pages while the drain is open
 * @drain: number, higher than that of any earlier drain of this epoch at this server
 * @flags: SMEMV_DRAIN_F_*
 * @reserved: 0
 */
struct smemv_wire_drain {
	__u8   token[SMEMV_WIRE_TOKEN_SIZE];
	__le64 drain;
	__le32 flags;
	__le32 reserved;
};

/**
 * struct smemv_wire_push - body of PUSH requests, with range descriptors
 * @target_id: server_id of the server that is to get the pages
 * @target_addr: its address, IPv6 or IPv4-mapped
 * @drain: number of the drain that orders it, open at the target (rule 5)
 * @target_port: its TCP port
 * @timeout_ms: for each of waiting and sending; 0: SMEMV_WIRE_PUSH_MS
 * @token: of that drain
 */
struct smemv_wire_push {
	__u8   target_id[16];
	__u8   target_addr[16];
	__le64 drain;
	__le32 target_port;
	__le32 timeout_ms;
	__u8   token[SMEMV_WIRE_TOKEN_SIZE];
};

/**
 * struct smemv_wire_deliver - body of DELIVER requests; page descriptors and data follow
 * @uuid: of the space; hdr.space is 0
 * @token: of the drain
 * @drain: its number
 * @epoch: in which the PUSH was ordered
 */
struct smemv_wire_deliver {
	__u8   uuid[16];
	__u8   token[SMEMV_WIRE_TOKEN_SIZE];
	__le64 drain;
	__le64 epoch;
};

/* smemv_wire_claim.flags */
#define SMEMV_CLAIM_F_TAKE_BACK	0x0001	/* of a claim that was never activated */

/**
 * struct smemv_wire_claim - body of CLAIM and ACTIVATE requests (rule 6)
 * @uuid: of the space; hdr.space is 0
 * @epoch: CLAIM: the epoch that the claimant believes current; ACTIVATE: its own
 * @own: CLAIM with TAKE_BACK: the epoch in which the claimant was active; else 0
 * @flags: SMEMV_CLAIM_F_*; 0 in ACTIVATE
 * @reserved: 0
 */
struct smemv_wire_claim {
	__u8   uuid[16];
	__le64 epoch;
	__le64 own;
	__le32 flags;
	__le32 reserved;
};

/* smemv_wire_claim_reply.flags */
#define SMEMV_CLAIMED_F_ACTIVE	0x0001	/* the epoch is active, else claimed */

/**
 * struct smemv_wire_claim_reply - body of CLAIM and ACTIVATE replies, also of those
 * with status STALE_EPOCH, NOT_ACTIVE and ACTIVE
 * @epoch: of the space now
 * @flags: SMEMV_CLAIMED_F_*
 * @reserved: 0
 */
struct smemv_wire_claim_reply {
	__le64 epoch;
	__le32 flags;
	__le32 reserved;
};

/* The largest body + descriptors, and the largest frame after its header. */
#define SMEMV_WIRE_MAX_META	(128u + SMEMV_WIRE_MAX_PAGES * 16u)
#define SMEMV_WIRE_MAX_PAYLOAD	(SMEMV_WIRE_MAX_META + \
				 SMEMV_WIRE_MAX_PAGES * SMEMV_WIRE_PAGE_SIZE)

#ifdef __cplusplus
#define SMEMV_WIRE_ASSERT(t, n)	static_assert(sizeof(t) == (n), #t)
#else
#define SMEMV_WIRE_ASSERT(t, n)	_Static_assert(sizeof(t) == (n), #t)
#endif

SMEMV_WIRE_ASSERT(struct smemv_wire_hdr, 40);
SMEMV_WIRE_ASSERT(struct smemv_wire_page, 16);
SMEMV_WIRE_ASSERT(struct smemv_wire_range, 16);
SMEMV_WIRE_ASSERT(struct smemv_wire_hello, 80);
SMEMV_WIRE_ASSERT(struct smemv_wire_hello_reply, 56);
SMEMV_WIRE_ASSERT(struct smemv_wire_open, 40);
SMEMV_WIRE_ASSERT(struct smemv_wire_open_reply, 32);
SMEMV_WIRE_ASSERT(struct smemv_wire_drop, 16);
SMEMV_WIRE_ASSERT(struct smemv_wire_pages_reply, 8);
SMEMV_WIRE_ASSERT(struct smemv_wire_stat_reply, 48);
SMEMV_WIRE_ASSERT(struct smemv_wire_list, 8);
SMEMV_WIRE_ASSERT(struct smemv_wire_spaces, 16);
SMEMV_WIRE_ASSERT(struct smemv_wire_space_entry, 48);
SMEMV_WIRE_ASSERT(struct smemv_wire_drain, 32);
SMEMV_WIRE_ASSERT(struct smemv_wire_push, 64);
SMEMV_WIRE_ASSERT(struct smemv_wire_deliver, 48);
SMEMV_WIRE_ASSERT(struct smemv_wire_claim, 40);
SMEMV_WIRE_ASSERT(struct smemv_wire_claim_reply, 16);

#endif /* _UAPI_SMEMV_WIRE_H */
