// SPDX-License-Identifier: MIT
#include "thread/probe.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/counters.h"
#include "connection/connection.h"
#include "connection/establish.h"
#include "sockets/dial.h"
#include "thread/thread.h"
#include "upstreams/generation.h"

#define SHORTEST_INTERVAL_MS 100

/* --- rounds ------------------------------------------------------------------------ */

static struct endpoint probe_destination(const struct sidetrack_relay_probe *probe)
{
	struct endpoint destination = { .port = (uint16_t)probe->port };

	memcpy(&destination.address, probe->address, sizeof(destination.address));
	return destination;
}

/* Without memory for it there is none this time, but there may be the next. */
static void probe_begin(struct thread *thread, const struct endpoint *destination, uint32_t number)
{
	uint32_t slot = thread->context.generation->upstreams.entry[number].upstream.slot;
	uint32_t *probing = &thread->probing[endpoint_family(destination)];

	*probing |= 1U << slot;
	if (connection_probe(&thread->context, destination, number))
		return;
	*probing &= ~(1U << slot);
	counter_add(&thread->context.counters->upstream[slot].probes_skipped, 1);
}

/* One for each upstream that can be asked, and whose last one has ended. */
static void probe_round(struct thread *thread, const struct sidetrack_relay_probe *probe)
{
	const struct upstream_set *upstreams = &thread->context.generation->upstreams;
	struct endpoint destination = probe_destination(probe);
	enum family family = endpoint_family(&destination);
	uint32_t i;

	for (i = 0; probe->port && i < upstreams->count; i++) {
		uint32_t bit = 1U << upstreams->entry[i].upstream.slot;

		if (upstreams->carries[family] & 1U << i && !(thread->probing[family] & bit))
			probe_begin(thread, &destination, i);
	}
}

static void probe_timer(struct timer *timer, void *context)
{
	struct thread *thread = thread_of(context);
	const struct sidetrack_relay_options *options = &thread->context.generation->options;
	uint32_t interval_ms = options->probe_interval_ms, i;

	for (i = 0; i < FAMILIES; i++)
		probe_round(thread, &options->probe[i]);
	if (interval_ms < SHORTEST_INTERVAL_MS)
		interval_ms = SHORTEST_INTERVAL_MS;
	timer_set(&thread->context.timers, timer, thread->context.io.now_ms + interval_ms);
}

void probe_init(struct thread *thread)
{
	timer_init(&thread->probe_timer, probe_timer);
}

/**
 * probe_schedule() - The thread has a new generation, which may want probes
 * @thread:	Thread; only the first one makes any
 */
void probe_schedule(struct thread *thread)
{
	if (thread->context.index == 0 && thread->context.generation->upstreams.probed)
		timer_set(&thread->context.timers, &thread->probe_timer, thread->context.io.now_ms);
	else
		probe_cancel(thread);
}

void probe_cancel(struct thread *thread)
{
	timer_cancel(&thread->context.timers, &thread->probe_timer);
}

/* --- questions and answers ----------------------------------------------------------- */

#define STATUS_LINE "HTTP/1.x 200"
#define STATUS_AT (sizeof(STATUS_LINE) - 1 - 3)
#define TLS_ALERT 21
#define TLS_HANDSHAKE 22

static const struct sidetrack_relay_options *options_of(const struct connection *connection)
{
	return &connection->generation->options;
}

/* Return: true if the probe is to hear something before it has succeeded */
bool probe_asks(const struct connection *connection)
{
	return options_of(connection)->probe_answer != PROBE_ANSWER_NONE;
}

/* Return: OUTCOME_OPEN with the question on its way, or why not */
enum outcome probe_ask(struct connection *connection)
{
	const struct sidetrack_relay_probe *probe =
		&options_of(connection)->probe[endpoint_family(&connection->destination)];
	size_t length = probe->request_length;
	ssize_t sent;

	connection->asking = true;
	if (length > sizeof(probe->request))
		length = sizeof(probe->request);
	if (!length)
		return OUTCOME_OPEN;
	sent = send(connection->leg[UPSTREAM].fd, probe->request, length, MSG_NOSIGNAL);
	if (sent < 0)
		return dial_outcome(errno);
	/* a fresh socket has room for so little */
	return (size_t)sent == length ? OUTCOME_OPEN : OUTCOME_CONNECT_OTHER;
}

