/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * From bytes to a `struct packet`, or to a reason why not.
 *
 * A cursor walks over the headers.  `end` is where the directly readable part
 * of the packet ends, `left` how many bytes the enclosing header promises; what
 * runs over `end` may be readable after bpf_skb_pull_data(), what runs over
 * `left` never is.
 */
#ifndef SIDETRACK_BPF_PARSE_H
#define SIDETRACK_BPF_PARSE_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define VLAN_TAGS_MAX 2
#define VLAN_ID_MASK 0x0fff
#define EXTENSION_HEADERS_MAX 8
/* (255 + 1) * 8 bytes at most; the mask tells the verifier. */
#define EXTENSION_LENGTH_MASK 0xfff

#define IP_MORE_FRAGMENTS 0x2000
#define IP_FRAGMENT_OFFSET 0x1fff
#define IP6_MORE_FRAGMENTS 0x0001
#define IP6_FRAGMENT_OFFSET 0xfff8

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10

enum parse_result {
	PARSE_OK,
	PARSE_SHORT,		/* more of the packet must be made readable */
	PARSE_MALFORMED,
	PARSE_NOT_IP,
	PARSE_OTHER_VLAN,
	PARSE_ENDLESS_TAGS,	/* all of them priorities: the interface's own */
};

/* Of a packet whose addresses are known. */
enum unseen {
	UNSEEN_NOTHING,
	UNSEEN_PORTS,
	UNSEEN_PROTOCOL,
};

enum fragment {
	FRAGMENT_NONE,
	FRAGMENT_FIRST,		/* has the ports */
	FRAGMENT_LATER,
};

struct packet {
	__u64 source_mac;
	__be32 source[4];	/* IPv4 uses the first word */
	__be32 destination[4];
	__be16 source_port;	/* TCP and UDP, unless UNSEEN_* */
	__be16 destination_port;
	__be32 fragment_id;
	__u8 family;		/* 4 or 6; 0 where the addresses are not known */
	__u8 protocol;
	__u8 fragment;
	__u8 is_second;		/* the fragment that begins behind eight bytes */
	__u8 unseen;
	__u8 tcp_flags;
	__u8 ttl;
	__u8 tags;		/* VLAN tags in the data */
};

struct cursor {
	void *pos;
	void *end;
	__u32 left;
	bool is_gso;
};

struct vlan_tag {
	__be16 control;
	__be16 type;
};

struct extension_header {
	__u8 next;
	__u8 length;
	__be16 fragment;	/* of a fragment header */
	__be32 id;
};

/* The first `size` bytes at the cursor, or NULL; the cursor stays. */
#define PEEK(cursor, type)						\
	((void *)((type *)(cursor)->pos + 1) > (cursor)->end ? NULL : (type *)(cursor)->pos)

static __always_inline void advance(struct cursor *cursor, __u32 bytes)
{
	cursor->pos += bytes;
	cursor->left -= bytes;
}

static __always_inline bool is_vlan(__be16 type)
{
	return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD);
}

/* Leaves the cursor at the network header and its EtherType in `type`. */
static __always_inline int parse_ethernet(struct cursor *cursor, struct packet *packet,
					  __be16 *type)
{
	struct ethhdr *ethernet = PEEK(cursor, struct ethhdr);
	__be16 ids = 0;
	int i;

	if (!ethernet)
		return PARSE_SHORT;
	__builtin_memcpy(&packet->source_mac, ethernet->h_source, ETH_ALEN);
	*type = ethernet->h_proto;
	advance(cursor, sizeof(*ethernet));

	for (i = 0; i < VLAN_TAGS_MAX; i++) {
		struct vlan_tag *tag = PEEK(cursor, struct vlan_tag);

		if (!is_vlan(*type))
			break;
		if (!tag)
			return PARSE_SHORT;
		*type = tag->type;
		ids |= tag->control;
		packet->tags++;
		advance(cursor, sizeof(*tag));
	}
	/* Tags with the id 0 hold a priority and nothing else (IEEE 802.1Q). */
	if (ids & bpf_htons(VLAN_ID_MASK))
		return PARSE_OTHER_VLAN;
	return is_vlan(*type) ? PARSE_ENDLESS_TAGS : PARSE_OK;
}

