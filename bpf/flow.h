/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The flow table: "decide once per flow".
 *
 * Holds the flows whose SYN was judged `proxy`.  Later packets of such a flow
 * follow it without a look at the rules, and keep it young.  The ages are those
 * of the nftables classifier, RFC 5382's for address translators: 2 h 4 min for
 * an established flow, 4 minutes for one that opens or closes.  It is established
 * when its client has sent data (PSH, which every stack sets on the last piece of
 * what was written): an unanswered flood is soon forgotten.
 *
 * A full table refuses, as the nftables classifier's does: an LRU table would take
 * the place of a live flow, whose rest would then leave on another way than it
 * began.  So is a client that has its share of it (client.h).  Before either is
 * refused the table is swept: flows that are too old go, all at once, and not again
 * for SWEEP_INTERVAL, so that a flood pays for it only rarely.
 */
#ifndef SIDETRACK_BPF_FLOW_H
#define SIDETRACK_BPF_FLOW_H

#include "client.h"
#include "clock.h"
#include "count.h"
#include "maps.h"
#include "parse.h"

#define FLOW_ESTABLISHED_AGE SECONDS(7440)
#define FLOW_TRANSITORY_AGE SECONDS(240)
#define SWEEP_INTERVAL SECONDS(15)

#ifndef EEXIST
#define EEXIST 17
#endif

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
	__u32 family;
};

/* The source comes first in both kinds of key. */
static long sweep_flow(void *map, const __be32 *key, struct flow *flow, struct sweep *sweep)
{
	struct client_key client = { .family = sweep->family };

	if (!flow_is_expired(flow, sweep->now))
		return 0;
	client.address[0] = key[0];
	if (sweep->family != 4) {
		client.address[1] = key[1];
		client.address[2] = key[2];
		client.address[3] = key[3];
	}
	if (bpf_map_delete_elem(map, key) != 0)
		return 0;
	sweep->removed++;
	client_discount(&client);
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

/* Makes room; false if there is none, or it was tried just now. */
static __always_inline bool flow_sweep(__u32 family)
{
	struct sweep sweep = { .now = flow_clock(), .family = family };
	__u32 index = family == 4 ? 0 : 1;
	__u32 *last = bpf_map_lookup_elem(&sweeps, &index);

	/* Two CPUs may both sweep: that costs time and does no harm. */
	if (!last || (*last && sweep.now - *last < SWEEP_INTERVAL))
		return false;
	*last = sweep.now;
	if (family == 4)
		sweep_v4(&sweep);
	else
		sweep_v6(&sweep);
	sweep_clients(&sweep.now);
	count_events(COUNT_expired, sweep.removed);
	return sweep.removed > 0;
}

/* Not over one that another CPU has just entered: that CPU counts it. */
static __always_inline bool flow_insert(const struct packet *packet, __u32 target)
{
	struct flow flow = { .seen = flow_clock(), .state = FLOW_OPENING, .target = target };
	struct flow_key_v6 key6;
	struct flow_key_v4 key4;
	long result;

	if (packet->family == 4) {
		flow_key_v4(packet, &key4);
		result = bpf_map_update_elem(&flows_v4, &key4, &flow, BPF_NOEXIST);
	} else {
		flow_key_v6(packet, &key6);
		result = bpf_map_update_elem(&flows_v6, &key6, &flow, BPF_NOEXIST);
	}
	if (result == 0)
		client_count(packet);
	return result == 0 || result == -EEXIST;
}

/* A known tuple is a new flow, too; it keeps its place. */
static __always_inline bool flow_renew(const struct packet *packet, __u32 target)
{
	struct flow *flow = flow_find(packet);

	if (!flow)
		return false;
	flow->seen = flow_clock();
	flow->state = FLOW_OPENING;
	flow->target = target;
	return true;
}

/* Enters a flow, or begins it anew; else returns what to count it as. */
__noinline int flow_add(const struct packet *packet, __u32 target)
{
	if (!packet)
		return COUNT_table_full;
	if (flow_renew(packet, target))
		return 0;
	if (!client_has_share(packet) &&
	    !(flow_sweep(packet->family) && client_has_share(packet))) {
		client_refuse(packet, flow_clock());
		return COUNT_over_share;
	}
	if (flow_insert(packet, target) ||
	    (flow_sweep(packet->family) && flow_insert(packet, target)))
		return 0;
	return COUNT_table_full;
}

static __always_inline void flow_forget(const struct packet *packet)
{
	struct flow_key_v6 key6;
	struct flow_key_v4 key4;
	struct client_key client;
	long result;

	if (packet->family == 4) {
		flow_key_v4(packet, &key4);
		result = bpf_map_delete_elem(&flows_v4, &key4);
	} else {
		flow_key_v6(packet, &key6);
		result = bpf_map_delete_elem(&flows_v6, &key6);
	}
	if (result != 0)
		return;
	client_key(packet, &client);
	client_discount(&client);
}

/*
 * Whether a packet that opens nothing belongs to a steered flow, and where that goes; keeps the flow
 * young.
 */
static __always_inline bool flow_follow(const struct packet *packet, __u32 *target)
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
	} else if (state == FLOW_OPENING && packet->tcp_flags & TCP_PSH) {
		state = FLOW_ESTABLISHED;
	}
	*target = flow->target;
	/* Write only news: the cache line is shared with the neighbours in the bucket. */
	if (flow->state != state)
		flow->state = state;
	if (flow->seen != now)
		flow->seen = now;
	return true;
}

#endif /* SIDETRACK_BPF_FLOW_H */
