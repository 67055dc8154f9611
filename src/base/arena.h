/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bump allocator for what goes at once: a syntax tree, a step of an evaluation, the values of a template. Not
 * thread-safe. */
#ifndef RT_BASE_ARENA_H
#define RT_BASE_ARENA_H

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
#define arena_grow(a, v, n, cap) arena_grow_with(arena_alloc, a, v, n, cap)
#define arena_grow_with(alloc, a, v, n, cap)                                                                 \
	do {                                                                                                 \
		if ((n) >= (cap)) {                                                                          \
			size_t _cap = (cap) ? (cap)*2 : 4;                                                   \
			void *_v = alloc((a), _cap * sizeof(*(v)));                                          \
			if (n)                                                                               \
				memcpy(_v, (v), (n) * sizeof(*(v)));                                         \
			(v) = _v;                                                                            \
			(cap) = _cap;                                                                        \
		}                                                                                            \
	} while (0)

#endif
