// SPDX-License-Identifier: MIT
/*
 * Both ends of the small-message measurements.
 *
 *   peer echo PORT COUNT
 *	echoes on COUNT ports from PORT on, until killed
 *   peer pour PORT [BUFFER]
 *	sends zeros to all who connect, as fast as they go, until killed; with so large a send buffer
 *   peer stall ADDRESS PORT CONNECTIONS BYTES [SOURCE CLIENTS [BUFFER]]
 *	opens them, from so many addresses in turn (SOURCE and those behind it; one without), with so
 *	large a receive buffer, reads so many bytes of each, says "ready", reads nothing more and
 *	keeps them until end of input
 *   peer take ADDRESS PORT SECONDS RATE [SOURCE]
 *	one download, of RATE bytes a second, 0: as fast as it comes
 *   peer keep PORT BYTES
 *	reads so many bytes of each connection and then nothing, until killed
 *   peer push ADDRESS PORT CONNECTIONS SECONDS [SOURCE CLIENTS]
 *	sends zeros on all of them, says "ready" once none has taken any for so long, and keeps them
 *	until end of input
 *   peer ping ADDRESS PORT SECONDS CONNECTIONS RATE
 *	64-byte round trips. RATE 0: each connection sends again as soon as it is answered.
 *	Otherwise RATE messages a second in all at even distances, and time counts from when a
 *	message was due, so that a stall is not hidden by the messages it held up.
 *   peer connect ADDRESS PORT COUNT SECONDS CONNECTIONS
 *	connects, has 64 bytes echoed, closes, and again; over COUNT ports in turn
 *   peer fresh ADDRESS PORT COUNT SECONDS RATE
 *	the same one at a time, RATE a second at even distances, and how long each takes from when
 *	it was due
 *   peer hold ADDRESS PORT CONNECTIONS
 *	opens them, has 64 bytes echoed on each, says "ready", keeps them until end of input
 *
 * Results are one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 256
#define MESSAGE 64
#define MOST_SAMPLES (1 << 22)
#define SECOND 1000000000ULL
#define HOLD_BATCH 100
#define PATIENCE_MS 10000

static void die(const char *what)
{
	fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND + now.tv_nsec;
}

static void watch(int epoll, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = { .events = events, .data.u64 = data };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		die("epoll_ctl");
}

static void no_delay(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* --- echo ---------------------------------------------------------------- */

static int listen_on(int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8192) < 0)
		die("listen");
	return fd;
}

static void accept_all(int epoll, int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		no_delay(fd);
		watch(epoll, fd, EPOLLIN, fd);
	}
}

/* The messages are small: the socket always has room for the answer. */
static void echo(int fd)
{
	char bytes[64 << 10];
	ssize_t count = read(fd, bytes, sizeof(bytes));

	if (count < 0 && errno == EAGAIN)
		return;
	if (count <= 0 || write(fd, bytes, count) != count)
		close(fd);
}

static void run_echo(int port, int count)
{
	struct epoll_event event[EVENTS];
	int epoll = epoll_create1(0);
	int first = 0, last = 0;
	int i, ready;

	for (i = 0; i < count; i++) {
		last = listen_on(port + i);
		first = first ? first : last;
		watch(epoll, last, EPOLLIN, last);
	}
	for (;;) {
		ready = epoll_wait(epoll, event, EVENTS, -1);
		for (i = 0; i < ready; i++) {
			int fd = event[i].data.u64;

			if (fd >= first && fd <= last)
				accept_all(epoll, fd);
			else
				echo(fd);
		}
	}
}

/* --- pour ----------------------------------------------------------------- */

static void pour(int fd)
{
	static const char zeros[256 << 10];
	ssize_t sent;
	int i;

	/* not for ever: the others want theirs, and an edge comes only behind a full buffer */
	for (i = 0; i < 64; i++) {
		sent = send(fd, zeros, sizeof(zeros), MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN)
			close(fd);
		if (sent < (ssize_t)sizeof(zeros))
			return;
	}
}

