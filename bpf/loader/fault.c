// SPDX-License-Identifier: MIT
#include "fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/**
 * fault_set() - Say what went wrong
 * @fault:	Where; what is there already is overwritten
 * @error:	-errno, to be passed on
 * @code:	A word for programs
 * @source:	Who must act: user, host or kernel
 * @hint:	What to type next
 * @format:	The message, as of printf()
 *
 * Return: @error
 */
int fault_set(struct fault *fault, int error, const char *code, const char *source,
	      const char *hint, const char *format, ...)
{
	va_list arguments;

	fault->code = code;
	fault->source = source;
	fault->hint = hint;
	va_start(arguments, format);
	(void)vsnprintf(fault->message, sizeof(fault->message), format, arguments);
	va_end(arguments);
	return error;
}

/**
 * fault_call() - The same for a call of the kernel that should not fail
 * @fault:	Where; what stands there already says more, and stays
 * @error:	-errno
 * @what:	What was called
 *
 * Return: @error
 */
int fault_call(struct fault *fault, int error, const char *what)
{
	if (fault->code)
		return error;
	if (error == -EPERM || error == -EACCES)
		return fault_set(fault, error, "not-permitted", "host",
				 "run it as root; or " FAULT_NFTABLES,
				 "loading eBPF programs is not permitted here");
	if (error == -ENOMEM)
		return fault_set(fault, error, "no-memory", "host",
				 "make the flow table smaller, or " FAULT_NFTABLES,
				 "the kernel has no memory for the classifier and its tables");
	if (error == -ENOSYS)
		return fault_set(fault, error, "no-bpf", "kernel",
				 "take a kernel with CONFIG_BPF_SYSCALL, or " FAULT_NFTABLES,
				 "this kernel has no eBPF: there is no bpf(2)");
	return fault_set(fault, error, "classifier-failed", "host",
			 "see what stands there now: sidetrack status", "%s: %s", what,
			 strerror(-error));
}
