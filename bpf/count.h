/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Counters: per CPU, so that no packet waits for another one's cache line. */
#ifndef SIDETRACK_BPF_COUNT_H
#define SIDETRACK_BPF_COUNT_H

#include "maps.h"

static __always_inline void count(void *map, __u32 index, __u32 bytes)
{
	struct counter *counter = bpf_map_lookup_elem(map, &index);

	if (!counter)
		return;
	counter->packets++;
	counter->bytes += bytes;
}

static __always_inline void count_outcome(struct __sk_buff *skb, __u32 outcome)
{
	count(&counters, outcome, skb->len);
}

static __always_inline void count_event(__u32 event)
{
	count(&counters, event, 0);
}

static __always_inline void count_events(__u32 event, __u32 times)
{
	struct counter *counter = bpf_map_lookup_elem(&counters, &event);

	if (counter)
		counter->packets += times;
}

#endif /* SIDETRACK_BPF_COUNT_H */
