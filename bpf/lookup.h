/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * From a packet to the first rule that matches it.
 *
 * An address's class says in which of the policy's address sets it lies; all
 * addresses of one class are alike to every rule.  So one lookup per address
 * does for any number of rules and sets.  docs/classifier.md draws the tables;
 * tables.ts builds them.
 */
#ifndef SIDETRACK_BPF_LOOKUP_H
#define SIDETRACK_BPF_LOOKUP_H

#include "abi.h"
#include "maps.h"
#include "parse.h"

/* Escapes among 32 codes, as one bit each. */
static __always_inline __u64 escapes(__u64 codes)
{
	return codes & codes >> 1 & 0x5555555555555555ull;
}

static __always_inline __u32 class_in_pair(__u32 index, __u32 address)
{
	struct v4_pair *pair = bpf_map_lookup_elem(&v4_pairs, &index);

	if (!pair)
		return 0;
	return pair->class[pair->bits[address >> 6 & 3] >> (address & 63) & 1];
}

static __always_inline __u32 class_in_leaf(__u32 index, __u32 address)
{
	struct v4_leaf *leaf = bpf_map_lookup_elem(&v4_leaves, &index);

	return leaf ? leaf->class[address & 255] : 0;
}

/* Entry `index` of a table of references. */
static __always_inline __u32 ref_at(void *table, __u32 index)
{
	__u32 key = index / REFS_PER_BLOCK;
	struct ref_block *block = bpf_map_lookup_elem(table, &key);

	return block ? block->ref[index % REFS_PER_BLOCK] : 0;
}

/* The way of the few /24s that are mixed, or of a class outside the palette. */
static __always_inline __u32 escaped_class(__u32 index, __u32 address)
{
	__u32 ref = ref_at(&v4_refs, index), value = ref & REF_VALUE_MASK;

	switch (ref >> REF_KIND_SHIFT) {
	case REF_PAIR:
		return class_in_pair(value, address);
	case REF_LEAF:
		return class_in_leaf(value, address);
	default:
		return value;
	}
}

static __always_inline __u32 class_in_block(__u32 index, __u32 address)
{
	__u32 word = address >> 13 & 7, shift = (address >> 8 & 31) * 2, code;
	struct v4_block *block = bpf_map_lookup_elem(&v4_blocks, &index);
	__u64 codes;

	if (!block)
		return 0;
	codes = block->codes[word];
	code = codes >> shift & 3;
	if (code != CODE_ESCAPE)
		return config.palette[code];
	/* References are numbered in the order of their /24s: count those before. */
	return escaped_class(block->first_ref + block->before[word] +
			     __builtin_popcountll(escapes(codes) & ((1ull << shift) - 1)),
			     address);
}

/*
 * `address` in host order.  Not static, as some other functions, too: so the
 * verifier reads it once and not once for each state in which it is called.
 */
__noinline __u32 class_of_v4(__u32 address)
{
	return class_in_block(address >> 16, address);
}

/* 1 if x >= y, without a branch that the CPU would mispredict every other time. */
static __always_inline __u32 at_least(__u64 x, __u64 y)
{
	return ~((~x & y) | ((~x | y) & (x - y))) >> 63;
}

/* How many keys are at or below `half`: the reference to follow. */
static __always_inline __u32 branch_of(const struct v6_node *node, __u64 half)
{
	__u32 branch = 0;
	int i;

#pragma unroll
	for (i = 0; i < TREE_KEYS; i++)
		branch += at_least(half, node->key[i]);
	return branch & TREE_KEYS;
}

__noinline __u32 class_of_v6(__u64 high, __u64 low)
{
	__u32 ref = ref_at(&v6_index, high >> 48);
	__u64 half = high;
	int i;

	for (i = 0; i < TREE_DEPTH; i++) {
		__u32 key = ref & REF_VALUE_MASK;
		struct v6_node *node;

		if (ref >> REF_KIND_SHIFT == REF_CLASS)
			return key;
		if (ref >> REF_KIND_SHIFT == REF_LOW)
			half = low;
		node = bpf_map_lookup_elem(&v6_nodes, &key);
		if (!node)
			break;
		ref = node->ref[branch_of(node, half)];
	}
	return ref >> REF_KIND_SHIFT == REF_CLASS ? ref & REF_VALUE_MASK : 0;
}

/* Words 0 and 1 of an IPv6 address, or 2 and 3. */
static __always_inline __u64 half_of(const __be32 *words)
{
	return (__u64)bpf_ntohl(words[0]) << 32 | bpf_ntohl(words[1]);
}

static __always_inline __u32 class_of(const __be32 *address, __u8 family)
{
	if (family == 4)
		return class_of_v4(bpf_ntohl(address[0]));
	return class_of_v6(half_of(address), half_of(address + 2));
}

