// SPDX-License-Identifier: MIT
/*
 * What may be said to whom before a connection stands.
 *
 * The replies are read again, byte by byte and by themselves: they tell which
 * message is due, and so which bytes the engine may send now.
 */
#include <string.h>

#include "invariant.h"
#include "settings.h"

struct exchange {
	struct handshake handshake;
	enum handshake_verdict verdict;
	unsigned char message[HANDSHAKE_MESSAGE_MOST];	/* the last one that was due */
	uint64_t before;	/* bytes of the messages before it */
	uint64_t asked;		/* and with it */
	uint64_t taken;		/* bytes of the replies */
};

static const struct upstream *upstream_of(const struct establish *establish)
{
	const struct settings *settings = settings_of(establish->generation);

	require(establish->upstream < settings->upstream_count);
	return &settings->upstream[establish->upstream];
}

static void say(struct exchange *exchange)
{
	size_t length = handshake_message(&exchange->handshake, exchange->message);

	handshake_sent(&exchange->handshake, length, length);
	exchange->before = exchange->asked;
	exchange->asked += length;
	exchange->verdict = HANDSHAKE_MORE;
}

/* Return: false if nothing has to be said to this upstream */
static bool replay(const struct file *file, const struct establish *establish, uint64_t until,
		   struct exchange *exchange)
{
	exchange->before = exchange->asked = exchange->taken = 0;
	if (!handshake_begin(&exchange->handshake, upstream_of(establish),
			     &establish->destination))
		return false;
	say(exchange);
	while (exchange->taken < until && exchange->verdict == HANDSHAKE_MORE) {
		unsigned char byte;
		size_t taken;

		tcp_copy(file, exchange->taken++, &byte, 1);
		exchange->verdict = handshake_take(&exchange->handshake, &byte, 1, &taken);
		if (exchange->verdict == HANDSHAKE_SEND)
			say(exchange);
	}
	return true;
}

/* Return: offset in the proxy's bytes of the first one for the client */
uint64_t asking_granted(struct file *file, const struct establish *establish)
{
	struct exchange exchange;

	if (file->granted != UINT64_MAX)
		return file->granted;
	file->granted = 0;
	if (!replay(file, establish, file->received, &exchange))
		return 0;
	require(exchange.verdict == HANDSHAKE_DONE);	/* nobody relays ungranted */
	require(file->asked == exchange.asked);
	file->granted = exchange.taken;
	return file->granted;
}

/* A probe that is connected says its sentence, once and from the beginning. */
void question_said(struct file *sink, const struct establish *establish,
		   const unsigned char *bytes, uint64_t length)
{
	const struct settings *settings = settings_of(establish->generation);
	const struct sidetrack_relay_probe *probe =
		&settings->options.probe[endpoint_family(&establish->destination)];

	require(settings->options.probe_answer && !sink->questioned);
	require(length <= probe->request_length && memcmp(bytes, probe->request, length) == 0);
	sink->questioned = true;
}

/* The next bytes of the message that is due, and none of another. */
void asking_said(struct file *sink, const struct establish *establish,
		 const unsigned char *bytes, uint64_t length)
{
	struct exchange exchange;
	uint64_t at;

	require(!sink->accepted && sink->written == 0);
	require(replay(sink, establish, sink->read, &exchange));
	require(exchange.verdict == HANDSHAKE_MORE && sink->asked >= exchange.before);
	at = sink->asked - exchange.before;
	require(sink->asked + length <= exchange.asked);
	require(memcmp(bytes, exchange.message + at, length) == 0);
	sink->asked += length;
}

/*
 * Behind the whole of the last message, to an optimistic upstream only: the
 * client's bytes from the first one on, which stay where they are.
 */
void invariant_early(struct file *sink, const unsigned char *bytes, uint64_t length)
{
	const struct connection *connection = connection_of(sink);
	struct exchange exchange;
	struct file *client;

	require(connection && connection_state(connection) == HANDSHAKING);
	client = leg_file(connection, CLIENT);
	require(upstream_of(&connection->establish)->optimistic && client && !client->given_away);
	require(replay(sink, &connection->establish, sink->read, &exchange));
	require(handshake_asked(&exchange.handshake) && sink->asked == exchange.asked);
	require(client->read == 0 && sink->written == 0 && length <= client->received);
	require(tcp_equal(client, 0, bytes, length));
	sink->written = length;
}

/*
 * An upstream has been given up.  Whoever had the client's first bytes may have handed them
 * on, unless it wanted other credentials: nobody else may get them.
 */
void asking_left(const struct file *file, const struct connection *connection)
{
	struct file *client = leg_file(connection, CLIENT);
	struct exchange exchange;

	if (file->accepted || connection_state(connection) != HANDSHAKING || !file->written || !client)
		return;
	require(replay(file, &connection->establish, file->read, &exchange));
	if (exchange.verdict != HANDSHAKE_FAILED ||
	    exchange.handshake.outcome != OUTCOME_UPSTREAM_AUTH)
		client->given_away = true;
}

/* --- dialling ----------------------------------------------------------------------------- */

static bool is_same(const struct endpoint *a, const struct endpoint *b)
{
	return IN6_ARE_ADDR_EQUAL(&a->address, &b->address) && a->port == b->port;
}

/* Return: which of the upstream's addresses it is */
static uint32_t number_of(const struct upstream *upstream, const struct endpoint *address)
{
	uint32_t i;

	for (i = 0; i < upstream->address_count; i++)
		if (is_same(&upstream->address[i], address))
			return i;
	require(!"an address of the upstream");
	return 0;
}

static void may_be_used(const struct connection *connection)
{
	const struct establish *establish = &connection->establish;
	const struct settings *settings = settings_of(establish->generation);
	const struct sidetrack_relay_route *route =
		settings_route(settings, &establish->destination);

	require(connection->route == (route ? route->slot : 0));
	require(!route || route->upstreams & 1U << establish->upstream);
}

/* Return: which address of its upstream is dialled, to get to where it is to go */
static uint32_t dialled(const struct establish *establish, const struct endpoint *to)
{
	const struct upstream *upstream = upstream_of(establish);

	require(upstream->kind != UPSTREAM_DIRECT || is_same(to, &establish->destination));
	return upstream->kind == UPSTREAM_DIRECT ? 0 : number_of(upstream, to);
}

/* Where the client wanted to go, by an upstream that is for it, and each address once. */
void invariant_dialled(const struct file *file, const struct endpoint *to)
{
	const struct connection *connection = connection_of(file);
	const struct probe *probe = probe_of(file);
	struct endpoint wanted;
	struct file *client;
	uint32_t number;

	require(!connection != !probe);
	if (probe) {
		require(probe->state == PROBE_CONNECTING);
		(void)dialled(&probe->establish, to);
		return;
	}
	require(connection_state(connection) == CONNECTING);
	client = leg_file(connection, CLIENT);
	wanted = tcp_destination(client);
	require(is_same(&connection->establish.destination, &wanted) && !client->given_away);
	may_be_used(connection);
	number = dialled(&connection->establish, to);
	require(!(client->dialled[connection->establish.upstream] & 1U << number));
	client->dialled[connection->establish.upstream] |= 1U << number;
}
