/* SPDX-License-Identifier: MIT */
/*
 * SOCKS5: RFC 1928, and RFC 1929 for user and password.
 *
 *	METHOD	05 n methods		05 method
 *	LOGIN	01 n user n password	01 status	only if it asks for that
 *	REQUEST	05 01 00 address port	05 reply 00 address port
 */
#ifndef SIDETRACK_SOCKS5_H
#define SIDETRACK_SOCKS5_H

#include "upstreams/protocol.h"

extern const struct protocol socks5_protocol;

#endif /* SIDETRACK_SOCKS5_H */
