/* SPDX-License-Identifier: MIT */
/*
 * The way out: a non-blocking connect() to where the client wanted to go, or to
 * the proxy that is to go there for us.
 *
 * With TCP Fast Open the first words for a proxy may leave in the SYN.  It is
 * done by sendto(MSG_FASTOPEN), not by TCP_FASTOPEN_CONNECT: connect() would then
 * succeed before anything was sent, and a proxy that is dead would look like one
 * that hung up.  This way the socket becomes writable when the proxy has
 * answered, and errors are those of connect().  To a destination itself there is
 * nothing to say: its client has not been read yet, and may be waiting for the
 * destination to speak first.
 *
 * Each failure has an outcome of its own, because "it does not work" is
 * all that the client can see: we reset it, and the counters say why.
 */
#ifndef SIDETRACK_DIAL_H
#define SIDETRACK_DIAL_H

#include <stdbool.h>
#include <stddef.h>

#include "abi.h"
#include "base/endpoint.h"

/* What may leave in the SYN. */
struct greeting {
	const unsigned char *bytes;
	size_t length;		/* 0: nothing */
	size_t sent;		/* of them, by dial() */
};

void dial_reset_on_close(int fd, bool reset);
void dial_set_no_delay(int fd);
void dial_set_options(int fd, const struct sidetrack_relay_options *options);
void dial_set_keepalive(int fd, uint32_t idle_s, uint32_t interval_s);
enum outcome dial(const struct sidetrack_relay_options *options, const struct endpoint *address,
		  const struct endpoint *destination, struct greeting *greeting, int *fd);
enum outcome dial_outcome(int error);

#endif /* SIDETRACK_DIAL_H */
