/* SPDX-License-Identifier: MIT */
/* The system calls under their new names. */
#ifndef CALLS_H
#define CALLS_H

#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

struct epoll_event;

int kernel_close(int fd);
int kernel_pipe2(int end[2], int flags);
int kernel_fcntl(int fd, int command, ...);
int kernel_epoll_create1(int flags);
int kernel_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
int kernel_epoll_wait(int epoll, struct epoll_event *events, int most, int timeout_ms);
int kernel_epoll_pwait2(int epoll, struct epoll_event *events, int most,
			const struct timespec *timeout, const sigset_t *signals);
int kernel_eventfd(unsigned int value, int flags);
ssize_t kernel_read(int fd, void *bytes, size_t length);
ssize_t kernel_write(int fd, const void *bytes, size_t length);
int kernel_clock_gettime(clockid_t clock, struct timespec *now);
void *kernel_malloc(size_t size);
void *kernel_calloc(size_t count, size_t size);
int kernel_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			  void *(*run)(void *argument), void *argument);
int kernel_pthread_join(pthread_t pthread, void **result);
int kernel_pthread_setaffinity_np(pthread_t pthread, size_t size, const cpu_set_t *cpus);
int kernel_pthread_setname_np(pthread_t pthread, const char *name);

int kernel_socket(int family, int type, int protocol);
int kernel_bind(int fd, const struct sockaddr *address, socklen_t length);
int kernel_listen(int fd, int backlog);
int kernel_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
int kernel_connect(int fd, const struct sockaddr *address, socklen_t length);
int kernel_getsockname(int fd, struct sockaddr *address, socklen_t *length);
int kernel_getsockopt(int fd, int level, int name, void *value, socklen_t *length);
int kernel_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
ssize_t kernel_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t kernel_sendto(int fd, const void *bytes, size_t length, int flags,
		      const struct sockaddr *address, socklen_t address_length);
int kernel_shutdown(int fd, int how);
int kernel_ioctl(int fd, unsigned long request, ...);
ssize_t kernel_recv(int fd, void *bytes, size_t length, int flags);
ssize_t kernel_send(int fd, const void *bytes, size_t length, int flags);
ssize_t kernel_splice(int from, off_t *from_at, int to, off_t *to_at, size_t length,
		      unsigned int flags);

#endif /* CALLS_H */
