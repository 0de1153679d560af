/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The XDP program: redirect and block before the kernel makes a packet of the
 * frame.
 *
 * It ends only what it can end as well as the tc program would: a TCP flow whose
 * way to the server is open, and what a rule blocks.  Everything else passes, is
 * judged again by the tc program behind it and is counted there, so each packet
 * is still counted under exactly one outcome.  Both share the tables and the flow
 * table; a flow may change from one to the other with every packet.
 *
 * It sits on devices.  On a bridge these are its ports, where most frames are not
 * for the router at all: only those to the bridge's own address are.
 */
#ifndef SIDETRACK_BPF_XDP_H
#define SIDETRACK_BPF_XDP_H

#include "count.h"
#include "flow.h"
#include "health.h"
#include "lookup.h"
#include "maps.h"
#include "parse.h"
#include "route.h"
#include "server.h"
#include "target.h"

static __always_inline const volatile struct port *port_of(__u32 ifindex)
{
	__u32 i;

	for (i = 0; i < PORTS_MAX && i < config.ports; i++)
		if (config.port[i].ifindex == ifindex)
			return &config.port[i];
	return NULL;
}

static __always_inline bool is_to(struct xdp_md *frame, __u64 mac)
{
	struct ethhdr *ethernet = (void *)(long)frame->data;
	__u64 destination = 0;

	if ((void *)(ethernet + 1) > (void *)(long)frame->data_end)
		return false;
	__builtin_memcpy(&destination, ethernet->h_dest, ETH_ALEN);
	return destination == mac;
}

/* The link addresses of the way to the server; false if it is not open to this packet. */
static __always_inline bool find_way(struct xdp_md *frame, const struct packet *packet,
				     const volatile struct target *target,
				     struct bpf_fib_lookup *way)
{
	__builtin_memset(way, 0, sizeof(*way));
	/* Without a device: no port of the bridge had heard the server when this was attached. */
	if (packet->ttl <= 1 || !target->xdp_ifindex)
		return false;
	way->ifindex = target->redirect_ifindex;
	way->tot_len = frame->data_end - frame->data - ETH_HLEN;
	if (packet->family == 4) {
		way->family = AF_INET;
		way->ipv4_dst = target->next_hop_v4;
	} else {
		way->family = AF_INET6;
		way->ipv6_dst[0] = target->next_hop_v6[0];
		way->ipv6_dst[1] = target->next_hop_v6[1];
		way->ipv6_dst[2] = target->next_hop_v6[2];
		way->ipv6_dst[3] = target->next_hop_v6[3];
	}
	return bpf_fib_lookup(frame, way, sizeof(*way),
			      BPF_FIB_LOOKUP_DIRECT | BPF_FIB_LOOKUP_OUTPUT) ==
	       BPF_FIB_LKUP_RET_SUCCESS;
}

static __always_inline bool rewrite_v4(struct xdp_md *frame)
{
	struct iphdr *ip = (void *)(long)frame->data + ETH_HLEN;
	__u32 check;

	if ((void *)(ip + 1) > (void *)(long)frame->data_end)
		return false;
	check = ip->check;
	check += bpf_htons(0x0100);
	ip->check = check + (check >= 0xffff);
	ip->ttl--;
	return true;
}

static __always_inline bool rewrite_v6(struct xdp_md *frame)
{
	struct ipv6hdr *ip = (void *)(long)frame->data + ETH_HLEN;

	if ((void *)(ip + 1) > (void *)(long)frame->data_end)
		return false;
	ip->hop_limit--;
	return true;
}

static __always_inline int transmit(struct xdp_md *frame, const struct packet *packet,
				    const volatile struct target *target,
				    const struct bpf_fib_lookup *way)
{
	struct ethhdr *ethernet = (void *)(long)frame->data;
	__u32 length = frame->data_end - frame->data;

	if ((void *)(ethernet + 1) > (void *)(long)frame->data_end)
		return XDP_PASS;
	if (!(packet->family == 4 ? rewrite_v4(frame) : rewrite_v6(frame)))
		return XDP_PASS;
	__builtin_memcpy(ethernet->h_dest, way->dmac, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, way->smac, ETH_ALEN);
	count(&counters, COUNT_redirected, length);
	if (frame->ingress_ifindex == target->xdp_ifindex)
		return XDP_TX;
	return bpf_redirect(target->xdp_ifindex, 0);
}

