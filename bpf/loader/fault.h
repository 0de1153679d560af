/* SPDX-License-Identifier: MIT */
/* What went wrong, for people and for programs. */
#ifndef SIDETRACK_LOADER_FAULT_H
#define SIDETRACK_LOADER_FAULT_H

struct fault {
	const char *code;	/* of control/error.ts and bpf/error.ts; NULL: nothing is wrong */
	const char *source;	/* who must act: user, host, kernel */
	const char *hint;	/* what to type next */
	char message[512];
};

int fault_set(struct fault *fault, int error, const char *code, const char *source,
	      const char *hint, const char *format, ...) __attribute__((format(printf, 6, 7)));
int fault_call(struct fault *fault, int error, const char *what);

#define FAULT_NFTABLES "write classifier: nftables"

#endif /* SIDETRACK_LOADER_FAULT_H */
