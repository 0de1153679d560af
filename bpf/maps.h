/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The maps.  Sizes that depend on the policy are 1 here and set by the loader.
 *
 * `flows_*`, `clients`, `counters`, `servers` and `moved` are pinned and outlive a program; everything else
 * belongs to one program set, is written before that program set is attached and
 * never changed.
 *
 * The tables are arrays of middling elements, not one element of megabytes:
 * lookups in arrays are inlined to a bounds check either way, and kernels that
 * copy a value through kmalloc() refuse values of 2 MiB or 4 MiB.
 */
#ifndef SIDETRACK_BPF_MAPS_H
#define SIDETRACK_BPF_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"

#define MAP(name, map_type, key, value, entries)			\
	struct {							\
		__uint(type, map_type);					\
		__uint(max_entries, entries);				\
		__uint(key_size, sizeof(key));				\
		__uint(value_size, sizeof(value));			\
	} name SEC(".maps")

#define TABLE(name, value) MAP(name, BPF_MAP_TYPE_ARRAY, __u32, value, 1)

MAP(flows_v4, BPF_MAP_TYPE_HASH, struct flow_key_v4, struct flow, 1 << 20);
MAP(flows_v6, BPF_MAP_TYPE_HASH, struct flow_key_v6, struct flow, 1 << 20);
/* Who has how many of them. */
MAP(clients, BPF_MAP_TYPE_HASH, struct client_key, struct client, 1 << 16);
MAP(counters, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct counter, COUNTERS);

/* What is known of each target, by its number. */
MAP(servers, BPF_MAP_TYPE_ARRAY, __u32, struct server_state, TARGETS_MAX);
/* Bits of those whose last heartbeat came from a link address that this program set was not told. */
MAP(moved, BPF_MAP_TYPE_ARRAY, __u32, __u64, 1);

/* When each family's flow table was last swept. */
MAP(sweeps, BPF_MAP_TYPE_ARRAY, __u32, __u32, 2);

/* By rule; the default comes last.  First packets only. */
MAP(rule_counters, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct counter, 1);
/* Not read here: it tells readers which rule a counter belongs to. */
TABLE(rule_names, char[RULE_NAME_LENGTH]);

MAP(v4_blocks, BPF_MAP_TYPE_ARRAY, __u32, struct v4_block, 1 << 16);
TABLE(v4_refs, struct ref_block);
TABLE(v4_pairs, struct v4_pair);
TABLE(v4_leaves, struct v4_leaf);
MAP(v6_index, BPF_MAP_TYPE_ARRAY, __u32, struct ref_block, (1 << 16) / REFS_PER_BLOCK);
TABLE(v6_nodes, struct v6_node);
TABLE(port_classes, __u16[1 << 16]);
MAP(macs, BPF_MAP_TYPE_HASH, __u64, __u32, 1);
TABLE(rows, struct row);
/* TABLES_PER_GROUP for each group: IPv4 and its backups, IPv6 and its backups. */
TABLE(choices, struct choice);
MAP(heartbeat_keys, BPF_MAP_TYPE_ARRAY, __u32, struct heartbeat_key, TARGETS_MAX);

/* A section of its own: clang 19 puts constants that it makes itself into .rodata. */
const volatile struct config config SEC(".rodata.config") = {};

#endif /* SIDETRACK_BPF_MAPS_H */
