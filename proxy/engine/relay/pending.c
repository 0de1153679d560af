// SPDX-License-Identifier: MIT
#include "relay/pending.h"

#include <errno.h>
#include <string.h>

#include "base/endpoint.h"
#include "relay/sockets.h"
#include "thread/boxes.h"
#include "thread/thread.h"
#include "upstreams/guard.h"

static void discard_guard(struct relay *relay)
{
	guard_release(relay->pending_guard);
	relay->pending_guard = NULL;
}

void pending_discard(struct relay *relay)
{
	generation_discard(relay->pending);
	relay->pending = NULL;
	discard_guard(relay);
}

static void publish_guard(struct relay *relay)
{
	struct thread_group *group = &relay->group;
	uint32_t i;

	if (!relay->pending_guard)
		return;
	guard_share(relay->pending_guard, group->thread_count);
	for (i = 0; i < group->thread_count; i++)
		boxes_give_guard(&group->threads[i], relay->pending_guard);
	relay->pending_guard = NULL;
}

int pending_settle(struct relay *relay)
{
	if (!relay->pending)
		return relay_fail(relay, -EINVAL, "nothing has been begun");
	if (relay->pending->options.strategy >= STRATEGY_COUNT)
		return relay_fail(relay, -EINVAL, "there is no strategy %u",
				  relay->pending->options.strategy);
	if (generation_complete(relay->pending) < 0)
		return relay_fail(relay, -EINVAL,
				  "a route goes through an upstream that is not there");
	return 0;
}

/* It becomes the current one; for each thread once that is awake. */
void pending_publish(struct relay *relay)
{
	struct generation *generation = relay->pending;
	struct thread_group *group = &relay->group;
	uint32_t i;

	generation_publish(generation, relay->current, &relay->occupancy, group->thread_count);
	relay->current = generation;
	relay->pending = NULL;
	__atomic_store_n(&group->limits.max_connections,
			 relay_max_connections(relay, &generation->options), __ATOMIC_RELAXED);
	sockets_refresh(relay, &generation->options);
	publish_guard(relay);	/* first: who has the generation has the guard too */
	for (i = 0; i < group->thread_count; i++)
		boxes_give_generation(&group->threads[i], generation);
}

/* --- the interface ---------------------------------------------------------------- */

/**
 * sidetrack_relay_begin() - Begin a new generation, beside the one that runs
 * @relay:	Handle, running
 * @options:	struct sidetrack_relay_options; what cannot change is not looked at
 * @length:	Its size
 *
 * Add upstreams and routes to it, and a guard if that changes, then
 * sidetrack_relay_commit() it.  What was begun before and not committed is forgotten.
 *
 * Return: 0, or -errno with a sentence for sidetrack_relay_read_error()
 */
int32_t sidetrack_relay_begin(struct relay *relay, const uint8_t *options, int32_t length)
{
	struct sidetrack_relay_options from;

	if (relay_phase(relay) != PHASE_RUNNING)
		return relay_fail(relay, -EALREADY, "the relay is not running");
	if (length != (int32_t)sizeof(from))
		return relay_fail(relay, -EINVAL, "the options are of another version");
	memcpy(&from, options, sizeof(from));
	pending_discard(relay);
	relay->pending = generation_create(&from, relay->health);
	return relay->pending ? 0 : relay_fail(relay, -ENOMEM, "out of memory");
}

/**
 * sidetrack_relay_commit() - New connections use what has been begun
 * @relay:	Handle, running
 *
 * Threads change over as they wake up; sidetrack_relay_status.adopted tells.
 *
 * Return: 0, or -errno with a sentence, and then nothing has changed
 */
int32_t sidetrack_relay_commit(struct relay *relay)
{
	int error;

	if (relay_phase(relay) != PHASE_RUNNING)
		error = relay_fail(relay, -EALREADY, "the relay is not running");
	else
		error = pending_settle(relay);
	if (error)
		pending_discard(relay);
	else
		pending_publish(relay);
	return error;
}

/* Return: 0 with a pending one like the current generation, or -errno with a sentence */
static int copy_current(struct relay *relay)
{
	if (relay_phase(relay) != PHASE_RUNNING)
		return relay_fail(relay, -EALREADY, "the relay is not running");
	pending_discard(relay);
	relay->pending = generation_copy(relay->current);
	return relay->pending ? 0 : relay_fail(relay, -ENOMEM, "out of memory");
}

/**
 * sidetrack_relay_set_addresses() - The name of one upstream stands for other addresses now
 * @relay:	Handle, running
 * @slot:	Where the upstream is counted; one of the current generation
 * @addresses:	16 bytes each, IPv4 as ::ffff:a.b.c.d
 * @length:	Of all of them
 *
 * New connections use a generation that differs in nothing else; addresses that
 * are still there keep what is known of them.
 *
 * Return: 0, or -errno with a sentence, and then nothing has changed
 */
int32_t sidetrack_relay_set_addresses(struct relay *relay, int32_t slot,
				      const uint8_t *addresses, int32_t length)
{
	int error = copy_current(relay);
	int index;

	if (error)
		return error;
	index = upstreams_find(&relay->pending->upstreams, (uint32_t)slot);
	error = index < 0 || length < 0
			? -ENOENT
			: upstreams_set_addresses(&relay->pending->upstreams, (uint32_t)index,
						  addresses, (size_t)length);
	if (!error) {
		pending_publish(relay);
		return 0;
	}
	pending_discard(relay);
	return relay_fail(relay, error, "cannot use the addresses: %s", strerror(-error));
}

