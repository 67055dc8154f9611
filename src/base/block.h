/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Large blocks that come and go with every query. A few of those given back wait here for the next query, which then need not ask the system for
 * pages, and have them cleared, again. Thread-safe. */
#ifndef RT_BASE_BLOCK_H
#define RT_BASE_BLOCK_H

#include <stddef.h>

#define BLOCK_LEAST ((size_t)128 << 10) /* smaller ones are the allocator's business */

/* A block of at least *SIZE bytes, which becomes what it has. Never NULL. */
void *block_take(size_t *size);
/* One of those that wait with at least *SIZE bytes, the largest; NULL if there is none. */
void *block_waiting(size_t *size);
/* Gives a block back, or any memory of malloc's with SIZE bytes. P may be NULL. */
void block_give(void *p, size_t size);
/* Lets those that wait go. */
void block_forget(void);

#endif
