/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints at each protocol step: events/smemv/ in tracefs. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM smemv

#if !defined(SMEMV_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define SMEMV_TRACE_H

#include <linux/tracepoint.h>

#include "compat/trace.h"
#include "scan.h"
#include "space.h"

DECLARE_EVENT_CLASS(smemv_req,
	TP_PROTO(const char *server, u32 lane, const struct smemv_req *req),
	TP_ARGS(server, lane, req),
	TP_STRUCT__entry(
		__string(server, server)
		__field(u32, lane)
		__field(u64, tag)
		__field(u32, space)
		__field(u8, opcode)
		__field(u8, nr)
		__field(u16, status)
	),
	TP_fast_assign(
		smemv_compat_assign_str(server, server);
		__entry->lane = lane;
		__entry->tag = req->tag;
		__entry->space = req->handle;
		__entry->opcode = req->opcode;
		__entry->nr = req->nr;
		__entry->status = req->status;
	),
	TP_printk("server=%s lane=%u tag=%llx op=%u space=%u nr=%u status=%u",
		  __get_str(server), __entry->lane, __entry->tag,
		  __entry->opcode, __entry->space, __entry->nr, __entry->status)
);

/* A request is handed to TCP. */
DEFINE_EVENT(smemv_req, smemv_send,
	TP_PROTO(const char *server, u32 lane, const struct smemv_req *req),
	TP_ARGS(server, lane, req)
);

/* Its reply was received and checked. */
DEFINE_EVENT(smemv_req, smemv_reply,
	TP_PROTO(const char *server, u32 lane, const struct smemv_req *req),
	TP_ARGS(server, lane, req)
);

/* A connection was fenced and is up, or ended. */
TRACE_EVENT(smemv_lane,
	TP_PROTO(const char *server, u32 lane, u64 generation,
		 const char *state),
	TP_ARGS(server, lane, generation, state),
	TP_STRUCT__entry(
		__string(server, server)
		__field(u32, lane)
		__field(u64, generation)
		__string(state, state)
	),
	TP_fast_assign(
		smemv_compat_assign_str(server, server);
		__entry->lane = lane;
		__entry->generation = generation;
		smemv_compat_assign_str(state, state);
	),
	TP_printk("server=%s lane=%u generation=%llu %s", __get_str(server),
		  __entry->lane, __entry->generation, __get_str(state))
);

DECLARE_EVENT_CLASS(smemv_io,
	TP_PROTO(const struct smemv_io *io),
	TP_ARGS(io),
	TP_STRUCT__entry(
		__string(space, io->space->name)
		__field(u64, first)
		__field(u8, op)
		__field(u8, nr)
		__field(u32, todo)
	),
	TP_fast_assign(
		smemv_compat_assign_str(space, io->space->name);
		__entry->first = (io->run_nr << SMEMV_RUN_SHIFT) + io->slot[0];
		__entry->op = io->op;
		__entry->nr = io->nr;
		__entry->todo = io->todo;
	),
	TP_printk("space=%s op=%u first=%llu nr=%u todo=%x", __get_str(space),
		  __entry->op, __entry->first, __entry->nr, __entry->todo)
);

/* The front starts a store or load. */
DEFINE_EVENT(smemv_io, smemv_io_start,
	TP_PROTO(const struct smemv_io *io),
	TP_ARGS(io)
);

/* It waits for a server, room, or its turn. */
DEFINE_EVENT(smemv_io, smemv_io_park,
	TP_PROTO(const struct smemv_io *io),
	TP_ARGS(io)
);

/* It ended. */
DEFINE_EVENT(smemv_io, smemv_io_done,
	TP_PROTO(const struct smemv_io *io),
	TP_ARGS(io)
);

/* All of a machine's pages were looked at; ns is the cost of such a scan, on average. */
TRACE_EVENT(smemv_scan,
	TP_PROTO(u32 pid, const struct smemv_scan_state *state),
	TP_ARGS(pid, state),
	TP_STRUCT__entry(
		__field(u32, pid)
		__field(u32, method)
		__field(u64, scans)
		__field(u64, accessed)
		__field(u64, idle)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->pid = pid;
		__entry->method = state->method;
		__entry->scans = state->scans;
		__entry->accessed = state->ages[0];
		__entry->idle = state->ages[SMEMV_SCAN_AGES - 1];
		__entry->ns = state->scan_ns;
	),
	TP_printk("pid=%u method=%u scans=%llu accessed=%llu idle=%llu ns=%llu",
		  __entry->pid, __entry->method, __entry->scans,
		  __entry->accessed, __entry->idle, __entry->ns)
);

#endif

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
