/* SPDX-License-Identifier: MIT */
/*
 * What is known of the upstream in one slot; all of it atomic.
 *
 * Three things speak against an upstream: it fails (its backoff), it is asked and
 * says nothing (doubts), or it says yes and then hangs up without a byte, though
 * the client has spoken (silence).  The last may be the destination's way, so it
 * takes several in a row: each of them counts, one to another destination than
 * the one before counts twice.  A single byte through the upstream, for whomever,
 * ends the silence; that it says yes again does not.
 *
 * Where probes know more, a family of addresses may be *lacking* by itself.  Ports
 * to which the upstream would not connect are noted for people only.
 */
#ifndef SIDETRACK_HEALTH_H
#define SIDETRACK_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "base/memory.h"
#include "upstreams/backoff.h"

struct endpoint;
struct upstream;

struct health {
	struct backoff backoff __attribute__((aligned(CACHE_LINE)));
	uint32_t doubts;	/* doubtful faults in a row */
	uint32_t silence;	/* see above; 0 nearly always */
	uint32_t silent;	/* the last destination that said nothing, as a number */
	uint32_t lacking;	/* families whose last probe failed: 1 << enum family */
	uint32_t carrying;	/* those whose last probe succeeded */
	uint32_t active;	/* connections, also on their way */
	uint32_t epoch;	/* raised when another upstream, or a changed one, moves in */
	uint32_t forbidden[SIDETRACK_RELAY_FORBIDDEN_PORTS];	/* 0: none */
	struct backoff address[SIDETRACK_RELAY_ADDRESSES];
};

void health_renew(struct health *health);
void health_carry_over(struct health *health, const struct upstream *before,
		       const struct upstream *after);
bool health_is_silent(const struct health *health);
bool health_hear_nothing(struct health *health, const struct endpoint *destination);
bool health_hear_byte(struct health *health);
void health_judge_family(struct health *health, enum family family, bool lacking);
uint32_t health_lacking(const struct health *health);
uint32_t health_carrying(const struct health *health);
void health_forbid(struct health *health, uint16_t port);

#endif /* SIDETRACK_HEALTH_H */
