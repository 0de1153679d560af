// SPDX-License-Identifier: MIT
/* Bytes that pass: what the calls that move them do to a socket and to a pipe. */
#include "kernel.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "calls.h"

/* --- bytes in ---------------------------------------------------------------------- */

/* Bytes that one call may take; an urgent one ends what lies before it. */
static uint64_t readable_bytes(const struct file *file, uint64_t most)
{
	uint64_t bytes = file->received - file->read;

	if (file->urgent != UINT64_MAX && file->urgent > file->read &&
	    bytes > file->urgent - file->read)
		bytes = file->urgent - file->read;
	return bytes < most ? bytes : most;
}

/*
 * Nothing to read: is that the end, an error, or for now?  A peek takes the error
 * away as a read does; after that a reset looks like an end.
 */
static ssize_t nothing_to_read(struct file *file, bool peek)
{
	if (file->fin) {
		file->end_seen |= !peek;
		return 0;
	}
	if (file->error)
		return fail_with(tcp_take_error(file));
	return file->broken ? 0 : fail_with(EAGAIN);
}

static void advance(struct file *file, uint64_t bytes)
{
	file->read += bytes;
	if (file->read > file->urgent)
		file->urgent = UINT64_MAX;
	kernel.moved += bytes;
	kernel.idle_calls = 0;
}

/* The answer to a netlink question about a route. */
static ssize_t route_answer(void *bytes, size_t length)
{
	struct {
		struct nlmsghdr header;
		struct rtmsg route;
	} answer = { .header.nlmsg_type = RTM_NEWROUTE, .route.rtm_type = RTN_UNICAST };

	if (fails(CALL_ROUTE))
		answer.route.rtm_type = RTN_LOCAL;
	require(length >= sizeof(answer));
	memcpy(bytes, &answer, sizeof(answer));
	return sizeof(answer);
}

ssize_t kernel_recv(int fd, void *bytes, size_t length, int flags)
{
	struct file *file = file_at(fd);
	uint64_t now;

	require(flags == 0 || flags == MSG_PEEK);
	if (file->kind == FILE_OTHER)
		return route_answer(bytes, length);
	require(file->kind == FILE_TCP && length > 0);
	now = readable_bytes(file, length);
	if (!now)
		return nothing_to_read(file, flags == MSG_PEEK);
	tcp_copy(file, file->read, bytes, now);
	if (flags != MSG_PEEK)
		advance(file, now);
	return (ssize_t)now;
}

static ssize_t splice_in(struct file *source, struct file *inlet, size_t length)
{
	struct file *pipe = inlet->other;
	uint64_t now = readable_bytes(source, length < (size_t)inlet->size ? length
								     : (size_t)inlet->size);

	require(pipe && pipe->length == 0);
	if (source->urgent == source->read)
		return fail_with(EAGAIN);	/* splice() cannot pass it */
	if (!now)
		return nothing_to_read(source, false);
	if (fails(CALL_SPLICE_SHORT))
		now = now / 3 + 1;
	pipe->source = source;
	pipe->from = source->read;
	pipe->length = now;
	advance(source, now);
	return (ssize_t)now;
}

/* What is in a pipe can be read, a page at a time if need be. */
ssize_t pipe_read(struct file *pipe, void *bytes, size_t length)
{
	uint64_t now = length < pipe->length ? length : pipe->length;

	require(now > 0);
	if (fails(CALL_SPLICE_SHORT))
		now = now / 3 + 1;
	tcp_copy(pipe->source, pipe->from, bytes, now);
	pipe->from += now;
	pipe->length -= now;
	return (ssize_t)now;
}

/* --- bytes out --------------------------------------------------------------------- */

