/* SPDX-License-Identifier: MIT */
/*
 * One listening socket: our own, or one that somebody handed to us.
 *
 * SO_REUSEPORT alone would let a second relay of the same user share the port
 * unnoticed; therefore the first socket binds without it, which fails if anyone
 * else is there, and turns it on afterwards.
 *
 * One IPv6 socket takes IPv4 too (as ::ffff:a.b.c.d); where the kernel has no
 * IPv6 an IPv4 socket takes its place.
 *
 * With TPROXY the kernel hands over connections to any address and only to a
 * socket that is IP_TRANSPARENT, which needs CAP_NET_ADMIN or CAP_NET_RAW.
 */
#ifndef SIDETRACK_LISTEN_H
#define SIDETRACK_LISTEN_H

#include <stdint.h>

#include "abi.h"

int listen_open(const struct sidetrack_relay_options *options, uint16_t *port);
int listen_check(int fd, const struct sidetrack_relay_options *options, uint16_t *port);
int listen_adopt(int fd, const struct sidetrack_relay_options *options);

#endif /* SIDETRACK_LISTEN_H */
