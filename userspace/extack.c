// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/genetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>

#include "../kernel/uapi/smemv.h"
#include "extack.h"

/* The words that the user typed for what became an attribute. */
static const char *const server_words[SMEMV_A_SERVER_MAX + 1] = {
	[SMEMV_A_SERVER_NAME] = "name",
	[SMEMV_A_SERVER_ADDR] = "address",
	[SMEMV_A_SERVER_LIMIT] = "limit",
	[SMEMV_A_SERVER_LANES] = "lanes",
	[SMEMV_A_SERVER_TIMEOUT] = "timeout",
};

static const char *const swap_words[SMEMV_A_SWAP_MAX + 1] = {
	[SMEMV_A_SWAP_NAME] = "name",
	[SMEMV_A_SWAP_SIZE] = "size",
	[SMEMV_A_SWAP_SERVERS] = "servers",
	[SMEMV_A_SWAP_POLICY] = "policy",
	[SMEMV_A_SWAP_DEADLINE] = "deadline",
	[SMEMV_A_SWAP_QUEUES] = "queues",
};

static const char *const vm_words[SMEMV_A_VM_MAX + 1] = {
	[SMEMV_A_VM_NAME] = "name",
	[SMEMV_A_VM_SIZE] = "size",
	[SMEMV_A_VM_BUDGET] = "budget",
	[SMEMV_A_VM_SERVERS] = "servers",
	[SMEMV_A_VM_POLICY] = "policy",
	[SMEMV_A_VM_DEADLINE] = "deadline",
	[SMEMV_A_VM_DMA] = "dma",
	[SMEMV_A_VM_OVERCOMMIT] = "overcommit",
	[SMEMV_A_VM_PID] = "pid",
};

static const char *const scan_words[SMEMV_A_SCAN_MAX + 1] = {
	[SMEMV_A_SCAN_PID] = "pid",
	[SMEMV_A_SCAN_INTERVAL] = "interval",
	[SMEMV_A_SCAN_COLD] = "cold",
};

static const char *attribute_word(const struct nlmsghdr *sent, int type)
{
	const struct genlmsghdr *genl = nlmsg_data(sent);

	switch (genl->cmd) {
	case SMEMV_CMD_SERVER_ADD ... SMEMV_CMD_SERVER_GET:
		return type <= SMEMV_A_SERVER_MAX ? server_words[type] : NULL;
	case SMEMV_CMD_SWAP_ADD ... SMEMV_CMD_SWAP_GET:
		return type <= SMEMV_A_SWAP_MAX ? swap_words[type] : NULL;
	case SMEMV_CMD_VM_ADD ... SMEMV_CMD_VM_ATTACH:
		return type <= SMEMV_A_VM_MAX ? vm_words[type] : NULL;
	case SMEMV_CMD_SCAN_START ... SMEMV_CMD_SCAN_RANGES:
		return type <= SMEMV_A_SCAN_MAX ? scan_words[type] : NULL;
	}
	return NULL;
}

/* The outermost attribute that holds @offset, which counts from the message's header. */
static const char *word_at(const struct nlmsghdr *sent, uint32_t offset)
{
	const struct nlattr *attr;
	int left;

	nlmsg_for_each_attr(attr, sent, GENL_HDRLEN, left) {
		size_t start = (const char *)attr - (const char *)sent;

		if (offset >= start && offset < start + nla_total_size(nla_len(attr)))
			return attribute_word(sent, nla_type(attr));
	}
	return NULL;
}

const char *extack_errno_text(int error)
{
	switch (error) {
	case EPERM:
		return "not permitted: this needs CAP_NET_ADMIN and CAP_SYS_ADMIN, so run it as root (not in a user namespace)";
	case EOPNOTSUPP:
		return "the loaded module does not know this command: load the module of the same version as this program";
	case ENOENT:
		return "there is no such object";
	}
	return strerror(error);
}

struct ack {
	int error;			/* 0 or negative */
	const struct nlattr *attrs;
	int attrs_len;
};

static const struct nlattr *attrs_behind(const struct nlmsghdr *answer, size_t skip, int *len)
{
	*len = (int)nlmsg_datalen(answer) - (int)NLMSG_ALIGN(skip);
	return (const struct nlattr *)((const char *)nlmsg_data(answer) + NLMSG_ALIGN(skip));
}

/* NLMSG_DONE has an int before its attributes, NLMSG_ERROR the header or all of the request. */
static struct ack dissect(const struct nlmsghdr *answer)
{
	struct ack ack = { .error = -EBADMSG };
	const struct nlmsgerr *failure = nlmsg_data(answer);
	size_t skip = sizeof(ack.error);

	if (answer->nlmsg_type == NLMSG_ERROR) {
		if ((size_t)nlmsg_datalen(answer) < sizeof(*failure))
			return ack;
		skip = sizeof(*failure);
		if (!(answer->nlmsg_flags & NLM_F_CAPPED) && failure->msg.nlmsg_len > NLMSG_HDRLEN)
			skip += failure->msg.nlmsg_len - NLMSG_HDRLEN;
	} else if ((size_t)nlmsg_datalen(answer) < skip) {
		return ack;
	}
	memcpy(&ack.error, nlmsg_data(answer), sizeof(ack.error));
	if (answer->nlmsg_flags & NLM_F_ACK_TLVS)
		ack.attrs = attrs_behind(answer, skip, &ack.attrs_len);
	return ack;
}

static const char *offending_word(struct nlattr **tb, const struct nlmsghdr *sent)
{
	if (tb[NLMSGERR_ATTR_OFFS])
		return word_at(sent, nla_get_u32(tb[NLMSGERR_ATTR_OFFS]));
	if (tb[NLMSGERR_ATTR_MISS_TYPE])
		return attribute_word(sent, nla_get_u32(tb[NLMSGERR_ATTR_MISS_TYPE]));
	return NULL;
}

int extack_reason(const struct nlmsghdr *answer, const struct nlmsghdr *sent, struct reason *why)
{
	static const struct nla_policy policy[NLMSGERR_ATTR_MAX + 1] = {
		[NLMSGERR_ATTR_MSG] = { .type = NLA_STRING },
		[NLMSGERR_ATTR_OFFS] = { .type = NLA_U32 },
		[NLMSGERR_ATTR_MISS_TYPE] = { .type = NLA_U32 },
	};
	struct nlattr *tb[NLMSGERR_ATTR_MAX + 1] = { NULL };
	struct ack ack = dissect(answer);
	const char *text, *word = NULL;

	if (ack.attrs && ack.attrs_len > 0 &&
	    nla_parse(tb, NLMSGERR_ATTR_MAX, (struct nlattr *)ack.attrs, ack.attrs_len, policy))
		memset(tb, 0, sizeof(tb));
	text = tb[NLMSGERR_ATTR_MSG] ? nla_get_string(tb[NLMSGERR_ATTR_MSG]) : extack_errno_text(-ack.error);

	/* Other errors are not about what was typed; the text alone says it better then. */
	if (ack.error == -EINVAL || ack.error == -ERANGE)
		word = offending_word(tb, sent);
	if (word && !strstr(text, word))
		reason_set(why, "%s (%s)", text, word);
	else
		reason_set(why, "%s", text);
	return ack.error;
}
