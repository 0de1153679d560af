/* SPDX-License-Identifier: MIT */
/*
 * The flow trace: one line for each change of a connection's state.
 *
 *	flow 4711 thread 1: connecting -> relaying
 *	flow 4711 thread 1: relaying -> closed (finished)
 *
 * Compiled in where SIDETRACK_TRACE is defined, as it is for the engine tests, which
 * show the trace of a test that fails, and by `make -C proxy/engine DEBUG=1`, whose
 * library writes it to standard error.  Elsewhere it leaves no code.
 */
#ifndef SIDETRACK_TRACE_H
#define SIDETRACK_TRACE_H

#include <stdint.h>

#include "base/label.h"

#ifdef SIDETRACK_TRACE
#define TRACE_FLOW(id, thread, from, to, outcome)						\
	trace_flow(id, thread, state_label(from), state_label(to), outcome)
#else
#define TRACE_FLOW(id, thread, from, to, outcome) ((void)0)
#endif

void trace_flow(uint64_t id, uint32_t thread, const char *from, const char *to,
		uint32_t outcome);

/* Where lines go.  A program that links the engine may define it otherwise. */
void trace_write(const char *line, int length);

#endif /* SIDETRACK_TRACE_H */
