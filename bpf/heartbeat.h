/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Heartbeats: what each server says of itself twice a second, to the router.
 *
 * An authentic one comes from the server's address (and link address, where that
 * is configured), is hashed with the server's key, and has a higher counter than
 * any before it: who reads one on the way cannot say it again.  It is noted in
 * `servers` and passed on to nftables, which resets the flows of servers that are
 * silent.  What else comes from a server's address to that port of this router is
 * dropped, and is counted.  What comes from others is counted and left alone: where
 * the router masquerades, it may be the answer to a client that uses the port, too.
 *
 * Its payload, big-endian, is that of control/heartbeat/message.ts.
 */
#ifndef SIDETRACK_BPF_HEARTBEAT_H
#define SIDETRACK_BPF_HEARTBEAT_H

#include <stdbool.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>

#include "count.h"
#include "health.h"
#include "maps.h"
#include "parse.h"
#include "route.h"
#include "siphash.h"

#define HEARTBEAT_MAGIC 0x5344544bu	/* SDTK */
#define HEARTBEAT_VERSION 1

struct heartbeat {
	struct udphdr udp;
	__be32 magic;
	__u8 version;
	__u8 flags;
	__u8 reason;
	__u8 zero;
	__be64 counter;
	__u8 tag[16];
	__be64 hash;
} __attribute__((packed, aligned(8)));

#define PAYLOAD_LENGTH (sizeof(struct heartbeat) - sizeof(struct udphdr))

enum hearing {
	HEARD_ELSEWHERE,	/* not for this router, or from no server's address */
	HEARD_IGNORED,
	HEARD,
};

static __always_inline bool is_to_heartbeat_port(const struct packet *packet)
{
	return config.heartbeats && packet->protocol == IPPROTO_UDP &&
	       packet->unseen == UNSEEN_NOTHING &&
	       packet->destination_port == (__be16)config.heartbeat_port;
}

static __always_inline bool is_source(const volatile struct target *target,
				      const struct packet *packet)
{
	if (packet->family == 4)
		return target->heartbeat_v4 && packet->source[0] == target->heartbeat_v4;
	return (target->heartbeat_v6[0] || target->heartbeat_v6[3]) &&
	       ((packet->source[0] ^ target->heartbeat_v6[0]) |
		(packet->source[1] ^ target->heartbeat_v6[1]) |
		(packet->source[2] ^ target->heartbeat_v6[2]) |
		(packet->source[3] ^ target->heartbeat_v6[3])) == 0;
}

/* The target whose heartbeats come from there; TARGETS_MAX if there is none. */
__noinline __u32 heartbeat_sender(const struct packet *packet)
{
	__u32 i;

	if (!packet)
		return TARGETS_MAX;
	for (i = 0; i < TARGETS_MAX && i < config.targets; i++)
		if (config.target[i].has_heartbeat && is_source(&config.target[i], packet))
			return i;
	return TARGETS_MAX;
}

/* Neither IP options nor extension headers nor a tag that is still in the frame: none is ever sent. */
static __always_inline bool read_heartbeat(struct __sk_buff *skb, const struct packet *packet,
					   struct heartbeat *heartbeat)
{
	__u32 offset = ETH_HLEN + (packet->family == 4 ? sizeof(struct iphdr) :
							  sizeof(struct ipv6hdr));

	if (packet->fragment != FRAGMENT_NONE || packet->tags ||
	    bpf_skb_load_bytes(skb, offset, heartbeat, sizeof(*heartbeat)) != 0)
		return false;
	return heartbeat->udp.dest == packet->destination_port &&
	       heartbeat->udp.len == bpf_htons(sizeof(*heartbeat)) &&
	       heartbeat->magic == bpf_htonl(HEARTBEAT_MAGIC) &&
	       heartbeat->version == HEARTBEAT_VERSION;
}

static __always_inline bool has_right_hash(const struct heartbeat *heartbeat, __u32 number)
{
	const struct heartbeat_key *key = bpf_map_lookup_elem(&heartbeat_keys, &number);
	struct siphash_message message;

	/* One that was never written is no secret. */
	if (!key || !(key->word[0] | key->word[1]))
		return false;
	__builtin_memcpy(&message, &heartbeat->magic, sizeof(message));
	return siphash(&message, key->word[0], key->word[1]) == bpf_be64_to_cpu(heartbeat->hash);
}

/* For how long a server that came back is spared new flows: the longer, the more often it did. */
static __always_inline __u64 hold_ns(__u32 flaps)
{
	if (flaps == 0)
		return 0;
	if (flaps == 1)
		return 5 * SECOND_NS;
	return flaps == 2 ? 15 * SECOND_NS : 45 * SECOND_NS;
}

