/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * S-memV's interfaces: generic netlink, which is what smemv.ko and the smemv
 * command say to each other, and ioctls of memory files, for migrations (below).
 *
 * Netlink: state is per network namespace: a command sees and changes only
 * objects of the namespace that its socket belongs to. Every command needs
 * CAP_NET_ADMIN and CAP_SYS_ADMIN in the initial user namespace. Every failure
 * carries an extended-ack text that says why, and the offending attribute where
 * there is one.
 *
 * Message tree (M: must be there, O: may be there; all integers host order)
 *
 *  SMEMV_CMD_SERVER_ADD      connects, waits for the server's answer
 *    SMEMV_A_SERVER_NAME     M  string, 1..31 of [A-Za-z0-9._-]
 *    SMEMV_A_SERVER_ADDR     M  struct sockaddr_in or sockaddr_in6
 *    SMEMV_A_SERVER_LIMIT    O  u64 bytes to use there at most, 0 (default): all
 *    SMEMV_A_SERVER_LANES    O  u32 connections, 1..64; default: min(CPUs, 4)
 *    SMEMV_A_SERVER_TIMEOUT  O  u32 ms, 100..60000, default 4000: a connection
 *                               on which an answer is due for this long is dead
 *  SMEMV_CMD_SERVER_DEL
 *    SMEMV_A_SERVER_NAME     M  EBUSY while pages are there, or a swap disk or memory file
 *                               uses it
 *  SMEMV_CMD_SERVER_DRAIN    begins to move all pages to other servers; it takes no new
 *                            ones from then on. SMEMV_A_SERVER_DRAINS says how many swap
 *                            disks and memory files are not done, SMEMV_A_SERVER_PAGES
 *                            what is left
 *    SMEMV_A_SERVER_NAME     M
 *    SMEMV_A_SERVER_TO       O  nest of SMEMV_A_SERVER_NAME; default: the others that each
 *                               swap disk or memory file uses
 *    SMEMV_A_SERVER_STOP     O  flag: give it up instead; it takes pages again
 *  SMEMV_CMD_SERVER_GET      dump, or one by name; replies are SERVER_GET too
 *    SMEMV_A_SERVER_NAME     O
 *    -> all SMEMV_A_SERVER_*
 *
 *  SMEMV_CMD_SWAP_ADD        reply: SMEMV_CMD_SWAP_GET of the new disk
 *    SMEMV_A_SWAP_SIZE       M  u64 bytes, multiple of 4096, 1 MiB .. 4 PiB
 *    SMEMV_A_SWAP_NAME       O  string as above; default: smemvN
 *    SMEMV_A_SWAP_SERVERS    O  nest of SMEMV_A_SERVER_NAME; default: all there are
 *    SMEMV_A_SWAP_POLICY     O  u32 enum smemv_policy, default SMEMV_POLICY_ERROR
 *    SMEMV_A_SWAP_DEADLINE   O  u32 ms, 1000..600000, default 30000
 *    SMEMV_A_SWAP_QUEUES     O  u32 hardware queues, 1..64; default: min(CPUs, 8)
 *  SMEMV_CMD_SWAP_SET
 *    SMEMV_A_SWAP_NAME       M
 *    SMEMV_A_SWAP_POLICY     O
 *    SMEMV_A_SWAP_DEADLINE   O
 *  SMEMV_CMD_SWAP_DEL
 *    SMEMV_A_SWAP_NAME       M  EBUSY while the disk is open (swapon, mount)
 *  SMEMV_CMD_SWAP_GET        dump, or one by name
 *    SMEMV_A_SWAP_NAME       O
 *    -> all SMEMV_A_SWAP_*
 *
 *  SMEMV_CMD_VM_ADD          gives a new file of a smemv filesystem its size and its
 *                            servers; reply: SMEMV_CMD_VM_GET of it
 *    SMEMV_A_VM_FD           M  u32 file descriptor of the file, open for writing
 *    SMEMV_A_VM_SIZE         M  u64 bytes, multiple of 4096, 1 MiB .. 4 PiB
 *    SMEMV_A_VM_BUDGET       O  u64 bytes that may be on this host, from 1 MiB on;
 *                               default: as the mount option says, else its size
 *    SMEMV_A_VM_SERVERS      O  nest of SMEMV_A_SERVER_NAME; default: all there are
 *    SMEMV_A_VM_POLICY       O  u32 enum smemv_policy, default SMEMV_POLICY_ERROR
 *    SMEMV_A_VM_DEADLINE     O  u32 ms, 1000..600000, default 30000
 *    SMEMV_A_VM_DMA          O  flag: devices write to it (VFIO): no dirty tracking
 *    SMEMV_A_VM_OVERCOMMIT   O  flag: what is beyond the budget may be more than its servers
 *                               can hold; else that is ENOSPC
 *  SMEMV_CMD_VM_SET
 *    SMEMV_A_VM_NAME         M  path of the file below the root of its filesystem
 *    SMEMV_A_VM_BUDGET       O
 *    SMEMV_A_VM_POLICY       O
 *    SMEMV_A_VM_DEADLINE     O
 *  SMEMV_CMD_VM_DEL          nobody can open the file any more; unlink it then
 *    SMEMV_A_VM_NAME         M  EBUSY while somebody has it open or mapped
 *  SMEMV_CMD_VM_EVICT        begins to; SMEMV_A_VM_GOAL tells whether it still does
 *    SMEMV_A_VM_NAME         M
 *    SMEMV_A_VM_SIZE         M  u64 bytes to take off this host; not with STOP
 *    SMEMV_A_VM_STOP         O  flag: do so no longer instead. What is being stored ends
 *  SMEMV_CMD_VM_POPULATE     begins to bring pages here, as far as the budget has room;
 *                            SMEMV_A_VM_POPULATING tells whether it still does, and
 *                            SMEMV_A_VM_MISSED what it could not bring
 *    SMEMV_A_VM_NAME         M
 *    SMEMV_A_VM_STOP         O  flag: do so no longer instead. What is being loaded comes
 *  SMEMV_CMD_VM_GET          dump, or one by name
 *    SMEMV_A_VM_NAME         O
 *    -> all SMEMV_A_VM_*; those of its space only when it has a size
 *
 *  SMEMV_CMD_VM_ATTACH       the file gets the heat of its guest's pages from a scan, which
 *                            begins unless there is one, and ends with the file
 *    SMEMV_A_VM_NAME         M
 *    SMEMV_A_VM_PID          M  u32 process of the guest, which has the file mapped
 *    SMEMV_A_VM_KVM_FD       M  u32 KVM's file of the machine, in the caller's table
 *
 *  SMEMV_CMD_SCAN_START      begins to watch which pages a KVM machine accesses
 *    SMEMV_A_SCAN_PID        M  u32 its process
 *    SMEMV_A_SCAN_VM_FD      M  u32 KVM's file of the machine, in the caller's table
 *    SMEMV_A_SCAN_INTERVAL   O  u32 ms, 10..600000, default 1000; longer when more than 1 %
 *                               of a processor would be needed
 *                            EEXIST: there is one. One that began with a file is kept when the
 *                            file goes, and has the interval, if there is one
 *  SMEMV_CMD_SCAN_STOP
 *    SMEMV_A_SCAN_PID        M  EBUSY while a memory file is attached
 *  SMEMV_CMD_SCAN_GET        dump, or one by its process
 *    SMEMV_A_SCAN_PID        O
 *    -> all SMEMV_A_SCAN_* but COLD and RANGES
 *  SMEMV_CMD_SCAN_RANGES     dump: ranges of the guest's memory that were not accessed lately.
 *                            Pages that the guest never touched are among them. EAGAIN: the
 *                            scan has not watched for so long yet. ERANGE: it does not
 *                            remember that long (seven whole intervals)
 *    SMEMV_A_SCAN_PID        M
 *    SMEMV_A_SCAN_COLD       O  u32 ms; less than the newest interval stands for that. Default:
 *                               not in any interval that is remembered
 *    -> SMEMV_A_SCAN_RANGES      of a part of the memory each time, may be empty
 *
 *  Multicast group "events": SMEMV_CMD_EVENT with SMEMV_A_EVENT_*
 */
