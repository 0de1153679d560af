// SPDX-License-Identifier: MIT
#include "upstreams/fault.h"

#include "upstreams/handshake.h"

/**
 * fault_of() - What an outcome says of the upstream that is being tried
 * @kind:	The upstream's
 * @asked:	It has been asked, and may be waiting for the destination
 * @outcome:	Why no bytes may pass
 *
 * Return: whether it is the upstream's fault
 */
enum fault fault_of(enum upstream_kind kind, bool asked, enum outcome outcome)
{
	if (kind == UPSTREAM_DIRECT)
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
		return asked ? FAULT_DOUBTFUL : FAULT_CERTAIN;
	default:
		return FAULT_NONE;
	}
}

/* A probe's destination is known to be good, so nearly everything is the upstream's fault. */
enum fault fault_of_probe(enum outcome outcome)
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

/* Return: true if the upstream is well, but has a rule against such a connection */
bool fault_is_forbidden(const struct handshake *handshake, enum outcome outcome)
{
	return outcome == OUTCOME_UPSTREAM_REFUSED && handshake->forbidden;
}

/* Return: false if the upstream would say the same at another one of its addresses */
bool fault_is_of_address(enum outcome outcome)
{
	return outcome != OUTCOME_UPSTREAM_AUTH && outcome != OUTCOME_UPSTREAM_REFUSED;
}
