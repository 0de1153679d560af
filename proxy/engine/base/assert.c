// SPDX-License-Identifier: MIT
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

/* abort() leaves a core with everybody's stack; the sanitizers print ours. */
_Noreturn void assertion_failed(const char *file, int line, const char *condition)
{
	fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
	abort();
}
