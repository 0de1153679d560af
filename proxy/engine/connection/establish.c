// SPDX-License-Identifier: MIT
#include "connection/establish.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/counters.h"
#include "connection/connection.h"
#include "connection/handshaking.h"
#include "connection/relaying.h"
#include "sockets/dial.h"
#include "thread/probe.h"
#include "thread/refusal.h"
#include "thread/thread.h"
#include "upstreams/fault.h"
#include "upstreams/generation.h"

static struct upstream_set *upstreams_of(const struct connection *connection)
{
	return &connection->generation->upstreams;
}

static const struct upstream *establish_upstream(const struct connection *connection)
{
	return &upstreams_of(connection)->entry[connection->upstream].upstream;
}

/* Return: where the upstream is counted, or NO_UPSTREAM before there is one */
uint32_t establish_slot(const struct connection *connection)
{
	return connection->upstream == NO_UPSTREAM ? NO_UPSTREAM
						   : establish_upstream(connection)->slot;
}

static struct sidetrack_relay_upstream_counters *
establish_counters(const struct thread_context *thread, const struct connection *connection)
{
	return &thread->counters->upstream[establish_slot(connection)];
}

/* --- choosing and leaving --------------------------------------------------------- */

/* Leaves out the upstreams that are not for this destination. */
static void establish_route(struct thread_context *thread, struct connection *connection)
{
	const struct upstream_set *upstreams = upstreams_of(connection);
	const struct route_table *routes = &connection->generation->routes;
	int number = route_find(routes, &connection->destination);

	if (number >= 0) {
		connection->route = (uint8_t)routes->route[number].slot;
		connection->tried = ~routes->route[number].upstreams;
	}
	connection->tried |= ~upstreams->carries[endpoint_family(&connection->destination)];
	counter_add(&thread->counters->route[connection->route].connections, 1);
}

/* Return: false if every upstream has been tried */
static bool establish_choose(struct thread_context *thread, struct connection *connection)
{
	int chosen = upstreams_choose(upstreams_of(connection), &thread->rotation,
				      endpoint_family(&connection->destination), connection->tried,
				      thread->io.now_ms);

	if (chosen < 0)
		return false;
	connection->upstream = (uint32_t)chosen;
	connection->tried |= 1U << chosen;
	connection->tried_addresses = 0;
	connection->upstream_counted = true;
	counter_add(&establish_counters(thread, connection)->active, 1);
	return true;
}

/**
 * establish_release() - The connection no longer counts as one of its upstream's
 * @thread:	Its thread
 * @connection:	Connection, which may have none
 */
void establish_release(struct thread_context *thread, struct connection *connection)
{
	if (!connection->upstream_counted)
		return;
	connection->upstream_counted = false;
	counter_subtract(&establish_counters(thread, connection)->active, 1);
	upstreams_leave(upstreams_of(connection), connection->upstream);
}

/* --- failures --------------------------------------------------------------------- */

static void establish_judge(struct thread_context *thread, struct connection *connection, enum fault fault)
{
	struct upstream_set *upstreams = upstreams_of(connection);

	if (!connection->probe) {
		upstreams_judge(upstreams, connection->upstream, fault, thread->io.now_ms);
		return;
	}
	upstreams_judge_probe(upstreams, connection->upstream,
			      endpoint_family(&connection->destination), fault,
			      thread->io.now_ms);
	refusal_review(thread_of(thread));
}

static void leg_forget(struct thread_context *thread, struct connection *connection)
{
	leg_unwatch(thread->epoll, &connection->leg[UPSTREAM]);
	leg_close(&connection->leg[UPSTREAM], true);
	connection->early = 0;
	connection->asking = false;
	direction_release(&connection->direction[UPSTREAM], &thread->io);
	connection->direction[UPSTREAM].hangup = false;
	connection->direction[UPSTREAM].urgent = false;
	connection->announced[UPSTREAM] = false;
}

/* Return: true if the upstream has another address, which may do better */
static bool establish_next_address(struct thread_context *thread, struct connection *connection,
				   enum outcome outcome, bool again)
{
	uint32_t count = establish_upstream(connection)->address_count;

	if (!again || count < 2 || outcome == OUTCOME_UPSTREAM_AUTH ||
	    outcome == OUTCOME_UPSTREAM_REFUSED)
		return false;
	/* a probe's destination may be what one family of addresses lacks */
	if (!connection->probe || connection->state == CONNECTING)
		upstreams_judge_address(upstreams_of(connection), connection->upstream,
					connection->address, false, thread->io.now_ms);
	connection->tried_addresses |= (uint8_t)(1U << connection->address);
	if (connection->tried_addresses == (1U << count) - 1)
		return false;
	leg_forget(thread, connection);
	return true;
}

