/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The parts of express.bpf.c: reading a segment, watching the flow, translating. */
#ifndef SIDETRACK_BPF_EXPRESS_H
#define SIDETRACK_BPF_EXPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "express-flow.h"

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

#define IP_FRAGMENT 0x3fff	/* an offset, or more to come */

#define TCP_HEADER_MOST 60
#define OPTION_END 0
#define OPTION_NOP 1
#define OPTION_SACK 5
#define OPTION_TIMESTAMP 8
#define TIMESTAMP_LENGTH 10

#define DELTA_KNOWN (1ULL << 32)
#define WINDOW_SLACK 65536	/* chosen: an end may have taken back some of what it offered */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * EXPRESS_SLOTS);
	__type(key, struct express_key);
	__type(value, struct express_place);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, EXPRESS_SLOTS);
	__type(key, __u32);
	__type(value, struct express_slot);
} slots SEC(".maps");

/* A TCP header before and after, with room behind for what a wrong length could lead to. */
struct scratch {
	__u8 before[128];
	__u8 after[128];
	__u32 length;
	__u32 acknowledge_delta;
	__u32 timestamps;	/* where they stand, 0: there are none */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

struct segment {
	__u32 transport;	/* offset of the TCP header */
	__u32 header;		/* its length */
	__u32 payload;
	__u32 sequence;
	__u32 acknowledge;
	__u16 window;
	__u8 family;
	__u8 hops;
	__u8 flags;
};

static __always_inline bool after(__u32 a, __u32 b)
{
	return (__s32)(a - b) > 0;
}

/* --- reading ----------------------------------------------------------------------- */

static __always_inline bool read_ipv4(struct __sk_buff *skb, struct segment *segment,
				      struct express_key *key)
{
	struct iphdr ip;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) < 0)
		return false;
	if (ip.version != 4 || ip.ihl != 5 || ip.protocol != IPPROTO_TCP ||
	    (ip.frag_off & bpf_htons(IP_FRAGMENT)))
		return false;
	segment->family = 4;
	segment->hops = ip.ttl;
	segment->transport = ETH_HLEN + sizeof(ip);
	segment->payload = bpf_ntohs(ip.tot_len);
	/* BIG TCP says nothing of its length. */
	segment->payload = segment->payload ? segment->payload - (__u32)sizeof(ip)
					    : skb->len - segment->transport;
	key->source[0] = ip.saddr;
	key->destination[0] = ip.daddr;
	return true;
}

static __always_inline bool read_ipv6(struct __sk_buff *skb, struct segment *segment,
				      struct express_key *key)
{
	struct ipv6hdr ip;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) < 0)
		return false;
	if (ip.version != 6 || ip.nexthdr != IPPROTO_TCP)
		return false;
	segment->family = 6;
	segment->hops = ip.hop_limit;
	segment->transport = ETH_HLEN + sizeof(ip);
	segment->payload = bpf_ntohs(ip.payload_len);
	if (!segment->payload)
		segment->payload = skb->len - segment->transport;
	__builtin_memcpy(key->source, &ip.saddr, sizeof(key->source));
	__builtin_memcpy(key->destination, &ip.daddr, sizeof(key->destination));
	return true;
}

/* Return: false if it is no TCP segment that could be translated */
static __always_inline bool segment_read(struct __sk_buff *skb, struct segment *segment,
					 struct express_key *key)
{
	struct tcphdr tcp;

	__builtin_memset(key, 0, sizeof(*key));
	if (skb->vlan_present)
		return false;
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (!read_ipv4(skb, segment, key))
			return false;
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		if (!read_ipv6(skb, segment, key))
			return false;
	} else {
		return false;
	}
	if (bpf_skb_load_bytes(skb, segment->transport, &tcp, sizeof(tcp)) < 0)
		return false;
	segment->header = tcp.doff * 4;
	if (segment->header < sizeof(tcp) || segment->payload < segment->header)
		return false;
	segment->payload -= segment->header;
	segment->sequence = bpf_ntohl(tcp.seq);
	segment->acknowledge = bpf_ntohl(tcp.ack_seq);
	segment->window = bpf_ntohs(tcp.window);
	segment->flags = ((__u8 *)&tcp)[13];
	key->source_port = tcp.source;
	key->destination_port = tcp.dest;
	key->family = segment->family;
	return true;
}

/* --- watching ---------------------------------------------------------------------- */

/* May the other side believe what has this number? */
static __always_inline bool in_window(const struct express_side *to, __u32 number)
{
	return number - to->acknowledged <= to->window + WINDOW_SLACK;
}

static __always_inline void watch_acknowledge(struct express_side *from,
					      const struct express_side *to,
					      const struct segment *segment)
{
	__u32 acknowledge = segment->acknowledge + from->acknowledge_delta;

	if (!(segment->flags & TCP_ACK) || after(acknowledge, to->end) ||
	    after(from->acknowledged, acknowledge))
		return;
	from->acknowledged = acknowledge;
	from->window = (__u32)segment->window << (from->window_left & 15);
}

