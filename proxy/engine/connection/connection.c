// SPDX-License-Identifier: MIT
#include "connection/connection.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/client-table.h"
#include "base/clock.h"
#include "base/counters.h"
#include "base/trace.h"
#include "bytes/coalesce.h"
#include "connection/express-flow.h"
#include "connection/limits.h"
#include "connection/read-ahead.h"
#include "connection/record.h"
#include "sockets/tcp-info.h"

/* --- stages ------------------------------------------------------------------ */

/* Before the first stage, and of one that is closed: events at hand may still name it. */
static void ignore_event(struct thread_context *thread, struct event_source *source,
			 uint32_t events)
{
	(void)thread;
	(void)source;
	(void)events;
}

static const struct stage accepted_stage = { .state = CONNECTING, .on_event = ignore_event };
static const struct stage closed_stage = { .state = CLOSED, .on_event = ignore_event };

/* The next upstream is tried from the first two, and any may be the last. */
static bool may_follow(const struct connection *connection, enum connection_state state)
{
	static const uint8_t after[CLOSED + 1] = {
		[CONNECTING] = 1 << CONNECTING | 1 << HANDSHAKING | 1 << RELAYING | 1 << CLOSED,
		[HANDSHAKING] = 1 << CONNECTING | 1 << RELAYING | 1 << CLOSED,
		[RELAYING] = 1 << RELAYING | 1 << RESETTING | 1 << CLOSED,
		[RESETTING] = 1 << CLOSED,
	};

	return after[connection_state(connection)] >> state & 1;
}

static void set_stage(struct connection *connection, const struct stage *stage)
{
	int side;

	ASSERT(!connection->stage || may_follow(connection, stage->state));
	connection->stage = stage;
	for (side = 0; side < SIDES; side++)
		connection->leg[side].source.handle = stage->on_event;
}

/* Return: when the connection is to be given up, 0 for never */
static uint64_t connection_deadline(const struct connection *connection)
{
	uint32_t timeout = connection->stage->timeout(connection);

	return timeout ? connection->active_ms + timeout : 0;
}

bool connection_expired(const struct thread_context *thread, const struct connection *connection)
{
	uint64_t deadline = connection_deadline(connection);

	return deadline && deadline <= thread->io.now_ms;
}

/**
 * connection_update_timer() - Set the timer to what the connection waits for now
 * @thread:	Its thread
 * @connection:	Connection
 */
void connection_update_timer(struct thread_context *thread, struct connection *connection)
{
	const struct stage *stage = connection->stage;
	uint64_t deadline = connection_deadline(connection);
	uint64_t check = stage->check ? stage->check(connection) : 0;

	if (check && (!deadline || deadline > thread->io.now_ms + check))
		deadline = thread->io.now_ms + check;
	if (deadline)
		timer_set(&thread->timers, &connection->timer, deadline);
	else
		timer_cancel(&thread->timers, &connection->timer);
}

/**
 * connection_enter() - Go into a stage and give it its time
 * @thread:	Its thread
 * @connection:	Connection
 * @stage:	Stage
 */
void connection_enter(struct thread_context *thread, struct connection *connection,
		      const struct stage *stage)
{
	if (connection->stage->state != stage->state)
		TRACE_FLOW(record_id(thread, connection), thread->index,
			   connection_state(connection), stage->state, OUTCOME_OPEN);
	set_stage(connection, stage);
	connection->active_ms = thread->io.now_ms;
	connection_update_timer(thread, connection);
}

static void connection_timer(struct timer *timer, void *context)
{
	struct connection *connection = container_of(timer, struct connection, timer);

	connection->stage->on_timer(context, connection);
}

/**
 * connection_expect_reset() - The leg's socket has failed: what it still holds is the last there is
 * @connection:	Connection
 * @side:	Which leg
 */
void connection_expect_reset(struct connection *connection, int side)
{
	connection->broken = outcome_of_reset(side);
	connection->direction[side].hangup = true;
	connection->direction[!side].finished = true;
}