/* Return: true if the next upstream may do better */
static bool establish_failed(struct thread_context *thread, struct connection *connection,
			     enum outcome outcome)
{
	enum fault fault = fault_of(connection, outcome);
	bool again = fault_another_may_help(connection, outcome, fault);

	if (!connection->probe)
		counter_add(&establish_counters(thread, connection)->error[outcome], 1);
	if (establish_next_address(thread, connection, outcome, again))
		return true;
	/* being out of ports, descriptors or memory says nothing about the upstream */
	if (fault != FAULT_NONE || (connection->state == HANDSHAKING && !connection->probe))
		establish_judge(thread, connection, fault);
	if (fault_is_forbidden(connection, outcome))
		upstreams_forbid(upstreams_of(connection), connection->upstream,
				 connection->destination.port);
	if (again) {
		establish_release(thread, connection);
		leg_forget(thread, connection);
	}
	return again;
}

/* --- dialling --------------------------------------------------------------------- */

/* Return: OUTCOME_OPEN with the upstream leg on its way, or why not */
static enum outcome establish_socket(struct thread_context *thread, struct connection *connection,
				     struct greeting *greeting)
{
	const struct sidetrack_relay_options *options = &connection->generation->options;
	const struct endpoint *destination = &connection->destination;
	const struct endpoint *address =
		upstream_address(establish_upstream(connection), connection->address, destination);
	int *fd = &connection->leg[UPSTREAM].fd;
	enum outcome outcome = dial(options, address, destination, greeting, fd);

	if (outcome == OUTCOME_NO_DESCRIPTORS && context_spend_reserve(thread))
		outcome = dial(options, address, destination, greeting, fd);
	return outcome;
}

/* The first words for a proxy are known before it has answered. */
static enum outcome establish_reach(struct thread_context *thread, struct connection *connection)
{
	struct handshake *handshake = &connection->handshake;
	unsigned char message[HANDSHAKE_MESSAGE_MOST];
	struct greeting greeting = { .bytes = message };
	enum outcome outcome;

	connection->has_handshake = handshake_begin(handshake, establish_upstream(connection),
						    &connection->destination);
	if (connection->has_handshake && thread->options->fast_open)
		greeting.length = handshake_message(handshake, message);
	outcome = establish_socket(thread, connection, &greeting);
	if (greeting.sent)
		handshake_sent(handshake, greeting.sent, greeting.length);
	return outcome;
}

static enum outcome establish_dial(struct thread_context *thread, struct connection *connection)
{
	enum outcome outcome;

	connection->address = (uint8_t)upstreams_choose_address(
		upstreams_of(connection), &thread->rotation, connection->upstream,
		connection->tried_addresses, thread->io.now_ms);
	connection->connect_us = clock_us();
	connection_enter(thread, connection, CONNECTING);
	outcome = establish_reach(thread, connection);
	if (outcome == OUTCOME_OPEN && leg_watch(thread->epoll, &connection->leg[UPSTREAM]) < 0)
		outcome = OUTCOME_NO_MEMORY;
	return outcome;
}

/* Goes on with the next upstream for as long as that may help. */
static void establish_give_up(struct thread_context *thread, struct connection *connection,
			      enum outcome outcome)
{
	while (establish_failed(thread, connection, outcome)) {
		if (!connection->upstream_counted && !establish_choose(thread, connection))
			break;
		outcome = establish_dial(thread, connection);
		if (outcome == OUTCOME_OPEN)
			return;
	}
	connection_close(thread, connection, outcome);
}

/**
 * establish_begin() - Set out for the destination
 * @thread:	Its thread
 * @connection:	Connection whose destination is known
 */
void establish_begin(struct thread_context *thread, struct connection *connection)
{
	enum outcome outcome;

	if (!connection->probe)
		establish_route(thread, connection);
	if (!establish_choose(thread, connection)) {
		connection_close(thread, connection, OUTCOME_NO_UPSTREAM);
		return;
	}
	outcome = establish_dial(thread, connection);
	if (outcome != OUTCOME_OPEN)
		establish_give_up(thread, connection, outcome);
}

/* --- a probe's question ------------------------------------------------------------ */

static void establish_succeeded(struct thread_context *thread, struct connection *connection);