static __always_inline int leave_to_tc(void)
{
	count_event(COUNT_xdp_passed);
	return XDP_PASS;
}

/* A packet of a flow that is steered, if its way is open. */
static __always_inline int follow(struct xdp_md *frame, const struct packet *packet)
{
	const volatile struct target *target;
	struct bpf_fib_lookup way;
	__u32 number;

	if (!flow_follow(packet, &number))
		return XDP_PASS;
	target = target_of(number);
	if (is_given_up(target) || !find_way(frame, packet, target, &way))
		return leave_to_tc();
	return transmit(frame, packet, target, &way);
}

/* By fitness alone: where the chosen one has no way tc looks for another. */
static __always_inline __u32 choose_for(const struct packet *packet, __u32 rule)
{
	if (!config.groups)
		return first_target(packet);
	return target_choose(packet, config.group[rule <= RULES_MAX ? rule : 0],
			     usable_targets(packet));
}

/* Nothing of it is written before it is sure that tc will not have to judge the packet again. */
static __always_inline int open_flow(struct xdp_md *frame, const struct packet *packet,
				     __u32 rule)
{
	__u32 number = choose_for(packet, rule);
	const volatile struct target *target;
	struct bpf_fib_lookup way;

	if (number >= TARGETS_MAX)
		return XDP_PASS;
	target = target_of(number);
	/* The route is asked for with a mark, which a frame has none of. */
	if (target->needs_route || !find_way(frame, packet, target, &way))
		return leave_to_tc();
	/* Without room or share tc does what on_failure says. */
	if (flow_add(packet, number) != 0)
		return leave_to_tc();
	count(&rule_counters, rule, frame->data_end - frame->data);
	count_event(COUNT_admitted);
	return transmit(frame, packet, target, &way);
}

static __always_inline int block(struct xdp_md *frame, __u32 rule)
{
	__u32 length = frame->data_end - frame->data;

	count(&rule_counters, rule, length);
	count(&counters, COUNT_blocked, length);
	return XDP_DROP;
}

static __always_inline int judge_frame(struct xdp_md *frame, const struct packet *packet,
				       const volatile struct port *port)
{
	__u32 rule = matching_rule(packet), verdict;

	if (rule > RULES_MAX)
		return XDP_PASS;
	verdict = config.verdict[rule];
	if (verdict == VERDICT_DIRECT || is_for_router(frame, port->router_ifindex, packet))
		return XDP_PASS;
	if (verdict == VERDICT_PROXY)
		return packet->protocol == IPPROTO_TCP ? open_flow(frame, packet, rule) : XDP_PASS;
	if (packet->protocol == IPPROTO_TCP)
		flow_forget(packet);
	return block(frame, rule);
}

static __always_inline bool opens_flow(const struct packet *packet)
{
	return (packet->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

SEC("xdp")
int sidetrack_xdp(struct xdp_md *frame)
{
	const volatile struct port *port = port_of(frame->ingress_ifindex);
	struct packet packet;

	if (!port || !is_to(frame, port->mac) || parse_frame(frame, &packet) != PARSE_OK)
		return XDP_PASS;
	if (packet.tags || packet.fragment != FRAGMENT_NONE)
		return XDP_PASS;
	if (has_embedded_v4(&packet) || is_no_nat64(&packet)) {
		count(&counters, COUNT_embedded_v4, frame->data_end - frame->data);
		return XDP_DROP;
	}
	if (is_from_server(&packet))
		return XDP_PASS;
	if (packet.protocol != IPPROTO_TCP)
		return config.judges_others ? judge_frame(frame, &packet, port) : XDP_PASS;
	return opens_flow(&packet) ? judge_frame(frame, &packet, port) : follow(frame, &packet);
}

#endif /* SIDETRACK_BPF_XDP_H */
