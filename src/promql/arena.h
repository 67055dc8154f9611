/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bump allocator: a syntax tree, a step of an evaluation and a result each live in one, and go at once. Not
 * thread-safe. */
#ifndef RT_PROMQL_ARENA_H
#define RT_PROMQL_ARENA_H

#include <stddef.h>
#include <string.h>

#include "base/sv.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* the newest first */
	char *at, *end;
};

/* 16-byte aligned, not zeroed; never NULL. */
void *arena_alloc(struct arena *a, size_t n);
void *arena_calloc(struct arena *a, size_t n, size_t size);
/* A NUL-terminated copy. */
char *arena_strndup(struct arena *a, const char *s, size_t n);
/* Forgets everything allocated but keeps one chunk for the next round. */
void arena_reset(struct arena *a);
void arena_free(struct arena *a);

/* Room for one more in a growing array of the arena; the old copy stays behind until the arena goes. */
#define arena_grow(a, v, n, cap)                                                                             \
	do {                                                                                                 \
		if ((n) >= (cap)) {                                                                          \
			size_t _cap = (cap) ? (cap)*2 : 8;                                                   \
			void *_v = arena_alloc((a), _cap * sizeof(*(v)));                                    \
			if (n)                                                                               \
				memcpy(_v, (v), (n) * sizeof(*(v)));                                         \
			(v) = _v;                                                                            \
			(cap) = _cap;                                                                        \
		}                                                                                            \
	} while (0)

#endif