static void establish_listen(struct thread_context *thread, struct connection *connection)
{
	enum outcome outcome = probe_listen(connection);

	if (outcome == OUTCOME_FINISHED)
		establish_succeeded(thread, connection);
	else if (outcome != OUTCOME_OPEN)
		establish_give_up(thread, connection, outcome);
}

static void establish_ask(struct thread_context *thread, struct connection *connection)
{
	enum outcome outcome = probe_ask(connection);

	connection_enter(thread, connection, HANDSHAKING);
	if (outcome == OUTCOME_OPEN)
		establish_listen(thread, connection);
	else
		establish_give_up(thread, connection, outcome);
}

/* --- the handshake ---------------------------------------------------------------- */

/* Bytes can pass; a probe may want some. */
static void establish_succeeded(struct thread_context *thread, struct connection *connection)
{
	if (connection->probe && !connection->asking && probe_asks(connection)) {
		establish_ask(thread, connection);
		return;
	}
	if (establish_upstream(connection)->kind != UPSTREAM_DIRECT || connection->probe)
		establish_judge(thread, connection, FAULT_NONE);
	upstreams_judge_address(upstreams_of(connection), connection->upstream,
				connection->address, true, thread->io.now_ms);
	if (!connection->probe)
		counter_add(&establish_counters(thread, connection)->connections, 1);
	if (direction_skip(&connection->direction[CLIENT], &thread->io,
			   connection->leg[CLIENT].fd, connection->early) < 0)
		connection_close(thread, connection, OUTCOME_CLIENT_RESET);
	else
		relaying_begin(thread, connection);
}

static void establish_handshake(struct thread_context *thread, struct connection *connection)
{
	enum outcome outcome = OUTCOME_OPEN;

	switch (handshaking_run(thread, connection, establish_upstream(connection), &outcome)) {
	case HANDSHAKING_DONE:
		establish_succeeded(thread, connection);
		break;
	case HANDSHAKING_FAILED:
		if (outcome == OUTCOME_CLIENT_RESET)
			connection_close(thread, connection, outcome);
		else
			establish_give_up(thread, connection, outcome);
		break;
	case HANDSHAKING_WAITS:
	case HANDSHAKING_GOES_ON:
		break;
	}
}

/* The upstream, or the destination itself, has answered connect(). */
static void establish_connected(struct thread_context *thread, struct connection *connection)
{
	if (!connection->has_handshake) {
		establish_succeeded(thread, connection);
		return;
	}
	connection->announced[UPSTREAM] = true;	/* the handshake's reads use up edges */
	connection_enter(thread, connection, HANDSHAKING);
	establish_handshake(thread, connection);
}

/* --- events ----------------------------------------------------------------------- */

/* How connect() ended; a socket without an error does not announce one. */
static int connect_error(int fd, uint32_t events)
{
	socklen_t length = sizeof(int);
	int error = 0;

	if (!(events & (EPOLLERR | EPOLLHUP)))
		return 0;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0 ? errno : error;
}

/* A destination that answers and resets before anybody looks, like a server that is full. */
static bool has_last_words(const struct connection *connection, int error)
{
	char byte;

	return !connection->has_handshake && !connection->probe &&
	       (error == ECONNRESET || error == EPIPE) &&
	       recv(connection->leg[UPSTREAM].fd, &byte, 1, MSG_PEEK) == 1;
}

static void connecting_event(struct thread_context *thread, struct connection *connection, uint32_t events)
{
	int error;

	if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
		return;
	error = connect_error(connection->leg[UPSTREAM].fd, events);
	if (error && !has_last_words(connection, error)) {
		establish_give_up(thread, connection, dial_outcome(error));
		return;
	}
	if (error)
		relaying_expect_reset(connection, UPSTREAM);
	establish_connected(thread, connection);
}

/**
 * establish_event() - Something has happened on the upstream leg
 * @thread:	Its thread
 * @connection:	Connection that is CONNECTING or HANDSHAKING
 * @events:	From epoll
 */
void establish_event(struct thread_context *thread, struct connection *connection, uint32_t events)
{
	if (connection->state == CONNECTING)
		connecting_event(thread, connection, events);
	else if (connection->asking)
		establish_listen(thread, connection);
	else
		establish_handshake(thread, connection);
}

/**
 * establish_timeout() - It has taken too long
 * @thread:	Its thread
 * @connection:	Connection that is CONNECTING or HANDSHAKING
 */
void establish_timeout(struct thread_context *thread, struct connection *connection)
{
	establish_give_up(thread, connection,
			  connection->state == CONNECTING ? OUTCOME_CONNECT_TIMEOUT
							: OUTCOME_HANDSHAKE_TIMEOUT);
}
