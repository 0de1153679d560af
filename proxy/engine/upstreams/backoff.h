/* SPDX-License-Identifier: MIT */
/*
 * How long what has failed is left alone: one second, twice as long after each further
 * failure, a minute at most.
 *
 * When that is over *one* connection tries for all, and begins the next backoff
 * as it does; only if it succeeds do the others follow.  All threads share it:
 * relaxed atomics, written once or twice in a connection's life at most.
 */
#ifndef SIDETRACK_BACKOFF_H
#define SIDETRACK_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

struct backoff {
	uint64_t until_ms;
	uint32_t failures;	/* in a row, without a success between them */
};

uint64_t backoff_until(const struct backoff *backoff);
bool backoff_is_due(const struct backoff *backoff);
void backoff_begin(struct backoff *backoff, uint64_t now_ms);
void backoff_end(struct backoff *backoff);
void backoff_copy(struct backoff *to, const struct backoff *from);
bool backoff_may_try(struct backoff *backoff, uint64_t now_ms);

#endif /* SIDETRACK_BACKOFF_H */
