/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text of strangers on a terminal: processes choose their names and clients their paths, and neither may move the cursor. */
#ifndef RT_CLI_PLAIN_H
#define RT_CLI_PLAIN_H

#include "base/buf.h"

/* Appends S with a `?` for each control character, and for each byte outside ASCII if S is not UTF-8. */
void plain_add(struct buf *b, const char *s);
/* How many characters a text of plain_add has. */
size_t plain_width(const char *s);
/* The bytes that its first N characters take. */
size_t plain_cut(const char *s, size_t n);

#endif
