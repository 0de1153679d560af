/* SPDX-License-Identifier: MIT */
/*
 * A connection's flow in the mode `express`: its slot, what has been counted of it, and its end.
 *
 * The flow outlives the connection by a minute.  What belongs to it may still come: the last
 * acknowledgement again, or, where it was ended by us, packets that show what to reset by.
 */
#ifndef SIDETRACK_EXPRESS_FLOW_OF_CONNECTION_H
#define SIDETRACK_EXPRESS_FLOW_OF_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "base/list.h"
#include "bytes/leg.h"
#include "bytes/thread-context.h"
#include "sockets/express-map.h"

#define EXPRESS_REVIEW_MS 100	/* chosen: counters move as often as that */

struct connection;

struct express {
	struct list node;		/* in the thread's list; comes first */
	struct connection *connection;	/* NULL: it has ended */
	struct express_slot *slot;
	uint64_t until_us;		/* while held: when it is given up */
	uint64_t since_us;		/* the hold began */
	uint64_t nudged_us[SIDES];	/* when its peer was last asked to acknowledge */
	uint32_t patience_us[SIDES];	/* how long its answer may take */
	uint64_t linger_ms;		/* when an ended one is forgotten */
	uint32_t counted[SIDES];	/* number up to which this side's bytes are counted */
	uint32_t resets;		/* still to be sent */
	uint32_t reviews;
	bool passing;
};

bool express_flow_count(struct thread_context *thread, struct connection *connection,
			uint64_t moved[SIDES]);
void express_flow_leave(struct thread_context *thread, struct connection *connection);
void express_flow_linger(struct thread_context *thread, struct express *flow);
void express_flow_forget(struct thread_context *thread, struct express *flow);
void express_flows_release(struct thread_context *thread);

#endif /* SIDETRACK_EXPRESS_FLOW_OF_CONNECTION_H */
