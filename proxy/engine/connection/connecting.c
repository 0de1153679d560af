// SPDX-License-Identifier: MIT
#include "connection/connecting.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/counters.h"
#include "connection/handshaking.h"
#include "sockets/dial.h"

static const struct stage connecting_stage;

/* --- failures --------------------------------------------------------------------- */

/* As if it had never been dialled. */
static void forget_upstream(struct thread_context *thread, struct connection *connection)
{
	struct direction *direction = &connection->direction[UPSTREAM];

	establish_close(thread, &connection->leg[UPSTREAM]);
	direction_release(direction, &thread->io);
	direction->hangup = false;
	direction->urgent = false;
	connection->announced[UPSTREAM] = false;
}

static void judge(struct thread_context *thread, const struct connection *connection,
		  enum outcome outcome, enum fault fault)
{
	const struct establish *establish = &connection->establish;
	struct upstream_set *upstreams = establish_upstreams(establish);

	/* being out of ports, descriptors or memory says nothing about the upstream */
	if (fault != FAULT_NONE || establish->connected)
		upstreams_judge(upstreams, establish->upstream, fault, thread->io.now_ms);
	if (fault_is_forbidden(&establish->handshake, outcome))
		upstreams_forbid(upstreams, establish->upstream, establish->destination.port);
}

/* Return: true if there is another upstream, or address, that may do better */
static bool next(struct thread_context *thread, struct connection *connection,
		 enum outcome outcome)
{
	struct establish *establish = &connection->establish;
	enum fault fault = fault_of(establish_upstream(establish)->kind,
				    establish_has_asked(establish), outcome);
	bool again = establish_may_go_on(establish, outcome, fault);

	counter_add(&establish_counters(establish, thread)->error[outcome], 1);
	if (again && fault_is_of_address(outcome) &&
	    establish_next_address(establish, thread, true)) {
		forget_upstream(thread, connection);
		return true;
	}
	judge(thread, connection, outcome, fault);
	if (!again)
		return false;
	establish_leave(establish, thread);
	forget_upstream(thread, connection);
	return establish_choose(establish, thread);
}

static enum outcome dial_upstream(struct thread_context *thread, struct connection *connection)
{
	connection_enter(thread, connection, &connecting_stage);
	return establish_dial(&connection->establish, thread, &connection->leg[UPSTREAM]);
}

/* Goes on with the next upstream for as long as that may help. */
static void give_up(struct thread_context *thread, struct connection *connection,
		    enum outcome outcome)
{
	while (next(thread, connection, outcome)) {
		outcome = dial_upstream(thread, connection);
		if (outcome == OUTCOME_OPEN)
			return;
	}
	connection_close(thread, connection, outcome);
}

/* --- events ----------------------------------------------------------------------- */

/* A destination that answers and resets before the relay looks, like a full server. */
static bool has_last_words(const struct connection *connection, int error)
{
	char byte;

	return !connection->establish.has_handshake &&
	       (error == ECONNRESET || error == EPIPE) &&
	       recv(connection->leg[UPSTREAM].fd, &byte, 1, MSG_PEEK) == 1;
}

static void upstream_event(struct thread_context *thread, struct connection *connection,
			   uint32_t events)
{
	int error;

	if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
		return;
	error = establish_error(&connection->leg[UPSTREAM], events);
	if (error && !has_last_words(connection, error)) {
		give_up(thread, connection, dial_outcome(error));
		return;
	}
	if (error)
		connection_expect_reset(connection, UPSTREAM);
	connection->establish.connected = true;
	handshaking_begin(thread, connection);
}

/* The client may finish sending meanwhile, but not go away. */
static void connecting_event(struct thread_context *thread, struct event_source *source,
			     uint32_t events)
{
	struct leg *leg = container_of(source, struct leg, source);
	struct connection *connection = connection_of_leg(leg);

	connection_note(connection, leg->side, events);
	if (leg->side == UPSTREAM)
		upstream_event(thread, connection, events);
	else if (events & EPOLLERR)
		connection_close(thread, connection, OUTCOME_CLIENT_RESET);
}

static void connecting_timer(struct thread_context *thread, struct connection *connection)
{
	if (connection_expired(thread, connection))
		give_up(thread, connection, OUTCOME_CONNECT_TIMEOUT);
	else
		connection_update_timer(thread, connection);
}

static uint32_t connecting_timeout(const struct connection *connection)
{
	return connection_options(connection)->connect_timeout_ms;
}

static const struct stage connecting_stage = {
	.state = CONNECTING,
	.on_event = connecting_event,
	.on_timer = connecting_timer,
	.timeout = connecting_timeout,
};

/* --- the beginning ---------------------------------------------------------------- */

/* Leaves out the upstreams that are not for this destination. */
static void choose_route(struct thread_context *thread, struct connection *connection)
{
	struct establish *establish = &connection->establish;
	const struct route_table *routes = &establish->generation->routes;
	int number = route_find(routes, &establish->destination);

	if (number >= 0) {
		connection->route = (uint8_t)routes->route[number].slot;
		establish->tried = ~routes->route[number].upstreams;
	}
	establish->tried |= ~establish_upstreams(establish)->carries[establish_family(establish)];
	counter_add(&thread->counters->route[connection->route].connections, 1);
}

/**
 * connecting_begin() - Set out for the destination
 * @thread:	Its thread
 * @connection:	Connection whose destination is known
 */
void connecting_begin(struct thread_context *thread, struct connection *connection)
{
	enum outcome outcome;

	connection->give_up = give_up;
	choose_route(thread, connection);
	if (!establish_choose(&connection->establish, thread)) {
		connection_close(thread, connection, OUTCOME_NO_UPSTREAM);
		return;
	}
	outcome = dial_upstream(thread, connection);
	if (outcome != OUTCOME_OPEN)
		give_up(thread, connection, outcome);
}
