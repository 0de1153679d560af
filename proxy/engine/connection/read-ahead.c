// SPDX-License-Identifier: MIT
#include "connection/read-ahead.h"

#include <stdlib.h>

#include "base/counters.h"
#include "base/holders.h"
#include "connection/window.h"
#include "sockets/buffers.h"

#define TAKEN_BYTES (16U << 10)	/* in one run: a receiver that takes them is slow, and has not stalled */
#define REVIEW_MS 200
#define REVIEWED 1024		/* connections at a time: half a millisecond */

/* --- whose it is -------------------------------------------------------------------- */

/* What is in the direction's own hands waits for the same receiver as what is in the send buffer. */
static void account(struct thread_context *thread, struct connection *connection,
		    uint32_t client_bytes, uint32_t upstream_bytes)
{
	struct stall *stall = connection->stall;
	uint64_t before = (uint64_t)stall->held[CLIENT] + stall->held[UPSTREAM];

	holders_change(&thread->holders, connection->holder, before,
		       (uint64_t)client_bytes + upstream_bytes);
	counter_add(&thread->counters->held_client_bytes,
		    (uint64_t)client_bytes - stall->held[CLIENT]);
	counter_add(&thread->counters->held_upstream_bytes,
		    (uint64_t)upstream_bytes - stall->held[UPSTREAM]);
	stall->held[CLIENT] = client_bytes;
	stall->held[UPSTREAM] = upstream_bytes;
}

static bool is_over(const struct thread_context *thread, const struct connection *connection)
{
	uint64_t mib = connection_options(connection)->read_ahead_budget_mib;

	return holders_is_over(&thread->holders, connection->holder,
			       (mib << 20) / thread->thread_count);
}

/* --- stalls ------------------------------------------------------------------------- */

static bool is_pending(const struct connection *connection)
{
	return connection->direction[CLIENT].pending || connection->direction[UPSTREAM].pending;
}

static bool is_stalled(const struct connection *connection)
{
	return connection->stall && !list_empty(&connection->stall->node);
}

static void review_later(struct thread_context *thread)
{
	thread->reviews = !list_empty(&thread->stalls) || !list_empty(&thread->reviewed);
	if (thread->reviews)
		timer_set(&thread->timers, &thread->review, thread->io.now_ms + REVIEW_MS);
}

/* Without memory for it the stall goes on unseen. */
static struct stall *stall_of(struct connection *connection)
{
	struct stall *stall = connection->stall;

	if (stall)
		return stall;
	stall = calloc(1, sizeof(*stall));
	if (stall)
		*stall = (struct stall){ .connection = connection };
	if (stall)
		list_init(&stall->node);
	connection->stall = stall;
	return stall;
}

static void stall_begins(struct thread_context *thread, struct connection *connection, int side)
{
	struct stall *stall = stall_of(connection);
	uint32_t bytes = window_expected(connection, side);

	if (!stall || !list_empty(&stall->node))
		return;
	stall->since_ms = (uint32_t)thread->io.now_ms;
	list_add(&thread->stalls, &stall->node);
	if (bytes)
		account(thread, connection, side == CLIENT ? bytes : 0, side == CLIENT ? 0 : bytes);
	if (!thread->reviews)
		review_later(thread);
}

/* It is slow, and goes on: behind those who have waited longer. */
static void stall_renews(struct thread_context *thread, struct stall *stall)
{
	stall->since_ms = (uint32_t)thread->io.now_ms;
	if (stall->is_reviewed)
		return;
	list_remove(&stall->node);
	list_add(&thread->stalls, &stall->node);
}

static void stall_ends(struct thread_context *thread, struct connection *connection)
{
	struct stall *stall = connection->stall;

	list_remove(&stall->node);
	if (stall->is_reviewed)
		counter_subtract(&thread->counters->stalled, 1);
	stall->is_reviewed = false;
	if (stall->held[CLIENT] || stall->held[UPSTREAM])
		account(thread, connection, 0, 0);
}