static __always_inline bool is_below(const volatile struct nat64 *prefix, __u64 high, __u64 low)
{
	return (((high ^ prefix->high) & prefix->high_mask) |
		((low ^ prefix->low) & prefix->low_mask)) == 0;
}

/* The 32 bits behind the prefix, less the octet that is reserved (RFC 6052, 2.2). */
static __always_inline __u32 bits_behind(__u64 length, __u64 high, __u64 low)
{
	__u64 rest = low << 8;

	if (length == 96)
		return low;
	if (length == 64)
		return rest >> 32;
	return (high << length | rest >> (64 - length)) >> 32;
}

#define EMBEDDED (1ull << 32)

/* EMBEDDED and the IPv4 address, or 0 for an address below none of the prefixes. */
__noinline __u64 embedded_v4(__u64 high, __u64 low)
{
	__u32 i;

	for (i = 0; i < NAT64_MAX && i < config.nat64s; i++) {
		const volatile struct nat64 *prefix = &config.nat64[i];

		if (is_below(prefix, high, low))
			return EMBEDDED | bits_behind(prefix->length, high, low);
	}
	return 0;
}

/* Where the octet is not zero no translator knows the address. */
__noinline int has_reserved_bits(__u64 high, __u64 low)
{
	__u32 i;

	if (!(low >> 56))
		return false;
	for (i = 0; i < NAT64_MAX && i < config.nat64s; i++)
		if (is_below(&config.nat64[i], high, low))
			return true;
	return false;
}

static __always_inline bool is_no_nat64(const struct packet *packet)
{
	return config.has_reserved && packet->family == 6 &&
	       has_reserved_bits(half_of(packet->destination), half_of(packet->destination + 2));
}

static __always_inline __u32 port_class(const struct packet *packet)
{
	__u32 zero = 0, port = bpf_ntohs(packet->destination_port);
	__u16 *classes = bpf_map_lookup_elem(&port_classes, &zero);

	return classes ? classes[port & 0xffff] : 0;
}

/* Row of the packet's protocol and destination port. */
static __always_inline __u32 port_row(const struct packet *packet)
{
	__u32 no_port = config.port_classes - 1;
	bool has_port = packet->unseen == UNSEEN_NOTHING;

	if (packet->unseen == UNSEEN_PROTOCOL)
		return 2 * config.port_classes + 1;
	if (packet->protocol == IPPROTO_TCP)
		return has_port ? port_class(packet) : no_port;
	if (packet->protocol == IPPROTO_UDP)
		return config.port_classes + (has_port ? port_class(packet) : no_port);
	return 2 * config.port_classes;
}

static __always_inline struct row *row(__u32 index)
{
	return bpf_map_lookup_elem(&rows, &index);
}

static __always_inline __u32 first_bit(__u64 word)
{
	/* clang 14 has no count of trailing zeros for BPF, but a population count. */
	return __builtin_popcountll((word & -word) - 1);
}

/* Index of the first rule that matches; config.rules is the default. */
__noinline __u32 matching_rule(const struct packet *packet)
{
	const struct row *to, *from, *port, *mac = NULL, *from_mac = NULL, *within = NULL;
	__u32 i;

	if (!packet)
		return config.rules;
	to = row(class_of(packet->destination, packet->family));
	from = row(config.from_rows + class_of(packet->source, packet->family));
	port = row(config.port_rows + port_row(packet));
	if (!to || !from || !port)
		return config.rules;
	if (config.nat64s && packet->family == 6) {
		__u64 inner = embedded_v4(half_of(packet->destination),
					  half_of(packet->destination + 2));

		if (inner) {
			within = row(class_of_v4(inner));
			if (!within)
				return config.rules;
		}
	}
	if (config.has_macs) {
		__u64 key = packet->source_mac;
		__u32 *known = bpf_map_lookup_elem(&macs, &key);
		__u32 class = known ? *known : 0;

		mac = row(config.mac_rows + class);
		from_mac = row(config.from_mac_rows + class);
		if (!mac || !from_mac)
			return config.rules;
	}
	for (i = 0; i < ROW_WORDS && i < config.row_words; i++) {
		__u64 source_holds = from->word[i], holds = to->word[i], match;

		/* The guards, all of them in the first word, mean the address itself. */
		if (within)
			holds |= i ? within->word[i] : within->word[i] & ~(__u64)config.guards;
		if (from_mac)
			source_holds |= from_mac->word[i];
		match = holds & port->word[i] & source_holds;
		if (mac)
			match &= mac->word[i];
		if (match)
			return i * 64 + first_bit(match);
	}
	return config.rules;
}

#endif /* SIDETRACK_BPF_LOOKUP_H */
