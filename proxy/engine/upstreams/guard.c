// SPDX-License-Identifier: MIT
#include "upstreams/guard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "relay/relay.h"
#include "thread/thread.h"
#include "upstreams/route.h"

struct guard {
	uint32_t holds;		/* threads that have it, or find it in their box; atomic */
	struct destinations addresses;
};

/* --- judging ---------------------------------------------------------------------- */

/* ::/96 and ::ffff:0:0/96: IPv4 addresses in another dress. */
static bool embeds_ipv4(const struct in6_addr *address)
{
	return !address->s6_addr32[0] && !address->s6_addr32[1] &&
	       (!address->s6_addr32[2] || IN6_IS_ADDR_V4MAPPED(address));
}

/**
 * guard_judge() - May this client be connected with this destination?
 * @thread:		Thread that has accepted it
 * @client:		Its peer
 * @destination:	Where it wanted to go
 *
 * Return: OUTCOME_OPEN if so, or why not
 */
enum outcome guard_judge(const struct thread *thread, const struct endpoint *client,
			 const struct endpoint *destination)
{
	const struct destinations *addresses;
	uint32_t bits;

	if (!endpoint_is_ipv4(client) && embeds_ipv4(&destination->address))
		return OUTCOME_DENIED;
	if (!thread->guard)
		return OUTCOME_OPEN;
	addresses = &thread->guard->addresses;
	bits = destinations_find(addresses, destination);
	if ((bits | destinations_find(addresses, client)) & 1U << GUARD_OWN_BIT)
		return OUTCOME_LOOP;
	return bits & 1U << GUARD_DENIED_BIT ? OUTCOME_DENIED : OUTCOME_OPEN;
}

/* --- changing over ---------------------------------------------------------------- */

static void destroy(struct guard *guard)
{
	destinations_release(&guard->addresses);
	free(guard);
}

static void give_back(struct guard *guard)
{
	if (guard && __atomic_sub_fetch(&guard->holds, 1, __ATOMIC_ACQ_REL) == 0)
		destroy(guard);
}

/**
 * guard_publish() - Put the pending one, if there is one, into every thread's box
 * @relay:	Relay that knows how many threads it has
 */
void guard_publish(struct relay *relay)
{
	struct guard *guard = relay->pending_guard;
	uint32_t i;

	if (!guard)
		return;
	relay->pending_guard = NULL;
	guard->holds = relay->thread_count;
	for (i = 0; i < relay->thread_count; i++) {
		struct thread *thread = &relay->threads[i];

		/* who has not taken the last one never will */
		give_back(__atomic_exchange_n(&thread->next_guard, guard, __ATOMIC_ACQ_REL));
		thread_wake(thread);
	}
}

/* A pending one that comes to nothing. */
void guard_discard(struct relay *relay)
{
	if (relay->pending_guard)
		destroy(relay->pending_guard);
	relay->pending_guard = NULL;
}

/* Take what is in the box; by the thread itself. */
void guard_adopt(struct thread *thread)
{
	struct guard *next = __atomic_exchange_n(&thread->next_guard, NULL, __ATOMIC_ACQ_REL);

	if (!next)
		return;
	give_back(thread->guard);
	thread->guard = next;
}

/* When the thread has ended. */
void guard_forget(struct thread *thread)
{
	guard_adopt(thread);
	give_back(thread->guard);
	thread->guard = NULL;
}

/* --- the interface ---------------------------------------------------------------- */

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
	struct guard *guard = memory_allocate(sizeof(*guard));
	int error = guard ? 0 : -ENOMEM;

	if (!error)
		error = length < 0 ? -EINVAL
				   : destinations_set(&guard->addresses, table, (size_t)length);
	if (error) {
		free(guard);
		return relay_fail(relay, error, "cannot use the addresses of the guard: %s",
				  strerror(-error));
	}
	guard_discard(relay);
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
		guard_discard(relay);
		return relay_fail(relay, -EALREADY, "the relay is not running");
	}
	guard_publish(relay);
	return 0;
}
