// SPDX-License-Identifier: MIT
#include "connection/count-bytes.h"

#include "base/client-table.h"
#include "base/counters.h"

void count_bytes(struct thread_context *thread, const struct connection *connection, int side,
		 uint64_t bytes)
{
	struct sidetrack_relay_counters *counters = thread->counters;
	struct sidetrack_relay_upstream_counters *upstream =
		&counters->upstream[establish_slot(&connection->establish)];
	struct sidetrack_relay_route_counters *route = &counters->route[connection->route];
	struct sidetrack_relay_client *client =
		client_table_counters(thread->clients, connection->client_entry);

	counter_add(side == CLIENT ? &upstream->upload_bytes : &upstream->download_bytes, bytes);
	counter_add(side == CLIENT ? &route->upload_bytes : &route->download_bytes, bytes);
	counter_add(side == CLIENT ? &client->upload_bytes : &client->download_bytes, bytes);
}
