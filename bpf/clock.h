/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The flow clock: coarse, and 32 bits are enough for it. */
#ifndef SIDETRACK_BPF_CLOCK_H
#define SIDETRACK_BPF_CLOCK_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"

/* In units of the flow clock. */
#define SECONDS(s) ((__u32)((s) * 1000000000ull >> FLOW_CLOCK_SHIFT))

static __always_inline __u32 flow_clock(void)
{
	return bpf_ktime_get_coarse_ns() >> FLOW_CLOCK_SHIFT;
}

#endif /* SIDETRACK_BPF_CLOCK_H */
