// SPDX-License-Identifier: MIT
#include "connection/record.h"

#include <string.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/histogram.h"
#include "base/log.h"
#include "base/recent.h"
#include "connection/connection.h"

/**
 * record_id() - The connection's number as people see it
 * @thread:	Its thread
 * @connection:	Connection that has a record
 *
 * Return: a number that no other connection of this relay has
 */
uint64_t record_id(const struct thread_context *thread, const struct connection *connection)
{
	return connection->number * thread->thread_count + thread->index;
}

static void record_fill(const struct connection *connection, const struct thread_context *thread,
			enum outcome outcome, struct sidetrack_relay_record *record)
{
	memset(record, 0, sizeof(*record));
	record->id = record_id(thread, connection);
	record->accepted_ms = connection->accepted_unix_ms;
	memcpy(record->client, &connection->client.address, sizeof(record->client));
	memcpy(record->destination, &connection->establish.destination.address,
	       sizeof(record->destination));
	record->client_port = connection->client.port;
	record->destination_port = connection->establish.destination.port;
	record->outcome = outcome;
	record->upstream = establish_slot(&connection->establish);
	record->route = connection->route;
	if (outcome == OUTCOME_OPEN)
		return;
	record->duration_us = clock_us() - connection->accepted_us;
	record->connect_us = connection->connect_took_us;
	record->first_byte_us = connection->first_byte_us;
	record->upload_bytes = connection->direction[CLIENT].bytes;
	record->download_bytes = connection->direction[UPSTREAM].bytes;
}

/**
 * record_begin() - Put a new connection on the list of recent ones
 * @thread:	Its thread
 * @connection:	Connection whose destination is known
 */
void record_begin(struct thread_context *thread, struct connection *connection)
{
	struct sidetrack_relay_record record;

	connection->number = thread->recent->count;
	record_fill(connection, thread, OUTCOME_OPEN, &record);
	recent_begin(thread->recent, &record);
}

/**
 * record_established() - Note which upstream it has got
 * @thread:	Its thread
 * @connection:	Connection whose bytes may pass from now on
 */
void record_established(struct thread_context *thread, struct connection *connection)
{
	struct sidetrack_relay_record record;

	record_fill(connection, thread, OUTCOME_OPEN, &record);
	recent_update(thread->recent, connection->number, &record);
}

static void record_tcp_info(struct sidetrack_relay_record *record,
			    const struct tcp_summary info[SIDES])
{
	int side;

	for (side = 0; side < SIDES; side++) {
		record->rtt_us[side] = info[side].rtt_us;
		record->retransmitted[side] = info[side].retransmitted_segments;
	}
}

/**
 * record_end() - Note how a connection ended, in the list, the log and the counters
 * @thread:	Its thread
 * @connection:	Connection that has just been closed
 * @outcome:	Why
 * @info:	What the kernel said of each leg, zeroed if it was not asked
 */
void record_end(struct thread_context *thread, struct connection *connection, enum outcome outcome,
		const struct tcp_summary info[SIDES])
{
	struct sidetrack_relay_record record;

	record_fill(connection, thread, outcome, &record);
	record_tcp_info(&record, info);
	if (thread->log)
		log_put(thread->log, thread->counters, &record);
	recent_update(thread->recent, connection->number, &record);
	histogram_record(&thread->counters->histogram[HISTOGRAM_lifetime], record.duration_us);
	counter_add(&thread->counters->outcome[outcome], 1);
}
