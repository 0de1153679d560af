/* SPDX-License-Identifier: MIT */
/* Whose fault it is that no connection came about, and whether another upstream may do better. */
#ifndef SIDETRACK_FAULT_H
#define SIDETRACK_FAULT_H

#include <stdbool.h>

#include "abi.h"

struct connection;

enum fault {
	FAULT_NONE,		/* the upstream answered, whatever it said */
	FAULT_DOUBTFUL,
	FAULT_CERTAIN,
};

enum fault fault_of(const struct connection *connection, enum outcome outcome);
bool fault_is_forbidden(const struct connection *connection, enum outcome outcome);
bool fault_another_may_help(const struct connection *connection, enum outcome outcome,
			    enum fault fault);

#endif /* SIDETRACK_FAULT_H */
