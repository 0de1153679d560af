/* SPDX-License-Identifier: MIT */
/*
 * All upstreams, and which one is next.
 *
 * An upstream that cannot be reached, or does not speak its protocol, *rests*:
 * one second, twice as long after each further failure, a minute at most.  When
 * the rest is over one connection tries it for all, beginning the next rest as
 * it does, and only if that succeeds do the others follow.  If every upstream
 * rests, the one whose rest ends first is tried all the same: a client is not
 * turned away on suspicion.
 *
 * Faults that may be the destination's (a proxy that says nothing after it has
 * been asked) only count when there are several in a row and nothing else.
 *
 * What threads share are a few atomic words for each upstream, written once or
 * twice in a connection's life and on cache lines of their own: one thread's
 * bad experience spares the clients of the others the same wait.  The turns of
 * the `weighted` strategy are each thread's own, and add up.
 */
#ifndef SIDETRACK_ROSTER_H
#define SIDETRACK_ROSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "memory.h"
#include "upstream.h"

struct roster_entry {
	struct upstream upstream;
	uint64_t rest_until_ms __attribute__((aligned(CACHE_LINE)));	/* these are atomic */
	uint32_t failures;	/* rests without a success between them */
	uint32_t doubts;	/* doubtful faults in a row */
	uint32_t active;	/* connections, also on their way */
};

struct roster {
	enum strategy strategy;
	uint32_t count;
	struct roster_entry entry[SIDETRACK_RELAY_UPSTREAMS];
};

/* Whose turn it is, for one thread. */
struct rotation {
	int64_t credit[SIDETRACK_RELAY_UPSTREAMS];
};

enum fault {
	FAULT_NONE,		/* the upstream answered, whatever it said */
	FAULT_DOUBTFUL,
	FAULT_CERTAIN,
};

int roster_add(struct roster *roster, const struct sidetrack_relay_upstream *from);
int roster_choose(struct roster *roster, struct rotation *rotation, uint32_t tried,
		  uint64_t now_ms);
void roster_judge(struct roster *roster, uint32_t index, enum fault fault, uint64_t now_ms);
uint32_t roster_resting(const struct roster *roster);
void roster_leave(struct roster *roster, uint32_t index);

#endif /* SIDETRACK_ROSTER_H */
