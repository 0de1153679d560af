// SPDX-License-Identifier: MIT
#include "connection/express.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/client-table.h"
#include "base/clock.h"
#include "base/counters.h"
#include "bytes/coalesce.h"
#include "connection/count-bytes.h"
#include "connection/express-flow.h"
#include "connection/read-ahead.h"
#include "sockets/conntrack.h"
#include "sockets/freeze.h"

#define TRIES 3
#define TRY_LATER 2		/* shift: each try needs four times as many bytes */
#define HOLD_LEAST_US 500	/* chosen: what passed before the hold has long arrived */
#define HOLD_MOST_US 200000	/* a sender's first time-out is not shorter */
#define HOLD_US 30000		/* beside two round trips to each end */
#define FREQUENT_REVIEWS 16	/* afterwards each 16th asks the sockets, too */
#define NUDGE_US 300		/* beside a round trip */
#define FIRST_WINDOW (4U << 20)	/* until a side has said it */

static const struct stage express_stage;

/* --- may it? ----------------------------------------------------------------------- */

/**
 * express_wanted() - Should the connection change to the mode now?
 * @thread:	Its thread
 * @connection:	Connection that relays
 */
bool express_wanted(const struct thread_context *thread, const struct connection *connection)
{
	const struct direction *direction = connection->direction;
	uint64_t bytes = direction[CLIENT].bytes + direction[UPSTREAM].bytes;
	const struct sidetrack_relay_options *options = connection_options(connection);
	uint64_t enough = (uint64_t)options->express_after
			  << (TRY_LATER * connection->express_tries);

	return thread->express && options->express && bytes >= enough && !connection_flow(connection) &&
	       connection->express_tries < TRIES && !thread->holding &&
	       connection->broken == OUTCOME_OPEN && !direction[CLIENT].hangup &&
	       !direction[UPSTREAM].hangup && !direction[CLIENT].urgent &&
	       !direction[UPSTREAM].urgent;
}

/* Would each end understand all that the other says? */
static bool suit(const struct tcp_facts *one, const struct tcp_facts *other)
{
	return one->established && other->established && one->options == other->options &&
	       one->receive_most <= other->send_most && other->receive_most <= one->send_most;
}

static void put_endpoint(const struct endpoint *endpoint, uint32_t address[4], uint16_t *port)
{
	memset(address, 0, 16);
	if (endpoint_is_ipv4(endpoint))
		memcpy(address, endpoint->address.s6_addr + 12, 4);
	else
		memcpy(address, &endpoint->address, 16);
	*port = htons(endpoint->port);
}

static void fill_key(struct express_key *key, const struct endpoint *source,
		     const struct endpoint *destination)
{
	memset(key, 0, sizeof(*key));
	put_endpoint(source, key->source, &key->source_port);
	put_endpoint(destination, key->destination, &key->destination_port);
	key->family = endpoint_is_ipv4(source) ? 4 : 6;
}

/* How this side's packets leave: as the other's come, turned round. */
static void fill_way(struct express_side *side, const struct express_side *other)
{
	memcpy(side->source, other->key.destination, sizeof(side->source));
	memcpy(side->destination, other->key.source, sizeof(side->destination));
	side->source_port = other->key.destination_port;
	side->destination_port = other->key.source_port;
}

static bool read_name(int fd, bool peer, struct endpoint *endpoint)
{
	union socket_address address;
	socklen_t length = sizeof(address);
	int error = peer ? getpeername(fd, &address.any, &length)
			 : getsockname(fd, &address.any, &length);

	if (error < 0)
		return false;
	endpoint_from_socket_address(endpoint, &address);
	return true;
}

/* The client as its packets name it. */
static void true_client(const struct connection *connection, const struct endpoint *local,
			struct endpoint *client)
{
	struct sidetrack_relay_entry entry;

	memset(&entry, 0, sizeof(entry));
	memcpy(entry.client, &connection->client.address, sizeof(entry.client));
	memcpy(entry.local, &local->address, sizeof(entry.local));
	entry.client_port = connection->client.port;
	entry.local_port = local->port;
	conntrack_translate(&entry, 1);
	memcpy(&client->address, entry.client, sizeof(entry.client));
	client->port = entry.client_port;
}

