/* SPDX-License-Identifier: MIT */
/*
 * Probes: connections without a client that find out whether an upstream works.
 *
 * The first thread makes one through each upstream every now and then, by the
 * same dialling and handshakes as for clients (establish.h), to a destination
 * that is known to be good, and closes it when bytes could pass, or once it has
 * been answered: some proxies say yes and then pass nothing.  After a failure
 * the upstream backs off, a success ends that, so that clients need not find
 * out.  There may be a destination for each family of addresses; then each is
 * judged by itself, as long as one of them works.
 * Probes are no connections of the relay's: they are in no limit, no list and no
 * counter but their own.  A shortage of our own proves nothing.
 */
#ifndef SIDETRACK_PROBE_H
#define SIDETRACK_PROBE_H

#include <stdbool.h>

#include "abi.h"

struct connection;
struct thread;
struct thread_context;

void probe_init(struct thread *thread);
void probe_schedule(struct thread *thread);
void probe_cancel(struct thread *thread);
bool probe_asks(const struct connection *connection);
enum outcome probe_ask(struct connection *connection);
enum outcome probe_listen(const struct connection *connection);
void probe_ended(struct thread_context *context, const struct connection *connection,
		 enum outcome outcome);

#endif /* SIDETRACK_PROBE_H */
