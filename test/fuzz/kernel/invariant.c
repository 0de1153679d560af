// SPDX-License-Identifier: MIT
#include "invariant.h"

#include <string.h>

#include "connection.h"
#include "kernel.h"
#include "worker.h"

static struct {
	struct relay *relay;
	const struct upstream *upstreams;
	bool patient;		/* no time-out cuts off what a reset leaves to deliver */
} of;

static struct worker *the_worker(void)
{
	return &of.relay->workers[0];
}

static struct connection *next_connection(const struct list *node)
{
	return node->next == &the_worker()->connections
		       ? NULL : container_of(node->next, struct connection, node);
}

static struct connection *first_connection(void)
{
	return next_connection(&the_worker()->connections);
}

static struct file *leg_file(const struct connection *connection, int side)
{
	return connection->leg[side].fd < 0 ? NULL : file_at(connection->leg[side].fd);
}

/* Return: the connection one of whose legs it is, or NULL */
static struct connection *connection_of(const struct file *file)
{
	struct connection *one;

	for (one = first_connection(); one; one = next_connection(&one->node))
		if (one->leg[CLIENT].fd == file->fd || one->leg[UPSTREAM].fd == file->fd)
			return one;
	return NULL;
}

/* --- where a proxy's stream begins --------------------------------------------------- */

/* Reads the replies again, byte by byte and by itself. */
static uint64_t find_grant(const struct file *file, const struct connection *connection)
{
	enum handshake_verdict verdict = HANDSHAKE_SEND;
	struct handshake handshake;
	uint64_t at;

	if (!handshake_begin(&handshake, &of.upstreams[connection->upstream],
			     &connection->destination))
		return 0;
	for (at = 0; at < file->received && verdict != HANDSHAKE_DONE; at++) {
		unsigned char byte, message[HANDSHAKE_MESSAGE_MOST];
		size_t taken, length;

		tcp_copy(file, at, &byte, 1);
		if (verdict == HANDSHAKE_SEND) {
			length = handshake_message(&handshake, message);
			handshake_sent(&handshake, length, length);
		}
		verdict = handshake_take(&handshake, &byte, 1, &taken);
		require(verdict != HANDSHAKE_FAILED);
	}
	require(verdict == HANDSHAKE_DONE);	/* nobody relays ungranted */
	return at;
}

/* Return: offset in the upstream's bytes of the first one for the client */
static uint64_t stream_begin(struct file *file, const struct connection *connection)
{
	if (file->accepted)
		return 0;
	if (file->granted == UINT64_MAX)
		file->granted = find_grant(file, connection);
	return file->granted;
}

/* --- bytes ---------------------------------------------------------------------------- */

static struct file *source_of(const struct file *sink, struct connection **connection)
{
	*connection = connection_of(sink);
	require(*connection && (*connection)->state == RELAYING);
	return leg_file(*connection, sink->accepted ? UPSTREAM : CLIENT);
}

/* Every byte once, in order, and none that has not been read. */
void invariant_written(struct file *sink, const unsigned char *bytes, uint64_t length)
{
	struct connection *connection = connection_of(sink);
	struct file *source;
	uint64_t at;

	if (connection && connection->state == HANDSHAKING) {
		require(!sink->accepted);
		sink->asked += length;
		return;
	}
	source = source_of(sink, &connection);
	at = stream_begin(source, connection) + sink->written;
	require(at + length <= source->read);
	require(tcp_equal(source, at, bytes, length));
	sink->written += length;
}

void invariant_spliced(struct file *sink, const struct file *pipe, uint64_t length)
{
	struct connection *connection;
	struct file *source = source_of(sink, &connection);

	require(pipe->source == source);
	require(pipe->from == stream_begin(source, connection) + sink->written);
	sink->written += length;
}

/* FIN only behind the last byte, and only if the other end said so. */
void invariant_shut(const struct file *sink)
{
	struct connection *connection;
	struct file *source = source_of(sink, &connection);

	require(source->end_seen && source->fin);
	require(sink->written == source->received - stream_begin(source, connection));
}

/* --- the end of a leg ------------------------------------------------------------------ */

