// SPDX-License-Identifier: MIT
#include "connection/handshaking.h"

#include "base/counters.h"
#include "connection/exchange.h"
#include "connection/relaying.h"

/* Bytes can pass. */
static void established(struct thread_context *thread, struct connection *connection)
{
	struct establish *establish = &connection->establish;

	if (establish_upstream(establish)->kind != UPSTREAM_DIRECT)
		upstreams_judge(establish_upstreams(establish), establish->upstream, FAULT_NONE,
				thread->io.now_ms);
	establish_judge_address(establish, thread, true);
	counter_add(&establish_counters(establish, thread)->connections, 1);
	if (direction_skip(&connection->direction[CLIENT], &thread->io,
			   connection->leg[CLIENT].fd, establish->early) < 0)
		connection_close(thread, connection, OUTCOME_CLIENT_RESET);
	else
		relaying_begin(thread, connection);
}

/* What came behind the reply is the client's: it goes before all that is yet to come. */
static void granted(struct thread_context *thread, struct connection *connection,
		    const struct exchange *exchange)
{
	if (exchange->rest_length &&
	    direction_preload(&connection->direction[UPSTREAM], exchange->rest,
			      exchange->rest_length) < 0)
		connection->give_up(thread, connection, OUTCOME_NO_MEMORY);
	else
		established(thread, connection);
}

static void converse(struct thread_context *thread, struct connection *connection)
{
	struct exchange exchange = { .client = connection->leg[CLIENT].fd };
	enum exchange_state state = exchange_run(&exchange, &connection->establish, thread,
						 connection->leg[UPSTREAM].fd);

	if (state == EXCHANGE_DONE)
		granted(thread, connection, &exchange);
	else if (state == EXCHANGE_FAILED && exchange.why == OUTCOME_CLIENT_RESET)
		connection_close(thread, connection, exchange.why);
	else if (state == EXCHANGE_FAILED)
		connection->give_up(thread, connection, exchange.why);
}

/* The client may finish sending meanwhile, but not go away. */
static void handshaking_event(struct thread_context *thread, struct event_source *source,
			      uint32_t events)
{
	struct leg *leg = container_of(source, struct leg, source);
	struct connection *connection = connection_of_leg(leg);

	connection_note(connection, leg->side, events);
	if (leg->side == UPSTREAM)
		converse(thread, connection);
	else if (events & EPOLLERR)
		connection_close(thread, connection, OUTCOME_CLIENT_RESET);
}

static void handshaking_timer(struct thread_context *thread, struct connection *connection)
{
	if (connection_expired(thread, connection))
		connection->give_up(thread, connection, OUTCOME_HANDSHAKE_TIMEOUT);
	else
		connection_update_timer(thread, connection);
}

static uint32_t handshaking_timeout(const struct connection *connection)
{
	return connection_options(connection)->handshake_timeout_ms;
}

static const struct stage handshaking_stage = {
	.state = HANDSHAKING,
	.on_event = handshaking_event,
	.on_timer = handshaking_timer,
	.timeout = handshaking_timeout,
};

/**
 * handshaking_begin() - The upstream, or the destination itself, has answered connect()
 * @thread:	Its thread
 * @connection:	Connection
 */
void handshaking_begin(struct thread_context *thread, struct connection *connection)
{
	if (!connection->establish.has_handshake) {
		established(thread, connection);
		return;
	}
	connection->announced[UPSTREAM] = true;	/* the handshake's reads use up edges */
	connection_enter(thread, connection, &handshaking_stage);
	converse(thread, connection);
}
