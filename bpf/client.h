/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Shares of the flow table: how many flows each client has in it, so that none
 * can fill it alone.
 *
 * A flow is counted when it enters the table and discounted when it leaves, each
 * by the CPU that made it so: two CPUs never count one flow twice.  A client over its
 * share may exceed it by one flow for each CPU, since there is no lock to wait for.
 * A client without room here has no limit, and is not counted.
 */
#ifndef SIDETRACK_BPF_CLIENT_H
#define SIDETRACK_BPF_CLIENT_H

#include "clock.h"
#include "maps.h"
#include "parse.h"

/* For how long a client that was over its share is shown. */
#define REFUSED_AGE SECONDS(600)

static __always_inline void client_key(const struct packet *packet, struct client_key *key)
{
	__builtin_memcpy(key->address, packet->source, sizeof(key->address));
	key->family = packet->family;
}

static __always_inline void client_count(const struct packet *packet)
{
	struct client first = { .flows = 1 };
	struct client_key key;
	struct client *client;

	client_key(packet, &key);
	client = bpf_map_lookup_elem(&clients, &key);
	if (!client) {
		if (bpf_map_update_elem(&clients, &key, &first, BPF_NOEXIST) == 0)
			return;
		/* Another CPU was faster, or there is no room. */
		client = bpf_map_lookup_elem(&clients, &key);
	}
	if (client)
		__sync_fetch_and_add(&client->flows, 1);
}

/*
 * A count that has missed flows, of a client without room here, reaches zero before they do;
 * then two CPUs that discount at once bring it below, which must not pass for four billion.
 */
static __always_inline __s32 client_flows(const struct client *client)
{
	return (__s32)client->flows;
}

static __always_inline void client_discount(const struct client_key *key)
{
	struct client *client = bpf_map_lookup_elem(&clients, key);

	if (client && client_flows(client) > 0)
		__sync_fetch_and_add(&client->flows, -1);
}

static __always_inline bool client_has_share(const struct packet *packet)
{
	struct client_key key;
	struct client *client;

	if (!config.max_flows_per_client)
		return true;
	client_key(packet, &key);
	client = bpf_map_lookup_elem(&clients, &key);
	return !client || client_flows(client) < (__s32)config.max_flows_per_client;
}

/* Shows which clients these are. */
static __always_inline void client_refuse(const struct packet *packet, __u32 now)
{
	struct client_key key;
	struct client *client;

	client_key(packet, &key);
	client = bpf_map_lookup_elem(&clients, &key);
	if (client && client->refused != now)
		client->refused = now;
}

/* A client without flows needs no entry, unless it is still shown as one that had too many. */
static long sweep_client(void *map, const void *key, struct client *client, __u32 *now)
{
	bool shown = client->refused && *now - client->refused < REFUSED_AGE;

	if (client_flows(client) <= 0 && !shown)
		bpf_map_delete_elem(map, key);
	return 0;
}

static __noinline long sweep_clients(__u32 *now)
{
	return bpf_for_each_map_elem(&clients, sweep_client, now, 0);
}

#endif /* SIDETRACK_BPF_CLIENT_H */
