// SPDX-License-Identifier: MIT
#include "base/trace.h"

#ifdef SIDETRACK_TRACE

#include <stdio.h>
#include <unistd.h>

#include "abi.h"

#define LINE 160

__attribute__((weak)) void trace_write(const char *line, int length)
{
	if (write(STDERR_FILENO, line, (size_t)length) < 0)
		return;		/* a closed standard error is no reason to stop */
}

/* One write() for each line: threads do not wait for each other, and lines stay whole. */
void trace_flow(uint64_t id, uint32_t thread, const char *from, const char *to, uint32_t outcome)
{
	char line[LINE];
	int length = snprintf(line, sizeof(line), "flow %llu thread %u: %s -> %s%s%s%s\n",
			      (unsigned long long)id, thread, from, to,
			      outcome == OUTCOME_OPEN ? "" : " (",
			      outcome == OUTCOME_OPEN ? "" : outcome_label(outcome),
			      outcome == OUTCOME_OPEN ? "" : ")");

	trace_write(line, length);
}

#endif /* SIDETRACK_TRACE */
