/* SPDX-License-Identifier: MIT */
/* Whose fault it is that no connection came about, and whether another upstream may do better. */
#ifndef SIDETRACK_FAULT_H
#define SIDETRACK_FAULT_H

#include <stdbool.h>

#include "abi.h"

struct handshake;

enum fault {
	FAULT_NONE,		/* the upstream answered, with yes or no */
	FAULT_DOUBTFUL,
	FAULT_CERTAIN,
};

enum fault fault_of(enum upstream_kind kind, bool asked, enum outcome outcome);
enum fault fault_of_probe(enum outcome outcome);
bool fault_is_forbidden(const struct handshake *handshake, enum outcome outcome);
bool fault_is_of_address(enum outcome outcome);

#endif /* SIDETRACK_FAULT_H */
