/* SPDX-License-Identifier: MIT */
/*
 * The way out: a non-blocking connect() to where the client wanted to go.
 *
 * Whatever goes wrong has an outcome of its own, because "it does not work" is
 * all that the client can see: we reset it, and the counters say why.
 */
#ifndef SIDETRACK_UPSTREAM_H
#define SIDETRACK_UPSTREAM_H

#include "abi.h"
#include "endpoint.h"

void upstream_set_options(int fd, const struct sidetrack_relay_options *options);
enum outcome upstream_connect(const struct sidetrack_relay_options *options,
			      const struct endpoint *destination, int *fd);
enum outcome upstream_outcome(int error);

#endif /* SIDETRACK_UPSTREAM_H */