static __always_inline int parse_ipv4(struct cursor *cursor, struct packet *packet)
{
	struct iphdr *ip = PEEK(cursor, struct iphdr);
	__u32 header, total;
	__u16 fragment;

	if (!ip)
		return PARSE_SHORT;
	header = ip->ihl * 4;
	total = bpf_ntohs(ip->tot_len);
	/*
	 * BIG TCP: a packet merged to more than 64 KiB cannot tell its length.
	 * The other zeros leave here, not below: comparing header with a known 0,
	 * kernel 6.1's verifier follows both ways and loses the packet's pointer.
	 */
	if (total == 0) {
		if (!cursor->is_gso)
			return PARSE_MALFORMED;
		total = cursor->left;
	}
	if (ip->version != 4 || header < sizeof(*ip) || total < header || total > cursor->left)
		return PARSE_MALFORMED;

	fragment = bpf_ntohs(ip->frag_off);
	if (fragment & IP_FRAGMENT_OFFSET)
		packet->fragment = FRAGMENT_LATER;
	else if (fragment & IP_MORE_FRAGMENTS)
		packet->fragment = FRAGMENT_FIRST;
	packet->is_second = (fragment & IP_FRAGMENT_OFFSET) == 1;
	packet->fragment_id = ip->id;
	packet->family = 4;
	packet->protocol = ip->protocol;
	packet->ttl = ip->ttl;
	packet->source[0] = ip->saddr;
	packet->destination[0] = ip->daddr;

	/* Ethernet pads short frames: what lies behind `total` is no part of the packet. */
	cursor->left = total;
	advance(cursor, header);
	return PARSE_OK;
}

/*
 * Bytes of an extension header with this length field, or 0 if `type` is none
 * that we step over.  Not static: the verifier then knows nothing of the result,
 * and does not follow the five types through eight headers one by one.
 */
__noinline __u32 extension_length(__u32 type, __u32 field)
{
	switch (type) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
		return (field + 1) * 8;
	case IPPROTO_AH:
		return (field + 2) * 4;
	case IPPROTO_FRAGMENT:
		return sizeof(struct extension_header);
	default:
		return 0;
	}
}

static __always_inline void parse_fragment(const struct extension_header *extension,
					   struct packet *packet)
{
	__u16 fragment = bpf_ntohs(extension->fragment);

	if (fragment & IP6_FRAGMENT_OFFSET)
		packet->fragment = FRAGMENT_LATER;
	else if (fragment & IP6_MORE_FRAGMENTS)
		packet->fragment = FRAGMENT_FIRST;
	packet->is_second = (fragment & IP6_FRAGMENT_OFFSET) == 8;
	packet->fragment_id = extension->id;
}

/* Steps over extension headers to the one that names the protocol. */
static __always_inline int parse_extensions(struct cursor *cursor, struct packet *packet)
{
	int i;

	for (i = 0; i <= EXTENSION_HEADERS_MAX; i++) {
		struct extension_header *extension = PEEK(cursor, struct extension_header);
		__u32 type = packet->protocol, length;

		/* What follows in a later fragment is data. */
		if (extension_length(type, 0) == 0 || packet->fragment == FRAGMENT_LATER)
			return PARSE_OK;
		if (cursor->left < sizeof(*extension))
			return PARSE_MALFORMED;
		if (!extension)
			return PARSE_SHORT;
		length = extension_length(type, extension->length) & EXTENSION_LENGTH_MASK;
		if (length > cursor->left)
			return PARSE_MALFORMED;
		if (type == IPPROTO_FRAGMENT)
			parse_fragment(extension, packet);
		packet->protocol = extension->next;
		advance(cursor, length);
	}
	return PARSE_MALFORMED;
}

static __always_inline int parse_ipv6(struct cursor *cursor, struct packet *packet)
{
	struct ipv6hdr *ip = PEEK(cursor, struct ipv6hdr);
	__u32 payload;

	if (!ip)
		return PARSE_SHORT;
	if (ip->version != 6 || cursor->left < sizeof(*ip))
		return PARSE_MALFORMED;
	payload = bpf_ntohs(ip->payload_len);
	if (payload == 0 && cursor->is_gso)
		payload = cursor->left - sizeof(*ip);
	if (payload > cursor->left - sizeof(*ip))
		return PARSE_MALFORMED;

	packet->family = 6;
	packet->protocol = ip->nexthdr;
	packet->ttl = ip->hop_limit;
	__builtin_memcpy(packet->source, &ip->saddr, sizeof(packet->source));
	__builtin_memcpy(packet->destination, &ip->daddr, sizeof(packet->destination));

	cursor->left = payload + sizeof(*ip);
	advance(cursor, sizeof(*ip));
	return parse_extensions(cursor, packet);
}

