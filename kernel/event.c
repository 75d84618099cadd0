// SPDX-License-Identifier: GPL-2.0-only
#include <net/genetlink.h>

#include "event.h"

static const struct genl_family *event_family;

void smemv_event_family(const struct genl_family *family)
{
	WRITE_ONCE(event_family, family);
}

static int event_fill(struct sk_buff *skb, const struct genl_family *family,
		      const struct smemv_event_msg *msg)
{
	void *hdr = genlmsg_put(skb, 0, 0, family, 0, SMEMV_CMD_EVENT);

	if (!hdr)
		return -EMSGSIZE;
	if (nla_put_u32(skb, SMEMV_A_EVENT_TYPE, msg->type) ||
	    (msg->server &&
	     nla_put_string(skb, SMEMV_A_EVENT_SERVER, msg->server)) ||
	    (msg->space &&
	     nla_put_string(skb, SMEMV_A_EVENT_SPACE, msg->space)) ||
	    (msg->page != SMEMV_NO_PAGE &&
	     nla_put_u64_64bit(skb, SMEMV_A_EVENT_PAGE, msg->page,
			       SMEMV_A_EVENT_PAD)) ||
	    ((msg->count || msg->moves) &&
	     nla_put_u64_64bit(skb, SMEMV_A_EVENT_COUNT, msg->count,
			       SMEMV_A_EVENT_PAD)) ||
	    (msg->moves &&
	     nla_put_u64_64bit(skb, SMEMV_A_EVENT_LEFT, msg->left,
			       SMEMV_A_EVENT_PAD)) ||
	    (msg->text && nla_put_string(skb, SMEMV_A_EVENT_TEXT, msg->text)))
		return -EMSGSIZE;
	genlmsg_end(skb, hdr);
	return 0;
}

void smemv_event_send(struct net *net, const struct smemv_event_msg *msg)
{
	const struct genl_family *family = READ_ONCE(event_family);
	struct sk_buff *skb;

	if (!family || !genl_has_listeners(family, net, 0))
		return;
	skb = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_NOWAIT | __GFP_NOWARN);
	if (!skb)
		return;
	if (event_fill(skb, family, msg)) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_multicast_netns(family, net, skb, 0, 0, GFP_NOWAIT | __GFP_NOWARN);
}
