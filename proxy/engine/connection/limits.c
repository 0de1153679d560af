// SPDX-License-Identifier: MIT
#include "connection/limits.h"

#include <sys/resource.h>

#include "base/assert.h"

#define SHARED_FROM 1000	/* connections: fewer are not worth sharing out */
#define LAST_PLACES 20		/* one in so many is not for a client who has filled the rest */
#define DESCRIPTORS_PER_CONNECTION 2
#define DESCRIPTORS_PER_THREAD 6	/* epoll twice, wake, two listeners, reserve */
#define DESCRIPTORS_PER_PIPE 2
#define PIPES_EXPECTED 8		/* per thread, when reckoning what is left */

/**
 * limits_of_descriptors() - How many connections there may be
 * @options:	Those of a generation
 * @threads:	How many there are
 * @reserve:	Descriptors that the rest of the process needs
 *
 * As many as the descriptors suffice for, after what the threads and the rest
 * of the process need.  An option may ask for less, not for more.
 */
uint32_t limits_of_descriptors(const struct sidetrack_relay_options *options, uint32_t threads,
			       uint32_t reserve)
{
	uint64_t asked = options->max_connections ? options->max_connections : UINT32_MAX;
	uint64_t own = threads * (DESCRIPTORS_PER_THREAD + PIPES_EXPECTED * DESCRIPTORS_PER_PIPE);
	uint64_t kept = own + reserve;
	struct rlimit limit;
	uint64_t possible;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return (uint32_t)asked;
	possible = limit.rlim_cur > kept ? (limit.rlim_cur - kept) / DESCRIPTORS_PER_CONNECTION : 1;
	return (uint32_t)(asked < possible ? asked : possible);
}

/**
 * limits_admit() - Count one more connection, unless that is too many
 * @limits:	Limits
 *
 * Return: false if max_connections are there already
 */
bool limits_admit(struct limits *limits)
{
	if (__atomic_add_fetch(&limits->active, 1, __ATOMIC_RELAXED) <=
	    __atomic_load_n(&limits->max_connections, __ATOMIC_RELAXED))
		return true;
	limits_leave(limits);
	return false;
}

void limits_leave(struct limits *limits)
{
	uint32_t before = __atomic_fetch_sub(&limits->active, 1, __ATOMIC_RELAXED);

	ASSERT(before > 0);
}

/**
 * limits_handshake_begin() - Count one more connection that waits for an upstream
 * @limits:	Limits
 * @most:	max_handshakes; 0 is no limit
 *
 * Beyond max_handshakes newcomers are refused, while beyond max_connections
 * accepting pauses.  Upstreams that never answer hold their connections until
 * the time-outs; pausing for them would make all other connections look
 * open and dead for as long, and those in the backlog would only be the next to
 * wait.  A reset frees both descriptors now and lets the client try elsewhere.
 *
 * Return: false if max_handshakes are there already
 */
bool limits_handshake_begin(struct limits *limits, uint32_t most)
{
	uint32_t count = __atomic_add_fetch(&limits->handshakes, 1, __ATOMIC_RELAXED);

	if (!most || count <= most)
		return true;
	limits_handshake_end(limits);
	return false;
}

void limits_handshake_end(struct limits *limits)
{
	uint32_t before = __atomic_fetch_sub(&limits->handshakes, 1, __ATOMIC_RELAXED);

	ASSERT(before > 0);
}

/*
 * The last twentieth of the relay is not for a client who has filled three tenths and more by
 * itself while the rest was taken: a loop by way of a translator, whose connections are
 * ours though their addresses are not, or a flood.  Clients are counted from half of
 * the way on only, so nothing is counted while there is room.
 *
 * Return: connections that a client may have; 0 is no limit
 */
static uint32_t client_share(const struct limits *limits, uint32_t most)
{
	uint32_t room = __atomic_load_n(&limits->max_connections, __ATOMIC_RELAXED);
	uint32_t active = __atomic_load_n(&limits->active, __ATOMIC_RELAXED);
	uint32_t share = active < room - room / LAST_PLACES ? room : room / 10 * 3;

	if (room < SHARED_FROM || active < room / 2)
		return most;
	return most && most < share ? most : share;
}

/**
 * limits_client_enter() - Count one more connection of a client
 * @limits:	Limits
 * @client:	Its address
 * @most:	max_connections_per_client; 0 is no limit
 *
 * Return: CLIENT_REFUSED if it has as many as it may
 */
enum client_verdict limits_client_enter(struct limits *limits, const struct endpoint *client,
					uint32_t most)
{
	return clients_enter(&limits->clients, client, client_share(limits, most));
}
