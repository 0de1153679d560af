/* SPDX-License-Identifier: MIT */
/*
 * Assertions: what comments promise, checked in debug builds.
 *
 * `make -C proxy/engine DEBUG=1`, the engine tests, the fuzzers and the sanitized
 * library define SIDETRACK_DEBUG.  Elsewhere an assertion is compiled and leaves no
 * code: a condition that cannot hold must not cost a connection anything.
 *
 * For what the program itself has done wrong; what the kernel, a proxy or the
 * memory may do at any time is handled, never asserted.
 */
#ifndef SIDETRACK_ASSERT_H
#define SIDETRACK_ASSERT_H

#ifdef SIDETRACK_DEBUG
#define ASSERT(condition)								\
	do {										\
		if (!(condition))							\
			assertion_failed(__FILE__, __LINE__, #condition);		\
	} while (0)
#else
#define ASSERT(condition) ((void)sizeof(!(condition)))
#endif

_Noreturn void assertion_failed(const char *file, int line, const char *condition);

#endif /* SIDETRACK_ASSERT_H */