/* @buffer: 0 is the kernel's */
static void run_pour(int port, int buffer)
{
	struct epoll_event event[EVENTS];
	int epoll = epoll_create1(0), listener = listen_on(port), i, ready, fd;

	if (buffer)	/* those that it accepts inherit it */
		setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	watch(epoll, listener, EPOLLIN, listener);
	for (;;) {
		ready = epoll_wait(epoll, event, EVENTS, -1);
		for (i = 0; i < ready; i++) {
			if (event[i].data.u64 != (uint64_t)listener) {
				pour(event[i].data.u64);
				continue;
			}
			while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
				watch(epoll, fd, EPOLLOUT, fd);
		}
	}
}

/* --- what the clients share ------------------------------------------------ */

static struct sockaddr_in address_of(const char *text, int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (inet_pton(AF_INET, text, &address.sin_addr) != 1) {
		errno = EINVAL;
		die(text);
	}
	return address;
}

static int begin_connect(const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0)
		die("socket");
	no_delay(fd);
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
	    errno != EINPROGRESS)
		die("connect");
	return fd;
}

/* @source: its address; NULL: the kernel's choice */
static int connect_from(const struct sockaddr_in *source, const struct sockaddr_in *address,
			int buffer)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		die("socket");
	if (buffer)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	if (source && bind(fd, (const struct sockaddr *)source, sizeof(*source)) < 0)
		die("bind");
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		die("connect");
	no_delay(fd);
	return fd;
}

static int connect_wait(const struct sockaddr_in *address)
{
	return connect_from(NULL, address, 0);
}

/* The addresses that connections come from, in turn. */
struct sources {
	struct sockaddr_in first;
	int count;		/* 0: the kernel's choice */
	int buffer;		/* to receive; 0 is the kernel's */
};

static struct sources sources_of(int argc, char **argv, int at)
{
	if (argc <= at)
		return (struct sources){ .count = 0 };
	return (struct sources){
		.first = address_of(argv[at], 0),
		.count = argc > at + 1 ? atoi(argv[at + 1]) : 1,
		.buffer = argc > at + 2 ? atoi(argv[at + 2]) : 0,
	};
}

static int connect_next(const struct sources *sources, const struct sockaddr_in *address, int i)
{
	struct sockaddr_in source = sources->first;

	if (!sources->count)
		return connect_wait(address);
	source.sin_addr.s_addr = htonl(ntohl(source.sin_addr.s_addr) + i % sources->count);
	return connect_from(&source, address, sources->buffer);
}

static void wait_for_end_of_input(void)
{
	char byte;

	puts("ready");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
}

static const char message[MESSAGE];

static bool send_message(int fd)
{
	return send(fd, message, MESSAGE, MSG_NOSIGNAL) == MESSAGE;
}

/* --- ping ------------------------------------------------------------------ */

struct pinger {
	int epoll;
	int count;
	int *fd;
	uint64_t *due;		/* when the message under way should have been sent; 0: none */
	unsigned int *received;
	uint64_t interval;	/* between two messages of one connection; 0: at once */
	uint32_t *sample;
	uint32_t samples;
};

static void pinger_open(struct pinger *pinger, const struct sockaddr_in *address, int count,
			int rate)
{
	int i;

	*pinger = (struct pinger){ .epoll = epoll_create1(0), .count = count };
	pinger->fd = calloc(count, sizeof(*pinger->fd));
	pinger->due = calloc(count, sizeof(*pinger->due));
	pinger->received = calloc(count, sizeof(*pinger->received));
	pinger->sample = malloc(MOST_SAMPLES * sizeof(*pinger->sample));
	pinger->interval = rate ? SECOND * count / rate : 0;
	if (!pinger->fd || !pinger->due || !pinger->received || !pinger->sample)
		die("memory");
	for (i = 0; i < count; i++) {
		pinger->fd[i] = connect_wait(address);
		watch(pinger->epoll, pinger->fd[i], EPOLLIN, i);
	}
}

static void ping_send(struct pinger *pinger, int i, uint64_t due)
{
	pinger->due[i] = due;
	pinger->received[i] = 0;
	if (!send_message(pinger->fd[i]))
		die("send");
}

