// SPDX-License-Identifier: MIT
#include "connection.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attempt.h"
#include "clock.h"
#include "counters.h"
#include "destination.h"
#include "dial.h"
#include "histogram.h"
#include "log.h"
#include "probe.h"
#include "recent.h"
#include "relay.h"
#include "vitals.h"
#include "worker.h"

#define END_EVENTS (EPOLLRDHUP | EPOLLHUP | EPOLLERR)
#define READ_EVENTS (EPOLLIN | EPOLLPRI | END_EVENTS)

#define KEEPALIVE_AFTER_MS 1000	/* far below the first probe's 120 s */
#define RESET_LOOK_MS 50	/* between looks at what a reset has to wait for */
#define RESET_PATIENCE_MS 10000	/* with a receiver that acknowledges nothing */

static const enum outcome outcome_reset[SIDES] = { OUTCOME_CLIENT_RESET, OUTCOME_UPSTREAM_RESET };

static struct connection *leg_connection(struct leg *leg)
{
	return container_of(leg - leg->side, struct connection, leg[0]);
}

/* --- the record that people see ----------------------------------------- */

uint64_t connection_id(const struct worker *worker, const struct connection *connection)
{
	return connection->number * worker->relay->thread_count + worker->index;
}

static void record_fill(const struct connection *connection, const struct worker *worker,
			enum outcome outcome, struct sidetrack_relay_record *record)
{
	memset(record, 0, sizeof(*record));
	record->id = connection_id(worker, connection);
	record->accepted_ms = connection->accepted_unix_ms;
	memcpy(record->client, &connection->client.address, sizeof(record->client));
	memcpy(record->destination, &connection->destination.address, sizeof(record->destination));
	record->client_port = connection->client.port;
	record->destination_port = connection->destination.port;
	record->outcome = outcome;
	record->upstream = attempt_slot(connection);
	record->route = connection->route;
	if (outcome == OUTCOME_OPEN)
		return;
	record->duration_us = clock_us() - connection->accepted_us;
	record->connect_us = connection->connect_took_us;
	record->first_byte_us = connection->first_byte_us;
	record->upload_bytes = connection->direction[CLIENT].bytes;
	record->download_bytes = connection->direction[UPSTREAM].bytes;
}

static void record_begin(struct worker *worker, struct connection *connection)
{
	struct sidetrack_relay_record record;

	connection->number = worker->recent->count;
	record_fill(connection, worker, OUTCOME_OPEN, &record);
	recent_begin(worker->recent, &record);
}

/* Which upstream it has got is known. */
static void record_established(struct worker *worker, struct connection *connection)
{
	struct sidetrack_relay_record record;

	record_fill(connection, worker, OUTCOME_OPEN, &record);
	recent_update(worker->recent, connection->number, &record);
}

static void record_vitals(struct sidetrack_relay_record *record,
			  const struct vitals vitals[SIDES])
{
	int side;

	for (side = 0; side < SIDES; side++) {
		record->rtt_us[side] = vitals[side].rtt_us;
		record->retransmitted[side] = vitals[side].retransmitted_segments;
	}
}

static void record_end(struct worker *worker, struct connection *connection, enum outcome outcome,
		       const struct vitals vitals[SIDES])
{
	struct sidetrack_relay_record record;

	record_fill(connection, worker, outcome, &record);
	record_vitals(&record, vitals);
	if (worker->log)
		log_put(worker->log, worker->counters, &record);
	recent_update(worker->recent, connection->number, &record);
	histogram_record(&worker->counters->histogram[HISTOGRAM_lifetime], record.duration_us);
	counter_add(&worker->counters->outcome[outcome], 1);
}

/* --- sockets --------------------------------------------------------------- */

void leg_close(struct leg *leg, bool reset)
{
	if (leg->fd < 0)
		return;
	if (!reset)	/* it has been, in case we end sooner than the connection */
		dial_reset_on_close(leg->fd, false);
	close(leg->fd);
	leg->fd = -1;
}

/* While the sockets are there; an upstream that was never reached has nothing to tell. */
static void take_vitals(struct worker *worker, const struct connection *connection,
			struct vitals vitals[SIDES])
{
	if (!connection->generation->options.tcp_info || connection->probe)
		return;
	if (vitals_read(connection->leg[CLIENT].fd, &vitals[CLIENT]))
		vitals_count_client(worker->counters, &vitals[CLIENT]);
	if (connection->state != CONNECTING &&
	    vitals_read(connection->leg[UPSTREAM].fd, &vitals[UPSTREAM]))
		vitals_count_upstream(worker->counters, &vitals[UPSTREAM]);
}

