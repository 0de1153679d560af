// SPDX-License-Identifier: MIT
/*
 * A file in memory that the process of each test appends to.  A plain system call
 * writes it: ThreadSanitizer would take an intercepted one, or a lock, for an order
 * between threads, and overlook races.
 */
#include "flow-trace.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/trace.h"
#include "check.h"

#define LAST 4096	/* bytes shown */

static int trace_fd = -1;

void trace_write(const char *line, int length)
{
	if (syscall(SYS_write, trace_fd, line, (size_t)length) < 0)
		return;		/* a trace must not change what is traced */
}

void flow_trace_open(void)
{
	trace_fd = memfd_create("flow-trace", MFD_CLOEXEC);
	expect(trace_fd >= 0 && fcntl(trace_fd, F_SETFL, O_APPEND) == 0);
}

/* The next test's lines are the first. */
void flow_trace_begin(void)
{
	expect(ftruncate(trace_fd, 0) == 0);
}

/* Is the text among the last lines? */
bool flow_trace_has(const char *text)
{
	char last[LAST + 1];
	off_t end = lseek(trace_fd, 0, SEEK_END);
	ssize_t length = pread(trace_fd, last, LAST, end > LAST ? end - LAST : 0);

	last[length > 0 ? length : 0] = '\0';
	return strstr(last, text) != NULL;
}

/* The last lines, on standard error. */
void flow_trace_show(void)
{
	char text[LAST + 1];
	off_t end = lseek(trace_fd, 0, SEEK_END);
	off_t start = end > LAST ? end - LAST : 0;
	ssize_t length = pread(trace_fd, text, LAST, start);
	const char *first = text;

	if (length <= 0)
		return;
	text[length] = '\0';
	if (start > 0 && strchr(text, '\n'))
		first = strchr(text, '\n') + 1;
	fprintf(stderr, "  its flows, at the end:\n%s", first);
}
