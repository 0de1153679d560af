/* SPDX-License-Identifier: MIT */
/*
 * Which clients reach which destinations: asked once, at a connection's beginning.
 *
 * Packet filters decide what reaches the relay; this holds whatever they let
 * through.  A host that sends packets for any destination to this machine, by a
 * route of its own, would otherwise be connected to every network that is attached
 * here.  So TypeScript makes a table of addresses, with bits for each:
 *
 *	DENIED	no client is connected to it: relay.deny, and what is refused by
 *		itself less relay.allow
 *	OWN	an address of this machine.  As a destination it would lead back to
 *		us.  As a client's it already has: the connection is one of ours,
 *		which left by an interface that the router does not know for ours.
 *
 * A third bit refuses nothing: ATTACHED says that an address is on a network of one of
 * our interfaces, so that no paced congestion control is wanted on the way there.
 *
 * The table has the shape of the routes' (route.h), so that it costs one search for
 * the destination and one for the client, and no system call.  It changes when the
 * configuration does, and when this machine's addresses do, which must not wait for
 * connections of older generations; so it is no part of them.  Like a generation it
 * reaches each thread through a box of its own, with a hold already taken, and is
 * never changed; but no thread keeps it longer than the question takes, so the thread
 * gives the old one back at once.
 *
 * One thing needs no table.  An IPv4 destination is written ::ffff:a.b.c.d here, and
 * Linux carries IPv6 packets to just that address, whatever the rules for the IPv4
 * one say.  An IPv6 client is therefore refused all of ::ffff:0:0/96, and of ::/96,
 * which has fallen out of use.  Its family is its own: IPv4 clients reach a dual-stack
 * listener as ::ffff:a.b.c.d, and an IPv6 packet with such a source never does,
 * because Linux drops it on arrival (since 5.4).
 */
#ifndef SIDETRACK_GUARD_H
#define SIDETRACK_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "base/endpoint.h"

struct guard;

enum outcome guard_judge(const struct guard *guard, const struct endpoint *client,
			 const struct endpoint *destination);

bool guard_is_attached(const struct guard *guard, const struct endpoint *client);

int guard_create(const uint8_t *table, int32_t length, struct guard **guard);
void guard_share(struct guard *guard, uint32_t threads);
void guard_release(struct guard *guard);

#endif /* SIDETRACK_GUARD_H */