#ifndef _UAPI_SMEMV_H
#define _UAPI_SMEMV_H

#include <linux/ioctl.h>
#include <linux/types.h>

#include "smemv_counters.h"

#define SMEMV_GENL_NAME		"smemv"
#define SMEMV_GENL_VERSION	1
#define SMEMV_GENL_GROUP	"events"

#define SMEMV_NAME_LEN		32	/* with the terminating 0 */
#define SMEMV_PATH_LEN		128	/* the same, of a memory file's path */

enum smemv_cmd {
	SMEMV_CMD_UNSPEC,
	SMEMV_CMD_SERVER_ADD,
	SMEMV_CMD_SERVER_DEL,
	SMEMV_CMD_SERVER_DRAIN,
	SMEMV_CMD_SERVER_GET,
	SMEMV_CMD_SWAP_ADD,
	SMEMV_CMD_SWAP_SET,
	SMEMV_CMD_SWAP_DEL,
	SMEMV_CMD_SWAP_GET,
	SMEMV_CMD_EVENT,
	SMEMV_CMD_VM_ADD,
	SMEMV_CMD_VM_SET,
	SMEMV_CMD_VM_DEL,
	SMEMV_CMD_VM_EVICT,
	SMEMV_CMD_VM_POPULATE,
	SMEMV_CMD_VM_GET,
	SMEMV_CMD_VM_ATTACH,
	SMEMV_CMD_SCAN_START,
	SMEMV_CMD_SCAN_STOP,
	SMEMV_CMD_SCAN_GET,
	SMEMV_CMD_SCAN_RANGES,
	__SMEMV_CMD_MAX
};
#define SMEMV_CMD_MAX	(__SMEMV_CMD_MAX - 1)

