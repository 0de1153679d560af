// SPDX-License-Identifier: MIT
#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "dial.h"
#include "endpoint.h"
#include "listen.h"
#include "listener.h"
#include "steering.h"
#include "worker.h"

/* Socket i belongs to thread i, so that a relay of as many threads finds each in its place. */
static void give_listener(struct relay *relay, uint32_t i, int fd)
{
	listener_add(&relay->workers[i % relay->thread_count].listener, fd);
}

static int place_adopted(struct relay *relay)
{
	int error = 0;
	uint32_t i;

	relay->listeners_placed = true;
	for (i = 0; i < relay->listener_count; i++) {
		int failed = listen_adopt(relay->listener[i], &relay->options);

		give_listener(relay, i, relay->listener[i]);
		error = error ? error : failed;
	}
	if (error)
		relay_fail(relay, error, "cannot use the sockets handed to us: %s",
			   strerror(-error));
	return error;
}

static int open_listener(struct relay *relay, uint32_t i)
{
	struct endpoint local = { .port = (uint16_t)relay->options.port };
	char text[ENDPOINT_TEXT_LENGTH];
	int fd = listen_open(&relay->options, &relay->port);

	if (fd >= 0) {
		relay->listener[relay->listener_count++] = fd;
		give_listener(relay, i, fd);
		return 0;
	}
	memcpy(&local.address, relay->options.address, sizeof(local.address));
	endpoint_format(&local, text);
	if (fd == -EPERM)
		return relay_fail(relay, fd, "cannot listen transparently on %s: tproxy needs "
				  "CAP_NET_ADMIN or CAP_NET_RAW", text);
	return relay_fail(relay, fd, "cannot listen on %s: %s", text, strerror(-fd));
}

static int share_listener(struct relay *relay, uint32_t i, uint32_t adopted)
{
	int fd = fcntl(relay->listener[i % adopted], F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return relay_fail(relay, -errno, "cannot share a socket: %s", strerror(errno));
	give_listener(relay, i, fd);
	return 0;
}

/**
 * sockets_open() - Give every thread a socket, and every socket that was handed to us a thread
 * @relay:	Relay that is being started
 *
 * Return: 0, or -errno with a sentence for sidetrack_relay_read_error()
 */
int sockets_open(struct relay *relay)
{
	uint32_t adopted = relay->listener_count, i;
	int error = place_adopted(relay);

	for (i = adopted; !error && i < relay->thread_count; i++) {
		error = open_listener(relay, i);
		if (error && adopted)
			error = share_listener(relay, i, adopted);
	}
	return error;
}

/**
 * sockets_steer() - Lead each connection to the thread on the CPU that got its SYN
 * @relay:	Relay whose sockets are open
 *
 * An improvement, no condition: an old kernel serves all the same.  Threads that
 * share a socket have none of their own to steer to.
 */
void sockets_steer(struct relay *relay)
{
	if (relay->listener_count < relay->thread_count)
		return;
	relay->pinned = steering_cpus(&relay->cpus, relay->thread_count);
	relay->steering = relay->pinned &&
			  steering_attach(relay->listener[0], &relay->cpus) == 0;
}

/* Whoever is accepted from now on inherits what a new generation says of clients. */
void sockets_refresh(struct relay *relay, const struct sidetrack_relay_options *options)
{
	uint32_t i;

	for (i = 0; i < relay->listener_count; i++)
		dial_set_keepalive(relay->listener[i], options->client_keepalive_idle_s,
				   options->keepalive_interval_s);
}

/* --- the interface ---------------------------------------------------------------- */

/**
 * sidetrack_relay_adopt_listener() - Use a socket that somebody else has opened
 * @relay:	Handle, not started yet
 * @fd:		Descriptor; the relay's own once this has succeeded
 *
 * Return: 0, or -errno with a sentence for sidetrack_relay_read_error()
 */
int32_t sidetrack_relay_adopt_listener(struct relay *relay, int32_t fd)
{
	uint16_t port = 0;
	int error;

	if (relay->phase != PHASE_IDLE)
		return relay_fail(relay, -EALREADY, "the relay was started before");
	if (relay->listener_count == SIDETRACK_RELAY_LISTENERS)
		return relay_fail(relay, -E2BIG, "more than %d sockets",
				  SIDETRACK_RELAY_LISTENERS);
	error = listen_check(fd, &relay->options, &port);
	if (error == -EADDRNOTAVAIL)
		return relay_fail(relay, error, "it listens elsewhere, on port %u", port);
	if (error)
		return relay_fail(relay, error, "it is no listening TCP socket");
	if (relay->port && relay->port != port)
		return relay_fail(relay, -EADDRNOTAVAIL, "it listens on port %u, others on %u",
				  port, relay->port);
	relay->port = port;
	relay->listener[relay->listener_count++] = fd;
	return 0;
}

/* Return: listening sockets, whose descriptors are in @out as int32_t; none unless running */
int32_t sidetrack_relay_read_listeners(struct relay *relay, uint8_t *out, int32_t length)
{
	int32_t fd[SIDETRACK_RELAY_LISTENERS];
	uint32_t i, count = relay_phase(relay) == PHASE_RUNNING ? relay->listener_count : 0;

	if (length < 0 || (uint32_t)length < count * sizeof(fd[0]))
		return -EINVAL;
	for (i = 0; i < count; i++)
		fd[i] = relay->listener[i];
	memcpy(out, fd, count * sizeof(fd[0]));
	return (int32_t)count;
}