static __always_inline bool has_ended(const struct express_side *from,
				      const struct express_side *to)
{
	return from->has_fin && from->end == from->fin && to->acknowledged == from->fin;
}

/* Unless the relay has changed the state meanwhile. */
static __always_inline void end_flow(struct express_slot *slot)
{
	__sync_val_compare_and_swap(&slot->state, EXPRESS_PASSING, EXPRESS_ENDED);
}

static __always_inline void watch_reset(struct express_slot *slot,
					const struct express_side *from,
					const struct express_side *to,
					const struct segment *segment, __u32 side)
{
	if (segment->sequence != to->acknowledged && segment->sequence != from->end)
		return;
	slot->reset = 1 + side;
	end_flow(slot);
}

/* What this segment says of the flow's life. */
static __always_inline void watch(struct express_slot *slot, struct express_side *from,
				  struct express_side *to, const struct segment *segment, __u32 side)
{
	__u32 end = segment->sequence + segment->payload + (segment->flags & TCP_FIN);

	__sync_fetch_and_add(&from->packets, 1);
	slot->last_ns = bpf_ktime_get_ns();
	if (!in_window(to, end) && end != to->acknowledged)
		return;
	if (segment->flags & TCP_RST) {
		watch_reset(slot, from, to, segment, side);
		return;
	}
	if (segment->flags & TCP_SYN)
		return;
	if (after(end, from->end))
		from->end = end;
	if (segment->flags & TCP_FIN) {
		from->fin = end;
		from->has_fin = 1;
	}
	watch_acknowledge(from, to, segment);
	if (has_ended(from, to) && has_ended(to, from))
		end_flow(slot);
}

/* --- translating ------------------------------------------------------------------- */

static __always_inline __u32 get32(const __u8 *bytes)
{
	return (__u32)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
}

static __always_inline void put32(__u8 *bytes, __u32 value)
{
	bytes[0] = value >> 24;
	bytes[1] = value >> 16;
	bytes[2] = value >> 8;
	bytes[3] = value;
}

/* The clock of @from as the other side shall see it: it goes on from where the relay's was. */
static __always_inline __u32 timestamp_delta(const struct express_slot *slot,
					     struct express_side *from, __u32 timestamp)
{
	__u64 known = *(volatile __u64 *)&from->timestamp_delta;
	__u64 fresh, before;

	if (known & DELTA_KNOWN)
		return (__u32)known;
	fresh = (bpf_ktime_get_ns() - slot->begun_ns) / 1000000;
	fresh = DELTA_KNOWN | (__u32)(from->timestamp_base + (__u32)fresh - timestamp);
	before = __sync_val_compare_and_swap(&from->timestamp_delta, known, fresh);
	return (__u32)(before == known ? fresh : before);
}

/* What the other side's clock said; 0 says nothing, for as long as that is not known. */
static __always_inline __u32 echo(const struct express_side *to, __u32 timestamp)
{
	__u64 known = *(volatile __u64 *)&to->timestamp_delta;

	if (!timestamp || !(known & DELTA_KNOWN))
		return 0;
	return timestamp - (__u32)known;
}

#define HEADER_MASK 63	/* tells the verifier what translate_option() has seen to */

static __always_inline void translate_sack(__u8 *header, __u32 at, __u32 length, __u32 delta)
{
	__u32 i;

	for (i = 0; i < 8; i++) {
		__u8 *edge = header + (at & HEADER_MASK) + 2 + 4 * i;

		if (2 + 4 * (i + 1) > length)
			return;
		put32(edge, get32(edge) + delta);
	}
}

/*
 * Not static: the verifier then reads it once, and does not follow every combination of options.
 * Return: where the next option begins, or 0 behind the last
 */
__noinline __u32 translate_option(struct scratch *scratch, __u32 at)
{
	__u32 kind, length;

	if (!scratch || at >= scratch->length)
		return 0;
	kind = scratch->after[at & HEADER_MASK];
	if (kind == OPTION_END)
		return 0;
	if (kind == OPTION_NOP)
		return at + 1;
	if (at + 1 >= scratch->length)
		return 0;
	length = scratch->after[(at + 1) & HEADER_MASK];
	if (length < 2 || at + length > scratch->length)
		return 0;
	if (kind == OPTION_SACK)
		translate_sack(scratch->after, at, length, scratch->acknowledge_delta);
	else if (kind == OPTION_TIMESTAMP && length == TIMESTAMP_LENGTH)
		scratch->timestamps = at;
	return at + length;
}

static __always_inline void translate_timestamps(struct scratch *scratch,
						 const struct express_slot *slot,
						 struct express_side *from,
						 const struct express_side *to)
{
	__u8 *option = scratch->after + (scratch->timestamps & HEADER_MASK);
	__u32 value = get32(option + 2);

	if (!scratch->timestamps || !from->has_timestamps)
		return;
	put32(option + 2, value + timestamp_delta(slot, from, value));
	put32(option + 6, echo(to, get32(option + 6)));
}

