/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What the kernel's routing tables say of a packet. */
#ifndef SIDETRACK_BPF_ROUTE_H
#define SIDETRACK_BPF_ROUTE_H

#include "maps.h"
#include "parse.h"
#include "target.h"

#ifndef AF_INET
#define AF_INET 2
#define AF_INET6 10
#endif

/* Younger than the headers that we build with; an older kernel answers -EINVAL. */
#define FIB_LOOKUP_SKIP_NEIGH (1u << 2)
#define FIB_LOOKUP_MARK (1u << 5)

static __always_inline void fib_of(__u32 ifindex, const struct packet *packet,
				   struct bpf_fib_lookup *route)
{
	__builtin_memset(route, 0, sizeof(*route));
	route->ifindex = ifindex;
	if (packet->family == 4) {
		route->family = AF_INET;
		route->ipv4_src = packet->source[0];
		route->ipv4_dst = packet->destination[0];
		return;
	}
	route->family = AF_INET6;
	__builtin_memcpy(route->ipv6_src, packet->source, sizeof(route->ipv6_src));
	__builtin_memcpy(route->ipv6_dst, packet->destination, sizeof(route->ipv6_dst));
}

/*
 * Whether the router would deliver the packet, come in by `ifindex`, to itself.  The guards list its
 * addresses, but those of a dynamic uplink change between two program sets.
 * "Not forwarded" also stands for "no route"; then the main table has none, too.
 */
static __always_inline bool is_for_router(void *context, __u32 ifindex,
					  const struct packet *packet)
{
	struct bpf_fib_lookup route;

	fib_of(ifindex, packet, &route);
	if (bpf_fib_lookup(context, &route, sizeof(route), 0) != BPF_FIB_LKUP_RET_NOT_FWDED)
		return false;
	fib_of(ifindex, packet, &route);
	return bpf_fib_lookup(context, &route, sizeof(route), BPF_FIB_LOOKUP_DIRECT) !=
	       BPF_FIB_LKUP_RET_NOT_FWDED;
}

/* The uplink may be the clients' own interface: only the next hop tells its routes from ours. */
static __always_inline bool is_next_hop(const volatile struct target *target,
					const struct packet *packet,
					const struct bpf_fib_lookup *route)
{
	if (packet->family == 4)
		return route->ipv4_dst == target->next_hop_v4;
	return ((route->ipv6_dst[0] ^ target->next_hop_v6[0]) |
		(route->ipv6_dst[1] ^ target->next_hop_v6[1]) |
		(route->ipv6_dst[2] ^ target->next_hop_v6[2]) |
		(route->ipv6_dst[3] ^ target->next_hop_v6[3])) == 0;
}

/*
 * Whether the policy route leads to the server: a link flap takes it away, and
 * what is marked would follow the main table.  Kernels before 6.10 cannot be
 * asked with a mark and are believed; nftables drops what they send elsewhere.
 */
static __always_inline bool has_route(struct __sk_buff *skb, const struct packet *packet,
				      const volatile struct target *target)
{
	__u32 device = packet->family == 4 ? target->route_v4 : target->route_v6;
	struct bpf_fib_lookup route;
	long result;

	if (!target->asks_route)
		return true;
	fib_of(skb->ifindex, packet, &route);
	*(__u32 *)route.smac = (skb->mark & ~target->mark_mask) | target->mark_value;
	result = bpf_fib_lookup(skb, &route, sizeof(route), FIB_LOOKUP_MARK | FIB_LOOKUP_SKIP_NEIGH);
	if (result < 0 || !device)
		return true;
	return (result == BPF_FIB_LKUP_RET_SUCCESS || result == BPF_FIB_LKUP_RET_FRAG_NEEDED) &&
	       route.ifindex == device && is_next_hop(target, packet, &route);
}

#endif /* SIDETRACK_BPF_ROUTE_H */