enum smemv_server_attr {
	SMEMV_A_SERVER_UNSPEC,
	SMEMV_A_SERVER_PAD,
	SMEMV_A_SERVER_NAME,		/* string */
	SMEMV_A_SERVER_ADDR,		/* binary, struct sockaddr_in(6) */
	SMEMV_A_SERVER_LIMIT,		/* u64 bytes, 0: none */
	SMEMV_A_SERVER_LANES,		/* u32 */
	SMEMV_A_SERVER_TIMEOUT,		/* u32 ms */
	SMEMV_A_SERVER_STATE,		/* u32 enum smemv_server_state */
	SMEMV_A_SERVER_LANES_UP,	/* u32 connections that work now */
	SMEMV_A_SERVER_ID,		/* binary 16: of the server's present run */
	SMEMV_A_SERVER_CAPACITY,	/* u64 bytes that the server has */
	SMEMV_A_SERVER_FREE,		/* u64 bytes that it said are free */
	SMEMV_A_SERVER_PAGES,		/* u64 pages of this namespace there */
	SMEMV_A_SERVER_INFLIGHT,	/* u32 requests sent and not answered */
	SMEMV_A_SERVER_COUNTERS,	/* binary u64[], enum smemv_server_counter */
	SMEMV_A_SERVER_LOAD_LATENCY,	/* binary u64[SMEMV_LATENCY_BUCKETS] */
	SMEMV_A_SERVER_STORE_LATENCY,	/* binary u64[SMEMV_LATENCY_BUCKETS] */
	SMEMV_A_SERVER_TO,		/* nest of SMEMV_A_SERVER_NAME */
	SMEMV_A_SERVER_STOP,		/* flag */
	SMEMV_A_SERVER_DRAINS,		/* u32 spaces whose pages are being moved away */
	SMEMV_A_SERVER_DRAIN_WHY,	/* string: why pages stayed after the last drain */
	__SMEMV_A_SERVER_MAX
};
#define SMEMV_A_SERVER_MAX	(__SMEMV_A_SERVER_MAX - 1)

enum smemv_server_state {
	SMEMV_SERVER_CONNECTING,	/* some connection is not up (again) yet */
	SMEMV_SERVER_UP,
	SMEMV_SERVER_FULL,		/* up, but it takes no new pages */
	SMEMV_SERVER_DOWN,		/* no connection works */
	SMEMV_SERVER_DRAINING,		/* up; it takes no new pages, it was or is drained */
};

enum smemv_swap_attr {
	SMEMV_A_SWAP_UNSPEC,
	SMEMV_A_SWAP_PAD,
	SMEMV_A_SWAP_NAME,		/* string */
	SMEMV_A_SWAP_SIZE,		/* u64 bytes */
	SMEMV_A_SWAP_SERVERS,		/* nest of SMEMV_A_SERVER_NAME */
	SMEMV_A_SWAP_POLICY,		/* u32 enum smemv_policy */
	SMEMV_A_SWAP_DEADLINE,		/* u32 ms until the policy decides */
	SMEMV_A_SWAP_QUEUES,		/* u32 */
	SMEMV_A_SWAP_DEV,		/* string, "/dev/smemvN" */
	SMEMV_A_SWAP_OPENERS,		/* u32, 0: not in use */
	SMEMV_A_SWAP_UUID,		/* binary 16, of the space */
	SMEMV_A_SWAP_EPOCH,		/* u64, of the space */
	SMEMV_A_SWAP_PAGES,		/* u64 pages on servers, zero pages included */
	SMEMV_A_SWAP_LOST,		/* u64 pages whose content is lost (reads: EIO) */
	SMEMV_A_SWAP_WAITING,		/* u32 requests that wait for a server */
	SMEMV_A_SWAP_WHERE,		/* nest, one for each server with pages: */
					/*   nest of SERVER_NAME and SERVER_PAGES */
	SMEMV_A_SWAP_COUNTERS,		/* binary u64[], enum smemv_space_counter */
	__SMEMV_A_SWAP_MAX
};
#define SMEMV_A_SWAP_MAX	(__SMEMV_A_SWAP_MAX - 1)

