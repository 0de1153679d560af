// SPDX-License-Identifier: MIT
#include "sockets/destination.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* linux/netfilter_ipv4.h and netfilter_ipv6/ip6_tables.h clash with netinet/in.h */
#define ORIGINAL_DESTINATION_IPV4 80
#define ORIGINAL_DESTINATION_IPV6 80

static int destination_of_socket(int fd, struct endpoint *original)
{
	union socket_address address = { 0 };
	socklen_t length = sizeof(address);

	if (getsockname(fd, &address.any, &length) < 0)
		return -errno;
	endpoint_from_socket_address(original, &address);
	return 0;
}

/**
 * destination_original() - Destination before netfilter brought the connection here
 * @fd:		Accepted socket
 * @capture:	How it was brought
 * @client:	Its peer, for the family
 * @original:	Where to put the answer
 *
 * Return: 0, or -errno: -ENOENT when the kernel has no translation for it
 */
int destination_original(int fd, enum capture capture, const struct endpoint *client,
			 struct endpoint *original)
{
	bool ipv4 = endpoint_is_ipv4(client);
	union socket_address address = { 0 };
	socklen_t length = ipv4 ? sizeof(address.ipv4) : sizeof(address.ipv6);

	if (capture == CAPTURE_TPROXY)
		return destination_of_socket(fd, original);
	if (getsockopt(fd, ipv4 ? SOL_IP : SOL_IPV6,
		       ipv4 ? ORIGINAL_DESTINATION_IPV4 : ORIGINAL_DESTINATION_IPV6,
		       &address, &length) < 0)
		return -errno;
	endpoint_from_socket_address(original, &address);
	return 0;
}

/**
 * destination_may_be_local() - Quick and never wrongly false
 * @fd:			Fresh socket of the destination's family; when the answer is
 *			true it is bound and must not be used to connect
 * @destination:	Where it is to connect to
 *
 * Return: false if the address is certainly not one of ours
 */
bool destination_may_be_local(int fd, const struct endpoint *destination)
{
	struct endpoint local = { .address = destination->address };
	union socket_address address;
	socklen_t length = endpoint_to_socket_address(&local, &address);

	return bind(fd, &address.any, length) == 0 || errno != EADDRNOTAVAIL;
}

struct route_request {
	struct nlmsghdr header;
	struct rtmsg route;
	struct rtattr attribute;
	struct in6_addr address;
};

static void route_request_fill(struct route_request *request, const struct endpoint *destination)
{
	bool ipv4 = endpoint_is_ipv4(destination);
	size_t bytes = ipv4 ? sizeof(struct in_addr) : sizeof(struct in6_addr);

	memset(request, 0, sizeof(*request));
	request->header.nlmsg_type = RTM_GETROUTE;
	request->header.nlmsg_flags = NLM_F_REQUEST;
	request->header.nlmsg_len = offsetof(struct route_request, address) + bytes;
	request->route.rtm_family = ipv4 ? AF_INET : AF_INET6;
	request->route.rtm_dst_len = bytes * 8;
	request->attribute.rta_type = RTA_DST;
	request->attribute.rta_len = RTA_LENGTH(bytes);
	memcpy(&request->address, &destination->address.s6_addr[16 - bytes], bytes);
}

static bool route_is_local(int netlink, const struct endpoint *destination)
{
	struct route_request request;
	union {
		struct nlmsghdr header;
		char bytes[4096];
	} answer;
	const struct rtmsg *route = NLMSG_DATA(&answer.header);
	ssize_t received;

	route_request_fill(&request, destination);
	if (send(netlink, &request, request.header.nlmsg_len, 0) < 0)
		return true;
	received = recv(netlink, &answer, sizeof(answer), 0);
	if (received < (ssize_t)NLMSG_LENGTH(sizeof(*route)))
		return true;
	if (answer.header.nlmsg_type != RTM_NEWROUTE)
		return false;	/* no route: connect() will say why */
	return route->rtm_type == RTN_LOCAL || route->rtm_type == RTN_ANYCAST;
}

/**
 * destination_is_local() - Ask the routing table, for the rare doubtful case
 * @destination:	Where a client wanted to go
 *
 * Return: true if a packet to it would never leave this machine, or if the
 *	   kernel cannot be asked
 */
bool destination_is_local(const struct endpoint *destination)
{
	bool local;
	int netlink;

	if (endpoint_is_unspecified(destination))
		return true;
	netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (netlink < 0)
		return true;
	local = route_is_local(netlink, destination);
	close(netlink);
	return local;
}