/* --- limits ----------------------------------------------------------------- */

/* Return: OUTCOME_OPEN, or which limit the connection is beyond */
static enum outcome limits_enter(struct worker *worker, struct connection *connection)
{
	const struct sidetrack_relay_options *options = &connection->generation->options;
	enum client_verdict verdict = clients_enter(&worker->relay->clients, &connection->client,
						    options->max_connections_per_client);

	if (verdict == CLIENT_REFUSED)
		return OUTCOME_CLIENT_LIMIT;
	connection->client_counted = verdict == CLIENT_COUNTED;
	connection->waiting = relay_handshake_begin(worker->relay, options->max_handshakes);
	return connection->waiting ? OUTCOME_OPEN : OUTCOME_HANDSHAKE_LIMIT;
}

static void waiting_ends(struct worker *worker, struct connection *connection)
{
	if (connection->waiting)
		relay_handshake_end(worker->relay);
	connection->waiting = false;
}

static void limits_release(struct worker *worker, struct connection *connection)
{
	waiting_ends(worker, connection);
	if (connection->client_counted)
		clients_leave(&worker->relay->clients, &connection->client);
	connection->client_counted = false;
}

/* --- the end -------------------------------------------------------------- */

static void connection_close(struct worker *worker, struct connection *connection,
			     enum outcome outcome)
{
	struct vitals vitals[SIDES] = { 0 };
	int side;

	take_vitals(worker, connection, vitals);
	for (side = 0; side < SIDES; side++) {
		direction_release(&connection->direction[side], &worker->transfer);
		leg_close(&connection->leg[side], outcome != OUTCOME_FINISHED);
	}
	attempt_release(worker, connection);
	limits_release(worker, connection);
	connection->state = CLOSED;
	if (connection->probe)
		probe_ended(worker, connection, outcome);
	else
		record_end(worker, connection, outcome, vitals);
	generation_leave(connection->generation, worker->index);
	timer_cancel(&worker->timers, &connection->timer);
	list_remove(&connection->turn);
	worker_bury(worker, connection);
}

/**
 * connection_abort() - End a connection with RST on both legs
 * @worker:	Its thread
 * @connection:	Connection, not yet closed
 * @outcome:	Why
 */
void connection_abort(struct worker *worker, struct connection *connection, enum outcome outcome)
{
	connection_close(worker, connection, outcome);
}

/* --- time ------------------------------------------------------------------- */

