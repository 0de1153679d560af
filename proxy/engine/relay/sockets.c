// SPDX-License-Identifier: MIT
#include "relay/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "base/endpoint.h"
#include "sockets/congestion.h"
#include "sockets/dial.h"
#include "sockets/listen.h"
#include "sockets/steering.h"
#include "thread/listener.h"
#include "thread/refusal.h"
#include "thread/thread.h"

#define EVERY_FAMILY ((1U << FAMILIES) - 1)

static void note_listener(struct relay *relay, int fd, uint32_t families)
{
	relay->listener_families[relay->listener_count] = families;
	relay->listener[relay->listener_count++] = fd;
}

/* Return: how many sockets are for just these families */
static uint32_t count_listeners(const struct relay *relay, uint32_t families)
{
	uint32_t count = 0, i;

	for (i = 0; i < relay->listener_count; i++)
		count += relay->listener_families[i] == families;
	return count;
}

/* --- sockets from outside -------------------------------------------------------- */

static int adopt_listeners(struct relay *relay)
{
	uint32_t i;

	for (i = 0; i < relay->listener_count; i++) {
		int error = listen_adopt(relay->listener[i], &relay->options);

		if (error)
			return relay_fail(relay, error, "cannot use the sockets handed to us: %s",
					  strerror(-error));
		relay->listener_families[i] = listen_families(relay->listener[i]);
	}
	return 0;
}

/* A family of which no socket listens is refused until probes say otherwise, if they will. */
static void inherit_refusal(struct relay *relay)
{
	uint32_t refused = 0, open = 0, i;

	for (i = 0; i < relay->listener_count; i++)
		*(listen_refuses(relay->listener[i]) ? &refused : &open) |=
			relay->listener_families[i];
	relay->group.refused = refused & ~open & relay->pending->upstreams.probed;
}

/* Those that are not to refuse any more. */
static int open_adopted(struct relay *relay)
{
	int error = 0;
	uint32_t i;

	for (i = 0; !error && i < relay->listener_count; i++)
		if (relay->listener_families[i] & ~refusal_of(&relay->group) &&
		    listen_refuses(relay->listener[i]))
			error = listen_begin(relay->listener[i], &relay->options);
	return error ? relay_fail(relay, error, "cannot open the sockets handed to us: %s",
				  strerror(-error)) : 0;
}

/*
 * A dual-stack socket is what older relays handed over.  Where there are sockets
 * for IPv4 alone, the kernel prefers them, and IPv6 is left for the other.
 */
static void settle_dual_stack(struct relay *relay)
{
	uint32_t i;

	if (!count_listeners(relay, 1U << FAMILY_IPV4))
		return;
	for (i = 0; i < relay->listener_count; i++)
		if (relay->listener_families[i] == EVERY_FAMILY)
			relay->listener_families[i] = 1U << FAMILY_IPV6;
}

/* --- our own --------------------------------------------------------------------- */

static int cannot_listen(struct relay *relay, int error)
{
	struct endpoint local = { .port = (uint16_t)relay->options.port };
	char text[ENDPOINT_TEXT_LENGTH];

	memcpy(&local.address, relay->options.address, sizeof(local.address));
	endpoint_format(&local, text);
	if (error == -EPERM)
		return relay_fail(relay, error, "cannot listen transparently on %s: tproxy needs "
				  "CAP_NET_ADMIN or CAP_NET_RAW", text);
	return relay_fail(relay, error, "cannot listen on %s: %s", text, strerror(-error));
}

/* As many as there are threads. */
static int open_family(struct relay *relay, enum family family)
{
	uint32_t have = count_listeners(relay, 1U << family);

	if (family == FAMILY_IPV6)
		have += count_listeners(relay, EVERY_FAMILY);
	for (; have < relay->group.thread_count; have++) {
		int fd = relay->listener_count < SIDETRACK_RELAY_LISTENERS
				 ? listen_open(&relay->options, relay->port, family) : -ENOSPC;

		if (fd < 0)
			return fd;
		note_listener(relay, fd, 1U << family);
	}
	return 0;
}

/* Without IPv6 in the kernel IPv4 is everything; beside adopted sockets more are a bonus. */
static int open_families(struct relay *relay, bool adopted)
{
	uint32_t wanted = listen_wanted(&relay->options);
	int family, error;

	for (family = 0; family < FAMILIES; family++) {
		if (!(wanted & 1U << family))
			continue;
		error = open_family(relay, (enum family)family);
		if (error && !adopted &&
		    (error != -EAFNOSUPPORT || wanted == 1U << family))
			return cannot_listen(relay, error);
	}
	return 0;
}

static int open_new(struct relay *relay)
{
	int reserved = listen_reserve(&relay->options, &relay->port), error;

	if (reserved < 0)
		return cannot_listen(relay, reserved);
	error = open_families(relay, false);
	close(reserved);
	return error;
}

static int complete_adopted(struct relay *relay)
{
	int error;

	inherit_refusal(relay);
	error = open_families(relay, true);
	if (error)
		return error;
	settle_dual_stack(relay);
	return open_adopted(relay);
}

