/* SPDX-License-Identifier: MIT */
/*
 * The way out: a non-blocking connect() to where the client wanted to go, or to
 * the proxy that is to go there for us.
 *
 * Whatever goes wrong has an outcome of its own, because "it does not work" is
 * all that the client can see: we reset it, and the counters say why.
 */
#ifndef SIDETRACK_DIAL_H
#define SIDETRACK_DIAL_H

#include <stdbool.h>

#include "abi.h"
#include "endpoint.h"

void dial_reset_on_close(int fd, bool reset);
void dial_set_options(int fd, const struct sidetrack_relay_options *options);
void dial_set_keepalive(int fd, const struct sidetrack_relay_options *options);
enum outcome dial(const struct sidetrack_relay_options *options, const struct endpoint *address,
		  const struct endpoint *destination, int *fd);
enum outcome dial_outcome(int error);

#endif /* SIDETRACK_DIAL_H */