enum smemv_vm_attr {
	SMEMV_A_VM_UNSPEC,
	SMEMV_A_VM_PAD,
	SMEMV_A_VM_NAME,		/* string: path below the filesystem's root */
	SMEMV_A_VM_FD,			/* u32 */
	SMEMV_A_VM_SIZE,		/* u64 bytes */
	SMEMV_A_VM_BUDGET,		/* u64 bytes */
	SMEMV_A_VM_SERVERS,		/* nest of SMEMV_A_SERVER_NAME */
	SMEMV_A_VM_POLICY,		/* u32 enum smemv_policy */
	SMEMV_A_VM_DEADLINE,		/* u32 ms until the policy decides */
	SMEMV_A_VM_DMA,			/* flag */
	SMEMV_A_VM_DELETED,		/* flag: it has no name any more, but users */
	SMEMV_A_VM_OPENERS,		/* u32 open files, 0: not in use */
	SMEMV_A_VM_RESIDENT,		/* u64 bytes on this host */
	SMEMV_A_VM_PEAK,		/* u64 bytes, the most that were ever on this host */
	SMEMV_A_VM_GOING,		/* u64 of these, bytes being stored */
	SMEMV_A_VM_GOAL,		/* u64 resident bytes to be reached by VM_EVICT */
	SMEMV_A_VM_POPULATING,		/* flag: VM_POPULATE is under way */
	SMEMV_A_VM_UUID,		/* binary 16, of the space */
	SMEMV_A_VM_EPOCH,		/* u64, of the space */
	SMEMV_A_VM_PAGES,		/* u64 pages that servers hold a copy of */
	SMEMV_A_VM_LOST,		/* u64 pages whose content is lost (SIGBUS) */
	SMEMV_A_VM_WAITING,		/* u32 requests that wait for a server */
	SMEMV_A_VM_WHERE,		/* nest, one for each server with pages: */
					/*   nest of SERVER_NAME and SERVER_PAGES */
	SMEMV_A_VM_COUNTERS,		/* binary u64[], enum smemv_space_counter */
	SMEMV_A_VM_FILE_COUNTERS,	/* binary u64[], enum smemv_file_counter */
	SMEMV_A_VM_OWNER,		/* u32 enum smemv_owner */
	SMEMV_A_VM_PID,			/* u32: whose scan is attached, or 0 */
	SMEMV_A_VM_KVM_FD,		/* u32 */
	SMEMV_A_VM_ORDER,		/* string: pages are evicted by "heat", "clock" or "random" */
	SMEMV_A_VM_MISSED,		/* u64 pages that the latest VM_POPULATE could not bring */
	SMEMV_A_VM_STOP,		/* flag */
	SMEMV_A_VM_OVERCOMMIT,		/* flag */
	__SMEMV_A_VM_MAX
};
#define SMEMV_A_VM_MAX	(__SMEMV_A_VM_MAX - 1)

/*
 * What of a memory file's budget (bytes, 1 MiB .. 4 PiB) its evictor keeps free, so that few
 * faults have to wait: 1/32, 64 KiB .. 4 MiB; nothing when all of the file may be here.
 * Who brings pages and wants none to be evicted for it stops this far below the budget.
 */
static inline __u64 smemv_spare_bytes(__u64 budget_bytes, __u64 size_bytes)
{
	const __u64 least = 64 << 10, most = 4 << 20;
	__u64 part = budget_bytes / 32;

	if (budget_bytes >= size_bytes)
		return 0;
	if (part < least)
		return least;
	return part < most ? part : most;
}

