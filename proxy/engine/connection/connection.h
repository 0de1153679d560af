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
 *		client waits as before.
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
 * Each state is a stage: what it does with events of a leg, with its timer, and how
 * long it may take.  The stages lie one above the other, in this order, and each knows
 * only the one that follows it.  A leg's events go straight to the stage.
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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "base/endpoint.h"
#include "base/event.h"
#include "base/list.h"
#include "base/timer.h"
#include "bytes/direction.h"
#include "bytes/leg.h"
#include "bytes/thread-context.h"
#include "connection/establish.h"

enum connection_state {
#define X(name, label, help) name,
	SIDETRACK_RELAY_STATES(X)
#undef X
	CLOSED,
};

struct connection;
struct stall;

struct stage {
	enum connection_state state;
	event_handler on_event;		/* of either leg */
	void (*on_timer)(struct thread_context *thread, struct connection *connection);
	/* milliseconds without progress after which it is given up; 0 is never */
	uint32_t (*timeout)(const struct connection *connection);
	/* after how many its timer fires though it has not expired; 0 is never, NULL too */
	uint32_t (*check)(const struct connection *connection);
};

struct connection {
	struct list node;	/* all of the thread's, or those to free; comes first */
	struct leg leg[SIDES];
	struct direction direction[SIDES];
	struct list turn;	/* those that wait for a turn */
	struct stall *stall;	/* NULL: it never stalled */
	struct timer timer;
	const struct stage *stage;
	struct establish establish;	/* the upstream leg */
	union {
		/* goes on with the next upstream; set by the first stage, used by the second */
		void (*give_up)(struct thread_context *thread, struct connection *connection,
				enum outcome outcome);
		struct express *flow;	/* afterwards: see connection_flow() */
	};
	struct endpoint client;
	uint8_t broken;		/* enum outcome: OUTCOME_OPEN, or which leg is broken */
	uint8_t route;		/* slot of the route that matched */
	uint8_t express_tries;	/* changes to the mode that were given up */
	bool waiting : 1;	/* counts as one that waits for its upstream */
	bool client_counted : 1;	/* counts as one of its client's, for the limit */
	bool keepalive : 1;	/* the upstream leg's socket has its options */
	bool no_delay : 1;	/* likewise TCP_NODELAY */
	uint64_t accepted_us;
	uint64_t accepted_unix_ms;
	uint64_t first_byte_us;	/* from accept, 0 before it came */
	uint64_t active_ms;	/* when a byte last moved, or the stage began */
	uint64_t number;	/* in the thread's list of recent ones */
	uint32_t connect_took_us;
	int unacknowledged;	/* while resetting: bytes the receiver lacks */
	uint16_t client_entry;	/* in the thread's table of clients */
	uint16_t holder;	/* the client's bucket: see base/holders.h */
	bool announced[SIDES];	/* an edge came while no pass was reading */
	bool error_seen[SIDES];	/* announced before the leg's direction had finished */
};

/* With both sockets' descriptors this is all that an idle connection costs. */
_Static_assert(sizeof(struct connection) <= 512, "an idle connection must stay small");
_Static_assert(offsetof(struct connection, node) == 0, "context_free_later() relies on it");

static inline enum connection_state connection_state(const struct connection *connection)
{
	return connection->stage->state;
}

/* Its flow in the mode `express`, or on the way to that; or NULL */
static inline struct express *connection_flow(const struct connection *connection)
{
	enum connection_state state = connection_state(connection);

	return state == RELAYING || state == RESETTING ? connection->flow : NULL;
}

static inline const struct sidetrack_relay_options *
connection_options(const struct connection *connection)
{
	return establish_options(&connection->establish);
}

static inline struct connection *connection_of_leg(struct leg *leg)
{
	return container_of(leg - leg->side, struct connection, leg[0]);
}

static inline enum outcome outcome_of_reset(int side)
{
	return side == CLIENT ? OUTCOME_CLIENT_RESET : OUTCOME_UPSTREAM_RESET;
}

/* What every stage remembers of a leg's events.  Return: true if it has just ended. */
static inline bool connection_note(struct connection *connection, enum side side,
				   uint32_t events)
{
	struct direction *direction = &connection->direction[side];
	bool ends = (events & END_EVENTS) && !direction->hangup;

	direction->urgent |= (events & EPOLLPRI) != 0;
	direction->hangup |= ends;
	connection->announced[side] |= (events & READ_EVENTS) != 0;
	return ends;
}

struct connection *connection_create(struct thread_context *thread, int fd,
				     const struct endpoint *client);
void connection_enter(struct thread_context *thread, struct connection *connection,
		      const struct stage *stage);
void connection_update_timer(struct thread_context *thread, struct connection *connection);
bool connection_expired(const struct thread_context *thread, const struct connection *connection);
enum outcome connection_admit(struct thread_context *thread, struct connection *connection);
void connection_waits_no_more(struct thread_context *thread, struct connection *connection);
void connection_expect_reset(struct connection *connection, int side);
void connection_close(struct thread_context *thread, struct connection *connection,
		      enum outcome outcome);

#endif /* SIDETRACK_CONNECTION_H */
