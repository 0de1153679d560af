// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The classifier: clsact ingress on each interface that client packets come in.
 *
 * Theory of operation.  Only the first packet of a TCP flow, a SYN without ACK,
 * is judged by the rules.  If they say proxy, the flow enters the flow table and
 * every later packet of it is steered by a lookup there; a packet that opens
 * nothing and belongs to no steered flow is left alone at the cost of the same
 * lookup.  So the rules may change under live flows, and their size costs only
 * first packets.  Other protocols have no flows: they can be blocked or left
 * alone, packet by packet, and are not even looked at while no rule blocks them.
 *
 * The rules, the guards among them, arrive as tables (lookup.h) that never
 * change.  What cannot be judged, because it hides its ports or its protocol, is
 * dropped if a rule could block it.  A new policy is a new program set, with tables of its
 * own; it replaces the old one in one step and shares its flow table.
 *
 * A flow goes to a server that is fit (health.h), as its heartbeats say
 * (heartbeat.h), and stays with it.
 *
 * xdp.h does the same one step earlier, for floods of small packets.
 *
 * What it means is control/policy/evaluate.ts and, packet by packet,
 * control/nft/router-table.ts; test/bpf compares them.
 */
#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "count.h"
#include "flow.h"
#include "fragment.h"
#include "health.h"
#include "heartbeat.h"
#include "lookup.h"
#include "maps.h"
#include "parse.h"
#include "route.h"
#include "server.h"
#include "steer.h"
#include "target.h"
#include "xdp.h"

/* More than any header chain that parse.h follows to its end in practice. */
#define READABLE_MAX 512

static __always_inline int leave(struct __sk_buff *skb, __u32 outcome)
{
	count_outcome(skb, outcome);
	return PASS;
}

static __always_inline int drop(struct __sk_buff *skb)
{
	count_outcome(skb, COUNT_blocked);
	return TC_ACT_SHOT;
}

static __always_inline int drop_as(struct __sk_buff *skb, __u32 outcome)
{
	count_outcome(skb, outcome);
	return TC_ACT_SHOT;
}

/* Some drivers leave headers outside of the directly readable part. */
static __always_inline bool make_readable(struct __sk_buff *skb)
{
	__u32 length = skb->len < READABLE_MAX ? skb->len : READABLE_MAX;

	return bpf_skb_pull_data(skb, length) == 0;
}

static __always_inline __u32 judge(struct __sk_buff *skb, const struct packet *packet,
				   __u32 *matched)
{
	__u32 rule = matching_rule(packet), verdict;

	*matched = rule;
	if (rule > RULES_MAX)
		return VERDICT_DIRECT;
	verdict = config.verdict[rule];
	if (verdict != VERDICT_DIRECT && is_for_router(skb, skb->ingress_ifindex, packet)) {
		count_event(COUNT_local);
		return VERDICT_DIRECT;
	}
	count(&rule_counters, rule, skb->len);
	return verdict;
}

/* Its later packets must not be steered by halves. */
static __always_inline int fail(struct __sk_buff *skb, const struct packet *packet, __u32 reason)
{
	flow_forget(packet);
	count_event(reason);
	count_event(COUNT_on_failure);
	if (!config.blocks_on_failure)
		return leave(skb, COUNT_direct);
	if (!config.reset_mark)
		return drop(skb);
	/* Only nftables can answer with a reset; ip rules refuse the mark where its table is gone. */
	skb->mark = (skb->mark & ~config.reset_mask) | config.reset_mark;
	return leave(skb, COUNT_blocked);
}

enum way {
	WAY_NONE,
	WAY_ROUTE,	/* by mark: the neighbour is unknown, or forwarding is mark */
	WAY_NEIGHBOUR,
};

static __always_inline enum way choose_way(struct __sk_buff *skb, const struct packet *packet,
					   const volatile struct target *target)
{
	struct bpf_redir_neigh hop;

	if (target->needs_route && !has_route(skb, packet, target))
		return WAY_NONE;
	if (target->redirect_ifindex) {
		next_hop(target, packet, &hop);
		if (neighbour_is_known(skb, target, &hop))
			return WAY_NEIGHBOUR;
	}
	return has_route(skb, packet, target) ? WAY_ROUTE : WAY_NONE;
}

