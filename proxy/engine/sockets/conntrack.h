/* SPDX-License-Identifier: MIT */
/*
 * Conntrack: the client as the kernel first saw it, and connections that it is to forget.
 *
 * When two connections from one port of a client, to two destinations, are
 * redirected to the same relay they would look alike, so conntrack gives one of
 * them another source port, and that is what accept() tells.  Only conntrack
 * itself still knows the true one; it is asked for the reply's tuple, when a
 * list of connections is wanted.  That takes CAP_NET_ADMIN; without it, or for
 * a connection it does not know (tproxy), the client stays what accept() told.
 */
#ifndef SIDETRACK_CONNTRACK_H
#define SIDETRACK_CONNTRACK_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "sockets/express-flow.h"

void conntrack_forget(const struct express_key *key, bool turned);
void conntrack_translate(struct sidetrack_relay_entry *entry, uint32_t count);

#endif /* SIDETRACK_CONNTRACK_H */
