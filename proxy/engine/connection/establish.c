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
#include "relay/relay.h"
#include "sockets/dial.h"
#include "thread/listener.h"
#include "thread/probe.h"
#include "thread/refusal.h"
#include "thread/thread.h"
#include "upstreams/fault.h"

static struct roster *attempt_roster(const struct connection *connection)
{
	return &connection->generation->roster;
}

static const struct upstream *attempt_upstream(const struct connection *connection)
{
	return &attempt_roster(connection)->entry[connection->upstream].upstream;
}

/* Return: where the upstream is counted, or NO_UPSTREAM before there is one */
uint32_t attempt_slot(const struct connection *connection)
{
	return connection->upstream == NO_UPSTREAM ? NO_UPSTREAM
						   : attempt_upstream(connection)->slot;
}

static struct sidetrack_relay_upstream_counters *
attempt_counters(const struct worker *worker, const struct connection *connection)
{
	return &worker->counters->upstream[attempt_slot(connection)];
}

/* --- choosing and leaving --------------------------------------------------------- */

/* Leaves out the upstreams that are not for this destination. */
static void attempt_route(struct worker *worker, struct connection *connection)
{
	const struct roster *roster = attempt_roster(connection);
	const struct route_table *routes = &connection->generation->routes;
	int number = route_find(routes, &connection->destination);

	if (number >= 0) {
		connection->route = (uint8_t)routes->route[number].slot;
		connection->tried = ~routes->route[number].upstreams;
	}
	connection->tried |= ~roster->carries[endpoint_family(&connection->destination)];
	counter_add(&worker->counters->route[connection->route].connections, 1);
}

/* Return: false if every upstream has been tried */
static bool attempt_choose(struct worker *worker, struct connection *connection)
{
	int chosen = roster_choose(attempt_roster(connection), &worker->rotation,
				   endpoint_family(&connection->destination), connection->tried,
				   worker->transfer.now_ms);

	if (chosen < 0)
		return false;
	connection->upstream = (uint32_t)chosen;
	connection->tried |= 1U << chosen;
	connection->tried_addresses = 0;
	connection->attempting = true;
	counter_add(&attempt_counters(worker, connection)->active, 1);
	return true;
}

/**
 * attempt_release() - The connection no longer counts as one of its upstream's
 * @worker:	Its thread
 * @connection:	Connection, which may have none
 */
void attempt_release(struct worker *worker, struct connection *connection)
{
	if (!connection->attempting)
		return;
	connection->attempting = false;
	counter_subtract(&attempt_counters(worker, connection)->active, 1);
	roster_leave(attempt_roster(connection), connection->upstream);
}

/* --- failures --------------------------------------------------------------------- */

static void attempt_judge(struct worker *worker, struct connection *connection, enum fault fault)
{
	struct roster *roster = attempt_roster(connection);

	if (!connection->probe) {
		roster_judge(roster, connection->upstream, fault, worker->transfer.now_ms);
		return;
	}
	roster_judge_probe(roster, connection->upstream,
			   endpoint_family(&connection->destination), fault,
			   worker->transfer.now_ms);
	refusal_review(worker);
}

/*
 * Taken out of the epoll set by hand, because close() does not when a child has the
 * socket too, and its events would pass for those of the next one.
 */
static void leg_forget(struct worker *worker, struct connection *connection)
{
	if (connection->leg[UPSTREAM].fd >= 0)
		(void)epoll_ctl(worker->epoll, EPOLL_CTL_DEL, connection->leg[UPSTREAM].fd, NULL);
	leg_close(&connection->leg[UPSTREAM], true);
	connection->early = 0;
	connection->asking = false;
	direction_release(&connection->direction[UPSTREAM], &worker->transfer);
	connection->direction[UPSTREAM].hangup = false;
	connection->direction[UPSTREAM].urgent = false;
	connection->announced[UPSTREAM] = false;
}

/* Return: true if the upstream has another address, which may do better */
static bool attempt_next_address(struct worker *worker, struct connection *connection,
				 enum outcome outcome, bool again)
{
	uint32_t count = attempt_upstream(connection)->address_count;