/* Return: bytes that go in, or -1 with errno */
static ssize_t writable_bytes(struct file *file, uint64_t length, enum call shortens)
{
	uint64_t room = tcp_has_room(file) ? file->capacity - file->queued : 0;
	uint64_t now = length < room ? length : room;

	require(file->kind == FILE_TCP && !file->shut && length > 0);
	if (file->error)
		return fail_with(tcp_take_error(file));
	if (file->broken)
		return fail_with(EPIPE);
	require(file->connected);
	if (!now)
		return fail_with(EAGAIN);
	if (fails(CALL_SEND_FULL)) {
		tcp_wake(file);		/* there will be memory again */
		return fail_with(EAGAIN);
	}
	return (ssize_t)(fails(shortens) ? now / 3 + 1 : now);
}

static ssize_t sent(struct file *file, ssize_t bytes)
{
	file->queued += (uint64_t)bytes;
	kernel.moved += (uint64_t)bytes;
	kernel.idle_calls = 0;
	return bytes;
}

ssize_t kernel_send(int fd, const void *bytes, size_t length, int flags)
{
	struct file *file = file_at(fd);
	ssize_t now;

	if (file->kind == FILE_OTHER)
		return (ssize_t)length;
	require((flags & ~MSG_MORE) == MSG_NOSIGNAL);
	now = writable_bytes(file, length, CALL_SEND_SHORT);
	if (now < 0)
		return now;
	file->corked = flags & MSG_MORE;
	invariant_written(file, bytes, (uint64_t)now);
	return sent(file, now);
}

/* A handshake's message, and behind it the client's first bytes. */
ssize_t kernel_sendmsg(int fd, const struct msghdr *message, int flags)
{
	struct file *file = tcp_at(fd);
	const struct iovec *part = message->msg_iov;
	ssize_t now;

	require(flags == MSG_NOSIGNAL && message->msg_iovlen == 2);
	now = writable_bytes(file, part[0].iov_len + part[1].iov_len, CALL_SEND_SHORT);
	if (now < 0)
		return now;
	if ((size_t)now <= part[0].iov_len) {
		invariant_written(file, part[0].iov_base, (uint64_t)now);
		return sent(file, now);
	}
	invariant_written(file, part[0].iov_base, part[0].iov_len);
	invariant_early(file, part[1].iov_base, (uint64_t)now - part[0].iov_len);
	return sent(file, now);
}

/* TCP Fast Open: connect() that takes the first bytes along. */
ssize_t kernel_sendto(int fd, const void *bytes, size_t length, int flags,
		      const struct sockaddr *address, socklen_t address_length)
{
	struct file *file = tcp_at(fd);

	(void)address_length;
	require(flags == (MSG_FASTOPEN | MSG_NOSIGNAL) && length > 0);
	if (fails(CALL_FAST_OPEN))
		return fail_with(EOPNOTSUPP);
	if (tcp_dial(file, address) < 0)
		return -1;
	if (fails(CALL_COOKIE))
		return fail_with(EINPROGRESS);
	if (fails(CALL_SEND_SHORT))
		length = length / 3 + 1;
	invariant_written(file, bytes, length);
	return sent(file, (ssize_t)length);
}

static ssize_t splice_out(struct file *pipe, struct file *sink, size_t length)
{
	ssize_t now;

	require(pipe->length == length);
	now = writable_bytes(sink, length, CALL_SPLICE_SHORT);
	if (now < 0)
		return now;
	invariant_spliced(sink, pipe, (uint64_t)now);
	pipe->from += (uint64_t)now;
	pipe->length -= (uint64_t)now;
	return sent(sink, now);
}

ssize_t kernel_splice(int from, off_t *from_at, int to, off_t *to_at, size_t length,
		      unsigned int flags)
{
	struct file *in = file_at(from), *out = file_at(to);

	(void)flags;
	require(!from_at && !to_at);
	if (in->kind == FILE_PIPE)
		return splice_out(in, out, length);
	require(in->kind == FILE_TCP && out->kind == FILE_PIPE_INLET);
	return splice_in(in, out, length);
}
