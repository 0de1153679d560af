// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The mode `express`: a relayed flow that passes without the relay.
 *
 * Theory of operation
 *
 * The relay has two TCP connections, with the client and with the upstream.  Once both stand
 * and nothing is left to be said by the relay itself, the bytes of one are the bytes of the other;
 * only the names of things differ: addresses and ports, where sequence numbers began, the
 * clock of timestamps, the scale of windows.  This program, at tc ingress, renames them, and
 * sends the packet on.  So the two ends talk with each other: congestion control, retransmission
 * and windows are theirs.
 *
 * A packet of no flow goes on to the next filter.  What has IP options or is a fragment does, too:
 * the relay sees it arrive in a socket that should be silent, and ends the flow.
 *
 * The last thing done is bpf_redirect_neigh(), which asks the routing table and the neighbour
 * table for each packet, so both may change while flows live.
 *
 * Forged packets: what is outside of the window changes no state here, and the ends judge it as
 * they would any other.  An RST ends a flow when it has the number that the other side waits for, as far
 * as can be seen (RFC 5961), a FIN when both are acknowledged.
 */
#include "express.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define NOT_OURS TC_ACT_UNSPEC	/* the next filter's, and then the stack's */

static __always_inline int drop(struct express_slot *slot)
{
	__sync_fetch_and_add(&slot->dropped, 1);
	return TC_ACT_SHOT;
}

static __always_inline int hold(struct express_slot *slot, struct express_side *from,
				const struct segment *segment, __u32 interface)
{
	from->interface = interface;
	from->seen = 1;
	if (!segment->payload && !(segment->flags & TCP_FIN))
		return NOT_OURS;
	return drop(slot);
}

SEC("tc")
int sidetrack_express(struct __sk_buff *skb)
{
	struct express_place *place;
	struct express_slot *slot;
	struct express_side *from, *to;
	struct express_key key;
	struct segment segment;
	__u32 state;

	if (!segment_read(skb, &segment, &key))
		return NOT_OURS;
	place = bpf_map_lookup_elem(&flows, &key);
	if (!place)
		return NOT_OURS;
	slot = bpf_map_lookup_elem(&slots, &place->slot);
	if (!slot)
		return NOT_OURS;
	from = &slot->side[place->side & 1];
	to = &slot->side[!(place->side & 1)];
	state = *(volatile __u32 *)&slot->state;
	switch (state) {
	case EXPRESS_HOLD:
		return hold(slot, from, &segment, skb->ifindex);
	case EXPRESS_ENDED:
	case EXPRESS_KILLED:
		if (segment.flags & TCP_SYN) {
			bpf_map_delete_elem(&flows, &key);
			return NOT_OURS;
		}
		break;
	case EXPRESS_PASSING:
		break;
	default:
		return NOT_OURS;
	}
	watch(slot, from, to, &segment, place->side & 1);
	if (state == EXPRESS_KILLED || segment.hops <= 1 ||
	    !translate(skb, slot, from, to, &segment))
		return drop(slot);
	return bpf_redirect_neigh(to->interface, NULL, 0, 0);
}
