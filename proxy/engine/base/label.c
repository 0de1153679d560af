// SPDX-License-Identifier: MIT
#include "base/label.h"

#include "abi.h"

#define X(name, label, help) label,

const char *outcome_label(uint32_t outcome)
{
	static const char *const label[] = { SIDETRACK_RELAY_OUTCOMES(X) };

	return outcome < sizeof(label) / sizeof(label[0]) ? label[outcome] : "unknown";
}

/* What comes behind the last state is closed: such a connection is not listed any more. */
const char *state_label(uint32_t state)
{
	static const char *const label[] = { SIDETRACK_RELAY_STATES(X) };

	return state < sizeof(label) / sizeof(label[0]) ? label[state] : "closed";
}

#undef X
