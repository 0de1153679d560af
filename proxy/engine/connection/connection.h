/* SPDX-License-Identifier: MIT */
/*
 * One relayed connection: two legs and two directions.
 *
 * Theory of operation
 *
 *	           leg[CLIENT]                    leg[UPSTREAM]
 *	client ────────●──── direction[CLIENT] ────────▶●────────── destination
 *	               ●◀─── direction[UPSTREAM] ───────●
 *
 * Legs and directions are indexed by side, a direction by the side it reads
 * from, so that `side` and `!side` write every rule once for both ways.
 *
 * CONNECTING	accepted, connect() is on its way.  Nothing is read from the
 *		client: the kernel buffers and its window closes by itself.
 *		If no upstream can be reached the client is reset before it
 *		has got a byte, as close as one can come to never having
 *		accepted.
 * HANDSHAKING	connected to a proxy that has yet to connect for us; the
 *		client waits as before.  See establish.h for both.
 * RELAYING	both directions run.  Each ends on its own: FIN received, all
 *		bytes delivered, FIN handed on.  When both have ended, so has
 *		the connection.
 * RESETTING	one leg is broken and all that it had sent is with the kernel on the
 *		other; the reset follows when the receiver has acknowledged it,
 *		for a reset overtakes and discards what is still queued.
 * CLOSED	descriptors are gone; the memory stays until the batch of
 *		events at hand is done, for it may name this connection again,
 *		and while a child has copies of our sockets.
 *
 * An error on one leg resets the other: neither end may mistake a broken
 * stream for a complete one.  But first what the broken leg had received is
 * handed on, as a server that answers "too large" and resets the rest expects.
 * A connection has one timer, whose meaning is the state's: connect, handshake,
 * half-close or idle time-out, or a check of what is still unacknowledged.  It
 * also turns on the upstream leg's keep-alive once the connection has lived for
 * a second: most never do, and are spared four system calls.  For the same reason
 * that leg's TCP_NODELAY waits for its second write.  (Accepted sockets inherit
 * both from the listener.)
 */
#ifndef SIDETRACK_CONNECTION_H
#define SIDETRACK_CONNECTION_H

#include "abi.h"
#include "base/endpoint.h"
#include "base/event.h"
#include "base/list.h"
#include "base/timer.h"
#include "bytes/direction.h"
#include "bytes/leg.h"
#include "bytes/thread-context.h"
#include "upstreams/handshake.h"

enum connection_state {
#define X(name, label, help) name,
	SIDETRACK_RELAY_STATES(X)
#undef X
	CLOSED,
};

struct connection {
	struct leg leg[SIDES];
	struct direction direction[SIDES];
	struct list node;	/* all of the thread's, or those to free */
	struct list turn;	/* those whose turn was over too soon */
	struct timer timer;
	struct endpoint client;
	struct endpoint destination;
	uint64_t accepted_us;
	uint64_t accepted_unix_ms;
	uint64_t connect_us;	/* when connect() was called */
	uint64_t connect_took_us;
	uint64_t first_byte_us;	/* from accept, 0 before it came */
	uint64_t active_ms;	/* when a byte last moved, or the state began */
	uint64_t number;	/* in the thread's list of recent ones */
	enum connection_state state;
	enum outcome broken;	/* OUTCOME_OPEN, or which leg is broken */
	int unacknowledged;	/* while resetting: bytes the receiver lacks */
	struct handshake handshake;
	struct generation *generation;	/* under which it was accepted */
	uint32_t upstream;	/* its number in the generation, or NO_UPSTREAM */
	uint32_t tried;		/* bits of those that were tried, or are not for it */
	uint8_t route;		/* slot of the route that matched */
	uint8_t address;	/* the upstream's, by number */
	uint8_t tried_addresses;	/* bits */
	uint16_t early;		/* bytes the upstream has that are still with the client's socket */
	bool probe;		/* without a client: see probe.h */
	bool asking;		/* a probe that is connected and waits for an answer */
	bool has_handshake;		/* the upstream wants a handshake */
	bool upstream_counted;	/* counts as active with its upstream */
	bool waiting;		/* counts as one that waits for its upstream */
	bool client_counted;	/* counts as one of its client's */
	bool turn_over[SIDES];
	bool announced[SIDES];	/* an edge came while nobody was reading */
	bool keepalive;		/* the upstream leg's socket has its options */
	bool no_delay;		/* likewise TCP_NODELAY */
	bool error_seen[SIDES];	/* announced before the leg's direction had finished */
};

/* With both sockets' descriptors this is all that an idle connection costs. */
_Static_assert(sizeof(struct connection) <= 512, "an idle connection must stay small");

#define NO_UPSTREAM UINT32_MAX

bool connection_probe(struct thread_context *thread, const struct endpoint *destination,
		      uint32_t upstream);
void connection_open(struct thread_context *thread, int fd, const struct endpoint *client);
void connection_enter(struct thread_context *thread, struct connection *connection,
		      enum connection_state state);
void connection_update_timer(struct thread_context *thread, struct connection *connection);
void connection_waits_no_more(struct thread_context *thread, struct connection *connection);
void connection_close(struct thread_context *thread, struct connection *connection, enum outcome outcome);

#endif /* SIDETRACK_CONNECTION_H */