	if (!again || count < 2 || outcome == OUTCOME_UPSTREAM_AUTH ||
	    outcome == OUTCOME_UPSTREAM_REFUSED)
		return false;
	/* a probe's destination may be what one family of addresses lacks */
	if (!connection->probe || connection->state == CONNECTING)
		roster_judge_address(attempt_roster(connection), connection->upstream,
				     connection->address, false, worker->transfer.now_ms);
	connection->tried_addresses |= (uint8_t)(1U << connection->address);
	if (connection->tried_addresses == (1U << count) - 1)
		return false;
	leg_forget(worker, connection);
	return true;
}

/* Return: true if the next upstream may do better */
static bool attempt_failed(struct worker *worker, struct connection *connection,
			   enum outcome outcome)
{
	enum fault fault = fault_of(connection, outcome);
	bool again = fault_another_may_help(connection, outcome, fault);

	if (!connection->probe)
		counter_add(&attempt_counters(worker, connection)->error[outcome], 1);
	if (attempt_next_address(worker, connection, outcome, again))
		return true;
	/* being out of ports, descriptors or memory says nothing about the upstream */
	if (fault != FAULT_NONE || (connection->state == HANDSHAKING && !connection->probe))
		attempt_judge(worker, connection, fault);
	if (fault_is_forbidden(connection, outcome))
		roster_forbid(attempt_roster(connection), connection->upstream,
			      connection->destination.port);
	if (again) {
		attempt_release(worker, connection);
		leg_forget(worker, connection);
	}
	return again;
}

/* --- dialling --------------------------------------------------------------------- */

/* Return: OUTCOME_OPEN with the upstream leg on its way, or why not */
static enum outcome attempt_socket(struct worker *worker, struct connection *connection,
				   struct greeting *greeting)
{
	const struct sidetrack_relay_options *options = &connection->generation->options;
	const struct endpoint *destination = &connection->destination;
	const struct endpoint *address =
		upstream_address(attempt_upstream(connection), connection->address, destination);
	int *fd = &connection->leg[UPSTREAM].fd;
	enum outcome outcome = dial(options, address, destination, greeting, fd);

	if (outcome == OUTCOME_NO_DESCRIPTORS && listener_spend_reserve(worker))
		outcome = dial(options, address, destination, greeting, fd);
	return outcome;
}

/* The first words for a proxy are known before it has answered. */
static enum outcome attempt_reach(struct worker *worker, struct connection *connection)
{
	struct handshake *handshake = &connection->handshake;
	unsigned char message[HANDSHAKE_MESSAGE_MOST];
	struct greeting greeting = { .bytes = message };
	enum outcome outcome;

	connection->shakes = handshake_begin(handshake, attempt_upstream(connection),
					     &connection->destination);
	if (connection->shakes && worker->relay->options.fast_open)
		greeting.length = handshake_message(handshake, message);
	outcome = attempt_socket(worker, connection, &greeting);
	if (greeting.sent)
		handshake_sent(handshake, greeting.sent, greeting.length);
	return outcome;
}

static enum outcome attempt_dial(struct worker *worker, struct connection *connection)
{
	enum outcome outcome;

	connection->address = (uint8_t)roster_choose_address(
		attempt_roster(connection), &worker->rotation, connection->upstream,
		connection->tried_addresses, worker->transfer.now_ms);
	connection->connect_us = clock_us();
	connection_enter(worker, connection, CONNECTING);
	outcome = attempt_reach(worker, connection);
	if (outcome == OUTCOME_OPEN && leg_watch(worker->epoll, &connection->leg[UPSTREAM]) < 0)
		outcome = OUTCOME_NO_MEMORY;
	return outcome;
}

/* Goes on with the next upstream for as long as that may help. */
static void attempt_give_up(struct worker *worker, struct connection *connection,
			    enum outcome outcome)
{
	while (attempt_failed(worker, connection, outcome)) {
		if (!connection->attempting && !attempt_choose(worker, connection))
			break;
		outcome = attempt_dial(worker, connection);
		if (outcome == OUTCOME_OPEN)
			return;
	}
	connection_close(worker, connection, outcome);
}

/**
 * attempt_begin() - Set out for the destination
 * @worker:	Its thread
 * @connection:	Connection whose destination is known
 */
void attempt_begin(struct worker *worker, struct connection *connection)
{
	enum outcome outcome;

	if (!connection->probe)
		attempt_route(worker, connection);
	if (!attempt_choose(worker, connection)) {
		connection_close(worker, connection, OUTCOME_NO_UPSTREAM);
		return;
	}
	outcome = attempt_dial(worker, connection);
	if (outcome != OUTCOME_OPEN)
		attempt_give_up(worker, connection, outcome);
}

