// SPDX-License-Identifier: MIT
#include "upstreams/fault.h"

#include "connection/connection.h"
#include "upstreams/generation.h"

/* The upstream has been asked, and may be waiting for the destination. */
static bool has_asked(const struct connection *connection)
{
	return connection->state == HANDSHAKING && connection->has_handshake &&
	       handshake_asked(&connection->handshake);
}

/* A probe's destination is known to be good, so nearly everything is the upstream's fault. */
static enum fault probe_fault(enum outcome outcome)
{
	switch (outcome) {
	case OUTCOME_NO_PORTS:
	case OUTCOME_NO_DESCRIPTORS:
	case OUTCOME_NO_MEMORY:
	case OUTCOME_LOOP:
		return FAULT_NONE;
	default:
		return FAULT_CERTAIN;
	}
}

/* Return: what @outcome says of the upstream that is being tried */
enum fault fault_of(const struct connection *connection, enum outcome outcome)
{
	const struct upstream_set *upstreams = &connection->generation->upstreams;

	if (connection->probe)
		return probe_fault(outcome);
	if (upstreams->entry[connection->upstream].upstream.kind == UPSTREAM_DIRECT)
		return FAULT_NONE;
	switch (outcome) {
	case OUTCOME_UPSTREAM_AUTH:
	case OUTCOME_REFUSED:
	case OUTCOME_UNREACHABLE:
	case OUTCOME_CONNECT_TIMEOUT:
	case OUTCOME_CONNECT_OTHER:
		return FAULT_CERTAIN;
	case OUTCOME_CONNECT_RESET:
	case OUTCOME_UPSTREAM_PROTOCOL:
	case OUTCOME_HANDSHAKE_TIMEOUT:
		return has_asked(connection) ? FAULT_DOUBTFUL : FAULT_CERTAIN;
	default:
		return FAULT_NONE;
	}
}

/* Return: true if the upstream is well, but has a rule against such a connection */
bool fault_is_forbidden(const struct connection *connection, enum outcome outcome)
{
	return outcome == OUTCOME_UPSTREAM_REFUSED && connection->handshake.forbidden;
}

/* Return: true if the next upstream, or address, may be tried and may do better */
bool fault_another_may_help(const struct connection *connection, enum outcome outcome,
			    enum fault fault)
{
	if (outcome == OUTCOME_HANDSHAKE_TIMEOUT && has_asked(connection))
		return false;
	if (connection->early && outcome != OUTCOME_UPSTREAM_AUTH)
		return false;
	return fault != FAULT_NONE || outcome == OUTCOME_NO_PORTS ||
	       fault_is_forbidden(connection, outcome);
}