/* Return: false if the two legs are of different families, or cannot be asked */
static bool fill_keys(const struct connection *connection, struct express_slot *slot)
{
	struct endpoint client, local, upstream, own;
	int side;

	if (!read_name(connection->leg[CLIENT].fd, false, &local) ||
	    !read_name(connection->leg[UPSTREAM].fd, true, &upstream) ||
	    !read_name(connection->leg[UPSTREAM].fd, false, &own))
		return false;
	true_client(connection, &local, &client);
	fill_key(&slot->side[CLIENT].key, &client, &connection->establish.destination);
	fill_key(&slot->side[UPSTREAM].key, &upstream, &own);
	for (side = 0; side < SIDES; side++)
		fill_way(&slot->side[side], &slot->side[!side]);
	return slot->side[CLIENT].key.family == slot->side[UPSTREAM].key.family;
}

static bool read_facts(const struct connection *connection, struct tcp_facts facts[SIDES])
{
	return tcp_facts_read(connection->leg[CLIENT].fd, &facts[CLIENT]) &&
	       tcp_facts_read(connection->leg[UPSTREAM].fd, &facts[UPSTREAM]) &&
	       suit(&facts[CLIENT], &facts[UPSTREAM]);
}

/* --- hold -------------------------------------------------------------------------- */

static void fill_scales(struct express_slot *slot, const struct tcp_facts facts[SIDES])
{
	int side;

	for (side = 0; side < SIDES; side++) {
		slot->side[side].window_left = facts[side].peer_scale;
		slot->side[side].window_right = facts[!side].own_scale;
		slot->side[side].has_timestamps = (facts[side].options & 1) != 0;
	}
}

static struct express *create(struct thread_context *thread, struct connection *connection,
			      const struct tcp_facts facts[SIDES])
{
	struct express *flow = calloc(1, sizeof(*flow));
	uint64_t most = HOLD_US + 2ULL * facts[CLIENT].rtt_us + 2ULL * facts[UPSTREAM].rtt_us;

	if (!flow)
		return NULL;
	flow->slot = express_map_take(thread->express);
	if (!flow->slot) {
		free(flow);
		return NULL;
	}
	list_add(&thread->express_flows, &flow->node);
	flow->connection = connection;
	flow->since_us = clock_us();
	flow->until_us = flow->since_us + (most < HOLD_MOST_US ? most : HOLD_MOST_US);
	flow->patience_us[CLIENT] = NUDGE_US + facts[CLIENT].rtt_us;
	flow->patience_us[UPSTREAM] = NUDGE_US + facts[UPSTREAM].rtt_us;
	fill_scales(flow->slot, facts);
	return flow;
}

/* It will not suit later, either. */
static void refuse(struct thread_context *thread, struct connection *connection)
{
	connection->express_tries = TRIES;
	counter_add(&thread->counters->express_refused, 1);
}

/* It goes on as before. */
void express_abandon(struct thread_context *thread, struct connection *connection)
{
	connection->express_tries++;
	counter_add(&thread->counters->express_abandoned, 1);
	express_flow_leave(thread, connection);
}

/**
 * express_hold() - Begin to change to the mode
 * @thread:	Its thread
 * @connection:	Connection that wants it
 *
 * It is put into the queue of turns, and express_proceed() has to be called in each.
 */
void express_hold(struct thread_context *thread, struct connection *connection)
{
	struct tcp_facts facts[SIDES];
	struct express *flow;

	if (!read_facts(connection, facts)) {
		refuse(thread, connection);
		return;
	}
	flow = create(thread, connection, facts);
	connection->flow = flow;
	if (!flow) {
		connection->express_tries++;
		counter_add(&thread->counters->express_abandoned, 1);
		return;
	}
	thread->holding = flow;
	if (!fill_keys(connection, flow->slot)) {
		express_flow_leave(thread, connection);
		refuse(thread, connection);
		return;
	}
	express_write(&flow->slot->state, EXPRESS_HOLD);
	if (express_map_enter(thread->express, flow->slot) < 0) {
		express_abandon(thread, connection);
		return;
	}
	context_queue(thread, &connection->turn);
}

