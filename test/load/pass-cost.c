// SPDX-License-Identifier: MIT
/*
 * What one pass costs: the same bytes from socket to socket by recv() and send(), and by
 * splice() through a pipe.  This is where the thresholds of proxy/engine/bytes/mode.c
 * come from.
 *
 *   pass-cost [passes of each size, 2000]
 *
 * TCP over loopback, one thread, both ways in turns.  What is told is the thread's CPU time of
 * the pass alone, in medians: the sender before it and the receiver behind it are not counted,
 * but the kernel's own work for the packets is, since loopback does it within the call.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LARGEST (256 << 10)
#define PIPE_SIZE (1 << 20)
#define MOST_PASSES 100000

struct link {
	int sender, source;		/* one connection */
	int sink, receiver;		/* another one */
	int pipe[2];
	char *buffer;
};

static void check(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static void connect_pair(int end[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0), size = 4 << 20, one = 1;

	check(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) == 0, "SO_RCVBUF");
	check(bind(listener, (struct sockaddr *)&address, length) == 0, "bind");
	check(listen(listener, 1) == 0, "listen");
	check(getsockname(listener, (struct sockaddr *)&address, &length) == 0, "getsockname");
	end[0] = socket(AF_INET, SOCK_STREAM, 0);
	check(setsockopt(end[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) == 0, "SO_SNDBUF");
	check(connect(end[0], (struct sockaddr *)&address, length) == 0, "connect");
	end[1] = accept(listener, NULL, NULL);
	check(end[1] >= 0, "accept");
	check(setsockopt(end[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0, "TCP_NODELAY");
	close(listener);
}

static struct link link_open(void)
{
	int in[2], out[2];
	struct link link;

	connect_pair(in);
	connect_pair(out);
	link.sender = in[0];
	link.source = in[1];
	link.sink = out[0];
	link.receiver = out[1];
	check(pipe(link.pipe) == 0, "pipe");
	check(fcntl(link.pipe[1], F_SETPIPE_SZ, PIPE_SIZE) >= 0, "F_SETPIPE_SZ");
	link.buffer = malloc(LARGEST);
	check(link.buffer != NULL, "malloc");
	return link;
}

static int readable(int fd)
{
	int bytes = 0;

	check(ioctl(fd, FIONREAD, &bytes) == 0, "FIONREAD");
	return bytes;
}

static int64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void pass_by_copy(struct link *link, int bytes)
{
	ssize_t received = recv(link->source, link->buffer, LARGEST, 0);

	check(received == bytes, "recv");
	check(send(link->sink, link->buffer, (size_t)received, 0) == received, "send");
}

static void pass_by_splice(struct link *link, int bytes)
{
	unsigned int flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;
	ssize_t received = splice(link->source, NULL, link->pipe[1], NULL, PIPE_SIZE, flags);

	check(received == bytes, "splice in");
	while (received > 0) {
		ssize_t sent = splice(link->pipe[0], NULL, link->sink, NULL, (size_t)received, flags);

		check(sent > 0, "splice out");
		received -= sent;
	}
}

/* Return: nanoseconds of one pass of so many bytes, which were there before it */
static int64_t measure(struct link *link, int bytes, void (*pass)(struct link *, int))
{
	int64_t start, took;
	int left;

	check(send(link->sender, link->buffer, (size_t)bytes, 0) == bytes, "send before");
	while (readable(link->source) < bytes)
		usleep(10);
	start = cpu_ns();
	pass(link, bytes);
	took = cpu_ns() - start;
	for (left = bytes; left > 0;) {
		ssize_t received = recv(link->receiver, link->buffer, (size_t)left, 0);

		check(received > 0, "recv behind");
		left -= (int)received;
	}
	return took;
}

static int ascending(const void *a, const void *b)
{
	int64_t difference = *(const int64_t *)a - *(const int64_t *)b;

	return (difference > 0) - (difference < 0);
}

static double median_us(int64_t *took, int count)
{
	qsort(took, (size_t)count, sizeof(*took), ascending);
	return (double)took[count / 2] / 1000;
}

int main(int argc, char **argv)
{
	static int64_t copied[MOST_PASSES], spliced[MOST_PASSES];
	int count = argc > 1 ? atoi(argv[1]) : 2000;
	struct link link = link_open();
	int bytes, i;

	if (count < 1 || count > MOST_PASSES) {
		fprintf(stderr, "usage: pass-cost [passes of each size, at most %d]\n", MOST_PASSES);
		return 2;
	}
	printf("| bytes | copy, us | splice, us | copy / splice |\n|---|---|---|---|\n");
	for (bytes = 512; bytes <= LARGEST; bytes *= 2) {
		double copy_us, splice_us;

		for (i = 0; i < count; i++) {
			copied[i] = measure(&link, bytes, pass_by_copy);
			spliced[i] = measure(&link, bytes, pass_by_splice);
		}
		copy_us = median_us(copied, count);
		splice_us = median_us(spliced, count);
		printf("| %d | %.1f | %.1f | %.2f |\n", bytes, copy_us, splice_us, copy_us / splice_us);
	}
	return 0;
}
