/* SPDX-License-Identifier: MIT */
/* Live flows between the two classifiers, by way of nft(8), so that a switch cuts none of them. */
#ifndef SIDETRACK_LOADER_NFT_H
#define SIDETRACK_LOADER_NFT_H

#include "fault.h"
#include "flows.h"
#include "pins.h"

int nft_take_over(struct flow_list *flows, struct fault *fault);
int nft_hand_over(const struct pins *pins, struct fault *fault);

#endif /* SIDETRACK_LOADER_NFT_H */
