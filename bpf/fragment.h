/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What became of first fragments.
 *
 * Only the first fragment has the ports, so it is judged, and the later ones follow it, as they would
 * if the packet were put together here.  Of a later one whose first one was not seen nothing is
 * known but its addresses and protocol.  The table is small and forgets the oldest: a host that is
 * flooded out of it is judged by those alone.
 */
#ifndef SIDETRACK_BPF_FRAGMENT_H
#define SIDETRACK_BPF_FRAGMENT_H

#include "flow.h"
#include "maps.h"
#include "parse.h"

#define FRAGMENTS_MAX 4096
/* How long hosts wait for the rest of a packet (RFC 8200, 4.5). */
#define FRAGMENT_AGE SECONDS(60)

struct fragment_key {
	__be32 source[4], destination[4];
	__be32 id;
	__u32 protocol;		/* 0 for IPv6, whose identification is one for all protocols */
};

struct fragment_fate {
	__u32 seen;		/* as in struct flow */
	__u32 is_dropped;
};

MAP(fragments, BPF_MAP_TYPE_LRU_HASH, struct fragment_key, struct fragment_fate, FRAGMENTS_MAX);

enum fate {
	FATE_UNKNOWN,
	FATE_PASSED,
	FATE_DROPPED,
};

static __always_inline void fragment_key(const struct packet *packet, struct fragment_key *key)
{
	__builtin_memcpy(key->source, packet->source, sizeof(key->source));
	__builtin_memcpy(key->destination, packet->destination, sizeof(key->destination));
	key->id = packet->fragment_id;
	key->protocol = packet->family == 4 ? packet->protocol : 0;
}

/* Not static, and so verified once. */
__noinline int fragment_remember(const struct packet *packet, bool is_dropped)
{
	struct fragment_fate fate = { .seen = flow_clock(), .is_dropped = is_dropped };
	struct fragment_key key;

	if (!packet)
		return 0;
	fragment_key(packet, &key);
	return bpf_map_update_elem(&fragments, &key, &fate, BPF_ANY);
}

__noinline int fragment_fate(const struct packet *packet)
{
	struct fragment_fate *fate;
	struct fragment_key key;

	if (!packet)
		return FATE_UNKNOWN;
	fragment_key(packet, &key);
	fate = bpf_map_lookup_elem(&fragments, &key);
	if (!fate || (__s32)(flow_clock() - fate->seen) > (__s32)FRAGMENT_AGE)
		return FATE_UNKNOWN;
	return fate->is_dropped ? FATE_DROPPED : FATE_PASSED;
}

#endif /* SIDETRACK_BPF_FRAGMENT_H */
