// SPDX-License-Identifier: MIT
/*
 * What one writes in an afternoon: a relay without limits, time-outs or counters, to measure the
 * real one against.
 *
 *   naive copy PORT	read and write through a buffer of each direction
 *   naive splice PORT	splice through a 1 MiB pipe of each direction
 *   naive socks PORT	the same as a SOCKS5 server, so that what goes through one is not
 *			measured at that one's pace
 *
 * One thread, edges, every direction moved until nothing moves any more. The modes share all but
 * the two calls that move the bytes, and where the destination comes from.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 256
#define BUFFER_SIZE (64 << 10)
#define PIPE_SIZE (1 << 20)
#define EDGES (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

struct half {			/* one socket, and what was read from it */
	struct connection *connection;
	struct half *other;
	int fd;
	int pipe[2];
	char *buffer;
	size_t start;		/* of what is pending in the buffer */
	size_t pending;
	bool ended;		/* FIN received */
	bool passed;		/* FIN handed on */
};

enum state {
	GREETING,		/* these two only of a SOCKS server */
	REQUEST,
	CONNECTING,
	ESTABLISHED,
};

struct connection {
	struct half client, upstream;
	enum state state;
	bool dead;
	struct connection *next_dead;
};

struct naive {
	int epoll;
	int listener;
	bool splice;
	bool socks;
	struct connection *dead;	/* freed when no event can name them any more */
};

static void half_release(struct half *half)
{
	close(half->fd);
	free(half->buffer);
	if (half->pipe[0]) {
		close(half->pipe[0]);
		close(half->pipe[1]);
	}
}

static void connection_end(struct naive *naive, struct connection *connection)
{
	if (connection->dead)
		return;
	connection->dead = true;
	connection->next_dead = naive->dead;
	naive->dead = connection;
	half_release(&connection->client);
	half_release(&connection->upstream);
}