/**
 * sidetrack_relay_add_upstream() - Add one more upstream behind the others
 * @relay:	Handle, with a generation begun
 * @upstream:	struct sidetrack_relay_upstream; the copy is wiped with its last connection
 * @length:	Its size
 *
 * Return: 0, or -errno with a sentence for sidetrack_relay_read_error()
 */
int32_t sidetrack_relay_add_upstream(struct relay *relay, const uint8_t *upstream, int32_t length)
{
	struct sidetrack_relay_upstream from;
	uint32_t number;
	int error;

	if (!relay->pending)
		return relay_fail(relay, -EINVAL, "nothing has been begun");
	number = relay->pending->upstreams.count + 1;
	if (length != (int32_t)sizeof(from))
		return relay_fail(relay, -EINVAL, "upstream %u is of another version", number);
	memcpy(&from, upstream, sizeof(from));
	error = upstreams_add(&relay->pending->upstreams, &from);
	explicit_bzero(&from, sizeof(from));
	if (error)
		return relay_fail(relay, error, "cannot use upstream %u: %s",
				  number, strerror(-error));
	return 0;
}

/**
 * sidetrack_relay_set_destinations() - Say which addresses the routes name
 * @relay:		Handle, with a generation begun
 * @destinations:	struct sidetrack_relay_destinations and what comes behind it
 * @length:		Of all of it
 *
 * Before any route is added.
 *
 * Return: 0, or -errno with a sentence for sidetrack_relay_read_error()
 */
int32_t sidetrack_relay_set_destinations(struct relay *relay, const uint8_t *destinations,
					 int32_t length)
{
	int error;

	if (!relay->pending)
		return relay_fail(relay, -EINVAL, "nothing has been begun");
	error = length < 0 ? -EINVAL
			   : route_set_destinations(&relay->pending->routes, destinations,
						    (size_t)length);
	return error ? relay_fail(relay, error, "cannot use the destinations of the routes: %s",
				  strerror(-error)) : 0;
}

/**
 * sidetrack_relay_add_route() - Add one more route behind the others
 * @relay:	Handle, with a generation begun
 * @route:	struct sidetrack_relay_route
 * @length:	Its size
 *
 * Return: 0, or -errno with a sentence for sidetrack_relay_read_error()
 */
int32_t sidetrack_relay_add_route(struct relay *relay, const uint8_t *route, int32_t length)
{
	struct sidetrack_relay_route from;
	uint32_t number;
	int error;

	if (!relay->pending)
		return relay_fail(relay, -EINVAL, "nothing has been begun");
	number = relay->pending->routes.count + 1;
	if (length != (int32_t)sizeof(from))
		return relay_fail(relay, -EINVAL, "route %u is of another version", number);
	memcpy(&from, route, sizeof(from));
	error = route_add(&relay->pending->routes, &from);
	return error ? relay_fail(relay, error, "cannot use route %u: %s",
				  number, strerror(-error)) : 0;
}

/**
 * sidetrack_relay_find_route() - Which route a new connection would take
 * @relay:	Handle, started
 * @address:	16 bytes, IPv4 as ::ffff:a.b.c.d
 * @port:	Port
 *
 * Return: number of the route in the order they were added, or -ENOENT for none
 */
int32_t sidetrack_relay_find_route(struct relay *relay, const uint8_t *address, int32_t port)
{
	struct endpoint destination = { .port = (uint16_t)port };
	int found;

	if (!relay->current)
		return -EINVAL;
	memcpy(&destination.address, address, sizeof(destination.address));
	found = route_find(&relay->current->routes, &destination);
	return found < 0 ? -ENOENT : found;
}

/**
 * sidetrack_relay_set_guard() - Say which addresses are refused and which are ours
 * @relay:	Handle
 * @table:	struct sidetrack_relay_destinations and what comes behind it, with
 *		1 << enum guard_bit
 * @length:	Of all of it
 *
 * It comes into force when the relay starts, with sidetrack_relay_commit() of the
 * generation that has been begun, or by sidetrack_relay_publish_guard().
 *
 * Return: 0, or -errno with a sentence for sidetrack_relay_read_error()
 */
int32_t sidetrack_relay_set_guard(struct relay *relay, const uint8_t *table, int32_t length)
{
	struct guard *guard;
	int error = guard_create(table, length, &guard);

	if (error)
		return relay_fail(relay, error, "cannot use the addresses of the guard: %s",
				  strerror(-error));
	discard_guard(relay);
	relay->pending_guard = guard;
	return 0;
}

/**
 * sidetrack_relay_publish_guard() - Newcomers are judged by what has been set
 * @relay:	Handle, running
 *
 * For when this machine's addresses have changed and nothing else has.
 *
 * Return: 0, or -errno with a sentence
 */
int32_t sidetrack_relay_publish_guard(struct relay *relay)
{
	if (relay_phase(relay) != PHASE_RUNNING) {
		discard_guard(relay);
		return relay_fail(relay, -EALREADY, "the relay is not running");
	}
	publish_guard(relay);
	return 0;
}
