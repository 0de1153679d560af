// SPDX-License-Identifier: MIT
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* nft 1.0.6 needs some seconds for a million elements. */
#define PATIENCE_MS 120000
/* A million flows take a quarter of it. */
#define OUTPUT_MAX (512u << 20)

enum { IN, OUT, ERR, PIPES };

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void become(char *const argv[], int pipes[PIPES][2])
{
	const int own[PIPES] = { pipes[IN][0], pipes[OUT][1], pipes[ERR][1] };
	int i;

	for (i = 0; i < PIPES; i++)
		if (dup2(own[i], i) < 0)
			_exit(126);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)setenv("LC_ALL", "C", 1);
	(void)execvp(argv[0], argv);
	_exit(errno == ENOENT ? 127 : 126);
}

/* Return: what read(2) said; 0 at the end */
static ssize_t take_output(int fd, struct child_result *result, size_t *room)
{
	ssize_t got;

	if (*room - result->length < 65536) {
		const size_t larger = *room ? 2 * *room : 131072;
		char *moved = larger > OUTPUT_MAX ? NULL : realloc(result->output, larger);

		if (!moved)
			return -ENOMEM;
		result->output = moved;
		*room = larger;
	}
	got = read(fd, result->output + result->length, *room - result->length - 1);
	if (got > 0)
		result->length += (size_t)got;
	result->output[result->length] = 0;
	return got < 0 ? -errno : got;
}

static ssize_t take_words(int fd, struct child_result *result, size_t *said)
{
	char words[1024];
	const ssize_t got = read(fd, words, sizeof(words));
	ssize_t i;

	for (i = 0; i < got && *said < CHILD_SAID - 1; i++)
		result->said[(*said)++] = words[i];
	return got < 0 ? -errno : got;
}

/* Both ways at once, so that neither side waits for the other. Return: 0 or -errno */
static int talk(int fds[PIPES], const char *input, size_t length, struct child_result *result)
{
	const int64_t deadline = now_ms() + PATIENCE_MS;
	size_t written = 0;
	size_t room = 0;
	size_t said = 0;

	while (fds[OUT] >= 0 || fds[ERR] >= 0) {
		struct pollfd polled[PIPES] = {
			{ fds[IN], POLLOUT, 0 }, { fds[OUT], POLLIN, 0 }, { fds[ERR], POLLIN, 0 },
		};
		const int64_t left = deadline - now_ms();
		ssize_t got = 0;

		if (written == length)
			close_fd(&fds[IN]);
		polled[IN].fd = fds[IN];
		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(polled, PIPES, (int)left) < 0 && errno != EINTR)
			return -errno;
		if (polled[IN].revents) {
			got = write(fds[IN], input + written, length - written);
			if (got > 0)
				written += (size_t)got;
			else if (errno == EPIPE)
				written = length;
		}
		if (polled[OUT].revents) {
			got = take_output(fds[OUT], result, &room);
			if (got == -ENOMEM)
				return -ENOMEM;
			if (got <= 0 && got != -EINTR)
				close_fd(&fds[OUT]);
		}
		if (polled[ERR].revents) {
			got = take_words(fds[ERR], result, &said);
			if (got <= 0 && got != -EINTR)
				close_fd(&fds[ERR]);
		}
	}
	return 0;
}

static void first_line(char *text)
{
	text[strcspn(text, "\n")] = 0;
}

/**
 * child_run() - Run a program
 * @argv:	The program and its arguments
 * @input:	What it reads
 * @length:	How much
 * @result:	How it ended, and what it said
 *
 * Return: 0 or -errno; -ETIMEDOUT after two minutes, when it was killed
 */
int child_run(char *const argv[], const char *input, size_t length, struct child_result *result)
{
	int pipes[PIPES][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
	int own[PIPES];
	int status = 0;
	int err = 0;
	pid_t pid;
	int i;

	*result = (struct child_result){ 0 };
	for (i = 0; !err && i < PIPES; i++)
		err = pipe2(pipes[i], O_CLOEXEC) ? -errno : 0;
	if (err)
		goto out;
	(void)signal(SIGPIPE, SIG_IGN);
	pid = fork();
	if (pid == 0)
		become(argv, pipes);
	if (pid < 0) {
		err = -errno;
		goto out;
	}
	close_fd(&pipes[IN][0]);
	close_fd(&pipes[OUT][1]);
	close_fd(&pipes[ERR][1]);
	own[IN] = pipes[IN][1];
	own[OUT] = pipes[OUT][0];
	own[ERR] = pipes[ERR][0];
	(void)fcntl(own[IN], F_SETFL, O_NONBLOCK);
	err = talk(own, input, length, result);
	pipes[IN][1] = own[IN];
	pipes[OUT][0] = own[OUT];
	pipes[ERR][0] = own[ERR];
	if (err)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	result->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	first_line(result->said);
out:
	for (i = 0; i < PIPES; i++) {
		close_fd(&pipes[i][0]);
		close_fd(&pipes[i][1]);
	}
	return err;
}
