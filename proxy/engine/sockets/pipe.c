// SPDX-License-Identifier: MIT
#include "sockets/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/counters.h"

#define DEFAULT_SIZE (1U << 20)
#define DEFAULT_LIMIT 64
#define SMALLEST_USEFUL (64U << 10)
#define SPARE 4			/* free pipes worth keeping after a burst of stalls */
#define RETRY_MS 1000

void pipe_pool_init(struct pipe_pool *pool, const struct sidetrack_relay_options *options,
		    struct sidetrack_relay_counters *counters)
{
	*pool = (struct pipe_pool){
		.limit = options->pipes_per_thread ? options->pipes_per_thread : DEFAULT_LIMIT,
		.size = options->pipe_size ? options->pipe_size : DEFAULT_SIZE,
		.counters = counters,
	};
}

static void pipe_close(struct pipe_pool *pool, struct pipe *pipe)
{
	ASSERT(pool->owned > 0);
	close(pipe->read_end);
	close(pipe->write_end);
	counter_subtract(&pool->counters->pipe_bytes, pipe->size);
	free(pipe);
	pool->owned--;
	counter_set(&pool->counters->pipes, pool->owned);
}

/* All pipes must have come back. */
void pipe_pool_release(struct pipe_pool *pool)
{
	while (pool->free) {
		struct pipe *pipe = pool->free;

		pool->free = pipe->next;
		pipe_close(pool, pipe);
	}
	ASSERT(pool->owned == 0);
}

/* Return: bytes the pipe holds once it is as large as it may be, or -errno */
static int pipe_grow(int fd, uint32_t size)
{
	uint32_t bytes;

	for (bytes = size; bytes >= SMALLEST_USEFUL; bytes /= 4)
		if (fcntl(fd, F_SETPIPE_SZ, (int)bytes) >= 0)
			break;
	return fcntl(fd, F_GETPIPE_SZ);
}

static struct pipe *pipe_open(uint32_t size)
{
	struct pipe *pipe = malloc(sizeof(*pipe));
	int end[2];
	int capacity;

	if (!pipe)
		return NULL;
	if (pipe2(end, O_NONBLOCK | O_CLOEXEC) < 0)
		goto no_pipe;
	capacity = pipe_grow(end[1], size);
	if (capacity < (int)SMALLEST_USEFUL)
		goto too_small;
	*pipe = (struct pipe){ .read_end = end[0], .write_end = end[1], .size = capacity };
	return pipe;

too_small:
	close(end[0]);
	close(end[1]);
no_pipe:
	free(pipe);
	return NULL;
}

/**
 * pipe_take() - Get an empty pipe
 * @pool:	Pool of this thread
 * @now_ms:	Time
 *
 * Return: a pipe, or NULL if the caller has to copy for now
 */
struct pipe *pipe_take(struct pipe_pool *pool, uint64_t now_ms)
{
	struct pipe *pipe = pool->free;

	if (pipe) {
		pool->free = pipe->next;
		pool->free_count--;
		return pipe;
	}
	if (pool->owned >= pool->limit || now_ms < pool->retry_ms)
		return NULL;
	pipe = pipe_open(pool->size);
	if (!pipe) {
		pool->retry_ms = now_ms + RETRY_MS;
		counter_add(&pool->counters->pipe_failures, 1);
		return NULL;
	}
	pool->owned++;
	counter_add(&pool->counters->pipe_bytes, pipe->size);
	counter_set(&pool->counters->pipes, pool->owned);
	return pipe;
}

/**
 * pipe_pool_is_scarce() - Is a pipe too good for bytes that nobody takes?
 * @pool:	Pool of this thread
 * @now_ms:	Time
 *
 * Return: true if half of the pipes are in use, or the kernel gives no more
 */
bool pipe_pool_is_scarce(const struct pipe_pool *pool, uint64_t now_ms)
{
	return pool->owned - pool->free_count > pool->limit / 2 || now_ms < pool->retry_ms;
}

/* Give back an empty pipe. */
void pipe_give(struct pipe_pool *pool, struct pipe *pipe)
{
	ASSERT(pool->free_count < pool->owned);
	if (pool->free_count >= SPARE) {
		pipe_close(pool, pipe);
		return;
	}
	pipe->next = pool->free;
	pool->free = pipe;
	pool->free_count++;
}

/* Give back a pipe that may still hold bytes: no other connection must ever see them. */
void pipe_discard(struct pipe_pool *pool, struct pipe *pipe)
{
	pipe_close(pool, pipe);
}
