// SPDX-License-Identifier: MIT
#include "thread/probe-rounds.h"

#include <string.h>

#include "thread/probe.h"
#include "thread/thread.h"
#include "upstreams/generation.h"

#define SHORTEST_INTERVAL_MS 100

static struct endpoint destination_of(const struct sidetrack_relay_probe *probe)
{
	struct endpoint destination = { .port = (uint16_t)probe->port };

	memcpy(&destination.address, probe->address, sizeof(destination.address));
	return destination;
}

/* One for each upstream that can be asked, and whose last one has ended. */
static void probe_round(struct thread *thread, const struct sidetrack_relay_probe *probe)
{
	const struct upstream_set *upstreams = &thread->context.generation->upstreams;
	struct endpoint destination = destination_of(probe);
	enum family family = endpoint_family(&destination);
	uint32_t i;

	for (i = 0; probe->port && i < upstreams->count; i++) {
		uint32_t bit = 1U << upstreams->entry[i].upstream.slot;

		if (upstreams->carries[family] & 1U << i && !(thread->probing[family] & bit))
			probe_begin(thread, &destination, i);
	}
}

static void round_timer(struct timer *timer, void *context)
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

void probe_rounds_init(struct thread *thread)
{
	timer_init(&thread->probe_timer, round_timer);
}

/**
 * probe_rounds_schedule() - The thread has a new generation, which may want probes
 * @thread:	Thread; only the first one makes any
 */
void probe_rounds_schedule(struct thread *thread)
{
	if (thread->context.index == 0 && thread->context.generation->upstreams.probed)
		timer_set(&thread->context.timers, &thread->probe_timer, thread->context.io.now_ms);
	else
		probe_rounds_cancel(thread);
}

void probe_rounds_cancel(struct thread *thread)
{
	timer_cancel(&thread->context.timers, &thread->probe_timer);
}
