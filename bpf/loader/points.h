/* SPDX-License-Identifier: MIT */
/* Attaching one interface or device, with what the pins say of it. */
#ifndef SIDETRACK_LOADER_POINTS_H
#define SIDETRACK_LOADER_POINTS_H

#include "place.h"
#include "pins.h"
#include "program_set.h"

/* What was at the interfaces before. */
struct before {
	struct names interfaces;
	uint32_t *program;	/* id of each; 0: none */
	struct names devices;
};

int before_read(const struct pins *pins, struct before *before, struct fault *fault);
void before_free(struct before *before);

int points_replace_filters(const struct pins *pins, const struct place *place,
			   const struct program_set *set, const struct before *before,
			   struct fault *fault);
void points_revert_filters(const struct pins *pins, const struct place *place, uint32_t touched,
			   const struct before *before);
int points_replace_xdp(const struct pins *pins, const struct place *place, int program,
		       const struct before *before, struct fault *fault);
int points_detach_filter(const struct pins *pins, const char *name, struct fault *fault);
int points_detach_xdp(const struct pins *pins, const char *name, struct fault *fault);
int points_detach_pinned(const struct pins *pins, struct fault *fault);
int points_detach_unpinned(struct fault *fault);

#endif /* SIDETRACK_LOADER_POINTS_H */
