/* SPDX-License-Identifier: MIT */
/*
 * A kernel that does what a fuzzer's input says, beneath the real engine.
 *
 * The engine's system calls are renamed to the functions of this directory (see
 * system-calls.txt), so that one thread without a single real descriptor plays
 * through accepting, connecting, relaying and time itself, the same way each
 * time.  It answers as Linux would, on its worst day: receive queue before
 * error before end, edges with the whole mask of the moment, partial sends.
 *
 * A descriptor number is never given out twice: whatever is done to a closed
 * one, or closed again, ends the run.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "abi.h"
#include "base/endpoint.h"

#define require(condition)							\
	do {									\
		if (!(condition)) {						\
			fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__,	\
				__LINE__, #condition);				\
			abort();						\
		}								\
	} while (0)

#define FILES 16384
#define FIRST_DESCRIPTOR 100000
#define REPLY_MOST 512

/* The engine's sets: the second lies in the first. */
#define EPOLLS 2

/* A file in one of them. */
struct watch {
	bool on;
	bool woken;		/* on its list of ready ones */
	uint32_t interest;
	void *data;
};

enum kind {
	FILE_CLOSED,
	FILE_LISTENER,
	FILE_TCP,
	FILE_PIPE,		/* its end to read from holds the bytes */
	FILE_PIPE_INLET,
	FILE_OTHER,		/* epoll, eventfd, netlink, duplicates */
};

struct file {
	enum kind kind;
	int fd;

	struct watch watch[EPOLLS];

	/* TCP, from the peer: its handshake if it is a proxy, then a pattern */
	unsigned char reply[REPLY_MOST];
	uint64_t reply_length;
	uint64_t received;
	uint64_t read;
	uint64_t urgent;	/* offset of an urgent byte, or UINT64_MAX */
	bool fin;
	bool end_seen;		/* the engine has read it */

	/* TCP, to the peer */
	uint64_t asked;		/* bytes of the handshake */
	uint64_t replied_at;	/* asked, when the proxy last spoke */
	bool questioned;	/* a probe has said what it is to say */
	uint64_t written;	/* bytes of the stream, also those sent with the handshake */
	uint64_t queued;	/* not acknowledged */
	uint64_t capacity;
	bool shut;
	bool corked;		/* its last bytes wait for more */
	bool linger;

	/* TCP, as a whole */
	bool accepted;		/* else dialled */
	bool ipv4;
	bool connecting;
	bool connected;
	bool broken;		/* RST came, or connecting failed */
	int error;
	unsigned int rank;	/* of the connection's state, as last seen */
	uint64_t granted;	/* bytes of the proxy's handshake, or UINT64_MAX */

	/* TCP, from a client */
	bool given_away;	/* somebody may have handed its first bytes on, and failed */
	uint32_t dialled[SIDETRACK_RELAY_UPSTREAMS];	/* bits of each upstream's addresses */

	/* pipes */
	struct file *other;
	const struct file *source;
	uint64_t from;		/* offset in the source */
	uint64_t length;
	int size;
};

enum call {
	CALL_ACCEPT,
	CALL_SOCKET,
	CALL_CONNECT,
	CALL_WATCH,
	CALL_PIPE,
	CALL_PIPE_SIZE,
	CALL_DUPLICATE,
	CALL_MEMORY,
	CALL_WAIT,
	CALL_ORIGINAL_DESTINATION,
	CALL_IS_LOCAL,		/* bind() to the destination succeeds */
	CALL_ROUTE,		/* and the routing table says that it is */
	CALL_SEND_FULL,		/* EAGAIN although there seems to be room */
	CALL_SEND_SHORT,
	CALL_SPLICE_SHORT,
	CALL_FAST_OPEN,		/* it is allowed */
	CALL_COOKIE,		/* there is one, and so the SYN takes bytes along */
	CALL_PRECISE_WAIT,
	CALLS
};

struct kernel {
	struct file file[FILES];
	unsigned int opened;
	unsigned int open;
	unsigned int backlog;	/* clients waiting to be accepted */
	uint64_t now_us;
	uint64_t capacity;	/* of new sockets */
	bool booted;		/* the relay has been started */
	bool memory_failed;	/* at least once */
	bool operator_closed;	/* connections, whatever they were doing */
	bool transparent;	/* clients' sockets have the address they wanted to reach */
	uint8_t failing[CALLS];	/* so many more calls */
	uint8_t how;		/* which error */
	uint64_t moved;		/* bytes, to tell a busy loop from a busy relay */
	uint64_t idle_calls;	/* since then */
	uint64_t wakes;		/* written to the eventfd, not read */
	struct file *listener;
	struct file *eventfd;
	struct file *epoll[EPOLLS];
	unsigned int epolls;
	void *(*thread)(void *argument);
	void *thread_argument;
};

extern struct kernel kernel;

/* files.c */
void kernel_boot(void);
struct file *file_open(enum kind kind);
struct file *file_at(int fd);
bool fails(enum call call);
int fail_with(int error);

/* tcp.c */
void tcp_copy(const struct file *file, uint64_t offset, unsigned char *out, uint64_t length);
bool tcp_equal(const struct file *file, uint64_t offset, const unsigned char *in, uint64_t length);
uint32_t tcp_mask(const struct file *file);
void tcp_wake(struct file *file);
struct endpoint tcp_destination(const struct file *file);
struct file *tcp_at(int fd);
bool tcp_has_room(const struct file *file);
int tcp_take_error(struct file *file);
struct sockaddr;
int tcp_dial(struct file *file, const struct sockaddr *address);

/* What must hold; invariant.c.  They also count what was written. */
void invariant_written(struct file *sink, const unsigned char *bytes, uint64_t length);
void invariant_early(struct file *sink, const unsigned char *bytes, uint64_t length);
void invariant_dialled(const struct file *file, const struct endpoint *to);
ssize_t pipe_read(struct file *pipe, void *bytes, size_t length);
void invariant_spliced(struct file *sink, const struct file *pipe, uint64_t length);
void invariant_shut(const struct file *sink);
void invariant_closed(const struct file *file);

/* The fuzzer's turn, in place of sleeping; returns the number of events. */
struct epoll_event;
int world_wait(struct epoll_event *events, int most, int64_t timeout_us);

/* What is there in that set, from file @start on and round, as many as fit; connections.c. */
int world_deliver(unsigned int set, struct epoll_event *events, int most, unsigned int start);

#endif /* KERNEL_H */
