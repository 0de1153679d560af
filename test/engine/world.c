// SPDX-License-Identifier: MIT
#include "world.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "check.h"

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0) {
		fprintf(stderr, "cannot write %s: %s\n", path, strerror(errno));
		exit(1);
	}
	close(fd);
}

/* As root a network namespace is enough; as a user it needs a user namespace. */
void world_enter(const char *script)
{
	char map[64];
	uid_t user = geteuid();
	gid_t group = getegid();
	int flags = user == 0 ? CLONE_NEWNET : CLONE_NEWNET | CLONE_NEWUSER;

	if (unshare(flags) < 0) {
		fprintf(stderr, "no network namespace: %s (as a user, "
			"kernel.unprivileged_userns_clone=1 may help)\n", strerror(errno));
		exit(1);
	}
	if (user != 0) {
		write_file("/proc/self/setgroups", "deny");
		snprintf(map, sizeof(map), "0 %u 1", user);
		write_file("/proc/self/uid_map", map);
		snprintf(map, sizeof(map), "0 %u 1", group);
		write_file("/proc/self/gid_map", map);
	}
	if (system(script) != 0) {
		fprintf(stderr, "%s failed: ip (iproute2) and nft (nftables) are needed\n", script);
		exit(1);
	}
}

/* --- sockets -------------------------------------------------------------------- */

static socklen_t address_make(int family, const char *ipv4, const char *ipv6, uint16_t port,
			      struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (family == AF_INET) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		expect(inet_pton(AF_INET, ipv4, &v4->sin_addr) == 1);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	expect(inet_pton(AF_INET6, ipv6, &v6->sin6_addr) == 1);
	return sizeof(*v6);
}