/* One side has ended, even if its last bytes still wait for a slow receiver. */
static bool half_closed(const struct connection *connection)
{
	return connection->direction[CLIENT].hangup || connection->direction[UPSTREAM].hangup;
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

static void timer_update(struct worker *worker, struct connection *connection)
{
	uint64_t deadline = connection_deadline(connection);
	uint64_t soon = worker->transfer.now_ms + KEEPALIVE_AFTER_MS;

	if (wants_keepalive(connection) && (!deadline || deadline > soon))
		deadline = soon;
	if (deadline)
		timer_set(&worker->timers, &connection->timer, deadline);
	else
		timer_cancel(&worker->timers, &connection->timer);
}

/**
 * connection_enter() - Go into a state and give it its time
 * @worker:	Its thread
 * @connection:	Connection
 * @state:	State
 */
void connection_enter(struct worker *worker, struct connection *connection,
		      enum connection_state state)
{
	connection->state = state;
	if (!connection->probe)	/* whose time is for all of it */
		connection->active_ms = worker->transfer.now_ms;
	timer_update(worker, connection);
}

static bool is_attempting(const struct connection *connection)
{
	return connection->state == CONNECTING || connection->state == HANDSHAKING;
}

/* --- resetting -------------------------------------------------------------- */

/* Return: bytes that the receiver has not acknowledged yet */
static int bytes_unacknowledged(int fd)
{
	int bytes = 0;

	return ioctl(fd, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

/* Resets once everything has arrived, or nothing does any more. */
static void reset_when_delivered(struct worker *worker, struct connection *connection)
{
	int receiver = connection->leg[connection->broken == OUTCOME_CLIENT_RESET].fd;
	int bytes = bytes_unacknowledged(receiver);
	uint64_t now_ms = worker->transfer.now_ms;

	if (connection->state != RESETTING || bytes < connection->unacknowledged)
		connection->active_ms = now_ms;
	connection->state = RESETTING;
	connection->unacknowledged = bytes;
	if (bytes == 0 || now_ms - connection->active_ms > RESET_PATIENCE_MS)
		connection_abort(worker, connection, connection->broken);
	else
		timer_set(&worker->timers, &connection->timer, now_ms + RESET_LOOK_MS);
}

static bool expired(const struct worker *worker, const struct connection *connection)
{
	uint64_t deadline = connection_deadline(connection);

	return deadline && deadline <= worker->transfer.now_ms;
}

static void connection_timer(struct timer *timer, void *context)
{
	struct connection *connection = container_of(timer, struct connection, timer);
	struct worker *worker = context;

	if (wants_keepalive(connection)) {
		connection->keepalive = true;
		dial_set_keepalive(connection->leg[UPSTREAM].fd, &connection->generation->options);
	}
	if (connection->state == RESETTING)
		reset_when_delivered(worker, connection);
	else if (!expired(worker, connection))
		timer_update(worker, connection);	/* it moved bytes meanwhile */
	else if (is_attempting(connection))
		attempt_timeout(worker, connection);
	else if (connection->broken != OUTCOME_OPEN)
		connection_abort(worker, connection, connection->broken);
	else if (half_closed(connection))
		connection_abort(worker, connection, OUTCOME_HALF_CLOSE_TIMEOUT);
	else
		connection_abort(worker, connection, OUTCOME_IDLE_TIMEOUT);
}

/* --- relaying --------------------------------------------------------------- */

static void run(struct worker *worker, struct connection *connection, int side);

/*
 * The leg's socket has failed.  Nothing can be sent to it, but unless it has
 * been emptied it may still hold what it received before.
 */
static void leg_broken(struct worker *worker, struct connection *connection, int side, bool empty)
{
	if (connection->broken == outcome_reset[!side]) {
		connection_abort(worker, connection, connection->broken);
		return;
	}
	connection->broken = outcome_reset[side];
	connection->direction[side].hangup = true;
	connection->direction[!side].finished = true;
	direction_release(&connection->direction[!side], &worker->transfer);
	if (empty || connection->direction[side].finished) {
		reset_when_delivered(worker, connection);
		return;
	}
	timer_update(worker, connection);
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
	if (connection->broken != OUTCOME_OPEN) {
		reset_when_delivered(worker, connection);
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
}

/* Reads from @side and writes to the other until that has to wait. */
static void run(struct worker *worker, struct connection *connection, int side)
{
	struct direction *direction = &connection->direction[side];
	uint64_t before = direction->bytes;
	enum progress progress;

	if (connection->state != RELAYING || direction->finished)
		return;
	progress = direction_run(direction, &worker->transfer, connection->leg[side].fd,
				 connection->leg[!side].fd);
	if (direction->bytes != before)
		note_activity(worker, connection, side, direction->bytes - before);
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
		connection_abort(worker, connection, OUTCOME_NO_MEMORY);
		break;
	default:
		break;
	}
}

/**
 * connection_resume() - Go on after a turn that was over too soon
 * @worker:	Its thread
 * @connection:	Connection from the thread's queue
 */
void connection_resume(struct worker *worker, struct connection *connection)
{
	int side;

	for (side = 0; side < SIDES; side++) {
		bool turn_over = connection->turn_over[side];

		connection->turn_over[side] = false;
		if (turn_over)
			run(worker, connection, side);
	}
}

static void relaying_event(struct worker *worker, struct connection *connection, int side,
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
 * connection_established() - Bytes may pass from now on
 * @worker:	Its thread
 * @connection:	Connection whose upstream leg stands
 */
void connection_established(struct worker *worker, struct connection *connection)
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
	waiting_ends(worker, connection);
	connection_enter(worker, connection, RELAYING);
	if (connection->direction[CLIENT].bytes)	/* sent with the handshake */
		note_activity(worker, connection, CLIENT, connection->direction[CLIENT].bytes);
	for (side = 0; side < SIDES; side++)
		if (connection->announced[side])
			run(worker, connection, side);
}

/* --- events ------------------------------------------------------------------- */

/* The client may finish sending meanwhile, but not go away. */
static void attempting_event(struct worker *worker, struct connection *connection, int side,
			     uint32_t events)
{
	if (side == UPSTREAM)
		attempt_event(worker, connection, events);
	else if (events & EPOLLERR)
		connection_abort(worker, connection, OUTCOME_CLIENT_RESET);
}

/* The receiver of the last bytes has gone too: nothing to wait for. */
static void resetting_event(struct worker *worker, struct connection *connection, int side,
			    uint32_t events)
{
	if ((events & EPOLLERR) && connection->broken != outcome_reset[side])
		connection_abort(worker, connection, connection->broken);
}

static void leg_event(struct worker *worker, struct event_source *source, uint32_t events)
{
	struct leg *leg = container_of(source, struct leg, source);
	struct connection *connection = leg_connection(leg);
	struct direction *direction = &connection->direction[leg->side];

	direction->urgent |= (events & EPOLLPRI) != 0;
	connection->announced[leg->side] |= (events & READ_EVENTS) != 0;
	if ((events & END_EVENTS) && !direction->hangup) {
		direction->hangup = true;
		if (connection->state == RELAYING)
			timer_update(worker, connection);
	}
	if (is_attempting(connection))
		attempting_event(worker, connection, leg->side, events);
	else if (connection->state == RELAYING)
		relaying_event(worker, connection, leg->side, events);
	else if (connection->state == RESETTING)
		resetting_event(worker, connection, leg->side, events);
}

/* --- the beginning -------------------------------------------------------------- */

static struct connection *connection_create(struct worker *worker, int fd,
					    const struct endpoint *client)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	int side;

	if (!connection)
		return NULL;
	for (side = 0; side < SIDES; side++)
		connection->leg[side] = (struct leg){ { leg_event }, -1, side };
	connection->leg[CLIENT].fd = fd;
	connection->client = *client;
	connection->upstream = NO_UPSTREAM;
	connection->generation = worker->generation;
	generation_enter(connection->generation, worker->index);
	direction_init(&connection->direction[CLIENT], &worker->counters->upload_bytes,
		       &worker->counters->histogram[HISTOGRAM_residency_upload]);
	direction_init(&connection->direction[UPSTREAM], &worker->counters->download_bytes,
		       &worker->counters->histogram[HISTOGRAM_residency_download]);
	connection->accepted_us = clock_us();
	connection->accepted_unix_ms = clock_unix_ms();
	connection->active_ms = worker->transfer.now_ms;
	timer_init(&connection->timer, connection_timer);
	list_init(&connection->turn);
	list_add(&worker->connections, &connection->node);
	return connection;
}

int leg_watch(struct worker *worker, struct leg *leg)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET,
		.data.ptr = &leg->source,
	};

	return epoll_ctl(worker->epoll, EPOLL_CTL_ADD, leg->fd, &event);
}