/* --- drain, freeze, pass ------------------------------------------------------------ */

static bool is_empty(const struct connection *connection)
{
	return !connection->direction[CLIENT].pending && !connection->direction[UPSTREAM].pending &&
	       !socket_has_bytes(connection->leg[CLIENT].fd) &&
	       !socket_has_bytes(connection->leg[UPSTREAM].fd);
}

/* Return: true once the peer was seen, and has acknowledged everything; else it is asked to */
static bool has_settled(const struct connection *connection, int side, uint64_t now_us)
{
	struct express *flow = connection_flow(connection);
	int fd = connection->leg[side].fd;

	if (express_read(&flow->slot->side[side].seen) && !socket_is_unacknowledged(fd))
		return true;
	if (now_us < flow->nudged_us[side] + flow->patience_us[side])
		return false;
	flow->nudged_us[side] = now_us;
	nudge(fd);
	return false;
}

static bool is_drained(const struct connection *connection, uint64_t now_us)
{
	bool client, upstream;

	if (!is_empty(connection))
		return false;
	client = has_settled(connection, CLIENT, now_us);
	upstream = has_settled(connection, UPSTREAM, now_us);
	return client && upstream && is_empty(connection) &&
	       now_us >= connection_flow(connection)->since_us + HOLD_LEAST_US;
}

static bool is_undisturbed(const struct connection *connection)
{
	const struct direction *direction = connection->direction;

	return connection->broken == OUTCOME_OPEN && !direction[CLIENT].hangup &&
	       !direction[UPSTREAM].hangup && !direction[CLIENT].urgent &&
	       !direction[UPSTREAM].urgent;
}

static void begin_passing(struct express *flow, const struct frozen frozen[SIDES])
{
	struct express_slot *slot = flow->slot;
	int side;

	for (side = 0; side < SIDES; side++) {
		struct express_side *from = &slot->side[side];

		from->sequence_delta = frozen[!side].sent - frozen[side].received;
		from->acknowledge_delta = frozen[!side].received - frozen[side].sent;
		from->timestamp_base = frozen[!side].timestamp;
		from->end = frozen[side].received;
		from->acknowledged = frozen[!side].received;
		from->window = FIRST_WINDOW;
		flow->counted[side] = frozen[side].received;
	}
	slot->begun_ns = clock_us() * 1000;
	slot->last_ns = slot->begun_ns;
	express_write(&slot->state, EXPRESS_PASSING);
	flow->passing = true;
}

static int freeze_both(const struct connection *connection, struct frozen frozen[SIDES])
{
	int error = freeze(connection->leg[CLIENT].fd, &frozen[CLIENT]);

	if (error)
		return error;
	error = freeze(connection->leg[UPSTREAM].fd, &frozen[UPSTREAM]);
	if (error)
		thaw(connection->leg[CLIENT].fd);
	return error;
}

static void enter(struct thread_context *thread, struct connection *connection)
{
	int side;

	thread->holding = NULL;
	counter_add(&thread->counters->express_active, 1);
	counter_add(&thread->counters->express_hold_us, clock_us() - connection_flow(connection)->since_us);
	for (side = 0; side < SIDES; side++) {
		direction_release(&connection->direction[side], &thread->io);
		connection->direction[side].mode = MODE_EXPRESS;
		connection->direction[side].turn_over = false;
		counter_add(&thread->counters->mode_changes[MODE_EXPRESS], 1);
		coalesce_forget(thread, &connection->leg[side]);
		leg_unwatch(thread->epoll, &connection->leg[side]);
	}
	read_ahead_forget(thread, connection);
	connection_enter(thread, connection, &express_stage);
	if (list_empty(&thread->express_timer.node))
		timer_set(&thread->timers, &thread->express_timer,
			  thread->io.now_ms + EXPRESS_REVIEW_MS);
}

