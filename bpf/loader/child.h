/* SPDX-License-Identifier: MIT */
/* A program that is run to its end: what goes in, what comes out. */
#ifndef SIDETRACK_LOADER_CHILD_H
#define SIDETRACK_LOADER_CHILD_H

#include <stddef.h>

#define CHILD_SAID 256

struct child_result {
	int status;			/* exit status; 128 + n after signal n */
	char *output;			/* ends with 0; to be freed in any case */
	size_t length;
	char said[CHILD_SAID];		/* the first line of its standard error */
};

int child_run(char *const argv[], const char *input, size_t length, struct child_result *result);

#endif /* SIDETRACK_LOADER_CHILD_H */
