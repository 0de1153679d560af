// SPDX-License-Identifier: MIT
#include "netlink.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/neighbour.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_SIZE 65536

typedef int visit_fn(const struct nlmsghdr *message, void *context);

struct request {
	struct nlmsghdr header;
	union {
		struct ifinfomsg link;
		struct ndmsg neighbour;
		struct tcmsg filter;
	} body;
};

static int read_dump(int fd, uint8_t *answer, visit_fn *visit, void *context)
{
	int err = 0;

	for (;;) {
		ssize_t got = recv(fd, answer, ANSWER_SIZE, MSG_TRUNC);
		unsigned int left;
		struct nlmsghdr *one;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0 || got > ANSWER_SIZE)
			return -EMSGSIZE;
		left = (unsigned int)got;
		for (one = (struct nlmsghdr *)answer; NLMSG_OK(one, left);
		     one = NLMSG_NEXT(one, left)) {
			if (one->nlmsg_type == NLMSG_DONE)
				return err;
			if (one->nlmsg_type == NLMSG_ERROR)
				return ((struct nlmsgerr *)NLMSG_DATA(one))->error;
			/* The rest is read all the same, and thrown away. */
			if (!err)
				err = visit(one, context);
		}
	}
}

/* Return: 0, or -errno of the kernel's or of @visit */
static int dump(uint16_t type, struct request *request, size_t body, visit_fn *visit, void *context)
{
	struct timeval patience = { .tv_sec = 10 };
	uint8_t *answer = malloc(ANSWER_SIZE);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int err = 0;

	if (!answer)
		err = -ENOMEM;
	else if (fd < 0)
		err = -errno;
	if (err)
		goto out;
	request->header = (struct nlmsghdr){
		.nlmsg_len = (uint32_t)NLMSG_LENGTH(body),
		.nlmsg_type = type,
		.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		.nlmsg_seq = 1,
	};
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
	    send(fd, request, request->header.nlmsg_len, 0) < 0) {
		err = -errno;
		goto out;
	}
	err = read_dump(fd, answer, visit, context);
out:
	if (fd >= 0)
		(void)close(fd);
	free(answer);
	return err;
}

static void read_kind(struct link *link, struct rtattr *info)
{
	struct rtattr *one = RTA_DATA(info);
	int left = (int)RTA_PAYLOAD(info);

	for (; RTA_OK(one, left); one = RTA_NEXT(one, left))
		if (one->rta_type == IFLA_INFO_KIND && RTA_PAYLOAD(one) >= sizeof("bridge") - 1)
			link->is_bridge = !strncmp(RTA_DATA(one), "bridge", RTA_PAYLOAD(one));
}

static int add_link(const struct nlmsghdr *message, void *context)
{
	struct ifinfomsg *info = NLMSG_DATA(message);
	struct links *links = context;
	struct rtattr *one = IFLA_RTA(info);
	int left = (int)IFLA_PAYLOAD(message);
	struct link link = { .ifindex = (uint32_t)info->ifi_index, .type = info->ifi_type };
	struct link *moved;

	if (message->nlmsg_type != RTM_NEWLINK)
		return 0;
	for (; RTA_OK(one, left); one = RTA_NEXT(one, left)) {
		const size_t length = RTA_PAYLOAD(one);

		if (one->rta_type == IFLA_IFNAME && length <= sizeof(link.name))
			memcpy(link.name, RTA_DATA(one), length);
		else if (one->rta_type == IFLA_ADDRESS && length == ETH_ALEN)
			memcpy(&link.mac, RTA_DATA(one), length);
		else if (one->rta_type == IFLA_MASTER && length == sizeof(link.master))
			memcpy(&link.master, RTA_DATA(one), length);
		else if (one->rta_type == IFLA_LINKINFO)
			read_kind(&link, one);
	}
	link.name[sizeof(link.name) - 1] = 0;
	moved = reallocarray(links->link, links->count + 1, sizeof(*moved));
	if (!moved)
		return -ENOMEM;
	links->link = moved;
	links->link[links->count++] = link;
	return 0;
}

/* All of this network namespace. Return: 0 or -errno; @links is to be freed in any case */
int links_read(struct links *links)
{
	struct request request = { .body.link.ifi_family = AF_UNSPEC };

	*links = (struct links){ 0 };
	return dump(RTM_GETLINK, &request, sizeof(request.body.link), add_link, links);
}

const struct link *links_find(const struct links *links, const char *name)
{
	uint32_t i;

	for (i = 0; i < links->count; i++)
		if (!strcmp(links->link[i].name, name))
			return &links->link[i];
	return NULL;
}

