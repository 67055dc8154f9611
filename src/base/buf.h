/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Growing byte buffer with a ceiling (curl's dynbuf). An append that would pass the ceiling sets `failed` and
 * leaves the content as it was; every later append is ignored, so a writer checks once, at its end. The content
 * is always followed by a NUL that is not counted. */
#ifndef RT_BASE_BUF_H
#define RT_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/sv.h"

struct buf {
	char *p;
	size_t n, cap, max;
	bool failed;
};

#define BUF_MAX_DEFAULT ((size_t)256 << 20)
/* struct buf b = BUF_INIT; or BUF_LIMIT(bytes); then buf_free(&b). */
#define BUF_INIT ((struct buf){.max = BUF_MAX_DEFAULT})
#define BUF_LIMIT(bytes) ((struct buf){.max = (bytes)})

void buf_free(struct buf *b);
void buf_reset(struct buf *b);
/* Room for n more bytes behind b->n, or false if the ceiling forbids it. */
bool buf_reserve(struct buf *b, size_t n);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_adds(struct buf *b, const char *s);
void buf_addsv(struct buf *b, struct sv s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vaddf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* The content as a NUL-terminated string the caller frees; the buffer is empty afterwards. Never NULL. */
char *buf_steal(struct buf *b);
/* "" for an empty buffer. */
const char *buf_str(const struct buf *b);

#define _cleanup_buf_ __attribute__((cleanup(buf_free)))

#endif