enum smemv_scan_attr {
	SMEMV_A_SCAN_UNSPEC,
	SMEMV_A_SCAN_PAD,
	SMEMV_A_SCAN_PID,		/* u32, as the reader sees it; 0: cannot be seen */
	SMEMV_A_SCAN_VM_FD,		/* u32 */
	SMEMV_A_SCAN_INTERVAL,		/* u32 ms that was asked for */
	SMEMV_A_SCAN_INTERVAL_NOW,	/* u32 ms that is kept at present */
	SMEMV_A_SCAN_METHOD,		/* u32 enum smemv_scan_method */
	SMEMV_A_SCAN_WHY,		/* string: why not by the walk */
	SMEMV_A_SCAN_AGES,		/* binary u64[SMEMV_SCAN_AGES] pages that are mapped */
	SMEMV_A_SCAN_SIZE,		/* u64 bytes: the guest's memory */
	SMEMV_A_SCAN_SCANS,		/* u64 done so far */
	SMEMV_A_SCAN_COST,		/* u64 ns that a scan takes, on average */
	SMEMV_A_SCAN_SHARE,		/* u64 millionths of a processor, since the beginning */
	SMEMV_A_SCAN_MEMORY,		/* u64 bytes used for the history */
	SMEMV_A_SCAN_FILES,		/* u32 memory files that are attached */
	SMEMV_A_SCAN_COLD,		/* u32 ms */
	SMEMV_A_SCAN_RANGES,		/* binary struct smemv_scan_range[] */
	__SMEMV_A_SCAN_MAX
};
#define SMEMV_A_SCAN_MAX	(__SMEMV_A_SCAN_MAX - 1)

/* How the accessed bits are read */
enum smemv_scan_method {
	SMEMV_SCAN_NONE,	/* not at all yet */
	SMEMV_SCAN_TDP_WALK,	/* EPT's or NPT's own, walked without a lock */
	SMEMV_SCAN_CLEAR_YOUNG,	/* by asking KVM for each page: slower */
};

/*
 * Pages by age: [0] accessed in the newest interval, [1] in the one before, not
 * in the newest, ... [7]; the last: longer ago, or never.
 */
#define SMEMV_SCAN_AGES		9

/* Pages of a process that follow each other */
struct smemv_scan_range {
	__u64 address;		/* user address, multiple of 4096 */
	__u64 pages;
};

/* statfs.f_type of the filesystem "smemv" */
#define SMEMV_FS_MAGIC		0x536d6556

/* What happens to a request that no server could answer before its deadline */
enum smemv_policy {
	SMEMV_POLICY_ERROR,	/* it fails: EIO, ENOSPC */
	SMEMV_POLICY_SUSPEND,	/* it waits until a server can */
	__SMEMV_POLICY_END
};

enum smemv_event_attr {
	SMEMV_A_EVENT_UNSPEC,
	SMEMV_A_EVENT_PAD,
	SMEMV_A_EVENT_TYPE,	/* u32 enum smemv_event */
	SMEMV_A_EVENT_SERVER,	/* string, where one is concerned */
	SMEMV_A_EVENT_SPACE,	/* string, name of the swap disk or memory file */
	SMEMV_A_EVENT_PAGE,	/* u64 page index */
	SMEMV_A_EVENT_COUNT,	/* u64 pages or requests concerned */
	SMEMV_A_EVENT_TEXT,	/* string, the reason in words */
	SMEMV_A_EVENT_LEFT,	/* u64 pages that are still to be moved, at most */
	__SMEMV_A_EVENT_MAX
};
#define SMEMV_A_EVENT_MAX	(__SMEMV_A_EVENT_MAX - 1)

enum smemv_event {
	SMEMV_EV_SERVER_ADDED = 1,
	SMEMV_EV_SERVER_UP,		/* all its connections work */
	SMEMV_EV_SERVER_DOWN,		/* a connection ended; TEXT says why */
	SMEMV_EV_SERVER_FULL,		/* it takes no new pages */
	SMEMV_EV_SERVER_RESTARTED,	/* it came back without its pages */
	SMEMV_EV_SERVER_DELETED,
	SMEMV_EV_SWAP_ADDED,
	SMEMV_EV_SWAP_DELETED,
	SMEMV_EV_PAGE_LOST,		/* PAGE of SPACE, or COUNT of them at once */
	SMEMV_EV_DEADLINE,		/* a request passed its deadline */
	SMEMV_EV_FENCED_OUT,		/* another main host owns the space now */
	SMEMV_EV_SUSPENDED,		/* requests wait for a server */
	SMEMV_EV_RESUMED,
	SMEMV_EV_VM_ADDED,
	SMEMV_EV_VM_DELETED,
	SMEMV_EV_DRAINED,		/* COUNT pages of SPACE were moved off SERVER, none stays */
					/*   (TEXT: but some were lost, see PAGE_LOST) */
	SMEMV_EV_DRAIN_FAILED,		/* COUNT were, others stay; TEXT says why */
	SMEMV_EV_VM_ADOPTED,		/* claimed; COUNT pages are at servers */
	SMEMV_EV_VM_ADOPT_FAILED,	/* SERVER, where one is to blame; TEXT says why */
	SMEMV_EV_VM_ACTIVATED,		/* this host is the owner now */
	SMEMV_EV_VM_TAKEN_BACK,		/* this host is the owner again */
	SMEMV_EV_DRAINING,		/* pages of SPACE move off SERVER: COUNT did, LEFT */
					/*   are there; each second, like what goes on below */
	SMEMV_EV_EVICTING,		/* VM_EVICT goes on: COUNT pages left since it began */
	SMEMV_EV_EVICTED,		/* it ended: LEFT of what it was to move stayed */
	SMEMV_EV_POPULATING,		/* VM_POPULATE goes on: COUNT pages came since it began */
	SMEMV_EV_POPULATED,		/* it ended: LEFT could not be brought */
	__SMEMV_EV_END
};

