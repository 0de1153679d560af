/* SPDX-License-Identifier: MIT */
/*
 * Where the client wanted to go, and whether that is us.
 *
 * netfilter's REDIRECT rewrote the destination of the first packet to our
 * listener and remembers the true one in this machine's conntrack table;
 * SO_ORIGINAL_DST asks for it.  IPv4 connections reach the dual-stack listener
 * as ::ffff:a.b.c.d and are asked for at SOL_IP all the same.
 *
 * netfilter's TPROXY rewrites nothing: the accepted socket itself has the
 * original destination for its own address, and getsockname() is the answer.
 * SO_ORIGINAL_DST must not be asked then, not even as a second opinion: where
 * conntrack first saw an answer it has a reversed entry and names the client.
 *
 * Connecting to an address of our own would lead back to the listener, for
 * ever.  bind() is the cheapest question about that: the kernel refuses any
 * address that is not local with EADDRNOTAVAIL, on the very socket that will
 * connect.  Only where it accepts (local, or net.ipv4.ip_nonlocal_bind=1) the
 * routing table is asked, which knows for certain.  A UDP connect() and
 * getsockname() would not do: for a secondary address the kernel answers with
 * the primary one.
 */
#ifndef SIDETRACK_DESTINATION_H
#define SIDETRACK_DESTINATION_H

#include <stdbool.h>

#include "abi.h"
#include "base/endpoint.h"

int destination_original(int fd, enum capture capture, const struct endpoint *client,
			 struct endpoint *original);
bool destination_may_be_local(int fd, const struct endpoint *destination);
bool destination_is_local(const struct endpoint *destination);

#endif /* SIDETRACK_DESTINATION_H */
