// SPDX-License-Identifier: MIT
#include "connection/read-ahead.h"

#include "base/client-table.h"
#include "base/counters.h"
#include "sockets/window.h"

#define BEGIN_BYTES (64U << 10)	/* the kernel's first window: until then nothing has grown */
#define HELD_MOST (128U << 10)
#define HELD_LEAST (16U << 10)
#define HELD_PART 8
#define FREE_AFTER 4		/* times the held window, without a stall */
#define CUT_BYTES (16U << 10)
#define TAKEN_BYTES (16U << 10)	/* in one run: a receiver that takes them is slow, and has not stalled */
#define REVIEW_MS 200
#define REVIEWED 1024		/* connections at a time: half a millisecond */

static uint32_t held_window(const struct connection *connection)
{
	uint32_t part = connection_options(connection)->read_ahead / HELD_PART;

	if (part > HELD_MOST)
		return HELD_MOST;
	return part < HELD_LEAST ? HELD_LEAST : part;
}

/* --- whose it is -------------------------------------------------------------------- */

static void account(struct thread_context *thread, struct connection *connection,
		    uint32_t client_bytes, uint32_t upstream_bytes)
{
	uint64_t *held = &thread->clients->held[connection->client_entry];
	uint64_t before = (uint64_t)connection->held[CLIENT] + connection->held[UPSTREAM];
	uint64_t now = (uint64_t)client_bytes + upstream_bytes;

	thread->holders -= *held != 0;
	*held += now - before;
	thread->holders += *held != 0;
	thread->held += now - before;
	counter_add(&thread->counters->held_client_bytes,
		    (uint64_t)client_bytes - connection->held[CLIENT]);
	counter_add(&thread->counters->held_upstream_bytes,
		    (uint64_t)upstream_bytes - connection->held[UPSTREAM]);
	connection->held[CLIENT] = client_bytes;
	connection->held[UPSTREAM] = upstream_bytes;
}

/* Return: true if there is too much, and this client has more of it than its share */
static bool is_over(const struct thread_context *thread, const struct connection *connection)
{
	uint64_t budget = ((uint64_t)connection_options(connection)->read_ahead_budget_mib << 20) /
			  thread->thread_count;

	return budget && thread->held > budget &&
	       thread->clients->held[connection->client_entry] > budget / thread->holders;
}

/* --- windows ------------------------------------------------------------------------ */

static void cut(struct thread_context *thread, struct connection *connection, int side)
{
	connection->direction[side].window = WINDOW_CUT;
	window_hold(connection->leg[side].fd, CUT_BYTES);
	window_bound_unsent(connection->leg[!side].fd, CUT_BYTES);
	counter_add(&thread->counters->read_ahead_cuts, 1);
}

static void hold(struct thread_context *thread, struct connection *connection, int side)
{
	if (!thread->can_free_windows)
		return;
	connection->direction[side].window = WINDOW_HELD;
	window_hold(connection->leg[side].fd, held_window(connection));
}

static void free_window(struct thread_context *thread, struct connection *connection, int side)
{
	const bool was_cut = connection->direction[side].window == WINDOW_CUT;

	connection->direction[side].window = WINDOW_FREE;
	if (thread->can_free_windows)
		window_free(connection->leg[side].fd);
	else if (was_cut)	/* the kernel sizes it no more */
		window_hold(connection->leg[side].fd, connection_options(connection)->read_ahead);
	window_bound_unsent(connection->leg[!side].fd,
			    connection_options(connection)->read_ahead);
}

/* The flow is more than a few messages. */
static void begin(struct thread_context *thread, struct connection *connection, int side)
{
	if (is_over(thread, connection))
		cut(thread, connection, side);
	else if (thread->can_free_windows)
		hold(thread, connection, side);
	else
		free_window(thread, connection, side);
}

static void flowed(struct thread_context *thread, struct connection *connection, int side,
		   uint64_t moved)
{
	struct direction *direction = &connection->direction[side];

	if (direction->window == WINDOW_FREE)
		return;
	if (direction->window == WINDOW_AUTOMATIC) {
		if (direction->bytes >= BEGIN_BYTES)
			begin(thread, connection, side);
		return;
	}
	direction->flowed += moved < UINT32_MAX / 2 ? (uint32_t)moved : UINT32_MAX / 2;
	if (direction->flowed >= FREE_AFTER * held_window(connection) &&
	    !is_over(thread, connection))
		free_window(thread, connection, side);
}