/* --- reviews ------------------------------------------------------------------------- */

static uint32_t held_by(const struct connection *connection, int side)
{
	return buffer_memory(connection->leg[side].fd) + connection->direction[!side].pending;
}

/* Afterwards it is the last of those that were. */
static void review(struct thread_context *thread, struct stall *stall)
{
	struct connection *connection = stall->connection;
	int side;

	list_remove(&stall->node);
	list_add(&thread->reviewed, &stall->node);
	if ((uint32_t)thread->io.now_ms - stall->since_ms < REVIEW_MS)
		return;
	if (!stall->is_reviewed)
		counter_add(&thread->counters->stalled, 1);
	stall->is_reviewed = true;
	account(thread, connection, held_by(connection, CLIENT), held_by(connection, UPSTREAM));
	for (side = 0; side < SIDES; side++)
		if (connection->direction[side].pending)
			window_stalled(thread, connection, side, is_over(thread, connection));
}

static struct stall *first_of(struct list *list)
{
	return container_of(list->next, struct stall, node);
}

/* All that have become old enough, for they may be many; those of before in turns. */
static void review_all(struct timer *timer, void *context)
{
	struct thread_context *thread = context;
	struct list turn;
	int most = REVIEWED;

	(void)timer;
	list_init(&turn);
	list_move_all(&thread->reviewed, &turn);
	while (!list_empty(&thread->stalls) &&
	       (uint32_t)thread->io.now_ms - first_of(&thread->stalls)->since_ms >= REVIEW_MS) {
		review(thread, first_of(&thread->stalls));
		most--;
	}
	while (!list_empty(&turn) && most-- > 0)
		review(thread, first_of(&turn));
	/* those that were not looked at come first next time */
	while (!list_empty(&turn)) {
		struct list *last = turn.previous;

		list_remove(last);
		list_add(thread->reviewed.next, last);
	}
	review_later(thread);
}

/* --- from without ------------------------------------------------------------------- */

/**
 * read_ahead_init() - Get a zeroed thread ready
 * @thread:	Thread
 *
 * Return: false without randomness
 */
bool read_ahead_init(struct thread_context *thread)
{
	list_init(&thread->stalls);
	list_init(&thread->reviewed);
	timer_init(&thread->review, review_all);
	windows_init(thread);
	return holders_init(&thread->holders);
}

/**
 * read_ahead_begin() - Bytes may come from now on
 * @thread:	Its thread
 * @connection:	Connection that nothing was read of yet
 */
void read_ahead_begin(struct thread_context *thread, struct connection *connection)
{
	int side;

	if (!connection_options(connection)->read_ahead || !is_over(thread, connection))
		return;
	for (side = 0; side < SIDES; side++)
		window_cut(thread, connection, side);
}

/**
 * read_ahead_ran() - A direction has had a run
 * @thread:	Its thread
 * @connection:	Connection that is still there
 * @side:	Which direction
 * @moved:	Bytes that it handed over
 * @progress:	How the run ended
 */
void read_ahead_ran(struct thread_context *thread, struct connection *connection, int side,
		    uint64_t moved, enum progress progress)
{
	if (!connection_options(connection)->read_ahead)
		return;
	if (moved)
		window_flowed(thread, connection, side, moved, is_over(thread, connection));
	if (progress == PROGRESS_SINK_FULL) {
		stall_begins(thread, connection, side);
		/* the far end of a long way needs its window for a slow receiver, too */
		if (moved >= TAKEN_BYTES && is_stalled(connection))
			stall_renews(thread, connection->stall);
	} else if (is_stalled(connection) && !is_pending(connection)) {
		stall_ends(thread, connection);
	}
}

/* The connection is about to end. */
void read_ahead_forget(struct thread_context *thread, struct connection *connection)
{
	if (is_stalled(connection))
		stall_ends(thread, connection);
	free(connection->stall);
	connection->stall = NULL;
}
