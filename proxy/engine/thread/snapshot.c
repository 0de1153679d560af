// SPDX-License-Identifier: MIT
#include "thread/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "connection/connection.h"
#include "connection/record.h"
#include "sockets/tcp-info.h"
#include "thread/thread.h"

#define SLICE 32	/* connections in a turn of the loop: about 50 us */

/* --- the control side ------------------------------------------------------------- */

static enum snapshot_state snapshot_state(const struct snapshot *snapshot)
{
	return (enum snapshot_state)__atomic_load_n(&snapshot->state, __ATOMIC_ACQUIRE);
}

bool snapshot_busy(const struct snapshot *snapshot)
{
	return snapshot_state(snapshot) == SNAPSHOT_WANTED;
}

/* Frees what the last snapshot found.  The thread must not have it. */
void snapshot_forget(struct snapshot *snapshot)
{
	free(snapshot->entry);
	free(snapshot->id);
	memset(snapshot, 0, sizeof(*snapshot));
}

/**
 * snapshot_prepare() - Get ready all that a snapshot needs
 * @snapshot:	One that is not busy; what it found before is gone
 * @kind:	What for
 * @room:	Most connections to report
 * @id:		Those to close
 * @id_count:	How many
 *
 * Return: 0 or -ENOMEM
 */
int snapshot_prepare(struct snapshot *snapshot, enum snapshot_kind kind, uint32_t room,
		     const uint64_t *id, uint32_t id_count)
{
	snapshot_forget(snapshot);
	snapshot->kind = kind;
	snapshot->room = room;
	snapshot->entry = calloc(room ? room : 1, sizeof(*snapshot->entry));
	snapshot->id = calloc(id_count ? id_count : 1, sizeof(*snapshot->id));
	if (!snapshot->entry || !snapshot->id) {
		snapshot_forget(snapshot);
		return -ENOMEM;
	}
	if (id_count)
		memcpy(snapshot->id, id, id_count * sizeof(*id));
	snapshot->id_count = id_count;
	return 0;
}

/* The thread has to be woken. */
void snapshot_want(struct snapshot *snapshot)
{
	__atomic_store_n(&snapshot->state, SNAPSHOT_WANTED, __ATOMIC_RELEASE);
}

/* --- what is seen of a connection ------------------------------------------------- */

static uint32_t flag(bool set, enum entry_flag bit)
{
	return (uint32_t)set << bit;
}

static uint32_t entry_flags(const struct connection *connection)
{
	const struct direction *upload = &connection->direction[CLIENT];
	const struct direction *download = &connection->direction[UPSTREAM];

	return flag(upload->pending, ENTRY_UPLOAD_STALLED_BIT) |
	       flag(download->pending, ENTRY_DOWNLOAD_STALLED_BIT) |
	       flag(upload->finished, ENTRY_UPLOAD_ENDED_BIT) |
	       flag(download->finished, ENTRY_DOWNLOAD_ENDED_BIT);
}

/* Our side of the client's leg, which conntrack needs to find the client by. */
static void entry_local(struct sidetrack_relay_entry *entry, int fd)
{
	union socket_address address;
	socklen_t length = sizeof(address);
	struct endpoint local;

	if (getsockname(fd, &address.any, &length) < 0)
		return;
	endpoint_from_socket_address(&local, &address);
	memcpy(entry->local, &local.address, sizeof(entry->local));
	entry->local_port = local.port;
}

static void entry_endpoints(struct sidetrack_relay_entry *entry,
			    const struct connection *connection)
{
	memcpy(entry->client, &connection->client.address, sizeof(entry->client));
	memcpy(entry->destination, &connection->establish.destination.address,
	       sizeof(entry->destination));
	entry->client_port = connection->client.port;
	entry->destination_port = connection->establish.destination.port;
	entry_local(entry, connection->leg[CLIENT].fd);
}

