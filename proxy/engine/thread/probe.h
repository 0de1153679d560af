/* SPDX-License-Identifier: MIT */
/*
 * A probe finds out whether an upstream works, without a client.
 *
 * It goes the way of a connection, by the same dialling and handshakes (establish.h,
 * exchange.h), to a destination that is known to be good, and is closed when bytes could
 * pass, or once it has been answered: some proxies say yes and then pass nothing.
 * After a failure the upstream backs off, a success ends that, so that clients need not
 * find out.  Probes are no connections of the relay's: they are in no limit, no list and
 * no counter but their own.  A shortage of our own proves nothing.
 */
#ifndef SIDETRACK_PROBE_H
#define SIDETRACK_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "base/list.h"
#include "base/timer.h"
#include "bytes/leg.h"
#include "connection/establish.h"
#include "thread/probe-answer.h"

enum probe_state {
	PROBE_CONNECTING,
	PROBE_HANDSHAKING,
	PROBE_ASKING,	/* bytes could pass, and it waits for an answer */
	PROBE_ENDED,
};

struct probe {
	struct list node;	/* the thread's, or those to free; comes first */
	struct leg leg;
	struct timer timer;
	struct establish establish;
	uint64_t begun_us;
	uint64_t deadline_ms;	/* for all of it; 0 is never */
	enum probe_state state;
	bool hangup;		/* the upstream has announced its end */
	uint8_t length;		/* of the answer, as far as it came with a proxy's reply */
	unsigned char answer[PROBE_ANSWER_MOST];
};

_Static_assert(offsetof(struct probe, node) == 0, "context_free_later() relies on it");

struct thread;

void probe_begin(struct thread *thread, const struct endpoint *destination, uint32_t upstream);
void probe_end_all(struct thread *thread);

#endif /* SIDETRACK_PROBE_H */