static __always_inline void come_back(struct family_state *state, __u64 now)
{
	bool again = state->returned && now - state->returned <= FLAP_NS;

	state->flaps = again ? state->flaps + (state->flaps < 3) : 0;
	state->returned = now;
	state->since = now;
	state->held_until = now + hold_ns(state->flaps);
	state->is_up = 1;
}

static __always_inline void note_family(struct family_state *state, bool is_fit, bool was_silent,
					__u64 now)
{
	if (was_silent || !is_fit) {
		state->is_up = 0;
		state->rise = 0;
	}
	if (!is_fit || state->is_up)
		return;
	state->rise++;
	if (state->rise >= config.rise)
		come_back(state, now);
}

/* The key is another one: what is known is not of this server. */
static __always_inline void begin_anew(struct server_state *server, __u64 owner)
{
	__builtin_memset(server, 0, sizeof(*server));
	server->owner = owner;
}

static __always_inline bool is_told(__u64 mac)
{
	__u32 i;

	for (i = 0; i < SERVERS_MAX && i < config.server_macs; i++)
		if (config.server_mac[i] == mac)
			return true;
	return false;
}

/* server.h takes what comes from there for the server's, too. */
__noinline int follow_mac(__u32 number, __u64 mac)
{
	__u64 bit = 1ull << (number & (TARGETS_MAX - 1));
	__u32 zero = 0;
	__u64 *mask = bpf_map_lookup_elem(&moved, &zero);
	bool has_moved = !is_told(mac);

	if (!mask || has_moved == !!(*mask & bit))
		return 0;
	if (has_moved)
		*mask |= bit;
	else
		*mask &= ~bit;
	return 0;
}

/* Two CPUs that note heartbeats of one server at once may lose one of them; the next one tells. */
static __always_inline void note_heartbeat(struct server_state *server,
					   const struct heartbeat *heartbeat, __u64 mac)
{
	bool leaves = heartbeat->flags & HEARTBEAT_LEAVING;
	__u64 now = bpf_ktime_get_coarse_ns();
	bool was_silent = is_silent(server, now, HEARTBEAT_ALIVE_NS);

	note_family(&server->family[0], !leaves && heartbeat->flags & HEARTBEAT_FIT4, was_silent, now);
	note_family(&server->family[1], !leaves && heartbeat->flags & HEARTBEAT_FIT6, was_silent, now);
	server->flags = heartbeat->flags;
	server->reason = heartbeat->reason;
	server->counter = bpf_be64_to_cpu(heartbeat->counter);
	server->mac = mac;
	server->heard = now;
}

/* Notes it if it is authentic; else returns what is wrong with it. */
static __always_inline enum ignored take_heartbeat(struct __sk_buff *skb,
						   const struct packet *packet, __u32 number,
						   struct server_state *server)
{
	const volatile struct target *target = &config.target[number & (TARGETS_MAX - 1)];
	struct heartbeat heartbeat;

	if (!read_heartbeat(skb, packet, &heartbeat))
		return IGNORED_malformed;
	if (!has_right_hash(&heartbeat, target->state))
		return IGNORED_tag;
	if (target->heartbeat_mac && target->heartbeat_mac != packet->source_mac)
		return IGNORED_mac;
	if (server->owner != target->owner)
		begin_anew(server, target->owner);
	if (bpf_be64_to_cpu(heartbeat.counter) <= server->counter)
		return IGNORED_replay;
	note_heartbeat(server, &heartbeat, packet->source_mac);
	return IGNORED_KINDS;
}

/*
 * What to do with a packet to the heartbeats' port.  Not static: two programs call
 * it.  That an authentic one is for this router need not be asked.
 */
__noinline int hear(struct __sk_buff *skb, const struct packet *packet)
{
	struct server_state *server = NULL;
	enum ignored why = IGNORED_address;
	__u32 number;

	if (!packet)
		return HEARD_ELSEWHERE;
	number = heartbeat_sender(packet);
	if (number < TARGETS_MAX)
		server = server_state_of(config.target[number].state);
	if (server)
		why = take_heartbeat(skb, packet, number, server);
	if (why == IGNORED_KINDS) {
		if (config.follows_macs)
			follow_mac(number, packet->source_mac);
		return HEARD;
	}
	if (!is_for_router(skb, skb->ifindex, packet))
		return HEARD_ELSEWHERE;
	if (!server) {
		count_event(COUNT_heartbeat_stranger);
		return HEARD_ELSEWHERE;
	}
	__sync_fetch_and_add(&server->ignored[why], 1);
	return HEARD_IGNORED;
}

#endif /* SIDETRACK_BPF_HEARTBEAT_H */
