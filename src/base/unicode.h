/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What kind of character it is, as Go's unicode package asks it. Beyond ASCII each question costs a match. */
#ifndef RT_BASE_UNICODE_H
#define RT_BASE_UNICODE_H

#include <stdbool.h>
#include <stdint.h>

/* A letter or a decimal digit. */
bool unicode_is_alnum(uint32_t cp);
/* Letters, marks, numbers, punctuation, symbols and ASCII's space. */
bool unicode_is_print(uint32_t cp);

#endif
