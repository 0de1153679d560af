// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Lookups of many addresses in one run, beside the kernel's LPM trie, and the
 * whole program over many flows: what a single packet in BPF_PROG_TEST_RUN would
 * read from a hot cache.  There are 65536 of each, in an order that no prefetcher
 * knows.  IPv4 addresses and flows are computed, so that they take no cache from
 * what is measured; IPv6 addresses must lie in the list and come from a table.
 */
#include "../../bpf/classify.bpf.c"

#define ROUNDS 1024
#define FLOWS (1 << 16)

struct address {
	__u64 high, low;	/* host order; IPv4 in the low half */
};

struct trie_key_v4 {
	__u32 length;
	__be32 address;
};

struct trie_key_v6 {
	__u32 length;
	__be32 address[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2000000);
	__uint(key_size, sizeof(struct trie_key_v4));
	__uint(value_size, 4);
} trie_v4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2000000);
	__uint(key_size, sizeof(struct trie_key_v6));
	__uint(value_size, 4);
} trie_v6 SEC(".maps");

MAP(addresses, BPF_MAP_TYPE_ARRAY, __u32, struct address, 1 << 16);

/* MurmurHash3's last step: neighbours in, strangers out. */
static __always_inline __u32 scatter(__u32 x)
{
	x = (x ^ x >> 16) * 0x85ebca6b;
	x = (x ^ x >> 13) * 0xc2b2ae35;
	return x ^ x >> 16;
}

static __always_inline struct address *pick(__u32 *state)
{
	__u32 key = scatter(++*state) & (FLOWS - 1);

	return bpf_map_lookup_elem(&addresses, &key);
}

#define BENCH_V4(name, expression)					\
	SEC("tc")							\
	int name(struct __sk_buff *skb __attribute__((unused)))		\
	{								\
		__u32 state = bpf_get_prandom_u32(), sum = 0;		\
		int i;							\
									\
		for (i = 0; i < ROUNDS; i++) {				\
			__u32 address = scatter(++state & (FLOWS - 1));	\
									\
			sum += (expression);				\
		}							\
		return sum & 0xffff;					\
	}

#define BENCH_V6(name, expression)					\
	SEC("tc")							\
	int name(struct __sk_buff *skb __attribute__((unused)))		\
	{								\
		__u32 state = bpf_get_prandom_u32(), sum = 0;		\
		int i;							\
									\
		for (i = 0; i < ROUNDS; i++) {				\
			struct address *address = pick(&state);		\
									\
			if (!address)					\
				return 0;				\
			sum += (expression);				\
		}							\
		return sum & 0xffff;					\
	}

static __always_inline __u32 in_trie_v4(__u32 address)
{
	struct trie_key_v4 key = { .length = 32, .address = bpf_htonl(address) };
	__u32 *value = bpf_map_lookup_elem(&trie_v4, &key);

	return value ? *value : 0;
}

static __always_inline __u32 in_trie_v6(const struct address *address)
{
	struct trie_key_v6 key = { .length = 128 };
	__u32 *value;

	key.address[0] = bpf_htonl(address->high >> 32);
	key.address[1] = bpf_htonl((__u32)address->high);
	key.address[2] = bpf_htonl(address->low >> 32);
	key.address[3] = bpf_htonl((__u32)address->low);
	value = bpf_map_lookup_elem(&trie_v6, &key);
	return value ? *value : 0;
}

BENCH_V4(bench_empty_v4, address & 1)
BENCH_V4(bench_table_v4, class_of_v4(address))
BENCH_V4(bench_trie_v4, in_trie_v4(address))
BENCH_V6(bench_empty_v6, address->low & 1)
BENCH_V6(bench_tree_v6, class_of_v6(address->high, address->low))
BENCH_V6(bench_trie_v6, in_trie_v6(address))

/* The hash lookup that an established flow is measured by: keys, size and filling of flows_v4. */
MAP(plain_hash, BPF_MAP_TYPE_HASH, struct flow_key_v4, struct flow, 1 << 20);

struct headers {
	struct ethhdr ethernet;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

/* Turns the packet into the next flow's; its sequence number counts. */
static __always_inline struct headers *next_flow(struct __sk_buff *skb)
{
	struct headers *packet = (void *)(long)skb->data;
	__u32 flow;

	if ((void *)(packet + 1) > (void *)(long)skb->data_end)
		return NULL;
	flow = scatter(packet->tcp.seq++ & (FLOWS - 1));
	packet->ip.saddr = bpf_htonl(0x0a000000 | (flow & 0xffffff));
	packet->ip.daddr = flow ^ 0x5a5a5a5a;
	packet->tcp.source = flow >> 8;
	return packet;
}

static __always_inline void plain_key(const struct headers *packet, struct flow_key_v4 *key)
{
	key->source = packet->ip.saddr;
	key->destination = packet->ip.daddr;
	key->source_port = packet->tcp.source;
	key->destination_port = packet->tcp.dest;
}

SEC("tc")
int flow_empty(struct __sk_buff *skb)
{
	return next_flow(skb) ? PASS : TC_ACT_SHOT;
}

SEC("tc")
int flow_fill(struct __sk_buff *skb)
{
	struct headers *packet = next_flow(skb);
	struct flow flow = {};
	struct flow_key_v4 key;

	if (!packet)
		return TC_ACT_SHOT;
	plain_key(packet, &key);
	return bpf_map_update_elem(&plain_hash, &key, &flow, BPF_ANY) == 0 ? PASS : TC_ACT_SHOT;
}

SEC("tc")
int flow_hash(struct __sk_buff *skb)
{
	struct headers *packet = next_flow(skb);
	struct flow_key_v4 key;

	if (!packet)
		return TC_ACT_SHOT;
	plain_key(packet, &key);
	return bpf_map_lookup_elem(&plain_hash, &key) ? PASS : TC_ACT_SHOT;
}

SEC("tc")
int flow_classify(struct __sk_buff *skb)
{
	return next_flow(skb) ? classify(skb) : TC_ACT_SHOT;
}
