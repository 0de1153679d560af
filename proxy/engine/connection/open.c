// SPDX-License-Identifier: MIT
#include "connection/open.h"

#include <unistd.h>

#include "base/counters.h"
#include "connection/connecting.h"
#include "connection/connection.h"
#include "connection/record.h"
#include "sockets/congestion.h"
#include "sockets/destination.h"
#include "upstreams/guard.h"

/* Return: OUTCOME_OPEN, or why the connection is refused */
static enum outcome admit(struct thread_context *thread, struct connection *connection)
{
	struct endpoint *destination = &connection->establish.destination;
	int error = destination_original(connection->leg[CLIENT].fd,
					 (enum capture)thread->options->capture,
					 &connection->client, destination);
	enum outcome outcome;

	record_begin(thread, connection);
	outcome = error ? OUTCOME_NO_ORIGINAL_DESTINATION
			: guard_judge(thread->guard, &connection->client, destination);
	return outcome == OUTCOME_OPEN ? connection_admit(thread, connection) : outcome;
}

/*
 * The listener's is for clients on attached networks.  Where that is not the system's own,
 * those who are farther away get that back, in one system call in their lives.
 */
static void suit_congestion(struct thread_context *thread, const struct connection *connection)
{
	const char *elsewhere = connection_options(connection)->congestion[CONGESTION_ELSEWHERE];

	if (elsewhere[0] && !guard_is_attached(thread->guard, &connection->client))
		congestion_set(connection->leg[CLIENT].fd, elsewhere);
}

/**
 * connection_open() - Take over an accepted socket
 * @thread:	Its thread, which has counted it as active
 * @fd:		Socket
 * @client:	Its peer
 */
void connection_open(struct thread_context *thread, int fd, const struct endpoint *client)
{
	struct connection *connection = connection_create(thread, fd, client);
	enum outcome outcome;

	if (!connection) {
		close(fd);
		counter_add(&thread->counters->outcome[OUTCOME_NO_MEMORY], 1);
		thread->connection_gone(thread);
		return;
	}
	outcome = admit(thread, connection);
	if (outcome != OUTCOME_OPEN) {
		connection_close(thread, connection, outcome);
		return;
	}
	suit_congestion(thread, connection);
	if (leg_watch(thread->epoll, &connection->leg[CLIENT]) < 0)
		connection_close(thread, connection, OUTCOME_NO_MEMORY);
	else
		connecting_begin(thread, connection);
}