/* What came before a reset has been handed on, if there was somebody to take it. */
static void reset_was_patient(const struct connection *connection, const struct file *file)
{
	const struct file *source = leg_file(connection, CLIENT);
	struct file *sink = leg_file(connection, UPSTREAM);

	if (connection->broken == OUTCOME_OPEN || !of.patient || kernel.memory_failed)
		return;
	if (file == sink || !source || !sink)
		return;		/* looked at once, when the client's leg goes first */
	if (connection->broken == OUTCOME_UPSTREAM_RESET) {
		source = sink;
		sink = leg_file(connection, CLIENT);
	}
	if (sink->broken || sink->shut || relay_phase(of.relay) != PHASE_RUNNING)
		return;
	require(source->read == source->received);
	require(sink->written == source->received -
				 stream_begin((struct file *)source, connection));
}

/* close() sends the FIN that shutdown() has not; looked at while both legs are there. */
static void close_is_last_fin(const struct connection *connection)
{
	int side;

	for (side = 0; side < SIDES; side++) {
		const struct file *sink = leg_file(connection, side);

		if (!sink->shut && !sink->broken)
			invariant_shut(sink);
	}
}

/* An end without RST would look like a complete stream. */
void invariant_closed(const struct file *file)
{
	struct connection *connection = connection_of(file);

	if (file->kind == FILE_PIPE && file->length)
		return;		/* with what nobody will read any more */
	if (file->kind != FILE_TCP || !(file->connected || file->connecting))
		return;
	if (!file->linger)
		require(!file->connected || file->broken || file->end_seen);
	if (!file->linger && connection && file->accepted && leg_file(connection, UPSTREAM))
		close_is_last_fin(connection);
	if (connection)
		reset_was_patient(connection, file);
}

/* --- states ----------------------------------------------------------------------------- */

static unsigned int rank(enum connection_state state)
{
	/* another upstream may be tried after a handshake */
	return state == HANDSHAKING ? CONNECTING : state;
}

void invariant_step(void)
{
	struct connection *one;

	for (one = first_connection(); one; one = next_connection(&one->node)) {
		struct file *client = leg_file(one, CLIENT);

		require(one->state != CLOSED && client);
		require(rank(one->state) >= client->rank);
		client->rank = rank(one->state);
		require(one->state != RELAYING || leg_file(one, UPSTREAM));
		/* killed now, it leaves no FIN that would look like the end */
		require(client->linger);
		require(one->leg[UPSTREAM].fd < 0 || leg_file(one, UPSTREAM)->linger);
	}
}

/* --- rest -------------------------------------------------------------------------------- */

/* All that came has gone on, to somebody who reads. */
static void relayed(struct connection *connection, int side)
{
	struct file *source = leg_file(connection, side), *sink = leg_file(connection, !side);

	require(!source->broken);
	require(source->read == source->received);
	require(sink->written == source->received - stream_begin(source, connection));
	require(sink->shut == source->fin);
}

static void attempted(struct connection *connection)
{
	struct file *upstream = leg_file(connection, UPSTREAM);

	require(upstream && !leg_file(connection, CLIENT)->broken && !upstream->broken);
	if (connection->state == CONNECTING) {
		require(!upstream->connected);
		return;
	}
	require(upstream->read == upstream->received && !upstream->fin);
	require(!connection->handshake.sending);
}

/* Nobody holds anything back: whatever is not done now never will be. */
void invariant_settled(void)
{
	struct connection *one;
	int side;

	for (one = first_connection(); one; one = next_connection(&one->node)) {
		require(one->state != RESETTING);
		if (one->state != RELAYING)
			attempted(one);
		for (side = 0; side < SIDES && one->state == RELAYING; side++)
			relayed(one, side);
	}
}

static void nobody_is_counted(void)
{
	const struct worker *worker = the_worker();
	uint32_t i;

	require(of.relay->active == 0);
	require(counter_read(&worker->counters->active) == 0);
	for (i = 0; i < SIDETRACK_RELAY_UPSTREAM_SLOTS; i++)
		require(counter_read(&worker->counters->upstream[i].active) == 0);
	for (i = 0; i < SIDETRACK_RELAY_UPSTREAM_SLOTS; i++)
		require(of.relay->health[i].active == 0);
}

/* The thread has ended. */
void invariant_end(void)
{
	const struct worker *worker = the_worker();

	require(list_empty(&worker->connections));
	require(list_empty(&worker->queue) && list_empty(&worker->graves));
	require(worker->timers.count == !list_empty(&worker->drain_timer.node));
	require(worker->transfer.pipes.owned == worker->transfer.pipes.free_count);
	nobody_is_counted();
}

void invariant_begin(struct relay *relay, const struct upstream *upstreams, bool patient)
{
	of.relay = relay;
	of.upstreams = upstreams;
	of.patient = patient;
}
