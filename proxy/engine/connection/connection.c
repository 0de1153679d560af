// SPDX-License-Identifier: MIT
#include "connection/connection.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counters.h"
#include "bytes/coalesce.h"
#include "connection/establish.h"
#include "connection/limits.h"
#include "connection/record.h"
#include "connection/relaying.h"
#include "sockets/destination.h"
#include "sockets/dial.h"
#include "sockets/tcp-info.h"
#include "thread/probe.h"
#include "upstreams/generation.h"
#include "upstreams/guard.h"

#define SHORTER_WHEN_FULL 30
#define KEEPALIVE_AFTER_MS 1000	/* far below the first probe's 120 s */

static struct connection *leg_connection(struct leg *leg)
{
	return container_of(leg - leg->side, struct connection, leg[0]);
}

/* While the sockets are there; an upstream that was never reached has nothing to tell. */
static void take_tcp_info(struct thread_context *thread, const struct connection *connection,
			  struct tcp_summary info[SIDES])
{
	if (!connection->generation->options.tcp_info || connection->probe)
		return;
	if (tcp_info_read(connection->leg[CLIENT].fd, &info[CLIENT]))
		tcp_info_count_client(thread->counters, &info[CLIENT]);
	if (connection->state != CONNECTING &&
	    tcp_info_read(connection->leg[UPSTREAM].fd, &info[UPSTREAM]))
		tcp_info_count_upstream(thread->counters, &info[UPSTREAM]);
}

/* --- limits ----------------------------------------------------------------- */

/* Return: OUTCOME_OPEN, or which limit the connection is beyond */
static enum outcome limits_enter(struct thread_context *thread, struct connection *connection)
{
	const struct sidetrack_relay_options *options = &connection->generation->options;
	enum client_verdict verdict = limits_client_enter(thread->limits, &connection->client,
							  options->max_connections_per_client);

	if (verdict == CLIENT_REFUSED)
		return OUTCOME_CLIENT_LIMIT;
	connection->client_counted = verdict == CLIENT_COUNTED;
	connection->waiting = limits_handshake_begin(thread->limits, options->max_handshakes);
	return connection->waiting ? OUTCOME_OPEN : OUTCOME_HANDSHAKE_LIMIT;
}

/* It has got its upstream, or never will. */
void connection_waits_no_more(struct thread_context *thread, struct connection *connection)
{
	if (connection->waiting)
		limits_handshake_end(thread->limits);
	connection->waiting = false;
}

static void limits_release(struct thread_context *thread, struct connection *connection)
{
	connection_waits_no_more(thread, connection);
	if (connection->client_counted)
		clients_leave(&thread->limits->clients, &connection->client);
	connection->client_counted = false;
}

/* --- the end -------------------------------------------------------------- */

/**
 * connection_close() - End a connection: in order if it has finished, else with RST on both legs
 * @thread:	Its thread
 * @connection:	Connection, not yet closed
 * @outcome:	Why
 */
void connection_close(struct thread_context *thread, struct connection *connection, enum outcome outcome)
{
	struct tcp_summary info[SIDES] = { 0 };
	bool finished = outcome == OUTCOME_FINISHED;
	int side;

	take_tcp_info(thread, connection, info);
	for (side = 0; side < SIDES; side++) {
		direction_release(&connection->direction[side], &thread->io);
		coalesce_forget(thread, &connection->leg[side]);
		leg_close(&connection->leg[side], !finished || info[side].ended);
	}
	establish_release(thread, connection);
	limits_release(thread, connection);
	connection->state = CLOSED;
	if (connection->probe)
		probe_ended(thread, connection, outcome);
	else
		record_end(thread, connection, outcome, info);
	generation_leave(connection->generation, thread->index);
	timer_cancel(&thread->timers, &connection->timer);
	list_remove(&connection->turn);
	context_free_later(thread, &connection->node);
	if (!connection->probe)
		thread->connection_gone(thread);
}

/* --- time ------------------------------------------------------------------- */

/* One side has ended, even if its last bytes still wait for a slow receiver. */
static bool half_closed(const struct connection *connection)
{
	return connection->direction[CLIENT].hangup || connection->direction[UPSTREAM].hangup;
}

