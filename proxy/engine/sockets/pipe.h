/* SPDX-License-Identifier: MIT */
/*
 * Pipes for splice(), one pool to a thread.
 *
 * A pipe is only needed while bytes are between two sockets.  Nearly always
 * they leave in the same breath, so one pipe serves all the connections of a
 * thread and stays hot in the cache: the pool is a stack.  Only a direction
 * whose receiver stalls keeps the pipe with its bytes to itself, and the next
 * one takes another from the pool.  Once half of the pipes are kept that way the
 * pool is scarce: bytes of receivers that stall are moved out of their pipes
 * (deliver.c), so that those who stall never take splicing from the others.
 *
 * The kernel may refuse a pipe (EMFILE) or, above fs.pipe-user-pages-soft, hand
 * out one of two pages, which is slower than copying.  Then the pool says no
 * for a while and the caller copies.
 */
#ifndef SIDETRACK_PIPE_H
#define SIDETRACK_PIPE_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"

struct pipe {
	struct pipe *next;
	int read_end;
	int write_end;
	uint32_t size;
};

struct pipe_pool {
	struct pipe *free;
	unsigned int free_count;
	unsigned int owned;	/* free and in use */
	unsigned int limit;
	uint32_t size;
	uint64_t retry_ms;
	struct sidetrack_relay_counters *counters;
};

void pipe_pool_init(struct pipe_pool *pool, const struct sidetrack_relay_options *options,
		    struct sidetrack_relay_counters *counters);
void pipe_pool_release(struct pipe_pool *pool);
struct pipe *pipe_take(struct pipe_pool *pool, uint64_t now_ms);
void pipe_give(struct pipe_pool *pool, struct pipe *pipe);
bool pipe_pool_is_scarce(const struct pipe_pool *pool, uint64_t now_ms);
void pipe_discard(struct pipe_pool *pool, struct pipe *pipe);

#endif /* SIDETRACK_PIPE_H */
