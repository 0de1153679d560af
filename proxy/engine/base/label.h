/* SPDX-License-Identifier: MIT */
/* The labels of abi.h's lists, for texts that people read. */
#ifndef SIDETRACK_LABEL_H
#define SIDETRACK_LABEL_H

#include <stdint.h>

const char *outcome_label(uint32_t outcome);
const char *state_label(uint32_t state);

#endif /* SIDETRACK_LABEL_H */
