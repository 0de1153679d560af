// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * A generator of small TCP packets and what swallows them.  `flood` runs on live
 * frames (BPF_PROG_TEST_RUN): each becomes a packet of the next of 65536 flows
 * and leaves by `config.ifindex` as a driver would hand it over, without a socket.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define FLOWS (1 << 16)

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 4);
} next SEC(".maps");

const volatile struct {
	__u32 ifindex;
	__u32 every;	/* of so many frames one is sent: a slower flood */
} config = {};

struct headers {
	struct ethhdr ethernet;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

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

SEC("xdp")
int flood(struct xdp_md *frame)
{
	struct headers *packet = (void *)(long)frame->data;
	__u32 zero = 0, flow, *count = bpf_map_lookup_elem(&next, &zero);

	if (!count || (void *)(packet + 1) > (void *)(long)frame->data_end)
		return XDP_ABORTED;
	if (++*count & (config.every - 1))
		return XDP_DROP;
	/* An odd factor: every flow once, in no order that a cache likes. */
	flow = *count / config.every * 40503 & (FLOWS - 1);
	packet->tcp.source = flow;
	/* 80.0.0.0/4 */
	packet->ip.daddr = bpf_htonl(0x50000000 | (flow * 2654435761u >> 4));
	packet->ip.check = 0;
	packet->ip.check = checksum((void *)packet + ETH_HLEN);
	return bpf_redirect(config.ifindex, 0);
}

SEC("xdp")
int sink(struct xdp_md *frame __attribute__((unused)))
{
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual MIT/GPL";
