/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Which servers are fit, by what their heartbeats (heartbeat.h) left in `servers`.
 *
 * Nothing runs here to notice that a server has fallen silent: whoever asks compares the clock.
 */
#ifndef SIDETRACK_BPF_HEALTH_H
#define SIDETRACK_BPF_HEALTH_H

#include <stdbool.h>

#include "maps.h"
#include "parse.h"

#define SECOND_NS 1000000000ull

/* Bits of a target in what usable_targets() returns. */
#define FIT 1u
#define HELD (1u << TARGETS_MAX)

static __always_inline struct server_state *server_state_of(__u32 number)
{
	return bpf_map_lookup_elem(&servers, &number);
}

/* `heard` may be ahead: another CPU's clock, or an attach that believes in a server for a while. */
static __always_inline bool is_silent(const struct server_state *server, __u64 now, __u64 ns)
{
	return (__s64)(now - server->heard) > (__s64)ns;
}

/* Not static: the verifier then knows nothing of the result, and follows no two ways for each target. */
__noinline __u32 heartbeat_fitness(__u32 number, __u32 family)
{
	const struct server_state *server;
	const struct family_state *state;
	__u64 now = bpf_ktime_get_coarse_ns();

	if (number >= TARGETS_MAX)
		return 0;
	server = server_state_of(config.target[number].state);
	if (!server || server->owner != config.target[number].owner)
		return 0;
	state = &server->family[family == 4 ? 0 : 1];
	if (!state->is_up || is_silent(server, now, HEARTBEAT_ALIVE_NS))
		return 0;
	return (__s64)(state->held_until - now) > 0 ? HELD : FIT;
}

/* Whether the flows of this target are to be reset: only nftables can, so they are left to it. */
static __always_inline bool is_given_up(const volatile struct target *target)
{
	const struct server_state *server;

	if (!config.heartbeats || !target->has_heartbeat)
		return false;
	server = server_state_of(target->state);
	return !server || server->owner != target->owner ||
	       is_silent(server, bpf_ktime_get_coarse_ns(), config.reset_after * SECOND_NS);
}

#endif /* SIDETRACK_BPF_HEALTH_H */
