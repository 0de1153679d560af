/* SPDX-License-Identifier: MIT */
/*
 * How an upstream leg comes about: choose an upstream and one of its addresses, dial,
 * and go on with the next.
 *
 * Connections and probes have one of these each and say when what is done; neither of
 * them is known here.
 *
 * A route says among which upstreams; with none, among all.  Of an upstream with
 * several addresses each is tried before the next upstream is.  One that has no
 * address yet, or that does not carry the destination's family, is none of them.
 */
#ifndef SIDETRACK_ESTABLISH_H
#define SIDETRACK_ESTABLISH_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "base/endpoint.h"
#include "bytes/leg.h"
#include "bytes/thread-context.h"
#include "upstreams/fault.h"
#include "upstreams/generation.h"
#include "upstreams/handshake.h"

#define NO_UPSTREAM UINT32_MAX

struct establish {
	struct handshake handshake;
	struct endpoint destination;
	struct generation *generation;	/* under which it began */
	uint64_t connect_us;	/* when connect() was called */
	uint32_t upstream;	/* its number in the generation, or NO_UPSTREAM */
	uint32_t tried;		/* bits of those that were tried, or are not for it */
	uint16_t early;		/* bytes the upstream has that are still with the client's socket */
	uint8_t address;	/* the upstream's, by number */
	uint8_t tried_addresses;	/* bits */
	bool has_handshake;	/* the upstream wants one */
	bool connected;		/* with the upstream, be it a proxy that has yet to connect */
	bool counted;		/* as active with its upstream */
};

static inline const struct sidetrack_relay_options *
establish_options(const struct establish *establish)
{
	return &establish->generation->options;
}

static inline struct upstream_set *establish_upstreams(const struct establish *establish)
{
	return &establish->generation->upstreams;
}

static inline enum family establish_family(const struct establish *establish)
{
	return endpoint_family(&establish->destination);
}

void establish_init(struct establish *establish, struct thread_context *thread);
void establish_release(struct establish *establish, struct thread_context *thread);

const struct upstream *establish_upstream(const struct establish *establish);
uint32_t establish_slot(const struct establish *establish);
struct sidetrack_relay_upstream_counters *
establish_counters(const struct establish *establish, const struct thread_context *thread);
bool establish_has_asked(const struct establish *establish);
bool establish_may_go_on(const struct establish *establish, enum outcome outcome,
			 enum fault fault);

bool establish_choose(struct establish *establish, struct thread_context *thread);
void establish_leave(struct establish *establish, struct thread_context *thread);
enum outcome establish_dial(struct establish *establish, struct thread_context *thread,
			    struct leg *leg);
int establish_error(const struct leg *leg, uint32_t events);
bool establish_next_address(struct establish *establish, struct thread_context *thread,
			    bool is_at_fault);
void establish_judge_address(const struct establish *establish, struct thread_context *thread,
			     bool reached);
void establish_close(struct thread_context *thread, struct leg *leg);

#endif /* SIDETRACK_ESTABLISH_H */