/*
 * Ioctls of an open memory file: the verbs that a migration needs. Who may write to the file
 * may use them: a space's UUID is all that is needed to take it over, so keep it to whom it
 * concerns.
 *
 * Every structure starts out zeroed; reserved fields must be 0. Errors of all: EBADF not open
 * for writing; ENODATA the file has no size yet; EFAULT; EINVAL bad size, index, flags,
 * reserved; ENOMEM; EINTR killed. All can be asked again: what was done stays done. An owner
 * is named by its epoch, rule 6 of docs/wire.md. 0x06 and 0x07 belong to the scanner.
 */
#define SMEMV_IOC_TYPE	0xB6

/* Whose the space is, as far as this host knows */
enum smemv_owner {
	SMEMV_OWNER_ACTIVE,	/* this host's: the guest may run */
	SMEMV_OWNER_CLAIMED,	/* adopted: it may load, and change nothing at servers */
	SMEMV_OWNER_LOST,	/* another main host's: every page that is not here fails */
};

/*
 * A memory server of a space, in terms that another main host understands. All zero: there is
 * none of this index any more, and no page is there.
 */
struct smemv_map_server {
	__u8  name[SMEMV_NAME_LEN];	/* as this host calls it: for people only */
	__u8  server_id[16];	/* the server's run; its pages are there only while it is this */
	__u8  address[28];	/* struct sockaddr_in or sockaddr_in6, as this host reaches it */
	__u32 reserved;
};

enum smemv_map_where {
	SMEMV_MAP_ABSENT,	/* at no server; reads as zeros unless it is here */
	SMEMV_MAP_LOST,		/* its content is lost: reads fail */
	SMEMV_MAP_SERVER,	/* + index into the servers */
};

#define SMEMV_MAP_F_HERE	0x0001	/* (also) in the memory of the host that tells */
#define SMEMV_MAP_F_NEWER	0x0002	/* and what is there is newer, or the only copy */
#define SMEMV_MAP_F_ALL		0x0003

/*
 * Neighbouring pages that are at one place. Of ABSENT pages only those that are HERE are told.
 * Flags tell what the old owner has to move by other means; adopting ignores them.
 */
struct smemv_map_run {
	__u64 first;		/* page index */
	__u32 count;		/* pages, at least 1 */
	__u16 where;		/* enum smemv_map_where */
	__u16 flags;		/* SMEMV_MAP_F_* */
};

/*
 * SMEMV_IOC_SPACE: who the space is; in any state. With SMEMV_SPACE_F_HAND_OVER it makes a
 * hand-over possible: the arbiter is from then on believed only as long as it is the run that
 * was told here. With room for fewer than there are, the first ones are told.
 */
struct smemv_ioc_space {
	__u8  uuid[16];		/* out */
	__u64 epoch;		/* out */
	__u64 size_bytes;	/* out */
	__u64 servers;		/* in: address of struct smemv_map_server[nr_servers], or 0 */
	__u32 nr_servers;	/* in: room; out: how many there are, at most 64 */
	__u32 arbiter;		/* out: index of the one that decides about ownership */
	__u32 state;		/* out: enum smemv_owner */
	__u32 flags;		/* in, out: SMEMV_SPACE_F_... */
};

#define SMEMV_SPACE_F_DRAINING	1	/* out: pages are being moved off one of its servers */
/* in: this, and what SMEMV_IOC_MAP tells, is for another host that is to adopt it */
#define SMEMV_SPACE_F_HAND_OVER	2
/* out: somebody else has the file open, maybe a guest whose memory it is: store nothing there */
#define SMEMV_SPACE_F_SHARED	4
/* out: the arbiter cannot be reached now: nobody could become the owner */
#define SMEMV_SPACE_F_UNDECIDABLE	8

