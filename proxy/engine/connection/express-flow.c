// SPDX-License-Identifier: MIT
#include "connection/express-flow.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/counters.h"
#include "connection/connection.h"
#include "sockets/conntrack.h"
#include "sockets/raw-reset.h"

#define LINGER_MS 60000		/* as TIME_WAIT */
#define RESETS 3
#define RESET_AGAIN_US 50000

/* Return: true if any byte or FIN has been acknowledged since the last time */
bool express_flow_count(struct thread_context *thread, struct connection *connection,
			uint64_t moved[SIDES])
{
	struct express *flow = connection_flow(connection);
	bool any = false;
	int side;

	for (side = 0; side < SIDES; side++) {
		const struct express_side *source = &flow->slot->side[side];
		struct direction *direction = &connection->direction[side];
		uint32_t to = express_read(&flow->slot->side[!side].acknowledged);
		uint32_t bytes = to - flow->counted[side];
		bool ended = express_read(&source->has_fin) && to == express_read(&source->fin);

		moved[side] = 0;
		if ((int32_t)bytes <= 0)
			continue;
		any = true;
		flow->counted[side] = to;
		bytes -= ended && !direction->finished;
		direction->hangup |= ended;
		direction->finished |= ended;
		direction->bytes += bytes;
		counter_add(side == CLIENT ? &thread->counters->upload_bytes
					   : &thread->counters->download_bytes,
			    bytes);
		counter_add(&thread->counters->mode_bytes[MODE_EXPRESS], bytes);
		moved[side] = bytes;
	}
	return any;
}

/* With what each of them waits for, as far as it has said so. */
static void reset_both(struct express *flow)
{
	int side;

	flow->resets--;
	for (side = 0; side < SIDES; side++) {
		const struct express_side *peer = &flow->slot->side[side];

		raw_reset(&peer->key, express_read(&peer->acknowledged) - peer->acknowledge_delta);
	}
}

/**
 * express_flow_leave() - The connection ends, and its flow as it should
 * @thread:	Its thread
 * @connection:	Connection that has a flow; it has none afterwards
 *
 * One that the ends have not ended themselves is reset.
 */
void express_flow_leave(struct thread_context *thread, struct connection *connection)
{
	struct express *flow = connection_flow(connection);

	connection->flow = NULL;
	flow->connection = NULL;
	if (thread->holding == flow)
		thread->holding = NULL;
	if (!flow->passing) {
		express_flow_forget(thread, flow);
		return;
	}
	counter_subtract(&thread->counters->express_active, 1);
	/* it has seen no end, and would remember both for days */
	conntrack_forget(&flow->slot->side[CLIENT].key, false);
	conntrack_forget(&flow->slot->side[UPSTREAM].key, true);
	flow->linger_ms = thread->io.now_ms + LINGER_MS;
	if (express_read(&flow->slot->state) == EXPRESS_ENDED)
		return;
	express_write(&flow->slot->state, EXPRESS_KILLED);
	flow->resets = RESETS;
	reset_both(flow);
}

/* Its time after the end. */
void express_flow_linger(struct thread_context *thread, struct express *flow)
{
	ASSERT(!flow->connection);
	if (flow->linger_ms <= thread->io.now_ms)
		express_flow_forget(thread, flow);
	else if (flow->resets)
		reset_both(flow);
}

void express_flow_forget(struct thread_context *thread, struct express *flow)
{
	express_map_give(thread->express, flow->slot);
	list_remove(&flow->node);
	free(flow);
}

/* Return: true if there was one that may not know it yet */
static bool reset_again(struct thread_context *thread)
{
	struct list *node;
	bool any = false;

	for (node = thread->express_flows.next; node != &thread->express_flows; node = node->next) {
		struct express *flow = container_of(node, struct express, node);

		if (!flow->resets)
			continue;
		reset_both(flow);
		any = true;
	}
	return any;
}

/*
 * The thread ends, and its connections have.  An end that had bytes on their way to it takes no
 * notice of the first reset, but tells by its answer which one it would believe.
 */
void express_flows_release(struct thread_context *thread)
{
	int times;

	for (times = 1; times < RESETS && reset_again(thread); times++)
		usleep(RESET_AGAIN_US);
	while (!list_empty(&thread->express_flows))
		express_flow_forget(thread, container_of(thread->express_flows.next,
							 struct express, node));
}