/* Never more than was offered; and something, where something was. */
static __always_inline __u16 translate_window(const struct express_side *from, __u16 window)
{
	__u32 scaled = ((__u32)window << (from->window_left & 15)) >> (from->window_right & 15);

	return scaled > 0xffff ? 0xffff : scaled;
}

static __always_inline void translate_header(struct scratch *scratch,
					     const struct express_side *from,
					     const struct segment *segment)
{
	struct tcphdr *tcp = (struct tcphdr *)scratch->after;
	__u32 at = sizeof(*tcp), i;

	tcp->source = from->source_port;
	tcp->dest = from->destination_port;
	tcp->seq = bpf_htonl(segment->sequence + from->sequence_delta);
	if (segment->flags & TCP_ACK)
		tcp->ack_seq = bpf_htonl(segment->acknowledge + from->acknowledge_delta);
	if (!(segment->flags & TCP_SYN))
		tcp->window = bpf_htons(translate_window(from, segment->window));
	scratch->length = segment->header;
	scratch->acknowledge_delta = from->acknowledge_delta;
	scratch->timestamps = 0;
	for (i = 0; i < TCP_HEADER_MOST - sizeof(*tcp); i++) {
		at = translate_option(scratch, at);
		if (!at)
			return;
	}
}

static __always_inline bool translate_transport(struct __sk_buff *skb,
						const struct express_slot *slot,
						struct express_side *from,
						const struct express_side *to,
						const struct segment *segment)
{
	__u32 zero = 0, length = segment->header;
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &zero);
	__s64 difference;

	if (!scratch || length < sizeof(struct tcphdr) || length > TCP_HEADER_MOST)
		return false;
	if (bpf_skb_load_bytes(skb, segment->transport, scratch->before, length) < 0)
		return false;
	__builtin_memcpy(scratch->after, scratch->before, 64);
	translate_header(scratch, from, segment);
	translate_timestamps(scratch, slot, from, to);
	difference = bpf_csum_diff((__be32 *)scratch->before, length & ~3U,
				   (__be32 *)scratch->after, length & ~3U, 0);
	if (difference < 0 ||
	    bpf_skb_store_bytes(skb, segment->transport, scratch->after, length, 0) < 0)
		return false;
	return bpf_l4_csum_replace(skb, segment->transport + offsetof(struct tcphdr, check), 0,
				   (__u64)difference, 0) == 0;
}

/* They are in the pseudo header, too. */
static __always_inline bool translate_addresses(struct __sk_buff *skb,
						const struct express_side *from,
						const struct segment *segment)
{
	__be32 before[8], behind[8];
	__s64 difference;
	__u32 i;

	for (i = 0; i < 4; i++) {
		before[i] = from->key.source[i];
		before[4 + i] = from->key.destination[i];
		behind[i] = from->source[i];
		behind[4 + i] = from->destination[i];
	}
	difference = bpf_csum_diff(before, sizeof(before), behind, sizeof(behind), 0);
	if (difference < 0 || bpf_l4_csum_replace(skb, segment->transport + 16, 0, difference,
						  BPF_F_PSEUDO_HDR) < 0)
		return false;
	if (segment->family == 4)
		return bpf_l3_csum_replace(skb, ETH_HLEN + offsetof(struct iphdr, check), 0,
					   difference, 0) == 0 &&
		       bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct iphdr, saddr),
					   from->source, 4, 0) == 0 &&
		       bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct iphdr, daddr),
					   from->destination, 4, 0) == 0;
	return bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, saddr), from->source,
				   16, 0) == 0 &&
	       bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, daddr),
				   from->destination, 16, 0) == 0;
}

static __always_inline bool one_hop_less(struct __sk_buff *skb, const struct segment *segment)
{
	__u8 hops = segment->hops - 1;

	if (segment->family == 6)
		return bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, hop_limit),
					   &hops, sizeof(hops), BPF_F_RECOMPUTE_CSUM) == 0;
	/* TTL is the high byte of its 16-bit word. */
	return bpf_l3_csum_replace(skb, ETH_HLEN + offsetof(struct iphdr, check),
				   bpf_htons((__u16)segment->hops << 8),
				   bpf_htons((__u16)hops << 8), 2) == 0 &&
	       bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct iphdr, ttl), &hops,
				   sizeof(hops), 0) == 0;
}

static __always_inline bool translate(struct __sk_buff *skb, struct express_slot *slot,
				      struct express_side *from, struct express_side *to,
				      const struct segment *segment)
{
	return translate_transport(skb, slot, from, to, segment) &&
	       translate_addresses(skb, from, segment) && one_hop_less(skb, segment);
}

#endif /* SIDETRACK_BPF_EXPRESS_H */