/**
 * express_proceed() - Go on with the change to the mode
 * @thread:	Its thread
 * @connection:	Connection that is held
 *
 * Return: true if its directions are to run, and this is to be called again
 */
bool express_proceed(struct thread_context *thread, struct connection *connection)
{
	struct express *flow = connection_flow(connection);
	struct frozen frozen[SIDES];
	uint64_t now_us = clock_us();

	if (!is_undisturbed(connection) || now_us > flow->until_us) {
		express_abandon(thread, connection);
		return false;
	}
	if (!is_drained(connection, now_us))
		return true;
	if (freeze_both(connection, frozen) < 0) {
		express_abandon(thread, connection);
		return false;
	}
	begin_passing(flow, frozen);
	enter(thread, connection);
	return false;
}

/* --- afterwards -------------------------------------------------------------------- */

static void ignore(struct thread_context *thread, struct event_source *source, uint32_t events)
{
	(void)thread;
	(void)source;
	(void)events;
}

static uint32_t express_timeout(const struct connection *connection)
{
	const struct sidetrack_relay_options *options = connection_options(connection);
	const struct direction *direction = connection->direction;

	return direction[CLIENT].finished || direction[UPSTREAM].finished
		       ? options->half_close_timeout_ms
		       : options->idle_timeout_ms;
}

static void express_timer(struct thread_context *thread, struct connection *connection)
{
	const struct direction *direction = connection->direction;

	if (!connection_expired(thread, connection))
		connection_update_timer(thread, connection);
	else if (direction[CLIENT].finished || direction[UPSTREAM].finished)
		connection_close(thread, connection, OUTCOME_HALF_CLOSE_TIMEOUT);
	else
		connection_close(thread, connection, OUTCOME_IDLE_TIMEOUT);
}

static const struct stage express_stage = {
	.state = RELAYING,
	.on_event = ignore,
	.on_timer = express_timer,
	.timeout = express_timeout,
};

static void count(struct thread_context *thread, struct connection *connection)
{
	uint64_t moved[SIDES];
	int side;

	if (!express_flow_count(thread, connection, moved))
		return;
	for (side = 0; side < SIDES; side++)
		count_bytes(thread, connection, side, moved[side]);
	connection->active_ms = thread->io.now_ms;
}

/* Of a packet that was late, or that the program leaves to the stack. */
static bool has_strayed(const struct connection *connection)
{
	struct express *flow = connection_flow(connection);

	flow->reviews++;
	if (flow->reviews > FREQUENT_REVIEWS && flow->reviews % FREQUENT_REVIEWS)
		return false;
	return socket_has_bytes(connection->leg[CLIENT].fd) ||
	       socket_has_bytes(connection->leg[UPSTREAM].fd);
}

static void review_one(struct thread_context *thread, struct connection *connection)
{
	struct express_slot *slot = connection_flow(connection)->slot;
	uint32_t reset;

	count(thread, connection);
	if (has_strayed(connection)) {
		counter_add(&thread->counters->express_late, 1);
		connection_close(thread, connection, OUTCOME_UPSTREAM_RESET);
		return;
	}
	if (express_read(&slot->state) != EXPRESS_ENDED)
		return;
	reset = express_read(&slot->reset);
	count(thread, connection);
	connection_close(thread, connection,
			 reset ? outcome_of_reset((int)reset - 1) : OUTCOME_FINISHED);
}

static void review(struct timer *timer, void *context)
{
	struct thread_context *thread = context;
	struct list *node = thread->express_flows.next;

	while (node != &thread->express_flows) {
		struct express *flow = container_of(node, struct express, node);

		node = node->next;
		if (!flow->connection)
			express_flow_linger(thread, flow);
		else if (flow->passing)
			review_one(thread, flow->connection);
	}
	if (!list_empty(&thread->express_flows))
		timer_set(&thread->timers, timer, thread->io.now_ms + EXPRESS_REVIEW_MS);
}

void express_init(struct thread_context *thread)
{
	list_init(&thread->express_flows);
	timer_init(&thread->express_timer, review);
}
