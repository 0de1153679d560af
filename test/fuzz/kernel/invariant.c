// SPDX-License-Identifier: MIT
#include "invariant.h"

#include <string.h>

#include "settings.h"
#include "thread/thread.h"

static struct relay *the_relay;

static struct thread *the_thread(void)
{
	return &the_relay->group.threads[0];
}

static struct connection *next_connection(const struct list *node)
{
	return node->next == &the_thread()->context.connections
		       ? NULL : container_of(node->next, struct connection, node);
}

static struct connection *first_connection(void)
{
	return next_connection(&the_thread()->context.connections);
}

struct file *leg_file(const struct connection *connection, int side)
{
	return connection->leg[side].fd < 0 ? NULL : file_at(connection->leg[side].fd);
}

struct connection *connection_of(const struct file *file)
{
	struct connection *one;

	for (one = first_connection(); one; one = next_connection(&one->node))
		if (one->leg[CLIENT].fd == file->fd || one->leg[UPSTREAM].fd == file->fd)
			return one;
	return NULL;
}

static struct probe *next_probe(const struct list *node)
{
	return node->next == &the_thread()->probes
		       ? NULL : container_of(node->next, struct probe, node);
}

static struct probe *first_probe(void)
{
	return next_probe(&the_thread()->probes);
}

/* Return: the probe whose leg it is, or NULL */
struct probe *probe_of(const struct file *file)
{
	struct probe *one;

	for (one = first_probe(); one; one = next_probe(&one->node))
		if (one->leg.fd == file->fd)
			return one;
	return NULL;
}

static bool is_establishing(const struct connection *connection)
{
	return connection_state(connection) == CONNECTING ||
	       connection_state(connection) == HANDSHAKING;
}

/* Return: offset in its bytes of the first one for the other side */
static uint64_t stream_begin(struct file *file, const struct connection *connection)
{
	return file->accepted ? 0 : asking_granted(file, &connection->establish);
}

/* --- bytes ---------------------------------------------------------------------------- */

static struct file *source_of(const struct file *sink, struct connection **connection)
{
	*connection = connection_of(sink);
	require(*connection && connection_state(*connection) == RELAYING);
	return leg_file(*connection, sink->accepted ? UPSTREAM : CLIENT);
}

