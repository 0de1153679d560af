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
#include "relay/relay.h"
#include "sockets/dial.h"
#include "thread/thread.h"

#define RESET_LOOK_MS 50	/* between looks at what a reset has to wait for */
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
 * resetting_look() - Reset once everything has arrived, or nothing does any more
 * @worker:	Its thread
 * @connection:	Connection with a broken leg, all of whose bytes have been handed over
 */
void resetting_look(struct worker *worker, struct connection *connection)
{
	int receiver = connection->leg[connection->broken == OUTCOME_CLIENT_RESET].fd;
	int bytes = bytes_unacknowledged(receiver);
	uint64_t now_ms = worker->transfer.now_ms;

	if (connection->state != RESETTING)
		dial_set_no_delay(receiver);	/* pushes what waits for a FIN that will not come */
	if (connection->state != RESETTING || bytes < connection->unacknowledged)
		connection->active_ms = now_ms;
	connection->state = RESETTING;
	connection->unacknowledged = bytes;
	if (bytes == 0 || now_ms - connection->active_ms > RESET_PATIENCE_MS)
		connection_close(worker, connection, connection->broken);
	else
		timer_set(&worker->timers, &connection->timer, now_ms + RESET_LOOK_MS);
}

/**
 * resetting_event() - If the receiver of the last bytes has gone too, there is nothing to wait for
 * @worker:	Its thread
 * @connection:	Connection that is RESETTING
 * @side:	Which leg has an event
 * @events:	From epoll
 */
void resetting_event(struct worker *worker, struct connection *connection, int side,
		     uint32_t events)
{
	if ((events & EPOLLERR) && connection->broken != outcome_reset[side])
		connection_close(worker, connection, connection->broken);
}

/* --- relaying --------------------------------------------------------------- */

static void run(struct worker *worker, struct connection *connection, int side);

static void coalesce_legs(struct worker *worker, struct connection *connection)
{
	int side;

	for (side = 0; side < SIDES; side++)
		coalesce_review(worker, &connection->leg[side],
				connection->direction[side].sustain.holds);
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
static void hear_end(struct worker *worker, struct connection *connection)
{
	const struct direction *direction = connection->direction;

	if (direction[UPSTREAM].bytes || direction[UPSTREAM].pending ||
	    direction[CLIENT].hangup || !client_has_spoken(connection))
		return;
	roster_hear_nothing(&connection->generation->roster, connection->upstream,
			    &connection->destination, worker->transfer.now_ms);
}

/*
 * The leg's socket has failed.  Nothing can be sent to it, but unless it has
 * been emptied it may still hold what it received before.
 */
static void leg_broken(struct worker *worker, struct connection *connection, int side, bool empty)
{
	if (connection->broken == outcome_reset[!side]) {
		connection_close(worker, connection, connection->broken);
		return;
	}
	if (side == UPSTREAM && empty)
		hear_end(worker, connection);
	relaying_expect_reset(connection, side);
	sustain_end(&connection->direction[!side].sustain);
	coalesce_legs(worker, connection);
	direction_release(&connection->direction[!side], &worker->transfer);
	if (empty || connection->direction[side].finished) {
		resetting_look(worker, connection);
		return;
	}
	connection_update_timer(worker, connection);
	run(worker, connection, side);
}

/*
 * A reset shows up as the error of a read, after the bytes that came before it.
 * A leg that has ended is not read any more and would hide it; so look at the
 * socket itself: now, or when its last bytes have gone, for the edge is spent.
 */
static void check_error(struct worker *worker, struct connection *connection, int side)
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
		leg_broken(worker, connection, side, false);
}

static void direction_finished(struct worker *worker, struct connection *connection, int side)
{
	if (side == UPSTREAM)
		hear_end(worker, connection);
	if (connection->broken != OUTCOME_OPEN) {
		resetting_look(worker, connection);
		return;
	}
	connection->direction[side].finished = true;
	/* the last FIN goes out with close() */
	if (connection->direction[!side].finished)
		connection_close(worker, connection, OUTCOME_FINISHED);
	else if (shutdown(connection->leg[!side].fd, SHUT_WR) < 0)
		leg_broken(worker, connection, !side, false);
	else if (connection->error_seen[side])
		check_error(worker, connection, side);
}

static void count_bytes(struct worker *worker, const struct connection *connection, int side,
			uint64_t bytes)
{
	struct sidetrack_relay_counters *counters = worker->counters;
	struct sidetrack_relay_upstream_counters *upstream =
		&counters->upstream[attempt_slot(connection)];
	struct sidetrack_relay_route_counters *route = &counters->route[connection->route];

	counter_add(side == CLIENT ? &upstream->upload_bytes : &upstream->download_bytes, bytes);
	counter_add(side == CLIENT ? &route->upload_bytes : &route->download_bytes, bytes);
}

