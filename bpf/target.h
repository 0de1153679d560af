/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The servers that packets are steered to, and which of them a new flow goes to.
 * A flow's entry has the number of its own, so that all of its packets go where
 * the first one went.
 *
 * A rule means a group of servers.  The flow's hash is a slot of the group's
 * tables, which name three servers for it, each the first where those before it
 * are lost; then comes the order of the configuration; then the backups, alike.
 * control/policy/choice.ts makes the tables and is the reference.
 */
#ifndef SIDETRACK_BPF_TARGET_H
#define SIDETRACK_BPF_TARGET_H

#include <stdbool.h>

#include "health.h"
#include "jhash.h"
#include "maps.h"
#include "parse.h"

/* Where there is one target only, the verifier knows which, and what that does not need is no code. */
static __always_inline const volatile struct target *target_of(__u32 number)
{
	/* Flows of a target that is there no more: the first one answers for it. */
	if (config.targets < 2 || number >= config.targets)
		return &config.target[0];
	return &config.target[number & (TARGETS_MAX - 1)];
}

static __always_inline bool target_takes(const volatile struct target *target,
					 const struct packet *packet)
{
	return packet->family == 4 ? target->steers_v4 : target->steers_v6;
}

/* Where there are no groups: the first that takes the family; TARGETS_MAX if there is none. */
static __always_inline __u32 first_target(const struct packet *packet)
{
	__u32 i;

	for (i = 0; i < TARGETS_MAX && i < config.targets; i++)
		if (target_takes(&config.target[i], packet))
			return i;
	return TARGETS_MAX;
}

/* FIT or HELD of each target that takes the packet's family. */
__noinline __u32 usable_targets(const struct packet *packet)
{
	__u32 i, usable = 0;

	if (!packet)
		return 0;
	for (i = 0; i < TARGETS_MAX && i < config.targets; i++) {
		const volatile struct target *target = &config.target[i];

		if (!target_takes(target, packet))
			continue;
		usable |= (target->has_heartbeat ? heartbeat_fitness(i, packet->family) : FIT) << i;
	}
	return usable;
}

static __always_inline void push_address(struct jhash_key *key, __u32 family,
					 const __be32 address[4])
{
	__u32 at = key->length;

	key->word[at] = address[0];
	if (family == 4) {
		key->length = at + 1;
		return;
	}
	key->word[at + 1] = address[1];
	key->word[at + 2] = address[2];
	key->word[at + 3] = address[3];
	key->length = at + 4;
}

static __always_inline void push_port(struct jhash_key *key, __be16 port)
{
	key->word[key->length++] = port;
}

/* Fields as nftables concatenates them: each begins a word. */
static __always_inline __u32 slot_in_family(const struct packet *packet, __u32 family)
{
	struct jhash_key key = {};

	push_address(&key, family, packet->source);
	if (config.balance == BALANCE_flow)
		push_port(&key, packet->source_port);
	if (config.balance != BALANCE_client)
		push_address(&key, family, packet->destination);
	if (config.balance == BALANCE_flow)
		push_port(&key, packet->destination_port);
	return ((__u64)jhash(&key, config.choice_seed) * CHOICE_SLOTS) >> 32;
}

static __always_inline __u32 slot_of(const struct packet *packet)
{
	return packet->family == 4 ? slot_in_family(packet, 4) : slot_in_family(packet, 6);
}

static __always_inline bool is_among(__u32 targets, __u32 number)
{
	return targets >> (number & (TARGETS_MAX - 1)) & 1;
}

/* The first of `fit` by this table; TARGETS_MAX if there is none. */
__noinline __u32 choose_by_table(__u32 index, __u32 slot, __u32 fit)
{
	const struct choice *choice = bpf_map_lookup_elem(&choices, &index);
	__u32 i, number;

	if (!choice)
		return TARGETS_MAX;
	for (i = 0; choice->count > 1 && i < CHOICE_LEVELS; i++) {
		number = choice->slot[i][slot & (CHOICE_ROOM - 1)];
		if (is_among(fit, number))
			return number;
	}
	for (i = 0; i < TARGETS_MAX && i < choice->count; i++) {
		number = choice->order[i];
		if (is_among(fit, number))
			return number;
	}
	return TARGETS_MAX;
}

/* The target of a new flow of a group, one of `usable`; TARGETS_MAX if there is none. */
__noinline __u32 target_choose(const struct packet *packet, __u32 group, __u32 usable)
{
	__u32 slot, first, number, i;

	if (!packet)
		return TARGETS_MAX;
	slot = slot_of(packet);
	first = group * TABLES_PER_GROUP + (packet->family == 4 ? 0 : 2);
	/* Where on_failure is direct, that is better than one that keeps failing. */
	for (i = 0; i < 2 && (i < 1 || config.blocks_on_failure); i++) {
		number = choose_by_table(first, slot, usable);
		if (number >= TARGETS_MAX)
			number = choose_by_table(first + 1, slot, usable);
		if (number < TARGETS_MAX)
			return number;
		usable >>= TARGETS_MAX;
	}
	return TARGETS_MAX;
}

#endif /* SIDETRACK_BPF_TARGET_H */