/**
 * connection_probe() - Try an upstream without a client
 * @worker:		The thread
 * @destination:	Where to
 * @upstream:		Number of the only one to try
 *
 * Return: true if probe_ended() hears of its end, or has already; false if there was
 *	   no memory to begin
 */
bool connection_probe(struct worker *worker, const struct endpoint *destination, uint32_t upstream)
{
	struct connection *connection = connection_create(worker, -1, destination);

	if (!connection)
		return false;
	connection->probe = true;
	connection->destination = *destination;
	connection->tried = ~(1U << upstream);
	attempt_begin(worker, connection);
	return true;
}

/**
 * connection_open() - Take over an accepted socket
 * @worker:	Its thread, which has counted it as active
 * @fd:		Socket
 * @client:	Its peer
 */
void connection_open(struct worker *worker, int fd, const struct endpoint *client)
{
	struct connection *connection = connection_create(worker, fd, client);
	enum outcome outcome;
	int error;

	if (!connection) {
		close(fd);
		counter_add(&worker->counters->outcome[OUTCOME_NO_MEMORY], 1);
		worker_connection_gone(worker);
		return;
	}
	error = destination_original(fd, (enum capture)worker->relay->options.capture, client,
				     &connection->destination);
	record_begin(worker, connection);
	outcome = error ? OUTCOME_NO_ORIGINAL_DESTINATION : limits_enter(worker, connection);
	if (outcome != OUTCOME_OPEN)
		connection_abort(worker, connection, outcome);
	else if (leg_watch(worker, &connection->leg[CLIENT]) < 0)
		connection_abort(worker, connection, OUTCOME_NO_MEMORY);
	else
		attempt_begin(worker, connection);
}
