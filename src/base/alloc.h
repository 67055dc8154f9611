/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Allocation that cannot fail: small, bounded objects only. Out of memory there is nothing useful left to do
 * for a daemon under a memory limit, so these abort with a message. What a stranger's input sizes goes through
 * a `struct buf` with a ceiling or is checked against a budget first. */
#ifndef RT_BASE_ALLOC_H
#define RT_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>

void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t n) __attribute__((returns_nonnull));
void *xreallocarray(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
/* Copies N bytes and puts a NUL behind them. */
void *xmemdup(const void *s, size_t n) __attribute__((malloc, returns_nonnull));
/* NUL-terminated formatted text; free() it. */
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), malloc, returns_nonnull));
char *xvasprintf(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0), malloc, returns_nonnull));

/* How the allocator is to behave in this program; once, before there are threads. */
void memory_set_up(void);
/* Gives what has been freed back to the system if that is much: after large queries. Milliseconds; not for each request. */
void memory_give_back(void);

/* Makes room for one more element in a growing array: array_grow(v, n_used, n_allocated). */
#define array_grow(v, n, cap)                                                                                \
	do {                                                                                                 \
		if ((n) >= (cap)) {                                                                          \
			(cap) = (cap) ? (cap)*2 : 8;                                                         \
			(v) = xreallocarray((v), (cap), sizeof(*(v)));                                       \
		}                                                                                            \
	} while (0)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