/* Every byte once, in order, and none that has not been read. */
void invariant_written(struct file *sink, const unsigned char *bytes, uint64_t length)
{
	struct connection *connection = connection_of(sink);
	const struct probe *probe = probe_of(sink);
	struct file *source;
	uint64_t at;

	if (probe && probe->state == PROBE_ASKING) {
		question_said(sink, &probe->establish, bytes, length);
		return;
	}
	if (probe || (connection && is_establishing(connection))) {
		asking_said(sink, probe ? &probe->establish : &connection->establish, bytes,
			    length);
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

	if (connection->broken == OUTCOME_OPEN || kernel.memory_failed || kernel.operator_closed ||
	    !settings_are_patient(settings_of(connection->establish.generation)))
		return;
	if (file == sink || !source || !sink)
		return;		/* looked at once, when the client's leg goes first */
	if (connection->broken == OUTCOME_UPSTREAM_RESET) {
		source = sink;
		sink = leg_file(connection, CLIENT);
	}
	if (sink->broken || sink->shut || relay_phase(the_relay) != PHASE_RUNNING)
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
	struct connection *connection;

	if (!kernel.booted)
		return;		/* what held the port until others listen there */
	connection = connection_of(file);
	if (file->kind == FILE_PIPE && file->length)
		return;		/* with what nobody will read any more */
	if (file->kind != FILE_TCP || !(file->connected || file->connecting))
		return;
	if (probe_of(file)) {
		require(!file->written);
		return;		/* it has seen enough */
	}
	if (!file->linger)
		require(!file->connected || file->broken || file->end_seen);
	if (!file->linger && connection && file->accepted && leg_file(connection, UPSTREAM))
		close_is_last_fin(connection);
	if (connection)
		reset_was_patient(connection, file);
	if (connection)
		asking_left(file, connection);
}

/* --- states ----------------------------------------------------------------------------- */

static unsigned int rank(enum connection_state state)
{
	/* another upstream may be tried after a handshake */
	return state == HANDSHAKING ? CONNECTING : state;
}

static void step_with_client(struct connection *one)
{
	struct file *client = leg_file(one, CLIENT);

	require(client && rank(connection_state(one)) >= client->rank);
	client->rank = rank(connection_state(one));
	/* killed now, it leaves no FIN that would look like the end */
	require(client->linger);
	require(!client->given_away);	/* or the attempt would go on */
	require(connection_state(one) != RELAYING || client->read >= leg_file(one, UPSTREAM)->written);
}

static bool is_same_client(const struct connection *one, const struct connection *other)
{
	size_t bytes = endpoint_is_ipv4(&one->client) ? 16 : 8;

	return memcmp(&one->client.address, &other->client.address, bytes) == 0;
}

/* Nobody has more connections than any generation has allowed. */
static void client_is_within_limit(const struct connection *one)
{
	uint32_t most = settings_most_of_client(), count = 0;
	const struct connection *other;

	for (other = first_connection(); other; other = next_connection(&other->node))
		count += is_same_client(one, other);
	require(!most || count <= most);
}

static void counts_are_right(uint32_t clients, uint32_t establishing)
{
	uint32_t most = settings_most_handshakes();

	require(the_relay->group.limits.active == clients);
	require(counter_read(&the_thread()->context.counters->active) == clients);
	require(the_relay->group.limits.handshakes == establishing);
	require(!most || establishing <= most);
}

/* Who gets the last bytes of a broken connection. */
static const struct file *resetting_receiver(const struct connection *one)
{
	return leg_file(one, one->broken == OUTCOME_CLIENT_RESET ? UPSTREAM : CLIENT);
}

void invariant_step(void)
{
	uint32_t clients = 0, establishing = 0;
	struct connection *one;
	struct probe *probe;

	for (one = first_connection(); one; one = next_connection(&one->node)) {
		require(connection_state(one) != CLOSED);
		require(connection_state(one) != RELAYING || leg_file(one, UPSTREAM));
		require(one->leg[UPSTREAM].fd < 0 || leg_file(one, UPSTREAM)->linger);
		require(connection_state(one) != RESETTING || !resetting_receiver(one)->corked);
		step_with_client(one);
		client_is_within_limit(one);
		clients++;
		establishing += is_establishing(one);
	}
	counts_are_right(clients, establishing);
	for (probe = first_probe(); probe; probe = next_probe(&probe->node)) {
		require(probe->state != PROBE_ENDED);
		require(probe->leg.fd < 0 || file_at(probe->leg.fd)->linger);
	}
}

/* --- idle -------------------------------------------------------------------------------- */

/* All that came has gone on, to somebody who reads. */
static void relayed(struct connection *connection, int side)
{
	struct file *source = leg_file(connection, side), *sink = leg_file(connection, !side);

	require(!source->broken);
	require(source->read == source->received);
	require(sink->written == source->received - stream_begin(source, connection));
	require(sink->shut == source->fin);
	require(!sink->corked);
	require(connection->direction[side].bytes == sink->written);
}

/* An upstream that is waited for has nothing more to say than has been heard. */
static void waits_for(const struct file *upstream, const struct establish *establish)
{
	require(upstream && !upstream->broken);
	if (!establish->connected) {
		require(!upstream->connected);
		return;
	}
	require(!upstream->fin);
	require(upstream->read == upstream->received);
	require(!establish->handshake.sending);
}

static void probe_waits(const struct probe *probe)
{
	const struct file *upstream = file_at(probe->leg.fd);

	if (probe->state != PROBE_ASKING) {
		waits_for(upstream, &probe->establish);
		return;
	}
	/* one byte is enough, of a status line a few more */
	require(!upstream->broken && !upstream->fin && upstream->received - upstream->read < 16);
}

/* Return: how many there are, with this one */
static uint32_t see(const struct generation **seen, uint32_t count,
		    const struct generation *generation)
{
	uint32_t i;

	for (i = 0; i < count && seen[i] != generation; i++)
		;
	if (i == count)
		seen[count++] = generation;
	return count;
}

/* Only what somebody uses is kept. */
static void generations_are_used(void)
{
	const struct generation *seen[GENERATIONS_MOST] = { the_thread()->context.generation };
	const struct connection *one;
	const struct probe *probe;
	uint32_t count = 1;

	require(!the_thread()->next && the_relay->current == seen[0]);
	for (one = first_connection(); one; one = next_connection(&one->node))
		count = see(seen, count, one->establish.generation);
	for (probe = first_probe(); probe; probe = next_probe(&probe->node))
		count = see(seen, count, probe->establish.generation);
	require(the_relay->occupancy.generations == count);
}

/* Nobody holds anything back: whatever is not done now never will be. */
void invariant_settled(void)
{
	struct connection *one;
	struct probe *probe;
	int side;

	generations_are_used();
	for (one = first_connection(); one; one = next_connection(&one->node)) {
		require(connection_state(one) != RESETTING);
		if (connection_state(one) != RELAYING) {
			waits_for(leg_file(one, UPSTREAM), &one->establish);
			require(!leg_file(one, CLIENT)->broken);
		}
		for (side = 0; side < SIDES && connection_state(one) == RELAYING; side++)
			relayed(one, side);
	}
	for (probe = first_probe(); probe; probe = next_probe(&probe->node))
		probe_waits(probe);
}

static void nobody_is_counted(void)
{
	const struct thread *thread = the_thread();
	uint32_t i;

	require(the_relay->group.limits.active == 0 && the_relay->group.limits.handshakes == 0);
	require(the_relay->group.limits.clients.used == 0);
	require(!thread->probing[FAMILY_IPV4] && !thread->probing[FAMILY_IPV6]);
	require(counter_read(&thread->context.counters->active) == 0);
	for (i = 0; i < SIDETRACK_RELAY_UPSTREAM_SLOTS; i++)
		require(counter_read(&thread->context.counters->upstream[i].active) == 0);
	for (i = 0; i < SIDETRACK_RELAY_UPSTREAM_SLOTS; i++)
		require(the_relay->health[i].active == 0);
}

/* The thread has ended. */
void invariant_end(void)
{
	const struct thread *thread = the_thread();

	require(list_empty(&thread->context.connections) && list_empty(&thread->probes));
	require(list_empty(&thread->context.queue) && list_empty(&thread->context.deferred_free));
	require(thread->context.timers.count == (uint32_t)!list_empty(&thread->drain_timer.node) +
						!list_empty(&thread->probe_timer.node));
	require(thread->context.io.pipes.owned == thread->context.io.pipes.free_count);
	nobody_is_counted();
}

void invariant_begin(struct relay *relay)
{
	the_relay = relay;
}
