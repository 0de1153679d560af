// SPDX-License-Identifier: MIT
#include "probe.h"

#include <string.h>

#include "attempt.h"
#include "clock.h"
#include "connection.h"
#include "counters.h"
#include "worker.h"

#define SHORTEST_INTERVAL_MS 100

static struct endpoint probe_destination(const struct sidetrack_relay_options *options)
{
	struct endpoint destination = { .port = (uint16_t)options->probe_port };

	memcpy(&destination.address, options->probe_address, sizeof(destination.address));
	return destination;
}

/* Without memory for it there is none this time, but there may be the next. */
static void probe_begin(struct worker *worker, const struct endpoint *destination, uint32_t number)
{
	uint32_t slot = worker->generation->roster.entry[number].upstream.slot;

	worker->probing |= 1U << slot;
	if (connection_probe(worker, destination, number))
		return;
	worker->probing &= ~(1U << slot);
	counter_add(&worker->counters->upstream[slot].probes_skipped, 1);
}

/* One for each upstream that can be asked, and whose last one has ended. */
static void probe_round(struct worker *worker)
{
	struct generation *generation = worker->generation;
	struct endpoint destination = probe_destination(&generation->options);
	uint32_t carries = generation->roster.carries[endpoint_family(&destination)];
	uint32_t i;

	for (i = 0; i < generation->roster.count; i++) {
		uint32_t bit = 1U << generation->roster.entry[i].upstream.slot;

		if (carries & 1U << i && !(worker->probing & bit))
			probe_begin(worker, &destination, i);
	}
}

static void probe_timer(struct timer *timer, void *context)
{
	struct worker *worker = context;
	uint32_t interval_ms = worker->generation->options.probe_interval_ms;

	probe_round(worker);
	if (interval_ms < SHORTEST_INTERVAL_MS)
		interval_ms = SHORTEST_INTERVAL_MS;
	timer_set(&worker->timers, timer, worker->transfer.now_ms + interval_ms);
}

void probe_init(struct worker *worker)
{
	timer_init(&worker->probe_timer, probe_timer);
}

/**
 * probe_schedule() - The thread has a new generation, which may want probes
 * @worker:	Thread; only the first one makes any
 */
void probe_schedule(struct worker *worker)
{
	if (worker->index == 0 && worker->generation->options.probe_port)
		timer_set(&worker->timers, &worker->probe_timer, worker->transfer.now_ms);
	else
		probe_cancel(worker);
}

void probe_cancel(struct worker *worker)
{
	timer_cancel(&worker->timers, &worker->probe_timer);
}

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
 * @worker:	Its thread
 * @connection:	The probe
 * @outcome:	OUTCOME_FINISHED, or why not
 */
void probe_ended(struct worker *worker, const struct connection *connection,
		 enum outcome outcome)
{
	uint32_t slot = attempt_slot(connection);
	struct sidetrack_relay_upstream_counters *counters = &worker->counters->upstream[slot];

	worker->probing &= ~(1U << slot);
	counter_add(probe_counter(counters, outcome), 1);
	if (outcome == OUTCOME_FINISHED)
		counter_set(&counters->probe_us, clock_us() - connection->accepted_us);
}
