/* SPDX-License-Identifier: MIT */
/*
 * The generation that the control thread puts together (generation.h), until new
 * connections use it.
 */
#ifndef SIDETRACK_DRAFT_H
#define SIDETRACK_DRAFT_H

#include "relay/relay.h"

int draft_settle(struct relay *relay);
void draft_publish(struct relay *relay);
void draft_discard(struct relay *relay);

#endif /* SIDETRACK_DRAFT_H */