/*
 * While nobody else can be served, whoever only waits for an answer gets a thirtieth of
 * the time: a chain of connections that lead back to us, each of which waits for the next,
 * ends with one that we cannot accept, and would keep everybody out for minutes.
 */
static uint32_t half_close_patience(const struct connection *connection)
{
	if (connection->state != RELAYING || !half_closed(connection))
		return 0;
	return connection->generation->options.half_close_timeout_ms / SHORTER_WHEN_FULL;
}

static bool must_make_room(const struct thread_context *thread, const struct connection *connection)
{
	uint32_t patience = half_close_patience(connection);

	return patience && limits_are_reached(thread->limits) &&
	       connection->active_ms + patience <= thread->io.now_ms;
}

/* Return: when the connection is to be given up, 0 for never */
static uint64_t connection_deadline(const struct connection *connection)
{
	const struct sidetrack_relay_options *options = &connection->generation->options;
	uint32_t timeout = options->idle_timeout_ms;

	if (connection->probe)
		timeout = options->probe_timeout_ms;
	else if (connection->state == CONNECTING)
		timeout = options->connect_timeout_ms;
	else if (connection->state == HANDSHAKING)
		timeout = options->handshake_timeout_ms;
	else if (half_closed(connection))
		timeout = options->half_close_timeout_ms;
	return timeout ? connection->active_ms + timeout : 0;
}

static bool wants_keepalive(const struct connection *connection)
{
	return connection->state == RELAYING && !connection->keepalive;
}

/* Return: after how many milliseconds to look at it though it has not expired; 0 for never */
static uint32_t time_to_check(const struct connection *connection)
{
	uint32_t patience = half_close_patience(connection);

	if (wants_keepalive(connection) && (!patience || patience > KEEPALIVE_AFTER_MS))
		return KEEPALIVE_AFTER_MS;
	return patience;
}

/**
 * connection_update_timer() - Set the timer to what the connection waits for now
 * @thread:	Its thread
 * @connection:	Connection
 */
void connection_update_timer(struct thread_context *thread, struct connection *connection)
{
	uint64_t deadline = connection_deadline(connection);
	uint64_t check = time_to_check(connection);

	if (check && (!deadline || deadline > thread->io.now_ms + check))
		deadline = thread->io.now_ms + check;
	if (deadline)
		timer_set(&thread->timers, &connection->timer, deadline);
	else
		timer_cancel(&thread->timers, &connection->timer);
}

/**
 * connection_enter() - Go into a state and give it its time
 * @thread:	Its thread
 * @connection:	Connection
 * @state:	State
 */
void connection_enter(struct thread_context *thread, struct connection *connection,
		      enum connection_state state)
{
	connection->state = state;
	if (!connection->probe)	/* whose time is for all of it */
		connection->active_ms = thread->io.now_ms;
	connection_update_timer(thread, connection);
}

static bool is_establishing(const struct connection *connection)
{
	return connection->state == CONNECTING || connection->state == HANDSHAKING;
}

static bool expired(const struct thread_context *thread, const struct connection *connection)
{
	uint64_t deadline = connection_deadline(connection);

	return deadline && deadline <= thread->io.now_ms;
}

static void turn_on_keepalive(struct connection *connection)
{
	const struct sidetrack_relay_options *options = &connection->generation->options;

	connection->keepalive = true;
	if (options->upstream_keepalive_s)
		dial_set_keepalive(connection->leg[UPSTREAM].fd, options->upstream_keepalive_s,
				   options->keepalive_interval_s);
}

static void connection_timer(struct timer *timer, void *context)
{
	struct connection *connection = container_of(timer, struct connection, timer);
	struct thread_context *thread = context;

	if (wants_keepalive(connection))
		turn_on_keepalive(connection);
	if (connection->state == RESETTING)
		resetting_check(thread, connection);
	else if (!expired(thread, connection) && !must_make_room(thread, connection))
		connection_update_timer(thread, connection);	/* it moved bytes meanwhile */
	else if (is_establishing(connection))
		establish_timeout(thread, connection);
	else if (connection->broken != OUTCOME_OPEN)
		connection_close(thread, connection, connection->broken);
	else if (half_closed(connection))
		connection_close(thread, connection, OUTCOME_HALF_CLOSE_TIMEOUT);
	else
		connection_close(thread, connection, OUTCOME_IDLE_TIMEOUT);
}

/* --- events ------------------------------------------------------------------- */