const struct link *links_by_index(const struct links *links, uint32_t ifindex)
{
	uint32_t i;

	for (i = 0; i < links->count; i++)
		if (links->link[i].ifindex == ifindex)
			return &links->link[i];
	return NULL;
}

void links_free(struct links *links)
{
	free(links->link);
	*links = (struct links){ 0 };
}

struct hearing {
	uint32_t bridge;
	const __u64 *macs;
	uint32_t count;
	uint32_t port;
	uint64_t mac;
};

static int hear(const struct nlmsghdr *message, void *context)
{
	struct ndmsg *entry = NLMSG_DATA(message);
	struct hearing *hearing = context;
	struct rtattr *one = (struct rtattr *)((char *)entry + NLMSG_ALIGN(sizeof(*entry)));
	int left = (int)message->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*entry));
	uint32_t master = 0;
	uint64_t mac = 0;
	uint32_t i;

	if (message->nlmsg_type != RTM_NEWNEIGH || hearing->port ||
	    (uint32_t)entry->ndm_ifindex == hearing->bridge)
		return 0;
	for (; RTA_OK(one, left); one = RTA_NEXT(one, left)) {
		if (one->rta_type == NDA_LLADDR && RTA_PAYLOAD(one) == ETH_ALEN)
			memcpy(&mac, RTA_DATA(one), ETH_ALEN);
		else if (one->rta_type == NDA_MASTER && RTA_PAYLOAD(one) == sizeof(master))
			memcpy(&master, RTA_DATA(one), sizeof(master));
	}
	for (i = 0; master == hearing->bridge && mac && i < hearing->count; i++)
		if (hearing->macs[i] == mac) {
			hearing->port = (uint32_t)entry->ndm_ifindex;
			hearing->mac = mac;
		}
	return 0;
}

/**
 * bridge_hear() - The port on which a bridge last heard one of some stations
 * @bridge:	Index of the bridge
 * @macs:	The stations
 * @count:	How many
 * @port:	Index of the port; 0 where it remembers none of them
 * @mac:	Which of them it heard there
 *
 * Return: 0 or -errno
 */
int bridge_hear(uint32_t bridge, const __u64 *macs, uint32_t count, uint32_t *port,
		uint64_t *mac)
{
	/* Kernels that look only at the family list all bridges. */
	struct request request = { .body.neighbour.ndm_family = PF_BRIDGE };
	struct hearing hearing = { .bridge = bridge, .macs = macs, .count = count };
	int err;

	err = dump(RTM_GETNEIGH, &request, sizeof(request.body.neighbour), hear, &hearing);
	*port = hearing.port;
	*mac = hearing.mac;
	return err;
}

struct filter_search {
	uint32_t ifindex;
	uint32_t priority;
	struct filters *filters;
};

static int count_filter(const struct nlmsghdr *message, void *context)
{
	struct tcmsg *filter = NLMSG_DATA(message);
	struct filter_search *search = context;
	struct rtattr *one = TCA_RTA(filter);
	int left = (int)TCA_PAYLOAD(message);
	const uint32_t priority = filter->tcm_info >> 16;
	const uint16_t protocol = filter->tcm_info & 0xffff;
	bool is_ours = false;

	if (message->nlmsg_type != RTM_NEWTFILTER ||
	    (uint32_t)filter->tcm_ifindex != search->ifindex)
		return 0;
	search->filters->count++;
	if (priority != search->priority)
		return 0;
	for (; RTA_OK(one, left); one = RTA_NEXT(one, left))
		if (one->rta_type == TCA_KIND && RTA_PAYLOAD(one) >= sizeof("bpf") - 1)
			is_ours = !strncmp(RTA_DATA(one), "bpf", RTA_PAYLOAD(one));
	if (!is_ours || protocol != __builtin_bswap16(ETH_P_ALL))
		search->filters->is_taken = true;
	return 0;
}

/* @parent: the hook. Return: 0 or -errno; no error where there is no qdisc */
int filters_read(uint32_t ifindex, uint32_t parent, uint32_t priority, struct filters *filters)
{
	struct request request = {
		.body.filter = { .tcm_ifindex = (int)ifindex, .tcm_parent = parent },
	};
	struct filter_search search = { ifindex, priority, filters };
	int err;

	*filters = (struct filters){ 0 };
	err = dump(RTM_GETTFILTER, &request, sizeof(request.body.filter), count_filter, &search);
	return err == -EINVAL || err == -ENOENT ? 0 : err;
}