/* Return: OUTCOME_OPEN as long as it is too little to tell */
static enum outcome http_answer(const unsigned char *bytes, size_t length)
{
	if (length < sizeof(STATUS_LINE) - 1)
		return OUTCOME_OPEN;
	if (memcmp(bytes, "HTTP/", 5) || bytes[STATUS_AT] < '1' || bytes[STATUS_AT] > '4')
		return OUTCOME_UPSTREAM_PROTOCOL;
	return OUTCOME_FINISHED;
}

static enum outcome judge_answer(enum probe_answer wanted, const unsigned char *bytes,
				 size_t length)
{
	if (!length)
		return OUTCOME_OPEN;
	switch (wanted) {
	case PROBE_ANSWER_TLS:
		return bytes[0] == TLS_HANDSHAKE || bytes[0] == TLS_ALERT
			       ? OUTCOME_FINISHED : OUTCOME_UPSTREAM_PROTOCOL;
	case PROBE_ANSWER_HTTP:
		return http_answer(bytes, length);
	default:
		return OUTCOME_FINISHED;
	}
}

/* What came behind a proxy's reply in the same read is the beginning of the answer. */
static size_t answer_begun(const struct connection *connection, unsigned char *bytes, size_t most)
{
	const struct direction *direction = &connection->direction[UPSTREAM];
	size_t length = direction->stash ? direction->pending : 0;

	if (length > most)
		length = most;
	if (length)
		memcpy(bytes, direction->stash + direction->stash_sent, length);
	return length;
}

/**
 * probe_listen() - Look at what of the answer has come
 * @connection:	Probe that has asked; nothing is taken from its socket
 *
 * Return: OUTCOME_FINISHED if it is the right one, OUTCOME_OPEN to wait for more, or
 * why it is none
 */
enum outcome probe_listen(const struct connection *connection)
{
	enum probe_answer wanted = (enum probe_answer)options_of(connection)->probe_answer;
	unsigned char bytes[sizeof(STATUS_LINE)];
	size_t length = answer_begun(connection, bytes, sizeof(bytes));
	ssize_t received = 0;
	enum outcome outcome;
	int error = 0;

	if (length < sizeof(bytes)) {
		received = recv(connection->leg[UPSTREAM].fd, bytes + length,
				sizeof(bytes) - length, MSG_PEEK);
		error = received < 0 ? errno : 0;
	}
	if (received > 0)
		length += (size_t)received;
	outcome = judge_answer(wanted, bytes, length);
	if (outcome != OUTCOME_OPEN)
		return outcome;
	if (error && error != EAGAIN)
		return dial_outcome(error);
	/* it has ended, or too little came before the end */
	if (connection->direction[UPSTREAM].hangup && !error)
		return OUTCOME_UPSTREAM_PROTOCOL;
	return received || error ? OUTCOME_OPEN : OUTCOME_UPSTREAM_PROTOCOL;
}

/* --- the end ------------------------------------------------------------------------- */

static uint64_t *probe_counter(struct sidetrack_relay_upstream_counters *counters,
			       enum outcome outcome)
{
	switch (outcome) {
	case OUTCOME_FINISHED:
		return &counters->probes_succeeded;
	case OUTCOME_NO_PORTS:
	case OUTCOME_NO_DESCRIPTORS:
	case OUTCOME_NO_MEMORY:
	case OUTCOME_LOOP:
	case OUTCOME_DRAINED:
		return &counters->probes_skipped;
	default:
		return &counters->probes_failed;
	}
}

/**
 * probe_ended() - Count it, and let the next one come
 * @context:	Its thread's
 * @connection:	The probe
 * @outcome:	OUTCOME_FINISHED, or why not
 */
void probe_ended(struct thread_context *context, const struct connection *connection,
		 enum outcome outcome)
{
	struct thread *thread = thread_of(context);
	uint32_t slot = establish_slot(connection);
	struct sidetrack_relay_upstream_counters *counters = &thread->context.counters->upstream[slot];

	thread->probing[endpoint_family(&connection->destination)] &= ~(1U << slot);
	counter_add(probe_counter(counters, outcome), 1);
	if (outcome == OUTCOME_FINISHED)
		counter_set(&counters->probe_us, clock_us() - connection->accepted_us);
}