/* --- to the threads -------------------------------------------------------------- */

/* A thread for which there is none of its own gets another's. */
static int share_listeners(struct relay *relay, const int *fd, uint32_t count, uint32_t families)
{
	uint32_t i;

	for (i = count; count && i < relay->group.thread_count; i++) {
		int copy = fcntl(fd[i % count], F_DUPFD_CLOEXEC, 0);

		if (copy < 0)
			return relay_fail(relay, -errno, "cannot share a socket: %s",
					  strerror(errno));
		listener_add(&relay->group.threads[i].listener, copy, families);
	}
	return 0;
}

/* The i-th of each kind is thread i's, so that a relay of as many threads finds each in its place. */
static int place_listeners(struct relay *relay, uint32_t families)
{
	int fd[SIDETRACK_RELAY_LISTENERS];
	uint32_t count = 0, i;

	for (i = 0; i < relay->listener_count; i++) {
		if (relay->listener_families[i] != families)
			continue;
		listener_add(&relay->group.threads[count % relay->group.thread_count].listener,
			     relay->listener[i], families);
		fd[count++] = relay->listener[i];
	}
	return share_listeners(relay, fd, count, families);
}

/**
 * sockets_open() - Give every thread a socket of each family, and every socket a thread
 * @relay:	Relay that is being started
 *
 * Return: 0, or -errno with a sentence for sidetrack_relay_read_error()
 */
int sockets_open(struct relay *relay)
{
	bool adopted = relay->listener_count > 0;
	int error = adopted ? adopt_listeners(relay) : open_new(relay);
	uint32_t families;

	if (!error && adopted)
		error = complete_adopted(relay);
	if (error)
		return error;
	relay->listeners_placed = true;
	for (families = 1; !error && families <= EVERY_FAMILY; families++)
		error = place_listeners(relay, families);
	return error;
}

/* Return: true if each thread has a socket of its own there, and listens */
static bool can_be_steered(const struct relay *relay, uint32_t families)
{
	return count_listeners(relay, families) >= relay->group.thread_count &&
	       !(families & refusal_of(&relay->group));
}

static int first_listener(const struct relay *relay, uint32_t families)
{
	uint32_t i = 0;

	while (relay->listener_families[i] != families)
		i++;
	return relay->listener[i];
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
	bool one_to_one = steering_cpus(&relay->group.cpus, relay->group.thread_count);
	uint32_t families;

	for (families = 1; one_to_one && families <= EVERY_FAMILY; families++) {
		if (!can_be_steered(relay, families))
			continue;
		relay->group.pinned = true;
		if (steering_attach(first_listener(relay, families), &relay->group.cpus) == 0)
			relay->group.steering = true;
	}
}

/**
 * sockets_families() - Families that the sockets listen to
 * @relay:	Relay
 * @refused:	Bits of families that are to be refused; a dual-stack socket refuses none
 *
 * Return: bits of families
 */
uint32_t sockets_families(const struct relay *relay, uint32_t refused)
{
	uint32_t families = 0, i;

	for (i = 0; i < relay->listener_count; i++)
		if (relay->listener_families[i] & ~refused)
			families |= relay->listener_families[i];
	return families;
}

/**
 * sockets_have_queued() - Does anybody wait to be accepted?
 * @relay:	Relay that is running, for then no thread closes them
 *
 * Return: true if so
 */
bool sockets_have_queued(const struct relay *relay)
{
	uint32_t i;

	for (i = 0; i < relay->listener_count; i++) {
		struct tcp_info info = { 0 };
		socklen_t length = sizeof(info);

		/* of a socket that listens this is the length of its queue */
		if (getsockopt(relay->listener[i], IPPROTO_TCP, TCP_INFO, &info, &length) == 0 &&
		    info.tcpi_state == TCP_LISTEN && info.tcpi_unacked)
			return true;
	}
	return false;
}

/* Sockets accepted from now on inherit what a new generation says of clients. */
void sockets_refresh(struct relay *relay, const struct sidetrack_relay_options *options)
{
	uint32_t i;

	for (i = 0; i < relay->listener_count; i++) {
		dial_set_keepalive(relay->listener[i], options->keepalive_s,
				   options->keepalive_interval_s);
		congestion_settle(relay->listener[i], options->congestion[CONGESTION_CLIENT]);
	}
}

/* --- the interface ---------------------------------------------------------------- */

/**
 * sidetrack_relay_adopt_listener() - Use a socket that another process has opened
 * @relay:	Handle, not started yet
 * @fd:		Descriptor; the relay's own once this has succeeded
 *
 * Return: 0, or -errno with a sentence for sidetrack_relay_read_error()
 */
int32_t sidetrack_relay_adopt_listener(struct relay *relay, int32_t fd)
{
	uint16_t port = 0;
	int error;

	if (relay->group.phase != PHASE_IDLE)
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
	note_listener(relay, fd, 0);
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