static void note_activity(struct worker *worker, struct connection *connection, int side,
			  uint64_t bytes)
{
	count_bytes(worker, connection, side, bytes);
	connection->active_ms = worker->transfer.now_ms;
	if (connection->first_byte_us || !connection->direction[UPSTREAM].bytes)
		return;
	connection->first_byte_us = clock_us() - connection->accepted_us;
	histogram_record(&worker->counters->histogram[HISTOGRAM_first_byte],
			 connection->first_byte_us);
	roster_hear_byte(&connection->generation->roster, connection->upstream);
}

/* Nagle's algorithm holds back a second small write, never the first. */
static void upstream_set_no_delay(struct connection *connection)
{
	if (!connection->no_delay)
		dial_set_no_delay(connection->leg[UPSTREAM].fd);
	connection->no_delay = true;
}

/* What follows from a run's end. */
static void run_ended(struct worker *worker, struct connection *connection, int side,
		      enum progress progress)
{
	switch (progress) {
	case PROGRESS_TURN_OVER:
		connection->turn_over[side] = true;
		worker_queue(worker, connection);
		break;
	case PROGRESS_FINISHED:
		direction_finished(worker, connection, side);
		break;
	case PROGRESS_SOURCE_FAILED:
		leg_broken(worker, connection, side, true);
		break;
	case PROGRESS_SINK_FAILED:
		leg_broken(worker, connection, !side, false);
		break;
	case PROGRESS_NO_MEMORY:
		connection_close(worker, connection, OUTCOME_NO_MEMORY);
		break;
	default:
		break;
	}
}

/* Reads from @side and writes to the other until that has to wait. */
static void run(struct worker *worker, struct connection *connection, int side)
{
	struct direction *direction = &connection->direction[side];
	uint64_t before = direction->bytes;
	enum progress progress;

	if (connection->state != RELAYING || direction->finished)
		return;
	/* an urgent mark cuts one read in two; the FIN behind the last bytes takes them along */
	if (side == CLIENT && (before || direction->urgent) && !direction->hangup)
		upstream_set_no_delay(connection);
	progress = direction_run(direction, &worker->transfer, connection->leg[side].fd,
				 connection->leg[!side].fd);
	if (direction->bytes != before) {
		note_activity(worker, connection, side, direction->bytes - before);
		sustain_answered(&connection->direction[!side].sustain);
	}
	/* it was more than one write, and the last bytes may have been held back */
	if (side == CLIENT && direction->bytes > worker->transfer.buffer_size)
		upstream_set_no_delay(connection);
	if (progress == PROGRESS_FINISHED)
		sustain_end(&direction->sustain);
	coalesce_legs(worker, connection);
	run_ended(worker, connection, side, progress);
}

/**
 * relaying_resume() - Go on after a turn that was over too soon
 * @worker:	Its thread
 * @connection:	Connection from the thread's queue
 */
void relaying_resume(struct worker *worker, struct connection *connection)
{
	int side;

	for (side = 0; side < SIDES; side++) {
		bool turn_over = connection->turn_over[side];

		connection->turn_over[side] = false;
		if (turn_over)
			run(worker, connection, side);
	}
}

/**
 * relaying_event() - Something has happened on a leg
 * @worker:	Its thread
 * @connection:	Connection that is RELAYING
 * @side:	Which leg
 * @events:	From epoll
 */
void relaying_event(struct worker *worker, struct connection *connection, int side,
		    uint32_t events)
{
	if (events & READ_EVENTS)
		run(worker, connection, side);
	/* edges report writability with everything else; it only matters to a stall */
	if ((events & EPOLLOUT) && connection->direction[!side].pending)
		run(worker, connection, !side);
	if (events & EPOLLERR)
		check_error(worker, connection, side);
}

/**
 * relaying_begin() - Bytes may pass from now on
 * @worker:	Its thread
 * @connection:	Connection whose upstream leg stands
 */
void relaying_begin(struct worker *worker, struct connection *connection)
{
	int side;

	if (connection->probe) {
		connection_close(worker, connection, OUTCOME_FINISHED);
		return;
	}
	connection->connect_took_us = clock_us() - connection->connect_us;
	histogram_record(&worker->counters->histogram[HISTOGRAM_connect],
			 connection->connect_took_us);
	record_established(worker, connection);
	connection_waits_no_more(worker, connection);
	connection_enter(worker, connection, RELAYING);
	if (connection->direction[CLIENT].bytes)	/* sent with the handshake */
		note_activity(worker, connection, CLIENT, connection->direction[CLIENT].bytes);
	for (side = 0; side < SIDES; side++)
		if (connection->announced[side])
			run(worker, connection, side);
}