/* The client may finish sending meanwhile, but not go away. */
static void establishing_event(struct thread_context *thread, struct connection *connection, int side,
			       uint32_t events)
{
	if (side == UPSTREAM)
		establish_event(thread, connection, events);
	else if (events & EPOLLERR)
		connection_close(thread, connection, OUTCOME_CLIENT_RESET);
}

static void leg_event(struct thread_context *thread, struct event_source *source, uint32_t events)
{
	struct leg *leg = container_of(source, struct leg, source);
	struct connection *connection = leg_connection(leg);
	struct direction *direction = &connection->direction[leg->side];

	direction->urgent |= (events & EPOLLPRI) != 0;
	connection->announced[leg->side] |= (events & READ_EVENTS) != 0;
	if ((events & END_EVENTS) && !direction->hangup) {
		direction->hangup = true;
		if (connection->state == RELAYING) {
			connection->active_ms = thread->io.now_ms;	/* an end is news */
			connection_update_timer(thread, connection);
		}
	}
	if (is_establishing(connection))
		establishing_event(thread, connection, leg->side, events);
	else if (connection->state == RELAYING)
		relaying_event(thread, connection, leg->side, events);
	else if (connection->state == RESETTING)
		resetting_event(thread, connection, leg->side, events);
}

/* --- the beginning -------------------------------------------------------------- */

static struct connection *connection_create(struct thread_context *thread, int fd,
					    const struct endpoint *client)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	int side;

	if (!connection)
		return NULL;
	for (side = 0; side < SIDES; side++)
		connection->leg[side] = (struct leg){ .source = { leg_event }, .fd = -1, .side = side };
	connection->leg[CLIENT].fd = fd;
	connection->client = *client;
	connection->upstream = NO_UPSTREAM;
	connection->generation = thread->generation;
	generation_enter(connection->generation, thread->index);
	direction_init(&connection->direction[CLIENT], &thread->counters->upload_bytes,
		       &thread->counters->histogram[HISTOGRAM_residency_upload]);
	direction_init(&connection->direction[UPSTREAM], &thread->counters->download_bytes,
		       &thread->counters->histogram[HISTOGRAM_residency_download]);
	connection->accepted_us = clock_us();
	connection->accepted_unix_ms = clock_unix_ms();
	connection->active_ms = thread->io.now_ms;
	timer_init(&connection->timer, connection_timer);
	list_init(&connection->turn);
	list_add(&thread->connections, &connection->node);
	return connection;
}

/**
 * connection_probe() - Try an upstream without a client
 * @thread:		The thread
 * @destination:	Where to
 * @upstream:		Number of the only one to try
 *
 * Return: true if probe_ended() hears of its end, or has already; false if there was
 *	   no memory to begin
 */
bool connection_probe(struct thread_context *thread, const struct endpoint *destination, uint32_t upstream)
{
	struct connection *connection = connection_create(thread, -1, destination);

	if (!connection)
		return false;
	connection->probe = true;
	connection->destination = *destination;
	connection->tried = ~(1U << upstream);
	establish_begin(thread, connection);
	return true;
}

/**
 * connection_open() - Take over an accepted socket
 * @thread:	Its thread, which has counted it as active
 * @fd:		Socket
 * @client:	Its peer
 */
void connection_open(struct thread_context *thread, int fd, const struct endpoint *client)
{
	struct connection *connection = connection_create(thread, fd, client);
	enum outcome outcome;
	int error;

	if (!connection) {
		close(fd);
		counter_add(&thread->counters->outcome[OUTCOME_NO_MEMORY], 1);
		thread->connection_gone(thread);
		return;
	}
	error = destination_original(fd, (enum capture)thread->options->capture, client,
				     &connection->destination);
	record_begin(thread, connection);
	outcome = error ? OUTCOME_NO_ORIGINAL_DESTINATION
			: guard_judge(thread->guard, client, &connection->destination);
	if (outcome == OUTCOME_OPEN)
		outcome = limits_enter(thread, connection);
	if (outcome != OUTCOME_OPEN)
		connection_close(thread, connection, outcome);
	else if (leg_watch(thread->epoll, &connection->leg[CLIENT]) < 0)
		connection_close(thread, connection, OUTCOME_NO_MEMORY);
	else
		establish_begin(thread, connection);
}