/* --- stalls ------------------------------------------------------------------------- */

static bool is_pending(const struct connection *connection)
{
	return connection->direction[CLIENT].pending || connection->direction[UPSTREAM].pending;
}

static void stall_begins(struct thread_context *thread, struct connection *connection)
{
	if (!list_empty(&connection->stalled))
		return;
	connection->stalled_ms = (uint32_t)thread->io.now_ms;
	list_add(&thread->stalled, &connection->stalled);
	if (!thread->reviews) {
		thread->reviews = true;
		timer_set(&thread->timers, &thread->review, thread->io.now_ms + REVIEW_MS);
	}
}

static void stall_ends(struct thread_context *thread, struct connection *connection)
{
	if (list_empty(&connection->stalled))
		return;
	list_remove(&connection->stalled);
	if (connection->is_held)
		counter_subtract(&thread->counters->stalled, 1);
	connection->is_held = false;
	if (connection->held[CLIENT] || connection->held[UPSTREAM])
		account(thread, connection, 0, 0);
}

static void review_direction(struct thread_context *thread, struct connection *connection, int side)
{
	struct direction *direction = &connection->direction[side];

	if (!direction->pending || direction->window == WINDOW_CUT)
		return;
	if (is_over(thread, connection))
		cut(thread, connection, side);
	else if (direction->window != WINDOW_HELD)
		hold(thread, connection, side);
	direction->flowed = 0;
}

static void review(struct thread_context *thread, struct connection *connection)
{
	if ((uint32_t)thread->io.now_ms - connection->stalled_ms < REVIEW_MS)
		return;
	if (!connection->is_held)
		counter_add(&thread->counters->stalled, 1);
	connection->is_held = true;
	account(thread, connection, window_memory(connection->leg[CLIENT].fd),
		window_memory(connection->leg[UPSTREAM].fd));
	review_direction(thread, connection, CLIENT);
	review_direction(thread, connection, UPSTREAM);
}

/* In turns, where there are more than it looks at in one go. */
static void review_all(struct timer *timer, void *context)
{
	struct thread_context *thread = context;
	struct list turn;
	int most = REVIEWED;

	(void)timer;
	list_init(&turn);
	list_move_all(&thread->stalled, &turn);
	while (!list_empty(&turn) && most-- > 0) {
		struct connection *connection =
			container_of(turn.next, struct connection, stalled);

		list_remove(&connection->stalled);
		list_add(&thread->stalled, &connection->stalled);
		review(thread, connection);
	}
	/* those that were not looked at come first next time */
	while (!list_empty(&turn)) {
		struct list *last = turn.previous;

		list_remove(last);
		list_add(thread->stalled.next, last);
	}
	thread->reviews = !list_empty(&thread->stalled);
	if (thread->reviews)
		timer_set(&thread->timers, &thread->review, thread->io.now_ms + REVIEW_MS);
}

/* --- from without ------------------------------------------------------------------- */

void read_ahead_init(struct thread_context *thread)
{
	list_init(&thread->stalled);
	timer_init(&thread->review, review_all);
	thread->can_free_windows = window_can_be_freed();
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
	if (progress == PROGRESS_SINK_FULL) {
		connection->direction[side].flowed = 0;
		stall_begins(thread, connection);
		/* the far end of a long way needs its window for a slow receiver, too */
		if (moved >= TAKEN_BYTES)
			connection->stalled_ms = (uint32_t)thread->io.now_ms;
		if (moved && connection->direction[side].window == WINDOW_AUTOMATIC)
			flowed(thread, connection, side, moved);
		return;
	}
	if (moved)
		flowed(thread, connection, side, moved);
	if (!list_empty(&connection->stalled) && !is_pending(connection))
		stall_ends(thread, connection);
}

/* The connection is about to end. */
void read_ahead_forget(struct thread_context *thread, struct connection *connection)
{
	stall_ends(thread, connection);
}
