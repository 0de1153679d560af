/* SPDX-License-Identifier: MIT */
/* What is in force, and what was counted: the JSON of bpf/report.ts. */
#ifndef SIDETRACK_LOADER_SHOW_H
#define SIDETRACK_LOADER_SHOW_H

#include <stdbool.h>
#include <stdio.h>

#include "fault.h"

int show(const char *directory, const char *program, bool is_brief, FILE *out, struct fault *fault);
int stats(const char *directory, FILE *out, struct fault *fault);

#endif /* SIDETRACK_LOADER_SHOW_H */
