/* SPDX-License-Identifier: MIT */
/*
 * The generation that the control thread puts together (generation.h), until new
 * connections use it.
 */
#ifndef SIDETRACK_PENDING_H
#define SIDETRACK_PENDING_H

#include "relay/relay.h"

int pending_settle(struct relay *relay);
void pending_publish(struct relay *relay);
void pending_discard(struct relay *relay);

#endif /* SIDETRACK_PENDING_H */