/* Return: true when the answer is complete */
static bool ping_answer(struct pinger *pinger, int i)
{
	char bytes[MESSAGE];
	ssize_t count = recv(pinger->fd[i], bytes, sizeof(bytes), MSG_DONTWAIT);
	uint64_t took;

	if (count < 0 && errno == EAGAIN)
		return false;
	if (count <= 0)
		die("ping answer");
	pinger->received[i] += count;
	if (pinger->received[i] < MESSAGE)
		return false;
	took = now_ns() - pinger->due[i];
	if (pinger->samples < MOST_SAMPLES)
		pinger->sample[pinger->samples++] = took > UINT32_MAX ? UINT32_MAX : took;
	return true;
}

/* Sends what is due; Return: when the next message will be. */
static uint64_t ping_due(struct pinger *pinger, uint64_t *next)
{
	uint64_t now = now_ns();
	uint64_t soonest = UINT64_MAX;
	int i;

	for (i = 0; i < pinger->count; i++) {
		if (!pinger->due[i] && next[i] <= now) {
			ping_send(pinger, i, next[i]);
			next[i] += pinger->interval;
		}
		if (!pinger->due[i] && next[i] < soonest)
			soonest = next[i];
	}
	return soonest;
}

static void ping_loop(struct pinger *pinger, uint64_t end)
{
	struct epoll_event event[EVENTS];
	uint64_t *next = calloc(pinger->count, sizeof(*next));
	uint64_t start = now_ns(), now = start;
	int i, ready;

	for (i = 0; next && i < pinger->count; i++)
		next[i] = start + pinger->interval * i / pinger->count;
	while (next && now < end) {
		uint64_t soonest = ping_due(pinger, next);
		uint64_t until = soonest < end ? soonest : end;
		struct timespec wait = { 0 };

		now = now_ns();
		if (until > now)
			wait = (struct timespec){ (until - now) / SECOND, (until - now) % SECOND };
		ready = epoll_pwait2(pinger->epoll, event, EVENTS, &wait, NULL);
		now = now_ns();
		for (i = 0; i < ready; i++) {
			int which = event[i].data.u64;

			if (!ping_answer(pinger, which))
				continue;
			pinger->due[which] = 0;
			if (!pinger->interval)
				next[which] = now;
		}
	}
	free(next);
}

static int by_size(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	return (a > b) - (a < b);
}

static double percentile_us(const struct pinger *pinger, double part)
{
	uint32_t rank = part * (pinger->samples - 1);

	return pinger->sample[rank] / 1000.0;
}

static void print_times(struct pinger *pinger, uint64_t start)
{
	if (!pinger->samples)
		die("no answer");
	qsort(pinger->sample, pinger->samples, sizeof(*pinger->sample), by_size);
	printf("{\"count\":%u,\"seconds\":%.6f,\"p50\":%.3f,\"p99\":%.3f,\"longest\":%.3f}\n",
	       pinger->samples, (now_ns() - start) / (double)SECOND, percentile_us(pinger, 0.5),
	       percentile_us(pinger, 0.99), percentile_us(pinger, 1));
}

static void run_ping(const struct sockaddr_in *address, double seconds, int count, int rate)
{
	struct pinger pinger;
	uint64_t start;

	prctl(PR_SET_TIMERSLACK, 1);
	pinger_open(&pinger, address, count, rate);
	start = now_ns();
	ping_loop(&pinger, start + seconds * SECOND);
	print_times(&pinger, start);
}

/* --- connect --------------------------------------------------------------- */

struct connector {
	int epoll;
	struct sockaddr_in address;
	int port;
	int ports;
	uint32_t begun;
	uint32_t finished;
	uint32_t failed;
};

/* The low half names the socket, the high half tells whether the message has been sent. */
#define SENT (1ULL << 32)

static void connector_begin(struct connector *connector)
{
	connector->address.sin_port = htons(connector->port + connector->begun++ % connector->ports);
	int fd = begin_connect(&connector->address);

	watch(connector->epoll, fd, EPOLLOUT, fd);
}

static void connector_event(struct connector *connector, const struct epoll_event *event)
{
	struct epoll_event next = { .events = EPOLLIN, .data.u64 = event->data.u64 | SENT };
	int fd = (uint32_t)event->data.u64;
	char bytes[MESSAGE];

	if (!(event->events & EPOLLERR) && !(event->data.u64 & SENT) && send_message(fd)) {
		epoll_ctl(connector->epoll, EPOLL_CTL_MOD, fd, &next);
		return;
	}
	if ((event->data.u64 & SENT) && recv(fd, bytes, sizeof(bytes), 0) == MESSAGE)
		connector->finished++;
	else
		connector->failed++;
	close(fd);
	connector_begin(connector);
}

