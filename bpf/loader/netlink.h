/* SPDX-License-Identifier: MIT */
/* What the kernel lists of links, bridges' neighbours and filters: rtnetlink(7). */
#ifndef SIDETRACK_LOADER_NETLINK_H
#define SIDETRACK_LOADER_NETLINK_H

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

struct link {
	uint32_t ifindex;
	uint32_t master;	/* 0: none */
	uint16_t type;		/* ARPHRD_* */
	bool is_bridge;
	uint64_t mac;		/* six bytes, then two of zero */
	char name[IF_NAMESIZE];
};

struct links {
	struct link *link;
	uint32_t count;
};

int links_read(struct links *links);
const struct link *links_find(const struct links *links, const char *name);
const struct link *links_by_index(const struct links *links, uint32_t ifindex);
void links_free(struct links *links);

int bridge_hear(uint32_t bridge, const __u64 *macs, uint32_t count, uint32_t *port,
		uint64_t *mac);

struct filters {
	uint32_t count;
	bool is_taken;		/* at our priority by another kind of filter, or for one protocol alone */
};

int filters_read(uint32_t ifindex, uint32_t parent, uint32_t priority, struct filters *filters);

#endif /* SIDETRACK_LOADER_NETLINK_H */
