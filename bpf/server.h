/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Whether a packet comes from a server, by its link address or its own. */
#ifndef SIDETRACK_BPF_SERVER_H
#define SIDETRACK_BPF_SERVER_H

#include "maps.h"
#include "parse.h"

/* One comparison each: every branch in a loop doubles what the verifier has to follow. */
static __always_inline bool is_server_v4(const struct packet *packet)
{
	__u32 i;

	for (i = 0; i < SERVERS_MAX && i < config.server_v4s; i++)
		if (packet->source[0] == config.server_v4[i])
			return true;
	return false;
}

static __always_inline bool is_server_v6(const struct packet *packet)
{
	__u32 i;

	for (i = 0; i < SERVERS_MAX && i < config.server_v6s; i++)
		if (((packet->source[0] ^ config.server_v6[i][0]) |
		     (packet->source[1] ^ config.server_v6[i][1]) |
		     (packet->source[2] ^ config.server_v6[i][2]) |
		     (packet->source[3] ^ config.server_v6[i][3])) == 0)
			return true;
	return false;
}

/* By its last heartbeat; all but never is there one, so one word says whether to look. */
static __always_inline bool is_moved_mac(__u64 mac)
{
	const struct server_state *server;
	__u32 i, zero = 0;
	__u64 *mask = bpf_map_lookup_elem(&moved, &zero);

	if (!mask || !*mask)
		return false;
	for (i = 0; i < TARGETS_MAX && i < config.targets; i++) {
		__u32 number = i;

		server = bpf_map_lookup_elem(&servers, &number);
		if (server && server->mac == mac)
			return true;
	}
	return false;
}

/* Comes before the flow table: what a server sends back to us must not return to it. */
__noinline int is_from_server(const struct packet *packet)
{
	__u32 i;

	if (!packet)
		return true;
	for (i = 0; i < SERVERS_MAX && i < config.server_macs; i++)
		if (packet->source_mac == config.server_mac[i])
			return true;
	if (config.follows_macs && is_moved_mac(packet->source_mac))
		return true;
	return packet->family == 4 ? is_server_v4(packet) : is_server_v6(packet);
}

#endif /* SIDETRACK_BPF_SERVER_H */
