/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The flow table: "decide once per flow".
 *
 * Holds the flows whose SYN was judged `proxy`.  Later packets of such a flow
 * follow it without a look at the rules, and keep it young.  The ages are those
 * of the nftables classifier, RFC 5382's for address translators: 2 h 4 min for
 * an established flow, 4 minutes for one that opens or closes.
 *
 * A full table refuses, as the nftables classifier's does: an LRU table would take
 * the place of a live flow, whose rest would then leave on another way than it
 * began.  Before it refuses it is swept: flows that are too old go, all at once,
 * and not again for SWEEP_INTERVAL, so that a flood pays for it only rarely.
 */
#ifndef SIDETRACK_BPF_FLOW_H
#define SIDETRACK_BPF_FLOW_H

#include "count.h"
#include "maps.h"
#include "parse.h"

#define SECONDS(s) ((__u32)((s) * 1000000000ull >> FLOW_CLOCK_SHIFT))
#define FLOW_ESTABLISHED_AGE SECONDS(7440)
#define FLOW_TRANSITORY_AGE SECONDS(240)
#define SWEEP_INTERVAL SECONDS(15)

static __always_inline __u32 flow_clock(void)
{
	return bpf_ktime_get_coarse_ns() >> FLOW_CLOCK_SHIFT;
}

static __always_inline void flow_key_v4(const struct packet *packet, struct flow_key_v4 *key)
{
	key->source = packet->source[0];
	key->destination = packet->destination[0];
	key->source_port = packet->source_port;
	key->destination_port = packet->destination_port;
}

static __always_inline void flow_key_v6(const struct packet *packet, struct flow_key_v6 *key)
{
	__builtin_memcpy(key->source, packet->source, sizeof(key->source));
	__builtin_memcpy(key->destination, packet->destination, sizeof(key->destination));
	key->source_port = packet->source_port;
	key->destination_port = packet->destination_port;
}

static __always_inline struct flow *flow_find(const struct packet *packet)
{
	struct flow_key_v6 key6;
	struct flow_key_v4 key4;

	if (packet->family == 4) {
		flow_key_v4(packet, &key4);
		return bpf_map_lookup_elem(&flows_v4, &key4);
	}
	flow_key_v6(packet, &key6);
	return bpf_map_lookup_elem(&flows_v6, &key6);
}

static __always_inline bool flow_is_expired(const struct flow *flow, __u32 now)
{
	__u32 age = flow->state == FLOW_ESTABLISHED ? FLOW_ESTABLISHED_AGE : FLOW_TRANSITORY_AGE;

	/* `seen` may be ahead: another CPU's packet came in between. */
	return (__s32)(now - flow->seen) > (__s32)age;
}

struct sweep {
	__u32 now;
	__u32 removed;
};

static long sweep_flow(void *map, const void *key, struct flow *flow, struct sweep *sweep)
{
	if (flow_is_expired(flow, sweep->now) && bpf_map_delete_elem(map, key) == 0)
		sweep->removed++;
	return 0;
}

/*
 * A function for each table: clang would merge the calls into one with a chosen
 * map, and kernel 6.1 lets one place walk over one map only.
 */
static __noinline long sweep_v4(struct sweep *sweep)
{
	return bpf_for_each_map_elem(&flows_v4, sweep_flow, sweep, 0);
}

static __noinline long sweep_v6(struct sweep *sweep)
{
	return bpf_for_each_map_elem(&flows_v6, sweep_flow, sweep, 0);
}

/* Makes room in a full table; false if there is none, or it was tried just now. */
static __always_inline bool flow_sweep(__u32 family)
{
	struct sweep sweep = { .now = flow_clock() };
	__u32 index = family == 4 ? 0 : 1;
	__u32 *last = bpf_map_lookup_elem(&sweeps, &index);

	/* Two CPUs may both sweep: that costs time, and harms nobody. */
	if (!last || (*last && sweep.now - *last < SWEEP_INTERVAL))
		return false;
	*last = sweep.now;
	if (family == 4)
		sweep_v4(&sweep);
	else
		sweep_v6(&sweep);
	count_events(COUNT_expired, sweep.removed);
	return sweep.removed > 0;
}

static __always_inline long flow_insert(const struct packet *packet)
{
	struct flow flow = { .seen = flow_clock(), .state = FLOW_OPENING };
	struct flow_key_v6 key6;
	struct flow_key_v4 key4;

	if (packet->family == 4) {
		flow_key_v4(packet, &key4);
		return bpf_map_update_elem(&flows_v4, &key4, &flow, BPF_ANY);
	}
	flow_key_v6(packet, &key6);
	return bpf_map_update_elem(&flows_v6, &key6, &flow, BPF_ANY);
}

/* Enters a flow, or begins it anew; false when there is no room. */
__noinline int flow_add(const struct packet *packet)
{
	if (!packet)
		return false;
	if (flow_insert(packet) == 0)
		return true;
	return flow_sweep(packet->family) && flow_insert(packet) == 0;
}

static __always_inline void flow_forget(const struct packet *packet)
{
	struct flow_key_v6 key6;
	struct flow_key_v4 key4;

	if (packet->family == 4) {
		flow_key_v4(packet, &key4);
		bpf_map_delete_elem(&flows_v4, &key4);
	} else {
		flow_key_v6(packet, &key6);
		bpf_map_delete_elem(&flows_v6, &key6);
	}
}

/* Whether a packet that opens nothing belongs to a steered flow; keeps that flow young. */
static __always_inline bool flow_follow(const struct packet *packet)
{
	struct flow *flow = flow_find(packet);
	__u32 now, state;

	if (!flow)
		return false;
	now = flow_clock();
	if (flow_is_expired(flow, now)) {
		flow_forget(packet);
		count_event(COUNT_expired);
		return false;
	}
	state = flow->state;
	if (packet->tcp_flags & (TCP_FIN | TCP_RST)) {
		if (state != FLOW_CLOSING)
			count_event(COUNT_closing);
		state = FLOW_CLOSING;
	} else if (state == FLOW_OPENING) {
		state = FLOW_ESTABLISHED;
	}
	/* Write only news: the cache line is shared with the neighbours in the bucket. */
	if (flow->state != state)
		flow->state = state;
	if (flow->seen != now)
		flow->seen = now;
	return true;
}

#endif /* SIDETRACK_BPF_FLOW_H */
