// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * A generator of small TCP packets and what swallows them.  `flood` runs on live
 * frames (BPF_PROG_TEST_RUN): each becomes a packet of the next of 65536 flows
 * and leaves by `config.ifindex` as a driver would hand it over, without a socket.
 *
 * With a window it sends only while fewer packets than that are under way, so no
 * queue on the way can run over, however late its owner gets a processor: what is
 * then missing was lost by whoever had it.  A packet says where it must arrive
 * (`ip.id`), and those who swallow it count where it did.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define FLOWS (1 << 16)
#define FLAGS 13	/* of struct tcphdr, in bytes */
#define SYN 0x02
#define ACK 0x10

enum sink {
	SERVER,
	INTERNET,
	SINKS,
};

struct destination {
	__be32 address;
	__u32 sink;
};

#define ARRAY(name, type_, entries)					\
	struct {							\
		__uint(type, BPF_MAP_TYPE_ARRAY);			\
		__uint(max_entries, entries);				\
		__uint(key_size, 4);					\
		__uint(value_size, sizeof(type_));			\
	} name SEC(".maps")

ARRAY(destinations, struct destination, FLOWS);
/* By where a packet is, and where it should be; the loader pins it. */
ARRAY(arrived, __u64, SINKS * SINKS);
ARRAY(sent, __u64, 1);
/* Packets that will not come any more, as user space says. */
ARRAY(written_off, __u64, 1);

struct headers {
	struct ethhdr ethernet;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

const volatile struct {
	__u32 ifindex;
	__u32 window;		/* 0: whatever becomes of them */
	__u64 limit;		/* packets to send in all; 0: as many as one can */
	__u32 alternates;	/* every flow's SYN, then every flow's ACK, and so on */
	struct headers packet;	/* what is the same in all */
} config SEC(".rodata.config") = {};

static __always_inline __u16 checksum(const __u16 *word)
{
	__u32 sum = 0;
	int i;

#pragma unroll
	for (i = 0; i < 10; i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return ~((sum & 0xffff) + (sum >> 16));
}

/* Word by word: memcpy() would not be volatile, and take the zeros above for constants. */
static __always_inline void write_headers(struct headers *packet)
{
	__u32 i;

#pragma unroll
	for (i = 0; i < sizeof(*packet) / sizeof(__u16); i++)
		((__u16 *)packet)[i] = ((const volatile __u16 *)&config.packet)[i];
}

static __always_inline __u64 read(void *map, __u32 index)
{
	volatile __u64 *value = bpf_map_lookup_elem(map, &index);

	return value ? *value : 0;
}

static __always_inline bool may_send(__u64 count)
{
	__u64 gone;
	__u32 i;

	if (config.limit && count >= config.limit)
		return false;
	if (!config.window)
		return true;
	gone = read(&written_off, 0);
	for (i = 0; i < SINKS * SINKS; i++)
		gone += read(&arrived, i);
	return count - gone < config.window;
}

SEC("xdp")
int flood(struct xdp_md *frame)
{
	struct headers *packet = (void *)(long)frame->data;
	struct destination *destination;
	__u64 *count;
	__u32 zero = 0, flow;

	count = bpf_map_lookup_elem(&sent, &zero);
	if (!count || (void *)(packet + 1) > (void *)(long)frame->data_end)
		return XDP_ABORTED;
	if (!may_send(*count))
		return XDP_DROP;
	/* An odd factor: every flow once, in no order that a cache likes. */
	flow = *count * 40503 & (FLOWS - 1);
	destination = bpf_map_lookup_elem(&destinations, &flow);
	if (!destination)
		return XDP_ABORTED;
	/* A page that comes back has been a packet of the router's: its addresses, one hop less. */
	write_headers(packet);
	if (config.alternates)
		((__u8 *)&packet->tcp)[FLAGS] = *count / FLOWS & 1 ? ACK : SYN;
	packet->tcp.source = flow;
	packet->ip.daddr = destination->address;
	packet->ip.id = destination->sink;
	packet->ip.check = 0;
	packet->ip.check = checksum((void *)packet + ETH_HLEN);
	++*count;
	return bpf_redirect(config.ifindex, 0);
}

/* What is not the flood's, neighbour discovery for one, goes its way. */
static __always_inline int swallow(struct xdp_md *frame, __u32 sink)
{
	struct headers *packet = (void *)(long)frame->data;
	__u32 index;
	__u64 *count;

	if ((void *)(packet + 1) > (void *)(long)frame->data_end ||
	    packet->ethernet.h_proto != bpf_htons(ETH_P_IP) || packet->ip.protocol != IPPROTO_TCP)
		return XDP_PASS;
	index = sink * SINKS + (packet->ip.id & 1);
	count = bpf_map_lookup_elem(&arrived, &index);
	if (count)
		__sync_fetch_and_add(count, 1);
	return XDP_DROP;
}

SEC("xdp")
int sink_server(struct xdp_md *frame)
{
	return swallow(frame, SERVER);
}

SEC("xdp")
int sink_internet(struct xdp_md *frame)
{
	return swallow(frame, INTERNET);
}

char _license[] SEC("license") = "Dual MIT/GPL";