/* --- limits ----------------------------------------------------------------- */

/* Return: OUTCOME_OPEN, or which limit the connection is beyond */
enum outcome connection_admit(struct thread_context *thread, struct connection *connection)
{
	const struct sidetrack_relay_options *options = connection_options(connection);
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

/* --- life --------------------------------------------------------------------- */

/**
 * connection_create() - Make one that is in no stage yet
 * @thread:	Its thread
 * @fd:		Accepted socket
 * @client:	Its peer
 *
 * Return: connection, or NULL without memory
 */
struct connection *connection_create(struct thread_context *thread, int fd,
				     const struct endpoint *client)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	int side;

	if (!connection)
		return NULL;
	for (side = 0; side < SIDES; side++)
		connection->leg[side] = (struct leg){ .fd = -1, .side = (enum side)side };
	connection->leg[CLIENT].fd = fd;
	connection->client = *client;
	set_stage(connection, &accepted_stage);
	establish_init(&connection->establish, thread);
	direction_init(&connection->direction[CLIENT], true,
		       &thread->counters->histogram[HISTOGRAM_residency_upload]);
	direction_init(&connection->direction[UPSTREAM], false,
		       &thread->counters->histogram[HISTOGRAM_residency_download]);
	connection->accepted_us = clock_us();
	connection->accepted_unix_ms = clock_unix_ms();
	connection->client_entry = client_table_enter(thread->clients, client,
						      connection->accepted_unix_ms);
	connection->holder = holders_bucket(&thread->holders, client);
	connection->active_ms = thread->io.now_ms;
	timer_init(&connection->timer, connection_timer);
	list_init(&connection->turn);
	list_add(&thread->connections, &connection->node);
	return connection;
}

/* While the sockets are there; an upstream that was never reached has nothing to tell. */
static void take_tcp_info(struct thread_context *thread, const struct connection *connection,
			  struct tcp_summary info[SIDES])
{
	if (!connection_options(connection)->tcp_info)
		return;
	if (tcp_info_read(connection->leg[CLIENT].fd, &info[CLIENT]))
		tcp_info_count_client(thread->counters, &info[CLIENT]);
	if (connection_state(connection) != CONNECTING &&
	    tcp_info_read(connection->leg[UPSTREAM].fd, &info[UPSTREAM]))
		tcp_info_count_upstream(thread->counters, &info[UPSTREAM]);
}

/**
 * connection_close() - End a connection: in order if it has finished, else with RST on both legs
 * @thread:	Its thread
 * @connection:	Connection, not yet closed
 * @outcome:	Why
 */
void connection_close(struct thread_context *thread, struct connection *connection,
		      enum outcome outcome)
{
	struct tcp_summary info[SIDES] = { 0 };
	bool finished = outcome == OUTCOME_FINISHED;
	int side;

	TRACE_FLOW(record_id(thread, connection), thread->index, connection_state(connection),
		   CLOSED, outcome);
	take_tcp_info(thread, connection, info);
	if (connection_flow(connection))
		express_flow_leave(thread, connection);
	read_ahead_forget(thread, connection);
	for (side = 0; side < SIDES; side++) {
		direction_release(&connection->direction[side], &thread->io);
		coalesce_forget(thread, &connection->leg[side]);
		leg_close(&connection->leg[side], !finished || info[side].ended);
	}
	establish_leave(&connection->establish, thread);
	limits_release(thread, connection);
	client_table_leave(thread->clients, connection->client_entry, clock_unix_ms());
	set_stage(connection, &closed_stage);
	record_end(thread, connection, outcome, info);
	establish_release(&connection->establish, thread);
	timer_cancel(&thread->timers, &connection->timer);
	context_unqueue(thread, &connection->turn);
	context_free_later(thread, &connection->node);
	thread->connection_gone(thread);
}
