/* SPDX-License-Identifier: MIT */
/*
 * One listening socket: our own, or one that was handed to us.
 *
 * SO_REUSEPORT alone would let a second relay of the same user share the port
 * unnoticed; therefore the first socket binds without it, which fails if anyone
 * else is there, and turns it on afterwards.  It never listens: it is there to
 * have the port in both families until the sockets that listen have it.
 *
 * Each family of addresses has sockets of its own, so that one of them can be
 * refused: connect() to AF_UNSPEC makes a listening socket stop, the kernel answers SYNs
 * with RST, and the port stays ours, until listen() is called again.
 *
 * With TPROXY the kernel hands over connections to any address and only to a
 * socket that is IP_TRANSPARENT, which needs CAP_NET_ADMIN or CAP_NET_RAW.
 */
#ifndef SIDETRACK_LISTEN_H
#define SIDETRACK_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"

uint32_t listen_wanted(const struct sidetrack_relay_options *options);
int listen_reserve(const struct sidetrack_relay_options *options, uint16_t *port);
int listen_open(const struct sidetrack_relay_options *options, uint16_t port, enum family family);
void listen_end(int fd);
int listen_begin(int fd, const struct sidetrack_relay_options *options);
bool listen_refuses(int fd);
uint32_t listen_families(int fd);
int listen_check(int fd, const struct sidetrack_relay_options *options, uint16_t *port);
int listen_adopt(int fd, const struct sidetrack_relay_options *options);

#endif /* SIDETRACK_LISTEN_H */