static void run_connect(const char *host, int port, int ports, double seconds, int count)
{
	struct connector connector = { epoll_create1(0), address_of(host, port), port, ports };
	struct epoll_event event[EVENTS];
	uint64_t start = now_ns(), end = start + seconds * SECOND;
	int i, ready;

	while (count--)
		connector_begin(&connector);
	while (now_ns() < end) {
		ready = epoll_wait(connector.epoll, event, EVENTS, 100);
		for (i = 0; i < ready; i++)
			connector_event(&connector, &event[i]);
	}
	printf("{\"count\":%u,\"failed\":%u,\"seconds\":%.6f}\n", connector.finished,
	       connector.failed, (now_ns() - start) / (double)SECOND);
}

/* --- fresh ----------------------------------------------------------------- */

static void exchange_once(const struct sockaddr_in *address)
{
	int fd = connect_wait(address);
	char bytes[MESSAGE];

	if (!send_message(fd) || recv(fd, bytes, MESSAGE, MSG_WAITALL) != MESSAGE)
		die("fresh");
	close(fd);
}

static void sleep_until(uint64_t due)
{
	struct timespec when = { due / SECOND, due % SECOND };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) == EINTR)
		;
}

static void run_fresh(const char *host, int port, int ports, double seconds, int rate)
{
	struct pinger pinger = { .sample = malloc(MOST_SAMPLES * sizeof(*pinger.sample)) };
	uint64_t start = now_ns(), end = start + seconds * SECOND, due;

	prctl(PR_SET_TIMERSLACK, 1);
	for (due = start; pinger.sample && due < end && now_ns() < end; due += SECOND / rate) {
		struct sockaddr_in address = address_of(host, port + pinger.samples % ports);

		sleep_until(due);
		exchange_once(&address);
		if (pinger.samples < MOST_SAMPLES)
			pinger.sample[pinger.samples++] = now_ns() - due;
	}
	print_times(&pinger, start);
}

/* --- hold ------------------------------------------------------------------ */

/* Waits until the socket can do what @events says. */
static void await(int fd, short events)
{
	struct pollfd poller = { .fd = fd, .events = events };

	if (poll(&poller, 1, PATIENCE_MS) != 1) {
		errno = ETIMEDOUT;
		die("hold");
	}
}

/* A batch at a time is under way, so that round trips do not add up. */
static void hold_batch(const struct sockaddr_in *address, int count)
{
	char bytes[MESSAGE];
	int fd[HOLD_BATCH];
	int i;

	for (i = 0; i < count; i++)
		fd[i] = begin_connect(address);
	for (i = 0; i < count; i++) {
		await(fd[i], POLLOUT);
		if (!send_message(fd[i]))
			die("send");
	}
	for (i = 0; i < count; i++) {
		await(fd[i], POLLIN);
		if (recv(fd[i], bytes, MESSAGE, 0) != MESSAGE)
			die("recv");
	}
}

static void run_hold(const struct sockaddr_in *address, int count)
{
	for (; count > 0; count -= HOLD_BATCH)
		hold_batch(address, count < HOLD_BATCH ? count : HOLD_BATCH);
	wait_for_end_of_input();
}

/* --- stall ----------------------------------------------------------------- */

static void read_exactly(int fd, uint64_t bytes)
{
	char buffer[64 << 10];

	while (bytes) {
		ssize_t count = recv(fd, buffer, bytes < sizeof(buffer) ? bytes : sizeof(buffer), 0);

		if (count <= 0)
			die("stall");
		bytes -= count;
	}
}

static void run_stall(const struct sources *sources, const struct sockaddr_in *address, int count,
		      uint64_t bytes)
{
	int i;

	for (i = 0; i < count; i++)
		read_exactly(connect_next(sources, address, i), bytes);
	wait_for_end_of_input();
}

/* --- take ------------------------------------------------------------------ */

