// SPDX-License-Identifier: MIT
/* Stops one thread of another process, as a bug that never returns would: freeze TID; thaws at the end of its input. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	pid_t thread = argc > 1 ? atoi(argv[1]) : 0;

	if (ptrace(PTRACE_SEIZE, thread, NULL, NULL) < 0 ||
	    ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) < 0 ||
	    waitpid(thread, NULL, __WALL) != thread) {
		perror("freeze");
		return 1;
	}
	puts("frozen");
	fflush(stdout);
	while (read(0, &(char){ 0 }, 1) > 0)
		;
	return 0;	/* the kernel detaches */
}
