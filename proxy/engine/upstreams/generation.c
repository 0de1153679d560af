// SPDX-License-Identifier: MIT
#include "upstreams/generation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

/**
 * generation_create() - Begin a pending configuration
 * @options:	Options, copied
 * @health:	What is known of the upstreams in all slots; must outlive it
 *
 * Return: generation without upstreams and routes, or NULL
 */
struct generation *generation_create(const struct sidetrack_relay_options *options,
				     struct health *health)
{
	struct generation *generation = memory_allocate(sizeof(*generation));

	if (!generation)
		return NULL;
	generation->options = *options;
	generation->upstreams.health = health;
	return generation;
}

/**
 * generation_copy() - Begin a pending configuration that is like the current one
 * @from:	Current generation
 *
 * Return: generation, or NULL
 */
struct generation *generation_copy(const struct generation *from)
{
	struct generation *generation = generation_create(&from->options, from->upstreams.health);

	if (!generation)
		return NULL;
	generation->upstreams = from->upstreams;
	if (route_copy(&generation->routes, &from->routes) == 0)
		return generation;
	generation_discard(generation);
	return NULL;
}

/**
 * generation_complete() - Check a pending configuration as a whole
 * @generation:	Pending; without any upstream it gets a direct one
 *
 * Return: 0, or -EINVAL: no such strategy, or a route through an upstream that is not there
 */
int generation_complete(struct generation *generation)
{
	static const struct sidetrack_relay_upstream direct = { .kind = UPSTREAM_DIRECT };
	struct upstream_set *upstreams = &generation->upstreams;
	uint32_t i;

	if (generation->options.strategy >= STRATEGY_COUNT ||
	    generation->options.probe_answer >= PROBE_ANSWER_COUNT)
		return -EINVAL;
	upstreams->strategy = (enum strategy)generation->options.strategy;
	for (i = 0; i < FAMILIES; i++)
		if (generation->options.probe[i].port)
			upstreams->probed |= 1U << i;
	upstreams->used = route_upstreams(&generation->routes);
	upstreams->answered = generation->options.probe_answer != PROBE_ANSWER_NONE;
	if (!upstreams->count && upstreams_add(upstreams, &direct) < 0)
		return -EINVAL;
	for (i = 0; i < generation->routes.count; i++)
		if (generation->routes.route[i].upstreams >> upstreams->count)
			return -EINVAL;
	return 0;
}

static void add(uint32_t *word, uint32_t amount)
{
	__atomic_add_fetch(word, amount, __ATOMIC_RELEASE);
}

/* A slot is free again once no generation names it. */
static void occupy(const struct generation *generation, uint32_t amount)
{
	struct occupancy *occupancy = generation->occupancy;
	uint32_t i;

	add(&occupancy->generations, amount);
	for (i = 0; i < generation->upstreams.count; i++)
		add(&occupancy->upstream[generation->upstreams.entry[i].upstream.slot], amount);
	for (i = 0; i < generation->route_count; i++)
		add(&occupancy->route[generation->route_slot[i]], amount);
}

/**
 * generation_publish() - From now on it never changes, and threads may have it
 * @generation:	Complete and pending
 * @before:	The current one, or NULL
 * @occupancy:	Where to note which slots it uses
 * @threads:	How many; each has a hold, and it counts as current there
 */
void generation_publish(struct generation *generation, const struct generation *before,
			struct occupancy *occupancy, uint32_t threads)
{
	uint32_t i;

	generation->route_count = generation->routes.count;
	for (i = 0; i < generation->route_count; i++)
		generation->route_slot[i] = generation->routes.route[i].slot;
	generation->occupancy = occupancy;
	generation->holds = threads;
	generation->current = threads;
	upstreams_inherit(&generation->upstreams, before ? &before->upstreams : NULL);
	occupy(generation, 1);
}

/* A pending one that comes to nothing, or the last hold. */
void generation_discard(struct generation *generation)
{
	if (!generation)
		return;
	if (generation->occupancy)
		occupy(generation, UINT32_MAX);	/* less one */
	route_release(&generation->routes);
	explicit_bzero(&generation->upstreams, sizeof(generation->upstreams));	/* passwords */
	free(generation);
}

static void give_back_hold(struct generation *generation)
{
	uint32_t before = __atomic_fetch_sub(&generation->holds, 1, __ATOMIC_ACQ_REL);

	ASSERT(before > 0);
	if (before == 1)
		generation_discard(generation);
}

/* One more connection of the thread's. */
void generation_enter(struct generation *generation, uint32_t thread)
{
	generation->share[thread].connections++;
}

/* One less, which may be what an old generation has waited for. */
void generation_leave(struct generation *generation, uint32_t thread)
{
	struct share *share = &generation->share[thread];

	ASSERT(share->connections > 0);
	share->connections--;
	if (share->retired && share->connections == 0)
		give_back_hold(generation);
}

/**
 * generation_retire() - The thread has got a newer one, or never took this one
 * @generation:	Generation
 * @thread:	Number of the thread
 */
void generation_retire(struct generation *generation, uint32_t thread)
{
	struct share *share = &generation->share[thread];

	if (__atomic_sub_fetch(&generation->current, 1, __ATOMIC_ACQ_REL) == 0)
		route_release(&generation->routes);
	share->retired = true;
	if (share->connections == 0)
		give_back_hold(generation);
}
