/* SPDX-License-Identifier: MIT */
/* Attach, try and detach, as bpf/classifier.ts does them. */
#ifndef SIDETRACK_LOADER_ATTACH_H
#define SIDETRACK_LOADER_ATTACH_H

#include "contents.h"
#include "pins.h"

struct attach_options {
	const char *directory;
	const char *digest;	/* NULL: none */
	bool takes_over;
};

int attach_try(struct contents *contents, const struct attach_options *options,
	       struct fault *fault);
int attach(struct contents *contents, const struct attach_options *options, struct fault *fault);
int detach(const char *directory, bool hands_over, bool *was_there, struct fault *fault);

#endif /* SIDETRACK_LOADER_ATTACH_H */
