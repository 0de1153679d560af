/* SPDX-License-Identifier: MIT */
/* A relay behind a proxy that says what the test tells it to. */
#ifndef PROXIED_H
#define PROXIED_H

#include <stddef.h>

#include "abi.h"

#define PROXY_PORT 1080
#define SECOND_PORT 1081

/* SOCKS5 from the relay and from the proxy: no credentials, and the client's destination */
#define METHOD_NONE "\5\0"
#define REQUEST_IPV4 "\5\1\0\1\306\63\144\7\37\220"
#define REQUEST_IPV6 "\5\1\0\4\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\7\37\220"
#define GRANTED "\5\0\0\1\12\0\0\1\20\222"

/* HTTP, the same */
#define CONNECT "CONNECT 198.51.100.7:8080 HTTP/1.1\r\nHost: 198.51.100.7:8080\r\n"
#define ESTABLISHED "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n"

/* A client on its way to the Internet and the proxy's end of what the relay made of it. */
struct proxied {
	struct relay *relay;
	int listener;
	int client;
	int proxy;
};

struct sidetrack_relay_upstream proxy_at(enum upstream_kind kind, int family, uint16_t port);
void set_login(struct sidetrack_relay_upstream *upstream);

struct proxied begin_proxied(const struct sidetrack_relay_upstream *upstream, int family);
struct proxied begin_kind(enum upstream_kind kind, int family);
struct proxied begin_login(enum upstream_kind kind);
void end_proxied(struct proxied *proxied);

void hear_bytes(int fd, const char *wanted, size_t length);
void say_slowly(int fd, const char *bytes, size_t length);

#define hear(fd, literal) hear_bytes(fd, literal, sizeof(literal) - 1)
#define say(fd, literal) write_all(fd, literal, sizeof(literal) - 1)

void expect_traffic(struct proxied *proxied);
void expect_finished(struct proxied *proxied);	/* after traffic */
void expect_failure(struct proxied *proxied, enum outcome outcome);

#endif /* PROXIED_H */
