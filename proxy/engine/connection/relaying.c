// SPDX-License-Identifier: MIT
#include "connection/relaying.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/histogram.h"
#include "bytes/coalesce.h"
#include "connection/count-bytes.h"
#include "connection/express.h"
#include "connection/limits.h"
#include "connection/read-ahead.h"
#include "connection/record.h"
#include "connection/resetting.h"
#include "sockets/dial.h"

#define SHORTER_WHEN_FULL 30
#define KEEPALIVE_AFTER_MS 1000	/* far below the first probe's 120 s */

static const struct stage relaying_stage;

/* --- relaying --------------------------------------------------------------- */

static void run(struct thread_context *thread, struct connection *connection, int side);

static void coalesce_legs(struct thread_context *thread, struct connection *connection)
{
	int side;

	for (side = 0; side < SIDES; side++)
		coalesce_review(thread, &connection->leg[side],
				connection->direction[side].bulk.holds);
}

/* Return: true if the client has said something, whether or not it was handed on */
static bool client_has_spoken(const struct connection *connection)
{
	const struct direction *direction = &connection->direction[CLIENT];
	char byte;

	return direction->bytes || direction->pending ||
	       recv(connection->leg[CLIENT].fd, &byte, 1, MSG_PEEK) > 0;
}

/* The upstream has hung up; was there ever anything?  Once in a connection's life at most. */
static void hear_end(struct thread_context *thread, struct connection *connection)
{
	const struct direction *direction = connection->direction;
	const struct establish *establish = &connection->establish;

	if (direction[UPSTREAM].bytes || direction[UPSTREAM].pending ||
	    direction[CLIENT].hangup || !client_has_spoken(connection))
		return;
	upstreams_hear_nothing(establish_upstreams(establish), establish->upstream,
			       &establish->destination, thread->io.now_ms);
}

/*
 * The leg's socket has failed.  Nothing can be sent to it, but unless it has
 * been emptied it may still hold what it received before.
 */
static void leg_broken(struct thread_context *thread, struct connection *connection, int side,
		       bool empty)
{
	if (connection->broken == outcome_of_reset(!side)) {
		connection_close(thread, connection, connection->broken);
		return;
	}
	if (side == UPSTREAM && empty)
		hear_end(thread, connection);
	connection_expect_reset(connection, side);
	bulk_end(&connection->direction[!side].bulk);
	coalesce_legs(thread, connection);
	direction_release(&connection->direction[!side], &thread->io);
	if (empty || connection->direction[side].finished) {
		resetting_begin(thread, connection);
		return;
	}
	connection_update_timer(thread, connection);
	run(thread, connection, side);
}

/*
 * A reset shows up as the error of a read, after the bytes that came before it.
 * A leg that has ended is not read any more and would hide it; so look at the
 * socket itself: now, or when its last bytes have gone, for the edge is spent.
 */
