/* SPDX-License-Identifier: MIT */
/*
 * Which families of addresses no upstream carries, as far as probes have told.
 *
 * To refuse a family begins only while another one is known to work: there is nowhere
 * to fall back to otherwise, and it may be the probe's destination that is at fault.
 * It ends when a probe of the family succeeds, or when it is not probed any more;
 * that less is known than before (a new upstream, a new relay with the sockets of
 * the old one) changes nothing.
 */
#ifndef SIDETRACK_FAMILIES_H
#define SIDETRACK_FAMILIES_H

#include <stdint.h>

#include "upstreams/upstream-set.h"

uint32_t families_to_refuse(const struct upstream_set *upstreams, uint32_t before);

#endif /* SIDETRACK_FAMILIES_H */
