/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The two ways to the server.
 *
 * `mark` sets the bits by which the policy route finds the packet.  `redirect`
 * hands it to the server's neighbour entry and does what a router owes: one hop
 * less to live.  What redirect cannot do goes by mark, whose route must
 * therefore exist in either mode.  So do the flows of a server that has been
 * silent for too long: nftables knows their mark, and resets them.
 */
#ifndef SIDETRACK_BPF_STEER_H
#define SIDETRACK_BPF_STEER_H

#include <stddef.h>
#include <linux/pkt_cls.h>

#include "count.h"
#include "health.h"
#include "maps.h"
#include "parse.h"
#include "route.h"
#include "target.h"

/* To the next filter: ours is not to say that the others are done. */
#define PASS TC_ACT_UNSPEC

static __always_inline int steer_by_mark(struct __sk_buff *skb,
					 const volatile struct target *target)
{
	skb->mark = (skb->mark & ~target->mark_mask) | target->mark_value;
	count_outcome(skb, COUNT_marked);
	return PASS;
}

static __always_inline void next_hop(const volatile struct target *target,
				     const struct packet *packet, struct bpf_redir_neigh *hop)
{
	__builtin_memset(hop, 0, sizeof(*hop));
	if (packet->family == 4) {
		hop->nh_family = AF_INET;
		hop->ipv4_nh = target->next_hop_v4;
		return;
	}
	hop->nh_family = AF_INET6;
	hop->ipv6_nh[0] = target->next_hop_v6[0];
	hop->ipv6_nh[1] = target->next_hop_v6[1];
	hop->ipv6_nh[2] = target->next_hop_v6[2];
	hop->ipv6_nh[3] = target->next_hop_v6[3];
}

/* Whether the kernel has the server's link address; the SYN by mark makes it ask. */
static __always_inline bool neighbour_is_known(struct __sk_buff *skb,
					       const volatile struct target *target,
					       const struct bpf_redir_neigh *hop)
{
	struct bpf_fib_lookup route = { .ifindex = target->redirect_ifindex };

	route.family = hop->nh_family;
	/* ipv4_dst is the first word of ipv6_dst */
	route.ipv6_dst[0] = hop->ipv6_nh[0];
	route.ipv6_dst[1] = hop->ipv6_nh[1];
	route.ipv6_dst[2] = hop->ipv6_nh[2];
	route.ipv6_dst[3] = hop->ipv6_nh[3];
	return bpf_fib_lookup(skb, &route, sizeof(route),
			      BPF_FIB_LOOKUP_DIRECT | BPF_FIB_LOOKUP_OUTPUT) !=
	       BPF_FIB_LKUP_RET_NO_NEIGH;
}

static __always_inline bool decrement_ttl_v4(struct __sk_buff *skb)
{
	struct iphdr *ip = (void *)(long)skb->data + ETH_HLEN;
	__u32 check;

	if ((void *)(ip + 1) > (void *)(long)skb->data_end)
		return false;
	check = ip->check;
	check += bpf_htons(0x0100);
	ip->check = check + (check >= 0xffff);
	ip->ttl--;
	return true;
}

static __always_inline bool decrement_ttl_v6(struct __sk_buff *skb, const struct packet *packet)
{
	__u8 ttl = packet->ttl - 1;

	/* No checksum in the header: a received full checksum must be told of the change. */
	return bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, hop_limit), &ttl,
				   sizeof(ttl), BPF_F_RECOMPUTE_CSUM) == 0;
}

/* Why this packet must go by mark, or 0; whether the neighbour is known is asked once a flow. */
static __always_inline __u32 obstacle(struct __sk_buff *skb, const struct packet *packet,
				      const volatile struct target *target)
{
	__u32 mtu = 0;

	if (packet->tags || skb->vlan_present)
		return COUNT_fallback_vlan;
	if (packet->ttl <= 1)
		return COUNT_fallback_ttl;
	if (bpf_check_mtu(skb, target->redirect_ifindex, &mtu, 0, 0) != 0)
		return COUNT_fallback_mtu;
	return 0;
}

static __always_inline int steer_by_redirect(struct __sk_buff *skb, const struct packet *packet,
					     const volatile struct target *target)
{
	struct bpf_redir_neigh hop;
	__u32 reason = obstacle(skb, packet, target);

	if (reason) {
		count_event(reason);
		return steer_by_mark(skb, target);
	}
	if (!(packet->family == 4 ? decrement_ttl_v4(skb) : decrement_ttl_v6(skb, packet)))
		return steer_by_mark(skb, target);
	next_hop(target, packet, &hop);
	count_outcome(skb, COUNT_redirected);
	return bpf_redirect_neigh(target->redirect_ifindex, &hop, sizeof(hop), 0);
}

static __always_inline int steer(struct __sk_buff *skb, const struct packet *packet,
				 const volatile struct target *target)
{
	if (target->redirect_ifindex && is_given_up(target)) {
		count_event(COUNT_fallback_silent);
		return steer_by_mark(skb, target);
	}
	if (target->redirect_ifindex)
		return steer_by_redirect(skb, packet, target);
	return steer_by_mark(skb, target);
}

#endif /* SIDETRACK_BPF_STEER_H */