static __always_inline int admit_to(struct __sk_buff *skb, const struct packet *packet,
				    __u32 number, enum way way)
{
	const volatile struct target *target = target_of(number);
	__u32 refusal = flow_add(packet, number);

	if (refusal)
		return fail(skb, packet, refusal);
	count_event(COUNT_admitted);
	if (way == WAY_NEIGHBOUR)
		return steer(skb, packet, target);
	if (target->redirect_ifindex)
		count_event(COUNT_fallback_neighbour);
	return steer_by_mark(skb, target);
}

/* Nothing is asked about it but the way. */
static __always_inline int admit_to_first(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 number = first_target(packet);
	enum way way;

	if (number >= TARGETS_MAX)
		return fail(skb, packet, COUNT_no_route);
	way = choose_way(skb, packet, target_of(number));
	if (way == WAY_NONE)
		return fail(skb, packet, COUNT_no_route);
	return admit_to(skb, packet, number, way);
}

/* Not static: it is asked for one target after another. */
__noinline int way_to(struct __sk_buff *skb, const struct packet *packet, __u32 number)
{
	if (!packet)
		return WAY_NONE;
	return choose_way(skb, packet, target_of(number));
}

/* A server without a way is as good as none: the next one has its turn. */
static __always_inline int admit_to_group(struct __sk_buff *skb, const struct packet *packet,
					  __u32 group)
{
	__u32 usable = usable_targets(packet), reason = COUNT_no_server, number, i;
	int way;

	for (i = 0; i < TARGETS_MAX && i < config.targets; i++) {
		number = target_choose(packet, group, usable);
		if (number >= TARGETS_MAX)
			break;
		way = way_to(skb, packet, number);
		if (way != WAY_NONE)
			return admit_to(skb, packet, number, way);
		usable &= ~((FIT | HELD) << number);
		reason = COUNT_no_route;
	}
	return fail(skb, packet, reason);
}

static __always_inline int admit(struct __sk_buff *skb, const struct packet *packet, __u32 rule)
{
	if (!config.groups)
		return admit_to_first(skb, packet);
	return admit_to_group(skb, packet, config.group[rule <= RULES_MAX ? rule : 0]);
}

static __always_inline int classify_syn(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 verdict, rule;

	/* A known tuple is a new flow, too.  One that stays must not lose its place in a full table. */
	verdict = judge(skb, packet, &rule);
	if (verdict == VERDICT_PROXY && packet->fragment == FRAGMENT_NONE)
		return admit(skb, packet, rule);
	flow_forget(packet);
	if (verdict == VERDICT_BLOCK)
		return drop(skb);
	return leave(skb, verdict == VERDICT_PROXY ? COUNT_fragment : COUNT_direct);
}

