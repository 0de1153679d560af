// SPDX-License-Identifier: MIT
/* Descriptors, epoll, time, memory and the one thread. */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "calls.h"

#define CALLS_WITHOUT_PROGRESS 20000

struct kernel kernel;

void kernel_boot(void)
{
	/* the last run's files, and not all that there could have been */
	memset(kernel.file, 0, kernel.opened * sizeof(kernel.file[0]));
	memset((char *)&kernel + sizeof(kernel.file), 0, sizeof(kernel) - sizeof(kernel.file));
	kernel.now_us = 1000000000;
}

/* Every call passes here or through file_at(): who calls for ever and moves nothing, spins. */
bool fails(enum call call)
{
	require(++kernel.idle_calls < CALLS_WITHOUT_PROGRESS);
	if (!kernel.booted || !kernel.failing[call])
		return false;
	kernel.failing[call]--;
	return true;
}

int fail_with(int error)
{
	errno = error;
	return -1;
}

struct file *file_open(enum kind kind)
{
	struct file *file = &kernel.file[kernel.opened];

	require(kernel.opened < FILES);
	file->kind = kind;
	file->fd = FIRST_DESCRIPTOR + (int)kernel.opened++;
	file->urgent = file->granted = UINT64_MAX;
	kernel.open++;
	return file;
}

struct file *file_at(int fd)
{
	unsigned int index = (unsigned int)fd - FIRST_DESCRIPTOR;

	require(index < kernel.opened && kernel.file[index].kind != FILE_CLOSED);
	require(++kernel.idle_calls < CALLS_WITHOUT_PROGRESS);
	return &kernel.file[index];
}

int kernel_close(int fd)
{
	struct file *file = file_at(fd);

	invariant_closed(file);
	if (file->other)
		file->other->other = NULL;
	if (file == kernel.listener)
		kernel.listener = NULL;
	if (file == kernel.eventfd)
		kernel.eventfd = NULL;
	file->kind = FILE_CLOSED;
	kernel.open--;
	return 0;
}

/* --- pipes and duplicates --------------------------------------------------------- */

int kernel_pipe2(int end[2], int flags)
{
	struct file *outlet, *inlet;

	require(flags == (O_NONBLOCK | O_CLOEXEC));
	if (fails(CALL_PIPE))
		return fail_with(kernel.how % 2 ? EMFILE : ENFILE);
	outlet = file_open(FILE_PIPE);
	inlet = file_open(FILE_PIPE_INLET);
	outlet->other = inlet;
	inlet->other = outlet;
	inlet->size = 65536;
	end[0] = outlet->fd;
	end[1] = inlet->fd;
	return 0;
}

static int pipe_resize(struct file *inlet, int size)
{
	if (!fails(CALL_PIPE_SIZE))
		return inlet->size = size;
	if (kernel.how % 2)
		inlet->size = 8192;
	return fail_with(EPERM);
}

int kernel_fcntl(int fd, int command, ...)
{
	struct file *file = file_at(fd);
	va_list arguments;
	int value;

	va_start(arguments, command);
	value = va_arg(arguments, int);
	va_end(arguments);
	switch (command) {
	case F_DUPFD_CLOEXEC:
		return fails(CALL_DUPLICATE) ? fail_with(EMFILE) : file_open(FILE_OTHER)->fd;
	case F_SETPIPE_SZ:
		require(file->kind == FILE_PIPE_INLET);
		return pipe_resize(file, value);
	case F_GETPIPE_SZ:
		require(file->kind == FILE_PIPE_INLET);
		return file->size;
	default:
		return fail_with(EINVAL);
	}
}

/* --- epoll and the eventfd -------------------------------------------------------- */

int kernel_epoll_create1(int flags)
{
	(void)flags;
	require(kernel.epolls < EPOLLS);
	kernel.epoll[kernel.epolls] = file_open(FILE_OTHER);
	return kernel.epoll[kernel.epolls++]->fd;
}

static unsigned int set_of(int epoll)
{
	unsigned int set = kernel.epoll[0] != file_at(epoll);

	require(kernel.epoll[set] == file_at(epoll));
	return set;
}

