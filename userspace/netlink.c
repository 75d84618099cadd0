// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/genetlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <stdlib.h>
#include <string.h>

#include "../kernel/uapi/smemv.h"
#include "extack.h"
#include "netlink.h"

#define REQUEST_BYTES	16384
#define EVENT_BUFFER	1048576

struct link {
	struct nl_sock *sock;
	struct nl_cb *cb;
	int family;
	const struct nlmsghdr *sent;	/* the request in flight */
	bool done;
	int error;
	struct reason *why;
	link_reply_fn reply;
	void *reply_arg;
};

static int on_ack(struct nl_msg *msg, void *arg)
{
	struct link *link = arg;

	(void)msg;
	link->done = true;
	return NL_STOP;
}

/* A dump that failed ends with NLMSG_DONE and the error in it. */
static int on_dump_end(struct nl_msg *msg, void *arg)
{
	const struct nlmsghdr *answer = nlmsg_hdr(msg);
	struct link *link = arg;
	int error = 0;

	link->done = true;
	if ((size_t)nlmsg_datalen(answer) >= sizeof(error))
		memcpy(&error, nlmsg_data(answer), sizeof(error));
	if (error < 0)
		link->error = extack_reason(answer, link->sent, link->why);
	return NL_STOP;
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *failure, void *arg)
{
	const struct nlmsghdr *answer = (const struct nlmsghdr *)((char *)failure - NLMSG_HDRLEN);
	struct link *link = arg;

	(void)from;
	link->done = true;
	link->error = extack_reason(answer, link->sent, link->why);
	return NL_STOP;
}

static bool is_module_gone(const struct link *link, struct nlmsghdr *msg)
{
	struct nlattr *tb[CTRL_ATTR_MAX + 1];
	const struct genlmsghdr *genl = nlmsg_data(msg);

	return msg->nlmsg_type == GENL_ID_CTRL && genl->cmd == CTRL_CMD_DELFAMILY &&
	       !genlmsg_parse(msg, 0, tb, CTRL_ATTR_MAX, NULL) && tb[CTRL_ATTR_FAMILY_ID] &&
	       nla_get_u16(tb[CTRL_ATTR_FAMILY_ID]) == link->family;
}

static int on_message(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *header = nlmsg_hdr(msg);
	struct link *link = arg;

	if (!genlmsg_valid_hdr(header, 0))
		return NL_SKIP;
	if (is_module_gone(link, header)) {
		reason_set(link->why, "the smemv module was unloaded");
		link->error = -ENODEV;
		return NL_STOP;
	}
	if (header->nlmsg_type != link->family || !link->reply || link->error)
		return NL_SKIP;
	link->error = link->reply(header, link->reply_arg, link->why);
	return NL_OK;
}

static int no_sequence(struct nl_msg *msg, void *arg)
{
	(void)msg;
	(void)arg;
	return NL_OK;
}

static int link_create(struct link **made)
{
	struct link *link = calloc(1, sizeof(*link));

	if (!link)
		return -ENOMEM;
	link->sock = nl_socket_alloc();
	link->cb = nl_cb_alloc(NL_CB_DEFAULT);
	if (!link->sock || !link->cb) {
		link_close(link);
		return -ENOMEM;
	}
	nl_cb_set(link->cb, NL_CB_VALID, NL_CB_CUSTOM, on_message, link);
	nl_cb_set(link->cb, NL_CB_ACK, NL_CB_CUSTOM, on_ack, link);
	nl_cb_set(link->cb, NL_CB_FINISH, NL_CB_CUSTOM, on_dump_end, link);
	nl_cb_err(link->cb, NL_CB_CUSTOM, on_error, link);
	*made = link;
	return 0;
}

static int link_connect(struct link *link, struct reason *why)
{
	int err = genl_connect(link->sock);

	if (err) {
		reason_set(why, "cannot open a netlink socket: %s", nl_geterror(err));
		return -EPROTO;
	}
	link->family = genl_ctrl_resolve(link->sock, SMEMV_GENL_NAME);
	if (link->family < 0) {
		reason_set(why, "the kernel module is not loaded: run 'modprobe smemv', or from a source tree 'make module' and 'insmod build/ko/$(uname -r)/smemv.ko'");
		return -ENODEV;
	}
	nl_socket_enable_msg_peek(link->sock);
	return 0;
}