static __always_inline int classify_tcp(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 target;

	if ((packet->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
		return classify_syn(skb, packet);
	/* Part of a segment is of no use to the server while the other part has no ports. */
	if (packet->fragment != FRAGMENT_NONE)
		return leave(skb, COUNT_fragment);
	if (!flow_follow(packet, &target))
		return leave(skb, COUNT_unknown_flow);
	return steer(skb, packet, target_of(target));
}

static __always_inline int classify_other(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 rule;

	if (is_to_heartbeat_port(packet) && hear(skb, packet) == HEARD_IGNORED)
		return drop_as(skb, COUNT_heartbeat_ignored);
	if (!config.judges_others)
		return leave(skb, COUNT_unjudged);
	/* Only TCP can be handed to a program that asks for SO_ORIGINAL_DST. */
	return judge(skb, packet, &rule) == VERDICT_BLOCK ? drop(skb) : leave(skb, COUNT_direct);
}

/*
 * Ports or protocol are hidden: in fragments too small for them, behind more
 * headers than we follow, by lengths that lie.  Rules that block then hold for
 * whatever they could be, and others for nothing.
 */
static __always_inline int classify_unseen(struct __sk_buff *skb, const struct packet *packet,
					   __u32 outcome)
{
	__u32 rule;

	if (config.blocks && judge(skb, packet, &rule) == VERDICT_BLOCK)
		return drop_as(skb, COUNT_unseen);
	return leave(skb, outcome);
}

/* Does what the first fragment did. */
static __always_inline int classify_later(struct __sk_buff *skb, const struct packet *packet)
{
	bool is_tcp = packet->protocol == IPPROTO_TCP;
	__u32 outcome = is_tcp ? COUNT_fragment : COUNT_direct;
	int fate = FATE_UNKNOWN;

	if (!is_tcp && !config.judges_others)
		outcome = COUNT_unjudged;
	if (!config.blocks)
		return leave(skb, outcome);
	/* It could be laid over the flags of the first one (RFC 1858, RFC 3128). */
	if (!is_tcp || !packet->is_second)
		fate = fragment_fate(packet);
	if (fate == FATE_DROPPED)
		return drop(skb);
	if (fate == FATE_PASSED)
		return leave(skb, outcome);
	return classify_unseen(skb, packet, outcome);
}

static __always_inline int classify_transport(struct __sk_buff *skb, const struct packet *packet)
{
	int action = packet->protocol == IPPROTO_TCP ? classify_tcp(skb, packet) :
						       classify_other(skb, packet);

	if (config.blocks && packet->fragment == FRAGMENT_FIRST)
		fragment_remember(packet, action == TC_ACT_SHOT);
	return action;
}

/* What tells nothing of its addresses.  The kernel drops it too, unless it reads on where we stop. */
static __always_inline int classify_unread(struct __sk_buff *skb, bool is_truncated)
{
	if (config.blocks && !is_truncated)
		return drop_as(skb, COUNT_unseen);
	return leave(skb, COUNT_malformed);
}

/* The kernel takes the outer tag off before us, and looks for the VLAN's interface behind us. */
static __always_inline bool is_of_other_vlan(struct __sk_buff *skb)
{
	return (skb->vlan_tci & VLAN_ID_MASK) && skb->vlan_present;
}

static __always_inline int classify_from_server(struct __sk_buff *skb, const struct packet *packet)
{
	int hearing = is_to_heartbeat_port(packet) ? hear(skb, packet) : HEARD_ELSEWHERE;

	if (hearing == HEARD_IGNORED)
		return drop_as(skb, COUNT_heartbeat_ignored);
	return leave(skb, hearing == HEARD ? COUNT_heartbeat : COUNT_from_server);
}

static __always_inline int classify(struct __sk_buff *skb)
{
	struct packet packet;
	int result;

	/* The stack will not forward what a bridge or a promiscuous port overheard. */
	if (skb->pkt_type != PACKET_HOST)
		return leave(skb, COUNT_not_for_us);
	if (is_of_other_vlan(skb))
		return leave(skb, COUNT_other_vlan);
	result = parse_packet(skb, &packet);
	if (result == PARSE_SHORT) {
		if (!make_readable(skb))
			return classify_unread(skb, false);
		result = parse_packet(skb, &packet);
	}
	if (result == PARSE_OTHER_VLAN)
		return leave(skb, COUNT_other_vlan);
	if (result == PARSE_NOT_IP)
		return leave(skb, COUNT_not_ip);
	if (!packet.family)
		return classify_unread(skb, result != PARSE_ENDLESS_TAGS);
	if (has_embedded_v4(&packet) || is_no_nat64(&packet))
		return drop_as(skb, COUNT_embedded_v4);
	if (is_from_server(&packet))
		return classify_from_server(skb, &packet);
	if (result != PARSE_OK)
		return classify_unseen(skb, &packet, COUNT_malformed);
	if (packet.fragment == FRAGMENT_LATER)
		return classify_later(skb, &packet);
	return classify_transport(skb, &packet);
}

SEC("tc")
int sidetrack_tc(struct __sk_buff *skb)
{
	return classify(skb);
}

/* For interfaces that only servers are behind: nothing but heartbeats is looked at, or counted. */
static __always_inline int listen_only(struct __sk_buff *skb)
{
	struct packet packet;
	int result;

	if (skb->pkt_type != PACKET_HOST || is_of_other_vlan(skb))
		return PASS;
	result = parse_packet(skb, &packet);
	if (result == PARSE_SHORT && make_readable(skb))
		result = parse_packet(skb, &packet);
	if (result != PARSE_OK || !is_to_heartbeat_port(&packet))
		return PASS;
	switch (hear(skb, &packet)) {
	case HEARD:
		return leave(skb, COUNT_heartbeat);
	case HEARD_IGNORED:
		return drop_as(skb, COUNT_heartbeat_ignored);
	default:
		return PASS;
	}
}

SEC("tc")
int sidetrack_hear(struct __sk_buff *skb)
{
	return listen_only(skb);
}

char _license[] SEC("license") = "Dual MIT/GPL";