static __always_inline int parse_tcp(struct cursor *cursor, struct packet *packet)
{
	struct tcphdr *tcp = PEEK(cursor, struct tcphdr);

	if (cursor->left < sizeof(*tcp))
		return PARSE_MALFORMED;
	if (!tcp)
		return PARSE_SHORT;
	if (tcp->doff * 4 < sizeof(*tcp) || tcp->doff * 4 > cursor->left)
		return PARSE_MALFORMED;
	packet->source_port = tcp->source;
	packet->destination_port = tcp->dest;
	packet->tcp_flags = ((__u8 *)tcp)[13];
	return PARSE_OK;
}

static __always_inline int parse_udp(struct cursor *cursor, struct packet *packet)
{
	struct udphdr *udp = PEEK(cursor, struct udphdr);

	if (cursor->left < sizeof(*udp))
		return PARSE_MALFORMED;
	if (!udp)
		return PARSE_SHORT;
	packet->source_port = udp->source;
	packet->destination_port = udp->dest;
	return PARSE_OK;
}

static __always_inline int parse_transport(struct cursor *cursor, struct packet *packet)
{
	int result = PARSE_OK;

	if (packet->fragment == FRAGMENT_LATER) {
		/* Behind a destination options header stands what the first one says. */
		packet->unseen = extension_length(packet->protocol, 0) ? UNSEEN_PROTOCOL : UNSEEN_PORTS;
		return PARSE_OK;
	}
	if (packet->protocol == IPPROTO_TCP)
		result = parse_tcp(cursor, packet);
	else if (packet->protocol == IPPROTO_UDP)
		result = parse_udp(cursor, packet);
	if (result != PARSE_OK)
		packet->unseen = UNSEEN_PORTS;
	return result;
}

static __always_inline int parse_network(struct cursor *cursor, struct packet *packet, __be16 type)
{
	if (type == bpf_htons(ETH_P_IP))
		return parse_ipv4(cursor, packet);
	if (type == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(cursor, packet);
	return PARSE_NOT_IP;
}

static __always_inline int parse_headers(struct cursor *cursor, struct packet *packet)
{
	__be16 type;
	int result;

	__builtin_memset(packet, 0, sizeof(*packet));
	result = parse_ethernet(cursor, packet, &type);
	if (result != PARSE_OK)
		return result;
	result = parse_network(cursor, packet, type);
	if (result == PARSE_OK)
		return parse_transport(cursor, packet);
	packet->unseen = UNSEEN_PROTOCOL;
	return result;
}

/* RFC 4291, 2.5.5: IPv4-mapped, or IPv4-compatible and neither :: nor ::1. */
static __always_inline bool embeds_v4(const __be32 *address)
{
	if (address[0] | address[1])
		return false;
	return address[2] == bpf_htonl(0xffff) || (address[2] == 0 && bpf_ntohl(address[3]) > 1);
}

/* policy/guard.ts says why nothing of the kind may pass. */
static __always_inline bool has_embedded_v4(const struct packet *packet)
{
	return packet->family == 6 &&
	       (embeds_v4(packet->source) || embeds_v4(packet->destination));
}

/* A function of its own: it may have to run twice, and the verifier reads it only once each. */
static __noinline int parse_packet(struct __sk_buff *skb, struct packet *packet)
{
	struct cursor cursor = {
		.pos = (void *)(long)skb->data,
		.end = (void *)(long)skb->data_end,
		.left = skb->len,
		.is_gso = skb->gso_segs > 1,
	};

	return parse_headers(&cursor, packet);
}

/* All of an XDP frame is readable: PARSE_SHORT means that it is short. */
static __always_inline int parse_frame(struct xdp_md *frame, struct packet *packet)
{
	struct cursor cursor = {
		.pos = (void *)(long)frame->data,
		.end = (void *)(long)frame->data_end,
		.left = frame->data_end - frame->data,
	};

	return parse_headers(&cursor, packet);
}

#endif /* SIDETRACK_BPF_PARSE_H */