static ssize_t fill(const struct naive *naive, struct half *half)
{
	half->start = 0;
	if (naive->splice)
		return splice(half->fd, NULL, half->pipe[1], NULL, PIPE_SIZE,
			      SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	return read(half->fd, half->buffer, BUFFER_SIZE);
}

static ssize_t empty(const struct naive *naive, struct half *half)
{
	if (naive->splice)
		return splice(half->pipe[0], NULL, half->other->fd, NULL, half->pending,
			      SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	return write(half->other->fd, half->buffer + half->start, half->pending);
}

/* Return: false when the connection is beyond help; *@moved tells whether anything moved */
static bool step(const struct naive *naive, struct half *half, bool *moved)
{
	ssize_t count;

	*moved = false;
	if (!half->ended && !half->pending) {
		count = fill(naive, half);
		if (count < 0 && errno != EAGAIN)
			return false;
		half->ended = count == 0;
		half->pending = count > 0 ? count : 0;
	}
	if (!half->pending)
		return true;
	count = empty(naive, half);
	if (count < 0)
		return errno == EAGAIN;
	half->start += count;
	half->pending -= count;
	*moved = true;
	return true;
}

static void pump(struct naive *naive, struct half *half)
{
	bool moved = true;

	while (moved) {
		if (!step(naive, half, &moved)) {
			connection_end(naive, half->connection);
			return;
		}
	}
	if (!half->ended || half->pending || half->passed)
		return;
	half->passed = true;
	shutdown(half->other->fd, SHUT_WR);
	if (half->other->passed)
		connection_end(naive, half->connection);
}

static int half_open(const struct naive *naive, struct half *half)
{
	struct epoll_event event = { .events = EDGES, .data.ptr = half };
	int on = 1;

	setsockopt(half->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (naive->splice) {
		if (pipe2(half->pipe, O_NONBLOCK) < 0)
			return -errno;
		(void)fcntl(half->pipe[1], F_SETPIPE_SZ, PIPE_SIZE);
	} else {
		half->buffer = malloc(BUFFER_SIZE);
		if (!half->buffer)
			return -ENOMEM;
	}
	return epoll_ctl(naive->epoll, EPOLL_CTL_ADD, half->fd, &event) < 0 ? -errno : 0;
}

static int connection_dial(const struct naive *naive, struct connection *connection,
			   const struct sockaddr_in *to)
{
	connection->state = CONNECTING;
	if (connect(connection->upstream.fd, (const struct sockaddr *)to, sizeof(*to)) < 0 &&
	    errno != EINPROGRESS)
		return -errno;
	return half_open(naive, &connection->upstream);
}

static int connection_start(const struct naive *naive, struct connection *connection)
{
	struct sockaddr_in to;
	socklen_t length = sizeof(to);
	int error = half_open(naive, &connection->client);

	if (error || naive->socks)
		return error;
	if (getsockopt(connection->client.fd, SOL_IP, SO_ORIGINAL_DST, &to, &length) < 0)
		return -errno;
	return connection_dial(naive, connection, &to);
}

static void accept_all(struct naive *naive)
{
	struct connection *connection;
	int fd;

	while ((fd = accept4(naive->listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		connection = calloc(1, sizeof(*connection));
		if (!connection)
			abort();
		connection->client = (struct half){ connection, &connection->upstream, fd };
		fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connection->upstream = (struct half){ connection, &connection->client, fd };
		if (connection_start(naive, connection) < 0)
			connection_end(naive, connection);
	}
}

/* --- SOCKS5: no login, IPv4, and every message in one piece --- */

static int socks_greeting(struct connection *connection)
{
	char message[3];

	if (recv(connection->client.fd, message, sizeof(message), 0) != sizeof(message))
		return -EPROTO;
	connection->state = REQUEST;
	return send(connection->client.fd, "\5", 2, MSG_NOSIGNAL) == 2 ? 0 : -EPROTO;
}

static int socks_request(const struct naive *naive, struct connection *connection)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	char message[10];

	if (recv(connection->client.fd, message, sizeof(message), 0) != sizeof(message))
		return -EPROTO;
	memcpy(&to.sin_addr, message + 4, 4);
	memcpy(&to.sin_port, message + 8, 2);
	return connection_dial(naive, connection, &to);
}

static int socks_connected(const struct connection *connection)
{
	static const char reply[10] = { 5, 0, 0, 1 };

	return send(connection->client.fd, reply, sizeof(reply), MSG_NOSIGNAL) == sizeof(reply)
		       ? 0 : -EPROTO;
}

/* --- events --- */

static int client_asks(const struct naive *naive, struct connection *connection)
{
	switch (connection->state) {
	case GREETING:
		return socks_greeting(connection);
	case REQUEST:
		return socks_request(naive, connection);
	default:
		return 0;
	}
}

static void connected(struct naive *naive, struct connection *connection)
{
	connection->state = ESTABLISHED;
	if (naive->socks && socks_connected(connection) < 0) {
		connection_end(naive, connection);
		return;
	}
	pump(naive, &connection->client);
	if (!connection->dead)
		pump(naive, &connection->upstream);
}

static void half_event(struct naive *naive, struct half *half, uint32_t events)
{
	struct connection *connection = half->connection;

	if (connection->dead)
		return;
	if (events & EPOLLERR) {
		connection_end(naive, connection);
	} else if (connection->state == ESTABLISHED) {
		pump(naive, half);
		if (!connection->dead && (events & EPOLLOUT) && half->other->pending)
			pump(naive, half->other);
	} else if (half == &connection->upstream) {
		if (events & EPOLLOUT)
			connected(naive, connection);
	} else if ((events & EPOLLIN) && client_asks(naive, connection) < 0) {
		connection_end(naive, connection);
	}
}

static void serve(struct naive *naive)
{
	struct epoll_event event[EVENTS];
	struct connection *dead;
	int count = epoll_wait(naive->epoll, event, EVENTS, -1);
	int i;

	for (i = 0; i < count; i++) {
		if (event[i].data.ptr)
			half_event(naive, event[i].data.ptr, event[i].events);
		else
			accept_all(naive);
	}
	while ((dead = naive->dead)) {
		naive->dead = dead->next_dead;
		free(dead);
	}
}

static int listen_on(int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 4096) < 0)
		return -errno;
	return fd;
}

int main(int argc, char **argv)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct naive naive = { .epoll = epoll_create1(0) };

	if (argc != 3 || (strcmp(argv[1], "copy") && strcmp(argv[1], "splice") &&
			  strcmp(argv[1], "socks"))) {
		fprintf(stderr, "usage: naive copy|splice|socks PORT\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	naive.socks = !strcmp(argv[1], "socks");
	naive.splice = strcmp(argv[1], "copy");
	naive.listener = listen_on(atoi(argv[2]));
	if (naive.listener < 0) {
		fprintf(stderr, "naive: port %s: %s\n", argv[2], strerror(-naive.listener));
		return 1;
	}
	epoll_ctl(naive.epoll, EPOLL_CTL_ADD, naive.listener, &event);
	for (;;)
		serve(&naive);
}