/*
 * SMEMV_IOC_MAP: the location map, in pieces, ascending. Waits for what is under way in each
 * 2 MiB (ETIMEDOUT after the file's deadline). As a whole it is consistent only while nobody
 * changes the space: the guest is stopped, and nothing is evicted, drained or punched.
 */
struct smemv_ioc_map {
	__u64 first;		/* in: begin here; out: go on here, size in pages when done */
	__u64 runs;		/* in: user address of struct smemv_map_run[nr_runs] */
	__u32 nr_runs;		/* in: room, at least 1; out: how many were told */
	__u32 reserved;
};

#define SMEMV_STORE_F_ZERO	0x0001
#define SMEMV_STORE_ANY		0xffffffffu
#define SMEMV_STORE_MAX		512

struct smemv_store_page {
	__u64 index;		/* page index */
	__u64 address;		/* of 4096 bytes; 0: it is given up (reads as zeros) */
	__u32 flags;		/* in: 0; out: ZERO: it is all zeros, which costs a flag */
	__s32 error;		/* out: 0 or a negative errno, see below */
};

/*
 * SMEMV_IOC_STORE: content from the caller's memory to a server, past this host's page cache:
 * how an outgoing migration fills a space. Each page is copied before it is sent, so it may
 * change meanwhile. Returns when each page was acknowledged or failed, within the file's
 * deadline (policy as for eviction): once a page failed, the others wait for no server that
 * cannot be reached. Callers may run in parallel; two stores of one page are
 * ordered by the order in which they began. 0 also when pages failed:
 *   ENOSPC      the server is full (ANY: all are)
 *   EIO         it cannot be reached, or refused the page
 *   EFAULT      its memory cannot be read: nothing was sent
 *   EBUSY       the page is in the file's own memory, which is newer
 *   ENOMEM      nothing was sent
 * What was at a server before is not relied on any more after ENOSPC and EIO: the page reads
 * as lost until it is stored again or given up (address 0). With a fixed server nothing else
 * is tried: the caller chooses another. ESTALE for the whole: this host is not the active
 * owner.
 */
struct smemv_ioc_store {
	__u64 pages;		/* in: user address of struct smemv_store_page[nr] */
	__u32 nr;		/* in: 1..SMEMV_STORE_MAX; out: how many were stored or given up */
	__u32 server;		/* in: index as in SMEMV_IOC_SPACE, or SMEMV_STORE_ANY */
};

/*
 * SMEMV_IOC_ADOPT: the file, just made (maybe mapped, with pages that were written here, none
 * at a server yet) becomes the space of another owner: claims it at the arbiter (rule 6),
 * opens it everywhere as claimed, takes over the map. Moves no data. Servers are matched by
 * server_id among those of this namespace. A page that the map places at a server, or calls
 * lost, is dropped from this host's memory; others stay. Until SMEMV_IOC_ACTIVATE pages can
 * be loaded, not stored: faults beyond the budget wait or fail as when no server takes pages.
 * On failure the file is as it was; the claim may stand.
 *   ENODEV      a server of the map, or the arbiter, is not there, or was restarted (kernel
 *               log and event name it)
 *   ENOENT      the arbiter does not know the space
 *   ESTALE      somebody else claimed it
 *   EBUSY       the file's own space has pages at servers, or is no fresh one
 *   EIO         the arbiter cannot be asked
 *   EREMOTEIO   the arbiter refuses (kernel log)
 *   EOPNOTSUPP  a server is too old
 */
struct smemv_ioc_adopt {
	__u8  uuid[16];
	__u64 epoch;		/* in: the present owner's; out: the claimed one */
	__u64 size_bytes;	/* must be the file's */
	__u64 servers;		/* user address of struct smemv_map_server[nr_servers] */
	__u64 runs;		/* address of struct smemv_map_run[nr_runs], ascending */
	__u64 nr_runs;
	__u32 nr_servers;	/* 1..64 */
	__u32 arbiter;		/* index */
};

/*
 * SMEMV_IOC_ATTACH: page index i of the file is at user address base + i * 4096 of the
 * caller, for its machine. From then on the file gets the heat of its pages from a scan of
 * the machine, which begins unless there is one, and ends with the file. Replaces what was
 * attached before.
 *   EBADF       vm_fd is not open
 *   EINVAL      not a virtual machine of KVM, or not one of the caller, or another one of it
 *               is scanned; base is not a multiple of 4096; the interval is not 0 or 10..600000
 *   EBUSY       the machine is scanned from another network namespace
 *   ESHUTDOWN   the machine is ending
 */
