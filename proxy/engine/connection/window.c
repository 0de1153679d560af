// SPDX-License-Identifier: MIT
#include "connection/window.h"

#include "base/counters.h"
#include "sockets/buffers.h"
#include "sockets/tcp-info.h"

#define BEGIN_BYTES (64U << 10) /* the kernel's first window: until then nothing has grown */
#define LEAST_BYTES (16U << 10)
#define HELD_BYTES (64U << 10)
#define HELD_TIMES 3
#define NEAR_TIMES 128
#define NEAR_US 1000

static uint32_t part_of(const struct connection *connection, uint32_t part, uint32_t most)
{
	uint32_t bytes = connection_options(connection)->read_ahead / part;

	if (bytes > most)
		return most;
	return bytes < LEAST_BYTES ? LEAST_BYTES : bytes;
}

static uint32_t receive_bytes(const struct connection *connection, enum window window)
{
	switch (window) {
	case WINDOW_AUTOMATIC:
	case WINDOW_HELD:
		return part_of(connection, 16, HELD_BYTES);
	case WINDOW_CUT:
		return LEAST_BYTES;
	default:
		/* more would wait where the processor's cache does not reach: a fifth of the speed without offloads */
		return part_of(connection, 8, UINT32_MAX);
	}
}

static uint32_t unsent_bytes(const struct connection *connection, enum window window)
{
	switch (window) {
	case WINDOW_AUTOMATIC:
	case WINDOW_HELD:
		return part_of(connection, 32, HELD_BYTES);
	case WINDOW_FREE:
		return part_of(connection, 1, UINT32_MAX);
	default:
		return receive_bytes(connection, window);
	}
}

static void enter(struct thread_context *thread, struct connection *connection, int side,
		  enum window window)
{
	struct direction *direction = &connection->direction[side];

	if (window != WINDOW_FREE) {
		buffer_hold(connection->leg[side].fd, receive_bytes(connection, window));
	} else if (thread->can_free_windows) {
		/* the kernel sizes by more than it has seen: in a window that is full it sees no more */
		buffer_hold(connection->leg[side].fd, 2 * receive_bytes(connection, WINDOW_NEAR));
		buffer_free(connection->leg[side].fd);
	} else if (direction->window != WINDOW_AUTOMATIC) {	/* as large as it may be, for good */
		buffer_hold(connection->leg[side].fd, thread->buffer_most);
	}
	buffer_bound_unsent(connection->leg[!side].fd, unsent_bytes(connection, window));
	direction->window = window;
	direction->flowed = 0;
}

/* Measured while the socket connected, if its peer has said nothing since. */
static bool is_near(const struct connection *connection, int side)
{
	struct tcp_summary info;

	return tcp_info_read(connection->leg[side].fd, &info) && info.least_rtt_us <= NEAR_US;
}

static bool near_is_possible(const struct thread_context *thread, const struct connection *connection)
{
	return receive_bytes(connection, WINDOW_NEAR) <= thread->buffer_most;
}

static void begin(struct thread_context *thread, struct connection *connection, int side)
{
	/* what could not be given back is not taken where a long way may want it */
	if (!thread->can_free_windows && !is_near(connection, side))
		enter(thread, connection, side, WINDOW_FREE);
	else
		enter(thread, connection, side, WINDOW_HELD);
}

static bool has_earned(const struct connection *connection, int side, uint32_t times)
{
	const struct direction *direction = &connection->direction[side];

	return direction->flowed / times >= receive_bytes(connection, direction->window);
}

static void climb(struct thread_context *thread, struct connection *connection, int side)
{
	if (near_is_possible(thread, connection) && is_near(connection, side))
		enter(thread, connection, side, WINDOW_NEAR);
	else
		enter(thread, connection, side, WINDOW_FREE);
}

/**
 * windows_init() - Ask the kernel what it can
 * @thread:	Zeroed
 */
void windows_init(struct thread_context *thread)
{
	thread->can_free_windows = buffer_can_be_freed();
	thread->buffer_most = buffer_most();
}

/**
 * window_flowed() - A receiver has taken something
 * @thread:	Thread of the connection
 * @connection:	Connection that is RELAYING
 * @side:	Which direction
 * @moved:	Bytes, at least one
 * @is_over:	Its client is over its share
 */
void window_flowed(struct thread_context *thread, struct connection *connection, int side,
		   uint64_t moved, bool is_over)
{
	struct direction *direction = &connection->direction[side];

	if (direction->window == WINDOW_FREE)
		return;
	direction->flowed += moved < UINT32_MAX - direction->flowed ? (uint32_t)moved : 0;
	switch ((enum window)direction->window) {
	case WINDOW_AUTOMATIC:
		if (direction->bytes >= BEGIN_BYTES && is_over)
			window_cut(thread, connection, side);
		else if (direction->bytes >= BEGIN_BYTES)
			begin(thread, connection, side);
		break;
	case WINDOW_CUT:
		if (direction->flowed >= HELD_BYTES && !is_over)
			begin(thread, connection, side);
		break;
	case WINDOW_HELD:
		if (has_earned(connection, side, HELD_TIMES) && !is_over)
			climb(thread, connection, side);
		break;
	case WINDOW_NEAR:
		if (has_earned(connection, side, NEAR_TIMES) && !is_over)
			enter(thread, connection, side, WINDOW_FREE);
		break;
	case WINDOW_FREE:
		break;
	}
}

/**
 * window_stalled() - A receiver has taken nothing for long: it has to earn its window anew
 * @thread:	Thread of the connection
 * @connection:	Connection
 * @side:	Which direction
 * @is_over:	Its client is over its share
 */
void window_stalled(struct thread_context *thread, struct connection *connection, int side,
		    bool is_over)
{
	enum window window = connection->direction[side].window;
	bool is_kernels = window == WINDOW_AUTOMATIC || window == WINDOW_FREE;

	if (window == WINDOW_CUT)
		return;
	if (is_over)
		window_cut(thread, connection, side);
	else if (window != WINDOW_HELD && (thread->can_free_windows || !is_kernels))
		enter(thread, connection, side, WINDOW_HELD);
	connection->direction[side].flowed = 0;
}

/* As little as can be. */
void window_cut(struct thread_context *thread, struct connection *connection, int side)
{
	enter(thread, connection, side, WINDOW_CUT);
	counter_add(&thread->counters->read_ahead_cuts, 1);
}

/* Return: bytes of memory that a direction comes to that stalls before it has earned more */
uint32_t window_expected(const struct connection *connection, int side)
{
	enum window window = connection->direction[side].window;

	if (window > WINDOW_HELD)
		return 0;
	return 2 * receive_bytes(connection, window) + unsent_bytes(connection, window) + HELD_BYTES;
}
