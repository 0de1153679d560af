/* SPDX-License-Identifier: MIT */
/* Our filter at clsact ingress and our XDP program, as bpf/tc.ts and bpf/xdp.ts have them. */
#ifndef SIDETRACK_LOADER_HOOKS_H
#define SIDETRACK_LOADER_HOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "fault.h"

/* The programs' functions, which are also the names that the kernel shows. */
#define PROGRAM_TC "sidetrack_tc"
#define PROGRAM_HEAR "sidetrack_hear"
#define PROGRAM_XDP "sidetrack_xdp"

int program_id(int fd, uint32_t *id);

uint32_t tc_attached(uint32_t ifindex);
bool tc_is_ours(uint32_t ifindex);
int tc_require_free(const char *name, uint32_t ifindex, struct fault *fault);
int tc_require_qdisc(struct fault *fault);
int tc_ensure_qdisc(uint32_t ifindex, bool *was_made, struct fault *fault);
int tc_attach(const char *name, uint32_t ifindex, int program, struct fault *fault);
int tc_detach(uint32_t ifindex, struct fault *fault);
void tc_remove_unused_qdisc(uint32_t ifindex);

/* `native`: in the driver. `generic`: a step later, with any driver. */
enum xdp_mode {
	XDP_NONE,
	XDP_NATIVE,
	XDP_GENERIC,
};

enum xdp_mode xdp_attached(uint32_t ifindex, uint32_t *id);
int xdp_require_free(const char *name, uint32_t ifindex, struct fault *fault);
int xdp_attach(const char *name, uint32_t ifindex, int program, struct fault *fault);
int xdp_detach(uint32_t ifindex, struct fault *fault);

#endif /* SIDETRACK_LOADER_HOOKS_H */
