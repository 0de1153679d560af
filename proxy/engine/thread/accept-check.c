// SPDX-License-Identifier: MIT
#include "thread/accept-check.h"

#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "sockets/dial.h"

/*
 * The kernel sends a lost one again after a second only, which is when we are held to accept
 * no more: before that there is time for two others.
 */
#define SYN_PATIENCE_MS 400
#define ACCEPT_PATIENCE_MS 2000	/* more than a thread needs to tell that it has accepted it */
#define KEEPALIVE_IDLE_S 2
#define KEEPALIVE_INTERVAL_S 1

/* --- threads ---------------------------------------------------------------------- */

/**
 * accept_check_is_own() - Is this the connection that we have made to ourselves?
 * @check:	Of the thread's group
 * @client:	Peer of a connection that has just been accepted
 *
 * Return: true if so; it is to be closed, and nothing else
 */
bool accept_check_is_own(struct accept_check *check, const struct endpoint *client)
{
	uint64_t address[2];

	if (__atomic_load_n(&check->port, __ATOMIC_ACQUIRE) != client->port)
		return false;
	memcpy(address, &client->address, sizeof(address));
	if (__atomic_load_n(&check->source[0], __ATOMIC_RELAXED) != address[0] ||
	    __atomic_load_n(&check->source[1], __ATOMIC_RELAXED) != address[1])
		return false;
	__atomic_store_n(&check->accepted, 1, __ATOMIC_RELEASE);
	return true;
}

/* --- the control thread ----------------------------------------------------------- */

static void publish(struct accept_check *check, const struct endpoint *own)
{
	uint64_t address[2];

	memcpy(address, &own->address, sizeof(address));
	__atomic_store_n(&check->accepted, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&check->source[0], address[0], __ATOMIC_RELAXED);
	__atomic_store_n(&check->source[1], address[1], __ATOMIC_RELAXED);
	__atomic_store_n(&check->port, own->port, __ATOMIC_RELEASE);
}

/* From the address that it goes to, so that it leaves the machine in no case.  Return: 0 or -errno */
static int connect_to(struct accept_check *check, int fd, const struct endpoint *listening)
{
	struct linger reset = { .l_onoff = 1 };
	struct endpoint own = { .address = listening->address };
	union socket_address address;
	socklen_t length = endpoint_to_socket_address(&own, &address);

	/* neither end is left in TIME_WAIT */
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	/* a listener that has forgotten us answers with RST */
	dial_set_keepalive(fd, KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S);
	if (bind(fd, &address.any, length) < 0 ||
	    getsockname(fd, &address.any, &length) < 0)
		return -errno;
	endpoint_from_socket_address(&own, &address);
	publish(check, &own);
	length = endpoint_to_socket_address(listening, &address);
	return connect(fd, &address.any, length) < 0 && errno != EINPROGRESS ? -errno : 0;
}

static void forget(struct accept_check *check)
{
	__atomic_store_n(&check->port, 0, __ATOMIC_RELEASE);
	if (check->open)
		close(check->fd);
	check->open = false;
}

/* Return: 0 or -errno */
static int begin(struct accept_check *check, const struct endpoint *listening, uint64_t now_ms)
{
	int domain = endpoint_is_ipv4(listening) ? AF_INET : AF_INET6, error;

	check->fd = socket(domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (check->fd < 0)
		return -errno;
	check->open = true;
	check->begun_ms = now_ms;
	error = connect_to(check, check->fd, listening);
	if (error)
		forget(check);
	return error;
}

/*
 * Our end is connected also when the listener has dropped the last ACK, because its queue was
 * full, and knows of no connection.  When nobody waits in a queue, we do not either.
 *
 * Return: true if nothing will come of this connection any more
 */
static bool is_hopeless(const struct accept_check *check, bool queued, uint64_t now_ms)
{
	uint64_t age_ms = now_ms - check->begun_ms;
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);

	if (getsockopt(check->fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
		return true;
	if (info.tcpi_state == TCP_SYN_SENT)
		return age_ms >= SYN_PATIENCE_MS;
	return info.tcpi_state == TCP_CLOSE || (!queued && age_ms >= ACCEPT_PATIENCE_MS);
}

static bool was_accepted(const struct accept_check *check)
{
	return check->open && __atomic_load_n(&check->accepted, __ATOMIC_ACQUIRE);
}

/**
 * accept_check_ask() - Was the last connection accepted?  If so, make the next one
 * @check:	Of the group
 * @listening:	Where the relay listens
 * @queued:	Connections wait there to be accepted; it may be one of them
 *
 * Return: 0 if it was; for how many milliseconds none has been accepted, 1 at least;
 * -errno if none can be made, such as -EMFILE
 */
int accept_check_ask(struct accept_check *check, const struct endpoint *listening, bool queued)
{
	uint64_t now_ms = clock_ms(), waited;
	bool accepted = was_accepted(check);
	int error = 0;

	if (accepted || !check->waits_since_ms)
		check->waits_since_ms = now_ms;
	if (accepted || !check->open || is_hopeless(check, queued, now_ms)) {
		forget(check);
		error = begin(check, listening, now_ms);
	}
	if (accepted)
		return 0;
	/* A listener that is gone answers with RST: that is no trouble of ours. */
	if (error && error != -ECONNREFUSED)
		return error;
	waited = now_ms - check->waits_since_ms;
	return waited >= INT_MAX ? INT_MAX : waited ? (int)waited : 1;
}

/**
 * accept_check_end() - Make no more of them
 * @check:	Of the group; it may be asked again
 */
void accept_check_end(struct accept_check *check)
{
	forget(check);
	check->waits_since_ms = 0;
}
