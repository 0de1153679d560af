// SPDX-License-Identifier: MIT
#include "connection/resetting.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "sockets/dial.h"

#define RESET_CHECK_MS 50	/* between checks of what a reset has to wait for */
#define RESET_PATIENCE_MS 10000	/* with a receiver that acknowledges nothing */

static enum side receiver_of(const struct connection *connection)
{
	return connection->broken == OUTCOME_CLIENT_RESET ? UPSTREAM : CLIENT;
}

/* Return: bytes that the receiver has not acknowledged yet */
static int bytes_unacknowledged(const struct connection *connection)
{
	int bytes = 0;

	return ioctl(connection->leg[receiver_of(connection)].fd, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

/* If the receiver of the last bytes has gone too, there is nothing to wait for. */
static void resetting_event(struct thread_context *thread, struct event_source *source,
			    uint32_t events)
{
	struct leg *leg = container_of(source, struct leg, source);
	struct connection *connection = connection_of_leg(leg);

	connection_note(connection, leg->side, events);
	if ((events & EPOLLERR) && leg->side == receiver_of(connection))
		connection_close(thread, connection, connection->broken);
}

static void resetting_timer(struct thread_context *thread, struct connection *connection)
{
	int bytes = bytes_unacknowledged(connection);

	if (bytes < connection->unacknowledged)
		connection->active_ms = thread->io.now_ms;
	connection->unacknowledged = bytes;
	if (bytes == 0 || connection_expired(thread, connection))
		connection_close(thread, connection, connection->broken);
	else
		connection_update_timer(thread, connection);
}

static uint32_t resetting_timeout(const struct connection *connection)
{
	(void)connection;
	return RESET_PATIENCE_MS;
}

static uint32_t resetting_check(const struct connection *connection)
{
	(void)connection;
	return RESET_CHECK_MS;
}

static const struct stage resetting_stage = {
	.state = RESETTING,
	.on_event = resetting_event,
	.on_timer = resetting_timer,
	.timeout = resetting_timeout,
	.check = resetting_check,
};

/**
 * resetting_begin() - Reset once everything has arrived, or nothing does any more
 * @thread:	Its thread
 * @connection:	Connection with a broken leg, all of whose bytes have been handed over
 */
void resetting_begin(struct thread_context *thread, struct connection *connection)
{
	/* pushes what waits for a FIN that will not come */
	dial_set_no_delay(connection->leg[receiver_of(connection)].fd);
	connection->unacknowledged = bytes_unacknowledged(connection);
	if (connection->unacknowledged == 0)
		connection_close(thread, connection, connection->broken);
	else
		connection_enter(thread, connection, &resetting_stage);
}