static int link_option(struct link *link, int option, const char *name, struct reason *why)
{
	const int on = 1;

	if (!setsockopt(nl_socket_get_fd(link->sock), SOL_NETLINK, option, &on, sizeof(on)))
		return 0;
	reason_set(why, "cannot set %s on a netlink socket: %s", name, strerror(errno));
	return -errno;
}

int link_open(struct link **made, struct reason *why)
{
	struct link *link;
	int err = link_create(&link);

	if (err) {
		reason_set(why, "out of memory");
		return err;
	}
	err = link_connect(link, why);
	if (!err)
		err = link_option(link, NETLINK_EXT_ACK, "NETLINK_EXT_ACK", why);
	if (!err)
		err = link_option(link, NETLINK_GET_STRICT_CHK, "NETLINK_GET_STRICT_CHK", why);
	if (err) {
		link_close(link);
		return err;
	}
	*made = link;
	return 0;
}

void link_close(struct link *link)
{
	if (link->cb)
		nl_cb_put(link->cb);
	if (link->sock)
		nl_socket_free(link->sock);
	free(link);
}

struct nl_msg *link_request(const struct link *link, uint8_t command, int flags)
{
	struct nl_msg *msg = nlmsg_alloc_size(REQUEST_BYTES);

	if (msg && !genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, link->family, 0,
				NLM_F_REQUEST | flags, command, SMEMV_GENL_VERSION)) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

static int link_send(struct link *link, struct nl_msg *request)
{
	int err = nl_send_auto(link->sock, request);

	if (err >= 0)
		return 0;
	reason_set(link->why, "cannot send to the module: %s", nl_geterror(err));
	return -EIO;
}

/* One request, one answer. -EAGAIN: what was dumped changed meanwhile. */
static int exchange_once(struct link *link, struct nl_msg *request)
{
	int err = link_send(link, request);

	link->done = false;
	link->error = err;
	while (!link->error && !link->done) {
		err = nl_recvmsgs(link->sock, link->cb);
		if (err == -NLE_DUMP_INTR)
			return -EAGAIN;
		if (err < 0 && !link->error) {
			reason_set(link->why, "cannot read the module's answer: %s",
				   nl_geterror(err));
			link->error = -EIO;
		}
	}
	return link->error;
}

static void link_begin(struct link *link, link_reply_fn reply, void *arg, struct reason *why)
{
	link->reply = reply;
	link->reply_arg = arg;
	link->why = why;
	link->error = 0;
}

int link_exchange(struct link *link, struct nl_msg *request, link_reply_fn reply, void *arg,
		  struct reason *why)
{
	int err;

	link_begin(link, reply, arg, why);
	link->sent = nlmsg_hdr(request);
	err = exchange_once(link, request);
	link->sent = NULL;
	nlmsg_free(request);
	return err;
}

int link_subscribe(struct link *link, struct reason *why)
{
	int events = genl_ctrl_resolve_grp(link->sock, SMEMV_GENL_NAME, SMEMV_GENL_GROUP);
	int families = genl_ctrl_resolve_grp(link->sock, "nlctrl", "notify");
	int err;

	if (events < 0 || families < 0) {
		reason_set(why, "the loaded module sends no events");
		return -ENODEV;
	}
	nl_cb_set(link->cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, no_sequence, NULL);
	nl_socket_set_buffer_size(link->sock, EVENT_BUFFER, 0);
	err = nl_socket_add_memberships(link->sock, events, families, 0);
	if (!err)
		err = nl_socket_set_nonblocking(link->sock);
	if (err == -NLE_PERM) {
		reason_set(why, "%s", extack_errno_text(EPERM));
		return -EPERM;
	}
	if (err) {
		reason_set(why, "cannot listen for events: %s", nl_geterror(err));
		return -EIO;
	}
	return 0;
}

int link_fd(const struct link *link)
{
	return nl_socket_get_fd(link->sock);
}

int link_read_events(struct link *link, link_reply_fn reply, void *arg, struct reason *why)
{
	int err;

	link_begin(link, reply, arg, why);
	err = nl_recvmsgs(link->sock, link->cb);
	if (link->error)
		return link->error;
	if (err == -NLE_NOMEM)
		return -ENOBUFS;
	if (err < 0 && err != -NLE_AGAIN) {
		reason_set(why, "cannot read events: %s", nl_geterror(err));
		return -EIO;
	}
	return 0;
}