static void entry_fill(struct sidetrack_relay_entry *entry, const struct thread *thread,
		       const struct connection *connection)
{
	struct tcp_summary info[SIDES] = { 0 };
	uint64_t now_ms = thread->context.io.now_ms;
	int side;

	entry->id = record_id(&thread->context, connection);
	entry->accepted_ms = connection->accepted_unix_ms;
	entry->age_us = clock_us() - connection->accepted_us;
	entry->idle_ms = now_ms > connection->active_ms ? now_ms - connection->active_ms : 0;
	entry->upload_bytes = connection->direction[CLIENT].bytes;
	entry->download_bytes = connection->direction[UPSTREAM].bytes;
	entry->upload_mode = connection->direction[CLIENT].mode;
	entry->download_mode = connection->direction[UPSTREAM].mode;
	entry->upstream = establish_slot(&connection->establish);
	entry->route = connection->route;
	entry->state = connection_state(connection);
	entry->flags = entry_flags(connection);
	entry_endpoints(entry, connection);
	for (side = 0; side < SIDES; side++) {
		/* of a frozen leg the kernel knows what was, not what is */
		if (connection->direction[side].mode != MODE_EXPRESS &&
		    (side == CLIENT || connection_state(connection) != CONNECTING))
			tcp_info_read(connection->leg[side].fd, &info[side]);
		entry->rtt_us[side] = info[side].rtt_us;
	}
}

/* --- the thread ------------------------------------------------------------------- */

bool snapshot_wanted(const struct snapshot *snapshot)
{
	return snapshot_busy(snapshot);
}

static void snapshot_end(struct snapshot *snapshot)
{
	list_remove(&snapshot->cursor);
	__atomic_store_n(&snapshot->state, SNAPSHOT_DONE, __ATOMIC_RELEASE);
}

static void snapshot_begin(struct snapshot *snapshot, struct list *connections)
{
	snapshot->begun = true;
	snapshot->begun_us = clock_us();
	list_add(connections->next, &snapshot->cursor);	/* before the first */
}

static bool is_to_close(const struct snapshot *snapshot, uint64_t id)
{
	uint32_t i;

	for (i = 0; i < snapshot->id_count; i++)
		if (snapshot->id[i] == id)
			return true;
	return false;
}

static void visit(struct thread *thread, struct connection *connection)
{
	struct snapshot *snapshot = &thread->snapshot;
	bool close = snapshot->kind == SNAPSHOT_CLOSE;

	if (close && !is_to_close(snapshot, record_id(&thread->context, connection)))
		return;
	entry_fill(&snapshot->entry[snapshot->count++], thread, connection);
	if (close)
		connection_close(&thread->context, connection, OUTCOME_CLOSED);
}

/* Return: the connection behind the cursor, which moves past it, or NULL at the end */
static struct connection *snapshot_step(struct snapshot *snapshot, const struct list *connections)
{
	struct list *node = snapshot->cursor.next;
	struct connection *connection;

	if (node == connections || snapshot->count == snapshot->room)
		return NULL;
	connection = container_of(node, struct connection, node);
	if (connection->accepted_us > snapshot->begun_us)
		return NULL;	/* and so are all behind it */
	list_remove(&snapshot->cursor);
	list_add(node->next, &snapshot->cursor);
	return connection;
}

/**
 * snapshot_slice() - Look at the next few connections, if anybody wants it
 * @thread:	The thread
 */
void snapshot_slice(struct thread *thread)
{
	struct snapshot *snapshot = &thread->snapshot;
	int i;

	if (!snapshot_wanted(snapshot))
		return;
	if (!snapshot->begun)
		snapshot_begin(snapshot, &thread->context.connections);
	for (i = 0; i < SLICE; i++) {
		struct connection *connection =
			snapshot_step(snapshot, &thread->context.connections);

		if (!connection) {
			snapshot_end(snapshot);
			return;
		}
		visit(thread, connection);
	}
}

/**
 * snapshot_abandon() - End a snapshot with what it has found so far
 * @thread:	The thread, which is about to close all its connections
 */
void snapshot_abandon(struct thread *thread)
{
	if (!snapshot_wanted(&thread->snapshot))
		return;
	if (!thread->snapshot.begun)
		snapshot_begin(&thread->snapshot, &thread->context.connections);
	snapshot_end(&thread->snapshot);
}
