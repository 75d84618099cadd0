/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * What smemv.ko counts, by name: a part of smemv.h, which includes it.
 */
#ifndef _UAPI_SMEMV_COUNTERS_H
#define _UAPI_SMEMV_COUNTERS_H

/*
 * Counters, append only. X(enum suffix, "name", "what it counts").
 * A reader must accept more or fewer values than it knows.
 */
#define SMEMV_SERVER_COUNTERS(X)						\
	X(STORE_PAGES, "store_pages", "pages stored and acknowledged")		\
	X(STORE_ZERO, "store_zero", "of these, zero pages (sent as a flag)")	\
	X(LOAD_PAGES, "load_pages", "pages loaded")				\
	X(LOAD_ZERO, "load_zero", "of these, zero pages")			\
	X(INVALIDATE_PAGES, "invalidate_pages", "pages invalidated")		\
	X(REQUESTS, "requests", "requests answered")				\
	X(RESENT, "resent", "requests sent again after a fence")		\
	X(TX_BYTES, "tx_bytes", "bytes sent")					\
	X(RX_BYTES, "rx_bytes", "bytes received")				\
	X(CONNECTS, "connects", "connections made")				\
	X(DISCONNECTS, "disconnects", "connections that ended unasked")		\
	X(TIMEOUTS, "timeouts", "connections ended because an answer was due")	\
	X(PROTOCOL_ERRORS, "protocol_errors", "connections ended for a bad frame") \
	X(NO_SPACE, "no_space", "pages refused because the server was full")	\
	X(MISSING, "missing", "pages that the server should have had")		\
	X(BAD_CRC, "bad_crc", "pages that arrived or were kept damaged")	\
	X(STALE_EPOCH, "stale_epoch", "requests refused: another owner")	\
	X(RECONCILED, "reconciled", "stale pages removed after a reconnect")	\
	X(SEND_DIRECT, "send_direct", "requests sent by their submitter")	\
	X(SEND_QUEUED, "send_queued", "requests sent by the sender worker")	\
	X(DRAINED, "drained", "pages moved from there to other servers")

#define SMEMV_SPACE_COUNTERS(X)							\
	X(STORE_PAGES, "store_pages", "pages written by the front")		\
	X(LOAD_PAGES, "load_pages", "pages read by the front from servers")	\
	X(ABSENT_PAGES, "absent_pages", "never-written pages read as zeros")	\
	X(INVALIDATE_PAGES, "invalidate_pages", "pages given up by the front")	\
	X(STORE_ERRORS, "store_errors", "pages whose write failed")		\
	X(LOAD_ERRORS, "load_errors", "pages whose read failed, not lost")	\
	X(LOST_READS, "lost_reads", "reads of lost pages (EIO)")		\
	X(REPLACED, "replaced", "pages stored on another server than before")	\
	X(DEADLINES, "deadlines", "requests that passed their deadline")	\
	X(SUSPENDS, "suspends", "requests that had to wait for a server")	\
	X(NO_SPACE, "no_space", "requests that found every server full")	\
	X(CONFLICTS, "conflicts", "requests that waited for another on the same page") \
	X(SPINS, "spins", "waits for a page that spun instead of sleeping")	\
	X(SPINS_IN_VAIN, "spins_in_vain", "of these, those that had to sleep after all")

#define SMEMV_FILE_COUNTERS(X)							\
	X(ZERO_FAULTS, "zero_faults", "faults on pages that hold nothing yet")	\
	X(REMOTE_FAULTS, "remote_faults", "faults that had to load a page")	\
	X(FAULT_ERRORS, "fault_errors", "faults that ended with SIGBUS")		\
	X(ROOM_WAITS, "room_waits", "faults that waited for room in the budget") \
	X(OUT_STORED, "out_stored", "pages evicted after they were stored")	\
	X(OUT_CLEAN, "out_clean", "pages evicted without traffic")		\
	X(OUT_RESCUED, "out_rescued", "pages touched while they were stored, kept") \
	X(OUT_FAILED, "out_failed", "pages kept because no server took them")	\
	X(OUT_YOUNG, "out_young", "pages kept because they had been used")	\
	X(OUT_BUSY, "out_busy", "pages kept because they were locked or pinned") \
	X(PUNCHED, "punched", "pages of holes that were punched")		\
	X(AHEAD_PAGES, "ahead_pages", "pages fetched before they were asked for") \
	X(AHEAD_HITS, "ahead_hits", "of these, pages asked for later")		\
	X(AHEAD_WASTE, "ahead_waste", "of these, pages evicted without having been used") \
	X(HUGE_FAULTS, "huge_faults", "of zero_faults, those that got 2 MiB at once") \
	X(HUGE_SPLITS, "huge_splits", "folios of many pages that were split")	\
	X(SHRINKS, "shrinks", "times the host had little memory and some was asked for") \
	X(SQUEEZES, "squeezes", "faults that waited because memory was used up, e.g. the cgroup's") \
	X(HUGE_LOADS, "huge_loads", "2 MiB that were brought home as one folio")

#define SMEMV_X_ENUM_SERVER(id, name, what)	SMEMV_SC_##id,
#define SMEMV_X_ENUM_SPACE(id, name, what)	SMEMV_PC_##id,
#define SMEMV_X_ENUM_FILE(id, name, what)	SMEMV_FC_##id,
enum smemv_server_counter { SMEMV_SERVER_COUNTERS(SMEMV_X_ENUM_SERVER) SMEMV_SC__MAX };
enum smemv_space_counter { SMEMV_SPACE_COUNTERS(SMEMV_X_ENUM_SPACE) SMEMV_PC__MAX };
enum smemv_file_counter { SMEMV_FILE_COUNTERS(SMEMV_X_ENUM_FILE) SMEMV_FC__MAX };

/*
 * Latency histograms: bucket 4 * e + s counts times of
 * [(4 + s) << e, (5 + s) << e) microseconds / 4, that is four buckets to an
 * octave from 1 us on; the first also counts shorter, the last longer ones.
 */
#define SMEMV_LATENCY_BUCKETS	96

#endif
