/* SPDX-License-Identifier: MIT */
/* What the engine traces of its connections, kept to be shown when a test fails. */
#ifndef FLOW_TRACE_H
#define FLOW_TRACE_H

#include <stdbool.h>

void flow_trace_open(void);
void flow_trace_begin(void);
void flow_trace_show(void);
bool flow_trace_has(const char *text);

#endif /* FLOW_TRACE_H */