static void set_timeouts(int fd)
{
	struct timeval time = { .tv_sec = TIMEOUT_MS / 1000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
}

int upstream_listen(int family)
{
	return upstream_listen_on(family, PORT);
}

int upstream_listen_on(int family, uint16_t port)
{
	struct sockaddr_storage address;
	socklen_t length = address_make(family, "10.0.0.1", "fd00::1", port, &address);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	expect(fd >= 0);
	set_timeouts(fd);
	expect(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0);
	expect(bind(fd, (struct sockaddr *)&address, length) == 0);
	expect(listen(fd, 1024) == 0);
	return fd;
}

static const struct {
	const char *source[2];
	const char *destination[2];
} places[] = {
	[INTERNET] = { { "10.0.0.2", "fd00::2" }, { "198.51.100.7", "2001:db8::7" } },
	[BLACKHOLE] = { { "10.0.0.2", "fd00::2" }, { "198.51.100.66", "::1" } },
	[UNREACHABLE] = { { "10.0.0.2", "fd00::2" }, { "198.51.100.99", "::1" } },
	[RELAY_HOST] = { { "10.0.0.2", "fd00::2" }, { "10.0.0.1", "fd00::1" } },
	[SECONDARY] = { { "10.0.0.2", "fd00::2" }, { "10.7.0.2", "fd00::9" } },
	[UNTRACKED] = { { "10.0.0.9", "fd00::9" }, { "10.0.0.1", "fd00::1" } },
};

int client_begin(int family, enum place place, uint16_t port)
{
	const char *const *source = places[place].source;
	const char *const *destination = places[place].destination;
	struct sockaddr_storage address;
	socklen_t length = address_make(family, source[0], source[1], 0, &address);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	expect(fd >= 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	expect(bind(fd, (struct sockaddr *)&address, length) == 0);
	length = address_make(family, destination[0], destination[1], port, &address);
	expect(connect(fd, (struct sockaddr *)&address, length) == 0 || errno == EINPROGRESS);
	return fd;
}

int client_connect(int family, enum place place, uint16_t port)
{
	int fd = client_begin(family, place, port);
	struct pollfd ready = { .fd = fd, .events = POLLOUT };

	expect(poll(&ready, 1, TIMEOUT_MS) == 1);
	set_blocking(fd, true);
	set_timeouts(fd);
	return fd;
}

int take(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	int on = 1;

	expect(fd >= 0);
	set_timeouts(fd);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

void set_blocking(int fd, bool blocking)
{
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

void set_buffer(int fd, int option, int bytes)
{
	expect(setsockopt(fd, SOL_SOCKET, option, &bytes, sizeof(bytes)) == 0);
}

/* Closes with RST. */
void reset(int fd)
{
	struct linger linger = { .l_onoff = 1 };

	expect(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
	close(fd);
}

/* --- bytes -------------------------------------------------------------------------- */

/* Every offset has a byte of its own, with no short period: a lost, doubled or
 * swapped piece shows at once. */
static unsigned char pattern(uint64_t offset)
{
	return (unsigned char)((offset * 2654435761u) >> 11 ^ offset >> 19);
}

void pattern_fill(unsigned char *bytes, uint64_t from, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++)
		bytes[i] = pattern(from + i);
}

void write_all(int fd, const void *bytes, size_t length)
{
	const unsigned char *next = bytes;

	while (length) {
		ssize_t sent = send(fd, next, length, MSG_NOSIGNAL);

		expect(sent > 0);
		next += sent;
		length -= (size_t)sent;
	}
}

#define CHUNK (256U << 10)

void send_pattern(int fd, uint64_t from, uint64_t length, size_t chunk)
{
	unsigned char bytes[CHUNK];

	while (length) {
		size_t now = chunk < sizeof(bytes) ? chunk : sizeof(bytes);

		if (now > length)
			now = (size_t)length;
		pattern_fill(bytes, from, now);
		write_all(fd, bytes, now);
		from += now;
		length -= now;
	}
}

/* Return: bytes that went in before nothing moved for a quarter of a second */
uint64_t send_pattern_until_full(int fd)
{
	return send_pattern_until_full_from(fd, 0);
}

uint64_t send_pattern_until_full_from(int fd, uint64_t from)
{
	unsigned char bytes[CHUNK];
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	uint64_t sent = 0;

	set_blocking(fd, false);
	while (poll(&ready, 1, 250) == 1) {
		ssize_t now;

		pattern_fill(bytes, from + sent, sizeof(bytes));
		now = send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
		expect(now > 0 || errno == EAGAIN);
		sent += now > 0 ? (uint64_t)now : 0;
	}
	set_blocking(fd, true);
	return sent;
}

void expect_pattern(int fd, uint64_t from, uint64_t length, size_t chunk)
{
	unsigned char bytes[CHUNK], wanted[CHUNK];

	while (length) {
		size_t now = chunk < sizeof(bytes) ? chunk : sizeof(bytes);
		ssize_t received;

		received = recv(fd, bytes, now < length ? now : (size_t)length, 0);
		expect(received > 0);
		pattern_fill(wanted, from, (size_t)received);
		expect(memcmp(bytes, wanted, (size_t)received) == 0);
		from += (uint64_t)received;
		length -= (uint64_t)received;
	}
}

void expect_end(int fd)
{
	char byte;

	expect_equal(recv(fd, &byte, 1, 0), 0);
}

void expect_reset(int fd)
{
	char byte;

	expect(recv(fd, &byte, 1, 0) == -1 && errno == ECONNRESET);
}

/* For a socket that has read FIN before: there a reset only shows in what is sent. */
void expect_broken(int fd)
{
	wait_for(send(fd, "x", 1, MSG_NOSIGNAL) < 0);
}

/* Bytes that the other end's kernel has not acknowledged, once that stands still. */
uint64_t bytes_unsent(int fd)
{
	int bytes = -1, before;

	do {
		before = bytes;
		usleep(20000);
		expect(ioctl(fd, SIOCOUTQ, &bytes) == 0);
	} while (bytes != before);
	return (uint64_t)bytes;
}

/* Bytes that wait to be read. */
int bytes_received(int fd)
{
	int bytes;

	expect(ioctl(fd, SIOCINQ, &bytes) == 0);
	return bytes;
}

/* After shutdown(): the other end's kernel has all of it. */
bool end_has_arrived(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);

	expect(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0);
	return info.tcpi_state == TCP_FIN_WAIT2;
}

bool readable(int fd, int timeout_ms)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };

	return poll(&ready, 1, timeout_ms) == 1;
}
