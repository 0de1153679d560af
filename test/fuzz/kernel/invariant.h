/* SPDX-License-Identifier: MIT */
/* What must hold of the engine at every moment, and at the end. */
#ifndef INVARIANT_H
#define INVARIANT_H

#include "relay.h"
#include "upstream.h"

void invariant_begin(struct relay *relay, const struct upstream *upstreams, bool patient);
void invariant_step(void);
void invariant_settled(void);
void invariant_end(void);

#endif /* INVARIANT_H */
