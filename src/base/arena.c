// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/block.h"

#define CHUNK_MIN 1024u /* a rule's expression is a few hundred bytes, and there may be thousands of them */
#define CHUNK_MAX ((1u << 20) - sizeof(struct arena_chunk))

struct arena_chunk {
	struct arena_chunk *next;
	size_t size;
	_Alignas(16) char bytes[];
};

static struct arena_chunk *chunk_new(size_t size)
{
	size_t all = sizeof(struct arena_chunk) + size;
	struct arena_chunk *c = all < BLOCK_LEAST ? xmalloc(all) : block_take(&all);
	c->size = all - sizeof(*c);
	return c;
}

static void chunk_free(struct arena_chunk *c)
{
	size_t all = sizeof(*c) + c->size;
	if (all < BLOCK_LEAST)
		free(c);
	else
		block_give(c, all);
}

static void use_chunk(struct arena *a, struct arena_chunk *c)
{
	a->at = c->bytes;
	a->end = c->bytes + c->size;
}

void *arena_alloc(struct arena *a, size_t n)
{
	if (n > SIZE_MAX / 4)
		abort();
	n = (n + 15) & ~(size_t)15;
	if (!a->at || n > (size_t)(a->end - a->at)) {
		/* Ever larger ones: large runs take few, and give them back to the system. */
		size_t size = a->chunks ? a->chunks->size * 2 : CHUNK_MIN - sizeof(struct arena_chunk);
		size = size > CHUNK_MAX ? CHUNK_MAX : size;
		struct arena_chunk *c = chunk_new(n > size ? n : size);
		c->next = a->chunks;
		a->chunks = c;
		use_chunk(a, c);
	}
	void *p = a->at;
	a->at += n;
	return p;
}

void *arena_calloc(struct arena *a, size_t n, size_t size)
{
	if (size && n > SIZE_MAX / 4 / size)
		abort();
	void *p = arena_alloc(a, n * size);
	return memset(p, 0, n * size);
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *p = arena_alloc(a, n + 1);
	if (n)
		memcpy(p, s, n);
	p[n] = 0;
	return p;
}

void arena_reset(struct arena *a)
{
	struct arena_chunk *c = a->chunks;
	if (!c)
		return;
	while (c->next) {
		struct arena_chunk *old = c->next;
		c->next = old->next;
		chunk_free(old);
	}
	use_chunk(a, c);
}

void arena_free(struct arena *a)
{
	while (a->chunks) {
		struct arena_chunk *c = a->chunks;
		a->chunks = c->next;
		chunk_free(c);
	}
	a->at = a->end = NULL;
}