int kernel_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
	struct file *file = file_at(fd);
	struct watch *watch = &file->watch[set_of(epoll)];

	if (operation == EPOLL_CTL_ADD && fails(CALL_WATCH))
		return fail_with(kernel.how % 2 ? ENOMEM : ENOSPC);
	if (operation == EPOLL_CTL_DEL && !watch->on)
		return fail_with(ENOENT);
	require(watch->on == (operation != EPOLL_CTL_ADD));
	watch->on = operation != EPOLL_CTL_DEL;
	if (operation == EPOLL_CTL_DEL)
		return 0;
	watch->interest = event->events;
	watch->data = event->data.ptr;
	/* as if it had just become what it is */
	watch->woken = file->kind == FILE_TCP && tcp_mask(file) != 0;
	return 0;
}

static int wait_us(int epoll, struct epoll_event *events, int most, int64_t timeout_us)
{
	unsigned int set = set_of(epoll);

	if (fails(CALL_WAIT))
		return fail_with(EINTR);
	if (set == 0)
		return world_wait(events, most, timeout_us);
	require(timeout_us == 0);
	return world_deliver(set, events, most, 0);
}

int kernel_epoll_wait(int epoll, struct epoll_event *events, int most, int timeout_ms)
{
	return wait_us(epoll, events, most, timeout_ms * 1000LL);
}

int kernel_epoll_pwait2(int epoll, struct epoll_event *events, int most,
			const struct timespec *timeout, const sigset_t *signals)
{
	require(signals == NULL);
	if (fails(CALL_PRECISE_WAIT))
		return fail_with(kernel.how % 2 ? ENOSYS : EPERM);
	return wait_us(epoll, events, most, timeout->tv_sec * 1000000LL + timeout->tv_nsec / 1000);
}

int kernel_eventfd(unsigned int value, int flags)
{
	(void)flags;
	kernel.wakes = value;
	kernel.eventfd = file_open(FILE_OTHER);
	return kernel.eventfd->fd;
}

ssize_t kernel_read(int fd, void *bytes, size_t length)
{
	if (file_at(fd)->kind == FILE_PIPE)
		return pipe_read(file_at(fd), bytes, length);
	require(file_at(fd) == kernel.eventfd && length == sizeof(kernel.wakes));
	if (!kernel.wakes)
		return fail_with(EAGAIN);
	memcpy(bytes, &kernel.wakes, length);
	kernel.wakes = 0;
	return (ssize_t)length;
}

ssize_t kernel_write(int fd, const void *bytes, size_t length)
{
	uint64_t more;

	require(file_at(fd) == kernel.eventfd && length == sizeof(more));
	memcpy(&more, bytes, length);
	kernel.wakes += more;
	return (ssize_t)length;
}

/* --- time, memory, the thread ------------------------------------------------------ */

int kernel_clock_gettime(clockid_t clock, struct timespec *now)
{
	(void)clock;
	now->tv_sec = (time_t)(kernel.now_us / 1000000);
	now->tv_nsec = (long)(kernel.now_us % 1000000) * 1000;
	return 0;
}

static bool memory_fails(void)
{
	bool failed = fails(CALL_MEMORY);

	kernel.memory_failed |= failed;
	return failed;
}

void *kernel_malloc(size_t size)
{
	return memory_fails() ? NULL : malloc(size);
}

void *kernel_calloc(size_t count, size_t size)
{
	return memory_fails() ? NULL : calloc(count, size);
}

/* The fuzzer runs it when it pleases. */
int kernel_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			  void *(*run)(void *argument), void *argument)
{
	(void)attributes;
	*thread = pthread_self();
	kernel.thread = run;
	kernel.thread_argument = argument;
	return 0;
}

int kernel_pthread_join(pthread_t thread, void **result)
{
	(void)thread;
	(void)result;
	return 0;
}

int kernel_pthread_setaffinity_np(pthread_t thread, size_t size, const cpu_set_t *cpus)
{
	(void)thread;
	(void)size;
	(void)cpus;
	return 0;
}

int kernel_pthread_setname_np(pthread_t thread, const char *name)
{
	(void)thread;
	(void)name;
	return 0;
}