struct smemv_ioc_attach {
	__u64 base;
	__s32 vm_fd;		/* KVM's, in the caller's table */
	__u32 interval_ms;	/* of a scan that begins; 0: default */
};

#define SMEMV_IOC_SPACE		_IOWR(SMEMV_IOC_TYPE, 0x00, struct smemv_ioc_space)
#define SMEMV_IOC_MAP		_IOWR(SMEMV_IOC_TYPE, 0x01, struct smemv_ioc_map)
#define SMEMV_IOC_STORE		_IOWR(SMEMV_IOC_TYPE, 0x02, struct smemv_ioc_store)
#define SMEMV_IOC_ADOPT		_IOWR(SMEMV_IOC_TYPE, 0x03, struct smemv_ioc_adopt)
/*
 * The commit point, right before the guest runs: no argument. Idempotent.
 *   ESTALE  the old owner took it back: the guest must not run
 *   EIO     nobody can know yet: ask again, do not run
 *   ENODEV  nothing was decided, as a server does not answer or has not all pages (kernel log
 *           names it): ask again, or leave the guest to its old owner
 */
#define SMEMV_IOC_ACTIVATE	_IO(SMEMV_IOC_TYPE, 0x04)
/*
 * The old owner wants to run again: no argument. 0: this host is the (active) owner, in a
 * higher epoch.
 *   EBUSY       the new owner is active: this guest must stay stopped
 *   EIO         the arbiter cannot be asked, or was restarted: ask again, stay stopped
 *   EINVAL      this host was never the active owner
 */
#define SMEMV_IOC_TAKE_BACK	_IO(SMEMV_IOC_TYPE, 0x05)
/*
 * The same; and where that fails with EIO this host is the owner all the same, on the caller's
 * word that no other one runs the guest, nor will: no argument. Who else was the owner cannot
 * write to the servers any more.
 *   EPERM       needs CAP_SYS_ADMIN
 *   EIO         a server knows a newer owner: ask again
 *   EBUSY, EINVAL  as above
 */
#define SMEMV_IOC_FORCE_BACK	_IO(SMEMV_IOC_TYPE, 0x08)
/*
 * The file uses a server no more, which holds nothing of it by the map: argument __u32, as in
 * struct smemv_map_run.where, less SMEMV_MAP_SERVER. What the server has of the space all the same
 * is dropped, now or when it can be reached again. Also of a space that has another owner by now,
 * which must not know the server.
 *   EINVAL  there is no such server, or it is the arbiter
 *   EBUSY   pages are there, or requests under way; or the space is claimed
 */
#define SMEMV_IOC_LEAVE		_IOW(SMEMV_IOC_TYPE, 0x09, __u32)
#define SMEMV_IOC_ATTACH	_IOW(SMEMV_IOC_TYPE, 0x06, struct smemv_ioc_attach)

/*
 * SMEMV_IOC_HEAT: one byte a page, bit 7: accessed in the newest interval of the scan, bit 6:
 * in the one before, ... ENODATA: nothing is attached. EINVAL: nr, or pages beyond the end.
 */
struct smemv_ioc_heat {
	__u64 first;		/* page index */
	__u64 history;		/* user address of __u8[nr] */
	__u32 nr;		/* 1..1048576 */
	__u32 intervals;	/* in: 0; out: passed since the scan began */
};
#define SMEMV_IOC_HEAT		_IOWR(SMEMV_IOC_TYPE, 0x07, struct smemv_ioc_heat)
#define SMEMV_HEAT_MAX		1048576

#ifdef __cplusplus
#define SMEMV_UAPI_ASSERT(t, n)	static_assert(sizeof(t) == (n), #t)
#else
#define SMEMV_UAPI_ASSERT(t, n)	_Static_assert(sizeof(t) == (n), #t)
#endif

SMEMV_UAPI_ASSERT(struct smemv_scan_range, 16);
SMEMV_UAPI_ASSERT(struct smemv_map_server, 80);
SMEMV_UAPI_ASSERT(struct smemv_map_run, 16);
SMEMV_UAPI_ASSERT(struct smemv_ioc_space, 56);
SMEMV_UAPI_ASSERT(struct smemv_ioc_map, 24);
SMEMV_UAPI_ASSERT(struct smemv_store_page, 24);
SMEMV_UAPI_ASSERT(struct smemv_ioc_store, 16);
SMEMV_UAPI_ASSERT(struct smemv_ioc_adopt, 64);
SMEMV_UAPI_ASSERT(struct smemv_ioc_heat, 24);
SMEMV_UAPI_ASSERT(struct smemv_ioc_attach, 16);

#endif /* _UAPI_SMEMV_H */
