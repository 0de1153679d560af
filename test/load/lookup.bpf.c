// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Lookups of many addresses in one run, beside the kernel's LPM trie: what a
 * single packet in BPF_PROG_TEST_RUN would read from a hot cache.  Addresses
 * come from a table of 65536, in an order that no prefetcher knows.
 */
#include "../../bpf/classify.bpf.c"

#define ROUNDS 1024

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

static __always_inline struct address *pick(__u32 *state)
{
	__u32 key;

	*state = *state * 1664525 + 1013904223;
	key = *state >> 16;
	return bpf_map_lookup_elem(&addresses, &key);
}

#define BENCH(name, expression)						\
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

static __always_inline __u32 in_trie_v4(const struct address *address)
{
	struct trie_key_v4 key = { .length = 32, .address = bpf_htonl(address->low) };
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

BENCH(bench_empty, address->low & 1)
BENCH(bench_table_v4, class_of_v4(address->low))
BENCH(bench_trie_v4, in_trie_v4(address))
BENCH(bench_tree_v6, class_of_v6(address->high, address->low))
BENCH(bench_trie_v6, in_trie_v6(address))