/* A sixteenth of a second at a time; thrown away by the kernel. */
static void run_take(const struct sources *sources, const struct sockaddr_in *address,
		     double seconds, double rate)
{
	int fd = connect_next(sources, address, 0);
	size_t most = rate ? rate / 16 : 4 << 20;
	uint64_t start = now_ns(), end = start + seconds * SECOND, bytes = 0;
	struct timeval patience = { .tv_sec = 1 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while (now_ns() < end) {
		ssize_t count = recv(fd, NULL, most, MSG_TRUNC);

		if (count == 0 || (count < 0 && errno != EAGAIN))
			die("take");
		bytes += count > 0 ? count : 0;
		if (rate)
			sleep_until(start + bytes / rate * SECOND);
	}
	printf("{\"bytes\":%llu,\"seconds\":%.6f}\n", (unsigned long long)bytes,
	       (now_ns() - start) / (double)SECOND);
}

/* --- keep ------------------------------------------------------------------- */

static void run_keep(int port, uint64_t bytes)
{
	int listener = listen_on(port);

	for (;;) {
		struct pollfd poller = { .fd = listener, .events = POLLIN };
		int fd;

		poll(&poller, 1, -1);
		fd = accept4(listener, NULL, NULL, 0);
		if (fd >= 0)
			read_exactly(fd, bytes);
	}
}

/* --- push ------------------------------------------------------------------- */

static void run_push(const struct sources *sources, const struct sockaddr_in *address, int count,
		     double seconds)
{
	struct epoll_event event[EVENTS];
	int epoll = epoll_create1(0), i, ready;

	for (i = 0; i < count; i++) {
		int fd = connect_next(sources, address, i);

		fcntl(fd, F_SETFL, O_NONBLOCK);
		watch(epoll, fd, EPOLLOUT, fd);
	}
	while ((ready = epoll_wait(epoll, event, EVENTS, seconds * 1000)) > 0)
		for (i = 0; i < ready; i++)
			pour(event[i].data.u64);
	wait_for_end_of_input();
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	struct sockaddr_in address;
	struct sources sources;

	if (!strcmp(mode, "echo") && argc == 4) {
		run_echo(atoi(argv[2]), atoi(argv[3]));
	} else if (!strcmp(mode, "pour") && argc >= 3) {
		run_pour(atoi(argv[2]), argc > 3 ? atoi(argv[3]) : 0);
	} else if (!strcmp(mode, "stall") && argc >= 6) {
		address = address_of(argv[2], atoi(argv[3]));
		sources = sources_of(argc, argv, 6);
		run_stall(&sources, &address, atoi(argv[4]), strtoull(argv[5], NULL, 10));
	} else if (!strcmp(mode, "take") && argc >= 6) {
		address = address_of(argv[2], atoi(argv[3]));
		sources = sources_of(argc, argv, 6);
		run_take(&sources, &address, atof(argv[4]), atof(argv[5]));
	} else if (!strcmp(mode, "keep") && argc == 4) {
		run_keep(atoi(argv[2]), strtoull(argv[3], NULL, 10));
	} else if (!strcmp(mode, "push") && argc >= 6) {
		address = address_of(argv[2], atoi(argv[3]));
		sources = sources_of(argc, argv, 6);
		run_push(&sources, &address, atoi(argv[4]), atof(argv[5]));
	} else if (!strcmp(mode, "connect") && argc == 7) {
		run_connect(argv[2], atoi(argv[3]), atoi(argv[4]), atof(argv[5]), atoi(argv[6]));
	} else if (!strcmp(mode, "ping") && argc == 7) {
		address = address_of(argv[2], atoi(argv[3]));
		run_ping(&address, atof(argv[4]), atoi(argv[5]), atoi(argv[6]));
	} else if (!strcmp(mode, "fresh") && argc == 7) {
		run_fresh(argv[2], atoi(argv[3]), atoi(argv[4]), atof(argv[5]), atoi(argv[6]));
	} else if (!strcmp(mode, "hold") && argc == 5) {
		address = address_of(argv[2], atoi(argv[3]));
		run_hold(&address, atoi(argv[4]));
	} else {
		fprintf(stderr, "usage: see the top of test/load/peer.c\n");
		return 2;
	}
	return 0;
}
