/* SPDX-License-Identifier: MIT */
/*
 * The rest of what has failed: one second, twice as long after each further
 * failure, a minute at most.
 *
 * When a rest is over *one* connection tries for all, and begins the next rest
 * as it does; only if it succeeds do the others follow.  All threads share it:
 * relaxed atomics, written once or twice in a connection's life at most.
 */
#ifndef SIDETRACK_REST_H
#define SIDETRACK_REST_H

#include <stdbool.h>
#include <stdint.h>

struct rest {
	uint64_t until_ms;
	uint32_t failures;	/* rests without a success between them */
};

uint64_t rest_until(const struct rest *rest);
bool rest_is_due(const struct rest *rest);
void rest_begin(struct rest *rest, uint64_t now_ms);
void rest_end(struct rest *rest);
void rest_copy(struct rest *to, const struct rest *from);
bool rest_may_try(struct rest *rest, uint64_t now_ms);

#endif /* SIDETRACK_REST_H */