static void check_error(struct thread_context *thread, struct connection *connection, int side)
{
	socklen_t length = sizeof(int);
	int error = 0;

	if (connection->stage != &relaying_stage)
		return;
	connection->error_seen[side] = true;
	if (!connection->direction[side].finished)
		return;
	if (getsockopt(connection->leg[side].fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 &&
	    error)
		leg_broken(thread, connection, side, false);
}

static void direction_finished(struct thread_context *thread, struct connection *connection,
			       int side)
{
	if (side == UPSTREAM)
		hear_end(thread, connection);
	if (connection->broken != OUTCOME_OPEN) {
		resetting_begin(thread, connection);
		return;
	}
	connection->direction[side].finished = true;
	/* the last FIN goes out with close() */
	if (connection->direction[!side].finished)
		connection_close(thread, connection, OUTCOME_FINISHED);
	else if (shutdown(connection->leg[!side].fd, SHUT_WR) < 0)
		leg_broken(thread, connection, !side, false);
	else if (connection->error_seen[side])
		check_error(thread, connection, side);
}

static void note_activity(struct thread_context *thread, struct connection *connection, int side,
			  uint64_t bytes)
{
	count_bytes(thread, connection, side, bytes);
	connection->active_ms = thread->io.now_ms;
	if (connection->first_byte_us || !connection->direction[UPSTREAM].bytes)
		return;
	connection->first_byte_us = clock_us() - connection->accepted_us;
	histogram_record(&thread->counters->histogram[HISTOGRAM_first_byte],
			 connection->first_byte_us);
	upstreams_hear_byte(establish_upstreams(&connection->establish),
			    connection->establish.upstream);
}

/* Nagle's algorithm holds back a second small write, never the first. */
static void upstream_set_no_delay(struct connection *connection)
{
	if (!connection->no_delay)
		dial_set_no_delay(connection->leg[UPSTREAM].fd);
	connection->no_delay = true;
}

/* What follows from a run's end. */
static void run_ended(struct thread_context *thread, struct connection *connection, int side,
		      enum progress progress)
{
	switch (progress) {
	case PROGRESS_TURN_OVER:
		connection->direction[side].turn_over = true;
		context_queue(thread, &connection->turn);
		break;
	case PROGRESS_FINISHED:
		direction_finished(thread, connection, side);
		break;
	case PROGRESS_SOURCE_FAILED:
		leg_broken(thread, connection, side, true);
		break;
	case PROGRESS_SINK_FAILED:
		leg_broken(thread, connection, !side, false);
		break;
	case PROGRESS_NO_MEMORY:
		connection_close(thread, connection, OUTCOME_NO_MEMORY);
		break;
	default:
		break;
	}
}

/* Reads from @side and writes to the other until that has to wait. */
static void run(struct thread_context *thread, struct connection *connection, int side)
{
	struct direction *direction = &connection->direction[side];
	uint64_t before = direction->bytes;
	enum progress progress;

	if (connection->stage != &relaying_stage || direction->finished)
		return;
	/* an urgent mark cuts one read in two; the FIN behind the last bytes takes them along */
	if (side == CLIENT && (before || direction->urgent) && !direction->hangup)
		upstream_set_no_delay(connection);
	progress = direction_run(direction, &thread->io, connection->leg[side].fd,
				 connection->leg[!side].fd);
	if (direction->bytes != before) {
		note_activity(thread, connection, side, direction->bytes - before);
		bulk_answered(&connection->direction[!side].bulk);
	}
	/* it was more than one write, and the last bytes may have been held back */
	if (side == CLIENT && direction->bytes > thread->io.buffer_size)
		upstream_set_no_delay(connection);
	if (progress == PROGRESS_FINISHED)
		bulk_end(&direction->bulk);
	coalesce_legs(thread, connection);
	read_ahead_ran(thread, connection, side, direction->bytes - before, progress);
	run_ended(thread, connection, side, progress);
	if (thread->express && connection->stage == &relaying_stage &&
	    express_wanted(thread, connection))
		express_hold(thread, connection);
}

/*
 * Bulk waits for its turn, so that small messages and new connections, of which this or the
 * next look at the events tells, come first.  Ends and urgent bytes wait for nothing.
 */
static void run_or_queue(struct thread_context *thread, struct connection *connection, int side,
			 uint32_t events)
{
	struct direction *direction = &connection->direction[side];

	if (!direction->heavy || (events & (EPOLLPRI | END_EVENTS)) ||
	    connection->stage != &relaying_stage) {
		run(thread, connection, side);
		return;
	}
	direction_announce(direction, &thread->io);
	connection->direction[side].turn_over = true;
	context_queue(thread, &connection->turn);
}

/* On the way to the mode `express` all that comes is handed on at once, so that nothing is left. */
static void proceed_to_express(struct thread_context *thread, struct connection *connection)
{
	int side;

	if (!express_proceed(thread, connection))
		return;
	for (side = 0; side < SIDES; side++)
		connection->direction[side].turn_over = true;
	context_queue(thread, &connection->turn);
}

/**
 * relaying_resume() - The turn of a connection that has waited for it
 * @thread:	Its thread
 * @connection:	Connection from the thread's queue
 */
void relaying_resume(struct thread_context *thread, struct connection *connection)
{
	int side;

	for (side = 0; side < SIDES; side++) {
		bool turn_over = connection->direction[side].turn_over;

		connection->direction[side].turn_over = false;
		if (turn_over)
			run(thread, connection, side);
	}
	if (!connection_flow(connection))
		return;
	if (connection->stage == &relaying_stage)
		proceed_to_express(thread, connection);
	else if (connection->broken != OUTCOME_OPEN)
		express_abandon(thread, connection);
}

static void relaying_event(struct thread_context *thread, struct event_source *source,
			   uint32_t events)
{
	struct leg *leg = container_of(source, struct leg, source);
	struct connection *connection = connection_of_leg(leg);
	enum side side = leg->side;

	if (connection_note(connection, side, events)) {
		connection->active_ms = thread->io.now_ms;	/* an end is news */
		connection_update_timer(thread, connection);
	}
	if (events & READ_EVENTS)
		run_or_queue(thread, connection, side, events);
	/* edges report writability with everything else; it only matters to a stall */
	if ((events & EPOLLOUT) && connection->direction[!side].pending)
		run_or_queue(thread, connection, !side, events);
	if (events & EPOLLERR)
		check_error(thread, connection, side);
}

/* --- time ------------------------------------------------------------------- */

/* One side has ended, even if its last bytes still wait for a slow receiver. */
static bool half_closed(const struct connection *connection)
{
	return connection->direction[CLIENT].hangup || connection->direction[UPSTREAM].hangup;
}

static uint32_t relaying_timeout(const struct connection *connection)
{
	const struct sidetrack_relay_options *options = connection_options(connection);

	return half_closed(connection) ? options->half_close_timeout_ms : options->idle_timeout_ms;
}

/*
 * While no other client can be served, one that only waits for an answer gets a thirtieth of
 * the time: a chain of connections that lead back to us, each of which waits for the next,
 * ends with one that we cannot accept, and would keep everybody out for minutes.
 */
static uint32_t half_close_patience(const struct connection *connection)
{
	if (!half_closed(connection))
		return 0;
	return connection_options(connection)->half_close_timeout_ms / SHORTER_WHEN_FULL;
}

static bool must_make_room(const struct thread_context *thread,
			   const struct connection *connection)
{
	uint32_t patience = half_close_patience(connection);

	return patience && limits_are_reached(thread->limits) &&
	       connection->active_ms + patience <= thread->io.now_ms;
}

static uint32_t relaying_check(const struct connection *connection)
{
	uint32_t patience = half_close_patience(connection);

	if (!connection->keepalive && (!patience || patience > KEEPALIVE_AFTER_MS))
		return KEEPALIVE_AFTER_MS;
	return patience;
}

static void turn_on_keepalive(struct connection *connection)
{
	const struct sidetrack_relay_options *options = connection_options(connection);

	connection->keepalive = true;
	if (options->upstream_keepalive_s)
		dial_set_keepalive(connection->leg[UPSTREAM].fd, options->upstream_keepalive_s,
				   options->keepalive_interval_s);
}

static void relaying_timer(struct thread_context *thread, struct connection *connection)
{
	if (!connection->keepalive)
		turn_on_keepalive(connection);
	if (!connection_expired(thread, connection) && !must_make_room(thread, connection))
		connection_update_timer(thread, connection);	/* it moved bytes meanwhile */
	else if (connection->broken != OUTCOME_OPEN)
		connection_close(thread, connection, connection->broken);
	else if (half_closed(connection))
		connection_close(thread, connection, OUTCOME_HALF_CLOSE_TIMEOUT);
	else
		connection_close(thread, connection, OUTCOME_IDLE_TIMEOUT);
}

static const struct stage relaying_stage = {
	.state = RELAYING,
	.on_event = relaying_event,
	.on_timer = relaying_timer,
	.timeout = relaying_timeout,
	.check = relaying_check,
};

/**
 * relaying_begin() - Bytes may pass from now on
 * @thread:	Its thread
 * @connection:	Connection whose upstream leg stands
 */
void relaying_begin(struct thread_context *thread, struct connection *connection)
{
	int side;

	connection->connect_took_us =
		(uint32_t)(clock_us() - connection->establish.connect_us);
	histogram_record(&thread->counters->histogram[HISTOGRAM_connect],
			 connection->connect_took_us);
	record_established(thread, connection);
	connection_waits_no_more(thread, connection);
	connection->flow = NULL;	/* there is no next upstream any more */
	connection_enter(thread, connection, &relaying_stage);
	read_ahead_begin(thread, connection);
	if (connection->direction[CLIENT].bytes)	/* sent with the handshake */
		note_activity(thread, connection, CLIENT, connection->direction[CLIENT].bytes);
	for (side = 0; side < SIDES; side++)
		if (connection->announced[side])
			run(thread, connection, side);
}
