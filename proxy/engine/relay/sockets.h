/* SPDX-License-Identifier: MIT */
/*
 * The relay's listening sockets: opened by itself or handed over, one of each family at
 * least for each thread.
 */
#ifndef SIDETRACK_SOCKETS_H
#define SIDETRACK_SOCKETS_H

#include "relay/relay.h"

int sockets_open(struct relay *relay);
void sockets_refresh(struct relay *relay, const struct sidetrack_relay_options *options);
uint32_t sockets_families(const struct relay *relay, uint32_t refused);
bool sockets_have_queued(const struct relay *relay);
void sockets_steer(struct relay *relay);

#endif /* SIDETRACK_SOCKETS_H */
