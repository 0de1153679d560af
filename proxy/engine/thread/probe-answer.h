/* SPDX-License-Identifier: MIT */
/* Is what came back what a probe waits for?  Pure. */
#ifndef SIDETRACK_PROBE_ANSWER_H
#define SIDETRACK_PROBE_ANSWER_H

#include <stddef.h>

#include "abi.h"

#define PROBE_ANSWER_MOST (sizeof("HTTP/1.x 200") - 1)	/* bytes that tell */

enum outcome probe_answer_judge(enum probe_answer wanted, const unsigned char *bytes,
				size_t length);

#endif /* SIDETRACK_PROBE_ANSWER_H */
