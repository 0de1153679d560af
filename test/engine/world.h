/* SPDX-License-Identifier: MIT */
/* A network namespace in which SO_ORIGINAL_DST is real, and the people in it. */
#ifndef WORLD_H
#define WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define RELAY_PORT 12345
#define PORT 8080
#define TIMEOUT_MS 20000

/* Where a client may go. */
enum place {
	INTERNET,	/* 198.51.100.7, 2001:db8::7 */
	BLACKHOLE,	/* never answers */
	UNREACHABLE,	/* no route */
	RELAY_HOST,	/* an address of the relay's machine */
	SECONDARY,	/* a secondary one */
	UNTRACKED,	/* the relay itself, past conntrack */
};

void world_enter(const char *script);

int upstream_listen(int family);
int upstream_listen_on(int family, uint16_t port);
int client_begin(int family, enum place place, uint16_t port);	/* non-blocking connect begun */
int client_connect(int family, enum place place, uint16_t port);
int take(int listener);

void set_blocking(int fd, bool blocking);
void set_buffer(int fd, int option, int bytes);
void reset(int fd);

void write_all(int fd, const void *bytes, size_t length);
void pattern_fill(unsigned char *bytes, uint64_t from, size_t length);
void send_pattern(int fd, uint64_t from, uint64_t length, size_t chunk);
uint64_t send_pattern_until_full(int fd);
uint64_t send_pattern_until_full_from(int fd, uint64_t from);
void expect_pattern(int fd, uint64_t from, uint64_t length, size_t chunk);
void expect_end(int fd);
void expect_reset(int fd);
void expect_broken(int fd);
uint64_t bytes_unsent(int fd);
int bytes_received(int fd);
bool end_has_arrived(int fd);
bool readable(int fd, int timeout_ms);

#endif /* WORLD_H */
