/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The servers that packets are steered to.  A flow's entry has the number of its
 * own, so that all of its packets go where the first one went.
 */
#ifndef SIDETRACK_BPF_TARGET_H
#define SIDETRACK_BPF_TARGET_H

#include <stdbool.h>

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

/* The target of a new flow: the first that takes its family; TARGETS_MAX if there is none. */
static __always_inline __u32 target_choose(const struct packet *packet)
{
	__u32 i;

	for (i = 0; i < TARGETS_MAX && i < config.targets; i++)
		if (target_takes(&config.target[i], packet))
			return i;
	return TARGETS_MAX;
}

#endif /* SIDETRACK_BPF_TARGET_H */