/* --- a probe's question ------------------------------------------------------------ */

static void attempt_succeeded(struct worker *worker, struct connection *connection);

static void attempt_listen(struct worker *worker, struct connection *connection)
{
	enum outcome outcome = probe_listen(connection);

	if (outcome == OUTCOME_FINISHED)
		attempt_succeeded(worker, connection);
	else if (outcome != OUTCOME_OPEN)
		attempt_give_up(worker, connection, outcome);
}

static void attempt_ask(struct worker *worker, struct connection *connection)
{
	enum outcome outcome = probe_ask(connection);

	connection_enter(worker, connection, HANDSHAKING);
	if (outcome == OUTCOME_OPEN)
		attempt_listen(worker, connection);
	else
		attempt_give_up(worker, connection, outcome);
}

/* --- shaking hands ---------------------------------------------------------------- */

/* Bytes can pass; a probe may want some. */
static void attempt_succeeded(struct worker *worker, struct connection *connection)
{
	if (connection->probe && !connection->asking && probe_asks(connection)) {
		attempt_ask(worker, connection);
		return;
	}
	if (attempt_upstream(connection)->kind != UPSTREAM_DIRECT || connection->probe)
		attempt_judge(worker, connection, FAULT_NONE);
	roster_judge_address(attempt_roster(connection), connection->upstream,
			     connection->address, true, worker->transfer.now_ms);
	if (!connection->probe)
		counter_add(&attempt_counters(worker, connection)->connections, 1);
	if (direction_skip(&connection->direction[CLIENT], &worker->transfer,
			   connection->leg[CLIENT].fd, connection->early) < 0)
		connection_close(worker, connection, OUTCOME_CLIENT_RESET);
	else
		relaying_begin(worker, connection);
}

static void attempt_shake(struct worker *worker, struct connection *connection)
{
	enum outcome outcome = OUTCOME_OPEN;

	switch (shake_run(worker, connection, attempt_upstream(connection), &outcome)) {
	case SHAKE_DONE:
		attempt_succeeded(worker, connection);
		break;
	case SHAKE_FAILED:
		if (outcome == OUTCOME_CLIENT_RESET)
			connection_close(worker, connection, outcome);
		else
			attempt_give_up(worker, connection, outcome);
		break;
	case SHAKE_WAITS:
	case SHAKE_GOES_ON:
		break;
	}
}

/* The upstream, or the destination itself, has answered connect(). */
static void attempt_connected(struct worker *worker, struct connection *connection)
{
	if (!connection->shakes) {
		attempt_succeeded(worker, connection);
		return;
	}
	connection->announced[UPSTREAM] = true;	/* the handshake's reads use up edges */
	connection_enter(worker, connection, HANDSHAKING);
	attempt_shake(worker, connection);
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

	return !connection->shakes && !connection->probe &&
	       (error == ECONNRESET || error == EPIPE) &&
	       recv(connection->leg[UPSTREAM].fd, &byte, 1, MSG_PEEK) == 1;
}

static void connecting_event(struct worker *worker, struct connection *connection, uint32_t events)
{
	int error;

	if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
		return;
	error = connect_error(connection->leg[UPSTREAM].fd, events);
	if (error && !has_last_words(connection, error)) {
		attempt_give_up(worker, connection, dial_outcome(error));
		return;
	}
	if (error)
		relaying_expect_reset(connection, UPSTREAM);
	attempt_connected(worker, connection);
}

/**
 * attempt_event() - Something has happened on the upstream leg
 * @worker:	Its thread
 * @connection:	Connection that is CONNECTING or HANDSHAKING
 * @events:	From epoll
 */
void attempt_event(struct worker *worker, struct connection *connection, uint32_t events)
{
	if (connection->state == CONNECTING)
		connecting_event(worker, connection, events);
	else if (connection->asking)
		attempt_listen(worker, connection);
	else
		attempt_shake(worker, connection);
}

/**
 * attempt_timeout() - The attempt has taken too long
 * @worker:	Its thread
 * @connection:	Connection that is CONNECTING or HANDSHAKING
 */
void attempt_timeout(struct worker *worker, struct connection *connection)
{
	attempt_give_up(worker, connection,
			connection->state == CONNECTING ? OUTCOME_CONNECT_TIMEOUT
							: OUTCOME_HANDSHAKE_TIMEOUT);
}
