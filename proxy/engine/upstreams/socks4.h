/* SPDX-License-Identifier: MIT */
/*
 * SOCKS4 and its extension 4a, which carries a name where 4 has room for IPv4 only.
 *
 *	04 01 port address user 00 [name 00]	00 code (6 bytes without meaning)
 *
 * An IPv6 destination travels as a name, its text, which servers hand to their
 * resolver; that is as far as this protocol goes.
 */
#ifndef SIDETRACK_SOCKS4_H
#define SIDETRACK_SOCKS4_H

#include "upstreams/protocol.h"

extern const struct protocol socks4_protocol;

#endif /* SIDETRACK_SOCKS4_H */
