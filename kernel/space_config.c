// SPDX-License-Identifier: GPL-2.0-only
/* Which servers a space is to use: what holds for all who name them. */
#include "space.h"

int smemv_space_config_add(struct smemv_space_config *config,
			   struct smemv_server *server, const char **why)
{
	u32 i;

	lockdep_assert_held(&server->ns->lock);
	for (i = 0; i < config->nr_servers; i++) {
		if (config->server[i] == server) {
			*why = "a server is named twice";
			return -EINVAL;
		}
	}
	if (server->draining) {
		*why = "a server is or was drained and takes no pages; delete it and add it again";
		return -EINVAL;
	}
	if (config->nr_servers == SMEMV_MAX_SETS) {
		*why = "64 servers can be used at most";
		return -E2BIG;
	}
	config->server[config->nr_servers++] = server;
	return 0;
}

int smemv_space_config_add_all(struct smemv_space_config *config,
			       struct smemv_ns *ns, const char **why)
{
	struct smemv_server *server;
	int err = 0;

	lockdep_assert_held(&ns->lock);
	list_for_each_entry(server, &ns->servers, link)
		if (!err && !server->draining)
			err = smemv_space_config_add(config, server, why);
	if (!err && !config->nr_servers) {
		*why = "there is no memory server that takes pages; add one first (smemv server add)";
		err = -ENODEV;
	}
	return err;
}

static u64 pages_at_most(const struct smemv_server *server)
{
	u64 pages = READ_ONCE(server->capacity_pages);

	return server->limit_pages ? min(pages, server->limit_pages) : pages;
}

/* Counted down, as a sum of what servers say of themselves might overflow. */
bool smemv_space_config_holds(const struct smemv_space_config *config, u64 pages)
{
	u64 most;
	u32 i;

	for (i = 0; i < config->nr_servers; i++) {
		most = pages_at_most(config->server[i]);
		if (pages <= most)
			return true;
		pages -= most;
	}
	return false;
}
