/* SPDX-License-Identifier: MIT */
/*
 * All upstreams of a generation, and which one is next.
 *
 * An upstream that cannot be reached, or does not speak its protocol, *backs off*
 * (see backoff.h).  If every upstream does, the one that may be tried first is
 * tried all the same: a client is not turned away on suspicion.  Where probes
 * look after the upstreams no client tries for all: a failure lasts until a
 * probe succeeds.
 *
 * Faults that may be the destination's (a proxy that says nothing after it has
 * been asked) only count when there are several in a row and nothing else.
 *
 * One that says yes and then hangs up without a byte (health.h) backs off, too, and
 * only a byte, or a probe that waited for one, ends that.
 *
 * An upstream with several addresses takes them in turns, which spreads the
 * local ports, and leaves out those that back off.  Only when none of them can be
 * reached has the upstream itself failed.
 *
 * What threads know of an upstream's health is a few atomic words in its slot,
 * on cache lines of their own: one thread's bad experience spares the clients
 * of the others the same wait.  Slots outlive generations, and so does the
 * knowledge, as long as the upstream is the same: an *epoch* tells.  If only
 * its addresses differ, those that are left keep their backoff.  The
 * turns are each thread's own, and add up.
 *
 * An upstream whose name has no address yet, or that does not carry a family of
 * addresses, is never chosen, for anything or for that family.
 */
#ifndef SIDETRACK_UPSTREAM_SET_H
#define SIDETRACK_UPSTREAM_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "base/endpoint.h"
#include "upstreams/fault.h"
#include "upstreams/health.h"
#include "upstreams/upstream.h"

struct upstream_entry {
	struct upstream upstream;
	struct health *health;
	uint32_t epoch;	/* of the health that is about this upstream */
};

struct upstream_set {
	enum strategy strategy;
	uint32_t probed;	/* by family: 1 << enum family */
	bool answered;		/* probes want an answer, not only a connection */
	uint32_t count;
	uint32_t carries[FAMILIES];	/* bits of upstreams: may be tried for this family */
	uint32_t used;		/* bits of upstreams: some route may lead there */
	struct health *health;	/* of all slots */
	struct upstream_entry entry[SIDETRACK_RELAY_UPSTREAMS];
};

/* Whose turn it is, for one thread. */
struct rotation {
	int64_t credit[SIDETRACK_RELAY_UPSTREAMS];
	uint32_t address[SIDETRACK_RELAY_UPSTREAMS];
};

int upstreams_find(const struct upstream_set *upstreams, uint32_t slot);
int upstreams_set_addresses(struct upstream_set *upstreams, uint32_t index,
			    const uint8_t *addresses, size_t length);
int upstreams_add(struct upstream_set *upstreams, const struct sidetrack_relay_upstream *from);
void upstreams_inherit(struct upstream_set *upstreams, const struct upstream_set *before);
int upstreams_choose(struct upstream_set *upstreams, struct rotation *rotation, enum family family,
		     uint32_t tried, uint64_t now_ms);
uint32_t upstreams_choose_address(struct upstream_set *upstreams, struct rotation *rotation,
				  uint32_t index, uint32_t tried, uint64_t now_ms);
void upstreams_judge(struct upstream_set *upstreams, uint32_t index, enum fault fault,
		     uint64_t now_ms);
void upstreams_judge_probe(struct upstream_set *upstreams, uint32_t index, enum family family,
			   enum fault fault, uint64_t now_ms);
uint32_t upstreams_lacking(const struct upstream_set *upstreams, uint32_t index);
void upstreams_hear_nothing(struct upstream_set *upstreams, uint32_t index,
			    const struct endpoint *destination, uint64_t now_ms);
void upstreams_hear_byte(struct upstream_set *upstreams, uint32_t index);
void upstreams_forbid(struct upstream_set *upstreams, uint32_t index, uint16_t port);
void upstreams_judge_address(struct upstream_set *upstreams, uint32_t index, uint32_t address,
			     bool reached, uint64_t now_ms);
void upstreams_leave(struct upstream_set *upstreams, uint32_t index);

#endif /* SIDETRACK_UPSTREAM_SET_H */
