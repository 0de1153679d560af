// SPDX-License-Identifier: MIT
#include "connection/relaying.h"

#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/histogram.h"
#include "bytes/coalesce.h"
#include "connection/establish.h"
#include "connection/record.h"
#include "sockets/dial.h"
#include "upstreams/generation.h"

#define RESET_CHECK_MS 50	/* between checks of what a reset has to wait for */
#define RESET_PATIENCE_MS 10000	/* with a receiver that acknowledges nothing */

static const enum outcome outcome_reset[SIDES] = { OUTCOME_CLIENT_RESET, OUTCOME_UPSTREAM_RESET };

/* --- resetting -------------------------------------------------------------- */

/* Return: bytes that the receiver has not acknowledged yet */
static int bytes_unacknowledged(int fd)
{
	int bytes = 0;

	return ioctl(fd, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

/**
 * resetting_check() - Reset once everything has arrived, or nothing does any more
 * @thread:	Its thread
 * @connection:	Connection with a broken leg, all of whose bytes have been handed over
 */
void resetting_check(struct thread_context *thread, struct connection *connection)
{
	int receiver = connection->leg[connection->broken == OUTCOME_CLIENT_RESET].fd;
	int bytes = bytes_unacknowledged(receiver);
	uint64_t now_ms = thread->io.now_ms;

	if (connection->state != RESETTING)
		dial_set_no_delay(receiver);	/* pushes what waits for a FIN that will not come */
	if (connection->state != RESETTING || bytes < connection->unacknowledged)
		connection->active_ms = now_ms;
	connection->state = RESETTING;
	connection->unacknowledged = bytes;
	if (bytes == 0 || now_ms - connection->active_ms > RESET_PATIENCE_MS)
		connection_close(thread, connection, connection->broken);
	else
		timer_set(&thread->timers, &connection->timer, now_ms + RESET_CHECK_MS);
}

/**
 * resetting_event() - If the receiver of the last bytes has gone too, there is nothing to wait for
 * @thread:	Its thread
 * @connection:	Connection that is RESETTING
 * @side:	Which leg has an event
 * @events:	From epoll
 */
void resetting_event(struct thread_context *thread, struct connection *connection, int side,
		     uint32_t events)
{
	if ((events & EPOLLERR) && connection->broken != outcome_reset[side])
		connection_close(thread, connection, connection->broken);
}

/* --- relaying --------------------------------------------------------------- */

static void run(struct thread_context *thread, struct connection *connection, int side);

static void coalesce_legs(struct thread_context *thread, struct connection *connection)
{
	int side;

	for (side = 0; side < SIDES; side++)
		coalesce_review(thread, &connection->leg[side],
				connection->direction[side].bulk.holds);
}

/**
 * relaying_expect_reset() - The leg's socket has failed: what it still holds is the last there is
 * @connection:	Connection
 * @side:	Which leg
 */
void relaying_expect_reset(struct connection *connection, int side)
{
	connection->broken = outcome_reset[side];
	connection->direction[side].hangup = true;
	connection->direction[!side].finished = true;
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

	if (direction[UPSTREAM].bytes || direction[UPSTREAM].pending ||
	    direction[CLIENT].hangup || !client_has_spoken(connection))
		return;
	upstreams_hear_nothing(&connection->generation->upstreams, connection->upstream,
			       &connection->destination, thread->io.now_ms);
}

/*
 * The leg's socket has failed.  Nothing can be sent to it, but unless it has
 * been emptied it may still hold what it received before.
 */
static void leg_broken(struct thread_context *thread, struct connection *connection, int side, bool empty)
{
	if (connection->broken == outcome_reset[!side]) {
		connection_close(thread, connection, connection->broken);
		return;
	}
	if (side == UPSTREAM && empty)
		hear_end(thread, connection);
	relaying_expect_reset(connection, side);
	bulk_end(&connection->direction[!side].bulk);
	coalesce_legs(thread, connection);
	direction_release(&connection->direction[!side], &thread->io);
	if (empty || connection->direction[side].finished) {
		resetting_check(thread, connection);
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

	if (connection->state != RELAYING)
		return;
	connection->error_seen[side] = true;
	if (!connection->direction[side].finished)
		return;
	if (getsockopt(connection->leg[side].fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 &&
	    error)
		leg_broken(thread, connection, side, false);
}

static void direction_finished(struct thread_context *thread, struct connection *connection, int side)
{
	if (side == UPSTREAM)
		hear_end(thread, connection);
	if (connection->broken != OUTCOME_OPEN) {
		resetting_check(thread, connection);
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

static void count_bytes(struct thread_context *thread, const struct connection *connection, int side,
			uint64_t bytes)
{
	struct sidetrack_relay_counters *counters = thread->counters;
	struct sidetrack_relay_upstream_counters *upstream =
		&counters->upstream[establish_slot(connection)];
	struct sidetrack_relay_route_counters *route = &counters->route[connection->route];

	counter_add(side == CLIENT ? &upstream->upload_bytes : &upstream->download_bytes, bytes);
	counter_add(side == CLIENT ? &route->upload_bytes : &route->download_bytes, bytes);
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
	upstreams_hear_byte(&connection->generation->upstreams, connection->upstream);
}

/* Nagle's algorithm holds back a second small write, never the first. */
static void upstreams_no_delay(struct connection *connection)
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
		connection->turn_over[side] = true;
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

	if (connection->state != RELAYING || direction->finished)
		return;
	/* an urgent mark cuts one read in two; the FIN behind the last bytes takes them along */
	if (side == CLIENT && (before || direction->urgent) && !direction->hangup)
		upstreams_no_delay(connection);
	progress = direction_run(direction, &thread->io, connection->leg[side].fd,
				 connection->leg[!side].fd);
	if (direction->bytes != before) {
		note_activity(thread, connection, side, direction->bytes - before);
		bulk_answered(&connection->direction[!side].bulk);
	}
	/* it was more than one write, and the last bytes may have been held back */
	if (side == CLIENT && direction->bytes > thread->io.buffer_size)
		upstreams_no_delay(connection);
	if (progress == PROGRESS_FINISHED)
		bulk_end(&direction->bulk);
	coalesce_legs(thread, connection);
	run_ended(thread, connection, side, progress);
}

/**
 * relaying_resume() - Go on after a turn that was over too soon
 * @thread:	Its thread
 * @connection:	Connection from the thread's queue
 */
void relaying_resume(struct thread_context *thread, struct connection *connection)
{
	int side;

	for (side = 0; side < SIDES; side++) {
		bool turn_over = connection->turn_over[side];

		connection->turn_over[side] = false;
		if (turn_over)
			run(thread, connection, side);
	}
}

/**
 * relaying_event() - Something has happened on a leg
 * @thread:	Its thread
 * @connection:	Connection that is RELAYING
 * @side:	Which leg
 * @events:	From epoll
 */
void relaying_event(struct thread_context *thread, struct connection *connection, int side,
		    uint32_t events)
{
	if (events & READ_EVENTS)
		run(thread, connection, side);
	/* edges report writability with everything else; it only matters to a stall */
	if ((events & EPOLLOUT) && connection->direction[!side].pending)
		run(thread, connection, !side);
	if (events & EPOLLERR)
		check_error(thread, connection, side);
}

/**
 * relaying_begin() - Bytes may pass from now on
 * @thread:	Its thread
 * @connection:	Connection whose upstream leg stands
 */
void relaying_begin(struct thread_context *thread, struct connection *connection)
{
	int side;

	if (connection->probe) {
		connection_close(thread, connection, OUTCOME_FINISHED);
		return;
	}
	connection->connect_took_us = clock_us() - connection->connect_us;
	histogram_record(&thread->counters->histogram[HISTOGRAM_connect],
			 connection->connect_took_us);
	record_established(thread, connection);
	connection_waits_no_more(thread, connection);
	connection_enter(thread, connection, RELAYING);
	if (connection->direction[CLIENT].bytes)	/* sent with the handshake */
		note_activity(thread, connection, CLIENT, connection->direction[CLIENT].bytes);
	for (side = 0; side < SIDES; side++)
		if (connection->announced[side])
			run(thread, connection, side);
}
